//! Adapts a replayed request to a server of open models: mechanically, visibly, and never what it says.
//! A model that is refused for the name of a role or a field of another vendor has not been tried.

mod card;
mod named;
mod requests;

use freehold_wire::{Api, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::card::Card;
pub use self::named::Adapting;
use super::cases::Chosen;
use crate::config::Settings;
use crate::engines::Kind;
use crate::exit::Fault;
use crate::names::Target;

/// One adaptation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adaptation {
    /// The developer's words are said as the system's.
    DeveloperAsSystem,
    /// Several system messages become the first, joined by empty lines.
    SystemMerged,
    /// A schema that is stated in the way of one server is stated as `response_format`, which a grammar enforces.
    SchemaStated,
    /// Reasoning of earlier turns is sent back in the field that this engine reads.
    ReasoningRenamed,
    /// The bound of the answer is called `max_tokens`.
    MaxTokensRenamed,
    /// Fields that only their vendor understands are left out.
    VendorFieldsDropped,
    /// Sampling is that of the model's card.
    SamplingOfCard,
    /// The bound of the answer is raised by what the model may think.
    ThinkingBudgeted,
}

/// What may be done to the requests of one candidate, and with what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Adapter {
    adapting: Adapting,
    form: Form,
    card: Option<Card>,
    thinking_tokens: u32,
}

/// The form in which a candidate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As our own engine is, which reads every form.
    Own,
    /// As the upstream's engine reads it, where that is named.
    Sent(Option<Kind>),
}

impl Adapter {
    /// Returns the engine into whose form requests are put.
    fn engine(&self) -> Option<Kind> {
        match self.form {
            Form::Own => None,
            Form::Sent(engine) => engine,
        }
    }

    /// Returns what an assessment may do for a candidate.
    ///
    /// # Errors
    /// What is configured of its sampling cannot be used, or its file cannot be read.
    pub(super) fn of(adapting: Adapting, target: &Target, settings: &Settings) -> Result<Self, Fault> {
        if let Some(model) = target.own_model(settings) {
            let card = if adapting.allows(Adaptation::SamplingOfCard) { Card::of_model(model)? } else { None };
            return Ok(Adapter { adapting, form: Form::Own, card, thinking_tokens: model.thinking_tokens });
        }
        let upstream = target.upstream(settings).expect("a parsed target is a model or an upstream");
        let card = Card::configured(upstream.sampling, &upstream.name)?;
        Ok(Adapter { adapting, form: Form::Sent(upstream.engine), card, thinking_tokens: upstream.thinking_tokens })
    }

    /// Returns one that changes nothing.
    pub(super) fn idle() -> Self {
        Adapter { adapting: Adapting::NONE, form: Form::Sent(None), card: None, thinking_tokens: 0 }
    }

    /// Returns which adaptations the cases take on this candidate; none where it is asked as is.
    pub(super) fn over(&self, chosen: &Chosen) -> Vec<Adaptation> {
        let mut all: Vec<Adaptation> = Vec::new();
        for case in &chosen.cases {
            match self.form {
                Form::Own => all.extend(self.request(&case.request).1),
                Form::Sent(_) if case.call.api == Api::OpenAiChat => {
                    all.extend(self.body(&case.call.request).map_or_else(Vec::new, |adapted| adapted.1));
                }
                Form::Sent(_) => {}
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Returns an adapted request of Chat Completions with what was done to it, or `None` where nothing is to be done.
    pub(super) fn body(&self, body: &[u8]) -> Option<(Vec<u8>, Vec<Adaptation>)> {
        requests::adapted(self, body)
    }

    /// Returns a request to our own engine, which reads every form, with the card's sampling and room to think.
    pub(super) fn request(&self, request: &Request) -> (Request, Vec<Adaptation>) {
        let (mut request, mut done) = (request.clone(), Vec::new());
        if self.card().is_some_and(|card| card.put(&mut request.sampling)) {
            done.push(Adaptation::SamplingOfCard);
        }
        if let (Some(more), Some(bound)) = (self.thinking_tokens(), request.sampling.max_tokens.as_mut()) {
            *bound = bound.saturating_add(more);
            done.push(Adaptation::ThinkingBudgeted);
        }
        (request, done)
    }

    /// Returns what a plan declares beside the names of what is done: with which values.
    pub(super) fn values(&self, adapted: &[Adaptation]) -> Values {
        let is_done = |adaptation: Adaptation| adapted.contains(&adaptation);
        Values {
            sampling: self.card().filter(|_| is_done(Adaptation::SamplingOfCard)),
            thinking_tokens: self.thinking_tokens().filter(|_| is_done(Adaptation::ThinkingBudgeted)),
        }
    }

    fn card(&self) -> Option<Card> {
        self.card.filter(|_| self.adapting.allows(Adaptation::SamplingOfCard))
    }

    fn thinking_tokens(&self) -> Option<u32> {
        let tokens = Some(self.thinking_tokens).filter(|tokens| *tokens > 0);
        tokens.filter(|_| self.adapting.allows(Adaptation::ThinkingBudgeted))
    }
}

/// With which values requests were adapted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// The card's sampling, where it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Card>,
    /// The tokens by which the bound of the answer was raised, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking_tokens: Option<u32>,
}

impl Values {
    /// Puts them beside what a plan declares; a plan without any stays as it is.
    pub(super) fn declare(&self, plan: &mut Value) {
        if *self != Values::default() {
            plan["adapted_with"] = serde_json::to_value(self).expect("values of adaptations are JSON");
        }
    }
}

/// Returns what a reader must know of it.
pub(super) fn told(adapted: &[Adaptation], values: &Values) -> Option<String> {
    if adapted.is_empty() {
        return None;
    }
    let said = adapted.iter().map(|adaptation| match adaptation {
        Adaptation::DeveloperAsSystem => "the developer's words said as the system's".to_owned(),
        Adaptation::SystemMerged => "system messages merged into one at the beginning".to_owned(),
        Adaptation::SchemaStated => "the schema stated as response_format".to_owned(),
        Adaptation::ReasoningRenamed => "earlier reasoning sent back in the field that the engine reads".to_owned(),
        Adaptation::MaxTokensRenamed => "max_completion_tokens called max_tokens".to_owned(),
        Adaptation::VendorFieldsDropped => "fields of the vendor alone left out".to_owned(),
        Adaptation::SamplingOfCard => {
            format!(
                "sampling of the model's card ({})",
                values.sampling.map(|card| card.to_string()).unwrap_or_default()
            )
        }
        Adaptation::ThinkingBudgeted => {
            format!("the answer's bound raised by {} tokens for thinking", values.thinking_tokens.unwrap_or_default())
        }
    });
    let said = said.collect::<Vec<_>>().join(", ");
    Some(format!(
        "requests were adapted to the candidate: {said}; --adapt says which may be, --as-is sends them as they were recorded, \
         --both-forms shows both"
    ))
}

//! A model made of rules, for tests of everything around a model: it needs no weights and never surprises.
//!
//! The rules are those of [`Script`].

mod fault;

use std::collections::VecDeque;
use std::time::Duration;

use freehold_wire::{Finish, Request, Usage};

use crate::model::PromptStyle;
use crate::protocol::{Facts, LoadOrder, Order, WorkerEvent};
use crate::script::{Rule, Script};
use crate::worker::backend::{Events, Wish};
use crate::worker::output::family::{HERMES, THINK};
use crate::worker::output::{Manner, Output};

struct Running {
    id: u64,
    rule: Rule,
    words: VecDeque<String>,
    output: Output,
    left: u64,
    usage: Usage,
    has_started: bool,
}

/// The rules and the calls they answer.
pub(crate) struct Scripted {
    script: Script,
    slots: usize,
    context_tokens: u64,
    running: Vec<Running>,
    waiting: VecDeque<Running>,
}

impl Scripted {
    pub(crate) fn load(order: &LoadOrder) -> Result<(Scripted, Facts), String> {
        if !order.adapters.is_empty() {
            return Err("a script has no weights that an adapter could change".to_owned());
        }
        let text = std::fs::read_to_string(&order.path)
            .map_err(|error| format!("cannot read {}: {error}", order.path.display()))?;
        let script =
            serde_json::from_str(&text).map_err(|error| format!("{} is no script: {error}", order.path.display()))?;
        let facts = Facts {
            architecture: "scripted".to_owned(),
            parameters: 0,
            context_tokens: order.context_tokens,
            slots: order.slots,
            threads: 1,
            engine_build: concat!("scripted ", env!("CARGO_PKG_VERSION")).to_owned(),
            prompt_style: PromptStyle::Plain,
        };
        let scripted = Scripted {
            script,
            slots: order.slots as usize,
            context_tokens: order.context_tokens.into(),
            running: Vec::new(),
            waiting: VecDeque::new(),
        };
        Ok((scripted, facts))
    }

    pub(crate) fn admit(&mut self, order: Order) -> Result<(), String> {
        let Order { id, request, .. } = order;
        let prompt = count_words(&request);
        if prompt >= self.context_tokens {
            return Err(format!(
                "the prompt is {prompt} tokens long, the context holds {} and needs one for the answer",
                self.context_tokens
            ));
        }
        let rule = self.script.rule(&request).clone();
        let room = self.context_tokens - prompt;
        self.waiting.push_back(Running {
            id,
            words: spoken(&rule),
            output: Output::new(&request, Manner::PLAIN, id.to_string()),
            left: request.sampling.max_tokens.map_or(room, |max| room.min(max.into())),
            usage: Usage { input: prompt, ..Usage::default() },
            has_started: false,
            rule,
        });
        Ok(())
    }

    pub(crate) fn cancel(&mut self, id: u64) {
        self.running.retain(|call| call.id != id);
        self.waiting.retain(|call| call.id != id);
    }

    pub(crate) fn wish(&self) -> Wish {
        let can_start = self.running.len() < self.slots && !self.waiting.is_empty();
        let mut awake = self.running.iter().filter(|call| !call.is_held()).peekable();
        if can_start || awake.peek().is_some_and(|call| call.rule.word_ms == 0) {
            return Wish::Now;
        }
        awake.map(|call| call.rule.word_ms).min().map_or(Wish::Never, |ms| Wish::After(Duration::from_millis(ms)))
    }

    pub(crate) fn step(&mut self, events: &mut Events) {
        while self.running.len() < self.slots {
            let Some(call) = self.waiting.pop_front() else { break };
            self.running.push(call);
        }
        self.running.retain_mut(|call| {
            let mut own = Vec::new();
            let is_over = call.step(&mut own);
            events.extend(own.into_iter().map(|event| (call.id, event)));
            !is_over
        });
    }
}

impl Running {
    fn is_held(&self) -> bool {
        self.rule.hold && self.words.is_empty() && self.has_started
    }

    /// Says the next word; returns whether the call is over.
    fn step(&mut self, events: &mut Vec<WorkerEvent>) -> bool {
        if !self.has_started {
            self.has_started = true;
            events.push(WorkerEvent::Started { prompt_tokens: self.usage.input });
            return false;
        }
        if let Some(word) = self.words.pop_front() {
            if self.left == 0 {
                return self.end(Finish::Length, events);
            }
            self.left -= 1;
            self.usage.output += 1;
            return self.output.push(word.as_bytes(), events) && self.end(Finish::Stop, events);
        }
        if self.rule.abort {
            std::process::abort();
        }
        if let Some(fault) = self.rule.fault.take() {
            self.words.push_back(fault::commit(&fault));
            return false;
        }
        if let Some(what) = self.rule.fail.take() {
            events.push(WorkerEvent::Failed(what));
            return true;
        }
        !self.rule.hold && self.end(Finish::Stop, events)
    }

    fn end(&mut self, finish: Finish, events: &mut Vec<WorkerEvent>) -> bool {
        self.output.finish(events);
        let called = finish == Finish::Stop && self.output.has_called_tools();
        let finish = if called { Finish::ToolCalls } else { finish };
        events.push(WorkerEvent::Done { finish, usage: self.usage });
        true
    }
}

/// Returns what a model would write, in words with the white space that follows them.
fn spoken(rule: &Rule) -> VecDeque<String> {
    let mut text = String::new();
    if !rule.reasoning.is_empty() {
        text += &format!("{}{}{}", THINK.0, rule.reasoning, THINK.1);
    }
    text += &rule.text;
    if let Some(call) = &rule.tool_call {
        let body = serde_json::json!({"name": call.name, "arguments": call.arguments});
        text += &format!("{}{body}{}", HERMES.open, HERMES.close);
    }
    text.split_inclusive(char::is_whitespace).map(str::to_owned).collect()
}

/// Returns the length of a prompt in the tokens of this backend, which are words.
pub(crate) fn count_words(request: &Request) -> u64 {
    let words = |text: &str| text.split_whitespace().count() as u64;
    words(&request.system) + request.messages.iter().map(|message| words(&message.text())).sum::<u64>()
}

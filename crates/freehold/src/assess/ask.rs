//! Who is asked in a replay: a model of our engine, or an upstream over HTTP.

use std::time::{Duration, Instant};

use freehold_engine::{Engine, Event};
use freehold_wire::{Answer, Api, ReferenceKind, Request};

use super::adapt::{Adaptation, Adapter, Values};
use super::cases::{Case, Chosen};
use super::plan::Rerun;
use super::serving::{self, Serving};
use super::{Assessor, Trial};
use crate::client::Client;
use crate::config::Upstream;
use crate::exit::Fault;
use crate::names::Target;
use crate::service;

/// The version that Anthropic's API wants to be told.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// One who can be asked.
#[derive(Clone)]
pub(super) enum Asked {
    /// A model of our own engine.
    Engine { engine: Engine, model: String, concurrency: usize, adapter: Adapter },
    /// An upstream.
    Upstream { client: Client, upstream: Box<Upstream>, model: String, concurrency: usize, adapter: Adapter },
}

/// Who is asked in an assessment.
pub(super) struct Arms {
    pub(super) candidate: Asked,
    /// The incumbent, where it can be asked again.
    pub(super) rerun: Option<Asked>,
    pub(super) incumbent_is_simulated: bool,
    pub(super) notes: Vec<String>,
    pub(super) serving: Serving,
    /// How the recorded requests are adapted to the candidate.
    pub(super) adapted: Vec<Adaptation>,
    pub(super) values: Values,
}

/// What came of asking once.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) answer: Result<Answer, String>,
    pub(super) total: Duration,
    pub(super) first_byte: Option<Duration>,
}

impl Arms {
    /// Loads the candidate and finds out whether the incumbent can be asked again.
    pub(super) async fn prepare(assessor: &Assessor<'_>, trial: Trial<'_>, engine: &Engine) -> anyhow::Result<Self> {
        let Trial { question, target, chosen } = trial;
        let client = client(assessor)?;
        if let Some(upstream) = target.upstream(assessor.settings) {
            speaks_all(upstream, chosen)?;
        }
        let adapter = Adapter::of(question.adapting, target, assessor.settings)?;
        let adapted = adapter.over(chosen);
        let values = adapter.values(&adapted);
        let serving = serving::look(assessor, trial, &adapted).await;
        let candidate =
            Asked::named(assessor, target, (&client, engine), question.concurrency).await?.adapting(adapter);
        let mut notes = Vec::new();
        let rerun = ask_again(assessor, trial, (&client, engine), &mut notes).await;
        let known = chosen.incumbent.upstream(assessor.settings);
        Ok(Arms {
            candidate,
            rerun,
            incumbent_is_simulated: known.is_some_and(|upstream| upstream.simulated),
            notes,
            serving,
            adapted,
            values,
        })
    }
}

/// Returns a client that waits for an answer as long as the configuration says.
pub(super) fn client(assessor: &Assessor<'_>) -> Result<Client, Fault> {
    let timeout = Duration::from_secs(assessor.settings.server.first_byte_timeout_s);
    Client::new(timeout).map_err(|error| Fault::internal("cannot build the HTTP client").because(error))
}

fn speaks_all(upstream: &Upstream, chosen: &Chosen) -> Result<(), Fault> {
    let foreign = chosen.cases.iter().map(|case| case.call.api).find(|api| !upstream.apis.contains(api));
    match foreign {
        None => Ok(()),
        Some(api) => Err(Fault::input(format!(
            "the upstream {} does not speak {api}, in which the calls were made",
            upstream.name
        ))
        .hint("add the dialect to its `apis` if it does, or take a candidate that speaks it")),
    }
}

/// Returns the incumbent where it answers when asked again; a note says why where it does not.
async fn ask_again(
    assessor: &Assessor<'_>,
    Trial { question, chosen, .. }: Trial<'_>,
    at: (&Client, &Engine),
    notes: &mut Vec<String>,
) -> Option<Asked> {
    let (incumbent, settings) = (&chosen.incumbent, assessor.settings);
    // Against a label the recorded answer is scored as it is; asking again would be paid and not used.
    if chosen.reference != ReferenceKind::Incumbent || question.rerun == Rerun::Never {
        return None;
    }
    if incumbent.own_model(settings).is_none() && incumbent.upstream(settings).is_none() {
        notes.push(format!("the incumbent {incumbent} is not configured here, so it could not be asked again"));
        return None;
    }
    let answered = match Asked::named(assessor, incumbent, at, question.concurrency).await {
        Ok(asked) => asked.ask(&chosen.cases[0]).await.answer.map(|_| asked),
        Err(error) => Err(error.to_string()),
    };
    answered
        .inspect_err(|failure| {
            notes.push(format!("the incumbent could not be asked again, so its own noise is not known: {failure}"));
        })
        .ok()
}

impl Asked {
    /// Returns who is named, loaded and ready where it is a model of ours.
    pub(super) async fn named(
        assessor: &Assessor<'_>,
        target: &Target,
        (client, engine): (&Client, &Engine),
        concurrency: usize,
    ) -> anyhow::Result<Self> {
        if let Some(model) = target.own_model(assessor.settings) {
            // A model and its adapters are loaded as one.
            if !engine.serves(&target.model) {
                service::load(engine, model).await?;
            }
            let (engine, model, concurrency) = (engine.clone(), target.model.clone(), model.slots as usize);
            return Ok(Asked::Engine { engine, model, concurrency, adapter: Adapter::idle() });
        }
        let upstream = target.upstream(assessor.settings).expect("a parsed target is a model or an upstream");
        Ok(Asked::upstream(client, upstream, (&target.model, concurrency)))
    }

    fn upstream(client: &Client, upstream: &Upstream, (model, concurrency): (&str, usize)) -> Self {
        let upstream = Box::new(upstream.clone());
        let (client, model) = (client.clone(), model.to_owned());
        Asked::Upstream { client, upstream, model, concurrency, adapter: Adapter::idle() }
    }

    /// Has the requests adapted.
    fn adapting(mut self, by: Adapter) -> Self {
        let (Asked::Engine { adapter, .. } | Asked::Upstream { adapter, .. }) = &mut self;
        *adapter = by;
        self
    }

    /// Returns how many may be asked at once.
    pub(super) fn concurrency(&self) -> usize {
        match self {
            Asked::Engine { concurrency, .. } | Asked::Upstream { concurrency, .. } => (*concurrency).max(1),
        }
    }

    /// Asks for one case, with the recorded request.
    pub(super) async fn ask(&self, case: &Case) -> Asking {
        let begun = Instant::now();
        let (answer, first_byte) = match self {
            Asked::Engine { engine, model, adapter, .. } => {
                ask_engine((engine, model), &adapter.request(&case.request).0, begun).await
            }
            Asked::Upstream { client, upstream, model, adapter, .. } => {
                (ask_upstream(client, upstream, (model, adapter), case).await, None)
            }
        };
        Asking { answer, total: begun.elapsed(), first_byte }
    }
}

async fn ask_engine(
    (engine, model): (&Engine, &str),
    request: &Request,
    begun: Instant,
) -> (Result<Answer, String>, Option<Duration>) {
    let mut generation = match engine.generate(model, request).await {
        Ok(generation) => generation,
        Err(error) => return (Err(error.to_string()), None),
    };
    let mut answer = Answer { model: model.to_owned(), ..Answer::default() };
    let mut first_byte = None;
    while let Some(event) = generation.next().await {
        match event {
            Event::Started { .. } => continue,
            Event::Done { finish, usage } => {
                answer.finish = Some(finish);
                answer.usage = Some(usage);
                return (Ok(answer), first_byte);
            }
            Event::Failed(error) => return (Err(error.to_string()), first_byte),
            piece => piece.add_to(&mut answer),
        }
        first_byte.get_or_insert_with(|| begun.elapsed());
    }
    (Err("the engine ended the answer without a word".to_owned()), first_byte)
}

async fn ask_upstream(
    client: &Client,
    upstream: &Upstream,
    (model, adapter): (&str, &Adapter),
    case: &Case,
) -> Result<Answer, String> {
    let api = case.call.api;
    let body = freehold_wire::requests::as_replay(api, &case.call.request, model).map_err(|error| error.to_string())?;
    let body = match api {
        Api::OpenAiChat => adapter.body(&body).map_or(body, |(adapted, _)| adapted),
        _ => body,
    };
    let address = format!("{}{}", upstream.base_url.trim_end_matches('/'), api.path());
    let key = upstream.key.as_ref().map(freehold_gateway::Secret::expose).unwrap_or_default();
    let bearer = format!("Bearer {key}");
    let headers: &[(&str, &str)] = match api {
        api if api.is_anthropic() => &[("x-api-key", key), ("anthropic-version", ANTHROPIC_VERSION)],
        _ => &[("authorization", &bearer)],
    };
    let reply = client.post(&address, headers, body).await.map_err(|error| told(&error))?;
    if !reply.status.is_success() {
        return Err(format!("{} answered {}", upstream.name, reply.status));
    }
    freehold_wire::answers::read(api, &reply.body).map_err(|error| error.to_string())
}

fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

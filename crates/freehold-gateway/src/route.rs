//! Decides who answers a call. Pure: what it needs to know comes in, a plan comes out: those who may answer, in order.

mod directory;

use freehold_store::{Generation, Route};
use freehold_wire::Api;

use crate::config::{ENGINE, Upstream};

pub(crate) use directory::Directory;

/// What is known of a call when its way is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub api: Api,
    pub model: &'a str,
    pub step: &'a str,
}

/// Those who are configured, and where to find them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Among<'a> {
    pub upstreams: &'a [Upstream],
    pub directory: &'a Directory,
}

/// Somebody who may answer a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hop {
    /// A model of our own engine.
    Engine {
        /// The model.
        model: String,
        /// Who chose it.
        chosen: Chosen,
    },
    /// A server over HTTP.
    Upstream {
        /// Its place in the configuration.
        at: usize,
        /// The model that replaces the one asked for, where a move or a fallback chose it.
        model: Option<String>,
        /// Who chose it. A move to somebody else must not hand him the caller's keys, which are the vendor's.
        chosen: Chosen,
        /// The dialect in which it is asked; where it is not the caller's, the call is translated.
        spoken: Api,
    },
}

/// Who chose the one that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// The caller, by the model that was asked for; a move to the same upstream changes nothing about that.
    ByCaller,
    /// A move of the step, or the failure of those asked before.
    ByMove,
}

/// Whose path a call that only passes through is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    OpenAi,
    Anthropic,
}

/// Nobody can answer a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "no upstream speaks {api} or a dialect it can be translated into, and serves model {model:?}; configured: {configured}; add an [[upstream]] or a [[model]] to freehold.toml"
    )]
    NoUpstream { api: Api, model: String, configured: String },
    #[error(
        "step {step:?} is moved to upstream {upstream:?}, which freehold.toml does not name; configured: {configured}; add it again or roll back"
    )]
    UnknownUpstream { step: String, upstream: String, configured: String },
    #[error(
        "step {step:?} is moved to upstream {upstream:?}, which speaks {spoken}, but the call came as {api}, which cannot be translated; call it as {spoken}, or roll back"
    )]
    ApiNotSpoken { step: String, upstream: String, api: Api, spoken: String },
    #[error(
        "the path is not served here, and no upstream {wanted} that the call could pass to; configured: {configured}"
    )]
    NoPassage { wanted: String, configured: String },
    #[error(
        "step {step:?} asks for vectors of {asked:?} and is moved to {upstream:?} with {model:?}; vectors of two models cannot be compared, so an index made with the one is useless to the other: roll back, and make the index anew with {model:?} before the step asks for it"
    )]
    Vectors { step: String, asked: String, upstream: String, model: String },
}

/// Decides who answers, in order: who a move of the step names, else a model of the engine, else the upstream that fits
/// best; then those who are asked where it fails.
pub(crate) fn plan(
    asked: Asked<'_>,
    generation: &Generation,
    among: Among<'_>,
    is_of_engine: impl Fn(&str) -> bool,
) -> Result<Vec<Hop>, Error> {
    let by_caller = || callers_choice(asked, among, &is_of_engine);
    let Some(route) = generation.routes.get(asked.step) else {
        let first = by_caller().ok_or_else(|| Error::NoUpstream {
            api: asked.api,
            model: asked.model.to_owned(),
            configured: describe(among.upstreams),
        })?;
        return Ok(with_fallbacks(first, None, (asked, among)));
    };
    let incumbent = by_caller();
    let first = moved(asked, route, among, incumbent.as_ref())?;
    Ok(with_fallbacks(first, incumbent, (asked, among)))
}

/// Returns the one that a move names.
fn moved(asked: Asked<'_>, route: &Route, among: Among<'_>, incumbent: Option<&Hop>) -> Result<Hop, Error> {
    let Among { upstreams, directory } = among;
    if asked.api == Api::OpenAiEmbeddings && route.model != asked.model {
        return Err(Error::Vectors {
            step: asked.step.to_owned(),
            asked: asked.model.to_owned(),
            upstream: route.upstream.clone(),
            model: route.model.clone(),
        });
    }
    if route.upstream == ENGINE {
        return Ok(Hop::Engine { model: route.model.clone(), chosen: Chosen::ByMove });
    }
    let Some(at) = directory.named(&route.upstream) else {
        return Err(Error::UnknownUpstream {
            step: asked.step.to_owned(),
            upstream: route.upstream.clone(),
            configured: describe(upstreams),
        });
    };
    let Some(spoken) = spoken(&upstreams[at], asked.api) else {
        return Err(Error::ApiNotSpoken {
            step: asked.step.to_owned(),
            upstream: route.upstream.clone(),
            api: asked.api,
            spoken: names(&upstreams[at].apis),
        });
    };
    let model = (route.model != asked.model).then(|| route.model.clone());
    let is_callers = matches!(incumbent, Some(Hop::Upstream { at: callers, .. }) if *callers == at);
    let chosen = if is_callers { Chosen::ByCaller } else { Chosen::ByMove };
    Ok(Hop::Upstream { at, model, chosen, spoken })
}

/// Returns the one that the model asked for leads to: a model of the engine; then who lists the model before who takes any,
/// and among them who speaks the caller's dialect before who must be translated for.
fn callers_choice(asked: Asked<'_>, among: Among<'_>, is_of_engine: &impl Fn(&str) -> bool) -> Option<Hop> {
    if is_of_engine(asked.model) {
        return Some(Hop::Engine { model: asked.model.to_owned(), chosen: Chosen::ByCaller });
    }
    let Among { upstreams, directory } = among;
    let listing = directory.listing(asked.model).iter().map(|at| (0, *at));
    let fitting = listing.chain(directory.of_any().iter().map(|at| (2, *at))).filter_map(|(fit, at)| {
        let spoken = spoken(&upstreams[at], asked.api)?;
        Some(((fit + u8::from(spoken != asked.api), at), spoken))
    });
    let ((_, at), spoken) = fitting.min_by_key(|(place, _)| *place)?;
    Some(Hop::Upstream { at, model: None, chosen: Chosen::ByCaller, spoken })
}

/// Returns the dialect in which an upstream is asked: the caller's own where it takes that, else one to be translated into.
fn spoken(upstream: &Upstream, api: Api) -> Option<Api> {
    if upstream.takes(api) {
        return Some(api);
    }
    // A count of tokens is estimated for whoever answers the call itself in translation; our own engine counts.
    let is_translatable = Api::DIALECTS.contains(&api) || api == Api::AnthropicCountTokens;
    Api::DIALECTS.into_iter().find(|dialect| is_translatable && upstream.speaks(*dialect))
}

/// Adds those who are asked where the first one fails: its own fallbacks, and for a moved step the incumbent.
fn with_fallbacks(first: Hop, incumbent: Option<Hop>, (asked, among): (Asked<'_>, Among<'_>)) -> Vec<Hop> {
    let named: Vec<(&str, Option<&str>)> = match &first {
        Hop::Upstream { at, .. } => among.upstreams[*at].fallbacks().collect(),
        Hop::Engine { .. } => Vec::new(),
    };
    let mut hops = vec![first];
    for hop in named.into_iter().filter_map(|named| fallback(asked, named, among)).chain(incumbent) {
        if !hops.iter().any(|known| is_same(known, &hop)) {
            hops.push(hop);
        }
    }
    hops
}

fn fallback(asked: Asked<'_>, (name, model): (&str, Option<&str>), among: Among<'_>) -> Option<Hop> {
    let model = model.filter(|model| *model != asked.model);
    // Vectors of another model are worse than none, and a count is an estimate anyway.
    if (asked.api == Api::OpenAiEmbeddings && model.is_some()) || asked.api == Api::AnthropicCountTokens {
        return None;
    }
    if name == ENGINE {
        let model = model.unwrap_or(asked.model).to_owned();
        let is_answered = Api::DIALECTS.contains(&asked.api);
        return is_answered.then_some(Hop::Engine { model, chosen: Chosen::ByMove });
    }
    let at = among.directory.named(name)?;
    let spoken = spoken(&among.upstreams[at], asked.api)?;
    Some(Hop::Upstream { at, model: model.map(str::to_owned), chosen: Chosen::ByMove, spoken })
}

/// Returns whether two hops ask the same model of the same one.
fn is_same(one: &Hop, other: &Hop) -> bool {
    match (one, other) {
        (Hop::Engine { model, .. }, Hop::Engine { model: others, .. }) => model == others,
        (Hop::Upstream { at, model, .. }, Hop::Upstream { at: others_at, model: others, .. }) => {
            at == others_at && model == others
        }
        _ => false,
    }
}

/// Returns the upstream for a call that is only passed through: the one named, else the first of the vendor's dialects.
pub(crate) fn passing(name: Option<&str>, vendor: Vendor, among: Among<'_>) -> Result<usize, Error> {
    let Among { upstreams, directory } = among;
    if let Some(name) = name {
        let none = || Error::NoPassage { wanted: format!("is named {name:?}"), configured: describe(upstreams) };
        return directory.named(name).ok_or_else(none);
    }
    let none =
        || Error::NoPassage { wanted: format!("speaks a dialect of {vendor:?}'s"), configured: describe(upstreams) };
    let of_vendor = |upstream: &Upstream| match vendor {
        Vendor::Anthropic => upstream.apis.iter().any(|api| api.is_anthropic()),
        Vendor::OpenAi => upstream.is_openais(),
    };
    // Who says that it takes such calls comes before who merely speaks a dialect of the vendor's.
    let listed = upstreams
        .iter()
        .position(|upstream| upstream.speaks(Api::Opaque) && (of_vendor(upstream) || upstream.apis == [Api::Opaque]));
    listed.or_else(|| upstreams.iter().position(of_vendor)).ok_or_else(none)
}

fn describe(upstreams: &[Upstream]) -> String {
    if upstreams.is_empty() {
        return "no upstream".to_owned();
    }
    let one = |upstream: &Upstream| {
        let models = if upstream.models.is_empty() { "any model".to_owned() } else { upstream.models.join(", ") };
        format!("{} ({}: {models})", upstream.name, names(&upstream.apis))
    };
    upstreams.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn names(apis: &[Api]) -> String {
    apis.iter().map(|api| api.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use freehold_store::Route;

    use super::Chosen::{ByCaller, ByMove};
    use super::*;

    fn upstream(name: &str, apis: &[Api], models: &[&str]) -> Upstream {
        Upstream {
            models: models.iter().map(|&model| model.to_owned()).collect(),
            ..Upstream::new(name, "http://localhost:1".parse().unwrap(), apis)
        }
    }

    fn upstreams() -> Vec<Upstream> {
        vec![
            upstream("openai", &[Api::OpenAiChat, Api::OpenAiResponses], &[]),
            upstream("vllm", &[Api::OpenAiChat], &["qwen"]),
            upstream("anthropic", &[Api::AnthropicMessages], &[]),
        ]
    }

    fn generation(moves: &[(&str, &str, &str)]) -> Generation {
        let route = |upstream: &str, model: &str| Route {
            upstream: upstream.into(),
            model: model.into(),
            stage: "owned".into(),
            assessment: None,
            certificate: None,
            despite: None,
        };
        let routes: BTreeMap<String, Route> =
            moves.iter().map(|&(step, upstream, model)| (step.to_owned(), route(upstream, model))).collect();
        Generation { number: 1, routes, ..Generation::default() }
    }

    fn planned(
        asked: Asked<'_>,
        generation: &Generation,
        upstreams: &[Upstream],
        is_of_engine: impl Fn(&str) -> bool,
    ) -> Result<Vec<Hop>, Error> {
        plan(asked, generation, Among { upstreams, directory: &Directory::of(upstreams) }, is_of_engine)
    }

    fn to(at: usize, model: Option<&str>, chosen: Chosen, spoken: Api) -> Hop {
        Hop::Upstream { at, model: model.map(str::to_owned), chosen, spoken }
    }

    fn engine(model: &str, chosen: Chosen) -> Hop {
        Hop::Engine { model: model.to_owned(), chosen }
    }

    fn first(asked: Asked<'_>, generation: &Generation) -> Hop {
        planned(asked, generation, &upstreams(), |model| model == "desk-l").unwrap().swap_remove(0)
    }

    #[test]
    fn moves_come_first_then_the_engine_then_upstreams_in_order() {
        use Api::{AnthropicCountTokens, AnthropicMessages, OpenAiChat, OpenAiEmbeddings, OpenAiResponses};
        let generation = generation(&[
            ("to-engine", "engine", "desk-l"),
            ("to-vllm", "vllm", "qwen"),
            ("same-vendor", "openai", "gpt-4o-mini"),
        ]);
        let table = [
            (OpenAiChat, "gpt-4o", "free", to(0, None, ByCaller, OpenAiChat)),
            (OpenAiChat, "qwen", "free", to(1, None, ByCaller, OpenAiChat)),
            (OpenAiChat, "desk-l", "free", engine("desk-l", ByCaller)),
            (AnthropicMessages, "claude", "free", to(2, None, ByCaller, AnthropicMessages)),
            (AnthropicMessages, "qwen", "free", to(1, None, ByCaller, OpenAiChat)),
            (AnthropicMessages, "desk-l", "free", engine("desk-l", ByCaller)),
            (AnthropicCountTokens, "claude", "free", to(2, None, ByCaller, AnthropicCountTokens)),
            (AnthropicCountTokens, "qwen", "free", to(1, None, ByCaller, OpenAiChat)),
            (OpenAiResponses, "gpt-4o", "free", to(0, None, ByCaller, OpenAiResponses)),
            (OpenAiResponses, "qwen", "free", to(1, None, ByCaller, OpenAiChat)),
            (OpenAiEmbeddings, "ada", "free", to(0, None, ByCaller, OpenAiEmbeddings)),
            (OpenAiChat, "gpt-4o", "to-engine", engine("desk-l", ByMove)),
            (AnthropicMessages, "claude", "to-engine", engine("desk-l", ByMove)),
            (OpenAiChat, "gpt-4o", "to-vllm", to(1, Some("qwen"), ByMove, OpenAiChat)),
            (AnthropicMessages, "claude", "to-vllm", to(1, Some("qwen"), ByMove, OpenAiChat)),
            (OpenAiChat, "qwen", "to-vllm", to(1, None, ByCaller, OpenAiChat)),
            (OpenAiChat, "gpt-4o", "same-vendor", to(0, Some("gpt-4o-mini"), ByCaller, OpenAiChat)),
            (OpenAiChat, "desk-l", "same-vendor", to(0, Some("gpt-4o-mini"), ByMove, OpenAiChat)),
        ];
        for (api, model, step, expected) in table {
            assert_eq!(first(Asked { api, model, step }, &generation), expected, "{api} {model} {step}");
        }
    }

    #[test]
    fn others_are_asked_in_the_order_of_the_list_and_a_moved_step_goes_home() {
        let generation = generation(&[("to-engine", "engine", "desk-l"), ("to-vllm", "vllm", "qwen")]);
        let mut upstreams = upstreams();
        upstreams[0].fallback = vec!["anthropic/claude".into(), "engine/desk-l".into(), "vllm".into()];
        upstreams[1].fallback = vec!["openai".into(), "engine/desk-l".into()];
        let others = |api, step| {
            let mut hops = planned(Asked { api, model: "gpt-4o", step }, &generation, &upstreams, |_| false).unwrap();
            hops.remove(0);
            hops
        };
        let chat = Api::OpenAiChat;
        assert_eq!(
            others(chat, "free"),
            [
                to(2, Some("claude"), ByMove, Api::AnthropicMessages),
                engine("desk-l", ByMove),
                to(1, None, ByMove, chat)
            ]
        );
        assert_eq!(others(chat, "to-engine"), [to(0, None, ByCaller, chat)]);
        // The incumbent is in the list already; it stands where the list has it.
        assert_eq!(others(chat, "to-vllm"), [to(0, None, ByMove, chat), engine("desk-l", ByMove)]);
        assert_eq!(others(Api::OpenAiEmbeddings, "free"), [to(1, None, ByMove, Api::OpenAiEmbeddings)]);
    }

    #[test]
    fn vectors_are_never_moved_to_another_model() {
        let generation = generation(&[("to-vllm", "vllm", "qwen"), ("elsewhere", "vllm", "ada")]);
        let plan = |step| {
            let asked = Asked { api: Api::OpenAiEmbeddings, model: "ada", step };
            planned(asked, &generation, &upstreams(), |_| false)
        };
        assert!(matches!(plan("to-vllm"), Err(Error::Vectors { .. })));
        let elsewhere = to(1, None, ByMove, Api::OpenAiEmbeddings);
        assert_eq!(plan("elsewhere").unwrap()[0], elsewhere);
    }

    #[test]
    fn what_only_passes_through_goes_to_the_upstream_of_its_vendor() {
        let mut upstreams = upstreams();
        use Vendor::{Anthropic, OpenAi};
        let to = |name, vendor, upstreams: &[Upstream]| {
            passing(name, vendor, Among { upstreams, directory: &Directory::of(upstreams) }).ok()
        };
        assert_eq!((to(None, OpenAi, &upstreams), to(None, Anthropic, &upstreams)), (Some(0), Some(2)));
        assert_eq!((to(Some("vllm"), Anthropic, &upstreams), to(Some("gone"), OpenAi, &upstreams)), (Some(1), None));
        upstreams[1].apis.push(Api::Opaque);
        assert_eq!((to(None, OpenAi, &upstreams), to(None, Anthropic, &upstreams)), (Some(1), Some(2)));
        assert_eq!(to(None, Anthropic, &upstreams[..2]), None);
    }

    #[test]
    fn what_cannot_be_routed_says_what_is_configured() {
        let generation = generation(&[("gone", "old", "m"), ("other-api", "anthropic", "claude")]);
        let upstreams = upstreams();
        let message = |api, step, upstreams: &[Upstream]| {
            planned(Asked { api, model: "m", step }, &generation, upstreams, |_| false).unwrap_err().to_string()
        };
        let gone = message(Api::OpenAiChat, "gone", &upstreams);
        assert!(gone.contains("\"old\"") && gone.contains("vllm (openai.chat: qwen)"), "{gone}");
        assert!(message(Api::OpenAiChat, "free", &[]).contains("no upstream"));
        let only_listed = [upstream("vllm", &[Api::OpenAiChat], &["qwen"])];
        assert!(message(Api::OpenAiChat, "free", &only_listed).contains("vllm (openai.chat: qwen)"));
        let asked = Asked { api: Api::OpenAiEmbeddings, model: "claude", step: "other-api" };
        let other = planned(asked, &generation, &upstreams, |_| false).unwrap_err().to_string();
        assert!(other.contains("\"anthropic\"") && other.contains("openai.embeddings"), "{other}");
    }
}

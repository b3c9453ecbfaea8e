//! Decides who answers a call. Pure: what it needs to know comes in, a plan comes out.

use freehold_store::Generation;
use freehold_wire::Api;

use crate::config::{ENGINE, Upstream};

/// What is known of a call when its way is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub api: Api,
    pub model: &'a str,
    pub step: &'a str,
}

/// Who answers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
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
        /// The model that replaces the one asked for, where a move chose it.
        model: Option<String>,
        /// Who chose it. A move to somebody else must not hand him the caller's keys, which are the vendor's.
        chosen: Chosen,
    },
}

/// Who chose the one that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// The caller, by the model that was asked for; a move to the same upstream changes nothing about that.
    ByCaller,
    /// A move of the step.
    ByMove,
}

/// Nobody can answer a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "no upstream speaks {api} and serves model {model:?}; configured: {configured}; add an [[upstream]] or a [[model]] to freehold.toml"
    )]
    NoUpstream { api: Api, model: String, configured: String },
    #[error(
        "step {step:?} is moved to upstream {upstream:?}, which freehold.toml does not name; configured: {configured}; add it again or roll back"
    )]
    UnknownUpstream { step: String, upstream: String, configured: String },
    #[error(
        "step {step:?} is moved to upstream {upstream:?}, which speaks {spoken}, but the call came as {api}; translation between them is not offered: call it as {spoken}, or roll back"
    )]
    ApiNotSpoken { step: String, upstream: String, api: Api, spoken: String },
}

/// Decides who answers: the move of the step, else a model of the engine, else the first upstream that fits.
pub(crate) fn plan(
    asked: Asked<'_>,
    generation: &Generation,
    upstreams: &[Upstream],
    is_of_engine: impl Fn(&str) -> bool,
) -> Result<Plan, Error> {
    let Some(route) = generation.routes.get(asked.step) else {
        if is_of_engine(asked.model) {
            return Ok(Plan::Engine { model: asked.model.to_owned(), chosen: Chosen::ByCaller });
        }
        return match default_upstream(asked, upstreams) {
            Some(at) => Ok(Plan::Upstream { at, model: None, chosen: Chosen::ByCaller }),
            None => Err(Error::NoUpstream {
                api: asked.api,
                model: asked.model.to_owned(),
                configured: describe(upstreams),
            }),
        };
    };
    if route.upstream == ENGINE {
        return Ok(Plan::Engine { model: route.model.clone(), chosen: Chosen::ByMove });
    }
    let Some(at) = upstreams.iter().position(|upstream| upstream.name == route.upstream) else {
        return Err(Error::UnknownUpstream {
            step: asked.step.to_owned(),
            upstream: route.upstream.clone(),
            configured: describe(upstreams),
        });
    };
    if !upstreams[at].speaks(asked.api) {
        return Err(Error::ApiNotSpoken {
            step: asked.step.to_owned(),
            upstream: route.upstream.clone(),
            api: asked.api,
            spoken: names(&upstreams[at].apis),
        });
    }
    let model = (route.model != asked.model).then(|| route.model.clone());
    let is_callers = !is_of_engine(asked.model) && default_upstream(asked, upstreams) == Some(at);
    let chosen = if is_callers { Chosen::ByCaller } else { Chosen::ByMove };
    Ok(Plan::Upstream { at, model, chosen })
}

fn default_upstream(asked: Asked<'_>, upstreams: &[Upstream]) -> Option<usize> {
    let speaking = || upstreams.iter().enumerate().filter(|(_, upstream)| upstream.speaks(asked.api));
    let by_model = speaking().find(|(_, upstream)| upstream.models.iter().any(|model| model == asked.model));
    by_model.or_else(|| speaking().find(|(_, upstream)| upstream.models.is_empty())).map(|(at, _)| at)
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
            despite: None,
        };
        let routes: BTreeMap<String, Route> =
            moves.iter().map(|&(step, upstream, model)| (step.to_owned(), route(upstream, model))).collect();
        Generation { number: 1, routes, ..Generation::default() }
    }

    fn to(at: usize, model: Option<&str>, chosen: Chosen) -> Result<Plan, Error> {
        Ok(Plan::Upstream { at, model: model.map(str::to_owned), chosen })
    }

    fn engine(model: &str, chosen: Chosen) -> Result<Plan, Error> {
        Ok(Plan::Engine { model: model.to_owned(), chosen })
    }

    #[test]
    fn moves_come_first_then_the_engine_then_upstreams_in_order() {
        let generation = generation(&[
            ("to-engine", "engine", "desk-l"),
            ("to-vllm", "vllm", "qwen"),
            ("same-vendor", "openai", "gpt-4o-mini"),
        ]);
        let table = [
            (Api::OpenAiChat, "gpt-4o", "free", to(0, None, ByCaller)),
            (Api::OpenAiChat, "qwen", "free", to(1, None, ByCaller)),
            (Api::OpenAiChat, "desk-l", "free", engine("desk-l", ByCaller)),
            (Api::AnthropicMessages, "claude", "free", to(2, None, ByCaller)),
            (Api::AnthropicMessages, "desk-l", "free", engine("desk-l", ByCaller)),
            (Api::OpenAiResponses, "qwen", "free", to(0, None, ByCaller)),
            (Api::OpenAiChat, "gpt-4o", "to-engine", engine("desk-l", ByMove)),
            (Api::AnthropicMessages, "claude", "to-engine", engine("desk-l", ByMove)),
            (Api::OpenAiChat, "gpt-4o", "to-vllm", to(1, Some("qwen"), ByMove)),
            (Api::OpenAiChat, "qwen", "to-vllm", to(1, None, ByCaller)),
            (Api::OpenAiChat, "gpt-4o", "same-vendor", to(0, Some("gpt-4o-mini"), ByCaller)),
            (Api::OpenAiChat, "desk-l", "same-vendor", to(0, Some("gpt-4o-mini"), ByMove)),
        ];
        for (api, model, step, expected) in table {
            let found = plan(Asked { api, model, step }, &generation, &upstreams(), |model| model == "desk-l");
            assert_eq!(found, expected, "{api} {model} {step}");
        }
    }

    #[test]
    fn what_cannot_be_routed_says_what_is_configured() {
        let generation = generation(&[("gone", "old", "m"), ("other-api", "vllm", "qwen")]);
        let upstreams = upstreams();
        let message = |api, step, upstreams: &[Upstream]| {
            plan(Asked { api, model: "m", step }, &generation, upstreams, |_| false).unwrap_err().to_string()
        };
        let gone = message(Api::OpenAiChat, "gone", &upstreams);
        assert!(gone.contains("\"old\"") && gone.contains("vllm (openai.chat: qwen)"), "{gone}");
        let other = message(Api::AnthropicMessages, "other-api", &upstreams);
        assert!(
            other.contains("\"vllm\"") && other.contains("openai.chat") && other.contains("anthropic.messages"),
            "{other}"
        );
        assert!(message(Api::OpenAiChat, "free", &[]).contains("no upstream"));
        let only_listed = [upstream("vllm", &[Api::OpenAiChat], &["qwen"])];
        assert!(message(Api::OpenAiChat, "free", &only_listed).contains("vllm (openai.chat: qwen)"));
    }
}

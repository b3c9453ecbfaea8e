//! What becomes of each top-level field that has no more to it than a name: the table behind `docs/dialects.md`.

use serde_json::{Value, json};

use super::losses::{Losses, UNKNOWN, says_nothing};
use crate::Api;
use crate::requests::draft::Members;
use crate::translate::Error;

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It means the same under the same name.
    Carried,
    /// No answer depends on it, so it is left out.
    Hint,
    /// Its default, or nothing, is left out; anything else is refused.
    Refused(&'static str),
}

use Fate::{Carried, Hint, Refused};

/// A field with its fate in the two other dialects, in the order of [`Api::DIALECTS`].
type Row = (&'static str, Fate, Fate);

const STATE: Fate = Refused("what it refers to is kept by the vendor");
const SAMPLER: Fate = Refused("the other dialect has no such way to sample");
const SHOWN: Fate = Refused("the other dialect does not show probabilities");
const SERVICE: Fate = Refused("it is a service of the vendor");

/// From Chat Completions to Responses and to Messages.
const CHAT: &[Row] = &[
    ("temperature", Carried, Carried),
    ("top_p", Carried, Carried),
    ("user", Carried, Hint),
    ("safety_identifier", Carried, Hint),
    ("metadata", Carried, Hint),
    ("store", Carried, Hint),
    ("service_tier", Carried, Hint),
    ("prompt_cache_key", Carried, Hint),
    ("prompt_cache_retention", Carried, Hint),
    ("prompt_cache_options", Carried, Hint),
    ("prediction", Hint, Hint),
    ("frequency_penalty", SAMPLER, SAMPLER),
    ("presence_penalty", SAMPLER, SAMPLER),
    ("logit_bias", SAMPLER, SAMPLER),
    ("seed", SAMPLER, SAMPLER),
    ("n", Refused("the other dialect gives one answer"), Refused("the other dialect gives one answer")),
    ("logprobs", SHOWN, SHOWN),
    ("top_logprobs", SHOWN, SHOWN),
    ("modalities", Refused("only text is carried"), Refused("only text is carried")),
    ("audio", Refused("only text is carried"), Refused("only text is carried")),
    ("web_search_options", SERVICE, SERVICE),
    ("moderation", SERVICE, SERVICE),
    ("functions", Refused("`tools` has taken its place"), Refused("`tools` has taken its place")),
    ("function_call", Refused("`tool_choice` has taken its place"), Refused("`tool_choice` has taken its place")),
];

/// From Responses to Chat Completions and to Messages.
const RESPONSES: &[Row] = &[
    ("temperature", Carried, Carried),
    ("top_p", Carried, Carried),
    ("user", Carried, Hint),
    ("safety_identifier", Carried, Hint),
    ("metadata", Carried, Hint),
    ("store", Hint, Hint),
    ("service_tier", Carried, Hint),
    ("prompt_cache_key", Carried, Hint),
    ("prompt_cache_retention", Carried, Hint),
    ("prompt_cache_options", Carried, Hint),
    ("client_metadata", Hint, Hint),
    ("max_tool_calls", Hint, Hint),
    ("background_options", Hint, Hint),
    ("previous_response_id", STATE, STATE),
    ("conversation", STATE, STATE),
    ("prompt", STATE, STATE),
    ("background", Refused("the other dialect has no jobs"), Refused("the other dialect has no jobs")),
    ("truncation", SERVICE, SERVICE),
    ("context_management", SERVICE, SERVICE),
    ("moderation", SERVICE, SERVICE),
    ("top_logprobs", SHOWN, SHOWN),
    ("image", SERVICE, SERVICE),
];

/// From Messages to Chat Completions and to Responses.
const MESSAGES: &[Row] = &[
    ("temperature", Carried, Carried),
    ("top_p", Carried, Carried),
    ("top_k", SAMPLER, SAMPLER),
    ("metadata", Hint, Hint),
    ("cache_control", Hint, Hint),
    ("service_tier", Hint, Hint),
    ("speed", Hint, Hint),
    ("diagnostics", Hint, Hint),
    ("user_profile_id", Hint, Hint),
    ("workspace_id", Hint, Hint),
    ("billing_policy", Hint, Hint),
    ("fallback_credit_token", Hint, Hint),
    ("anthropic_version", Hint, Hint),
    ("anthropic_beta", Hint, Hint),
    ("betas", Hint, Hint),
    ("context_management", SERVICE, SERVICE),
    ("compaction", SERVICE, SERVICE),
    ("mcp_servers", SERVICE, SERVICE),
    ("fallbacks", SERVICE, SERVICE),
    ("container", STATE, STATE),
    ("thread", STATE, STATE),
    (
        "inference_geo",
        Refused("nobody can say where the other vendor computes"),
        Refused("nobody can say where the other vendor computes"),
    ),
];

/// Returns the rows for a dialect.
pub(super) fn rows(from: Api) -> &'static [Row] {
    match from {
        Api::OpenAiResponses => RESPONSES,
        Api::AnthropicMessages => MESSAGES,
        _ => CHAT,
    }
}

/// Carries the fields of the table, and refuses those that nobody here knows.
pub(super) fn carry(rest: &mut Members, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    for (name, value) in std::mem::take(rest) {
        match fate(&name, losses) {
            _ if value.is_null() => {}
            Some(Carried) => {
                members.insert(name, value);
            }
            Some(Hint) => {}
            Some(Refused(_)) if is_default(&name, &value) => {}
            Some(Refused(why)) => losses.lose(name, why)?,
            None if says_nothing(&value) => {}
            None => losses.lose(name, UNKNOWN)?,
        }
    }
    Ok(())
}

fn fate(name: &str, losses: &Losses) -> Option<Fate> {
    let (_, first, second) = rows(losses.from).iter().find(|(field, ..)| *field == name)?;
    let first_other = Api::DIALECTS.into_iter().find(|api| *api != losses.from);
    Some(if first_other == Some(losses.to) { *first } else { *second })
}

/// Returns whether a field says what its absence says.
fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "n" => value.as_f64() == Some(1.0),
        "frequency_penalty" | "presence_penalty" | "top_logprobs" => value.as_f64() == Some(0.0),
        "modalities" => *value == json!(["text"]),
        "truncation" => value == "disabled",
        // An empty object asks for it too.
        "web_search_options" => false,
        "context_management" => keeps_thoughts_only(value),
        _ => says_nothing(value),
    }
}

/// Returns whether Anthropic's management of the context is about nothing but reasoning of earlier turns, which other
/// models do not get to see in any case.
fn keeps_thoughts_only(value: &Value) -> bool {
    let edits = value.get("edits").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_thought =
        |edit: &Value| edit.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("clear_thinking"));
    value.as_object().is_some_and(|members| members.len() <= 1) && edits.iter().all(is_thought)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(fate: Fate) -> String {
        match fate {
            Carried => "carried".to_owned(),
            Hint => "left out as a hint".to_owned(),
            Refused(why) => format!("refused: {why}"),
        }
    }

    /// Whoever changes a fate changes the page that users read.
    #[test]
    fn the_reference_page_has_every_row() {
        let page = include_str!("../../../../../docs/dialects.md");
        for from in Api::DIALECTS {
            for (name, first, second) in rows(from) {
                let row = format!("| `{name}` | {} | {} |", spell(*first), spell(*second));
                let section = page
                    .split("\n### From ")
                    .find(|section| section.lines().next().is_some_and(|title| title.contains(&format!("(`{from}`)"))));
                assert!(
                    section.is_some_and(|section| section.contains(&row)),
                    "no row in the section of {from}:\n{row}"
                );
            }
        }
    }

    #[test]
    fn no_field_is_listed_twice() {
        for from in Api::DIALECTS {
            let mut names: Vec<&str> = rows(from).iter().map(|(name, ..)| *name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{from}");
        }
    }
}

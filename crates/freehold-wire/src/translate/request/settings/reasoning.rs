//! How much the model shall reason: an effort with OpenAI, a way of thinking with an effort or a budget with Anthropic.

use serde_json::{Value, json};

use super::format::output_config;
use crate::Api;
use crate::requests::draft::{Members, take_object, take_text, word};
use crate::translate::Error;
use crate::translate::request::losses::Losses;

/// What is said about reasoning.
#[derive(Default)]
struct Reasoning {
    /// A word of OpenAI's: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    effort: Option<String>,
    /// Whether reasoning shall be shown; `None` leaves it to the server.
    is_shown: Option<bool>,
}

/// Efforts by the budget of tokens that is below them; anything above is `high`.
const BUDGETS: [(u64, &str); 2] = [(4_096, "low"), (16_384, "medium")];

pub(super) fn carry(rest: &mut Members, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    let reasoning = match losses.from {
        Api::OpenAiChat => Reasoning { effort: take_text(rest, "reasoning_effort"), is_shown: None },
        Api::OpenAiResponses => take_responses(rest, losses)?,
        _ => take_messages(rest, losses)?,
    };
    match losses.to {
        Api::OpenAiChat => {
            if let Some(effort) = reasoning.effort {
                members.insert("reasoning_effort".into(), effort.into());
            }
        }
        Api::OpenAiResponses => {
            let mut spelt = Members::new();
            if let Some(effort) = reasoning.effort {
                spelt.insert("effort".into(), effort.into());
            }
            if reasoning.is_shown == Some(true) {
                spelt.insert("summary".into(), "auto".into());
            }
            if !spelt.is_empty() {
                members.insert("reasoning".into(), spelt.into());
            }
        }
        _ => put_messages(&reasoning, members, losses)?,
    }
    Ok(())
}

fn take_responses(rest: &mut Members, losses: &mut Losses) -> Result<Reasoning, Error> {
    let mut found = take_object(rest, "reasoning").unwrap_or_default();
    let effort = take_text(&mut found, "effort");
    let mut is_shown = None;
    for name in ["summary", "generate_summary"] {
        if take_text(&mut found, name).is_some() {
            is_shown = Some(true);
        }
    }
    // It chooses among items of reasoning that only their maker can read.
    found.shift_remove("context");
    if word(&found, "mode") == "standard" {
        found.shift_remove("mode");
    }
    losses.lose_all(&found, "reasoning", "the other dialect has no such way to reason")?;
    Ok(Reasoning { effort, is_shown })
}

fn take_messages(rest: &mut Members, losses: &mut Losses) -> Result<Reasoning, Error> {
    let effort = rest.get_mut("output_config").and_then(Value::as_object_mut);
    let effort = effort.and_then(|config| take_text(config, "effort"));
    let Some(thinking) = take_object(rest, "thinking") else { return Ok(Reasoning { effort, is_shown: None }) };
    let budget = match word(&thinking, "type") {
        "disabled" => Some("none"),
        // The model decides, and so does one that is asked for nothing.
        "adaptive" => None,
        "enabled" => {
            let budget = thinking.get("budget_tokens").and_then(Value::as_u64).unwrap_or_default();
            Some(BUDGETS.iter().find(|(below, _)| budget < *below).map_or("high", |(_, effort)| effort))
        }
        _ => {
            losses.lose("thinking", "the other dialect has no such way to reason")?;
            None
        }
    };
    let is_shown = match word(&thinking, "display") {
        "summarized" => Some(true),
        "omitted" => Some(false),
        _ => None,
    };
    let effort = if budget == Some("none") { None } else { effort };
    Ok(Reasoning { effort: effort.or(budget.map(str::to_owned)), is_shown })
}

fn put_messages(reasoning: &Reasoning, members: &mut Members, losses: &mut Losses) -> Result<(), Error> {
    let field = if losses.from == Api::OpenAiChat { "reasoning_effort" } else { "reasoning.effort" };
    let effort = match reasoning.effort.as_deref() {
        Some("none") => {
            members.insert("thinking".into(), json!({"type": "disabled"}));
            return Ok(());
        }
        Some("minimal" | "low") => Some("low"),
        Some("medium") => Some("medium"),
        Some("high") => Some("high"),
        Some("xhigh") => Some("xhigh"),
        Some("max") => Some("max"),
        Some(_) => {
            losses.lose(field, "Anthropic's dialect has no such effort")?;
            None
        }
        None => None,
    };
    if effort.is_some() && is_tool_forced(members) {
        return losses.lose(field, "Anthropic's dialect has no thinking before a tool that must be called");
    }
    if effort.is_some() || (reasoning.is_shown == Some(true) && !is_tool_forced(members)) {
        let mut thinking = json!({"type": "adaptive"});
        if reasoning.is_shown == Some(true) {
            thinking["display"] = "summarized".into();
        }
        members.insert("thinking".into(), thinking);
    }
    if let Some(effort) = effort {
        output_config(members).insert("effort".into(), effort.into());
    }
    Ok(())
}

/// Returns whether some tool must be called.
fn is_tool_forced(members: &Members) -> bool {
    let kind = members.get("tool_choice").and_then(|choice| choice.get("type")).and_then(Value::as_str);
    matches!(kind, Some("any" | "tool"))
}

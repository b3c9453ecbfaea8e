//! Whether what is said in other roles reaches the model: seen in the server's count of the prompt, which needs no skill.

use serde_json::{Value, json};

use super::Found;
use super::said::{REASONING_FIELDS, shown};
use super::talk::{Ask, Talk, Trouble};

const CODE: &str = "HERON-2958";
/// How often the words are said: enough for the count to show it above a template's own marks.
const TIMES: usize = 12;
/// The tokens that so many words make at least.
const GROWTH_MIN: u64 = 40;
const QUESTION: &str = "What is the password? Answer with the password and nothing else.";

fn words() -> String {
    format!("The password is {CODE}. ").repeat(TIMES)
}

/// Asks with the system's words and without.
pub(super) async fn system_role(talk: &Talk) -> Result<Found, Trouble> {
    let user = json!({"role": "user", "content": QUESTION});
    let system = json!({"role": "system", "content": words()});
    compare(talk, &json!([user]), &json!([system, user])).await
}

/// Asks with the developer's words and without.
pub(super) async fn developer_role(talk: &Talk) -> Result<Found, Trouble> {
    let user = json!({"role": "user", "content": QUESTION});
    let developer = json!({"role": "developer", "content": words()});
    compare(talk, &json!([user]), &json!([developer, user])).await
}

/// Asks with one system message and with two.
pub(super) async fn system_blocks(talk: &Talk) -> Result<Found, Trouble> {
    let user = json!({"role": "user", "content": QUESTION});
    let first = json!({"role": "system", "content": "Be brief."});
    let second = json!({"role": "system", "content": words()});
    compare(talk, &json!([first, user]), &json!([first, second, user])).await
}

async fn compare(talk: &Talk, without: &Value, with: &Value) -> Result<Found, Trouble> {
    let without = talk.ask(&Ask::turns(without).tokens(24)).await?;
    let with = talk.ask(&Ask::turns(with).tokens(24)).await?;
    if let (Some(without), Some(with)) = (without.prompt_tokens(), with.prompt_tokens()) {
        let seen = format!("the prompt counts {without} tokens without these words and {with} with them");
        return Ok(if with >= without + GROWTH_MIN { Found::kept(seen) } else { Found::broken(seen) });
    }
    Ok(if with.text.contains(CODE) {
        Found::kept("a password said there was repeated")
    } else {
        Found::cannot_tell(format!("the server does not count its prompts, and the model said {}", shown(&with.text)))
    })
}

/// Looks for reasoning that was left in the answer.
pub(super) async fn reasoning_apart(talk: &Talk) -> Result<Found, Trouble> {
    let asked = Ask::user("What is 17 times 23? Think about it first.").tokens(256);
    for said in [talk.ask(&asked).await?, talk.hear(&asked).await?] {
        if let Some(mark) = said.reasoning_in_text() {
            return Ok(Found::broken(format!("the answer holds {mark}: {}", shown(&said.text))));
        }
        let Some(field) = said.reasoning_field else {
            return Ok(Found::cannot_tell("the model does not reason, or the server does not show it"));
        };
        if said.text.trim().is_empty() && !said.is_cut() {
            return Ok(Found::broken(format!("all of the answer is in {field}, and none in content")));
        }
    }
    Ok(Found::kept("reasoning came in a field of its own, whole and streamed"))
}

/// Sends reasoning back between two calls, where templates keep it, in each of the fields that are known.
pub(super) async fn reasoning_kept(talk: &Talk) -> Result<Found, Trouble> {
    if !talk.thinks() {
        return Ok(Found::cannot_tell("the model does not reason, or the server does not show it"));
    }
    let Some(without) = talk.ask(&with_reasoning(None)).await?.prompt_tokens() else {
        return Ok(Found::cannot_tell("the server does not count its prompts"));
    };
    for field in REASONING_FIELDS {
        let with = match talk.ask(&with_reasoning(Some(field))).await {
            Ok(said) => said.prompt_tokens().unwrap_or_default(),
            Err(Trouble::Refused { .. }) => continue,
            Err(failed) => return Err(failed),
        };
        if with >= without + GROWTH_MIN {
            return Ok(Found::kept(format!("sent back as {field}, it makes {without} tokens {with}")));
        }
    }
    Ok(Found::broken(format!(
        "sent back as {}, it leaves the prompt at {without} tokens",
        REASONING_FIELDS.join(" or ")
    )))
}

fn with_reasoning(field: Option<&str>) -> Ask {
    let call = json!({"id": "call_aaaaaaaa1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}});
    let mut assistant = json!({"role": "assistant", "content": "", "tool_calls": [call]});
    if let Some(field) = field {
        assistant[field] = words().into();
    }
    let tool = json!({"type": "function", "function": {"name": "look_up", "description": "Looks the password up.",
        "parameters": {"type": "object", "properties": {}}}});
    Ask::turns(&json!([
        {"role": "user", "content": QUESTION},
        assistant,
        {"role": "tool", "tool_call_id": "call_aaaaaaaa1", "content": "nothing found"},
    ]))
    .with("tools", json!([tool]))
    .tokens(8)
}

//! Calls of tools: chosen, forbidden, several at once, without arguments, streamed.

use serde_json::{Value, json};

use super::Found;
use super::said::{Said, shown};
use super::talk::{Ask, Talk, Trouble};

/// What an answer to a forced call may take.
const TOKENS: u32 = 128;

fn tool(name: &str, description: &str, properties: &Value, required: &[&str]) -> Value {
    let parameters =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
}

fn weather() -> Value {
    let city = json!({"city": {"type": "string", "enum": ["Paris", "Rome", "Oslo"]}});
    tool("get_weather", "Tells the weather of a city.", &city, &["city"])
}

fn clock() -> Value {
    tool("get_time", "Tells the time. Takes no arguments.", &json!({}), &[])
}

fn with_tools(text: &str, choice: impl Into<Value>) -> Ask {
    Ask::user(text).tokens(TOKENS).with("tools", json!([weather(), clock()])).with("tool_choice", choice)
}

fn by_name(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

/// What an answer without a call says of the server: nothing where it was cut short.
fn without_call(said: &Said) -> Found {
    match said.call_in_text() {
        Some(mark) => Found::broken(format!("the call was left in the text, as {mark}: {}", shown(&said.text))),
        None if said.is_cut() => Found::cannot_tell(format!("the answer was cut before a call: {}", shown(&said.text))),
        None => Found::broken(format!("no call came, but {}", shown(&said.text))),
    }
}

/// Demands a call where none is called for.
pub(super) async fn required(talk: &Talk) -> Result<Found, Trouble> {
    let said = talk.ask(&with_tools("Say hello to me.", "required")).await?;
    Ok(match said.calls.first() {
        Some(call) => Found::kept(format!("it called {}", call.name)),
        None => without_call(&said),
    })
}

/// Demands a call of the tool that does not fit.
pub(super) async fn named(talk: &Talk) -> Result<Found, Trouble> {
    let said = talk.ask(&with_tools("What is the weather in Paris?", by_name("get_time"))).await?;
    Ok(match said.calls.first() {
        Some(call) if call.name == "get_time" => Found::kept("it called the tool that was named"),
        Some(call) => Found::broken(format!("get_time was named, and it called {}", call.name)),
        None => without_call(&said),
    })
}

/// Forbids a call that the model makes when it is free to.
pub(super) async fn none(talk: &Talk) -> Result<Found, Trouble> {
    let text = "Call get_weather for Paris.";
    let forbidden = talk.ask(&with_tools(text, "none")).await?;
    if let Some(call) = forbidden.calls.first() {
        return Ok(Found::broken(format!("it called {} all the same", call.name)));
    }
    let free = talk.ask(&with_tools(text, "auto")).await?;
    Ok(if free.calls.is_empty() {
        Found::cannot_tell("the model makes no call when it is free to")
    } else {
        Found::kept("it calls when it is free to, and not when it is forbidden")
    })
}

/// Asks for two calls at once, then for one at a time.
pub(super) async fn parallel(talk: &Talk) -> Result<Found, Trouble> {
    let asked = with_tools("Call get_weather for Paris and get_weather for Rome, both at once.", "auto");
    let whole = talk.ask(&asked).await?;
    let streamed = talk.hear(&asked).await?;
    for said in [&whole, &streamed] {
        if let Some(fault) = fault_of(said) {
            return Ok(Found::broken(fault));
        }
    }
    if whole.calls.len() < 2 {
        return Ok(Found::cannot_tell(format!("asked for two calls, the model made {}", whole.calls.len())));
    }
    let alone = match talk.ask(&asked.with("parallel_tool_calls", false)).await {
        Err(Trouble::Refused { status, .. }) => {
            return Ok(Found::broken(format!("two calls come apart, but parallel_tool_calls is refused: {status}")));
        }
        said => said?,
    };
    Ok(match alone.calls.len() {
        0 | 1 => Found::kept("two calls come apart, and alone where parallel_tool_calls is false"),
        many => Found::broken(format!("parallel_tool_calls was false, and {many} calls came")),
    })
}

/// Returns what is wrong with several calls, whatever the model meant by them.
fn fault_of(said: &Said) -> Option<String> {
    if let Some(mark) = said.call_in_text() {
        return Some(format!("a call was left in the text, as {mark}: {}", shown(&said.text)));
    }
    let [first, rest @ ..] = &said.calls[..] else { return None };
    if first.id.is_empty() || rest.iter().any(|call| call.id == first.id) {
        return Some(format!("calls cannot be told apart: the id is {:?}", first.id));
    }
    // Two objects behind one another are two calls that were joined; a model's own slip would not be two good objects.
    let joined = said.calls.iter().find(|call| is_several(call.arguments.as_str().unwrap_or_default()));
    joined.map(|call| format!("two calls were joined into one: {}", shown(&call.arguments.to_string())))
}

fn is_several(arguments: &str) -> bool {
    let read: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(arguments).into_iter().collect();
    read.is_ok_and(|values| values.len() > 1 && values.iter().all(Value::is_object))
}

/// Demands a call that takes no arguments.
pub(super) async fn empty_arguments(talk: &Talk) -> Result<Found, Trouble> {
    let asked = Ask::user("What time is it?").tokens(TOKENS).with("tools", json!([clock()]));
    let asked = asked.with("tool_choice", by_name("get_time"));
    let whole = talk.ask(&asked).await?;
    let streamed = talk.hear(&asked).await?;
    for (said, how) in [(&whole, "whole"), (&streamed, "streamed")] {
        let Some(call) = said.calls.first() else {
            return Ok(Found::cannot_tell(format!("no call came {how}, which is another promise")));
        };
        if said.is_cut() {
            return Ok(Found::cannot_tell("the call was cut"));
        }
        // Arguments where none are taken are the model's own; that they are the text of an object is the server's part.
        if call.object().is_none() {
            return Ok(Found::broken(format!("{how}, the arguments are {}", call.arguments)));
        }
    }
    Ok(Found::kept("the arguments are {}"))
}

/// Asks for the same call whole and streamed.
pub(super) async fn streamed(talk: &Talk) -> Result<Found, Trouble> {
    let asked = with_tools("What is the weather in Rome?", by_name("get_weather")).with("seed", 3);
    let whole = talk.ask(&asked).await?;
    let Some(expected) = whole.calls.first() else {
        return Ok(Found::cannot_tell("no call came whole, which is another promise"));
    };
    let streamed = talk.hear(&asked).await?;
    let Some(call) = streamed.calls.first() else {
        return Ok(match streamed.is_cut() {
            true => Found::cannot_tell("the stream was cut before a call"),
            false => Found::broken(format!("whole it is a call, streamed it is {}", shown(&streamed.text))),
        });
    };
    if let Some(mark) = streamed.call_in_text() {
        return Ok(Found::broken(format!("the stream holds the call in its text too, as {mark}")));
    }
    let differs = format!("whole {} {}, streamed {} {}", expected.name, expected.arguments, call.name, call.arguments);
    Ok(match (expected.object(), call.object()) {
        (Some(_), _) if call.name != expected.name => Found::broken(differs),
        (Some(first), Some(second)) if first == second => Found::kept("both say the same"),
        (Some(_), None) if !streamed.is_cut() => Found::broken(differs),
        // An object that is empty only when streamed has lost its arguments; other differences may be sampling.
        (Some(first), Some(second)) if second == json!({}) && first != second => Found::broken(differs),
        _ => Found::cannot_tell(differs),
    })
}

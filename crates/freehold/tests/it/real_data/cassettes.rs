//! Converts recorded HTTP exchanges of two frameworks' test suites into import lines.
//!
//! Requests are as sent. Of the responses the recordings keep id, text and tool calls; they are put back into each API's own form.

use std::path::Path;

use serde_json::{Value, json};

pub(super) fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("calls.jsonl")).unwrap();
    text.lines()
        .enumerate()
        .filter_map(|(number, line)| import_line(number, &serde_json::from_str(line).unwrap()))
        .collect()
}

/// Returns nothing for a path whose dialect is not one of ours.
fn import_line(number: usize, call: &Value) -> Option<Value> {
    let path = call["path"].as_str()?.split('?').next()?;
    let api = if path.ends_with("/chat/completions") {
        "openai.chat"
    } else if path.ends_with("/responses") {
        "openai.responses"
    } else if path.ends_with("/v1/messages") {
        "anthropic.messages"
    } else {
        return None;
    };
    let mut line = json!({"id": format!("{}/{number}", call["run"].as_str()?), "api": api, "run": call["run"], "request": call["request"]});
    if call["status"].as_u64().is_some_and(|status| status < 300) {
        line["response"] = response(api, &call["request"]["model"], &call["response"]);
    } else {
        line["error"] = json!({"status": call["status"]});
    }
    Some(line)
}

fn response(api: &str, model: &Value, kept: &Value) -> Value {
    let (id, text) = (&kept["id"], &kept["text"]);
    let none = Vec::new();
    let calls = kept["tool_calls"].as_array().unwrap_or(&none);
    let arguments = |call: &Value| call["args"].as_str().map_or_else(|| call["args"].to_string(), str::to_owned);
    match api {
        "openai.chat" => {
            let calls: Vec<Value> = calls.iter().map(|call| json!({"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments(call)}})).collect();
            let mut message = json!({"role": "assistant", "content": text});
            if !calls.is_empty() {
                message["tool_calls"] = json!(calls);
            }
            json!({"id": id, "object": "chat.completion", "model": model, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
        }
        "openai.responses" => {
            let mut output = vec![
                json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]}),
            ];
            output.extend(calls.iter().map(|call| json!({"type": "function_call", "call_id": call["id"], "name": call["name"], "arguments": arguments(call)})));
            json!({"id": id, "object": "response", "status": "completed", "model": model, "output": output})
        }
        _ => {
            let mut content = vec![json!({"type": "text", "text": text})];
            content.extend(calls.iter().map(|call| {
                let input: Value = serde_json::from_str(&arguments(call)).unwrap_or_default();
                json!({"type": "tool_use", "id": call["id"], "name": call["name"], "input": input})
            }));
            json!({"id": id, "type": "message", "role": "assistant", "model": model, "content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 0, "output_tokens": 0}})
        }
    }
}

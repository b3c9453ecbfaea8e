//! Converts tau-bench airline transcripts into import lines: two call sites that alternate in every run.
//!
//! The transcripts hold what the agent and the simulated user said. The agent's calls are rebuilt as sent (policy as system
//! text, all turns before as messages; its tool definitions are not in the data). The second site's own system text is not in the
//! data: a line of ours stands for it, and the task's instruction, which is, follows as the first turn.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

const CUSTOMER: &str = "You play an airline's customer in a chat with its agent. Say one message at a time.";

pub(super) fn lines(folder: &Path) -> Vec<Value> {
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let contents: HashMap<String, String> = read("contents.jsonl")
        .lines()
        .map(parse)
        .map(|content| (text(&content["ref"]), text(&content["text"])))
        .collect();
    read("runs.jsonl").lines().map(parse).flat_map(|run| run_lines(&run, &contents)).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn run_lines(run: &Value, contents: &HashMap<String, String>) -> Vec<Value> {
    let turns: Vec<Value> =
        run["messages"].as_array().unwrap().iter().map(|turn| provider_turn(turn, contents)).collect();
    let mut lines = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        let (site, messages) = match turn["role"].as_str() {
            Some("assistant") => ("agent", turns[..at].to_vec()),
            Some("user") => ("customer", customer_messages(run, &turns[..at])),
            _ => continue,
        };
        let said =
            if site == "agent" { turn.clone() } else { json!({"role": "assistant", "content": turn["content"]}) };
        let finish = if said["tool_calls"].is_array() { "tool_calls" } else { "stop" };
        lines.push(json!({
            "id": format!("{}/{site}/{at}", text(&run["run_id"])),
            "api": "openai.chat",
            "run": run["run_id"],
            "request": {"model": "gpt-4o", "messages": messages},
            "response": {"id": format!("chatcmpl-{at}"), "object": "chat.completion", "model": "gpt-4o",
                "choices": [{"index": 0, "message": said, "finish_reason": finish}]},
            "reference": {"kind": "outcome", "value": run["reward"]},
        }));
    }
    lines
}

fn provider_turn(turn: &Value, contents: &HashMap<String, String>) -> Value {
    let content = match turn["content_ref"].as_str() {
        Some(reference) => json!(contents[reference]),
        None => turn["content"].clone(),
    };
    let mut spelt = json!({"role": turn["role"], "content": content});
    if let Some(calls) = turn["tool_calls"].as_array() {
        let call = |call: &Value| json!({"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["args"]}});
        spelt["tool_calls"] = calls.iter().map(call).collect();
    }
    if !turn["tool_call_id"].is_null() {
        spelt["tool_call_id"] = turn["tool_call_id"].clone();
    }
    spelt
}

/// The chat as the simulated customer sees it: the agent's texts are what the other side says.
fn customer_messages(run: &Value, before: &[Value]) -> Vec<Value> {
    let mut messages = vec![
        json!({"role": "system", "content": CUSTOMER}),
        json!({"role": "user", "content": run["user_instruction"]}),
    ];
    for turn in before {
        match (turn["role"].as_str(), turn["content"].is_string()) {
            (Some("assistant"), true) => messages.push(json!({"role": "user", "content": turn["content"]})),
            (Some("user"), _) => messages.push(json!({"role": "assistant", "content": turn["content"]})),
            _ => {}
        }
    }
    messages
}

//! Talks of any kind mean the same in every dialect, and no body makes the translation panic.

use freehold_wire::translate::{OnLoss, request};
use freehold_wire::{Api, requests};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::meaning;
use crate::arbitrary::near_json;

/// A conversation that every dialect can say.
#[derive(Debug, Clone)]
struct Talk {
    system: Vec<String>,
    rounds: Vec<Round>,
    last: Vec<String>,
    tools: Vec<Tool>,
    choice: usize,
    is_parallel: Option<bool>,
    schema: Option<Value>,
    max_tokens: Option<u32>,
    temperature: Option<f64>,
    stream: Option<bool>,
}

/// What the user says, what the model answers, and what its calls lead to.
#[derive(Debug, Clone)]
struct Round {
    asked: Vec<String>,
    answered: Option<String>,
    calls: Vec<(String, String, Value, String)>,
}

#[derive(Debug, Clone)]
struct Tool {
    name: String,
    description: String,
    is_strict: bool,
}

fn said() -> impl Strategy<Value = String> {
    "[^\\x00]{1,20}"
}

fn talk() -> impl Strategy<Value = Talk> {
    let arguments = prop::collection::btree_map("[a-z_]{1,6}", ".{0,8}", 0..3).prop_map(|members| json!(members));
    let call = ("[a-z]{1,8}", arguments, ".{1,12}");
    let round = (prop::collection::vec(said(), 1..3), prop::option::of(said()), prop::collection::vec(call, 0..3));
    let tool = ("[a-z_]{1,8}", ".{1,10}", any::<bool>());
    let how = (
        0usize..4,
        any::<Option<bool>>(),
        prop::option::of(Just(json!({"type": "object", "properties": {"a": {"type": "string"}}}))),
        prop::option::of(1u32..30_000),
        prop::option::of((0u8..=10).prop_map(|tenths| f64::from(tenths) / 10.0)),
        any::<Option<bool>>(),
    );
    let parts = (
        prop::collection::vec(said(), 0..3),
        prop::collection::vec(round, 0..4),
        prop::collection::vec(said(), 1..3),
        prop::collection::vec(tool, 0..3),
        how,
    );
    parts.prop_map(|(system, rounds, last, tools, (choice, is_parallel, schema, max_tokens, temperature, stream))| {
        let tools = tools.into_iter().map(|(name, description, is_strict)| Tool { name, description, is_strict });
        let number = |(round, (asked, answered, calls)): (usize, (Vec<String>, Option<String>, Vec<_>))| {
            let id = |(call, (name, arguments, result))| (format!("c_{round}-{call}"), name, arguments, result);
            let calls: Vec<_> = calls.into_iter().enumerate().map(id).collect();
            // A model that calls nothing says something.
            let answered = answered.or_else(|| calls.is_empty().then(|| "Yes.".to_owned()));
            Round { asked, answered, calls }
        };
        let rounds = rounds.into_iter().enumerate().map(number).collect();
        let tools = tools.collect();
        Talk { system, rounds, last, tools, choice, is_parallel, schema, max_tokens, temperature, stream }
    })
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"q": {"type": "string"}}})
}

/// Spells a talk by hand, so that the translation is not its own judge.
fn spell(talk: &Talk, api: Api) -> Vec<u8> {
    let mut body = match api {
        Api::OpenAiChat => chat(talk),
        Api::OpenAiResponses => responses(talk),
        _ => messages(talk),
    };
    body["model"] = "served".into();
    if let Some(temperature) = talk.temperature {
        body["temperature"] = temperature.into();
    }
    if let Some(stream) = talk.stream {
        body["stream"] = stream.into();
    }
    body.to_string().into_bytes()
}

fn parts(texts: &[String], kind: &str) -> Value {
    texts.iter().map(|text| json!({"type": kind, "text": text})).collect()
}

fn chat(talk: &Talk) -> Value {
    let mut turns: Vec<Value> = talk.system.iter().map(|text| json!({"role": "system", "content": text})).collect();
    for round in &talk.rounds {
        turns.push(json!({"role": "user", "content": parts(&round.asked, "text")}));
        let mut turn = json!({"role": "assistant", "content": round.answered});
        if !round.calls.is_empty() {
            let call = |(id, name, arguments, _): &(String, String, Value, String)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.to_string()}});
            turn["tool_calls"] = round.calls.iter().map(call).collect();
        }
        turns.push(turn);
        let result = |(id, _, _, result): &(String, _, _, String)| json!({"role": "tool", "tool_call_id": id, "content": result});
        turns.extend(round.calls.iter().map(result));
    }
    turns.push(json!({"role": "user", "content": parts(&talk.last, "text")}));
    let mut body = json!({"messages": turns, "max_completion_tokens": talk.max_tokens});
    if let Some(schema) = &talk.schema {
        body["response_format"] =
            json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}});
    }
    openai_tools(talk, &mut body, |tool, choice| match tool {
        Some(tool) => {
            let mut function = json!({"name": tool.name, "description": tool.description, "parameters": schema()});
            function["strict"] = tool.is_strict.into();
            json!({"type": "function", "function": function})
        }
        None => json!({"type": "function", "function": {"name": choice}}),
    });
    body
}

fn openai_tools(talk: &Talk, body: &mut Value, spell: impl Fn(Option<&Tool>, &str) -> Value) {
    let Some(first) = talk.tools.first() else { return };
    body["tools"] = talk.tools.iter().map(|tool| spell(Some(tool), "")).collect();
    body["tool_choice"] = match talk.choice {
        0 => "auto".into(),
        1 => "none".into(),
        2 => "required".into(),
        _ => spell(None, &first.name),
    };
    body["parallel_tool_calls"] = talk.is_parallel.into();
}

fn responses(talk: &Talk) -> Value {
    let mut items = Vec::new();
    for round in &talk.rounds {
        items.push(json!({"role": "user", "content": parts(&round.asked, "input_text")}));
        if let Some(text) = &round.answered {
            let content = [text.clone()];
            items.push(json!({"type": "message", "role": "assistant", "content": parts(&content, "output_text")}));
        }
        for (id, name, arguments, _) in &round.calls {
            let arguments = arguments.to_string();
            items.push(json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments}));
        }
        for (id, _, _, result) in &round.calls {
            items.push(json!({"type": "function_call_output", "call_id": id, "output": result}));
        }
    }
    items.push(json!({"role": "user", "content": parts(&talk.last, "input_text")}));
    let mut body = json!({"input": items, "max_output_tokens": talk.max_tokens});
    if !talk.system.is_empty() {
        body["instructions"] = talk.system.join("\n\n").into();
    }
    if let Some(schema) = &talk.schema {
        body["text"] = json!({"format": {"type": "json_schema", "name": "answer", "strict": true, "schema": schema}});
    }
    openai_tools(talk, &mut body, |tool, choice| match tool {
        Some(tool) => {
            let mut function = json!({"type": "function", "name": tool.name, "description": tool.description});
            function["parameters"] = schema();
            function["strict"] = tool.is_strict.into();
            function
        }
        None => json!({"type": "function", "name": choice}),
    });
    body
}

fn messages(talk: &Talk) -> Value {
    let mut turns: Vec<Value> = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    for round in &talk.rounds {
        results.extend(parts(&round.asked, "text").as_array().expect("an array").iter().cloned());
        turns.push(json!({"role": "user", "content": std::mem::take(&mut results)}));
        let mut blocks: Vec<Value> = round.answered.iter().map(|text| json!({"type": "text", "text": text})).collect();
        for (id, name, arguments, result) in &round.calls {
            blocks.push(json!({"type": "tool_use", "id": id, "name": name, "input": arguments}));
            results.push(json!({"type": "tool_result", "tool_use_id": id, "content": result}));
        }
        turns.push(json!({"role": "assistant", "content": blocks}));
    }
    results.extend(parts(&talk.last, "text").as_array().expect("an array").iter().cloned());
    turns.push(json!({"role": "user", "content": results}));
    let mut body = json!({"messages": turns, "max_tokens": talk.max_tokens.unwrap_or(32_000)});
    body["system"] = parts(&talk.system, "text");
    if let Some(schema) = &talk.schema {
        body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema}});
    }
    if let Some(first) = talk.tools.first() {
        let tool = |tool: &Tool| json!({"name": tool.name, "description": tool.description, "strict": tool.is_strict, "input_schema": schema()});
        body["tools"] = talk.tools.iter().map(tool).collect();
        let kind = ["auto", "none", "any", "tool"][talk.choice];
        body["tool_choice"] = json!({"type": kind});
        if kind == "tool" {
            body["tool_choice"]["name"] = first.name.clone().into();
        }
        if kind != "none" {
            body["tool_choice"]["disable_parallel_tool_use"] = (talk.is_parallel == Some(false)).into();
        }
    }
    body
}

fn means(api: Api, body: &[u8]) -> meaning::Meaning {
    meaning::of(&requests::read(api, body).expect("it is a request"))
}

proptest! {
    // Each case is carried over all borders, several times.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_talk_means_the_same_in_every_dialect_and_on_the_way_back(talk in talk()) {
        for from in Api::DIALECTS {
            let original = spell(&talk, from);
            for to in super::others(from) {
                let there = request(from, to, &original, "served", OnLoss::Refuse).expect("every dialect can say it");
                prop_assert_eq!(&there.lost, &Vec::<String>::new());
                prop_assert_eq!(means(to, &there.body), means(to, &spell(&talk, to)), "{} to {}", from, to);
                let back = request(to, from, &there.body, "served", OnLoss::Refuse).expect("it came from there");
                prop_assert_eq!(means(from, &back.body), means(from, &original), "{} to {} and back", from, to);
                // What goes without saying is left out once; nothing changes after that.
                let carry = |from, to, body: &[u8]| request(from, to, body, "served", OnLoss::Refuse).map(|done| done.body);
                let second = carry(from, to, &back.body).expect("it was there before");
                let third = carry(from, to, &carry(to, from, &second).expect("it came from there")).expect("as before");
                prop_assert_eq!(String::from_utf8(third), String::from_utf8(second), "{} to {} again", from, to);
            }
        }
    }
}

proptest! {
    #[test]
    fn nearly_right_bodies_are_survived(json in near_json(), turns in prop::collection::vec(near_json(), 0..4)) {
        let mut json = json;
        for member in ["messages", "input"] {
            if json.is_object() && !turns.is_empty() {
                json[member] = turns.clone().into();
            }
        }
        try_all(json.to_string().as_bytes())?;
    }

    #[test]
    fn nearly_right_turns_are_survived(turns in prop::collection::vec((0usize..4, near_json()), 0..4)) {
        let turn = |(role, mut said): (usize, Value)| {
            if said.is_object() {
                said["role"] = ["user", "assistant", "system", "tool"][role].into();
            }
            said
        };
        let turns: Vec<Value> = turns.into_iter().map(turn).collect();
        let body = json!({"model": "m", "max_tokens": 1, "messages": turns, "input": turns, "tools": turns});
        try_all(body.to_string().as_bytes())?;
    }

    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_all(&bytes)?;
    }
}

/// What can be read at all is written again as it was, is carried when losses are accepted, and is read again.
fn try_all(body: &[u8]) -> Result<(), TestCaseError> {
    for from in Api::DIALECTS {
        if let Ok(draft) = requests::parse(from, body) {
            let written: Value = serde_json::from_slice(&requests::write(draft)).expect("JSON is written");
            prop_assert_eq!(written, serde_json::from_slice::<Value>(body).expect("it was read"));
        }
        for to in super::others(from) {
            let accepted = request(from, to, body, "served", OnLoss::Accept);
            let refused = request(from, to, body, "served", OnLoss::Refuse);
            prop_assert_eq!(accepted.is_ok(), requests::read(from, body).is_ok());
            let Ok(accepted) = accepted else { continue };
            prop_assert_eq!(refused.is_ok(), accepted.lost.is_empty());
            let read = requests::read(to, &accepted.body);
            prop_assert!(read.is_ok(), "{} to {}: {:?}", from, to, read);
        }
    }
    Ok(())
}

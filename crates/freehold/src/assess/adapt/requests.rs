//! The adaptations of a request of Chat Completions, one function each; what needs none stays byte for byte.

use serde_json::{Map, Value, json};

use super::{Adaptation, Adapter};
use crate::engines;

type Members = Map<String, Value>;

/// Members of a request that say how the vendor keeps, bills, caches or schedules it, and nothing to the model.
const VENDOR_FIELDS: [&str; 7] = [
    "store",
    "metadata",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "verbosity",
];

/// The names under which reasoning of earlier turns is sent back.
const REASONING_FIELDS: [&str; 2] = ["reasoning_content", "reasoning"];

pub(super) fn adapted(adapter: &Adapter, body: &[u8]) -> Option<(Vec<u8>, Vec<Adaptation>)> {
    let mut request: Members = serde_json::from_slice(body).ok()?;
    let is_of_engine = adapter.engine().is_some();
    type Step<'a> = &'a dyn Fn(&mut Members) -> bool;
    let steps: [(Adaptation, Step<'_>); 8] = [
        (Adaptation::DeveloperAsSystem, &|request| is_of_engine && developer_as_system(request)),
        (Adaptation::SystemMerged, &|request| is_of_engine && merge_system(request)),
        (Adaptation::SchemaStated, &|request| is_of_engine && state_schema(request)),
        (Adaptation::ReasoningRenamed, &|request| rename_reasoning(adapter, request)),
        (Adaptation::MaxTokensRenamed, &|request| is_of_engine && rename_max_tokens(request)),
        (Adaptation::VendorFieldsDropped, &|request| is_of_engine && drop_vendor_fields(request)),
        (Adaptation::SamplingOfCard, &|request| adapter.card().is_some_and(|card| card.write(request))),
        (Adaptation::ThinkingBudgeted, &|request| {
            adapter.thinking_tokens().is_some_and(|tokens| raise_bound(request, tokens))
        }),
    ];
    let allowed = steps.into_iter().filter(|(name, _)| adapter.adapting.allows(*name));
    let done: Vec<Adaptation> = allowed.filter(|(_, step)| step(&mut request)).map(|(name, _)| name).collect();
    (!done.is_empty()).then(|| (Value::Object(request).to_string().into_bytes(), done))
}

fn turns(request: &mut Members) -> Option<&mut Vec<Value>> {
    request.get_mut("messages")?.as_array_mut()
}

fn developer_as_system(request: &mut Members) -> bool {
    let mut found = false;
    for turn in turns(request).into_iter().flatten().filter(|turn| turn["role"] == "developer") {
        turn["role"] = "system".into();
        found = true;
    }
    found
}

/// Merges where every system message is a plain text; parts of other kinds are left as they are.
fn merge_system(request: &mut Members) -> bool {
    let Some(turns) = turns(request) else { return false };
    let texts: Vec<&str> =
        turns.iter().filter(|turn| turn["role"] == "system").filter_map(|turn| turn["content"].as_str()).collect();
    let systems = turns.iter().filter(|turn| turn["role"] == "system").count();
    let is_first = turns.first().is_some_and(|turn| turn["role"] == "system");
    if systems == 0 || texts.len() != systems || (systems == 1 && is_first) {
        return false;
    }
    let merged = texts.join("\n\n");
    turns.retain(|turn| turn["role"] != "system");
    turns.insert(0, json!({"role": "system", "content": merged}));
    true
}

/// Takes a schema from `guided_json` and `structured_outputs.json` (vLLM), or from beside `json_object` (llama.cpp's server
/// and some hosts), where the request states none as `response_format`.
fn state_schema(request: &mut Members) -> bool {
    if request.get("response_format").is_some_and(|format| format["type"] == "json_schema") {
        return false;
    }
    let schema = match (request.get("guided_json"), request.get("structured_outputs"), request.get("response_format")) {
        (Some(schema), _, _) if schema.is_object() => schema.clone(),
        (_, Some(outputs), _) if outputs["json"].is_object() => outputs["json"].clone(),
        (_, _, Some(format)) if format["schema"].is_object() => format["schema"].clone(),
        _ => return false,
    };
    request.remove("guided_json");
    request.remove("structured_outputs");
    let stated = json!({"name": "answer", "strict": true, "schema": schema});
    request.insert("response_format".to_owned(), json!({"type": "json_schema", "json_schema": stated}));
    true
}

fn rename_reasoning(adapter: &Adapter, request: &mut Members) -> bool {
    let Some(name) = adapter.engine().and_then(engines::reasoning_field) else { return false };
    let mut found = false;
    for turn in turns(request).into_iter().flatten().filter_map(Value::as_object_mut) {
        for other in REASONING_FIELDS.into_iter().filter(|other| *other != name) {
            let Some(thoughts) = turn.remove(other) else { continue };
            turn.entry(name).or_insert(thoughts);
            found = true;
        }
    }
    found
}

fn rename_max_tokens(request: &mut Members) -> bool {
    if request.contains_key("max_tokens") {
        return request.remove("max_completion_tokens").is_some();
    }
    let Some(bound) = request.remove("max_completion_tokens") else { return false };
    request.insert("max_tokens".to_owned(), bound);
    true
}

fn drop_vendor_fields(request: &mut Members) -> bool {
    let before = request.len();
    request.retain(|name, _| !VENDOR_FIELDS.contains(&name.as_str()));
    request.len() < before
}

fn raise_bound(request: &mut Members, tokens: u32) -> bool {
    let mut is_raised = false;
    for name in ["max_tokens", "max_completion_tokens"] {
        if let Some(bound) = request.get(name).and_then(Value::as_u64) {
            request.insert(name.to_owned(), bound.saturating_add(tokens.into()).into());
            is_raised = true;
        }
    }
    is_raised
}

#[cfg(test)]
mod tests {
    use freehold_vault::Sampling;

    use super::super::card::Source;
    use super::super::{Adapting, Card, Form};
    use super::*;
    use crate::engines::Kind;

    fn adapter(adapting: Adapting) -> Adapter {
        Adapter { adapting, form: Form::Sent(Some(Kind::Vllm)), card: None, thinking_tokens: 0 }
    }

    fn changed(adapter: &Adapter, request: &Value) -> (Value, Vec<Adaptation>) {
        let (body, done) = adapter.body(request.to_string().as_bytes()).expect("there is something to adapt");
        (serde_json::from_slice(&body).unwrap(), done)
    }

    #[test]
    fn roles_blocks_bounds_and_fields_are_adapted_and_the_rest_stays() {
        let request = json!({"model": "m", "store": true, "max_completion_tokens": 9, "top_k": 4, "messages": [
            {"role": "developer", "content": "a"}, {"role": "user", "content": "b"}, {"role": "system", "content": "c"}]});
        let (adapted, done) = changed(&adapter(Adapting::ALL), &request);
        let expected = json!({"model": "m", "top_k": 4, "messages": [
            {"role": "system", "content": "a\n\nc"}, {"role": "user", "content": "b"}], "max_tokens": 9});
        assert_eq!(adapted, expected);
        let all = [
            Adaptation::DeveloperAsSystem,
            Adaptation::SystemMerged,
            Adaptation::MaxTokensRenamed,
            Adaptation::VendorFieldsDropped,
        ];
        assert_eq!(done, all);
    }

    #[test]
    fn what_needs_nothing_is_left_byte_for_byte() {
        let plain = json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "system", "content": "a"}, {"role": "user", "content": "b"}]});
        assert_eq!(adapter(Adapting::ALL).body(plain.to_string().as_bytes()), None);
        assert_eq!(adapter(Adapting::ALL).body(b"no JSON"), None);
    }

    #[test]
    fn system_messages_with_parts_are_not_merged() {
        let parts = json!([{"type": "text", "text": "a"}]);
        let request = json!({"messages": [
            {"role": "system", "content": parts}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"}]});
        assert_eq!(adapter(Adapting::ALL).body(request.to_string().as_bytes()), None);
    }

    #[test]
    fn a_schema_is_stated_as_a_response_format_whoever_stated_it_how() {
        let schema = json!({"type": "object"});
        let stated =
            json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}});
        for request in [
            json!({"guided_json": schema, "messages": []}),
            json!({"structured_outputs": {"json": schema}, "messages": []}),
            json!({"response_format": {"type": "json_object", "schema": schema}, "messages": []}),
        ] {
            let (adapted, done) = changed(&adapter(Adapting::ALL), &request);
            assert_eq!(adapted, json!({"response_format": stated, "messages": []}), "{request}");
            assert_eq!(done, [Adaptation::SchemaStated]);
        }
        let plain = json!({"response_format": {"type": "json_object"}, "messages": []});
        assert_eq!(adapter(Adapting::ALL).body(plain.to_string().as_bytes()), None);
    }

    #[test]
    fn earlier_reasoning_goes_into_the_field_of_the_engine_where_that_is_known() {
        let turn = |name: &str| json!({"messages": [{"role": "assistant", "content": "x", name: "because"}]});
        let of = |engine| Adapter { form: Form::Sent(Some(engine)), ..adapter(Adapting::ALL) };
        for (engine, from, to) in
            [(Kind::Vllm, "reasoning_content", "reasoning"), (Kind::LlamaServer, "reasoning", "reasoning_content")]
        {
            assert_eq!(changed(&of(engine), &turn(from)), (turn(to), vec![Adaptation::ReasoningRenamed]));
            assert_eq!(of(engine).body(turn(to).to_string().as_bytes()), None);
        }
        assert_eq!(of(Kind::Openai).body(turn("reasoning").to_string().as_bytes()), None);
    }

    #[test]
    fn card_and_budget_need_no_engine_that_is_named() {
        let card = Card { from: Source::Configuration, sampling: Sampling { min_p: Some(0.1), ..Sampling::default() } };
        let adapter =
            Adapter { adapting: Adapting::ALL, form: Form::Sent(None), card: Some(card), thinking_tokens: 4096 };
        let request = json!({"max_completion_tokens": 64, "store": true});
        let (adapted, done) = changed(&adapter, &request);
        assert_eq!(adapted, json!({"max_completion_tokens": 4160, "store": true, "min_p": 0.1}));
        assert_eq!(done, [Adaptation::SamplingOfCard, Adaptation::ThinkingBudgeted]);
        let (adapted, _) = changed(&adapter, &json!({"messages": []}));
        assert_eq!(adapted, json!({"messages": [], "min_p": 0.1}), "an answer without a bound has room to think");
    }

    #[test]
    fn only_what_is_allowed_is_done() {
        let request =
            json!({"store": true, "max_completion_tokens": 9, "messages": [{"role": "developer", "content": "a"}]});
        let only = adapter("max_tokens_renamed".parse().unwrap());
        let (adapted, done) = changed(&only, &request);
        assert_eq!(done, [Adaptation::MaxTokensRenamed]);
        assert_eq!((&adapted["store"], &adapted["messages"][0]["role"]), (&json!(true), &json!("developer")));
        assert_eq!(adapter(Adapting::NONE).body(request.to_string().as_bytes()), None);
    }
}

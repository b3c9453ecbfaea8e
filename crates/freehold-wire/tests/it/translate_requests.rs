//! Requests in another dialect: one snapshot for each fixture, and what holds for all of them.

mod meaning;
mod property;
mod real;

use std::collections::BTreeMap;
use std::path::PathBuf;

use freehold_wire::translate::{Error, OnLoss, request};
use freehold_wire::{Api, requests};
use serde_json::Value;

fn api(name: &str) -> Option<Api> {
    match name {
        "chat" => Some(Api::OpenAiChat),
        "responses" => Some(Api::OpenAiResponses),
        "messages" => Some(Api::AnthropicMessages),
        _ => None,
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/translate_requests")
}

/// All fixtures by name: `NAME.DIALECT.json`.
fn fixtures() -> Vec<(String, Api, Vec<u8>)> {
    let files = std::fs::read_dir(folder().join("fixtures")).expect("the folder is part of the repository");
    let fixture = |path: PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("the names are plain").to_owned();
        let dialect = name.rsplit_once('.').and_then(|(_, dialect)| api(dialect)).expect("NAME.DIALECT.json");
        (name, dialect, std::fs::read(path).expect("the fixture can be read"))
    };
    let mut fixtures: Vec<_> = files.map(|file| fixture(file.expect("the folder can be read").path())).collect();
    fixtures.sort();
    assert!(fixtures.len() > 15, "{}", fixtures.len());
    fixtures
}

fn others(from: Api) -> impl Iterator<Item = Api> {
    Api::DIALECTS.into_iter().filter(move |to| *to != from)
}

/// Whether the fixture says something that the dialect cannot; Responses has no texts that end an answer.
fn is_refused(name: &str, to: Api) -> bool {
    name.starts_with("refused") || (name.starts_with("stop") && to == Api::OpenAiResponses)
}

fn pretty(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).expect("it was written as JSON");
    format!("{body:#}")
}

#[test]
fn golden_matrix() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for (name, from, body) in fixtures() {
        for to in others(from) {
            let refusal = request(from, to, &body, "served", OnLoss::Refuse);
            let accepted = request(from, to, &body, "served", OnLoss::Accept).unwrap();
            let refused = refusal.as_ref().err().map_or_else(String::new, |error| format!("refused: {error}\n"));
            let lost: String = accepted.lost.iter().map(|field| format!("lost: {field}\n")).collect();
            assert_eq!(refused.is_empty(), lost.is_empty(), "{name} to {to}");
            assert_eq!(refused.is_empty(), !is_refused(&name, to), "{name} to {to}: {refused}");
            insta::assert_snapshot!(format!("{name}-to-{to}"), format!("{refused}{lost}{}", pretty(&accepted.body)));
        }
    }
}

#[test]
fn equal_dialects_change_the_model_only() {
    for (name, from, body) in fixtures() {
        let translated = request(from, from, &body, "served", OnLoss::Refuse).unwrap();
        assert_eq!(translated.body, requests::with_model(&body, "served").unwrap(), "{name}");
    }
}

#[test]
fn every_fixture_is_written_as_it_was_read() {
    for (name, from, body) in fixtures() {
        let written = requests::write(requests::parse(from, &body).unwrap());
        let (written, read): (Value, Value) =
            (serde_json::from_slice(&written).unwrap(), serde_json::from_slice(&body).unwrap());
        assert_eq!(written, read, "{name}");
    }
}

/// What is emitted is a request of its dialect, and says the same in the neutral view where the dialects agree.
#[test]
fn what_is_emitted_is_read_again() {
    for (name, from, body) in fixtures() {
        let before = requests::read(from, &body).unwrap();
        for to in others(from) {
            let translated = request(from, to, &body, "served", OnLoss::Accept).unwrap();
            let after = requests::read(to, &translated.body).unwrap();
            assert_eq!((after.api, after.model.as_str()), (to, "served"));
            if !is_refused(&name, to) && !name.starts_with("tools") {
                assert_eq!(meaning::of(&after), meaning::of(&before), "{name} to {to}");
            }
        }
    }
}

#[test]
fn other_apis_are_refused() {
    for other in [Api::OpenAiEmbeddings, Api::Opaque] {
        for (from, to) in [(other, Api::OpenAiChat), (Api::OpenAiChat, other)] {
            let body = br#"{"model":"m","messages":[],"input":"x"}"#;
            let error = request(from, to, body, "m", OnLoss::Accept).unwrap_err();
            assert!(matches!(error, Error::Request(requests::Error::Opaque)), "{from} {to}: {error}");
        }
    }
}

#[test]
fn a_fault_of_form_is_named_before_any_loss() {
    let body = br#"{"model":"m","seed":1,"messages":[{"role":"user","content":7}]}"#;
    let error = request(Api::OpenAiChat, Api::AnthropicMessages, body, "m", OnLoss::Accept).unwrap_err();
    assert_eq!(
        error.to_string(),
        "field messages[0].content of the openai.chat request: a number where a string or an array is expected"
    );
}

#[test]
fn a_refusal_names_field_and_reason_and_quotes_nothing() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"secret"}],"logit_bias":{"77":-5}}"#;
    let error = request(Api::OpenAiChat, Api::AnthropicMessages, body, "m", OnLoss::Refuse).unwrap_err();
    let expected = "field logit_bias of the openai.chat request cannot be carried to anthropic.messages: \
                    the other dialect has no such way to sample";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn counts_of_losses_are_the_same_in_both_ways_of_asking() {
    // Leaving out, one by one, what is refused leads to a body that is carried: the list of losses is complete.
    let mut by_pair = BTreeMap::new();
    for (name, from, body) in fixtures().into_iter().filter(|(name, ..)| name.starts_with("refused")) {
        for to in others(from) {
            let lost = request(from, to, &body, "m", OnLoss::Accept).unwrap().lost;
            let Err(Error::Unfaithful { field, .. }) = request(from, to, &body, "m", OnLoss::Refuse) else {
                panic!("{name} to {to} is not refused");
            };
            assert_eq!(lost.first(), Some(&field), "{name} to {to}");
            by_pair.insert((name.clone(), to), lost.len());
        }
    }
    assert!(by_pair.values().all(|losses| *losses > 10), "{by_pair:?}");
}

/// Anthropic has rules about thinking that the other dialects do not have.
#[test]
fn thinking_goes_with_neither_a_forced_tool_nor_a_temperature() {
    let tools = r#""tools":[{"type":"function","function":{"name":"f"}}]"#;
    let body = |more: &str| format!(r#"{{"model":"m","messages":[],"reasoning_effort":"low",{tools}{more}}}"#);
    for (more, field, kept) in [
        (r#","tool_choice":"required""#, "reasoning_effort", "tool_choice"),
        (r#","temperature":0.5"#, "temperature", "thinking"),
    ] {
        let body = body(more);
        let carry = |on_loss| request(Api::OpenAiChat, Api::AnthropicMessages, body.as_bytes(), "m", on_loss);
        let refused = carry(OnLoss::Refuse).unwrap_err();
        assert!(matches!(&refused, Error::Unfaithful { field: found, .. } if found == field), "{refused}");
        let accepted = carry(OnLoss::Accept).unwrap();
        assert_eq!(accepted.lost, [field]);
        let written: Value = serde_json::from_slice(&accepted.body).unwrap();
        assert!(written.get(kept).is_some() && written.get("temperature").is_none(), "{written}");
        assert_eq!(written.get("thinking").is_some(), kept == "thinking", "{written}");
    }
    for more in [r#","tool_choice":"auto""#, r#","temperature":1"#] {
        let body = body(more);
        request(Api::OpenAiChat, Api::AnthropicMessages, body.as_bytes(), "m", OnLoss::Refuse).unwrap();
    }
}

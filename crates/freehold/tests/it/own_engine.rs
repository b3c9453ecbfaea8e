//! Our own engine behind the gateway with real weights: what clients ask of any server is answered here too.

use std::path::Path;

use serde_json::{Value, json};

use crate::adapters::adapter;
use crate::running::{Up, run};

/// The width of the smallest desk model.
const WIDTH: u64 = 96;

const DESK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/freehold-desk-s.gguf");

/// A gateway with the smallest desk model and an adapter of it.
fn up(home: &Path) -> Up {
    std::fs::write(home.join("billing.gguf"), adapter("llama", "lora", WIDTH)).unwrap();
    let adapter = "[[model.adapter]]\nname = \"billing\"\npath = \"billing.gguf\"\n";
    Up::start(home, &format!("[[model]]\nname = \"desk\"\npath = {DESK:?}\ncontext_tokens = 512\n{adapter}"))
}

fn asked(model: &str) -> Value {
    let turns = json!([{"role": "user", "content": "My order 48213 has not come"}]);
    json!({"model": model, "messages": turns, "max_tokens": 16, "temperature": 0})
}

fn answer(up: &Up, path: &str, body: &Value) -> Value {
    let (status, text) = up.post(path, body);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Assesses a candidate on the only step.
fn assessed(home: &Path, candidate: &str) -> Value {
    let steps = run(home, &["steps", "--json"]).stdout;
    let step: Value = serde_json::from_str(steps.lines().next().unwrap()).unwrap();
    let told = run(home, &["assess", step["step"].as_str().unwrap(), "--candidate", candidate, "--json"]);
    serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{}", told.stderr))
}

#[test]
fn adapter_answers_to_its_own_name_on_the_wire() {
    let home = tempfile::tempdir().unwrap();
    let up = up(home.path());
    let text = |model: &str| {
        let whole = answer(&up, "/v1/chat/completions", &asked(model));
        assert_eq!(whole["model"], model);
        whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    let (desk, billing) = (text("desk"), text("billing"));
    assert_ne!(desk, billing);
    assert_eq!((text("billing"), text("desk")), (billing, desk), "none is left in the other's answers");
    let listed = up.models("");
    assert!(listed.contains("\"billing\"") && listed.contains("\"desk\""), "{listed}");
    let (status, text) = up.post("/v1/chat/completions", &asked("bill"));
    assert_eq!(status, 404, "{text}");
}

#[test]
fn adapter_is_assessed_against_its_own_model() {
    let home = tempfile::tempdir().unwrap();
    let up = up(home.path());
    for number in 0..4 {
        let mut body = asked("desk");
        body["messages"][0]["content"] = format!("My order {number} has not come").into();
        answer(&up, "/v1/chat/completions", &body);
    }
    up.stop();
    let row = assessed(home.path(), "billing");
    assert_eq!((row["n"].as_u64(), row["candidate"].as_str()), (Some(4), Some("billing")), "{row}");
    assert_eq!(row["failures"]["candidate"], 0, "{row}");
    assert_eq!(row["lock"]["adapter"]["scale"], 1.0, "{row}");
}

/// The desk model, whose header says how it is to be sampled.
fn with_card() -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let mut entries = [text("general.sampling.top_k"), vec![4, 0, 0, 0, 1, 0, 0, 0]].concat();
    // So much more that the tensors stay where they can be found: at a multiple of 32 bytes.
    entries.extend([text("general.filling"), vec![8, 0, 0, 0]].concat());
    let filling = (entries.len() + 8).next_multiple_of(32) - entries.len() - 8;
    entries.extend(text(&"-".repeat(filling)));
    let mut file = std::fs::read(DESK).unwrap();
    file[16] += 2;
    file.splice(24..24, entries);
    file
}

/// From the header to the lock and into what the model is asked: with `top_k = 1` it says the same at any temperature.
#[test]
fn model_is_assessed_with_the_sampling_of_its_header() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("carded.gguf"), with_card()).unwrap();
    let carded = "[[model]]\nname = \"carded\"\npath = \"carded.gguf\"\ncontext_tokens = 512\n";
    let up = Up::start(home.path(), &format!("[[model]]\nname = \"desk\"\npath = {DESK:?}\n{carded}"));
    for seed in 0..4 {
        let mut body = asked("desk");
        (body["temperature"], body["top_k"], body["seed"]) = (1.5.into(), 1.into(), seed.into());
        let greedy = answer(&up, "/v1/chat/completions", &asked("desk"));
        let likeliest = answer(&up, "/v1/chat/completions", &body);
        assert_eq!(likeliest["choices"][0]["message"], greedy["choices"][0]["message"]);
    }
    up.stop();
    let locked: Value =
        serde_json::from_str(&run(home.path(), &["models", "lock", "carded", "--json"]).stdout).unwrap();
    assert_eq!(locked["identity"]["sampling"], json!({"from": "file_header", "top_k": 1}));
    let row = assessed(home.path(), "carded");
    assert_eq!(row["lock"], locked["identity"]);
    assert_eq!(row["adapted"], json!(["sampling_of_card"]), "{row}");
}

#[test]
fn logprobs_are_told_whole_and_streamed() {
    let home = tempfile::tempdir().unwrap();
    let up = up(home.path());
    let mut body = asked("desk");
    (body["logprobs"], body["top_logprobs"]) = (true.into(), 2.into());
    let whole = answer(&up, "/v1/chat/completions", &body);
    let tokens = whole["choices"][0]["logprobs"]["content"].as_array().unwrap();
    let spelt: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    let text = &whole["choices"][0]["message"]["content"];
    assert!(
        text.as_str().unwrap().starts_with(spelt.trim_end_matches('\u{fffd}')) && !spelt.is_empty(),
        "{spelt:?} {text}"
    );
    for token in tokens {
        let (own, top) = (token["logprob"].as_f64().unwrap(), token["top_logprobs"].as_array().unwrap());
        assert!(own <= 0.0 && top.len() == 2 && top[0]["logprob"].as_f64().unwrap() >= own, "{token}");
    }
    body["stream"] = true.into();
    let (status, stream) = up.post("/v1/chat/completions", &body);
    let pieces = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let pieces = pieces.map(|data| serde_json::from_str::<Value>(data).unwrap());
    let streamed: Vec<Value> = pieces
        .flat_map(|piece| piece["choices"][0]["logprobs"]["content"].as_array().cloned().unwrap_or_default())
        .collect();
    assert_eq!((status, &streamed), (200, tokens));
}

#[test]
fn vectors_are_given_in_numbers_and_in_base64_and_never_cut_short() {
    let home = tempfile::tempdir().unwrap();
    let up = up(home.path());
    let mut body = json!({"model": "desk", "input": ["where is my parcel", "where is my parcel"]});
    let numbers = answer(&up, "/v1/embeddings", &body);
    let vector: Vec<f64> =
        numbers["data"][0]["embedding"].as_array().unwrap().iter().map(|part| part.as_f64().unwrap()).collect();
    let length: f64 = vector.iter().map(|part| part * part).sum();
    assert!(vector.len() as u64 == WIDTH && (length - 1.0).abs() < 1e-3, "{} parts of length {length}", vector.len());
    assert_eq!(numbers["data"][0]["embedding"], numbers["data"][1]["embedding"]);

    body["encoding_format"] = "base64".into();
    let coded = answer(&up, "/v1/embeddings", &body);
    let letters = coded["data"][0]["embedding"].as_str().unwrap().len() as u64;
    assert_eq!(letters, (WIDTH * 4).div_ceil(3) * 4);

    body["dimensions"] = WIDTH.into();
    assert_eq!(answer(&up, "/v1/embeddings", &body), coded);
    body["dimensions"] = 8.into();
    let (status, text) = up.post("/v1/embeddings", &body);
    assert!(status == 400 && text.contains("vectors of 96 numbers"), "{status}: {text}");
}

//! `freehold models`: what lies on the disk is said, locked and held against its lock; what is no model is refused with a reason.

use std::path::Path;

use serde_json::{Value, json};

use crate::running::run;

/// A GGUF file of one tensor, complete enough to be described.
pub(crate) fn gguf(name: &str) -> Vec<u8> {
    let entries = [("general.architecture", "llama"), ("general.name", name), ("tokenizer.chat_template", "{{ x }}")];
    gguf_of(&entries, &[("token_embd.weight", &[32], &[0.0; 32])])
}

/// A GGUF file with these texts, and these tensors in single precision.
pub(crate) fn gguf_of(entries: &[(&str, &str)], tensors: &[(&str, &[u64], &[f32])]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    for (key, value) in entries {
        bytes.extend(text(key));
        bytes.extend(8u32.to_le_bytes());
        bytes.extend(text(value));
    }
    let mut offset = 0u64;
    for (name, shape, numbers) in tensors {
        bytes.extend(text(name));
        bytes.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|side| bytes.extend(side.to_le_bytes()));
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        offset += 4 * numbers.len() as u64;
    }
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(tensors.iter().flat_map(|(_, _, numbers)| numbers.iter()).flat_map(|number| number.to_le_bytes()));
    bytes
}

fn safetensors() -> Vec<u8> {
    let header = json!({"w": {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8]}}).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[1; 8]].concat()
}

fn write(home: &Path, name: &str, bytes: &[u8]) {
    let file = home.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn inspect_says_what_a_file_is() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "one.gguf", &gguf("the one"));
    let told = run(home.path(), &["models", "inspect", "one.gguf"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    for part in ["the one", "GGUF version 3", "llama", "32 (32) in 1 tensors, 128 B, mostly F32", "{{ x }}"] {
        assert!(told.stdout.contains(part), "{part} is missing:\n{}", told.stdout);
    }
    let found = &lines(&run(home.path(), &["models", "inspect", "one.gguf", "--json", "--digest"]).stdout)[0];
    assert_eq!(found["chat_template"], "{{ x }}");
    assert_eq!(found["types"], json!([{"name": "F32", "tensors": 1, "parameters": 32, "bytes": 128}]));
    let digest = freehold_vault::digest(&home.path().join("one.gguf"), &mut |_| ()).unwrap();
    assert_eq!(found["files"][0]["sha256"], digest.sha256);
}

#[test]
fn inspect_reads_folders_of_safetensors() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "m/model.safetensors", &safetensors());
    write(home.path(), "m/config.json", br#"{"model_type": "qwen3", "max_position_embeddings": 40960}"#);
    let told = run(home.path(), &["models", "inspect", "m"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    for part in ["safetensors", "qwen3", "4 (4) in 1 tensors", "40,960 tokens", "none beside the weights"] {
        assert!(told.stdout.contains(part), "{part} is missing:\n{}", told.stdout);
    }
}

#[test]
fn what_is_no_model_is_refused_with_the_next_step() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "pytorch_model.bin", b"\x80\x02");
    write(home.path(), "cut.gguf", &gguf("x")[..200]);
    let cases = [
        ("pytorch_model.bin", "is a pickle, a program that runs when it is loaded", "never load a pickle"),
        ("cut.gguf", "file is truncated", "freehold models pull"),
        ("nothing", "there is no model and no file called \"nothing\"", "freehold models list"),
        (".", "name one of the GGUF files in it", "the folder of one model"),
    ];
    for (name, reason, next) in cases {
        let told = run(home.path(), &["models", "inspect", name]);
        assert_eq!((told.code, told.stdout.as_str()), (2, ""), "{name}");
        assert!(told.stderr.contains(reason) && told.stderr.contains(next), "{name}: {}", told.stderr);
    }
}

#[test]
fn lock_holds_until_a_byte_changes() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "one.gguf", &gguf("the one"));
    let configuration = "[[model]]\nname = \"desk\"\npath = \"one.gguf\"\ncontext_tokens = 64\n";
    write(home.path(), "freehold.toml", configuration.as_bytes());
    assert_eq!(run(home.path(), &["models", "lock", "desk"]).code, 0);
    let lock: Value = serde_json::from_slice(&std::fs::read(home.path().join("one.gguf.lock.json")).unwrap()).unwrap();
    let digest = freehold_vault::digest(&home.path().join("one.gguf"), &mut |_| ()).unwrap();
    assert_eq!(lock["identity"]["weights_sha256"], digest.sha256);
    assert_eq!(lock["identity"]["context_tokens"], 64);
    assert_eq!(run(home.path(), &["models", "verify", "desk"]).code, 0);

    let mut altered = gguf("the one");
    *altered.last_mut().unwrap() = 1;
    write(home.path(), "one.gguf", &altered);
    let told = run(home.path(), &["models", "verify", "desk", "--json"]);
    assert_eq!(told.code, 1);
    let differences = lines(&told.stdout)[0]["differences"].as_array().unwrap().len();
    assert_eq!(differences, 2, "the file and the identity: {}", told.stdout);
    assert_eq!(run(home.path(), &["models", "verify", "desk", "--lock", "freehold.toml"]).code, 2);
}

/// The same words as in a certificate, so that one can be held against the other.
#[test]
fn lock_of_a_configured_model_is_that_of_its_assessments() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "one.gguf", &gguf("the one"));
    let path = home.path().join("one.gguf");
    let expected = freehold_vault::lock(&path, &freehold_vault::inspect(&path).unwrap()).unwrap();
    let found = &lines(&run(home.path(), &["models", "lock", "one.gguf", "--json"]).stdout)[0];
    assert_eq!(found["identity"], serde_json::to_value(expected).unwrap());
    assert!(!home.path().join("one.gguf.lock.json").exists(), "--json writes nothing");
}

#[test]
fn lock_says_whether_load_can_change_an_answer() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "one.gguf", &gguf("the one"));
    let locked = |model: &str, slots: &str| {
        let entry = format!("[[model]]\nname = \"desk\"\npath = \"one.gguf\"\n{slots}");
        write(home.path(), "freehold.toml", entry.as_bytes());
        lines(&run(home.path(), &["models", "lock", model, "--json"]).stdout)[0]["identity"]["answers_vary_with_load"]
            .clone()
    };
    assert_eq!(locked("desk", "slots = 4\n"), json!(true));
    assert_eq!(locked("desk", "slots = 1\n"), json!(false));
    assert_eq!(locked("./one.gguf", ""), json!(null));

    let told = run(home.path(), &["models", "lock", "desk"]);
    assert!(told.stderr.contains("may be answered otherwise while others run beside it"), "{}", told.stderr);
    write(home.path(), "freehold.toml", b"[[model]]\nname = \"desk\"\npath = \"one.gguf\"\nslots = 1\n");
    let told = run(home.path(), &["models", "verify", "desk"]);
    assert_eq!(told.code, 1, "{}", told.stdout);
    assert!(told.stdout.contains("answers_vary_with_load"), "{}", told.stdout);
}

#[test]
fn list_shows_what_is_configured_and_what_lies_in_the_home() {
    let home = tempfile::tempdir().unwrap();
    assert!(run(home.path(), &["models", "list"]).stderr.contains("no models yet"));
    write(home.path(), "one.gguf", &gguf("the one"));
    write(home.path(), "models/two.gguf", &gguf("the other"));
    write(home.path(), "models/bad.gguf", b"GGUF");
    write(home.path(), "models/notes.txt", b"");
    write(home.path(), "freehold.toml", b"[[model]]\nname = \"desk\"\npath = \"one.gguf\"\n");
    let rows = lines(&run(home.path(), &["models", "list", "--json"]).stdout);
    let names: Vec<&str> = rows.iter().map(|row| row["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["desk", "bad.gguf", "two.gguf"]);
    assert!(rows[1]["error"].as_str().unwrap().contains("truncated"), "{}", rows[1]);
    assert_eq!((&rows[2]["parameters"], &rows[2]["configured"]), (&json!(32), &json!(false)));
    let told = run(home.path(), &["models", "list"]);
    assert!(told.stdout.contains("unreadable"), "{}", told.stdout);
    assert_eq!(run(home.path(), &["models", "inspect", "two"]).code, 0);
}

/// Imports calls of so many tokens.
fn import(home: &Path, calls: &[u64]) {
    let line = |(index, tokens): (usize, &u64)| {
        let at = format!("2026-11-20T09:{:02}:{:02}Z", index / 60, index % 60);
        json!({
            "id": format!("c{index}"), "at": at, "api": "openai.chat", "step": "triage",
            "request": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
            "response": {"choices": [{"message": {"content": "y"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": tokens - 1, "completion_tokens": 1, "total_tokens": tokens}},
        })
        .to_string()
    };
    let text: Vec<String> = calls.iter().enumerate().map(line).collect();
    write(home, "calls.jsonl", text.join("\n").as_bytes());
    let told = run(home, &["import", "calls.jsonl"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
}

#[test]
fn fit_goes_by_the_recorded_calls() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "one.gguf", &gguf("the one"));
    import(home.path(), &[100, 300, 120]);
    let told = run(home.path(), &["models", "fit", "one.gguf", "--json", "--memory", "1GiB"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let fit = &lines(&told.stdout)[0];
    assert_eq!(fit["answer"], "fits");
    assert_eq!(fit["needs"]["tokens"], json!({"known": 3, "p50": 120, "p95": 300, "max": 300}));
    assert_eq!(fit["likely"]["serving"]["context_tokens"], 512);
    assert_eq!(fit["min"]["serving"]["slots"], 1);
    let told = run(home.path(), &["models", "fit", "one.gguf", "--step", "triage", "--memory", "1MiB", "--slots", "2"]);
    assert_eq!(told.code, 1, "{}", told.stderr);
    assert!(told.stdout.contains("one does not fit into 1.00 MiB"), "{}", told.stdout);
    assert!(told.stdout.contains("longest 300 (3 calls"), "{}", told.stdout);
    let told = run(home.path(), &["models", "fit", "one.gguf", "--memory", "lots"]);
    assert!(told.code == 2 && told.stderr.contains("16GiB"), "{}", told.stderr);
}

#[test]
fn fit_without_calls_says_so() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "one.gguf", &gguf("the one"));
    let told = run(home.path(), &["models", "fit", "one.gguf", "--memory", "8G"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stdout.contains("no recorded call says how long it was"), "{}", told.stdout);
    assert!(!home.path().join("freehold.db").exists(), "a question makes no store");
}

#[test]
fn measure_takes_the_figure_of_the_worker() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "script.json", br#"{"otherwise": {"text": "yes"}}"#);
    write(
        home.path(),
        "freehold.toml",
        b"[[model]]\nname = \"desk\"\npath = \"script.json\"\nbackend = \"scripted\"\n",
    );
    let told = run(home.path(), &["models", "fit", "desk", "--measure", "--json"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let bytes = lines(&told.stdout)[0]["measured"]["bytes"].as_u64().unwrap();
    assert!((1 << 20..1 << 30).contains(&bytes), "a worker takes some megabytes, not {bytes}");
    let told = run(home.path(), &["models", "fit", "desk"]);
    assert!(told.code == 2 && told.stderr.contains("--measure"), "{}", told.stderr);
}

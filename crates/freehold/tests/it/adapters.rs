//! Adapters of our own models: what belongs together is served under a name of its own, and what does not is refused before it is loaded.

use std::path::Path;

use serde_json::Value;

use crate::models::{gguf, gguf_of};
use crate::running::run;

const RANK: u64 = 4;

/// A low-rank change of one matrix of a model of this family and width.
pub(crate) fn adapter(family: &str, kind: &str, width: u64) -> Vec<u8> {
    // Any numbers do, so long as they are large enough to be seen and alike on every machine.
    let numbers: Vec<f32> = (0..width * RANK).map(|at| ((at * 37 + 11) % 101) as f32 / 72.0 - 0.7).collect();
    let entries = [("general.architecture", family), ("general.type", "adapter"), ("adapter.type", kind)];
    let (a, b) = ("blk.1.attn_output.weight.lora_a", "blk.1.attn_output.weight.lora_b");
    gguf_of(&entries, &[(a, &[width, RANK], &numbers), (b, &[RANK, width], &numbers)])
}

/// Writes a configuration of one model with one adapter, which has these lines of its own.
fn write(home: &Path, lines: &str) {
    let entry = format!("[[model]]\nname = \"desk\"\npath = \"one.gguf\"\n[[model.adapter]]\n{lines}");
    std::fs::write(home.join("freehold.toml"), entry).unwrap();
}

/// A home with a model `desk` that has an adapter `billing`.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("one.gguf"), gguf("the one")).unwrap();
    std::fs::write(home.path().join("billing.gguf"), adapter("llama", "lora", 8)).unwrap();
    write(home.path(), "name = \"billing\"\npath = \"billing.gguf\"\nscale = 0.5\n");
    home
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    let told = run(home, arguments);
    serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{}{}", told.stdout, told.stderr))
}

#[test]
fn adapter_is_listed_and_inspected_by_its_name() {
    let home = home();
    let listed = run(home.path(), &["models", "list", "--json"]).stdout;
    let names: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(names[0]["model"], "desk");
    assert_eq!((&names[1]["model"], &names[1]["adapter"]["kind"]), (&"billing".into(), &"lora".into()));
    let told = run(home.path(), &["models", "inspect", "billing"]);
    assert!(told.stdout.contains("lora: changes the weights of a model of this family"), "{}", told.stdout);
}

#[test]
fn lock_of_an_adapter_holds_its_model_and_itself() {
    let home = home();
    let path = home.path().join("billing.gguf");
    let (desk, billing) = (
        json(home.path(), &["models", "lock", "desk", "--json"]),
        json(home.path(), &["models", "lock", "billing", "--json"]),
    );
    assert_eq!(desk["identity"]["adapter"], Value::Null);
    assert_eq!(billing["identity"]["weights_sha256"], desk["identity"]["weights_sha256"]);
    let file = freehold_vault::digest(&path, &mut |_| ()).unwrap();
    let expected = serde_json::json!({"weights_sha256": file.sha256, "file_bytes": file.bytes, "scale": 0.5});
    assert_eq!(billing["identity"]["adapter"], expected);

    assert_eq!(run(home.path(), &["models", "lock", "billing"]).code, 0);
    assert_eq!(run(home.path(), &["models", "verify", "billing"]).code, 0);
    std::fs::write(&path, adapter("llama", "lora", 16)).unwrap();
    let told = run(home.path(), &["models", "verify", "billing"]);
    assert!(told.code == 1 && told.stdout.contains("identity.adapter.weights_sha256"), "{}", told.stdout);
}

#[test]
fn adapter_is_counted_into_what_its_model_takes() {
    let home = home();
    let bytes = |model: &str| json(home.path(), &["models", "fit", model, "--json"])["likely"]["bytes"].clone();
    let (desk, alone) = (bytes("desk"), bytes("one.gguf"));
    assert_eq!(desk.as_u64().unwrap() - alone.as_u64().unwrap(), 2 * 4 * 8 * RANK);
    assert_eq!(bytes("billing"), desk, "it does not answer without its model");
}

#[test]
fn what_is_no_adapter_of_the_model_is_refused_before_it_is_loaded() {
    let home = home();
    let wrong = [
        (gguf("whole"), "it is a whole model"),
        (adapter("qwen2", "lora", 8), "it was made for the family qwen2, and the model is of llama"),
        (adapter("llama", "ia3", 8), "it is of the kind \"ia3\""),
        (b"nothing".to_vec(), "cannot be used as a model"),
    ];
    for (file, reason) in wrong {
        std::fs::write(home.path().join("billing.gguf"), file).unwrap();
        let told = run(home.path(), &["up", "--listen", "127.0.0.1:0"]);
        assert!(told.code == 2 && told.stderr.contains(reason), "{reason}: {}", told.stderr);
    }
    std::fs::write(home.path().join("one.gguf"), adapter("llama", "lora", 8)).unwrap();
    let told = run(home.path(), &["up", "--listen", "127.0.0.1:0"]);
    assert!(told.code == 2 && told.stderr.contains("write it as [[model.adapter]]"), "{}", told.stderr);
}

#[test]
fn entry_of_an_adapter_is_checked() {
    let home = home();
    let wrong = [
        ("name = \"desk\"\npath = \"billing.gguf\"\n", "\"desk\" is given twice"),
        ("name = \"b\"\npath = \"billing.gguf\"\nscale = nan\n", "the scale of the adapter \"b\" is no number"),
        ("name = \"b\"\npath = \"billing.gguf\"\nslots = 2\n", "slots"),
        ("name = \"a/b\"\npath = \"billing.gguf\"\n", "cannot name an upstream or model"),
    ];
    for (lines, reason) in wrong {
        write(home.path(), lines);
        let told = run(home.path(), &["models", "list"]);
        assert!(told.code == 2 && told.stderr.contains(reason), "{reason}: {}", told.stderr);
    }
}

//! Safetensors: files and folders that are what they say, and all kinds that are not.

use std::fs;
use std::path::{Path, PathBuf};

use freehold_vault::{Description, Error, Format, describe, safetensors_sums};
use proptest::prelude::*;
use serde_json::{Value, json};

fn bytes(header: &Value, data: usize) -> Vec<u8> {
    raw(header.to_string().as_bytes(), data)
}

fn raw(header: &[u8], data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.resize(bytes.len() + data, 7);
    bytes
}

fn row(dtype: &str, shape: &[u64], offsets: (u64, u64)) -> Value {
    json!({"dtype": dtype, "shape": shape, "data_offsets": [offsets.0, offsets.1]})
}

fn two() -> Value {
    json!({
        "__metadata__": {"format": "pt"},
        "b": row("BF16", &[2, 3], (16, 28)),
        "a": row("F32", &[4], (0, 16)),
    })
}

fn why(header: &Value, data: usize) -> String {
    let bytes = bytes(header, data);
    safetensors_sums(&bytes, bytes.len() as u64).unwrap_err().to_string()
}

#[track_caller]
fn refused(header: &Value, data: usize, reason: &str) {
    let found = why(header, data);
    assert!(found.contains(reason), "{found:?} does not tell of {reason:?}");
}

#[test]
fn honest_file_is_summed_up_whatever_the_order_of_its_rows() {
    let bytes = bytes(&two(), 28);
    assert_eq!(safetensors_sums(&bytes, bytes.len() as u64).unwrap(), (10, 28));
    let scalar =
        json!({"s": row("F64", &[], (0, 8)), "none": row("F16", &[0, 4], (8, 8)), "f4": row("F4", &[6], (8, 11))});
    let bytes = crate::safetensors::bytes(&scalar, 11);
    assert_eq!(safetensors_sums(&bytes, bytes.len() as u64).unwrap(), (7, 11));
}

#[test]
fn every_contradiction_is_refused_with_its_reason() {
    refused(&json!({"a": row("F32", &[4], (0, 15))}), 15, "does not fill 15 bytes");
    refused(&json!({"a": row("F4", &[3], (0, 1))}), 1, "does not fill");
    refused(&json!({"a": row("F32", &[4], (16, 0))}), 16, "ends before it begins");
    refused(&json!({"a": row("F32", &[u64::MAX, 2], (0, 8))}), 8, "overflows");
    refused(&json!({"a": row("U8", &[1 << 62, 3], (0, 8)), "b": row("U8", &[1], (0, 1))}), 8, "overflows");
    refused(&json!({"a": row("Q9", &[4], (0, 4))}), 4, "unknown type \"Q9\"");
    refused(&json!({"a": row("U8", &[1; 17], (0, 1))}), 1, "dimensions is 17");
    refused(&json!({"a": row("U8", &[4], (0, 4)), "b": row("U8", &[4], (3, 7))}), 7, "overlap at byte 3");
    refused(&json!({"a": row("U8", &[4], (0, 4)), "b": row("U8", &[4], (5, 9))}), 9, "leave a gap at byte 4");
    refused(&json!({"a": row("U8", &[4], (0, 4))}), 5, "1 bytes follow the last tensor");
    refused(&json!({"a": row("U8", &[4], (0, 4))}), 3, "truncated");
    refused(&json!({"a": {"dtype": "U8", "shape": [4]}}), 4, "data_offsets");
    refused(&json!({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, 1]}}), 1, "invalid value");
    refused(&json!([1]), 0, "no JSON of the format");
    refused(&json!({"n".repeat(1_025): row("U8", &[1], (0, 1))}), 1, "name in bytes is 1025");
}

#[test]
fn names_that_are_there_twice_are_refused() {
    let row = row("U8", &[1], (0, 1)).to_string();
    let again = crate::safetensors::row("U8", &[1], (1, 2)).to_string();
    let twice = raw(format!("{{\"a\":{row},\"a\":{again}}}").as_bytes(), 2);
    assert!(safetensors_sums(&twice, twice.len() as u64).unwrap_err().to_string().contains("\"a\" is there twice"));
    let twice = raw(br#"{"__metadata__":{},"__metadata__":{}}"#, 0);
    assert!(safetensors_sums(&twice, twice.len() as u64).unwrap_err().to_string().contains("__metadata__"));
}

#[test]
fn absurd_lengths_cost_nothing() {
    for length in [u64::MAX, 1 << 40, 100_000_001] {
        let mut start = length.to_le_bytes().to_vec();
        start.extend(b"{}");
        let error = safetensors_sums(&start, u64::MAX).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
    let mut start = 100u64.to_le_bytes().to_vec();
    start.extend(b"{}");
    assert!(matches!(safetensors_sums(&start, 10).unwrap_err(), Error::Truncated { expected: 108, found: 10 }));
    // The file became shorter while it was read.
    assert!(safetensors_sums(&start, 108).is_err());
    assert!(matches!(safetensors_sums(b"abc", 3).unwrap_err(), Error::Truncated { .. }));
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn config() -> Vec<u8> {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 256, "vocab_size": 3,
        "intermediate_size": 128,
    })
    .to_string()
    .into_bytes()
}

fn described(path: &Path) -> Description {
    describe(path).unwrap()
}

#[test]
fn folder_is_described_with_what_lies_beside_the_weights() {
    let whole = bytes(&two(), 28);
    let folder = folder(&[
        ("model.safetensors", &whole),
        ("config.json", &config()),
        ("tokenizer.json", br#"{"version":"1.0","model":{"type":"BPE","vocab":{"a":0}}}"#),
        ("tokenizer_config.json", br#"{"chat_template":[{"name":"default","template":"{{ messages }}"}]}"#),
        ("README.md", b"---\ntags: [a]\nlicense: apache-2.0\n---\nlicense: none of this\n"),
        ("pytorch_model.bin", b"\x80\x02"),
    ]);
    let model = described(folder.path());
    assert_eq!((model.format, model.architecture.as_str()), (Format::Safetensors, "llama"));
    assert_eq!((model.parameters, model.tensor_bytes, model.tensors), (10, 28, 2));
    assert_eq!((model.license.as_deref(), model.tokenizer_model.as_deref()), (Some("apache-2.0"), Some("BPE")));
    assert_eq!(model.chat_template.as_deref(), Some("{{ messages }}"));
    assert_eq!(model.cache_elements_per_token, Some(3 * 4 * 16));
    assert_eq!(model.quantisation, "BF16");
    let types: Vec<(&str, u64)> = model.types.iter().map(|share| (share.name.as_str(), share.bytes)).collect();
    assert_eq!(types, [("F32", 16), ("BF16", 12)]);
    assert_eq!(model.files[0].header_bytes, whole.len() as u64 - 28);
    assert_eq!(model.notes.len(), 1, "{:?}", model.notes);
    assert!(model.notes[0].contains("pytorch_model.bin"), "{:?}", model.notes);
    assert_eq!(described(&folder.path().join("model.safetensors")).parameters, 10);
}

fn sharded(index: &Value) -> tempfile::TempDir {
    let first = bytes(&json!({"a": row("F32", &[4], (0, 16))}), 16);
    let second = bytes(&json!({"b": row("BF16", &[6], (0, 12)), "c": row("U8", &[1], (12, 13))}), 13);
    let index = index.to_string();
    folder(&[
        ("model-00001-of-00002.safetensors", &first),
        ("model-00002-of-00002.safetensors", &second),
        ("model.safetensors.index.json", index.as_bytes()),
    ])
}

#[test]
fn parts_are_joined_by_their_index() {
    let index = json!({"metadata": {"total_size": 29}, "weight_map": {
        "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}});
    let folder = sharded(&index);
    let model = described(folder.path());
    assert_eq!((model.parameters, model.files.len()), (11, 2));
    assert!(model.notes.iter().any(|note| note.starts_with("1 tensors stand in no index")), "{:?}", model.notes);
}

#[test]
fn index_that_leads_out_of_its_folder_or_lies_is_refused() {
    for part in ["../a.safetensors", "/etc/a.safetensors", "x/a.safetensors", "..", "a.bin", "x\\a.safetensors"] {
        let folder = sharded(&json!({"weight_map": {"a": part}}));
        let error = describe(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no file of its folder"), "{part}: {error}");
    }
    let folder = sharded(&json!({"weight_map": {"b": "model-00001-of-00002.safetensors"}}));
    assert!(describe(folder.path()).unwrap_err().to_string().contains("and it does not"));
    let folder = sharded(&json!({"weight_map": {"a": "missing.safetensors"}}));
    assert!(matches!(describe(folder.path()).unwrap_err(), Error::Read { .. }));
    let folder = sharded(&json!({"weight_map": {}}));
    assert!(describe(folder.path()).unwrap_err().to_string().contains("names no tensor"));
}

#[test]
fn tensor_in_two_parts_is_refused() {
    let whole = bytes(&json!({"a": row("U8", &[1], (0, 1))}), 1);
    let index = json!({"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}).to_string();
    let folder =
        folder(&[("x.safetensors", &whole), ("y.safetensors", &whole), ("m.safetensors.index.json", index.as_bytes())]);
    assert!(describe(folder.path()).unwrap_err().to_string().contains("both in x.safetensors and in y.safetensors"));
}

#[test]
fn pickles_are_refused_by_name_and_by_content() {
    let folder = folder(&[
        ("pytorch_model.bin", b"anything"),
        ("a.ckpt", b""),
        ("renamed", b"\x80\x04\x95 and so on"),
        ("archive", b"PK\x03\x04 and so on"),
    ]);
    for name in ["pytorch_model.bin", "a.ckpt", "renamed", "archive", "."] {
        let error = describe(&folder.path().join(name)).unwrap_err();
        assert!(matches!(error, Error::Pickle { .. }), "{name}: {error}");
    }
}

#[test]
fn gguf_comes_out_in_the_same_words() {
    let folder = folder(&[("small.gguf", &crate::gguf::Gguf::small().bytes())]);
    let model = described(&folder.path().join("small.gguf"));
    assert_eq!((model.format, model.format_version, model.parameters), (Format::Gguf, Some(3), 64 * 3 + 64 * 64));
    assert_eq!(model.types.len(), 2);
    let header = &fs::read(folder.path().join("small.gguf")).unwrap()[..model.files[0].header_bytes as usize];
    let expected: String = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(header))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(model.files[0].header_sha256, expected);
}

#[test]
fn folders_without_one_model_say_what_they_hold() {
    let none: PathBuf = folder(&[]).path().to_owned();
    assert!(matches!(describe(&none).unwrap_err(), Error::Read { .. }));
    let several = folder(&[("a.safetensors", b""), ("b.safetensors", b"")]);
    assert!(describe(several.path()).unwrap_err().to_string().contains("several safetensors and no index"));
    let text = folder(&[("notes.txt", b"hello")]);
    assert!(describe(&text.path().join("notes.txt")).unwrap_err().to_string().contains("neither GGUF nor safetensors"));
}

proptest! {
    /// Whatever honest tensors a file holds, their sums come out, and no shorter file passes.
    #[test]
    fn sums_are_those_of_the_tensors(sides in prop::collection::vec((0u64..5, 0u64..5), 0..12), cut in any::<prop::sample::Index>()) {
        let mut at = 0;
        let mut header = serde_json::Map::new();
        for (number, (a, b)) in sides.iter().enumerate() {
            let end = at + a * b * 2;
            header.insert(format!("t{}", sides.len() - number), row("F16", &[*a, *b], (at, end)));
            at = end;
        }
        let whole = bytes(&Value::Object(header), at as usize);
        prop_assert_eq!(safetensors_sums(&whole, whole.len() as u64).unwrap(), (at / 2, at));
        let length = cut.index(whole.len());
        prop_assert!(safetensors_sums(&whole[..length], length as u64).is_err());
    }

    /// Altered files are described or refused; what is described fits the file.
    #[test]
    fn altered_files_never_claim_more_than_they_hold(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut whole = bytes(&two(), 28);
        for (place, byte) in changes {
            let at = place.index(whole.len());
            whole[at] = byte;
        }
        if let Ok((_, held)) = safetensors_sums(&whole, whole.len() as u64) {
            prop_assert!(held < whole.len() as u64);
        }
    }

    /// Headers of any text end in an answer.
    #[test]
    fn any_header_ends(text in "[\\[\\]{}\",:0-9a-z_]{0,200}") {
        let whole = raw(text.as_bytes(), 3);
        safetensors_sums(&whole, whole.len() as u64).ok();
    }
}

//! Files that are what they claim to be.

use std::fs;
use std::path::PathBuf;

use freehold_vault::{Description, Sampling, inspect, lock};

use crate::gguf::Gguf;

fn written(folder: &tempfile::TempDir, file: &Gguf) -> PathBuf {
    let path = folder.path().join("model.gguf");
    fs::write(&path, file.bytes()).unwrap();
    path
}

fn described(file: &Gguf) -> Description {
    let folder = tempfile::tempdir().unwrap();
    inspect(&written(&folder, file)).unwrap()
}

#[test]
fn small_file_is_described() {
    let model = described(&Gguf::small());
    assert_eq!(model.architecture, "llama");
    assert_eq!(model.name.as_deref(), Some("small one"));
    assert_eq!(model.license, None);
    assert_eq!(model.parameters, 64 * 3 + 64 * 64);
    assert_eq!(model.tensor_bytes, 4 * 64 * 3 + 64 * 64 / 32 * 34);
    assert_eq!(model.tensors, 2);
    assert_eq!(model.quantisation, "Q8_0");
    assert_eq!(model.context_length, Some(256));
    assert_eq!(model.vocabulary, Some(3));
    assert_eq!(model.chat_template.as_deref(), Some("{{ messages }}"));
    // 3 layers of 4 cached heads, each with a key and a value of 64 / 8 elements.
    assert_eq!(model.cache_elements_per_token, Some(3 * 4 * 16));
}

#[test]
fn sampling_of_the_header_is_read_as_it_was_written_down() {
    assert_eq!(described(&Gguf::small()).sampling, None);
    let mut file = Gguf::small();
    file.entry("general.sampling.temp", 6, &0.6f32.to_le_bytes());
    file.entry("general.sampling.top_p", 6, &0.95f32.to_le_bytes());
    file.number("general.sampling.top_k", 20);
    let expected = Sampling { temperature: Some(0.6), top_p: Some(0.95), top_k: Some(20), min_p: None };
    assert_eq!(described(&file).sampling, Some(expected));
    assert_eq!(expected.check(), Ok(()));
    for wrong in [-0.1, 1.1, f64::NAN] {
        let told = Sampling { min_p: Some(wrong), ..expected }.check().unwrap_err();
        assert!(told.contains("min_p") && told.contains("between 0 and 1"), "{told}");
    }
}

#[test]
fn cached_heads_may_differ_by_layer() {
    let mut file = Gguf::default();
    file.text("general.architecture", "x");
    file.number("x.block_count", 2);
    file.number("x.embedding_length", 16);
    file.number("x.attention.head_count", 4);
    let mut heads = 4u32.to_le_bytes().to_vec();
    heads.extend(2u64.to_le_bytes());
    heads.extend(4u32.to_le_bytes());
    heads.extend(1u32.to_le_bytes());
    file.entry("x.attention.head_count_kv", 9, &heads);
    assert_eq!(described(&file).cache_elements_per_token, Some((4 + 1) * 8));
}

#[test]
fn lock_names_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder, &Gguf::small());
    let model = inspect(&path).unwrap();
    let first = lock(&path, &model).unwrap();
    assert_eq!(first, lock(&path, &model).unwrap());
    // The digest of the empty text is well known, that of this file is not: at least its form is checked.
    assert_eq!(first.weights_sha256.len(), 64);

    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let second = lock(&path, &model).unwrap();
    assert_ne!(first.weights_sha256, second.weights_sha256);
    assert_eq!(first.tokenizer_sha256, second.tokenizer_sha256);
}

#[test]
fn tokenizer_digest_ignores_order_and_template_but_not_tokens() {
    let digest = |tokens: &[&str], template: &str, tokens_first: bool| {
        let mut file = Gguf::default();
        file.text("general.architecture", "llama");
        if tokens_first {
            file.strings("tokenizer.ggml.tokens", tokens);
        }
        file.text("tokenizer.ggml.model", "gpt2");
        if !tokens_first {
            file.strings("tokenizer.ggml.tokens", tokens);
        }
        file.text("tokenizer.chat_template", template);
        described(&file).tokenizer_sha256.unwrap()
    };
    let digests = digest(&["a", "b"], "x", true);
    assert_eq!(digests, digest(&["a", "b"], "y", false));
    assert_ne!(digests, digest(&["ab", ""], "x", true));
}

#[test]
fn grown_file_is_not_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder, &Gguf::small());
    let model = inspect(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    assert!(lock(&path, &model).unwrap_err().to_string().contains("grew"));
}

#[test]
fn third_party_file_is_described() {
    let folder = PathBuf::from(std::env::var_os("FREEHOLD_REAL_DATA").unwrap_or_default());
    let path = folder.join("models/stories260K.gguf");
    if !path.exists() {
        eprintln!("skipped: the real-data folder is absent");
        return;
    }
    let model = inspect(&path).unwrap();
    assert_eq!(model.architecture, "llama");
    assert_eq!(model.file_bytes, fs::metadata(&path).unwrap().len());
    assert!((200_000..400_000).contains(&model.parameters), "{}", model.parameters);
    let whole = fs::read(&path).unwrap();
    let cut = folder_with(&whole[..whole.len() / 2]);
    let error = inspect(&cut.path().join("cut.gguf")).unwrap_err();
    assert!(matches!(error, freehold_vault::Error::Truncated { found, .. } if found == whole.len() as u64 / 2));
}

fn folder_with(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cut.gguf"), bytes).unwrap();
    folder
}

//! What serving takes grows with what it is made of, and never past what can be counted.

use std::fs;

use freehold_vault::{CacheType, Description, Serving, describe};

use crate::gguf::Gguf;

fn small() -> Description {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    fs::write(&path, Gguf::small().bytes()).unwrap();
    describe(&path).unwrap()
}

fn serving(context_tokens: u64, slots: u64) -> Serving {
    Serving { context_tokens, slots, cache: CacheType::F16 }
}

#[test]
fn cache_is_that_of_the_context_that_can_be_had() {
    let model = small();
    let one = model.memory(&serving(128, 1));
    assert_eq!(one.cache, 128 * 3 * 4 * 16 * 2);
    assert_eq!(one.weights, model.tensor_bytes);
    assert_eq!(model.memory(&serving(128, 3)).cache, 3 * one.cache);
    // It was trained for 256 tokens, and gets no more.
    assert_eq!(model.memory(&serving(100_000, 1)).cache, 2 * one.cache);
    let small = Serving { cache: CacheType::Q8_0, ..serving(128, 1) };
    assert_eq!(model.memory(&small).cache, one.cache * 17 / 32);
}

#[test]
fn reserved_is_more_than_likely_by_the_logits() {
    let memory = small().memory(&serving(256, 2));
    assert_eq!(memory.reserved() - memory.likely(), 256 * 3 * 4);
}

#[test]
fn absurd_shapes_do_not_overflow() {
    let mut model = small();
    model.embedding_length = Some(u64::MAX);
    model.cache_elements_per_token = Some(u64::MAX);
    model.context_length = None;
    assert_eq!(model.memory(&serving(u64::MAX, u64::MAX)).likely(), u64::MAX);
}

//! Files that lie, break off, or are noise.

use std::path::Path;

use freehold_vault::{CacheType, Description, Error, Serving, inspect, inspect_reader};
use proptest::prelude::*;

use crate::gguf::{Gguf, string};

fn read(bytes: &[u8]) -> Result<Description, Error> {
    inspect_reader(bytes, Path::new("x.gguf"), bytes.len() as u64)
}

fn with_counts(tensors: u64, entries: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(tensors.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes
}

#[test]
fn every_cut_of_a_file_is_seen_as_truncated() {
    let whole = Gguf::small().bytes();
    let model = read(&whole).unwrap();
    // The last tensor's padding may be absent, as in files written by others.
    let needed = whole.len() - (model.tensor_bytes as usize).next_multiple_of(32) + model.tensor_bytes as usize;
    for length in 0..needed {
        match read(&whole[..length]) {
            Err(Error::Truncated { expected, found }) => {
                assert_eq!(found, length as u64);
                assert!(expected > found && expected <= whole.len() as u64);
            }
            other => panic!("cut at {length}: {other:?}"),
        }
    }
}

#[test]
fn other_formats_are_named() {
    assert!(matches!(read(b"PK\x03\x04 some archive"), Err(Error::NotGguf { found: [b'P', b'K', 3, 4] })));
    for version in [1u32, 4, 3u32.swap_bytes()] {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(version.to_le_bytes());
        bytes.extend([0; 16]);
        assert!(matches!(read(&bytes), Err(Error::Version { found }) if found == version));
    }
}

#[test]
fn missing_file_is_named() {
    let error = inspect(Path::new("/nonexistent/model.gguf")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/model.gguf");
}

#[test]
fn folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(inspect(folder.path()).is_err());
}

#[test]
fn absurd_counts_are_refused_before_anything_is_allocated() {
    assert!(matches!(read(&with_counts(0, u64::MAX)), Err(Error::TooLarge { what: "count of metadata entries", .. })));
    assert!(matches!(read(&with_counts(u64::MAX, 0)), Err(Error::TooLarge { what: "count of tensors", .. })));
    let mut key = with_counts(0, 1);
    key.extend(u64::MAX.to_le_bytes());
    assert!(matches!(read(&key), Err(Error::TooLarge { what: "string length in bytes", .. })));
    let mut file = Gguf::default();
    let mut array = 0u32.to_le_bytes().to_vec();
    array.extend((1u64 << 60).to_le_bytes());
    file.entry("a", 9, &array);
    assert!(matches!(read(&file.bytes()), Err(Error::Truncated { .. })));
}

#[test]
fn deep_nesting_is_refused() {
    let mut value = Vec::new();
    for _ in 0..64 {
        value.extend(9u32.to_le_bytes());
        value.extend(1u64.to_le_bytes());
    }
    value.extend([0; 64]);
    let mut file = Gguf::default();
    file.entry("a", 9, &value);
    assert!(matches!(read(&file.bytes()), Err(Error::TooLarge { what: "nesting of arrays", .. })));
}

#[test]
fn unknown_types_are_named_by_number() {
    let mut file = Gguf::small();
    file.tensor_at("odd", &[32], 77, 0);
    assert!(matches!(read(&file.bytes()), Err(Error::UnknownTensorType { tensor, number: 77 }) if tensor == "odd"));
    let mut file = Gguf::default();
    file.entry("odd", 13, &[0; 8]);
    assert!(matches!(read(&file.bytes()), Err(Error::UnknownValueType { key, number: 13 }) if key == "odd"));
}

#[test]
fn overflowing_and_uneven_tensors_are_refused() {
    for (shape, number, offset) in [
        (vec![u64::MAX, u64::MAX], 0, 0),
        (vec![1 << 62], 0, 0),
        (vec![32], 0, u64::MAX - 4),
        (vec![33], 8, 0),
        (vec![0], 0, 0),
        (vec![], 0, 0),
    ] {
        let mut file = Gguf::small();
        file.tensor_at("bad", &shape, number, offset);
        assert!(matches!(read(&file.bytes()), Err(Error::Malformed { .. })), "{shape:?} {number} {offset}");
    }
    let mut file = Gguf::small();
    file.tensor_at("bad", &[1; 5], 0, 0);
    assert!(matches!(read(&file.bytes()), Err(Error::TooLarge { .. })));
}

#[test]
fn bad_alignment_and_repeated_or_missing_entries_are_refused() {
    for alignment in [0, 3, 1 << 30] {
        let mut file = Gguf::small();
        file.number("general.alignment", alignment);
        assert!(matches!(read(&file.bytes()), Err(Error::Malformed { .. })), "{alignment}");
    }
    let mut file = Gguf::small();
    file.text("general.name", "again");
    assert!(read(&file.bytes()).unwrap_err().to_string().contains("twice"));
    assert!(read(&with_counts(0, 0)).unwrap_err().to_string().contains("general.architecture"));
}

#[test]
fn keys_that_are_not_text_are_refused() {
    let mut bytes = with_counts(0, 1);
    let mut key = string("ab");
    key[8] = 0xff;
    bytes.extend(key);
    bytes.extend([0; 16]);
    assert!(matches!(read(&bytes), Err(Error::Malformed { .. })));
}

proptest! {
    /// Whatever the bytes are, reading ends with an answer.
    #[test]
    fn noise_is_read_without_harm(noise in proptest::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(read(&noise).is_err());
        let mut behind_a_head = with_counts(2, 3);
        behind_a_head.extend(&noise);
        // Two tensors and three entries cannot be had from noise by luck.
        prop_assert!(read(&behind_a_head).is_err());
    }

    /// A good file with some bytes changed is read or refused, and never claims more than the file holds.
    #[test]
    fn altered_files_are_read_without_harm(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..16)) {
        let mut bytes = Gguf::small().bytes();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(model) = read(&bytes) {
            prop_assert!(model.tensor_bytes <= u64::MAX / 2);
            let serving = Serving { context_tokens: u64::MAX, slots: u64::MAX, cache: CacheType::default() };
            let _estimate = model.memory(&serving);
        }
    }
}

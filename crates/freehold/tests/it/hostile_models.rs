//! Damaged and hostile model files through the whole way of loading: our reader, a confined worker, llama.cpp where it is compiled in.
//!
//! `FREEHOLD_HOSTILE_FILES=5000` makes more of them than usual.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use freehold::config::{Layers, Settings};
use freehold::service;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Files that are tried when nothing else is said.
const FILES: usize = 150;
/// Within so many bytes lie the header, the tokenizer and the table of tensors of the model that is damaged.
const HEADER_BYTES: usize = 24 << 10;
/// Numbers that overflow when they are added, multiplied or believed.
const ABSURD: [u64; 8] =
    [0, 1, u64::MAX, u64::MAX - 31, 1 << 63, (1 << 32) + 1, 0x7fff_ffff_ffff_ffff, 0x0000_0100_0000_0000];

/// Returns a copy that is damaged in one of the ways in which files are, or are made to be.
fn damaged(whole: &[u8], random: &mut StdRng) -> (&'static str, Vec<u8>) {
    let mut bytes = whole.to_vec();
    let header = HEADER_BYTES.min(bytes.len() - 8);
    let at = random.random_range(4..header);
    match random.random_range(0..6) {
        0 => {
            bytes.truncate(random.random_range(0..whole.len()));
            ("cut", bytes)
        }
        1 => {
            for _ in 0..random.random_range(1..4) {
                bytes[random.random_range(0..header)] ^= 1 << random.random_range(0..8);
            }
            ("bits", bytes)
        }
        2 => {
            bytes[at..at + 8].copy_from_slice(&ABSURD[random.random_range(0..ABSURD.len())].to_le_bytes());
            ("absurd", bytes)
        }
        3 => {
            // The counts of tensors and of entries, right at the beginning.
            let count = 8 + 8 * random.random_range(0..2_usize);
            bytes[count..count + 8].copy_from_slice(&ABSURD[random.random_range(0..ABSURD.len())].to_le_bytes());
            ("counts", bytes)
        }
        4 => {
            let until = (at + random.random_range(1..4096)).min(bytes.len());
            random.fill(&mut bytes[at..until]);
            ("noise", bytes)
        }
        _ => {
            bytes.drain(at..(at + random.random_range(1..64)).min(whole.len()));
            ("hole", bytes)
        }
    }
}

fn settings(home: &Path) -> Settings {
    let path = home.join("hostile.gguf");
    let file = home.join("freehold.toml");
    let text = format!(
        "[engine]\nload_timeout_s = 60\nmemory_mib_max = 1024\n[[model]]\nname = \"m\"\npath = {path:?}\ncontext_tokens = 64\nslots = 1\n"
    );
    fs::write(&file, text).unwrap();
    let mut layers = Layers::defaults(home);
    layers.file(&file).unwrap();
    layers.settings(&|_| None).unwrap()
}

/// Returns by what an error was found: the reader, llama.cpp, the end of the worker, or a limit.
fn finder(error: &anyhow::Error) -> &'static str {
    match error.chain().find_map(|cause| cause.downcast_ref::<freehold_engine::Error>()) {
        Some(freehold_engine::Error::LoadFailed { .. }) => "refused by the worker",
        Some(freehold_engine::Error::WorkerDied { .. }) => "ended the worker",
        Some(freehold_engine::Error::LoadTimeout { .. }) => "took too long",
        Some(_) => "other",
        None => "refused by our reader",
    }
}

#[tokio::test]
async fn hostile_files_end_in_an_error_or_an_answer_and_leave_nothing() {
    let files = std::env::var("FREEHOLD_HOSTILE_FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(FILES);
    let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/freehold-desk-s.gguf")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let engine = service::engine(&settings, env!("CARGO_BIN_EXE_freehold").into(), home.path());
    let mut random = StdRng::seed_from_u64(5);
    let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for _ in 0..files {
        let (damage, bytes) = damaged(&whole, &mut random);
        fs::write(&settings.models[0].path, bytes).unwrap();
        let loading = tokio::time::timeout(Duration::from_secs(120), service::load(&engine, &settings.models[0]));
        let outcome = match loading.await.expect("loading ends") {
            Ok(_) => "loaded",
            Err(error) => finder(&error),
        };
        *found.entry((damage, outcome)).or_default() += 1;
        engine.unload("m").await;
    }
    println!("{found:#?}");
    let of = |outcome: &str| found.iter().filter(|((_, found), _)| *found == outcome).map(|(_, n)| n).sum::<usize>();
    assert_eq!(of("other") + of("took too long"), 0, "{found:?}");
    assert!(of("refused by our reader") > files / 3, "{found:?}");
    // A cut file never gets as far as C++.
    assert_eq!(found.keys().filter(|(damage, _)| *damage == "cut").count(), 1, "{found:?}");
    engine.shutdown().await;
    assert!(engine.models().is_empty());
}

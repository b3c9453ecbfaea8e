//! Headers of GGUF files: described or refused, within bounds, and what is described fits its file.

#![no_main]

use std::path::Path;

use freehold_vault::{CacheType, Serving, inspect_reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let found = inspect_reader(bytes, Path::new("fuzz"), bytes.len() as u64);
    if let Ok(model) = found {
        assert!(model.files[0].header_bytes <= bytes.len() as u64);
        // Tensors may overlap, so that their sum may pass the file's length; nothing of it may overflow.
        let serving = Serving { context_tokens: u64::MAX, slots: u64::MAX, cache: CacheType::default() };
        let _ = model.memory(&serving);
    }
});

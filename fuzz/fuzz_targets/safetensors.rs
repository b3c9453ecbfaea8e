//! Headers of safetensors: described or refused, and what is described fits its file.

#![no_main]

use freehold_vault::safetensors_sums;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The length stands apart, so that the bytes are spent on the header.
    let mut file = (bytes.len() as u64).to_le_bytes().to_vec();
    file.extend(bytes);
    for data in [0, 1, 8, 64, 1 << 40] {
        let whole = file.len() as u64 + data;
        if let Ok((weights, held)) = safetensors_sums(&file, whole) {
            assert_eq!(held, data, "tensors fill the data");
            assert!(weights <= held.saturating_mul(2), "no type has less than half a byte");
        }
    }
    // And as a whole file.
    if let Ok((_, held)) = safetensors_sums(bytes, bytes.len() as u64) {
        assert!(held < bytes.len() as u64);
    }
});

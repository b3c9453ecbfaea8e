//! How long reading headers takes, and how much memory: `cargo bench -p freehold-vault`.
//!
//! Writes a sparse file of 40 GB whose header has the vocabulary and the tensors of a large model, and one of safetensors.

#![expect(clippy::cast_precision_loss, reason = "figures are shown with one digit behind the point")]

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const FILE_BYTES: u64 = 40 << 30;
const TOKENS: u64 = 152_000;
const TENSORS: u64 = 1_200;
const ROUNDS: u32 = 21;

fn main() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let (gguf, safetensors) = (folder.path().join("large.gguf"), folder.path().join("large.safetensors"));
    write(&gguf, &gguf_header());
    write(&safetensors, &safetensors_header());
    println!("{:<14} {:>12} {:>10} {:>10} {:>12}", "header", "bytes", "median", "best", "memory");
    for path in [&safetensors, &gguf] {
        reset_peak();
        let before = peak_kib();
        let (header_bytes, times) = measure(path);
        let grown = peak_kib().saturating_sub(before);
        println!(
            "{:<14} {header_bytes:>12} {:>7.1} ms {:>7.1} ms {:>8.1} MiB",
            path.extension().unwrap_or_default().display(),
            millis(times[times.len() / 2]),
            millis(times[0]),
            grown as f64 / 1024.0
        );
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn measure(path: &Path) -> (u64, Vec<Duration>) {
    let mut header_bytes = 0;
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            let model = black_box(freehold_vault::describe(path).expect("the file is as it should be"));
            header_bytes = model.files[0].header_bytes;
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    (header_bytes, times)
}

fn write(path: &Path, header: &[u8]) {
    let mut file = File::create(path).expect("a file can be made");
    file.write_all(header).expect("there is room for a header");
    file.set_len(FILE_BYTES).expect("the file system has sparse files");
}

/// Has the kernel forget the most memory this process held: making the files took more than reading them does.
fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux lets a process reset its own peak");
}

/// Returns the most memory this process held, in KiB; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn list(out: &mut Vec<u8>, key: &str, kind: u32, count: u64) {
    text(out, key);
    out.extend(9u32.to_le_bytes());
    out.extend(kind.to_le_bytes());
    out.extend(count.to_le_bytes());
}

fn gguf_header() -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend(TENSORS.to_le_bytes());
    out.extend(4u64.to_le_bytes());
    text(&mut out, "general.architecture");
    out.extend(8u32.to_le_bytes());
    text(&mut out, "llama");
    list(&mut out, "tokenizer.ggml.tokens", 8, TOKENS);
    (0..TOKENS).for_each(|token| text(&mut out, &format!("tok{token}")));
    list(&mut out, "tokenizer.ggml.token_type", 5, TOKENS);
    (0..TOKENS).for_each(|_| out.extend(1i32.to_le_bytes()));
    list(&mut out, "tokenizer.ggml.merges", 8, TOKENS);
    (0..TOKENS).for_each(|token| text(&mut out, &format!("tok{token} en{token}")));
    // Q8_0: 34 bytes hold 32 elements.
    let bytes = FILE_BYTES / TENSORS / 2 / 34 * 34;
    for tensor in 0..TENSORS {
        text(&mut out, &format!("blk.{}.ffn_gate_exps.{tensor}.weight", tensor / 12));
        out.extend(2u32.to_le_bytes());
        out.extend(32u64.to_le_bytes());
        out.extend((bytes / 34).to_le_bytes());
        out.extend(8u32.to_le_bytes());
        out.extend((tensor * bytes.next_multiple_of(32)).to_le_bytes());
    }
    out
}

/// Returns a header whose tensors fill the file to its last byte, as the format wants.
fn safetensors_header() -> Vec<u8> {
    // Padded to a fixed length, so that the tensors' place does not depend on how their places are spelt.
    let header_bytes = TENSORS * 200;
    let data = FILE_BYTES - 8 - header_bytes;
    let each = data / TENSORS;
    let row = |tensor: u64| {
        let end = if tensor + 1 == TENSORS { data } else { (tensor + 1) * each };
        let begin = tensor * each;
        let name = format!("model.layers.{}.mlp.experts.{tensor}.weight", tensor / 12);
        format!("\"{name}\":{{\"dtype\":\"F8_E4M3\",\"shape\":[{}],\"data_offsets\":[{begin},{end}]}}", end - begin)
    };
    let mut json = format!("{{{}}}", (0..TENSORS).map(row).collect::<Vec<_>>().join(","));
    let missing = usize::try_from(header_bytes).expect("a header fits into memory") - json.len();
    json.extend(std::iter::repeat_n(' ', missing));
    [&header_bytes.to_le_bytes()[..], json.as_bytes()].concat()
}

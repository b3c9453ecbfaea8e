//! What identification costs on the path, and how much memory it takes.

use std::fs;
use std::time::Instant;

use freehold_wire::{Message, Part, Request};
use freehold_workflow::{Heads, Marks, Steps};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::stream::{self, Shape};

/// About so many bytes a request has.
const BODY_BYTES: usize = 4_096;

/// Prints both.
pub(crate) fn print() {
    println!("| calls of 4 KB | p50 | p99 |\n| --- | --- | --- |");
    path();
    println!("\n| what came | heads | edges | ids | memory |\n| --- | --- | --- | --- | --- |");
    memory("100,000 heads, each twice", 100_000, 2);
    memory("1,000,000 one-off prompts", 1_000_000, 1);
    let steps = Steps::new(1);
    let request = Request { system: "Some words of it. ".repeat(300_000), ..some() };
    let begun = Instant::now();
    let id = steps.identify(&request, Marks::default(), &mut Heads::default()).step;
    let identified = begun.elapsed();
    steps.learn(2);
    println!(
        "\na prompt of {} MB: {id}, {identified:?}, learned in {:?}",
        request.system.len() >> 20,
        begun.elapsed() - identified
    );
}

/// Times the calls of a stream on one thread, learning between them as another thread would.
fn path() {
    let sent = stream::stream(Shape { sites: 200, calls: 20_000 }, &mut ChaCha8Rng::seed_from_u64(1));
    let (steps, mut heads) = (Steps::new(1), Heads::default());
    let (mut hits, mut misses) = (Vec::new(), Vec::new());
    for call in sent {
        let mut request = call.request;
        let said: usize =
            request.system.len() + request.messages.iter().map(|message| message.text().len()).sum::<usize>();
        let more = "More of what was asked. ".repeat(BODY_BYTES.saturating_sub(said) / 24);
        request.messages.extend([Message { role: freehold_wire::Role::User, parts: vec![Part::Text(more)] }]);
        let before = heads.misses();
        let begun = Instant::now();
        let identity = steps.identify(&request, Marks::default(), &mut heads);
        let took = begun.elapsed();
        assert!(!identity.step.is_empty(), "every call has a step");
        if heads.misses() == before {
            hits.push(took);
        } else {
            misses.push(took);
        }
        steps.learn(16);
    }
    for (name, mut times) in [("a head that came lately", hits), ("another head", misses)] {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        println!("| {name} ({}) | {:.1?} | {:.1?} |", times.len(), at(50), at(99));
    }
}

fn memory(name: &str, prompts: usize, each: usize) {
    let before = resident_bytes();
    let (steps, mut heads) = (Steps::new(1), Heads::default());
    let mut ids = std::collections::HashSet::new();
    for _ in 0..each {
        let mut words = 1_u64;
        for _ in 0..prompts {
            let system: Vec<String> = (0..5).map(|_| sentence(&mut words)).collect();
            let request = Request { system: system.join("\n"), ..some() };
            let step = steps.identify(&request, Marks::default(), &mut heads).step;
            // The ids are counted, not kept, so that the memory is that of the steps alone.
            ids.insert(step.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)));
            steps.learn(4);
        }
    }
    let figures = steps.figures();
    let kept = ids.len();
    drop(ids);
    let memory = resident_bytes().saturating_sub(before) >> 20;
    println!("| {name} | {} | {} | {kept} | {memory} MB |", figures.heads, figures.edges);
}

/// Makes a sentence of words that nobody said before.
fn sentence(state: &mut u64) -> String {
    let mut word = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (0..6).map(|nth| char::from(b'a' + ((*state >> (20 + 6 * nth)) % 26) as u8)).collect::<String>()
    };
    let words: Vec<String> = (0..12).map(|_| word()).collect();
    words.join(" ")
}

fn some() -> Request {
    let mut sent = stream::stream(Shape { sites: 1, calls: 1 }, &mut ChaCha8Rng::seed_from_u64(1));
    sent.remove(0).request
}

/// Returns the memory that this process has in use; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or_default() * 4_096
}

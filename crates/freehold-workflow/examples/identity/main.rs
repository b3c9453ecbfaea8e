//! Prints how well calls are told apart by step, on streams whose call sites are known, and what that costs: the tables of
//! `docs/steps.md`.
//!
//! Usage: `identity [SEED]`, `identity cost`, or `identity write FILE [SEED]` for a stream as JSON Lines, which `drain.py` reads.

use std::fs::File;
use std::io::{BufWriter, Error, ErrorKind, Write};
use std::{env, io};

use freehold_workflow::{Marks, Steps, identify};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

mod cost;
mod score;
mod stream;
mod words;

use score::Score;
use stream::{CHANGES, Sent, Shape};

const SHAPE: Shape = Shape { sites: 200, calls: 8_000 };

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => accuracy(1),
        ["cost"] => cost::print(),
        ["write", file] => return write(&sent(1), file),
        ["write", file, seed] => return write(&sent(number(seed)?), file),
        [seed] => accuracy(number(seed)?),
        _ => return Err(Error::new(ErrorKind::InvalidInput, "usage: identity [SEED | cost | write FILE [SEED]]")),
    }
    Ok(())
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| Error::new(ErrorKind::InvalidInput, format!("{text:?} is no seed")))
}

fn sent(seed: u64) -> Vec<Sent> {
    stream::stream(SHAPE, &mut ChaCha8Rng::seed_from_u64(seed))
}

fn accuracy(seed: u64) {
    let sent = sent(seed);
    println!("| method | precision | recall | F1 |\n| --- | --- | --- | --- |");
    let raw: Vec<String> = sent.iter().map(|call| call.request.system.clone()).collect();
    print("system text as it is", score::of_stream(&raw, &sent, None));
    let exact: Vec<String> = sent.iter().map(|call| identify(&call.request, Marks::default()).step).collect();
    print("hash of the head", score::of_stream(&exact, &sent, None));
    let steps = Steps::new(seed);
    let given = score::identified(&steps, &sent);
    print("learned, as each call came", score::of_stream(&given.at_once, &sent, None));
    print("learned, with aliases", score::of_stream(&given.resolved, &sent, None));
    println!("\n| what varies | precision | recall | F1 |\n| --- | --- | --- | --- |");
    for change in CHANGES {
        print(&format!("{change:?}").to_lowercase(), score::of_stream(&given.resolved, &sent, Some(change)));
    }
    println!("\n{:?}", steps.figures());
}

fn print(name: &str, score: Score) {
    println!("| {name} | {:.3} | {:.3} | {:.3} |", score.precision, score.recall, score.f1());
}

fn write(sent: &[Sent], file: &str) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(file)?);
    for call in sent {
        let change = format!("{:?}", call.change).to_lowercase();
        let line = serde_json::json!({"site": call.site, "change": change, "system": call.request.system});
        writeln!(file, "{line}")?;
    }
    file.flush()
}

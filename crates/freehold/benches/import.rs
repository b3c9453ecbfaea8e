//! How fast JSON Lines are imported, in MB/s: `cargo bench -p freehold --no-default-features --bench import`.
//!
//! Pin it to one core with `taskset -c 0` to compare with a figure for one core. Bodies are of the sample business.

use std::fmt::Write as _;
use std::time::Instant;

use freehold::sample::business::{self, Earlier, Split, StepName};
use freehold_store::Store;
use serde_json::{Value, json};

const LINES: u64 = 40_000;
const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let text = lines()?;
    println!(
        "{} lines, {:.1} MB, {:.0} bytes a line",
        LINES,
        text.len() as f64 / 1e6,
        text.len() as f64 / LINES as f64
    );
    for round in 0..ROUNDS {
        let home = tempfile::tempdir()?;
        let store = Store::open(home.path())?;
        let target = freehold::import::Target { store: &store, keeping: freehold_store::Keeping::default() };
        let begun = Instant::now();
        let done = freehold::import::import(&target, text.as_bytes(), &home.path().join("bench"), 0, &mut |_| {})?;
        let seconds = begun.elapsed().as_secs_f64();
        assert_eq!(done.added, LINES, "every line is a call");
        println!("round {round}: {:.1} MB/s, {:.0} calls/s", text.len() as f64 / 1e6 / seconds, LINES as f64 / seconds);
        let begun = Instant::now();
        let again = freehold::import::import(&target, text.as_bytes(), &home.path().join("bench"), 0, &mut |_| {})?;
        assert_eq!(again.present, LINES, "the second time all are there");
        println!("   again: {:.1} MB/s", text.len() as f64 / 1e6 / begun.elapsed().as_secs_f64());
    }
    Ok(())
}

fn lines() -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for number in 0..LINES {
        let ticket = business::ticket(1, number % 2_000, Split::Train);
        let earlier = Earlier { triage: &ticket.gold.triage, extract: &ticket.gold.extract, decision: &Value::Null };
        let request = business::request(StepName::Decide, &ticket, earlier, "gpt-4o");
        let function =
            json!({"name": ticket.gold.decide["name"], "arguments": ticket.gold.decide["arguments"].to_string()});
        let call = json!({"id": "call_1", "type": "function", "function": function});
        let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
        let response = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_770_000_000, "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320},
        });
        let line = json!({"id": format!("call-{number}"), "at": 1_770_000_000 + number, "api": "openai.chat", "run": ticket.id,
            "request": request, "response": response});
        writeln!(text, "{line}")?;
    }
    Ok(text)
}

//! Writes training data as JSON Lines: `{"step","id","request","answer"}` and for replies `"facts"`.
//!
//! Usage: `tickets SPLIT SEED FIRST COUNT` with SPLIT one of train, tune, demo; the rows go to stdout.

use std::env;
use std::io::{self, BufWriter, Write};

use anyhow::{Context, bail};
use freehold::sample::business::{self, Earlier, Split, StepName, Ticket};
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [split, seed, first, count] = arguments.as_slice() else {
        bail!("expected: tickets SPLIT SEED FIRST COUNT");
    };
    let split: Split = serde_json::from_value(json!(split)).context("SPLIT is train, tune or demo")?;
    let seed: u64 = seed.parse().context("SEED is a number")?;
    let first: u64 = first.parse().context("FIRST is a number")?;
    let count: u64 = count.parse().context("COUNT is a number")?;
    let mut out = BufWriter::new(io::stdout().lock());
    for index in first..first + count {
        let ticket = business::ticket(seed, index, split);
        for step in StepName::ALL {
            writeln!(out, "{}", row(step, &ticket))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn row(step: StepName, ticket: &Ticket) -> Value {
    let gold = &ticket.gold;
    let earlier = Earlier { triage: &gold.triage, extract: &gold.extract, decision: &gold.decide };
    let mut row = json!({
        "step": step.as_str(),
        "id": ticket.id,
        "request": business::request(step, ticket, earlier, "freehold-desk"),
        "answer": business::gold_answer(step, ticket),
    });
    if step == StepName::Reply {
        row["facts"] = json!(business::reply_facts(ticket));
    }
    row
}

//! Runs the simulated vendor by itself, with a script of answers, for trials of clients.
//!
//! Usage: `vendor SCRIPT`; the first line on stdout is its address. It ends when its standard input does.

use std::env;
use std::io::{self, Read, Write};
use std::time::Duration;

use anyhow::Context;
use freehold::sample::vendor::{MODEL, Manner, Vendor};

fn main() -> anyhow::Result<()> {
    let path = env::args().nth(1).context("expected: vendor SCRIPT")?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let script = serde_json::from_str(&text).with_context(|| format!("{path} is no script"))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let manner = Manner { error_rate: 0.0, latency: Duration::ZERO, seed: 1 };
    let mut vendor = runtime.block_on(Vendor::start(manner))?;
    vendor.learn_script(script);
    println!("http://{} {MODEL}", vendor.address());
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    runtime.block_on(vendor.stop());
    Ok(())
}

//! Adds recorded calls from JSON Lines: streaming, idempotent by id, bad lines set aside with their reason.

mod exported;
mod line;
pub(crate) mod lines;
mod rejected;

use std::io::BufRead;
use std::path::Path;

use freehold_store::{Keeping, Store};
use freehold_wire::Call;

pub use line::{LineError, call_of};
pub(crate) use lines::Lines;
pub(crate) use rejected::Rejected;

use crate::exit::Fault;

/// Calls that are put into the store in one transaction, and the most bytes of them.
const BATCH_CALLS_MAX: usize = 4_000;
const BATCH_BYTES_MAX: usize = 32 << 20;

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Lines read, empty ones not counted.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Calls added.
    pub added: u64,
    /// Calls that were there already.
    pub present: u64,
    /// Lines set aside.
    pub rejected: u64,
    /// Where the rejected lines lie, when there are any.
    pub rejected_file: Option<String>,
    /// The first reasons, with their line numbers.
    pub reasons: Vec<String>,
}

/// Where calls go, and what of them is kept there.
pub struct Target<'s> {
    /// The store.
    pub store: &'s Store,
    /// What is kept, and what of it is masked.
    pub keeping: Keeping,
}

/// Reads one input to its end; `beside` is where rejected lines go, `now_ms` dates calls that do not say when they were.
///
/// `progress` is called after every batch with the bytes read so far.
///
/// # Errors
/// The input cannot be read or the store cannot be written; what was added before stays.
pub fn import(
    target: &Target<'_>,
    input: impl BufRead,
    beside: &Path,
    now_ms: i64,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<Imported> {
    let mut lines = Lines::new(input);
    let mut rejected = Rejected::beside(beside);
    let mut batch = Batch::default();
    let mut done = Imported::default();
    loop {
        let next = lines.next_line().map_err(|error| Fault::input("cannot read the input further").because(error))?;
        let Some(line) = next else { break };
        if line.is_blank() {
            continue;
        }
        done.lines += 1;
        match line.text().and_then(|text| call_of(text, now_ms + i64::try_from(line.number).unwrap_or(0))) {
            Ok(mut call) => {
                target.keeping.apply(&mut call);
                batch.add(call, line.bytes.len());
            }
            Err(error) => rejected.add(&line, &error)?,
        }
        if batch.is_full() {
            done.add(target.store.import(&batch.take())?);
            progress(lines.bytes_read());
        }
    }
    done.add(target.store.import(&batch.take())?);
    done.bytes = lines.bytes_read();
    progress(done.bytes);
    rejected.close(&mut done)?;
    Ok(done)
}

impl Imported {
    fn add(&mut self, batch: freehold_store::Imported) {
        self.added += batch.added;
        self.present += batch.present;
    }
}

#[derive(Default)]
struct Batch {
    calls: Vec<Call>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, call: Call, bytes: usize) {
        self.calls.push(call);
        self.bytes += bytes;
    }

    fn is_full(&self) -> bool {
        self.calls.len() >= BATCH_CALLS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    fn take(&mut self) -> Vec<Call> {
        self.bytes = 0;
        std::mem::take(&mut self.calls)
    }
}

//! Keeps rejected lines beside the input as they were, and their reasons in a second file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::lines::Line;
use super::{Imported, LineError};
use crate::exit::Fault;

/// Reasons that are kept for the summary.
const REASONS_SHOWN_MAX: usize = 10;

pub(crate) struct Rejected {
    lines_file: PathBuf,
    reasons_file: PathBuf,
    open: Option<(BufWriter<File>, BufWriter<File>)>,
    count: u64,
    first: Vec<String>,
}

impl Rejected {
    /// Nothing is written before the first bad line.
    pub(crate) fn beside(input: &Path) -> Self {
        let named = |ending: &str| PathBuf::from(format!("{}.{ending}", input.display()));
        Rejected {
            lines_file: named("rejected.jsonl"),
            reasons_file: named("rejected.txt"),
            open: None,
            count: 0,
            first: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, line: &Line<'_>, error: &LineError) -> Result<(), Fault> {
        self.count += 1;
        let reason = format!("line {}: {error}", line.number);
        let cannot = |path: &Path, error: std::io::Error| {
            Fault::input(format!("cannot write {}", path.display())).because(error)
        };
        if self.open.is_none() {
            let lines = File::create(&self.lines_file).map_err(|error| cannot(&self.lines_file, error))?;
            let reasons = File::create(&self.reasons_file).map_err(|error| cannot(&self.reasons_file, error))?;
            self.open = Some((BufWriter::new(lines), BufWriter::new(reasons)));
        }
        if let Some((lines, reasons)) = &mut self.open {
            let kept = lines.write_all(line.bytes).and_then(|()| lines.write_all(b"\n"));
            kept.map_err(|error| cannot(&self.lines_file, error))?;
            writeln!(reasons, "{reason}").map_err(|error| cannot(&self.reasons_file, error))?;
        }
        if self.first.len() < REASONS_SHOWN_MAX {
            self.first.push(reason);
        }
        Ok(())
    }

    pub(crate) fn close(self, done: &mut Imported) -> Result<(), Fault> {
        done.rejected = self.count;
        done.reasons = self.first;
        if let Some((mut lines, mut reasons)) = self.open {
            let flushed = lines.flush().and_then(|()| reasons.flush());
            flushed
                .map_err(|error| Fault::input(format!("cannot write {}", self.lines_file.display())).because(error))?;
            done.rejected_file = Some(self.lines_file.display().to_string());
        }
        Ok(())
    }
}

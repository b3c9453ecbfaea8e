//! What came of the calls, and what was held meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::mix::{KINDS, Wish};

/// The most wrong answers that are quoted.
const QUOTED_MAX: usize = 5;

/// How a call ended.
pub(crate) enum End {
    /// It was answered, with so many tokens.
    Answered(u64),
    /// It was given up on purpose.
    GivenUp,
    /// Its worker died, and it was told so.
    Died,
    /// The model's queue was full, and it was told so.
    Busy,
    /// It ended in a way that it must not.
    Wrong(String),
    /// It did not end.
    Hung,
}

#[derive(Debug, Default, Clone, Copy)]
struct Row {
    calls: u64,
    answered: u64,
    given_up: u64,
    died: u64,
    busy: u64,
    wrong: u64,
    hung: u64,
    tokens: u64,
    longest: Duration,
}

/// Everything that happened.
pub(crate) struct Tally {
    began: Instant,
    rows: [Row; KINDS.len()],
    kills: BTreeMap<&'static str, usize>,
    host_kib: Vec<u64>,
    worker_kib: Vec<u64>,
    minutes: u64,
    quoted: Vec<String>,
}

impl Tally {
    /// Begins.
    pub(crate) fn new(began: Instant) -> Tally {
        Tally {
            began,
            rows: [Row::default(); KINDS.len()],
            kills: BTreeMap::new(),
            host_kib: Vec::new(),
            worker_kib: Vec::new(),
            minutes: 0,
            quoted: Vec::new(),
        }
    }

    /// Counts a call.
    pub(crate) fn add(&mut self, wish: &Wish, end: End, took: Duration) {
        let row = &mut self.rows[wish.kind];
        row.calls += 1;
        row.longest = row.longest.max(took);
        match end {
            End::Answered(tokens) => {
                row.answered += 1;
                row.tokens += tokens;
            }
            End::GivenUp => row.given_up += 1,
            End::Died => row.died += 1,
            End::Busy => row.busy += 1,
            End::Hung => row.hung += 1,
            End::Wrong(what) => {
                row.wrong += 1;
                if self.quoted.len() < QUOTED_MAX {
                    self.quoted.push(what);
                }
            }
        }
    }

    /// Counts a worker that was taken away.
    pub(crate) fn kill(&mut self, how: &'static str) {
        *self.kills.entry(how).or_default() += 1;
    }

    /// Returns how many were.
    pub(crate) fn kills(&self) -> usize {
        self.kills.values().sum()
    }

    /// Takes note of the memory of both sides; returns a line once a minute.
    pub(crate) fn look(&mut self, host_kib: Option<u64>, worker_kib: Option<u64>) -> Option<String> {
        self.host_kib.extend(host_kib);
        self.worker_kib.extend(worker_kib);
        let minutes = self.began.elapsed().as_secs() / 60;
        if minutes == self.minutes {
            return None;
        }
        self.minutes = minutes;
        let all = self.all();
        let mib = |kib: Option<&u64>| kib.copied().unwrap_or_default() as f64 / 1024.0;
        Some(format!(
            "minute {minutes}: {} calls, {} answered, {} died, {} hung, {} kills; host {:.1} MiB, worker {:.1} MiB",
            all.calls,
            all.answered,
            all.died,
            all.hung,
            self.kills(),
            mib(self.host_kib.last()),
            mib(self.worker_kib.last()),
        ))
    }

    fn all(&self) -> Row {
        self.rows.iter().fold(Row::default(), |sum, row| Row {
            calls: sum.calls + row.calls,
            answered: sum.answered + row.answered,
            given_up: sum.given_up + row.given_up,
            died: sum.died + row.died,
            busy: sum.busy + row.busy,
            wrong: sum.wrong + row.wrong,
            hung: sum.hung + row.hung,
            tokens: sum.tokens + row.tokens,
            longest: sum.longest.max(row.longest),
        })
    }

    /// Returns what the host held in the last quarter, as a multiple of the second: the first warms up.
    fn growth(&self) -> f64 {
        let quarter = self.host_kib.len() / 4;
        if quarter == 0 {
            return 1.0;
        }
        let middle = |kib: &[u64]| {
            let mut kib = kib.to_vec();
            kib.sort_unstable();
            kib[kib.len() / 2] as f64
        };
        middle(&self.host_kib[3 * quarter..]) / middle(&self.host_kib[quarter..2 * quarter])
    }

    /// Returns whether every call ended as it may, and the host holds no more than `growth_max` times what it did.
    pub(crate) fn is_good(&self, growth_max: f64) -> bool {
        let all = self.all();
        all.hung == 0 && all.wrong == 0 && all.answered > 0 && self.growth() <= growth_max
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        println!(
            "{:>9} {:>8} {:>8} {:>8} {:>6} {:>6} {:>6} {:>6} {:>9} {:>8}",
            "kind", "calls", "answered", "given up", "died", "busy", "wrong", "hung", "tokens", "longest"
        );
        let names = KINDS.into_iter().chain(["all"]);
        for (name, row) in names.zip(self.rows.into_iter().chain([self.all()])) {
            println!(
                "{name:>9} {:>8} {:>8} {:>8} {:>6} {:>6} {:>6} {:>6} {:>9} {:>6.1} s",
                row.calls,
                row.answered,
                row.given_up,
                row.died,
                row.busy,
                row.wrong,
                row.hung,
                row.tokens,
                row.longest.as_secs_f64()
            );
        }
        let range = |kib: &[u64]| {
            let mib = |kib: Option<&u64>| kib.copied().unwrap_or_default() as f64 / 1024.0;
            format!("{:.1} to {:.1} MiB", mib(kib.iter().min()), mib(kib.iter().max()))
        };
        println!("kills: {:?}", self.kills);
        println!("held by the host: {} ({:.3} times in the last quarter)", range(&self.host_kib), self.growth());
        println!("held by a worker, beside its file: {}", range(&self.worker_kib));
        println!("took: {:.0} s", self.began.elapsed().as_secs_f64());
        for what in &self.quoted {
            println!("wrong: {what}");
        }
    }
}

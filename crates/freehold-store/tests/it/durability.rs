//! A recorder that is killed under load: every call that it acknowledged is there afterwards.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use freehold_store::Store;
use freehold_wire::Call;

use crate::sample::{call, roomy};

const CHILD_HOME: &str = "FREEHOLD_STORE_TEST_CHILD_HOME";
const THREADS: usize = 4;
const ROUNDS: u64 = 6;

/// The test runs itself again as a child that records until it is killed.
#[test]
fn killed_recorder_loses_no_acknowledged_call() {
    if let Some(home) = std::env::var_os(CHILD_HOME) {
        record_until_killed(Path::new(&home));
    }
    let home = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    // A fixed sequence (Knuth's multiplier) of moments to kill at, counted in acknowledged calls.
    let mut state = 20_260_101_u64;
    for round in 0..ROUNDS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let lines_before_kill = usize::try_from(state >> 33).unwrap() % 400 + 1;
        acknowledged.extend(run_and_kill(home.path(), round, lines_before_kill));

        let store = Store::open(home.path()).unwrap();
        for id in &acknowledged {
            let found = store.call(id).unwrap();
            assert!(found.is_some_and(|found| found.request == body(id)), "round {round} lost call {id}");
        }
        let stored = store.cases("triage").unwrap().len();
        let steps = store.steps().unwrap();
        assert!(stored >= acknowledged.len(), "{stored} stored, {} acknowledged", acknowledged.len());
        assert_eq!(steps[0].calls, stored as u64, "sums and calls are of one transaction");
    }
}

fn body(id: &str) -> Vec<u8> {
    format!("{id} ").repeat(200).into_bytes()
}

fn record_until_killed(home: &Path) -> ! {
    let recorder = Store::open(home).unwrap().recorder(roomy()).unwrap();
    let round = std::env::var("FREEHOLD_STORE_TEST_ROUND").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (recorder, round) = (recorder.clone(), &round);
            scope.spawn(move || {
                for n in 0_i64.. {
                    let id = format!("{round}-{thread}-{n}");
                    let receipt = recorder.record(Call { request: body(&id), ..call(&id, n) });
                    if receipt.wait() {
                        // One write a line, so that a line is there whole or not at all.
                        std::io::stderr().write_all(format!("committed {id}\n").as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    unreachable!("the threads end only with the process");
}

fn run_and_kill(home: &Path, round: u64, lines_before_kill: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::killed_recorder_loses_no_acknowledged_call", "--nocapture"])
        .env(CHILD_HOME, home)
        .env("FREEHOLD_STORE_TEST_ROUND", round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    // What the child had said before it died is read to its end.
    while lines.read_line(&mut line).unwrap() > 0 {
        if let Some(id) = line.strip_prefix("committed ").and_then(|rest| rest.strip_suffix('\n')) {
            acknowledged.push(id.to_owned());
        }
        if acknowledged.len() == lines_before_kill {
            child.kill().unwrap();
        }
        line.clear();
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= lines_before_kill, "the child ended by itself: {line}");
    acknowledged
}

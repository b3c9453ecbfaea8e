//! Bodies kept in pieces: read back byte for byte, stored once, sealed, removed when their time is over.

use std::path::Path;

use freehold_store::{
    AssessmentHead, Bodies, Error, ErrorKind, Keeping, Limits, Masking, Replay, Retention, Seal, Selection, Store,
};
use freehold_wire::{Answer, Call, Digest, Instead, Kept};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::sample::{call, store};

const DAY_MS: i64 = 86_400_000;

/// A call of a run that has come so far; each turn repeats what was said before.
fn turn(run: &str, n: usize) -> Call {
    let said = |at: usize| json!({"role": if at.is_multiple_of(2) { "user" } else { "assistant" }, "content": format!("{run} says {at} and nothing more, \"ü\" {}", at * 7919)});
    let mut messages =
        vec![json!({"role": "system", "content": "You answer the mail of a small company. ".repeat(30)})];
    messages.extend((0..n).map(said));
    let request = json!({"model": "large", "messages": messages, "tools": [{"name": "search"}, {"name": "send"}], "temperature": 0});
    let response = json!({"choices": [{"message": said(n)}]});
    Call {
        run: Some(run.to_owned()),
        request: request.to_string().into_bytes(),
        response: response.to_string().into_bytes(),
        ..call(&format!("{run}-{n}"), n as i64 * DAY_MS)
    }
}

fn turns(runs: usize, each: usize) -> Vec<Call> {
    (0..runs).flat_map(|run| (0..each).map(move |n| turn(&format!("run {run}"), n))).collect()
}

fn rows(path: &Path, table: &str) -> i64 {
    let raw = Connection::open(path).unwrap();
    raw.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn assert_kept(store: &Store, calls: &[Call]) {
    for call in calls {
        assert_eq!(store.call(&call.id).unwrap().as_ref(), Some(call), "{}", call.id);
    }
}

#[test]
fn bodies_of_runs_come_back_and_are_stored_once() {
    let (_home, store) = store();
    let calls = turns(6, 20);
    for batch in calls.chunks(7) {
        store.import(batch).unwrap();
    }
    assert_kept(&store, &calls);
    // What stays is one segment; the system text is one more, then each turn of each run but the first adds one.
    assert_eq!(rows(store.path(), "segment"), 1 + 1 + 6 * 19);
    let json: usize = calls.iter().map(|call| call.request.len() + call.response.len()).sum();
    let raw = Connection::open(store.path()).unwrap();
    let bytes = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let kept = bytes("SELECT sum(length(bytes)) FROM segment") + bytes("SELECT sum(length(response)) FROM body");
    assert!(kept * 8 < json as i64, "{kept} bytes for {json} of JSON");
}

#[test]
fn other_writers_and_other_starts_store_what_they_do_not_know() {
    let (home, first) = store();
    let calls = turns(1, 9);
    first.import(&calls[..3]).unwrap();
    let second = Store::open(home.path()).unwrap();
    second.import(&calls[3..6]).unwrap();
    first.import(&calls[6..]).unwrap();
    assert_kept(&second, &calls);
}

#[test]
fn odd_bodies_come_back() {
    let (_home, store) = store();
    let odd: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"{".to_vec(),
        vec![0, 255, 128],
        b"{\"messages\":[]}".to_vec(),
        b" {\"messages\" : [ ] , \"input\":[1,2] } \n".to_vec(),
        vec![b'x'; 3_000_000],
    ];
    let odd = odd.into_iter().enumerate();
    let calls: Vec<_> =
        odd.map(|(n, body)| Call { request: body.clone(), response: body, ..call(&n.to_string(), 1) }).collect();
    store.import(&calls).unwrap();
    assert_kept(&store, &calls);
}

/// A dictionary is made on the way; what was written before it is still read.
#[test]
fn a_dictionary_is_learned_from_many_pieces() {
    let (home, store) = store();
    let calls = turns(60, 20);
    store.import(&calls).unwrap();
    assert_eq!(rows(store.path(), "dictionary"), 2);
    assert_kept(&Store::open(home.path()).unwrap(), &calls);
}

#[test]
fn a_failed_import_leaves_nothing_that_later_ones_rely_on() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(home.path(), Limits { database_bytes_max: Some(1 << 20) }).unwrap();
    let calls = turns(2, 6);
    let mut failing = calls[..6].to_vec();
    failing
        .extend((0..40).map(|n| Call { response: crate::sample::noise(60_000, n), ..call(&format!("large {n}"), n) }));
    store.import(&failing).unwrap_err();
    store.import(&calls).unwrap();
    assert_kept(&store, &calls);
}

fn head() -> AssessmentHead {
    AssessmentHead {
        id: "x".to_owned(),
        at_ms: 0,
        step: "triage".to_owned(),
        candidate: "c".to_owned(),
        incumbent: "i".to_owned(),
        plan: Value::Null,
    }
}

fn replay() -> Replay {
    Replay {
        case: "case".to_owned(),
        arm: "candidate".to_owned(),
        answer: None,
        failure: None,
        total_us: 1,
        first_byte_us: None,
    }
}

fn sealed(home: &Path, key: u8) -> Result<Store, Error> {
    Store::open_sealed(home, Limits::default(), Some(Seal::new(&[key; 32])))
}

#[test]
fn a_sealed_store_shows_nothing_without_its_key() {
    let home = tempfile::tempdir().unwrap();
    let calls = turns(3, 8);
    let store = sealed(home.path(), 1).unwrap();
    store.import(&calls).unwrap();
    store.begin_assessment(&head()).unwrap();
    let answer = Answer { text: "an answer that says much".to_owned(), ..Answer::default() };
    let replay = Replay { answer: Some(answer), ..replay() };
    store.add_replays("x", std::slice::from_ref(&replay)).unwrap();
    assert_kept(&sealed(home.path(), 1).unwrap(), &calls);
    assert_eq!(sealed(home.path(), 1).unwrap().replays("x").unwrap(), [replay]);
    store.compact().unwrap();
    let bytes = std::fs::read(store.path()).unwrap();
    for said in ["says", "small company", "search", "tool_calls", "finish_reason", "an answer"] {
        assert!(!bytes.windows(said.len()).any(|window| window == said.as_bytes()), "{said:?} shows");
    }
    let missing = Store::open(home.path()).err().unwrap();
    assert!(matches!(&missing, Error::KeyMissing { .. }), "{missing:?}");
    assert!(missing.hint().unwrap().contains("encrypt_key"));
    let wrong = sealed(home.path(), 2).err().unwrap();
    assert_eq!(wrong.kind(), ErrorKind::User);
    assert!(wrong.to_string().contains(Seal::new(&[2; 32]).id()), "{wrong}");
}

#[test]
fn a_store_that_is_sealed_later_still_shows_what_was_there() {
    let home = tempfile::tempdir().unwrap();
    let calls = turns(2, 8);
    Store::open(home.path()).unwrap().import(&calls[..5]).unwrap();
    let store = sealed(home.path(), 1).unwrap();
    store.import(&calls[5..]).unwrap();
    assert_kept(&store, &calls);
}

#[test]
fn digests_stand_for_bodies_that_are_not_kept() {
    let (_home, store) = store();
    let digest = |bytes: u64| Digest { bytes, sha256: [bytes as u8; 32] };
    let instead = Some(Instead::Digests { request: digest(5), response: digest(6) });
    let bare =
        Call { request: Vec::new(), response: Vec::new(), kept: Kept { masked: true, instead }, ..call("bare", 1) };
    store.import(&[bare.clone(), call("whole", 2)]).unwrap();
    assert_eq!(store.call("bare").unwrap(), Some(bare));
    assert_eq!(store.cases("triage").unwrap().len(), 1, "a call without an answer is no case");
    assert_eq!(store.steps().unwrap()[0].calls, 2);
}

fn remove_all(store: &Store, retention: &Retention, now_ms: i64) -> (u64, u64, u64) {
    let mut all = (0, 0, 0);
    loop {
        let removed = store.remove_expired(retention, now_ms).unwrap();
        if removed.calls == 0 {
            return all;
        }
        all = (all.0 + removed.calls, all.1 + removed.cases, all.2 + removed.segments);
    }
}

#[test]
fn bodies_go_when_their_time_is_over_and_the_rest_stays_whole() {
    let (_home, store) = store();
    let calls = turns(30, 20);
    store.import(&calls).unwrap();
    let steps = store.steps().unwrap();
    let retention = Retention { days: Some(5), steps: Vec::new() };
    // At the end of day 19 the calls of days 0 to 13 are older than five days.
    assert_eq!(remove_all(&store, &retention, 19 * DAY_MS - 1).0, 30 * 14);
    let (old, young): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(|call| call.at_ms < 14 * DAY_MS);
    assert_kept(&store, &young);
    let gone = store.call(&old[0].id).unwrap().unwrap();
    assert_eq!((gone.request.len(), gone.response.len(), &gone.kept.instead), (0, 0, &Some(Instead::Expired)));
    assert_eq!((gone.usage, gone.timings), (old[0].usage, old[0].timings));
    assert_eq!(store.cases("triage").unwrap().len(), young.len());
    assert_eq!(store.steps().unwrap(), steps, "sums stay");
    assert_eq!(rows(store.path(), "call WHERE kept = 2"), old.len() as i64);

    // Later turns refer to pieces of earlier ones, so those went only now; then nothing is left.
    let (calls, _, segments) = remove_all(&store, &retention, 100 * DAY_MS);
    assert_eq!((calls, rows(store.path(), "segment"), rows(store.path(), "body")), (young.len() as u64, 0, 0));
    assert!(segments > 0);
    // The writer remembers where pieces lay; it must not refer to them.
    let again: Vec<Call> =
        turns(30, 3).into_iter().map(|call| Call { id: format!("again {}", call.id), ..call }).collect();
    store.import(&again).unwrap();
    assert_kept(&store, &again);
}

#[test]
fn each_step_has_its_own_time() {
    let (_home, store) = store();
    let of = |step: &str, id: &str| Call { step: step.to_owned(), ..call(id, 0) };
    store.import(&[of("short", "a"), of("long", "b"), of("ever", "c"), of("other", "d")]).unwrap();
    let retention = Retention {
        days: Some(20),
        steps: vec![("short".to_owned(), Some(1)), ("long".to_owned(), Some(30)), ("ever".to_owned(), None)],
    };
    let left = |store: &Store| ["a", "b", "c", "d"].map(|id| store.call(id).unwrap().unwrap().kept.instead.is_none());
    remove_all(&store, &retention, 2 * DAY_MS);
    assert_eq!(left(&store), [false, true, true, true]);
    remove_all(&store, &retention, 21 * DAY_MS);
    assert_eq!(left(&store), [false, true, true, false]);
    remove_all(&store, &retention, 1_000 * DAY_MS);
    assert_eq!(left(&store), [false, false, true, false]);
    assert!(!Retention::default().is_limited());
}

#[test]
fn cases_of_assessments_are_removed_and_told() {
    let (_home, store) = store();
    store.import(&[call("case", 0), call("no case", 0)]).unwrap();
    store.begin_assessment(&head()).unwrap();
    store.add_replays("x", &[replay()]).unwrap();
    let retention = Retention { days: Some(1), steps: Vec::new() };
    assert_eq!(remove_all(&store, &retention, 9 * DAY_MS), (2, 1, 2));
    assert_eq!(store.replays("x").unwrap().len(), 1);
}

/// What the log holds was masked before, so that a copy of the home folder never shows it.
#[test]
fn what_is_recorded_is_masked_and_bare_where_it_shall_be() {
    let (home, store) = store();
    let keeping = Keeping {
        masking: Masking::new(&["email"], &[]).unwrap(),
        bodies: Bodies::Full,
        steps: [("quiet".to_owned(), Bodies::Metadata)].into(),
    };
    let recorder = store.recorder_keeping(crate::sample::roomy(), keeping).unwrap();
    let said = Call { request: b"mail ada@example.org".to_vec(), ..call("said", 1) };
    let quiet = Call { step: "quiet".to_owned(), id: "quiet".to_owned(), ..said.clone() };
    for call in [&said, &quiet] {
        assert!(recorder.record(call.clone()).wait());
    }
    recorder.close();
    let read = store.call("said").unwrap().unwrap();
    assert_eq!((read.request.as_slice(), read.kept.masked), (&b"mail [email]"[..], true));
    let read = store.call("quiet").unwrap().unwrap();
    assert!(read.request.is_empty() && read.response.is_empty());
    let Some(Instead::Digests { request, .. }) = read.kept.instead else { panic!("{:?}", read.kept) };
    assert_eq!((request.bytes, request.sha256[0]), (20, 0x73));
    for file in files_below(home.path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"ada@"), "{}", file.display());
    }
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn every_chosen_call_is_exported_once_and_in_order() {
    let (_home, store) = store();
    let calls: Vec<Call> = (0..700)
        .map(|n| Call { step: ["a", "b"][n % 2].to_owned(), ..call(&format!("{n:03}"), (700 - n) as i64) })
        .collect();
    store.import(&calls).unwrap();
    let exported = |selection: &Selection| {
        let mut all = Vec::new();
        let count = store
            .export(selection, |call| {
                all.push(call);
                Ok::<_, Error>(())
            })
            .unwrap();
        assert_eq!(count, all.len() as u64);
        all
    };
    assert_eq!(exported(&Selection::default()), calls);
    let chosen = Selection { step: Some("b".to_owned()), since_ms: 100, until_ms: 200 };
    let expected: Vec<Call> =
        calls.iter().filter(|call| call.step == "b" && (100..200).contains(&call.at_ms)).cloned().collect();
    assert_eq!(exported(&chosen), expected);
    assert!(exported(&Selection { step: Some("c".to_owned()), ..Selection::default() }).is_empty());
}

const AS_OF_VERSION_5: &str = "DROP TABLE segment_use; DROP TABLE step_call; DROP TABLE step_call_entered; DROP TABLE run; \
    CREATE INDEX segment_by_parent ON segment (parent); CREATE INDEX body_by_steady ON body (steady); \
    CREATE INDEX body_by_grown ON body (grown); CREATE INDEX call_by_step ON call (step, kept, at_ms); \
    CREATE TABLE run (step INTEGER NOT NULL, run TEXT NOT NULL, PRIMARY KEY (step, run)) STRICT, WITHOUT ROWID; \
    INSERT INTO run SELECT DISTINCT step, run FROM call WHERE run IS NOT NULL; DROP TABLE label; \
    DROP TABLE certificate; DROP TABLE step_alias; DROP TABLE step_change; DROP TABLE step_learned; \
    DROP INDEX step_by_belongs; ALTER TABLE step DROP COLUMN belongs; PRAGMA user_version = 5";

fn uses(path: &Path) -> Vec<(i64, i64)> {
    let raw = Connection::open(path).unwrap();
    let mut select = raw.prepare("SELECT segment, uses FROM segment_use ORDER BY segment").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// What was counted call by call is what a migration counts, and what retention counts down.
#[test]
fn file_of_version_5_is_carried_over_and_its_bodies_still_go() {
    let (home, store) = store();
    let calls = turns(4, 12);
    calls.chunks(5).for_each(|part| assert_eq!(store.import(part).unwrap().added, part.len() as u64));
    let (cases, counted) = (store.cases("triage").unwrap(), uses(store.path()));
    assert!(cases.len() == calls.len() && counted.iter().any(|(_, uses)| *uses > 2), "{counted:?}");
    drop(store);
    Connection::open(home.path().join("freehold.db")).unwrap().execute_batch(AS_OF_VERSION_5).unwrap();

    let store = Store::open(home.path()).unwrap();
    assert_eq!((store.cases("triage").unwrap(), uses(store.path())), (cases, counted));
    assert_eq!(rows(store.path(), "run"), calls.len() as i64);
    assert_kept(&store, &calls);
    let late = turn("late", 0);
    store.import(std::slice::from_ref(&late)).unwrap();
    assert_eq!(store.cases("triage").unwrap().len(), calls.len() + 1);
    let retention = Retention { days: Some(1), steps: Vec::new() };
    assert_eq!(remove_all(&store, &retention, 6 * DAY_MS).0, 4 * 5 + 1);
    let left: Vec<Call> = calls.into_iter().filter(|call| call.at_ms >= 5 * DAY_MS).collect();
    assert_kept(&store, &left);
    assert_eq!(store.cases("triage").unwrap().len(), left.len());
    remove_all(&store, &retention, 100 * DAY_MS);
    assert_eq!(["segment", "segment_use", "step_call", "body"].map(|table| rows(store.path(), table)), [0; 4]);
}

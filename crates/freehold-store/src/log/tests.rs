//! The log's bytes: what was written is read, and nothing else is, whatever else the bytes are.

use std::sync::Arc;

use freehold_wire::{Api, Attempt, Digest, Failure, Instead, Kept, Reference, ReferenceKind, Timings, Usage};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::cursor::Cursor;
use super::segment::Spare;
use super::*;
use crate::sample;
use crate::store::Store;

fn options(segment_bytes: u64) -> Options {
    Options { bytes_max: 1 << 30, segment_bytes, making: Making::Filled, seal: None }
}

fn log(home: &Path, position: u64) -> Log {
    Log::open(Folder::take(home).unwrap().unwrap(), options(64 << 10), position).unwrap()
}

fn call(n: u64) -> Call {
    Call { request: vec![n as u8; 50], ..sample::call(format!("call-{n}"), n as i64) }
}

fn frame(call: &Call) -> Vec<u8> {
    let mut frame = Vec::new();
    assert!(options(0).write(call, &mut frame));
    frame
}

fn append(log: &Log, n: u64) -> u64 {
    log.append(&mut [frame(&call(n))]).remove(0).unwrap()
}

fn append_all(log: &Log, calls: u64) {
    for n in 0..calls {
        append(log, n);
    }
}

/// The numbers and calls of all frames of a log's segments.
fn read_all(log: &Log) -> Vec<(u64, Call)> {
    let mut all = Vec::new();
    for segment in log.shelf.live() {
        let mut cursor = Cursor::new(segment);
        while let Some(content) = cursor.next().unwrap() {
            all.push((content.sequence, log.options.read(content.bytes).unwrap()));
        }
    }
    all
}

fn any_call() -> impl Strategy<Value = Call> {
    let optional = || option::of(".{0,9}");
    let texts = (vec(".{0,12}", 6), optional(), optional(), optional());
    let numbers = (any::<i64>(), any::<u16>(), option::of(any::<u64>()), any::<u64>(), any::<u64>());
    let bodies = (vec(any::<u8>(), 0..300), vec(any::<u8>(), 0..300));
    let marks = (vec(any_attempt(), 0..3), any_kept());
    let rest = (option::of(any::<[u64; 5]>()), any::<bool>(), any_reference(), marks, 0..Api::ALL.len());
    (texts, numbers, bodies, rest).prop_map(|((texts, run, served_model, key), numbers, bodies, rest)| {
        let (usage, flag, reference, (attempts, kept), api) = rest;
        let [id, step, step_by, model, upstream, message] = <[String; 6]>::try_from(texts).unwrap();
        Call {
            id,
            at_ms: numbers.0,
            api: Api::ALL[api],
            step,
            step_by,
            run,
            model,
            upstream,
            served_model,
            request: bodies.0,
            response: bodies.1,
            streamed: flag,
            status: numbers.1,
            failure: flag.then(|| Failure { kind: "cut".to_owned(), message }),
            usage: usage.map(usage_of),
            is_estimated: !flag,
            timings: Timings { first_byte_us: numbers.2, total_us: numbers.3 },
            reference,
            key,
            generation: numbers.4,
            attempts,
            kept,
        }
    })
}

fn usage_of([input, cache_read, cache_write, output, reasoning]: [u64; 5]) -> Usage {
    Usage { input, cache_read, cache_write, output, reasoning }
}

fn any_reference() -> impl Strategy<Value = Option<Reference>> {
    let kinds = [ReferenceKind::Incumbent, ReferenceKind::Label, ReferenceKind::Outcome];
    let reference = (0_usize..3, any::<i64>());
    option::of(
        reference.prop_map(move |(kind, value)| Reference { kind: kinds[kind], value: serde_json::json!([value]) }),
    )
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    (vec(".{0,9}", 3), option::of(".{0,9}"), any::<u64>()).prop_map(|(texts, model, after_us)| {
        let [upstream, kind, message] = <[String; 3]>::try_from(texts).unwrap();
        Attempt { upstream, model, failure: Failure { kind, message }, after_us }
    })
}

fn any_kept() -> impl Strategy<Value = Kept> {
    (any::<bool>(), 0_u8..3, any::<u64>(), any::<[u8; 32]>()).prop_map(|(masked, instead, bytes, sha256)| {
        let digest = Digest { bytes, sha256 };
        let digests = Instead::Digests { request: digest, response: digest };
        Kept { masked, instead: [None, Some(digests), Some(Instead::Expired)][usize::from(instead)].clone() }
    })
}

proptest! {
    #[test]
    fn any_call_comes_back(call in any_call()) {
        let mut bytes = Vec::new();
        call::write(&call, &mut bytes);
        prop_assert_eq!(call::read(&bytes), Ok(call));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400), at in 0_usize..500) {
        drop(call::read(&bytes));
        drop(options(0).read(&bytes));
        drop(frame::read(&bytes, at, 1));
        prop_assert_eq!(frame::find(&bytes, at, 1, 0), None);
        // Bytes behind a right beginning.
        for version in [1, 2] {
            drop(call::read(&[&[version], bytes.as_slice()].concat()));
        }
    }

    #[test]
    fn cut_call_is_refused(call in any_call()) {
        let mut bytes = Vec::new();
        call::write(&call, &mut bytes);
        for end in 0..bytes.len() {
            prop_assert!(call::read(&bytes[..end]).is_err(), "cut at {} of {}", end, bytes.len());
        }
        bytes.push(0);
        prop_assert!(call::read(&bytes).is_err());
    }

    #[test]
    fn changed_frame_is_refused(n in any::<u64>(), segment in any::<u64>(), sequence in any::<u64>()) {
        let mut good = frame(&call(n));
        frame::number(&mut good, segment, sequence);
        let read = frame::read(&good, 0, segment).unwrap();
        prop_assert_eq!((read.sequence, read.end), (sequence, good.len()));
        prop_assert_eq!(frame::read(&good, 0, segment.wrapping_add(1)), Err(frame::Absent::NoFrame));
        for end in 0..good.len() {
            prop_assert!(frame::read(&good[..end], 0, segment).is_err());
        }
        // Neither the four bytes that fill the head up nor those after the content are read.
        for at in (0..20).chain(frame::HEAD_BYTES..read.begin + read.length) {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                prop_assert!(frame::read(&bad, 0, segment).is_err(), "bit {} of byte {}", bit, at);
            }
        }
    }
}

/// Bytes as programs wrote them that knew no attempts: a log that was left behind is read by the next version.
#[test]
fn call_of_the_first_version_is_read() {
    let mut bytes = Vec::new();
    call::write(&call(7), &mut bytes);
    bytes[0] = 1;
    let (request, response, kept) = (1 + 50, 1, 2);
    let count = bytes.remove(bytes.len() - request - response - kept - 1);
    assert_eq!((count, call::read(&bytes)), (0, Ok(call(7))));
}

#[test]
fn frames_come_back_in_order_over_files_and_openings() {
    let home = tempfile::tempdir().unwrap();
    let first = log(home.path(), 0);
    let before: Vec<_> = (0..1_000).map(|n| append(&first, n)).collect();
    assert_eq!(before, (1..=1_000).collect::<Vec<_>>());
    assert!(first.shelf.live().len() > 2);
    drop(first);

    let second = log(home.path(), 500);
    let number = append(&second, 7_000);
    assert!(number > 1_000, "numbers are never given twice");
    let all = read_all(&second);
    let numbers: Vec<_> = all.iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted() && numbers[0] <= 501, "{numbers:?}");
    assert_eq!(all[all.len() - 2..].iter().map(|(_, call)| call.clone()).collect::<Vec<_>>(), [call(999), call(7_000)]);
}

#[test]
fn file_that_was_not_finished_is_removed_and_a_finished_one_used() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::take(home.path()).unwrap().unwrap();
    let (unfinished, finished) = (folder.file(7), folder.file(8));
    std::fs::write(&unfinished, vec![0; 10_000]).unwrap();
    std::fs::write(&finished, vec![0; 64 << 10]).unwrap();
    drop(folder);
    let log = log(home.path(), 0);
    append(&log, 1);
    assert!(!unfinished.exists());
    assert_eq!(log.shelf.live()[0].spare.path, finished);
}

#[test]
fn used_file_shows_nothing_of_its_earlier_use() {
    let home = tempfile::tempdir().unwrap();
    let first = log(home.path(), 0);
    append_all(&first, 20);
    let path = first.shelf.live()[0].spare.path.clone();
    first.close();
    first.shelf.retire(20);
    drop(first);
    let whole = std::fs::read(&path).unwrap();

    let (spare, head) = Spare::open(&path).unwrap();
    assert_eq!(head.unwrap().number, 1);
    let head = Head { number: 2, session: 21, first: 21 };
    let segment = Segment::begin(spare, head).unwrap();
    let mut one = frame(&call(99));
    frame::number(&mut one, 2, 21);
    segment.append(&one, 21).unwrap();
    drop(segment);
    let now = std::fs::read(&path).unwrap();
    let kept = now.iter().zip(&whole).filter(|(now, before)| now == before).count();
    assert!(kept > whole.len() / 2, "the frames of the first use are still there");

    let (spare, head) = Spare::open(&path).unwrap();
    let mut cursor = Cursor::new(Arc::new(Segment::left(spare, head.unwrap())));
    assert_eq!(cursor.next().unwrap().unwrap().sequence, 21);
    assert!(cursor.next().unwrap().is_none());
}

#[test]
fn reader_behind_a_writer_misses_nothing() {
    const CALLS: u64 = 20_000;
    let home = tempfile::tempdir().unwrap();
    let written = log(home.path(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| append_all(&written, CALLS));
        let (mut last, mut passed, mut cursor) = (0, 0, None);
        while last < CALLS {
            let next = cursor.take().or_else(|| written.shelf.after(passed).map(Cursor::new));
            let Some(mut current) = next else { continue };
            let is_full = current.segment().is_full();
            match current.next().unwrap() {
                Some(content) => {
                    assert_eq!(content.sequence, last + 1);
                    last += 1;
                    cursor = Some(current);
                }
                None if is_full => passed = current.segment().head.number,
                None => cursor = Some(current),
            }
        }
    });
}

/// What a power cut may leave: any page of what was written last is as it was before.
#[test]
fn frames_behind_a_lost_page_are_found() {
    let home = tempfile::tempdir().unwrap();
    let first = log(home.path(), 0);
    append_all(&first, 200);
    let path = first.shelf.live()[0].spare.path.clone();
    drop(first);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..8192].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let numbers: Vec<_> = read_all(&log(home.path(), 0)).into_iter().map(|(number, _)| number).collect();
    let lost = 200 - numbers.len();
    assert!((10..60).contains(&lost), "{lost} frames lie in a page");
    assert!(numbers.is_sorted() && numbers.ends_with(&[199, 200]));

    // With the head of the file gone none of its frames can be told from old ones.
    bytes[..64].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    assert!(read_all(&log(home.path(), 0)).len() < 100);
}

#[test]
fn log_of_another_holder_is_not_taken() {
    let home = tempfile::tempdir().unwrap();
    let held = Folder::take(home.path()).unwrap().unwrap();
    assert!(Folder::take(home.path()).unwrap().is_none());
    held.release().unwrap();
    assert!(Folder::take(home.path()).unwrap().is_some());
}

#[test]
fn state_is_kept_and_rubbish_is_no_state() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::take(home.path()).unwrap().unwrap();
    assert_eq!(folder.state(), State::Unknown);
    for state in [State::Open("a-boot".to_owned()), State::Clean(12_345), State::Clean(0)] {
        folder.set_state(&state).unwrap();
        assert_eq!(folder.state(), state);
    }
    std::fs::write(home.path().join("log/lock"), "clean as a whistle").unwrap();
    assert_eq!(folder.state(), State::Unknown);
}

#[test]
fn clean_log_is_not_looked_through_and_one_in_use_is() {
    let home = tempfile::tempdir().unwrap();
    let first = log(home.path(), 0);
    append_all(&first, 10);
    first.folder().set_state(&State::Clean(10)).unwrap();
    drop(first);
    // A store that is older than the log gets what the log still has.
    assert_eq!(read_all(&log(home.path(), 3)).len(), 10);
    let clean = log(home.path(), 10);
    assert!(clean.shelf.live().is_empty());
    // The next use is told from what was left clean, though the word of it has not reached the disk.
    append(&clean, 11);
    drop(clean);
    assert_eq!(read_all(&log(home.path(), 10)).len(), 1);
}

/// A home whose store is opened after the machine stopped: the log's last pages did not reach the disk.
#[test]
fn what_a_power_cut_took_is_a_gap_and_the_rest_is_there() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    store.import(&[call(5_000)]).unwrap();
    let first = log(home.path(), 0);
    append_all(&first, 200);
    first.folder().set_state(&State::Open("an earlier start of the machine".to_owned())).unwrap();
    let path = first.shelf.live()[0].spare.path.clone();
    drop((first, store));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..8192].fill(0);
    std::fs::write(&path, &bytes).unwrap();

    let store = Store::open(home.path()).unwrap();
    let kept = store.steps().unwrap()[0].calls - 1;
    let gaps = store.gaps().unwrap();
    assert_eq!(gaps.iter().map(|gap| gap.calls).sum::<u64>(), 200 - kept, "{gaps:?}");
    let lost = gaps.iter().find(|gap| gap.reason.contains("lost")).unwrap();
    assert!((10..60).contains(&lost.calls) && (0..200).contains(&lost.from_ms), "{lost:?}");
    let window = gaps.iter().find(|gap| gap.reason.contains("last moment")).unwrap();
    assert_eq!((window.calls, window.from_ms), (0, 5_000));
    drop(store);
    let again = Store::open(home.path()).unwrap();
    assert_eq!((again.gaps().unwrap(), again.steps().unwrap()[0].calls), (gaps, kept + 1));
}

#[test]
fn process_that_died_leaves_no_gap() {
    let home = tempfile::tempdir().unwrap();
    drop(Store::open(home.path()).unwrap());
    let first = log(home.path(), 0);
    append_all(&first, 200);
    first.folder().set_state(&State::Open(this_boot())).unwrap();
    drop(first);
    let store = Store::open(home.path()).unwrap();
    assert_eq!((store.steps().unwrap()[0].calls, store.gaps().unwrap()), (200, Vec::new()));
    assert_eq!(Folder::take(home.path()).unwrap().unwrap().state(), State::Clean(200));
}

#[test]
fn sealed_log_waits_for_its_key() {
    let home = tempfile::tempdir().unwrap();
    let seal = Seal::new(&[7; 32]);
    let limits = crate::store::Limits::default();
    drop(Store::open_sealed(home.path(), limits, Some(seal.clone())).unwrap());
    let sealed = Options { seal: Some(seal.clone()), ..options(64 << 10) };
    let first = Log::open(Folder::take(home.path()).unwrap().unwrap(), sealed.clone(), 0).unwrap();
    let mut frame = Vec::new();
    assert!(sealed.write(&call(1), &mut frame));
    let secret = &call(1).request;
    assert!(!frame.windows(secret.len()).any(|window| window == secret));
    first.append(&mut [frame]).remove(0).unwrap();
    let path = first.shelf.live()[0].spare.path.clone();
    drop(first);
    // Without the key the frame is neither read nor passed over.
    let left = log(home.path(), 0);
    let mut connection = Connection::open(home.path().join("freehold.db")).unwrap();
    let mut mover = Mover::new(0, &home.path().join("freehold.db"), None);
    for _ in 0..2 {
        let refused = mover.advance(&mut connection, &left, &mut crate::gap::Pending::default());
        assert!(matches!(refused, Err(mover::Error::Sealed)), "{refused:?}");
    }
    drop((left, connection));
    assert!(path.exists());
    let store = Store::open_sealed(home.path(), limits, Some(seal)).unwrap();
    assert_eq!(store.call("call-1").unwrap(), Some(call(1)));
}

//! Measures recording and import on this machine's disk: `cargo bench -p freehold-store`; name parts to run only those.
//! Calls have 2 KB of bodies, those of `cost` 1.2 KB. `fill=2000000` fills a store with small calls of 1,000 steps,
//! `year=10000000` with chats of 1.2 KB of a business with 12 steps, 4 models and 5 keys, over 365 days until now.
//! The folder is made under `TMPDIR`, or is `BENCH_HOME` and stays. Processor time is read from `/proc`, on Linux only.

#![expect(clippy::unwrap_used, reason = "a measurement stops where something is not as it expects")]

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use freehold_store::{Acknowledge, Receipt, Recorder, RecorderConfig, Replay, Store};
use freehold_wire::{Api, Call, Timings, Usage};

const REQUEST_BYTES: usize = 1536;
const RESPONSE_BYTES: usize = 512;
const IMPORT_CALLS: usize = 200_000;
const IMPORT_BATCH: usize = 4_000;

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    let home = tempfile::tempdir().unwrap();
    let stays = std::env::var_os("BENCH_HOME").map(std::path::PathBuf::from);
    if is_wanted("cost") {
        for acknowledge in [Acknowledge::Kernel, Acknowledge::Disk] {
            cost(&home.path().join(format!("cost-{acknowledge:?}")), acknowledge);
        }
    }
    if let Some(calls) = wanted.iter().find_map(|name| name.strip_prefix("fill=")) {
        let home = stays.clone().unwrap_or_else(|| home.path().join("fill"));
        fill(&home, calls.parse().unwrap(), &|n, of| spread(n, of));
    }
    if let Some(calls) = wanted.iter().find_map(|name| name.strip_prefix("year=")) {
        let year = Year::until_now();
        fill(&stays.unwrap_or_else(|| home.path().join("year")), calls.parse().unwrap(), &|n, of| year.call(n, of));
    }
    if is_wanted("throughput") {
        throughput(&home.path().join("throughput"));
    }
    if is_wanted("latency") {
        for per_second in [20, 200, 1000] {
            latency(&home.path().join(format!("latency-{per_second}")), per_second);
        }
    }
    if is_wanted("import") {
        import(&home.path().join("import"));
    }
    if is_wanted("replays") {
        replays(&home.path().join("replays"));
    }
}

fn call(n: usize) -> Call {
    // Ids in no order, as imported ones often are: the multiplier of SplitMix64 spreads them.
    let spread = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let fill =
        |bytes: usize| format!("{{\"n\":{spread},\"text\":\"{}\"}}", "lorem ipsum ".repeat(bytes / 12)).into_bytes();
    let (id, at_ms) = (format!("{spread:016x}-{n:08x}"), 1_700_000_000_000 + n as i64 * 7);
    Call {
        step: format!("step-{}", n % 7),
        step_by: "head".to_owned(),
        run: Some(format!("run-{:08}", n / 4)),
        model: ["large", "medium", "small"][n % 3].to_owned(),
        upstream: "vendor".to_owned(),
        request: fill(REQUEST_BYTES),
        response: fill(RESPONSE_BYTES),
        status: 200,
        usage: Some(Usage { input: 400, cache_read: 0, output: 90, ..Usage::default() }),
        timings: Timings { first_byte_us: Some(200_000), total_us: 900_000 },
        ..Call::new(id, at_ms, Api::OpenAiChat)
    }
}

/// Text that is as compressible as prose; no two numbers have the same.
fn prose(number: usize, bytes: usize) -> String {
    let mut text = format!("{number}: ");
    // Words in an order of their own.
    let mut state = number as u64;
    while text.len() + 10 < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 33) as usize % WORDS.len()]);
    }
    text
}

/// A call as a gateway records it: ids rise with time.
fn recorded(n: usize, request_bytes: usize, response_bytes: usize) -> Call {
    let fill = |bytes: usize| format!("{{\"n\":{n},\"text\":\"{}\"}}", prose(n, bytes)).into_bytes();
    let step = n % 1_000;
    Call {
        id: format!("{:012x}-7000-{:016x}", 1_700_000_000_000 + n, n),
        step: format!("step-{step}"),
        run: None,
        model: format!("model-{}", (step * 7 + n / 1_000 % 2) % 200),
        request: fill(request_bytes),
        response: fill(response_bytes),
        ..call(n)
    }
}

const DAY_MS: i64 = 86_400_000;

/// Small calls of 1,000 steps and 200 models on 400 days.
fn spread(n: usize, of: usize) -> Call {
    let apart_ms = DAY_MS * 400 / of as i64;
    Call { at_ms: 1_700_000_000_000 + n as i64 * apart_ms, ..recorded(n, 120, 60) }
}

/// The calls of a business: what they hold of each step from call to call, and when they end.
struct Year {
    systems: Vec<String>,
    end_ms: i64,
}

impl Year {
    const STEPS: usize = 12;
    const DAYS: i64 = 365;

    fn until_now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let systems = (0..Self::STEPS).map(|step| prose(step, 400)).collect();
        Self { systems, end_ms: i64::try_from(since.as_millis()).unwrap() }
    }

    fn call(&self, n: usize, of: usize) -> Call {
        let (step, model) = (n % Self::STEPS, n / Self::STEPS % 4);
        let request = format!(
            "{{\"model\":\"gpt-{model}\",\"messages\":[{{\"role\":\"system\",\"content\":\"{}\"}},{{\"role\":\"user\",\
             \"content\":\"{}\"}}],\"temperature\":0.2,\"max_tokens\":256}}",
            self.systems[step],
            prose(n, 680)
        );
        let response = format!(
            "{{\"id\":\"chatcmpl-{n:024x}\",\"object\":\"chat.completion\",\"created\":{},\"model\":\"gpt-{model}\",\
             \"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"finish_reason\":\"stop\"}}],\
             \"usage\":{{\"prompt_tokens\":240,\"completion_tokens\":64,\"total_tokens\":304}}}}",
            1_700_000_000 + n,
            prose(n, 360)
        );
        let mixed = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Call {
            id: format!(
                "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
                n >> 16,
                n & 0xffff,
                mixed & 0xfff,
                mixed >> 52,
                mixed >> 16
            ),
            at_ms: self.end_ms - Self::DAYS * DAY_MS
                + (n as i128 * i128::from(Self::DAYS * DAY_MS) / of as i128) as i64,
            step: format!("step-{step}"),
            run: Some(format!("run-{n:08}")),
            model: format!("gpt-{model}"),
            key: Some(format!("key-{}", n / 48 % 5)),
            request: request.into_bytes(),
            response: response.into_bytes(),
            usage: Some(Usage { input: 240, cache_read: 0, output: 64, ..Usage::default() }),
            ..call(n)
        }
    }
}

const WORDS: [&str; 24] = [
    "the ",
    "order ",
    "was ",
    "not ",
    "delivered ",
    "please ",
    "refund ",
    "customer ",
    "asks ",
    "about ",
    "invoice ",
    "number ",
    "late ",
    "and ",
    "wants ",
    "an ",
    "answer ",
    "today ",
    "because ",
    "it ",
    "is ",
    "broken ",
    "again ",
    "soon ",
];

/// Returns the processor time of the threads of that name, of the calling thread for none.
fn processor_time(thread: Option<&str>) -> Duration {
    let of = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
        Duration::from_nanos(text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0))
    };
    let Some(name) = thread else { return of(Path::new("/proc/thread-self")) };
    let is_named = |folder: &Path| {
        std::fs::read_to_string(folder.join("comm")).is_ok_and(|found| found.trim_end().starts_with(name))
    };
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|task| task.path());
    tasks.filter(|task| is_named(task)).map(|task| of(&task)).sum()
}

/// What recording and indexing one call costs the processor.
fn cost(home: &Path, acknowledge: Acknowledge) {
    const CALLS: usize = 100_000;
    // The system counts processor time in steps of some milliseconds.
    const BATCH: usize = 20_000;
    let store = Store::open(home).unwrap();
    let recorder = store.recorder(RecorderConfig { acknowledge, ..RecorderConfig::default() }).unwrap();
    let threads = ["freehold-log", "freehold-sync", "freehold-files"];
    let mut spent = Duration::ZERO;
    let begun = Instant::now();
    for first in (0..CALLS).step_by(BATCH) {
        let calls: Vec<_> = (first..first + BATCH).map(|n| recorded(n, 800, 400)).collect();
        let before = processor_time(None);
        let receipts: Vec<_> = calls.into_iter().map(|call| recorder.record(call)).collect();
        spent += processor_time(None) - before;
        assert!(receipts.into_iter().all(Receipt::wait));
    }
    assert!(recorder.flush());
    let wall = begun.elapsed();
    let per_call = |time: Duration| time.as_secs_f64() * 1e6 / CALLS as f64;
    let others: Vec<_> =
        threads.iter().map(|name| format!("{name} {:.2}", per_call(processor_time(Some(name))))).collect();
    println!(
        "{acknowledge:?}, us of processor a call: record() {:.2}, {}, index {:.2}; {:.0} calls/s all in all",
        per_call(spent),
        others.join(", "),
        per_call(processor_time(Some("freehold-index"))),
        CALLS as f64 / wall.as_secs_f64()
    );
    recorder.close();
}

/// A store of many calls: what indexing costs at the start and at the end, and what the sums take to read.
fn fill(home: &Path, calls: usize, make: &dyn Fn(usize, usize) -> Call) {
    let store = Store::open(home).unwrap();
    let recorder = store.recorder(RecorderConfig::default()).unwrap();
    let part = (calls / 20).max(1);
    for first in (0..calls).step_by(part) {
        let begun = Instant::now();
        let before = processor_time(Some("freehold-index"));
        fill_part(&recorder, (first..(first + part).min(calls)).map(|n| make(n, calls)));
        let (wall, index) = (begun.elapsed(), processor_time(Some("freehold-index")) - before);
        println!(
            "calls {first:>9}..: {:>6.0} calls/s, index {:.2} us of processor a call",
            part as f64 / wall.as_secs_f64(),
            index.as_secs_f64() * 1e6 / part as f64
        );
    }
    recorder.close();
    for _ in 0..2 {
        let begun = Instant::now();
        let steps = store.steps().unwrap();
        println!("steps(): {} steps, {:.1} ms", steps.len(), begun.elapsed().as_secs_f64() * 1e3);
    }
    let last = store.traffic(i32::MIN, i32::MAX).unwrap().last().unwrap().day;
    for days in [1, 30, 365, 400] {
        let begun = Instant::now();
        let rows = store.traffic(last - days + 1, last).unwrap().len();
        println!("traffic() of {days} days: {rows} rows, {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    }
    println!("file: {} bytes a call", std::fs::metadata(store.path()).unwrap().len() / calls as u64);
}

/// Records calls, at most so many ahead of the tables that the log never reaches its largest size.
fn fill_part(recorder: &Recorder, calls: impl Iterator<Item = Call>) {
    const AHEAD: usize = 100_000;
    for (n, call) in calls.enumerate() {
        assert!(recorder.record(call).wait());
        if n % AHEAD == AHEAD - 1 {
            assert!(recorder.flush());
        }
    }
    assert!(recorder.flush());
}

/// One caller that keeps a thousand calls on their way.
fn throughput(home: &Path) {
    let calls: Vec<_> = (0..50_000).map(call).collect();
    let total = calls.len();
    let recorder = Store::open(home).unwrap().recorder(RecorderConfig::default()).unwrap();
    let begun = Instant::now();
    let mut waiting: VecDeque<Receipt> = VecDeque::new();
    for call in calls {
        if waiting.len() == 1_000 {
            assert!(waiting.pop_front().unwrap().wait());
        }
        waiting.push_back(recorder.record(call));
    }
    assert!(waiting.into_iter().all(Receipt::wait));
    let per_second = total as f64 / begun.elapsed().as_secs_f64();
    println!("record, as fast as it goes: {per_second:.0} calls/s");
    recorder.close();
}

/// A steady stream; the time from `record` to the receipt.
fn latency(home: &Path, per_second: usize) {
    let calls: Vec<_> = (0..per_second * 10).map(call).collect();
    let recorder = Store::open(home).unwrap().recorder(RecorderConfig::default()).unwrap();
    let (sender, receipts) = std::sync::mpsc::channel::<(Instant, Receipt)>();
    let waiter = std::thread::spawn(move || {
        let took = |(since, receipt): (Instant, Receipt)| {
            assert!(receipt.wait());
            since.elapsed()
        };
        receipts.into_iter().map(took).collect::<Vec<_>>()
    });
    let begun = Instant::now();
    let mut record_longest = Duration::ZERO;
    for (n, call) in calls.into_iter().enumerate() {
        let due = begun + Duration::from_secs(1) * u32::try_from(n).unwrap() / u32::try_from(per_second).unwrap();
        while let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(wait);
        }
        let since = Instant::now();
        let receipt = recorder.record(call);
        record_longest = record_longest.max(since.elapsed());
        sender.send((since, receipt)).unwrap();
    }
    drop(sender);
    let mut took = waiter.join().unwrap();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "record at {per_second}/s, receipt after: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, longest {:.2} ms; \
         longest `record` {:.0} us",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        record_longest.as_secs_f64() * 1e6
    );
    recorder.close();
}

fn import(home: &Path) {
    let store = Store::open(home).unwrap();
    let mut took = Duration::ZERO;
    let mut bytes = 0;
    for first in (0..IMPORT_CALLS).step_by(IMPORT_BATCH) {
        let batch: Vec<_> = (first..first + IMPORT_BATCH).map(call).collect();
        bytes += batch.iter().map(|call| call.request.len() + call.response.len()).sum::<usize>();
        let begun = Instant::now();
        assert_eq!(store.import(&batch).unwrap().added, IMPORT_BATCH as u64);
        took += begun.elapsed();
    }
    let seconds = took.as_secs_f64();
    println!(
        "import of {IMPORT_CALLS} calls: {:.0} rows/s, {:.0} MB/s of bodies",
        IMPORT_CALLS as f64 / seconds,
        bytes as f64 / seconds / 1e6
    );
    let batch: Vec<_> = (0..IMPORT_BATCH).map(call).collect();
    let begun = Instant::now();
    assert_eq!(store.import(&batch).unwrap().present, IMPORT_BATCH as u64);
    println!("import again, all present: {:.0} rows/s", IMPORT_BATCH as f64 / begun.elapsed().as_secs_f64());

    let begun = Instant::now();
    let steps = store.steps().unwrap();
    println!("steps(), {} steps of {IMPORT_CALLS} calls: {:.2} ms", steps.len(), begun.elapsed().as_secs_f64() * 1e3);
    let begun = Instant::now();
    let cases = store.cases("step-0").unwrap();
    println!("cases(), {} cases: {:.1} ms", cases.len(), begun.elapsed().as_secs_f64() * 1e3);
    let begun = Instant::now();
    cases.iter().step_by(97).for_each(|case| assert!(store.call(&case.id).unwrap().is_some()));
    let reads = cases.len().div_ceil(97);
    println!("call(): {:.0} us", begun.elapsed().as_secs_f64() * 1e6 / reads as f64);
    let size = std::fs::metadata(store.path()).unwrap().len();
    println!("file: {:.2} bytes for each byte of bodies", size as f64 / bytes as f64);
}

fn replays(home: &Path) {
    let store = Store::open(home).unwrap();
    let head = freehold_store::AssessmentHead {
        id: "a".to_owned(),
        at_ms: 1,
        step: "s".to_owned(),
        candidate: "c".to_owned(),
        incumbent: "i".to_owned(),
        plan: serde_json::json!({}),
    };
    store.begin_assessment(&head).unwrap();
    let begun = Instant::now();
    for n in 0..1_000 {
        let replay = Replay {
            case: n.to_string(),
            arm: "candidate".to_owned(),
            answer: Some(freehold_wire::Answer { text: "lorem ipsum ".repeat(40), ..Default::default() }),
            failure: None,
            total_us: 1,
            first_byte_us: None,
        };
        store.add_replays("a", std::slice::from_ref(&replay)).unwrap();
    }
    println!("add_replay, each durable: {:.2} ms", begun.elapsed().as_secs_f64());
}

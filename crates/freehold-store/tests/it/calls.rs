//! Calls imported, summed by step, listed as cases and read back.

use freehold_store::{Imported, StepSummary, Traffic};
use freehold_wire::{Api, Attempt, Call, Failure, Reference, ReferenceKind, Timings, Usage};
use serde_json::json;

use crate::sample::{call, failed, store};

fn attempt(model: Option<String>) -> Attempt {
    let failure = Failure { kind: "timeout".to_owned(), message: "upstream \"ü\" did not answer".to_owned() };
    Attempt { upstream: "ü".to_owned(), model, failure, after_us: 12 }
}

#[test]
fn call_is_read_back_whole() {
    let (_home, store) = store();
    let full = Call {
        api: Api::AnthropicMessages,
        step_by: "header".to_owned(),
        run: Some("run 1".to_owned()),
        served_model: Some("large-2024".to_owned()),
        request: vec![0, 159, 255],
        streamed: true,
        usage: Some(Usage { input: 90, cache_read: 30, cache_write: 20, output: 8, reasoning: 5 }),
        is_estimated: true,
        key: Some("billing".to_owned()),
        reference: Some(Reference { kind: ReferenceKind::Label, value: json!({"order": [1, 2.5, null, "ü"]}) }),
        generation: 3,
        attempts: [None, Some("small".to_owned())].map(attempt).to_vec(),
        ..failed("full", 1_700_000_000_123)
    };
    let bare = Call {
        usage: None,
        response: Vec::new(),
        status: 0,
        timings: Timings { first_byte_us: None, total_us: 0 },
        ..call("bare", -5)
    };
    store.import(&[full.clone(), bare.clone()]).unwrap();
    assert_eq!(store.call("full").unwrap(), Some(full));
    assert_eq!(store.call("bare").unwrap(), Some(bare));
    assert_eq!(store.call("absent").unwrap(), None);
}

#[test]
fn import_leaves_present_calls_alone() {
    let (_home, store) = store();
    let first = call("a", 1);
    let changed = Call { at_ms: 9, model: "other".to_owned(), ..call("a", 1) };
    assert_eq!(store.import(std::slice::from_ref(&first)).unwrap(), Imported { added: 1, present: 0 });
    let batch = [changed, call("b", 2), call("b", 3)];
    assert_eq!(store.import(&batch).unwrap(), Imported { added: 1, present: 2 });
    assert_eq!(store.import(&batch).unwrap(), Imported { added: 0, present: 3 });
    assert_eq!(store.call("a").unwrap(), Some(first));
    let steps = store.steps().unwrap();
    assert_eq!((steps.len(), steps[0].calls, steps[0].traffic[0].input), (1, 2, 200));
}

#[test]
fn steps_sum_over_batches_and_writers() {
    let (_home, store) = store();
    let with_run = |id, at_ms, run: &str| Call { run: Some(run.to_owned()), ..call(id, at_ms) };
    store.import(&[with_run("a", 50, "r1"), with_run("b", 40, "r1"), failed("c", 60)]).unwrap();
    let recorder = store.recorder(crate::sample::roomy()).unwrap();
    let served =
        Call { served_model: Some("small".to_owned()), upstream: "engine".to_owned(), ..with_run("d", 70, "r2") };
    let receipts = [recorder.record(with_run("e", 65, "r1")), recorder.record(served)];
    recorder.close();
    assert!(receipts.into_iter().all(freehold_store::Receipt::wait));
    store.import(&[Call { step: "reply".to_owned(), ..call("f", 1) }]).unwrap();

    let traffic = |upstream: &str, model: &str, calls: u64, usage_calls: u64| Traffic {
        failures: calls - usage_calls,
        estimated_calls: 0,
        cache_write: 0,
        reasoning: 0,
        api: Api::OpenAiChat,
        upstream: upstream.to_owned(),
        model: model.to_owned(),
        calls,
        usage_calls,
        input: usage_calls * 100,
        cache_read: usage_calls * 10,
        output: usage_calls * 7,
    };
    let triage = StepSummary {
        step: "triage".to_owned(),
        step_by: "head".to_owned(),
        calls: 5,
        failures: 1,
        runs: 2,
        first_at_ms: 40,
        last_at_ms: 70,
        traffic: vec![traffic("vendor", "large", 4, 3), traffic("engine", "small", 1, 1)],
    };
    let steps = store.steps().unwrap();
    assert_eq!(steps[0], triage);
    assert_eq!((steps[1].step.as_str(), steps[1].calls, steps[1].runs, steps.len()), ("reply", 1, 0, 2));
}

#[test]
fn absurd_usage_cannot_break_the_sums() {
    let (_home, store) = store();
    let usage = Some(Usage { input: u64::MAX, cache_read: u64::MAX, output: u64::MAX, ..Usage::default() });
    let calls: Vec<_> = (0..20).map(|n| Call { usage, ..call(&n.to_string(), n) }).collect();
    store.import(&calls).unwrap();
    store.import(&[call("after", 1)]).unwrap();
    let steps = store.steps().unwrap();
    assert_eq!((steps[0].calls, steps[0].traffic[0].input), (21, 20 * (1 << 40) + 100));
}

#[test]
fn cases_are_whole_answers_in_order_of_time() {
    let (_home, store) = store();
    let labelled = Call {
        status: 0,
        run: Some("r".to_owned()),
        reference: Some(Reference { kind: ReferenceKind::Outcome, value: json!(true) }),
        ..call("imported", 5)
    };
    let cut = Call { failure: failed("x", 0).failure, ..call("cut", 1) };
    store
        .import(&[
            call("z", 10),
            call("y", 10),
            labelled,
            cut,
            failed("failed", 2),
            Call { status: 500, ..call("status", 3) },
            Call { response: Vec::new(), ..call("empty", 4) },
            Call { step: "reply".to_owned(), ..call("other", 4) },
        ])
        .unwrap();
    let cases = store.cases("triage").unwrap();
    let seen: Vec<_> = cases.iter().map(|case| (case.id.as_str(), case.at_ms)).collect();
    assert_eq!(seen, [("imported", 5), ("y", 10), ("z", 10)]);
    assert_eq!((cases[0].run.as_deref(), cases[0].reference), (Some("r"), Some(ReferenceKind::Outcome)));
    assert_eq!((cases[1].run.as_deref(), cases[1].reference), (None, None));
    assert!(store.cases("unknown").unwrap().is_empty());
}

#[test]
fn import_of_nothing_adds_nothing() {
    let (_home, store) = store();
    assert_eq!(store.import(&[]).unwrap(), Imported::default());
    assert!(store.steps().unwrap().is_empty());
}

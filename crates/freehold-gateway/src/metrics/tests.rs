//! Tests of the counts, and of the text by a reader as strict as Prometheus' own.

use std::collections::BTreeMap;

use freehold_wire::{Api, Failure, Timings, Usage};

use super::*;

fn call(step: &str, model: &str) -> Call {
    Call {
        step: step.to_owned(),
        model: model.to_owned(),
        upstream: "vendor".to_owned(),
        status: 200,
        timings: Timings { first_byte_us: Some(20_000), total_us: 300_000 },
        ..crate::record::blank(
            Api::OpenAiChat,
            crate::record::Stamp { id: "c".into(), at_ms: 0, begun: std::time::Instant::now() },
        )
    }
}

/// Reads the text format; panics on anything that its grammar does not allow. Returns sample values by name and labels.
pub(crate) fn strictly_read(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut family = ("", "");
    let mut families = Vec::new();
    assert!(text.ends_with('\n'), "the last line must end");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family.0 = rest.split(' ').next().unwrap();
            assert!(!families.contains(&family.0), "{} comes twice", family.0);
            families.push(family.0);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, family.0, "TYPE follows HELP");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            family.1 = kind;
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let base = match family.1 {
            "histogram" => name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count"),
            _ => name,
        };
        assert_eq!(base, family.0, "a sample outside of its family: {line}");
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':'), "{name}");
        labels(&series[name.len()..]);
        assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} comes twice");
    }
    samples
}

/// Checks `{name="value",...}` letter by letter.
fn labels(text: &str) {
    if text.is_empty() {
        return;
    }
    let mut rest = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap();
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{text}");
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next().expect("a label value must end") {
                (at, '"') => break at,
                (_, '\\') => assert!(matches!(letters.next(), Some((_, '\\' | '"' | 'n'))), "{text}"),
                (_, letter) => assert!(letter != '\n'),
            }
        };
        rest = &after[end + 1..];
        if rest.is_empty() {
            return;
        }
        rest = rest.strip_prefix(',').unwrap();
    }
}

fn exposed(metrics: &Metrics) -> BTreeMap<String, f64> {
    let mut out = Exposition::default();
    metrics.expose(&mut out);
    strictly_read(&out.into_text())
}

#[test]
fn calls_tokens_cost_and_times_are_counted_by_step_upstream_and_model() {
    let metrics = Metrics::default();
    let usage = Usage { input: 100, cache_read: 60, cache_write: 0, output: 7, reasoning: 3 };
    metrics.count(&Call { usage: Some(usage), ..call("triage", "m") }, Cost::Known(12));
    metrics.count(&Call { usage: Some(usage), is_estimated: true, ..call("triage", "m") }, Cost::Known(30));
    let failure = Failure { kind: "upstream_status".into(), message: String::new() };
    metrics.count(&Call { status: 429, failure: Some(failure), ..call("triage", "m") }, Cost::Unknown);
    let found = exposed(&metrics);
    let labels = "step=\"triage\",upstream=\"vendor\",model=\"m\"";
    let expected = [
        (format!("freehold_calls_total{{{labels},outcome=\"ok\"}}"), 2.0),
        (format!("freehold_calls_total{{{labels},outcome=\"upstream_429\"}}"), 1.0),
        (format!("freehold_tokens_total{{{labels},kind=\"input\"}}"), 200.0),
        (format!("freehold_tokens_total{{{labels},kind=\"cache_read\"}}"), 120.0),
        (format!("freehold_tokens_total{{{labels},kind=\"reasoning\"}}"), 6.0),
        (format!("freehold_cost_microusd_total{{{labels}}}"), 42.0),
        (format!("freehold_calls_of_unknown_cost_total{{{labels}}}"), 1.0),
        (format!("freehold_calls_with_estimated_tokens_total{{{labels}}}"), 1.0),
        ("freehold_call_duration_seconds_bucket{upstream=\"vendor\",model=\"m\",le=\"0.25\"}".into(), 0.0),
        ("freehold_call_duration_seconds_bucket{upstream=\"vendor\",model=\"m\",le=\"0.5\"}".into(), 3.0),
        ("freehold_call_duration_seconds_bucket{upstream=\"vendor\",model=\"m\",le=\"+Inf\"}".into(), 3.0),
        ("freehold_call_duration_seconds_sum{upstream=\"vendor\",model=\"m\"}".into(), 0.9),
        ("freehold_time_to_first_byte_seconds_count{upstream=\"vendor\",model=\"m\"}".into(), 3.0),
    ];
    for (series, value) in expected {
        assert_eq!(found.get(&series), Some(&value), "{series} in {found:#?}");
    }
    assert!(!found.contains_key(&format!("freehold_tokens_total{{{labels},kind=\"cache_write\"}}")));
}

#[test]
fn names_beyond_the_limits_go_under_other_and_nothing_is_lost() {
    let metrics = Metrics::default();
    let calls = STEPS_MAX + 500;
    for at in 0..calls {
        metrics.count(&call(&format!("step-{at}"), "m"), Cost::Unknown);
        metrics.count(&call(&format!("step-{at}"), "m"), Cost::Unknown);
    }
    for at in 0..MODELS_MAX + 50 {
        metrics.count(&call("step-1", &format!("model-{at}")), Cost::Unknown);
    }
    let found = exposed(&metrics);
    let calls_total: f64 =
        found.iter().filter(|(name, _)| name.starts_with("freehold_calls_total")).map(|(_, v)| v).sum();
    assert_eq!(calls_total, (2 * calls + MODELS_MAX + 50) as f64);
    let other = "freehold_calls_total{step=\"other\",upstream=\"vendor\",model=\"m\",outcome=\"ok\"}";
    assert_eq!(found[other], 1000.0, "{} steps too many, two calls each", calls - STEPS_MAX);
    assert_eq!(metrics.known.read().unwrap().series.len(), STEPS_MAX + 1 + MODELS_MAX);
    assert!(metrics.known.read().unwrap().models.len() <= MODELS_MAX + 1);
}

#[test]
fn no_name_breaks_the_text() {
    let metrics = Metrics::default();
    let nasty = "a\"b\\c\nd} 1\n# TYPE x counter";
    metrics.count(&call(nasty, "m"), Cost::Unknown);
    metrics.count(&call(&"ü".repeat(NAME_BYTES_MAX), "m"), Cost::Unknown);
    let found = exposed(&metrics);
    let shown = r#"a\"b\\c\nd} 1\n# TYPE x counter"#;
    assert!(found.keys().any(|name| name.contains(&format!("step=\"{shown}\""))), "{found:#?}");
    let cut = format!("step=\"{}\"", "ü".repeat(NAME_BYTES_MAX / 2));
    assert!(found.keys().any(|name| name.contains(&cut)));
}

#[test]
fn every_failure_has_an_outcome() {
    let with = |kind: &str, status| {
        let failure = Failure { kind: kind.into(), message: String::new() };
        outcome_word(&Call { failure: Some(failure), status, ..call("s", "m") })
    };
    let table = [
        ("upstream_status", 429, "upstream_429"),
        ("upstream_status", 404, "upstream_4xx"),
        ("upstream_status", 529, "upstream_5xx"),
        ("upstream_status", 302, "other"),
        ("cut", 200, "cut"),
        ("client_left", 200, "client_left"),
        ("of_a_later_version", 200, "other"),
    ];
    for (kind, status, expected) in table {
        assert_eq!(with(kind, status), expected, "{kind} {status}");
    }
    assert_eq!(outcome_word(&call("s", "m")), "ok");
}

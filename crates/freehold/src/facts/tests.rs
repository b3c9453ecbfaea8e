//! Tests of the facts against models that are well known, and of files that are wrong.

use std::time::Instant;

use freehold_wire::Usage;

use super::*;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// Dollars per million tokens, input and output, for names as callers write them.
#[test]
fn well_known_models_have_their_list_price() {
    let facts = Facts::embedded();
    let table = [
        ("gpt-4o", "openai", 2.5, Some(10.0)),
        ("gpt-4o-2024-08-06", "openai", 2.5, Some(10.0)),
        ("gpt-4o-mini-2024-07-18", "openai", 0.15, Some(0.6)),
        ("openai/gpt-4o-mini", "openai", 0.15, Some(0.6)),
        ("ft:gpt-4o-2024-08-06:acme::9xYz", "openai", 3.75, Some(15.0)),
        ("gpt-4.1-2025-04-14", "openai", 2.0, Some(8.0)),
        ("text-embedding-3-small", "openai", 0.02, None),
        ("claude-3-5-sonnet-20241022", "anthropic", 3.0, Some(15.0)),
        ("anthropic/claude-haiku-4-5", "anthropic", 1.0, Some(5.0)),
        ("gemini-2.5-flash", "google", 0.3, Some(2.5)),
        ("mistral-large-2407", "mistral", 2.0, Some(6.0)),
        ("deepseek-chat", "deepseek", 0.27, Some(1.1)),
        ("grok-4.3-20260101", "xai", 1.25, Some(2.5)),
        ("command-r-08-2024", "cohere", 0.15, Some(0.6)),
        ("llama-3.3-70b-versatile", "groq", 0.59, Some(0.79)),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "together", 0.88, Some(0.88)),
        ("accounts/fireworks/models/gpt-oss-20b", "fireworks", 0.07, Some(0.3)),
        ("sim-frontier-1", "simulated", 2.5, Some(10.0)),
    ];
    for (model, vendor, input, output) in table {
        let price = facts.price(model).unwrap_or_else(|| panic!("{model} has no price"));
        let (millionths, rates) = (|usd: f64| (usd * 1e6).round() as i64, price.tariff.rates);
        assert_eq!(price.vendor, vendor, "{model}");
        assert_eq!((rates.input, rates.output), (millionths(input), output.map(millionths)), "{model}");
    }
}

#[test]
fn unknown_models_have_no_price_and_no_date() {
    let facts = Facts::embedded();
    for model in ["", "gpt-4o-2031-01-01-turbo", "my-own-model", "openai/", "sim-frontier-2", "openai/my-own-model"] {
        assert!(facts.price(model).is_none(), "{model}");
        assert!(facts.retirement(model).is_none(), "{model}");
    }
}

#[test]
fn price_follows_its_history() {
    let facts = Facts::embedded();
    let input = |on: &str| facts.price_on("claude-sonnet-5", day(on)).unwrap().tariff.rates.input;
    assert_eq!((input("2026-08-31"), input("2026-09-01")), (2_000_000, 3_000_000));
}

#[test]
fn tiered_price_says_where_its_base_tier_ends() {
    let facts = Facts::embedded();
    let price = facts.price("gemini-2.5-pro").unwrap();
    assert_eq!(price.tariff.base_tier_tokens_max, Some(200_000));
    assert_eq!(price.tariff.rates.input, 1_250_000);
}

#[test]
fn hosts_that_disagree_leave_the_price_unknown() {
    let record = |vendor: &str, usd: f64| {
        format!(
            r#"{{"vendor":"{vendor}","model":"m","match":{{"equals":"m"}},"input_usd_per_mtok":{usd},"source":"s"}}"#
        )
    };
    let load = |b: f64| {
        let text = format!(
            r#"{{"format":1,"compiled_on":"2026-01-01","sources":[{{"id":"s","title":"t","as_of":"2026"}}],
            "vendors":[{{"name":"a","kind":"host"}},{{"name":"b","kind":"host"}}],
            "prices":[{},{}],"retirements":[]}}"#,
            record("a", 1.0),
            record("b", b)
        );
        Facts::parse(&text, "a test").unwrap()
    };
    assert!(load(1.0).price("m").is_some());
    assert!(load(2.0).price("m").is_none());
    assert_eq!(load(2.0).price("b/m").unwrap().tariff.rates.input, 2_000_000);
}

fn usage(input: u64, cache_read: u64, output: u64) -> Usage {
    Usage { input, cache_read, output, ..Usage::default() }
}

#[test]
fn cost_counts_cached_tokens_once_and_rounds_to_nearest() {
    let facts = Facts::embedded();
    let gpt = facts.price("gpt-4o").unwrap().tariff;
    assert_eq!(gpt.cost_microusd(&usage(1_000_000, 0, 0)), Some(2_500_000));
    assert_eq!(gpt.cost_microusd(&usage(1_000_000, 1_000_000, 0)), Some(1_250_000));
    assert_eq!(gpt.cost_microusd(&usage(1000, 400, 100)), Some(1500 + 500 + 1000));
    assert_eq!(gpt.cost_microusd(&usage(1, 0, 0)), Some(3), "2.5 millionths round up");
    assert_eq!(gpt.cost_microusd(&usage(1, 2, 0)), None, "more cached than sent is a broken count");
    assert_eq!(gpt.cost_microusd(&usage(u64::MAX, 0, u64::MAX)), None, "no silent overflow");
    let embedding = facts.price("text-embedding-3-small").unwrap().tariff;
    assert_eq!(embedding.cost_microusd(&usage(1_000_000, 0, 0)), Some(20_000));
    assert_eq!(embedding.cost_microusd(&usage(1_000_000, 0, 1)), None, "an output price that is not known is not zero");
}

#[test]
fn tokens_written_to_a_cache_have_their_own_price() {
    let facts = Facts::embedded();
    let haiku = facts.price("claude-haiku-4-5").unwrap().tariff;
    let written = Usage { input: 1_000_000, cache_write: 400_000, cache_read: 500_000, ..Usage::default() };
    assert_eq!(haiku.cost_microusd(&written), Some(100_000 + 500_000 + 50_000), "fresh 1.00, written 1.25, read 0.10");
    let gpt = facts.price("gpt-4o").unwrap().tariff;
    assert_eq!(gpt.cost_microusd(&written), Some(250_000 + 1_000_000 + 625_000), "no price listed: as other tokens");
}

#[test]
fn reasoning_costs_its_own_price_where_one_is_listed() {
    let text = r#"{"format":2,"compiled_on":"2026-01-01","sources":[{"id":"s","title":"t","as_of":"2026"}],
        "vendors":[{"name":"a","kind":"maker"}],"retirements":[],
        "prices":[{"vendor":"a","model":"m","match":{"equals":"m"},"input_usd_per_mtok":1,"output_usd_per_mtok":8,
        "reasoning_usd_per_mtok":3,"source":"s"}]}"#;
    let thought = Usage { output: 1_000_000, reasoning: 750_000, ..Usage::default() };
    let own = Facts::parse(text, "a test").unwrap();
    assert_eq!(own.price("m").unwrap().tariff.cost_microusd(&thought), Some(2_000_000 + 2_250_000));
    let plain = Facts::parse(&text.replace("\"reasoning_usd_per_mtok\":3,", ""), "a test").unwrap();
    assert_eq!(plain.price("m").unwrap().tariff.cost_microusd(&thought), Some(8_000_000));
    let broken = Usage { output: 1, reasoning: 2, ..Usage::default() };
    assert_eq!(plain.price("m").unwrap().tariff.cost_microusd(&broken), None);
}

#[test]
fn long_prompts_cost_their_own_prices_and_sums_say_when_they_cannot_tell() {
    let facts = Facts::embedded();
    let sonnet = facts.price("claude-sonnet-4-5").unwrap().tariff;
    assert_eq!(sonnet.cost_microusd(&usage(200_000, 0, 1000)), Some(600_000 + 15_000));
    assert_eq!(sonnet.cost_microusd(&usage(200_001, 0, 1000)), Some(1_200_006 + 22_500));
    let sum = |input| microusd(sonnet.sum(&usage(input, 0, 0)).unwrap().total());
    assert!(!sonnet.may_exceed(&usage(200_000, 0, 0)), "no single call can have been long");
    assert!(sonnet.may_exceed(&usage(200_010, 0, 0)));
    assert_eq!((sum(200_000), sum(200_010)), (600_000, 600_030));
    let old = EMBEDDED.replacen(
        "\"long_prompt\": {\"above_tokens\": 272000, ",
        "\"base_tier_tokens_max\": 272000, \"x\": {",
        1,
    );
    assert!(Facts::parse(&old, "a test").is_err(), "an unknown key is refused");
}

#[test]
fn files_of_the_first_format_are_still_read() {
    let text = r#"{"format":1,"compiled_on":"2026-01-01","sources":[{"id":"s","title":"t","as_of":"2026"}],
        "vendors":[{"name":"a","kind":"maker"}],"retirements":[],
        "prices":[{"vendor":"a","model":"m","match":{"equals":"m"},"input_usd_per_mtok":1,"base_tier_tokens_max":10,"source":"s"}]}"#;
    let facts = Facts::parse(text, "a test").unwrap();
    assert_eq!(facts.price("m").unwrap().tariff.cost_microusd(&usage(10, 0, 0)), Some(10));
    assert_eq!(
        facts.price("m").unwrap().tariff.cost_microusd(&usage(11, 0, 0)),
        None,
        "beyond the base tier it is unknown"
    );
}

#[test]
fn well_known_models_have_their_shutdown_date() {
    let facts = Facts::embedded();
    let table = [
        ("gpt-4o", "2027-01-14", Precision::Exact),
        ("gpt-4o-2024-08-06", "2027-01-14", Precision::Exact),
        ("gpt-4o-2024-05-13", "2026-10-23", Precision::Exact),
        ("gpt-4o-mini-2024-07-18", "2027-01-14", Precision::Exact),
        ("openai/gpt-4.1-mini", "2027-01-14", Precision::Exact),
        ("ft:gpt-4.1-mini-2025-04-14:acme::id", "2027-01-14", Precision::Exact),
        ("gpt-5-nano", "2026-12-11", Precision::Exact),
        ("o3", "2026-12-11", Precision::Exact),
        ("claude-3-5-sonnet-latest", "2025-10-28", Precision::Exact),
        ("claude-haiku-4-5", "2026-10-15", Precision::Earliest),
        ("claude-opus-4-1", "2026-08-05", Precision::Exact),
        ("gemini-2.5-pro", "2026-10-16", Precision::Earliest),
        ("vertex/gemini-2.5-pro", "2026-10-20", Precision::Exact),
        ("mistral-large-2407", "2025-03-30", Precision::Exact),
        ("sim-frontier-1", "2027-03-31", Precision::Exact),
    ];
    for (model, date, precision) in table {
        let found = facts.retirement(model).unwrap_or_else(|| panic!("{model} has no date"));
        assert_eq!((found.date, found.precision), (day(date), precision), "{model} by way of {}", found.model);
    }
    assert!(facts.retirement("ft:gpt-3.5-turbo:acme::id").is_none(), "its record does not speak of fine-tunes");
    assert_eq!(facts.retirement("gpt-4o-2024-08-06").unwrap().model, "gpt-4o");
}

/// Every record is reachable under its own name, and the whole file loads; the time is printed for the curious.
#[test]
fn every_embedded_record_can_be_found() {
    let begin = Instant::now();
    let facts = Facts::embedded();
    println!("{} prices, {} dates in {:?}", facts.prices.len(), facts.retirements.len(), begin.elapsed());
    assert!(facts.prices.len() > 400 && facts.retirements.len() > 200);
    for record in &facts.retirements {
        let found = retirement::find(facts.retirements.iter().filter(|r| r.vendor == record.vendor), &record.model);
        assert_eq!(found.map(|r| r.date), Some(record.date), "{} {}", record.vendor, record.model);
    }
}

#[test]
fn wrong_files_say_what_is_wrong() {
    let whole = |replace: (&str, &str)| {
        let text = r#"{"format":1,"compiled_on":"2026-01-01","sources":[{"id":"s","title":"t","as_of":"2026"}],
            "vendors":[{"name":"a","kind":"maker"}],
            "prices":[{"vendor":"a","model":"m","match":{"equals":"m"},"input_usd_per_mtok":1,"source":"s"}],
            "retirements":[{"vendor":"a","model":"m","status":"active","source":"s","verified_on":"2026"}]}"#;
        assert!(text.contains(replace.0));
        let mut error = match Facts::parse(&text.replacen(replace.0, replace.1, 1), "a test") {
            Ok(_) => return String::from("no error"),
            Err(error) => error.to_string(),
        };
        if let Err(Error::Syntax { source, .. }) = Facts::parse(&text.replacen(replace.0, replace.1, 1), "a test") {
            error = format!("{error}: {source}");
        }
        error
    };
    assert_eq!(whole(("equals", "equals")), "no error");
    let table = [
        (("\"format\":1", "\"format\":3"), "have format 3, this build reads formats up to 2"),
        (("compiled_on", "compiled_at"), "unknown field `compiled_at`"),
        (("2026-01-01", "yesterday"), "is not a date like 2026-11-22"),
        (("\"kind\":\"maker\"", "\"kind\":\"baker\""), "unknown variant `baker`"),
        (("_mtok\":1", "_mtok\":-1"), "-1 is not a price"),
        (
            ("\"vendor\":\"a\",\"model\":\"m\",\"match\"", "\"vendor\":\"b\",\"model\":\"m\",\"match\""),
            "names the vendor b",
        ),
        (("\"source\":\"s\",\"verified_on\"", "\"source\":\"x\",\"verified_on\""), "names the source x"),
    ];
    for (replace, expected) in table {
        let error = whole(replace);
        assert!(error.contains(expected), "{replace:?} gave: {error}");
    }
}

#[test]
fn replacement_file_is_read_and_a_missing_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facts.json");
    let missing = Facts::load_or_embedded(Some(&path)).unwrap_err();
    assert!(missing.to_string().contains("facts.json") && missing.hint().contains("read"), "{missing}");
    std::fs::write(&path, EMBEDDED.replacen("2026-11-22", "2026-11-23", 1)).unwrap();
    assert_eq!(Facts::load(&path).unwrap().compiled_on(), day("2026-11-23"));
    assert_eq!(Facts::load_or_embedded(None).unwrap().compiled_on(), Facts::embedded().compiled_on());
}

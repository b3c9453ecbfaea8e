//! The checks: what counts as right, what as wrong, and which check a step gets.

use freehold_evidence::check::{Check, Output, Shape, ToolCall};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::real_data::real;

fn says(text: &str) -> Output {
    Output { text: text.to_owned(), tool_calls: Vec::new() }
}

fn calls(calls: &[(&str, Value)]) -> Output {
    let tool_calls = calls
        .iter()
        .map(|(name, arguments)| ToolCall { name: (*name).to_owned(), arguments: arguments.clone() })
        .collect();
    Output { text: String::new(), tool_calls }
}

fn check(spec: &str) -> Check {
    Check::parse(spec, None).expect("the spec of the test is legal")
}

fn value(spec: &str, output: &str, reference: &str) -> f64 {
    check(spec).score(&says(output), &says(reference)).value
}

#[test]
fn exact_looks_past_spelling_but_not_past_words() {
    for (output, reference) in [
        ("  Billing ", "billing"),
        ("\"Billing.\"", "billing"),
        ("'billing'!", "billing"),
        ("new\n  order", "New order"),
        ("\u{ff22}\u{ff29}\u{ff2c}\u{ff2c}", "bill"),
        ("STRASSE", "stra\u{df}e"),
        ("\u{201c}Oui\u{201d}", "oui"),
        ("caf\u{e9}", "cafe\u{301}"),
    ] {
        assert_eq!(value("exact", output, reference), 1.0, "{output} against {reference}");
    }
    for (output, reference) in
        [("billing issue", "billing"), ("bill", "billing"), ("", "billing"), ("?", "!"), ("1.5", "15")]
    {
        assert_eq!(value("exact", output, reference), 0.0, "{output} against {reference}");
    }
}

#[test]
fn fields_count_equal_leaves_of_both() {
    let reference = r#"{"category": "billing", "priority": 2, "items": [{"id": 7}], "note": null}"#;
    for (output, expected) in [
        (r#"{"category": "Billing", "priority": 2.0, "items": [{"id": 7}]}"#, 1.0),
        (r#"{"priority": 2, "items": [{"id": 7}], "category": "billing", "note": null}"#, 1.0),
        (r#"{"category": "billing", "priority": 3, "items": [{"id": 7}]}"#, 4.0 / 6.0),
        (r#"{"category": "billing", "priority": 2}"#, 4.0 / 5.0),
        (r#"{"category": "billing", "priority": 2, "items": [{"id": 7}], "extra": 1}"#, 6.0 / 7.0),
        (r#"{"category": "billing", "priority": "2", "items": [{"id": 7}]}"#, 4.0 / 6.0),
        ("{}", 0.0),
        ("no JSON here", 0.0),
    ] {
        assert!((value("fields", output, reference) - expected).abs() < 1e-12, "{output}");
        assert_eq!(value("fields_exact", output, reference), f64::from(u8::from(expected == 1.0)), "{output}");
    }
    assert_eq!(value("field:category", r#"{"category": "BILLING", "priority": 9}"#, reference), 1.0);
    assert_eq!(value("field:items.0.id", r#"{"items": [{"id": 7}]}"#, reference), 1.0);
    assert_eq!(value("field:/items/0", r#"{"items": [{"id": 8}]}"#, reference), 0.0);
    assert_eq!(value("field:note", "{}", reference), 1.0);
}

#[test]
fn reasons_name_the_field_and_the_fault() {
    let reference = says(r#"{"a": {"b/c": 1}, "d": 2}"#);
    let reason = |spec: &str, output: &str| check(spec).score(&says(output), &reference).reason.expect("a reason");
    assert_eq!(reason("fields_exact", r#"{"a": {"b/c": 2}, "d": 2}"#), "field `/a/b~1c` differs");
    assert_eq!(reason("fields_exact", r#"{"a": {"b/c": 1}}"#), "field `/d` is missing");
    assert_eq!(
        reason("fields", r#"{"a": {"b/c": 1}, "d": 2, "e": 3}"#),
        "field `/e` is not in the reference (precision 0.667, recall 1.000)"
    );
    assert_eq!(reason("fields_exact", "Here: {\"a\": {\"b/c\": 1}, \"d\": 2}"), "the JSON stands inside other text");
    assert_eq!(reason("field:z", r#"{"z": 1}"#), "the reference has no field `z`");
    assert_eq!(reason("exact", " "), "the answer is empty");
}

#[test]
fn schema_is_a_gate_without_a_reference() {
    let schema = json!({
        "type": "object",
        "properties": {"priority": {"type": "integer", "minimum": 1, "maximum": 4}},
        "required": ["priority"],
        "additionalProperties": false
    });
    let check = Check::parse("schema", Some(&schema)).expect("a legal schema");
    assert_eq!(check.score(&says(r#"{"priority": 3}"#), &says("whatever")).value, 1.0);
    for wrong in [r#"{"priority": 7}"#, r#"{"priority": "3"}"#, "{}", r#"{"priority": 3, "x": 1}"#, "none", ""] {
        let score = check.score(&says(wrong), &says("whatever"));
        assert!(score.value == 0.0 && score.reason.is_some(), "{wrong}");
    }
    let reason = check.score(&says(r#"{"priority": "secret words"}"#), &says("")).reason.expect("a reason");
    assert!(reason.contains("/priority") && !reason.contains("secret"), "{reason}");

    let error = Check::parse("schema", None).expect_err("no schema");
    assert!(error.to_string().contains("there is none"), "{error}");
    for illegal in [json!({"type": "objekt"}), json!({"$ref": "http://127.0.0.1:9/schema.json"}), json!(3)] {
        assert!(Check::parse("schema", Some(&illegal)).is_err(), "{illegal}");
    }
}

#[test]
fn tool_calls_match_by_name_and_arguments_in_any_order() {
    let reference =
        calls(&[("shop.refund", json!({"order": "AB-12", "amount": 10})), ("notify", json!({"tags": ["a", "b"]}))]);
    let score = |output: &Output| check("tool_call").score(output, &reference);
    let right = [
        calls(&[("shop.refund", json!({"order": "AB-12", "amount": 10})), ("notify", json!({"tags": ["a", "b"]}))]),
        calls(&[("notify", json!({"tags": ["A", "b"]})), ("shop_refund", json!({"amount": 10.0, "order": "ab 12"}))]),
        calls(&[
            ("shop_refund", json!("{\"order\":\"ab12\",\"amount\":10,\"note\":null}")),
            ("notify", json!({"tags": ["a", "b"]})),
        ]),
    ];
    for output in &right {
        assert_eq!(score(output).value, 1.0, "{output:?}");
    }
    let refund = ("shop_refund", json!({"order": "AB-12", "amount": 10}));
    for (second, reason) in [
        (("notify", json!({"tags": ["b", "a"]})), "argument `tags` of `notify` differs"),
        (("notify", json!({"tags": ["a"]})), "argument `tags` of `notify` differs"),
        (("notify", json!({})), "argument `tags` of `notify` differs"),
        (("notify", json!({"tags": ["a", "b"], "to": "x"})), "argument `to` of `notify` differs"),
        (("notify", json!("{cut off")), "the arguments of `notify` are no JSON object"),
        (("escalate", json!({})), "tool `notify` was not called"),
    ] {
        let found = score(&calls(&[refund.clone(), second]));
        assert_eq!((found.value, found.reason.as_deref()), (0.0, Some(reason)));
    }
    assert_eq!(score(&calls(&[refund])).reason.as_deref(), Some("1 tool calls where the reference has 2"));
    assert_eq!(score(&says("I would refund it")).value, 0.0);
}

#[test]
fn quoted_numbers_keep_their_sign_and_point() {
    let right = |output: &str, reference: &str| {
        let call = |amount: &str| calls(&[("pay", json!({"amount": amount}))]);
        check("tool_call").score(&call(output), &call(reference)).value == 1.0
    };
    assert!(right("10.50", "10.5") && right("Main-St. 5", "main st 5"));
    assert!(!right("10.50", "1050") && !right("-5", "5"));
}

#[test]
fn answers_and_tool_calls_are_not_confused() {
    let call = calls(&[("lookup", json!({"id": 1}))]);
    // No call expected: making none is right, whatever the words.
    assert_eq!(check("tool_call").score(&says("hello"), &says("good day")).value, 1.0);
    assert_eq!(check("tool_call").score(&call, &says("good day")).value, 0.0);
    for spec in ["exact", "text", "fields_exact", "numeric"] {
        // A reference that is a call is compared as a call: two empty texts do not make it right.
        assert_eq!(check(spec).score(&call, &call).value, 1.0, "{spec}");
        assert_eq!(check(spec).score(&calls(&[("lookup", json!({"id": 2}))]), &call).value, 0.0, "{spec}");
        assert_eq!(check(spec).score(&says(""), &call).value, 0.0, "{spec}");
        let score = check(spec).score(&call, &says("5"));
        assert_eq!(score.reason.as_deref(), Some("called a tool where an answer was due"), "{spec}");
    }
}

#[test]
fn numbers_agree_within_the_tolerance() {
    for (spec, output, reference, expected) in [
        ("numeric", "The total is $1,234.50.", "1234.5", 1.0),
        ("numeric", "1234.51", "1234.5", 0.0),
        ("numeric:0.01", "1234.51", "1234.5", 1.0),
        ("numeric:0.01", "1234.52", "1234.5", 0.0),
        ("numeric:1%", "101", "100", 1.0),
        ("numeric:1%", "102", "100", 0.0),
        ("numeric:5,1%", "104", "100", 1.0),
        ("numeric", "12%", "0.12", 1.0),
        ("numeric", "12", "12 %", 1.0),
        ("numeric", "12%", "1200%", 0.0),
        ("numeric", "-5", "5", 0.0),
        ("numeric", "none", "5", 0.0),
        ("numeric", "5", "none", 0.0),
    ] {
        assert_eq!(value(spec, output, reference), expected, "{spec}: {output} against {reference}");
    }
}

#[test]
fn text_overlap_is_rouge_l_in_any_script() {
    // Lin 2004: "police killed the gunman" against two candidates of four words, 3 and 2 of them in order.
    let reference = "police killed the gunman";
    assert!((value("text", "police kill the gunman", reference) - 0.75).abs() < 1e-12);
    assert!((value("text", "the gunman kill police", reference) - 0.5).abs() < 1e-12);
    assert!((value("text", "Police, killed!", reference) - 2.0 * 2.0 / 6.0).abs() < 1e-12);
    for same in [
        "\u{6ce8}\u{6587}\u{3092}\u{30ad}\u{30e3}\u{30f3}\u{30bb}\u{30eb}",
        "\u{e2a}\u{e27}\u{e31}\u{e2a}\u{e14}\u{e35}",
        "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
        "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}",
    ] {
        assert_eq!(value("text", same, same), 1.0, "{same}");
    }
    // Half of the characters of a text written without spaces.
    assert!((value("text", "\u{6ce8}\u{6587}", "\u{6ce8}\u{6587}\u{53d6}\u{6d88}") - 4.0 / 6.0).abs() < 1e-12);
    assert_eq!(value("text", "...", "word"), 0.0);
    let long = "word ".repeat(5_000);
    let score = check("text").score(&says(&long), &says(&long));
    assert_eq!((score.value, score.reason.as_deref()), (1.0, Some("only the first 3000 words were compared")));
}

#[test]
fn specs_are_read_and_written_back() {
    for spec in [
        "exact",
        "fields",
        "fields_exact",
        "field:order.id",
        "tool_call",
        "numeric",
        "numeric:0.01",
        "numeric:5%",
        "numeric:0.5,5%",
        "text",
    ] {
        assert_eq!(check(spec).name(), spec);
    }
    for (spec, message) in [
        ("exakt", "no check is called `exakt`; the nearest is `exact`"),
        ("field", "the check `field` cannot take ``: the path of a field, as in field:category"),
        ("text:3", "the check `text` cannot take `3`: nothing after the name"),
    ] {
        assert_eq!(Check::parse(spec, None).expect_err(spec).to_string(), message);
    }
    for spec in ["numeric:x", "numeric:-1", "numeric:NaN", "numeric:", "field:", ""] {
        assert!(Check::parse(spec, None).is_err(), "{spec}");
    }
}

#[test]
fn default_check_follows_the_shape_of_the_step() {
    let schema = json!({"type": "object"});
    let call = calls(&[("refund", json!({}))]);
    let all = |output: Output| vec![output; 10];
    let sentence = "Thank you for writing to us, your order is on its way.";
    for (schema, has_tools, references, expected) in [
        (Some(&schema), false, all(says("{}")), "fields_exact"),
        (None, true, all(call.clone()), "tool_call"),
        (Some(&schema), true, all(call.clone()), "tool_call"),
        (None, true, all(says(sentence)), "text"),
        (None, false, all(says("{\"a\": 1}")), "fields_exact"),
        (None, false, all(says("```json\n{\"a\": 1}\n```")), "fields_exact"),
        (None, false, all(says("$12.50")), "numeric"),
        (None, false, all(says("billing question")), "exact"),
        (None, false, all(says(sentence)), "text"),
        (None, false, [all(says("billing")), all(says(sentence))].concat(), "text"),
        (None, false, Vec::new(), "text"),
    ] {
        let chosen = Check::default_for(&Shape { schema, has_tools, references: &references });
        assert_eq!(chosen.name(), expected, "{references:?}");
    }
}

proptest! {
    /// Whatever a model writes, no check panics, every score lies in [0, 1], and equal answers score 1.
    #[test]
    fn any_text_scores_between_0_and_1(output in ".{0,60}", reference in ".{0,60}") {
        for spec in ["exact", "fields", "fields_exact", "field:a", "tool_call", "numeric:1%", "text"] {
            let score = check(spec).score(&says(&output), &says(&reference));
            prop_assert!((0.0..=1.0).contains(&score.value), "{}: {}", spec, score.value);
            prop_assert!(score.value == 1.0 || spec == "text" || score.reason.is_some(), "{} gives no reason", spec);
        }
        for spec in ["exact", "text"] {
            prop_assert_eq!(check(spec).score(&says(&output), &says(&output)).value, 1.0);
        }
    }
}

/// Spells a call as another provider or model would, without changing what it says.
fn respelled(call: &ToolCall) -> ToolCall {
    fn respell(value: &Value) -> Value {
        match value {
            Value::String(text) if text.trim().parse::<f64>().is_err() => {
                json!(format!(" {} ", text.to_uppercase().replace(", ", ",")))
            }
            Value::Number(number) => json!(number.as_f64().expect("a finite number")),
            Value::Array(items) => items.iter().map(respell).collect(),
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), respell(value))).collect(),
            other => other.clone(),
        }
    }
    ToolCall { name: call.name.replace('.', "_"), arguments: json!(respell(&call.arguments).to_string()) }
}

/// Changes one argument of the call so that it says something else.
fn altered(call: &ToolCall) -> Option<ToolCall> {
    let mut altered = call.clone();
    let argument = altered.arguments.as_object_mut()?.values_mut().next()?;
    *argument = match &*argument {
        Value::String(text) => json!(format!("{text}x")),
        Value::Number(number) => json!(number.as_f64()? + 1.0),
        Value::Bool(flag) => json!(!flag),
        Value::Array(items) => json!([items.as_slice(), &[json!("one more")]].concat()),
        _ => json!("something else"),
    };
    Some(altered)
}

/// The calls a benchmark item accepts, each argument at its first accepted value; `None` where the item is malformed.
fn accepted(item: &Value) -> Option<Vec<ToolCall>> {
    let expected = item["expected_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let call = |call: &Value| {
        let arguments = call["args"].as_object()?.iter();
        let first = arguments.filter_map(|(name, values)| Some((name.clone(), values.get(0)?.clone())));
        let arguments = first.filter(|(_, value)| *value != json!("")).collect();
        Some(ToolCall { name: call["name"].as_str()?.to_owned(), arguments })
    };
    expected.iter().map(call).collect()
}

#[test]
fn benchmark_calls_match_in_any_spelling_and_no_other_call_does() {
    let Some(path) = real("bfcl/items.jsonl") else { return };
    let text = std::fs::read_to_string(path).expect("the file opens");
    let check = check("tool_call");
    let output = |tool_calls: Vec<ToolCall>| Output { text: String::new(), tool_calls };
    let (mut with_calls, mut without, mut alterations) = (0, 0, 0);
    for line in text.lines() {
        let item: Value = serde_json::from_str(line).expect("a line of JSON");
        // One item of the set lists a call's arguments without their names.
        let Some(expected) = accepted(&item) else { continue };
        let place = format!("{} {}", item["category"], item["index"]);
        if expected.is_empty() {
            without += 1;
            assert_eq!(check.score(&says("I cannot help with that"), &output(Vec::new())).value, 1.0, "{place}");
            let tool = item["functions"][0]["name"].as_str().expect("a tool").to_owned();
            let call = ToolCall { name: tool, arguments: json!({}) };
            assert_eq!(check.score(&output(vec![call]), &output(Vec::new())).value, 0.0, "{place}");
            continue;
        }
        with_calls += 1;
        let reference = output(expected.clone());
        let other: Vec<ToolCall> = expected.iter().rev().map(respelled).collect();
        let score = check.score(&output(other), &reference);
        assert_eq!(score.value, 1.0, "{place}: {:?}", score.reason);
        assert_eq!(check.score(&output(expected[1..].to_vec()), &reference).value, 0.0, "{place}: a call left out");
        if let Some(changed) = altered(&expected[0]) {
            alterations += 1;
            let others = [&[changed], &expected[1..]].concat();
            assert_eq!(check.score(&output(others), &reference).value, 0.0, "{place}: an argument altered");
        }
    }
    println!("{with_calls} items with calls, {without} without, {alterations} alterations caught");
    assert_eq!((with_calls, without), (999, 240));
    assert!(alterations > 950, "{alterations}");
}

/// Answers with a published right/wrong mark: the numeric check must agree with the publisher's own comparison.
#[test]
fn numeric_check_agrees_with_published_marks() {
    let Some(answers) = real("zeroeval/gsm_answers.jsonl") else { return };
    let Some(marks) = real("zeroeval/gsm_correct.csv") else { return };
    let mut reader = csv::Reader::from_path(marks).expect("the file opens");
    let headers = reader.headers().expect("a header line").clone();
    let rows: std::collections::HashMap<String, csv::StringRecord> =
        reader.records().map(|row| row.expect("a row")).map(|row| (row[0].to_owned(), row)).collect();
    let (mut compared, mut agreeing) = (0_u32, 0_u32);
    for line in std::fs::read_to_string(answers).expect("the file opens").lines() {
        let item: Value = serde_json::from_str(line).expect("a line of JSON");
        let reference =
            says(item["reference"].as_str().map_or_else(|| item["reference"].to_string(), str::to_owned).as_str());
        let row = &rows[item["id"].as_str().expect("an id")];
        for (model, answer) in item["answers"].as_object().expect("answers by model") {
            let Some(column) = headers.iter().position(|header| header == model) else { continue };
            let score = check("numeric").score(&says(answer.as_str().unwrap_or_default()), &reference);
            compared += 1;
            let is_as_published = score.value == row[column].parse::<f64>().expect("0 or 1");
            agreeing += u32::from(is_as_published);
            if !is_as_published {
                println!("{} {model}: {answer} against {}: {}", item["id"], reference.text, score.value);
            }
        }
    }
    println!("numeric check: {agreeing} of {compared} marks as published");
    assert!(compared > 10_000 && f64::from(agreeing) >= 0.995 * f64::from(compared), "{agreeing} of {compared}");
}

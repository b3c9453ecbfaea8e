//! The scorers one by one, and what holds for all of them whatever a line says.

use freehold_evidence::check::{
    Check, EmbeddingsError, GivenError, LineScorer, Normalisation, Output, cosine, embeddings, extract, given, refuses,
    similarity,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const SPECS: [&str; 19] = [
    "exact",
    "exact:none",
    "regex:a(b*)",
    "regex_full:[a-z]*",
    "numeric",
    "numeric:1%",
    "json",
    "json:strict",
    "schema",
    "fields",
    "fields_exact:a=set;b=key=id",
    "fields_precision",
    "fields_recall:a.*=tolerance=1%;c=ignore",
    "field:a.0",
    "tool_call",
    "refusal",
    "answered",
    "text",
    "chrf2",
];

fn says(text: &str) -> Output {
    Output { text: text.to_owned(), tool_calls: Vec::new() }
}

fn score(spec: &str, output: &str, reference: &str) -> (f64, String) {
    let check = Check::parse(spec, None).expect("the spec of the test is legal");
    let score = check.score(&says(output), &says(reference));
    (score.value, score.reason.unwrap_or_default())
}

fn value(spec: &str, output: &str, reference: &str) -> f64 {
    score(spec, output, reference).0
}

#[test]
fn exact_looks_past_what_it_is_told_to() {
    for (spec, output, reference, expected) in [
        ("exact:none", "Billing", "Billing", 1.0),
        ("exact:none", "Billing", "billing", 0.0),
        ("exact:case", "BILLING", "billing", 1.0),
        ("exact:case", "billing ", "billing", 0.0),
        ("exact:blanks", " a  b ", "a b", 1.0),
        ("exact:quotes", "\"a\"", "a", 1.0),
        ("exact:quotes", "\"a\".", "a", 0.0),
        ("exact:punctuation,quotes", "\"a\".", "a", 1.0),
        ("exact:nfkc", "\u{ff41}", "a", 1.0),
    ] {
        assert_eq!(value(spec, output, reference), expected, "{spec}: {output} against {reference}");
    }
    assert_eq!(Check::parse("exact:punctuation, case", None).expect("legal").name(), "exact:case,punctuation");
    assert!(Check::parse("exact:umlauts", None).is_err());
}

#[test]
fn patterns_are_searched_or_anchored_and_their_part_is_compared() {
    for (spec, output, reference, expected) in [
        (r"regex:answer is (\w+)", "So the answer is Blue.", "blue", 1.0),
        (r"regex:answer is (\w+)", "So the answer is blue.", "The answer is Blue!", 1.0),
        (r"regex:answer is (\w+)", "So the answer is red.", "blue", 0.0),
        (r"regex:answer is (\w+)", "blue", "blue", 0.0),
        (r"regex:(?:x|y)(?P<other>.)(?P<answer>\d)", "xz7", "7", 1.0),
        (r"regex:\d{4}-\d{2}-\d{2}", "on 2026-01-31, maybe", "anything", 1.0),
        (r"regex_full:\d{4}-\d{2}-\d{2}", "on 2026-01-31, maybe", "anything", 0.0),
        (r"regex_full:\d{4}-\d{2}-\d{2}", " 2026-01-31\n", "anything", 1.0),
        (r"regex_full:a|b", "ab", "anything", 0.0),
        (r"regex:(?i)yes", "YES", "", 1.0),
    ] {
        assert_eq!(value(spec, output, reference), expected, "{spec}: {output} against {reference}");
    }
    // An engine that goes back would take a lifetime for this one.
    assert_eq!(value(r"regex_full:(?:a+)+", &format!("{}b", "a".repeat(50_000)), ""), 0.0);
    for spec in ["regex", "regex:", "regex:(", "regex:a)(b", "regex:(?=a)", r"regex:\w{1000}{1000}"] {
        assert!(Check::parse(spec, None).is_err(), "{spec}");
    }
    assert_eq!(Check::parse(r"regex:a:(\d)", None).expect("legal").name(), r"regex:a:(\d)");
}

/// What the rules of fields are tried on.
const ORDER: &str =
    r#"{"tags": ["a", "b", "b"], "items": [{"id": 1, "n": 2}, {"id": 2, "n": 3}], "total": 100, "note": "x"}"#;

/// Asserts the score of each output against [`ORDER`].
fn assert_scores(cases: &[(&str, &str, f64)]) {
    for (spec, output, expected) in cases {
        let (value, reason) = score(spec, output, ORDER);
        assert!((value - expected).abs() < 1e-12, "{spec}: {output}: {value} {reason}");
    }
}

#[test]
fn fields_follow_their_rules() {
    assert_scores(&[
        (
            "fields_exact:tags=set",
            r#"{"tags": ["b", "A", "b"], "items": [{"id": 1, "n": 2}, {"id": 2, "n": 3}], "total": 100, "note": "x"}"#,
            1.0,
        ),
        (
            "fields_exact",
            r#"{"tags": ["b", "a", "b"], "items": [{"id": 1, "n": 2}, {"id": 2, "n": 3}], "total": 100, "note": "x"}"#,
            0.0,
        ),
        (
            "fields_exact:tags=set",
            r#"{"tags": ["a", "b"], "items": [{"id": 1, "n": 2}, {"id": 2, "n": 3}], "total": 100, "note": "x"}"#,
            0.0,
        ),
        (
            "fields_exact:items=key=id;tags=ordered",
            r#"{"tags": ["a", "b", "b"], "items": [{"id": 2, "n": 3}, {"id": 1, "n": 2}], "total": 100, "note": "x"}"#,
            1.0,
        ),
        (
            "fields_exact:/total=tolerance=1%;note=ignore",
            r#"{"tags": ["a", "b", "b"], "items": [{"id": 1, "n": 2}, {"id": 2, "n": 3}], "total": 101, "note": "y"}"#,
            1.0,
        ),
        (
            "fields_exact:items=key=id;items.*.n=tolerance=1",
            r#"{"tags": ["a", "b", "b"], "items": [{"id": 2, "n": 4}, {"id": 1, "n": 1}], "total": 100, "note": "x"}"#,
            1.0,
        ),
        (
            "fields_exact:items=key=id;items.*.n=tolerance=1",
            r#"{"tags": ["a", "b", "b"], "items": [{"id": 2, "n": 5}, {"id": 1, "n": 1}], "total": 100, "note": "x"}"#,
            0.0,
        ),
    ]);
}

#[test]
fn fields_count_what_is_said_and_what_is_asked_for() {
    // Four of the nine leaves are there; one of the five in the answer is wrong.
    assert_scores(&[
        ("fields_precision", r#"{"tags": ["a", "b", "b"], "total": 100, "note": "z"}"#, 4.0 / 5.0),
        ("fields_recall", r#"{"tags": ["a", "b", "b"], "total": 100, "note": "z"}"#, 4.0 / 9.0),
        ("fields", r#"{"tags": ["a", "b", "b"], "total": 100, "note": "z"}"#, 8.0 / 14.0),
        ("fields_precision", "{}", 0.0),
    ]);
    assert_eq!(
        score("fields_exact:tags=set", r#"{"tags": ["secret"]}"#, r#"{"tags": ["a"]}"#).1,
        "field `/tags` is missing"
    );
    let spec = "fields:tags=set;items=key=id;total=tolerance=0.5,1%;note=ignore;x.*=ordered";
    assert_eq!(Check::parse(spec, None).expect("legal").name(), spec);
    for spec in ["fields:tags", "fields:tags=bag", "fields:=set", "fields:a=key=", "fields:a=tolerance=x"] {
        assert!(Check::parse(spec, None).is_err(), "{spec}");
    }
}

#[test]
fn json_is_asked_for_strictly_or_not() {
    for (output, anywhere, strict) in [
        (r#"{"a": 1}"#, 1.0, 1.0),
        ("[]", 1.0, 1.0),
        ("Sure: {\"a\": 1}", 1.0, 0.0),
        ("```json\n{\"a\": 1}\n```", 1.0, 0.0),
        ("42", 0.0, 0.0),
        ("{\"a\": ", 0.0, 0.0),
        ("", 0.0, 0.0),
    ] {
        assert_eq!((value("json", output, ""), value("json:strict", output, "")), (anywhere, strict), "{output}");
    }
    assert_eq!(score("json", "Sure: {\"a\": 1}", "").1, "the JSON stands inside other text");
}

#[test]
fn refusals_are_told_from_answers_and_apologies() {
    for text in [
        "I'm sorry, but I can't help with that.",
        "I\u{2019}m sorry, but I can\u{2019}t assist with that request.",
        "I cannot provide medical advice.",
        "Unfortunately, I am unable to comply with this request.",
        "As an AI language model, I do not have access to your files.",
        "I must decline to answer this.",
        "Sorry, I can't.",
        "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.",
        "Je suis d\u{e9}sol\u{e9}, mais je ne peux pas vous aider avec cela.",
        "Lo siento, pero no puedo ayudar con eso.",
        "\u{62b1}\u{6b49}\u{ff0c}\u{6211}\u{65e0}\u{6cd5}\u{56de}\u{7b54}\u{3002}",
        "\u{7533}\u{3057}\u{8a33}\u{3042}\u{308a}\u{307e}\u{305b}\u{3093}\u{304c}\u{3001}\u{304a}\u{7b54}\u{3048}\u{3067}\u{304d}\u{307e}\u{305b}\u{3093}\u{3002}",
    ] {
        assert!(refuses(text), "{text}");
        assert_eq!(value("answered", text, ""), 0.0, "{text}");
        assert_eq!((value("refusal", text, "Here you are."), value("refusal", text, "true")), (0.0, 1.0), "{text}");
    }
    for text in [
        "I'm sorry for the delay. Your refund is on its way.",
        "The parcel cannot be delivered on Sundays.",
        "I found 3 orders.",
        "You can't lose with this plan, and I can help you choose.",
        "Sie k\u{f6}nnen uns nicht erreichen? Rufen Sie an.",
    ] {
        assert!(!refuses(text), "{text}");
        assert_eq!((value("answered", text, ""), value("refusal", text, "false")), (1.0, 1.0), "{text}");
    }
    assert_eq!((value("answered", " ", ""), value("refusal", "", "true")), (0.0, 0.0));
}

#[test]
fn chrf_agrees_with_sacrebleu() {
    // sacreBLEU 2.6.0, CHRF().sentence_score / 100.
    for (output, reference, expected) in [
        ("the cat sat on the mat", "the cat is on the mat", 0.645_779_420_625_287),
        ("police killed the gunman", "police kill the gunman", 0.816_239_221_912_013_9),
        ("Guten Tag, Welt!", "Guten Tag Welt", 0.689_123_453_676_826_6),
        (
            "\u{6ce8}\u{6587}\u{3092}\u{30ad}\u{30e3}\u{30f3}\u{30bb}\u{30eb}",
            "\u{6ce8}\u{6587}\u{3092}\u{53d6}\u{308a}\u{6d88}\u{3059}",
            0.155_268_443_312_191_55,
        ),
        ("ab", "abcdefgh", 0.234_042_553_191_489_35),
        ("x", "y", 0.0),
        ("a", "a", 1.0),
    ] {
        let found = value("chrf2", output, reference);
        assert!((found - expected).abs() < 1e-12, "{output} against {reference}: {found}");
    }
}

#[test]
fn scores_and_embeddings_of_others_are_read_with_care() {
    let score = given(br#" {"score": 0.5, "reason": "half", "more": 1} "#).expect("a score");
    assert_eq!((score.value, score.reason.as_deref()), (0.5, Some("half")));
    for (answer, error) in [
        ("", GivenError::NoObject),
        ("0.5", GivenError::NoObject),
        (r#"{"score": "1"}"#, GivenError::NoScore),
        (r#"{"score": 1.5}"#, GivenError::OutOfRange),
        (r#"{"score": -0.1}"#, GivenError::OutOfRange),
        (r#"{"score": 1} {"score": 0}"#, GivenError::NoObject),
    ] {
        assert_eq!(given(answer.as_bytes()), Err(error), "{answer}");
    }
    let answer = json!({"data": [{"index": 1, "embedding": [0, 2.5]}, {"index": 0, "embedding": [1, 0]}]});
    assert_eq!(embeddings(&answer, 2), Ok(vec![vec![1.0, 0.0], vec![0.0, 2.5]]));
    assert_eq!(embeddings(&answer, 3), Err(EmbeddingsError::Missing { texts: 3 }));
    for data in [json!([]), json!([{"embedding": [1]}, {"index": 0, "embedding": [1]}])] {
        assert_eq!(embeddings(&json!({ "data": data }), 2), Err(EmbeddingsError::Missing { texts: 2 }), "{data}");
    }
    for data in [
        json!([{"embedding": []}, {"embedding": [1]}]),
        json!([{"embedding": [1, 2]}, {"embedding": [1]}]),
        json!([1, 2]),
    ] {
        assert_eq!(embeddings(&json!({ "data": data }), 2), Err(EmbeddingsError::Numbers), "{data}");
    }
    assert_eq!(similarity(&[1.0, 0.0], &[-1.0, 0.0]).value, 0.0);
    assert_eq!(similarity(&[0.0], &[1.0]).reason.as_deref(), Some("the embeddings have no angle between them"));
    assert_eq!(cosine(&[1e300, 1e300], &[1e-300, 1e-300]).map(|cosine| (cosine * 1e9).round()), Some(1e9));
}

#[test]
fn every_check_says_what_it_is() {
    for spec in SPECS.into_iter().filter(|spec| *spec != "schema") {
        let check = Check::parse(spec, None).expect(spec);
        assert_eq!(Check::parse(&check.name(), None).expect(spec).name(), check.name());
        assert!(check.version() >= 1, "{spec}");
        let is_open = !check.normalisations().is_empty() || !check.warnings().is_empty();
        assert!(is_open || matches!(spec, "exact:none"), "{spec} says nothing of itself");
    }
    assert!(Check::parse("rouge_l", None).expect("legal").warnings()[0].contains("not of meaning"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        (-1e6_f64..1e6).prop_map(Value::from),
        "[a-c .,'\u{e9}-]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_call() -> impl Strategy<Value = Value> {
    ("[a-b.]{1,3}", prop::collection::btree_map("[a-c]", any_json(), 0..3))
        .prop_map(|(name, arguments)| json!({"name": name, "arguments": arguments}))
}

proptest! {
    /// Whatever stands in a line, it is a score in [0, 1] or an error, and a score below 1 has a reason where it is no likeness.
    #[test]
    fn any_line_scores_or_is_refused(output in any_json(), reference in any_json(), calls in prop::collection::vec(any_call(), 0..3)) {
        for spec in SPECS {
            let mut scorer = LineScorer::new(spec).expect("a check");
            for (output, reference) in [
                (output.clone(), reference.clone()),
                (json!({"tool_calls": calls}), json!({"text": "x", "tool_calls": reference})),
                (json!({"text": output, "tool_calls": reference}), json!({"tool_calls": calls})),
            ] {
                let line = json!({"output": output, "reference": reference, "schema": {"type": "object"}});
                if let Ok(score) = scorer.score(line.to_string().as_bytes()) {
                    prop_assert!((0.0..=1.0).contains(&score.value), "{} {}", spec, score.value);
                    let is_graded = ["text", "chrf2"].contains(&spec);
                    prop_assert!(score.value == 1.0 || is_graded || score.reason.is_some(), "{} {}", spec, line);
                }
            }
        }
    }

    /// Calls are right against themselves, in any order, as answers and as accepted values.
    #[test]
    fn calls_match_themselves_in_any_order(calls in prop::collection::vec(any_call(), 0..4), by in 0_usize..4) {
        let mut turned = calls.clone();
        turned.rotate_left(if calls.is_empty() { 0 } else { by % calls.len() });
        let accepted: Vec<Value> = calls.iter().map(|call| {
            let args: serde_json::Map<String, Value> = call["arguments"].as_object().expect("an object").iter()
                .map(|(name, value)| (name.clone(), json!([accepting(value)]))).collect();
            json!({"name": call["name"], "args": args})
        }).collect();
        for reference in [json!(calls), if accepted.is_empty() { Value::Null } else { json!(accepted) }] {
            let line = json!({"output": {"tool_calls": turned}, "reference": {"tool_calls": reference}});
            let score = LineScorer::new("tool_call").expect("a check").score(line.to_string().as_bytes()).expect("a line");
            prop_assert!(score.value == 1.0, "{} {:?}", line, score.reason);
        }
    }

    /// F1 does not mind which side is which; precision of one side is recall of the other.
    #[test]
    fn fields_mirror(one in any_json(), other in any_json()) {
        let (one, other) = (one.to_string(), other.to_string());
        prop_assert_eq!(value("fields", &one, &other), value("fields", &other, &one));
        prop_assert_eq!(value("fields_precision", &one, &other), value("fields_recall", &other, &one));
        for spec in ["fields", "fields_exact", "fields_exact:a=set;b=key=a;*=tolerance=1%"] {
            prop_assert_eq!(value(spec, &one, &one), 1.0, "{} {}", spec, &one);
        }
    }

    /// A set has no order.
    #[test]
    fn sets_have_no_order(items in prop::collection::vec(any_json(), 0..6), by in 0_usize..6) {
        let mut turned = items.clone();
        turned.rotate_left(if items.is_empty() { 0 } else { by % items.len() });
        let (items, turned) = (json!({"a": items}).to_string(), json!({"a": turned}).to_string());
        prop_assert_eq!(value("fields_exact:a=set", &turned, &items), 1.0);
    }

    /// JSON is found in prose that has no brackets of its own, and as it was written.
    #[test]
    fn json_is_found_in_prose(members in prop::collection::btree_map("[a-d]", any_json(), 1..4), before in "[a-z ,.:]{0,20}", after in "[a-z ,.:]{0,20}") {
        let wanted = json!(members);
        for text in [format!("{before}{wanted}{after}"), format!("{before}\n```json\n{wanted}\n```\n{after}")] {
            let found = extract(&text).expect("there is some");
            prop_assert_eq!(&found.value, &wanted);
        }
    }

    /// A number is read the same with separators, currency and words around it.
    #[test]
    fn numbers_survive_their_dress(whole in 0_u32..100_000_000, cents in 0_u32..100, words in "[a-z ]{0,10}") {
        let plain = format!("{whole}.{cents:02}");
        let digits = whole.to_string();
        let grouped: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
        for dressed in [
            format!("{words} ${}.{cents:02}", grouped.join(",")),
            format!("{words} {},{cents:02} \u{20ac}", grouped.join(".")),
            format!("{words} {},{cents:02}", grouped.join("\u{202f}")),
            format!("{words} {}.{cents:02}!", grouped.join("'")),
        ] {
            // One mark and three digits after it are thousands, so a whole number below a thousand has none.
            prop_assert_eq!(value("numeric", &dressed, &plain), 1.0, "{} against {}", dressed, plain);
        }
    }

    /// Normalising twice is normalising once, for every choice of steps.
    #[test]
    fn normalising_is_done_once(text in "\\PC{0,20}", chosen in 0_u8..32) {
        let names = ["nfkc", "case", "blanks", "quotes", "punctuation"];
        let wanted: Vec<&str> = names.into_iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1).map(|(_, name)| name).collect();
        let steps = Normalisation::parse(if wanted.is_empty() { "none".to_owned() } else { wanted.join(",") }.as_str()).expect("legal");
        let once = steps.apply(&text);
        prop_assert_eq!(steps.apply(&once), once);
    }

    #[test]
    fn cosine_is_symmetric_and_blind_to_length(pairs in prop::collection::vec((-1e3_f64..1e3, -1e3_f64..1e3), 1..8), by in 1e-3_f64..1e3) {
        let (one, other): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let longer: Vec<f64> = one.iter().map(|part| part * by).collect();
        if let (Some(there), Some(back), Some(scaled)) = (cosine(&one, &other), cosine(&other, &one), cosine(&longer, &other)) {
            prop_assert!((there - back).abs() < 1e-12 && (there - scaled).abs() < 1e-9 && (-1.0..=1.0).contains(&there));
        }
    }
}

/// A value as an accepted one: objects list accepted values for their members.
fn accepting(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), json!([value]))).collect(),
        other => other.clone(),
    }
}

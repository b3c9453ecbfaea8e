//! Estimated token counts against those of a real tokenizer.

use freehold_wire::{Answer, Api, ToolCall, estimate, requests};
use proptest::prelude::*;

/// Texts of different kinds with their tokens under `o200k_base`, the tokenizer of GPT-4o and its successors.
const COUNTED: &[(&str, u64)] = &[
    (
        "Your order has been shipped and should reach you within three working days. If it has not arrived by Friday, please \
         write to us again with the order's number, and we will look into it at once.",
        42,
    ),
    (
        r#"{"order_id":"A-20391-77","items":[{"sku":"KX-100","quantity":2,"price":19.95},{"sku":"ZZ-7","quantity":1,"price":204.5}],"status":"shipped","address":{"city":"Oslo","zip":"0150"}}"#,
        65,
    ),
    (
        "fn main() {\n    let total: u64 = (1..=100).filter(|n| n % 3 == 0).sum();\n    println!(\"the total is {total}\");\n}\n",
        41,
    ),
    (
        "Sehr geehrte Damen und Herren, leider müssen wir Ihnen mitteilen, dass die Lieferung Ihrer Bestellung sich um zwei \
         Wochen verzögert. Für Rückfragen stehen wir gerne zur Verfügung.",
        36,
    ),
    ("お客様のご注文は本日発送されました。到着まで三日ほどかかる見込みです。", 25),
    (
        "# Summary\n\n- **Revenue** grew by 12.4 % to EUR 1,203,400\n- **Costs** fell by 3.1 %\n- The *margin* is now 28 %\n\n## Next steps\n\n1. Review the contract\n2. Call the supplier\n",
        60,
    ),
    (
        "Bonjour, votre réservation est confirmée pour le 14 juillet à 19 h 30. Merci de nous prévenir en cas d'empêchement.",
        30,
    ),
    (
        "8f14e45f-ceea-467a-9634-1c8e2a0b9d55 2026-03-14T09:26:53.589Z ERR 503 upstream=eu-west-1b latency_ms=1874 retries=3",
        60,
    ),
];

#[test]
fn estimates_are_near_a_real_tokenizer() {
    let (mut estimated, mut counted) = (0, 0);
    for (text, count) in COUNTED {
        let estimate = estimate::tokens(text);
        println!("{estimate} for {count}: {text}");
        assert!(estimate.abs_diff(*count) * 100 <= 30 * count, "{estimate} is not within 30 % of {count}: {text}");
        estimated += estimate;
        counted += count;
    }
    assert!(estimated.abs_diff(counted) * 100 <= 7 * counted, "{estimated} in all is not within 7 % of {counted}");
}

#[test]
fn a_call_counts_everything_that_is_said() {
    let body = br#"{"model":"m","system":"Be brief and kind.","max_tokens":9,"tools":[{"name":"weather","description":"Tells the weather.",
        "input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"How is the weather in Oslo?"}]}"#;
    let request = requests::read(Api::AnthropicMessages, body).unwrap();
    let answer = Answer {
        text: "It rains.".into(),
        reasoning: "They ask about Oslo.".into(),
        tool_calls: vec![ToolCall { id: "c".into(), name: "weather".into(), arguments: "{\"city\":\"Oslo\"}".into() }],
        ..Answer::default()
    };
    let usage = estimate::usage(&request, &answer);
    assert_eq!(usage.reasoning, estimate::tokens("They ask about Oslo."));
    let all = "Be brief and kind. weather Tells the weather. {\"type\":\"object\"} How is the weather in Oslo?";
    assert!(usage.input > estimate::tokens(all) && usage.input < estimate::tokens(all) + 20, "{usage:?}");
    assert!(usage.output > usage.reasoning + estimate::tokens("It rains. weather {\"city\":\"Oslo\"}"), "{usage:?}");
    assert_eq!((usage.cache_read, usage.cache_write), (0, 0));
}

proptest! {
    #[test]
    fn no_text_takes_more_tokens_than_bytes(text in ".{0,80}") {
        let estimate = estimate::tokens(&text);
        prop_assert!(estimate <= text.len() as u64);
        // One blank alone goes with the word that follows it.
        let is_blank = text.chars().all(char::is_whitespace);
        prop_assert!(estimate > 0 || (is_blank && text.chars().count() < 2), "{estimate}");
    }
}

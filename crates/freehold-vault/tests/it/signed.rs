//! Signed texts: read back as written, however they are spaced; nothing in them can change unseen.

use freehold_vault::{Signed, SignedError, SigningKey, canonical};
use proptest::prelude::*;
use serde_json::{Value, json};

fn key() -> (tempfile::TempDir, SigningKey) {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::open_or_make(&home.path().join("key.pem")).unwrap();
    (home, key)
}

fn body() -> Value {
    json!({"z": 1.0, "a": [0.05, -0.0, 1e-7, "é\u{0}\"", null, true], "seed": u64::MAX, "of": {"b": {}, "a": []}})
}

#[test]
fn what_is_signed_is_one_line_of_canonical_json() {
    let (_home, key) = key();
    let text = Signed::seal(&body(), &key).unwrap().text();
    let golden =
        r#"{"a":[0.05,0,1e-7,"é\u0000\"",null,true],"of":{"a":[],"b":{}},"seed":"18446744073709551615","z":1}"#;
    let line = text.lines().nth(1).unwrap();
    assert_eq!(line, format!("\"body\":{golden},"));
    assert_eq!(canonical(&body()), golden);
}

#[test]
fn a_signed_text_reads_back_and_may_be_spaced_anew() {
    let (_home, key) = key();
    let signed = Signed::seal(&body(), &key).unwrap();
    let read = Signed::read(signed.text().as_bytes()).unwrap();
    assert_eq!((read.holds(), &read, read.sha256()), (true, &signed, signed.sha256()));
    let value: Value = serde_json::from_str(&signed.text()).unwrap();
    let spaced = Signed::read(serde_json::to_string_pretty(&value).unwrap().as_bytes()).unwrap();
    assert!(spaced.holds(), "the spelling that is signed is made anew");
}

#[test]
fn another_key_does_not_verify() {
    let ((_a, ours), (_b, theirs)) = (key(), key());
    let signed = Signed::seal(&body(), &ours).unwrap();
    let pem = |key: &SigningKey| json!(key.public().pem()).to_string();
    let swapped = signed.text().replace(&pem(&ours), &pem(&theirs));
    assert!(!Signed::read(swapped.as_bytes()).unwrap().holds());
}

#[test]
fn texts_that_are_not_signed_say_what_they_lack() {
    let (_home, key) = key();
    let text = Signed::seal(&body(), &key).unwrap().text();
    let told = |text: &str| match Signed::read(text.as_bytes()).unwrap_err() {
        SignedError::Json(source) => format!("json: {source}"),
        other => other.to_string(),
    };
    assert!(told(&text[..text.len() / 2]).starts_with("json: EOF"), "{}", told(&text[..text.len() / 2]));
    assert!(told("[]").contains("an object"));
    assert!(told(&text.replace("\"body\"", "\"bode\"")).contains("`body`"));
    assert!(told(&text.replace("\"signature\":\"", "\"signature\":\"?")).contains("`signature`"));
    assert!(told(&text.replace("BEGIN PUBLIC", "BEGIN PRIVATE")).contains("public key"));
    let twice = text.replace("\"z\":1", "\"z\":1,\"z\":2");
    assert!(told(&twice).contains("\"z\" stands there twice"), "{}", told(&twice));
    assert!(told(&"[".repeat(5_000)).contains("recursion limit"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever byte is changed, the text does not read, does not hold, or says the same as before.
    #[test]
    fn no_byte_changes_unseen(place in 0usize..1000, byte in any::<u8>()) {
        let (_home, key) = key();
        let signed = Signed::seal(&body(), &key).unwrap();
        let mut bytes = signed.text().into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(read) = Signed::read(&bytes) && read.holds() {
            prop_assert_eq!((&read.body, &read.public_key), (&signed.body, &signed.public_key));
        }
    }

    #[test]
    fn numbers_survive_their_spelling(float in any::<f64>().prop_filter("JSON has none", |float| float.is_finite())) {
        let spelled = canonical(&json!(float));
        prop_assert_eq!(spelled.parse::<f64>().unwrap(), float);
        prop_assert_eq!(canonical(&serde_json::from_str(&spelled).unwrap()), spelled);
    }
}

//! The stub's model: what it would say and call, from the words that reach it.

use serde_json::{Value, json};

/// What the model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skill {
    /// It does as it is told, and thinks first.
    Thinks,
    /// It does as it is told.
    Able,
    /// It says something, whatever it is told.
    Weak,
    /// It says nothing.
    Mute,
    /// It says one word.
    Terse,
}

/// What reached the model.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// All words, in order.
    pub(super) all: String,
    /// The last words of the user.
    pub(super) last: String,
    /// What sampling draws on.
    pub(super) draw: u64,
}

impl Skill {
    pub(super) fn obeys(self) -> bool {
        matches!(self, Skill::Thinks | Skill::Able)
    }

    /// Returns the words of an answer.
    pub(super) fn text(self, heard: &Heard) -> String {
        match self {
            Skill::Mute => String::new(),
            Skill::Terse => "yes".to_owned(),
            Skill::Thinks | Skill::Able => obedient(heard).unwrap_or_else(|| story(heard)),
            Skill::Weak => story(heard),
        }
    }

    /// Returns the calls of an answer, by name and arguments, where the model is free to make some.
    pub(super) fn calls(self, heard: &Heard) -> Vec<(String, Value)> {
        if !self.obeys() || !heard.last.starts_with("Call get_weather") {
            return Vec::new();
        }
        let cities = ["Paris", "Rome"].into_iter().filter(|city| heard.last.contains(city));
        cities.map(|city| ("get_weather".to_owned(), json!({"city": city}))).collect()
    }
}

fn obedient(heard: &Heard) -> Option<String> {
    if let Some((_, wanted)) = heard.last.split_once("say nothing else: ") {
        return Some(wanted.to_owned());
    }
    let secret = |mark: &str| {
        let (_, rest) = heard.all.split_once(mark)?;
        Some(rest.split(['.', ' ']).next()?.to_owned())
    };
    if heard.last.contains("What is the code word?") {
        return Some(secret("The code word is ").unwrap_or_else(|| "unknown".to_owned()));
    }
    heard
        .last
        .contains("What is the password?")
        .then(|| secret("The password is ").unwrap_or_else(|| "unknown".to_owned()))
}

/// Returns words that hang on what was said last and on the draw, and on nothing else.
fn story(heard: &Heard) -> String {
    let length = if heard.last.starts_with("Count") { 3000 } else { 60 };
    let mut state =
        heard.last.bytes().fold(heard.draw, |state, byte| state.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let words = (0..length).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("word{}", (state >> 40) % 9000)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns what a schema allows, as constrained decoding would: the first of each choice.
pub(super) fn allowed(schema: &Value) -> Value {
    if let Some(choice) = schema["enum"].get(0) {
        return choice.clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => Value::Bool(true),
        Some("object") => {
            let members = schema["properties"].as_object().into_iter().flatten();
            Value::Object(members.map(|(name, schema)| (name.clone(), allowed(schema))).collect())
        }
        _ => Value::String("x".to_owned()),
    }
}

//! Rules that say which model names a price covers.

use regex::Regex;
use serde::Deserialize;

/// Decides whether a model name is covered.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rule {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Regex(Pattern),
    Or(Vec<Rule>),
    And(Vec<Rule>),
    Not(Box<Rule>),
}

/// A regular expression that is known to compile.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Regex::new(&text).map(Self)
    }
}

impl Rule {
    /// Returns whether the rule covers a model name, compared letter by letter.
    pub(super) fn covers(&self, model: &str) -> bool {
        match self {
            Self::Equals(text) => model == text,
            Self::StartsWith(text) => model.starts_with(text.as_str()),
            Self::EndsWith(text) => model.ends_with(text.as_str()),
            Self::Contains(text) => model.contains(text.as_str()),
            Self::Regex(pattern) => pattern.0.is_match(model),
            Self::Or(rules) => rules.iter().any(|rule| rule.covers(model)),
            Self::And(rules) => rules.iter().all(|rule| rule.covers(model)),
            Self::Not(rule) => !rule.covers(model),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(rule: &str, model: &str) -> bool {
        serde_json::from_str::<Rule>(rule).unwrap().covers(model)
    }

    #[test]
    fn every_kind_of_rule_accepts_and_refuses() {
        let table = [
            (r#"{"equals":"a-b"}"#, "a-b", "a-bc"),
            (r#"{"starts_with":"a-"}"#, "a-b", "b-a-"),
            (r#"{"ends_with":"-b"}"#, "a-b", "a-b-"),
            (r#"{"contains":"-"}"#, "a-b", "ab"),
            (r#"{"regex":"^a-\\d{2}$"}"#, "a-12", "a-123"),
            (r#"{"or":[{"equals":"a"},{"equals":"b"}]}"#, "b", "c"),
            (r#"{"and":[{"starts_with":"a"},{"ends_with":"b"}]}"#, "a-b", "a-c"),
            (r#"{"not":{"starts_with":"ft:"}}"#, "a", "ft:a"),
        ];
        for (rule, yes, no) in table {
            assert!(covers(rule, yes), "{rule} should cover {yes}");
            assert!(!covers(rule, no), "{rule} should not cover {no}");
        }
    }

    #[test]
    fn impossible_rules_are_refused() {
        for rule in [r#"{"regex":"("}"#, r#"{"sounds_like":"a"}"#, r#"{"or":{"equals":"a"}}"#] {
            assert!(serde_json::from_str::<Rule>(rule).is_err(), "{rule}");
        }
    }
}

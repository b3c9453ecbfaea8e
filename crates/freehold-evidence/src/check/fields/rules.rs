//! How single fields are compared: arrays as sets or by a key, numbers within a tolerance, fields left out.

use super::super::Tolerance;
use super::super::spec::tolerance;

/// How one field is compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    /// An array by position, as without a rule.
    Ordered,
    /// An array whose whole items count, in any order, each as often as it occurs.
    Set,
    /// An array of objects that go together by the value of a member, in any order.
    Key(String),
    /// A number within a tolerance.
    Tolerance(Tolerance, String),
    /// Not at all.
    Ignore,
}

/// Holds the rules of single fields; a path goes by dots or is a JSON pointer, and `*` stands for any name or position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldRules(Vec<(String, Rule)>);

impl FieldRules {
    /// Reads `PATH=RULE;PATH=RULE`, where a rule is `set`, `ordered`, `key=NAME`, `tolerance=LIMITS` or `ignore`.
    #[must_use]
    pub fn parse(rules: &str) -> Option<Self> {
        let rule = |written: &str| {
            let (path, rule) = written.split_once('=')?;
            let rule = match rule.trim() {
                "set" => Rule::Set,
                "ordered" => Rule::Ordered,
                "ignore" => Rule::Ignore,
                other => match other.split_once('=') {
                    Some(("key", name)) if !name.trim().is_empty() => Rule::Key(name.trim().to_owned()),
                    Some(("tolerance", limits)) => Rule::Tolerance(tolerance(limits)?, limits.trim().to_owned()),
                    _ => return None,
                },
            };
            (!path.trim().is_empty()).then(|| (path.trim().to_owned(), rule))
        };
        rules.split(';').filter(|written| !written.trim().is_empty()).map(rule).collect::<Option<_>>().map(Self)
    }

    /// Returns the rules as [`Self::parse`] reads them; empty where there are none.
    #[must_use]
    pub fn names(&self) -> String {
        let name = |(path, rule): &(String, Rule)| match rule {
            Rule::Set => format!("{path}=set"),
            Rule::Ordered => format!("{path}=ordered"),
            Rule::Ignore => format!("{path}=ignore"),
            Rule::Key(name) => format!("{path}=key={name}"),
            Rule::Tolerance(_, limits) => format!("{path}=tolerance={limits}"),
        };
        self.0.iter().map(name).collect::<Vec<_>>().join(";")
    }

    /// Returns the rule for a place, the last that was written counts.
    pub(super) fn at(&self, place: &[String]) -> Option<&Rule> {
        let matching = self.0.iter().rev().find(|(path, _)| {
            let parts: Vec<String> = match path.strip_prefix('/') {
                Some(pointer) => pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
                None => path.split('.').map(str::to_owned).collect(),
            };
            parts.len() == place.len() && parts.iter().zip(place).all(|(part, name)| part == "*" || part == name)
        });
        matching.map(|(_, rule)| rule)
    }
}

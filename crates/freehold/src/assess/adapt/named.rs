//! Which adaptations an assessment may make: all, none, or those that are named.

use std::str::FromStr;

use serde::Deserialize;

use super::Adaptation;

/// Which adaptations may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Adapting(u16);

impl Adapting {
    /// Every one.
    pub const ALL: Adapting = Adapting(u16::MAX);
    /// Not one: requests are sent as they were recorded.
    pub const NONE: Adapting = Adapting(0);

    /// Returns whether an adaptation may be made.
    #[must_use]
    pub fn allows(self, adaptation: Adaptation) -> bool {
        self.0 & bit(adaptation) != 0
    }
}

fn bit(adaptation: Adaptation) -> u16 {
    1 << adaptation as u16
}

impl Adaptation {
    const ALL: [Adaptation; 8] = [
        Adaptation::DeveloperAsSystem,
        Adaptation::SystemMerged,
        Adaptation::SchemaStated,
        Adaptation::ReasoningRenamed,
        Adaptation::MaxTokensRenamed,
        Adaptation::VendorFieldsDropped,
        Adaptation::SamplingOfCard,
        Adaptation::ThinkingBudgeted,
    ];

    /// Returns its name, as in flags, configuration and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Adaptation::DeveloperAsSystem => "developer_as_system",
            Adaptation::SystemMerged => "system_merged",
            Adaptation::SchemaStated => "schema_stated",
            Adaptation::ReasoningRenamed => "reasoning_renamed",
            Adaptation::MaxTokensRenamed => "max_tokens_renamed",
            Adaptation::VendorFieldsDropped => "vendor_fields_dropped",
            Adaptation::SamplingOfCard => "sampling_of_card",
            Adaptation::ThinkingBudgeted => "thinking_budgeted",
        }
    }
}

/// A name is not that of an adaptation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no adaptation; there are all, none, or a list of {}", names())]
pub struct Unknown {
    found: String,
}

fn names() -> String {
    Adaptation::ALL.map(Adaptation::name).join(", ")
}

impl FromStr for Adapting {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text.trim() {
            "all" => return Ok(Adapting::ALL),
            "none" => return Ok(Adapting::NONE),
            _ => {}
        }
        text.split(',').try_fold(Adapting::NONE, |allowed, name| {
            let found = Adaptation::ALL.into_iter().find(|adaptation| adaptation.name() == name.trim());
            let adaptation = found.ok_or_else(|| Unknown { found: name.trim().to_owned() })?;
            Ok(Adapting(allowed.0 | bit(adaptation)))
        })
    }
}

impl TryFrom<String> for Adapting {
    type Error = Unknown;

    fn try_from(text: String) -> Result<Self, Unknown> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_an_unknown_one_is_told_with_those_that_there_are() {
        for adaptation in Adaptation::ALL {
            assert_eq!(serde_json::to_value(adaptation).unwrap(), adaptation.name());
            let only: Adapting = adaptation.name().parse().unwrap();
            let allowed: Vec<Adaptation> = Adaptation::ALL.into_iter().filter(|one| only.allows(*one)).collect();
            assert_eq!(allowed, [adaptation]);
            assert!(Adapting::ALL.allows(adaptation) && !Adapting::NONE.allows(adaptation));
        }
        let two: Adapting = "system_merged, thinking_budgeted".parse().unwrap();
        assert!(two.allows(Adaptation::SystemMerged) && two.allows(Adaptation::ThinkingBudgeted));
        assert!(!two.allows(Adaptation::DeveloperAsSystem));
        for wrong in ["", "system_merged,", "everything"] {
            let told = wrong.parse::<Adapting>().unwrap_err().to_string();
            assert!(told.contains("all, none") && told.contains("sampling_of_card"), "{told}");
        }
    }
}

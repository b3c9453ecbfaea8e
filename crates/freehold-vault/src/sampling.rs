//! How a model's publisher recommends that it be sampled, as recent GGUF headers say it.

use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;

/// How to sample; `None` is not said.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Temperature; 0 is greedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// How many of the likeliest tokens take part; 0 for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// The least share of the likeliest token's probability with which a token takes part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
}

impl Sampling {
    /// Checks that every value is one that can be sampled with.
    ///
    /// # Errors
    /// Says which is not, and what it must be.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: Option<f64>, most: f64| match value {
            Some(value) if !(0.0..=most).contains(&value) => {
                Err(format!("{name} is {value}, not between 0 and {most}"))
            }
            _ => Ok(()),
        };
        within("temperature", self.temperature, 5.0)?;
        within("top_p", self.top_p, 1.0)?;
        within("min_p", self.min_p, 1.0)
    }

    /// Reads what a header says; `None` where it says nothing.
    pub(crate) fn of_header(metadata: &Metadata) -> Option<Self> {
        let number = |name: &str| metadata.float(&format!("general.sampling.{name}")).map(shortest);
        let top_k = metadata.unsigned("general.sampling.top_k").and_then(|value| u32::try_from(value).ok());
        let found = Sampling { temperature: number("temp"), top_p: number("top_p"), top_k, min_p: number("min_p") };
        (found != Sampling::default()).then_some(found)
    }
}

/// Returns the number that somebody wrote down before it was kept in single precision: 0.95 for 0.949999988.
fn shortest(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

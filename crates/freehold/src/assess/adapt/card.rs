//! How a model's card says it is to be sampled: from the configuration, else from the header of its file.

use std::fmt;

use freehold_vault::Sampling;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::config::Model;
use crate::exit::Fault;

/// The sampling that a model's card recommends, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Who says it.
    pub from: Source,
    /// What.
    #[serde(flatten)]
    pub sampling: Sampling,
}

/// Who says how a model is to be sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The configuration: it takes the place of what requests say.
    Configuration,
    /// The header of the model's file: it is used where requests say nothing.
    FileHeader,
}

impl Card {
    /// Returns what the configuration says, where it says anything.
    ///
    /// # Errors
    /// A value is none that can be sampled with.
    pub(super) fn configured(sampling: Option<Sampling>, whose: &str) -> Result<Option<Self>, Fault> {
        let Some(sampling) = sampling.filter(|sampling| *sampling != Sampling::default()) else { return Ok(None) };
        sampling.check().map_err(|told| Fault::input(format!("`sampling` of {whose} cannot be used: {told}")))?;
        Ok(Some(Card { from: Source::Configuration, sampling }))
    }

    /// Returns the card of a model of ours: its configuration's, else its file's.
    ///
    /// # Errors
    /// A configured value is none that can be sampled with, or the file cannot be read.
    pub(crate) fn of_model(model: &Model) -> Result<Option<Self>, Fault> {
        let configured = Card::configured(model.sampling, &model.name)?;
        if configured.is_some() || model.backend == freehold_engine::Backend::Scripted {
            return Ok(configured);
        }
        let file = freehold_vault::inspect(&model.path).map_err(|error| {
            Fault::input(format!("the header of {} cannot be read", model.path.display())).because(error)
        })?;
        let said = file.sampling.filter(|sampling| sampling.check().is_ok());
        Ok(said.map(|sampling| Card { from: Source::FileHeader, sampling }))
    }

    /// Puts it into what is asked of our own engine; says whether that changed anything.
    pub(super) fn put(self, asked: &mut freehold_wire::Sampling) -> bool {
        let before = asked.clone();
        let over = |said: Option<f32>, card: Option<f64>| match self.from {
            Source::Configuration => card.map(|value| value as f32).or(said),
            Source::FileHeader => said.or(card.map(|value| value as f32)),
        };
        asked.temperature = over(asked.temperature, self.sampling.temperature);
        asked.top_p = over(asked.top_p, self.sampling.top_p);
        asked.top_k = match self.from {
            Source::Configuration => self.sampling.top_k.or(asked.top_k),
            Source::FileHeader => asked.top_k.or(self.sampling.top_k),
        };
        asked.min_p = over(asked.min_p, self.sampling.min_p);
        *asked != before
    }

    /// Puts it into a request of Chat Completions; says whether that changed anything.
    pub(super) fn write(self, request: &mut Map<String, Value>) -> bool {
        let mut is_changed = false;
        for (name, value) in self.members() {
            let is_said = request.get(name).is_some_and(|said| !said.is_null());
            if (self.from == Source::Configuration || !is_said) && request.get(name) != Some(&value) {
                request.insert(name.to_owned(), value);
                is_changed = true;
            }
        }
        is_changed
    }

    fn members(self) -> impl Iterator<Item = (&'static str, Value)> {
        let Sampling { temperature, top_p, top_k, min_p } = self.sampling;
        let all = [
            ("temperature", temperature.map(|value| json!(value))),
            ("top_p", top_p.map(|value| json!(value))),
            ("top_k", top_k.map(|value| json!(value))),
            ("min_p", min_p.map(|value| json!(value))),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.members().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {value}")?;
        }
        f.write_str(match self.from {
            Source::Configuration => ", as configured",
            Source::FileHeader => ", of the file's header, where requests say nothing",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(from: Source) -> Card {
        Card { from, sampling: Sampling { temperature: Some(0.6), top_k: Some(20), ..Sampling::default() } }
    }

    #[test]
    fn the_configuration_counts_more_than_the_request_and_the_header_less() {
        let request = json!({"temperature": 0, "top_k": null});
        let written = |from| {
            let mut request = request.as_object().unwrap().clone();
            assert!(card(from).write(&mut request));
            assert!(!card(from).write(&mut request.clone()), "twice is as good as once");
            Value::Object(request)
        };
        assert_eq!(written(Source::Configuration), json!({"temperature": 0.6, "top_k": 20}));
        assert_eq!(written(Source::FileHeader), json!({"temperature": 0, "top_k": 20}));
        for (from, temperature) in [(Source::Configuration, 0.6), (Source::FileHeader, 0.0)] {
            let mut asked = freehold_wire::Sampling { temperature: Some(0.0), ..Default::default() };
            assert!(card(from).put(&mut asked));
            assert!(!card(from).put(&mut asked.clone()), "twice is as good as once");
            assert_eq!((asked.temperature, asked.top_k), (Some(temperature), Some(20)));
        }
    }

    #[test]
    fn nonsense_is_refused_with_whose_it_is() {
        let wrong = Sampling { top_p: Some(1.5), ..Sampling::default() };
        let told = Card::configured(Some(wrong), "desk").unwrap_err().to_string();
        assert!(told.contains("desk") && told.contains("top_p"), "{told}");
        assert_eq!(Card::configured(Some(Sampling::default()), "desk").unwrap(), None);
    }
}

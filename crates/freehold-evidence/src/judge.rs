//! A model as a judge: what it said of pairs of answers in both orders, how far it may be believed, and how far it counts.
//! It asks nobody: texts come in, figures go out. A judge alone never makes a candidate adequate ([`admit`]).

use serde::{Deserialize, Serialize};

mod figures;
mod gate;
mod length;
mod reading;
mod repetition;

pub use figures::{Agreement, Error, Figures, Trial, agreement};
pub use gate::{Gate, Reason, admit};
pub use length::{LengthAdjusted, length_adjusted};
pub use repetition::{Repetition, repetition};

/// Says which answer a judge preferred, by the place in which it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The answer shown first.
    First,
    /// The answer shown second.
    Second,
    /// Neither.
    Tie,
}

impl Choice {
    /// Returns the choice that a judge's answer states; `None` where it states none, or more than one.
    ///
    /// Understood are the last JSON object with a member `winner` (also `verdict`, `choice`, `preferred` or `better`)
    /// whose value is 1, 2, `"1"`, `"2"`, `"A"`, `"B"`, `"first"`, `"second"`, `"tie"` or such a word after "answer" or the
    /// like; else the last line with text, if it names exactly one choice (`Winner: 2`, `[[A]]`, `Answer B is better.`).
    /// A line that weighs both, denies one or holds other numbers is not guessed at.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        reading::read(text)
    }
}

/// Says which of two answers is better, whatever the order they were shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// The candidate's.
    Candidate,
    /// The incumbent's.
    Incumbent,
    /// Neither.
    Tie,
}

/// Holds what a judge said of one pair of answers, asked once in each order; `None` where its answer could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Its choice with the candidate's answer shown first.
    pub candidate_first: Option<Choice>,
    /// Its choice with the candidate's answer shown second.
    pub candidate_second: Option<Choice>,
}

impl Comparison {
    /// Returns the candidate's score: 1 for a win, 0.5 for a tie, 0 for a loss, averaged over the two orders.
    ///
    /// Winning once and losing once is a tie. `None` where either verdict could not be read: with one order alone the
    /// judge's liking for a place would count. Source: Zheng et al. (2023, arXiv 2306.05685), section 3.4.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        Some(f64::midpoint(
            points(self.candidate_first?, Choice::First),
            points(self.candidate_second?, Choice::Second),
        ))
    }

    /// Returns which answer is preferred over both orders together; `None` as for [`Comparison::score`].
    #[must_use]
    pub fn preference(&self) -> Option<Preference> {
        let score = self.score()?;
        Some(if score > 0.5 {
            Preference::Candidate
        } else if score < 0.5 {
            Preference::Incumbent
        } else {
            Preference::Tie
        })
    }

    /// Returns whether both orders name the same answer, or both a tie; `None` where either could not be read.
    #[must_use]
    pub fn is_consistent(&self) -> Option<bool> {
        Some(points(self.candidate_first?, Choice::First) == points(self.candidate_second?, Choice::Second))
    }

    fn choices(&self) -> impl Iterator<Item = Option<Choice>> {
        [self.candidate_first, self.candidate_second].into_iter()
    }
}

/// Points of the candidate, whose answer was shown at `place`.
fn points(choice: Choice, place: Choice) -> f64 {
    match choice {
        Choice::Tie => 0.5,
        choice if choice == place => 1.0,
        _ => 0.0,
    }
}

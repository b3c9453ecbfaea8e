//! What a judge's words and people's labels come to: figures of the judge, and a decision as far as they carry it.

use freehold_evidence::judge::{self, Comparison, Figures, Gate};
use freehold_evidence::{Decision, Pair, Rule};

use super::super::result::{Judgement, Subset};
use super::super::subsets::{self, Divided};
use super::ballot::{self, Ballot, Belief};
use crate::exit::Fault;

/// What is known of one case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Word {
    /// Both answers are the same; nobody needs to be asked.
    Same,
    /// The candidate gave no answer, which is worse than any.
    NoAnswer,
    /// The judge was asked in both orders.
    Asked(Comparison),
}

/// One case as it is weighed.
pub(super) struct Weighed {
    pub(super) case: String,
    pub(super) cluster: Option<String>,
    pub(super) word: Word,
    pub(super) judgement: Judgement,
    /// Lengths of the candidate's and the incumbent's answer in characters.
    pub(super) lengths: (f64, f64),
    /// The answers as texts: the candidate's and the incumbent's.
    pub(super) texts: (String, String),
}

/// What it all came to.
pub(super) struct Weight {
    pub(super) decision: Decision,
    pub(super) figures: Figures,
    pub(super) refusals: Vec<String>,
    /// How far the judge's word entered the decision beside labels of people, 0 to 1; `None` where no label did.
    pub(super) weight: Option<f64>,
    /// The decision on each subset, from the labels and words of its cases.
    pub(super) subsets: Vec<Subset>,
}

impl Word {
    /// Returns candidate minus incumbent: 1, 0 or -1, or a half where one order tied; a verdict that cannot be read is a tie.
    pub(super) fn difference(self) -> f64 {
        match self {
            Word::Same => 0.0,
            Word::NoAnswer => -1.0,
            Word::Asked(comparison) => comparison.score().map_or(0.0, |score| 2.0 * score - 1.0),
        }
    }
}

impl Weighed {
    /// Returns the incumbent's and the candidate's score by the judge: a win is 1, a tie a half, a loss 0.
    pub(super) fn scores(&self) -> (f64, f64) {
        let difference = self.word.difference();
        (0.5 - difference / 2.0, 0.5 + difference / 2.0)
    }

    fn ballot(&self) -> Ballot {
        let (incumbent, candidate) = self.scores();
        let pair = Pair { case: self.case.clone(), incumbent, candidate, cluster: self.cluster.clone() };
        Ballot { pair, judgement: self.judgement }
    }
}

/// Weighs the judge's words with what people said, on the whole and on each subset.
pub(super) fn weigh(weighed: &[Weighed], divided: &[Divided], rule: &Rule, gate: &Gate) -> Result<Weight, Fault> {
    let lengths: Vec<(f64, f64)> = weighed.iter().map(|one| one.lengths).collect();
    let figures = ballot::figures(weighed.iter().map(|one| &one.judgement), &lengths, rule.confidence())?;
    let (candidate, incumbent): (Vec<&str>, Vec<&str>) =
        weighed.iter().map(|one| (one.texts.0.as_str(), one.texts.1.as_str())).unzip();
    let refusals = gate.refusals(&figures, judge::repetition(&candidate, &incumbent).as_ref());
    let told: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let belief = Belief::of(&told);
    let ballots: Vec<Ballot> = weighed.iter().map(Weighed::ballot).collect();
    let settled = ballot::decide_on(&ballots, rule, belief)?;
    let decision = match settled.weight {
        Some(_) => settled.decision,
        None => judge::admit(settled.decision, &refusals, None),
    };
    let subsets = subsets::decide(divided, &ballots, |members: &[Ballot]| {
        Ok::<_, Fault>(ballot::decide_on(members, rule, belief)?.admitted(belief))
    })?;
    Ok(Weight { decision, figures, refusals: told, weight: settled.weight, subsets })
}

/// Returns the judge's words by case, from the answers in both orders.
pub(super) fn comparison(candidate_first: Option<&str>, candidate_second: Option<&str>) -> Comparison {
    Comparison {
        candidate_first: candidate_first.and_then(judge::Choice::read),
        candidate_second: candidate_second.and_then(judge::Choice::read),
    }
}

//! One case as it enters a judged decision, and the decision: with people's labels and the judge's words together (PPI++),
//! or by the judge's words alone.

use freehold_evidence::judge::{self, Comparison, Figures, Preference};
use freehold_evidence::ppi::{self, LABELS_FEW, Labelled};
use freehold_evidence::{Decision, Pair, Rule, Verdict, decide, decision};

use super::super::result::{CaseResult, Judgement};
use crate::exit::Fault;

/// One case: the scores that the judge's words come to, and what was said.
#[derive(Debug, Clone)]
pub(crate) struct Ballot {
    pub(crate) pair: Pair,
    pub(crate) judgement: Judgement,
}

/// Whether a judge's words count beside labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belief {
    Believed,
    Refused,
}

impl Belief {
    /// Returns what reasons to refuse a judge come to.
    pub(crate) fn of(refusals: &[String]) -> Self {
        if refusals.is_empty() { Belief::Believed } else { Belief::Refused }
    }
}

/// A decision, before it is settled how far a judge may carry it.
pub(crate) struct Settled {
    pub(crate) decision: Decision,
    /// How far the judge's words entered it beside labels, 0 to 1; `None` where no label entered.
    pub(crate) weight: Option<f64>,
}

impl Ballot {
    /// Takes a case of a result; none where no judge compared.
    pub(crate) fn of_case(case: &CaseResult) -> Option<Self> {
        Some(Ballot { pair: case.pair(), judgement: case.judgement? })
    }

    /// Returns candidate minus incumbent by the judge's words.
    fn judge(&self) -> f64 {
        self.pair.candidate - self.pair.incumbent
    }

    /// Returns whether a person said it, and not the sameness of both answers.
    fn is_labelled(&self) -> bool {
        let is_same = self.judgement.asked.is_none() && self.judge() == 0.0;
        self.judgement.person.is_some() && !is_same
    }
}

impl Settled {
    /// Returns the decision as far as a judge may carry it: alone it never makes a candidate adequate, refused it decides nothing.
    pub(crate) fn admitted(self, belief: Belief) -> Decision {
        let is_taken_back = belief == Belief::Refused || self.decision.verdict == Verdict::Adequate;
        if self.weight.is_none() && is_taken_back {
            return Decision { verdict: Verdict::Undecided, more_needed: None, ..self.decision };
        }
        self.decision
    }
}

/// Decides on ballots, with people's labels where the judge is believed and there are enough.
pub(crate) fn decide_on(ballots: &[Ballot], rule: &Rule, belief: Belief) -> Result<Settled, Fault> {
    let pairs: Vec<Pair> = ballots.iter().map(|ballot| ballot.pair.clone()).collect();
    let alone =
        decide(&pairs, rule).map_err(|error| Fault::input("no decision can be made on these cases").because(error))?;
    let labels = ballots.iter().filter(|ballot| ballot.is_labelled()).count();
    if belief == Belief::Believed && labels >= LABELS_FEW {
        return with_people(ballots, labels, (rule, alone));
    }
    Ok(Settled { decision: alone, weight: None })
}

/// Returns the p-value of these ballots' claim that the candidate is adequate: 1 where no level would do.
///
/// # Errors
/// As for [`decide_on`].
pub(crate) fn p_value(ballots: &[Ballot], rule: &Rule, belief: Belief) -> Result<f64, Fault> {
    if decide_on(ballots, rule, belief)?.weight.is_none() {
        // By itself a judge makes nobody adequate.
        return Ok(1.0);
    }
    // A rule's confidence is above one half, be it by a hair.
    let at = |level: f64| Rule::new(rule.margin(), (1.0 - level).max(0.5 + 1e-9)).expect("the margin is a rule's");
    Ok(decision::smallest_level(|level| {
        decide_on(ballots, &at(level), belief).is_ok_and(|settled| settled.decision.verdict == Verdict::Adequate)
    }))
}

/// People's differences on the drawn cases, the judge's on all: PPI++.
fn with_people(ballots: &[Ballot], labels: usize, (rule, alone): (&Rule, Decision)) -> Result<Settled, Fault> {
    let (labelled, judged) = parted(ballots);
    let found = ppi::estimate(&labelled, &judged, rule)
        .map_err(|error| Fault::input("no decision can be made on these labels").because(error))?;
    // Cases of one run are not independent; the judge's words, of which there are most, say how much that widens the limits.
    let widening = alone.design_effect.max(1.0).sqrt();
    let lower = (found.difference - (found.difference - found.lower) * widening).max(-1.0);
    let upper = (found.difference + (found.upper - found.difference) * widening).min(1.0);
    let verdict = match found.verdict {
        Verdict::Adequate if lower <= -rule.margin() => Verdict::Undecided,
        Verdict::NotAdequate if upper >= -rule.margin() => Verdict::Undecided,
        verdict => verdict,
    };
    let mut notes = found.notes;
    notes.push(format!(
        "{labels} labels of people and the judge's word on {} further cases: the judge enters with weight {:.2}, and the labels are \
         worth {:.1} times as many",
        found.judged, found.weight, found.labels_worth
    ));
    let decision = Decision {
        difference: found.difference,
        lower,
        upper,
        verdict,
        more_needed: None,
        method: "ppi_plus_plus".to_owned(),
        notes,
        ..alone
    };
    Ok(Settled { decision, weight: Some(found.weight) })
}

/// Returns the cases on which a person decided, and the judge's differences on all others.
fn parted(ballots: &[Ballot]) -> (Vec<Labelled>, Vec<f64>) {
    let (mut labelled, mut judged) = (Vec::new(), Vec::new());
    for ballot in ballots {
        match ballot.judgement.person {
            Some(person) => labelled.push(Labelled { person, judge: ballot.judge() }),
            None => judged.push(ballot.judge()),
        }
    }
    (labelled, judged)
}

/// Returns the figures of a judge; `lengths` are those of the answers of each case, or none at all.
pub(crate) fn figures<'a>(
    judgements: impl Iterator<Item = &'a Judgement> + Clone,
    lengths: &[(f64, f64)],
    confidence: f64,
) -> Result<Figures, Fault> {
    let asked = |judgement: &Judgement| judgement.asked;
    let put = judgements.clone().filter(|judgement| judgement.asked.is_some());
    let comparisons: Vec<Comparison> = judgements.clone().filter_map(asked).collect();
    let people: Vec<Option<Preference>> = put.clone().map(|judgement| judgement.person.map(preference)).collect();
    let nothing = Comparison { candidate_first: None, candidate_second: None };
    let repeat: Vec<Comparison> = put.map(|judgement| judgement.again.unwrap_or(nothing)).collect();
    let canaries: Vec<Comparison> = judgements.clone().filter_map(|judgement| judgement.planted).collect();
    let of_put = judgements.zip(lengths).filter(|(judgement, _)| judgement.asked.is_some());
    let lengths: Vec<(f64, f64)> = of_put.map(|(_, lengths)| *lengths).collect();
    let trial = judge::Trial {
        comparisons: &comparisons,
        people: &people,
        repeat: &repeat,
        lengths: &lengths,
        canaries: &canaries,
    };
    Figures::of(&trial, confidence)
        .map_err(|error| Fault::internal("the judge's figures cannot be worked out").because(error))
}

fn preference(person: f64) -> Preference {
    if person > 0.0 {
        Preference::Candidate
    } else if person < 0.0 {
        Preference::Incumbent
    } else {
        Preference::Tie
    }
}

//! What a judge's words and people's labels come to: figures of the judge, and a decision as far as they carry it.

use freehold_evidence::judge::{self, Comparison, Figures, Gate};
use freehold_evidence::ppi::{self, LABELS_FEW, Labelled};
use freehold_evidence::{Decision, Pair, Rule, Verdict, decide};
use freehold_store::Preference;

use super::draw::Counted;
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
    /// Whether labels of people entered the decision.
    pub(super) by_people: bool,
    /// How far the judge's word entered it, 0 to 1, where it did beside labels.
    pub(super) weight: Option<f64>,
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

/// Weighs the judge's words with what people said.
pub(super) fn weigh(weighed: &[Weighed], counted: &Counted, rule: &Rule) -> Result<Weight, Fault> {
    let figures = figures(weighed, counted, rule)?;
    let (candidate, incumbent): (Vec<&str>, Vec<&str>) =
        weighed.iter().map(|one| (one.texts.0.as_str(), one.texts.1.as_str())).unzip();
    let refusals = Gate::default().refusals(&figures, judge::repetition(&candidate, &incumbent).as_ref());
    let pairs: Vec<Pair> = weighed.iter().map(pair).collect();
    let alone =
        decide(&pairs, rule).map_err(|error| Fault::input("no decision can be made on these cases").because(error))?;
    let words = refusals.iter().map(ToString::to_string).collect();
    if refusals.is_empty() && counted.said.len() >= LABELS_FEW {
        let (decision, weight) = with_people(weighed, counted, (rule, alone))?;
        return Ok(Weight { decision, figures, refusals: words, by_people: true, weight: Some(weight) });
    }
    let decision = judge::admit(alone, &refusals, None);
    Ok(Weight { decision, figures, refusals: words, by_people: false, weight: None })
}

fn figures(weighed: &[Weighed], counted: &Counted, rule: &Rule) -> Result<Figures, Fault> {
    let asked: Vec<(&Weighed, Comparison)> = weighed
        .iter()
        .filter_map(|one| match one.word {
            Word::Asked(comparison) => Some((one, comparison)),
            Word::Same | Word::NoAnswer => None,
        })
        .collect();
    let comparisons: Vec<Comparison> = asked.iter().map(|(_, comparison)| *comparison).collect();
    let people: Vec<Option<judge::Preference>> =
        asked.iter().map(|(one, _)| counted.said.get(&one.case).copied().map(told)).collect();
    let lengths: Vec<(f64, f64)> = asked.iter().map(|(one, _)| one.lengths).collect();
    let trial =
        judge::Trial { comparisons: &comparisons, people: &people, lengths: &lengths, ..judge::Trial::default() };
    Figures::of(&trial, rule.confidence())
        .map_err(|error| Fault::internal("the judge's figures cannot be worked out").because(error))
}

/// People's differences on the drawn cases, the judge's on all: PPI++. Returns the judge's weight as well.
fn with_people(
    weighed: &[Weighed],
    counted: &Counted,
    (rule, alone): (&Rule, Decision),
) -> Result<(Decision, f64), Fault> {
    let (labelled, judged) = parted(weighed, counted);
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
        "{} labels of people and the judge's word on {} further cases: the judge enters with weight {:.2}, and the labels are \
         worth {:.1} times as many",
        counted.said.len(),
        found.judged,
        found.weight,
        found.labels_worth
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
    Ok((decision, found.weight))
}

/// Returns the cases on which a person decided, and the judge's differences on all others.
fn parted(weighed: &[Weighed], counted: &Counted) -> (Vec<Labelled>, Vec<f64>) {
    let mut labelled = Vec::new();
    let mut judged = Vec::new();
    for one in weighed {
        let judge = one.word.difference();
        let is_same = one.word == Word::Same && counted.drawn.contains(&one.case);
        let person = counted.said.get(&one.case).copied().map(difference).or(is_same.then_some(0.0));
        match person {
            Some(person) => labelled.push(Labelled { person, judge }),
            None => judged.push(judge),
        }
    }
    (labelled, judged)
}

fn pair(one: &Weighed) -> Pair {
    let (incumbent, candidate) = scores(one.word.difference());
    Pair { case: one.case.clone(), incumbent, candidate, cluster: one.cluster.clone() }
}

/// Returns the incumbent's and the candidate's score of a difference: a win is 1, a tie a half, a loss 0.
pub(super) fn scores(difference: f64) -> (f64, f64) {
    (0.5 - difference / 2.0, 0.5 + difference / 2.0)
}

fn told(preference: Preference) -> judge::Preference {
    match preference {
        Preference::Incumbent => judge::Preference::Incumbent,
        Preference::Candidate => judge::Preference::Candidate,
        Preference::BothFine | Preference::BothWrong => judge::Preference::Tie,
    }
}

fn difference(preference: Preference) -> f64 {
    match told(preference) {
        judge::Preference::Candidate => 1.0,
        judge::Preference::Incumbent => -1.0,
        judge::Preference::Tie => 0.0,
    }
}

/// Returns the judge's words by case, from the answers in both orders.
pub(super) fn comparison(candidate_first: Option<&str>, candidate_second: Option<&str>) -> Comparison {
    Comparison {
        candidate_first: candidate_first.and_then(judge::Choice::read),
        candidate_second: candidate_second.and_then(judge::Choice::read),
    }
}

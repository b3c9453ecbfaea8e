//! The labels that a judge is held against: of cases drawn at random, about the very answers that it sees.

use std::collections::{BTreeSet, HashMap, HashSet};

use freehold_store::{AssessmentHead, Preference, Said, Store};
use serde_json::{Value, json};

use super::super::cases::Chosen;
use super::super::plan::Plan;
use super::super::replay::CANDIDATE;
use super::super::seals;
use super::weigh::Word;
use crate::label::queue::in_random_order;

/// The share of the drawn cases that must have been decided on; of those passed over nothing is known.
const DECIDED_SHARE_MIN: f64 = 0.9;

/// What people said of the answers of one assessment.
pub(super) struct Draw {
    /// The assessment from which cases were drawn.
    pub(super) head: AssessmentHead,
    /// The seed of their order.
    pub(super) seed: u64,
    /// By case, the newest.
    labels: HashMap<String, Label>,
}

struct Label {
    preference: Preference,
    /// Digests of the incumbent's and the candidate's answer.
    about: [String; 2],
    who: String,
}

/// A label of a pair, and where it was drawn.
struct Told {
    assessment: String,
    seed: u64,
    case: String,
    label: Label,
}

fn heads(store: &Store, candidate: &str) -> anyhow::Result<HashMap<String, AssessmentHead>> {
    let all = store.assessments()?.into_iter().map(|one| one.head);
    Ok(all.filter(|head| head.candidate == candidate).map(|head| (head.id.clone(), head)).collect())
}

/// Returns the labels of pairs that were drawn from these assessments and said until a moment, in the order said.
fn pairs_told(
    store: &Store,
    (step, heads): (&str, &HashMap<String, AssessmentHead>),
    at_ms: i64,
) -> anyhow::Result<Vec<Told>> {
    let mut told = Vec::new();
    for label in store.labels_at(step, at_ms)? {
        let (Some(assessment), Some(seed), case) = (label.assessment, label.seed, label.case) else { continue };
        let Said::Pair { preference, incumbent_sha256, candidate_sha256 } = label.said else { continue };
        if heads.contains_key(&assessment) {
            let label = Label { preference, about: [incumbent_sha256, candidate_sha256], who: label.who };
            told.push(Told { assessment, seed, case, label });
        }
    }
    Ok(told)
}

/// The labels that count.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// What people said, by case.
    pub(super) said: HashMap<String, Preference>,
    /// The cases up to which everything was drawn in order, those with equal answers included.
    pub(super) drawn: HashSet<String>,
    /// Who said it.
    pub(super) people: BTreeSet<String>,
    /// Labels of cases that were not drawn in their order, or of other answers.
    pub(super) left_out: usize,
}

/// The two answers of a case, by their digests.
pub(super) struct Pair {
    pub(super) case: String,
    pub(super) about: [String; 2],
}

impl Draw {
    /// Returns what people said of a candidate's answers on a step; cases are those of the assessment most was said about.
    pub(super) fn of(store: &Store, step: &str, candidate: &str) -> anyhow::Result<Option<Self>> {
        let heads = heads(store, candidate)?;
        let mut counts: HashMap<(String, u64), usize> = HashMap::new();
        for told in pairs_told(store, (step, &heads), i64::MAX)? {
            *counts.entry((told.assessment, told.seed)).or_default() += 1;
        }
        let most = counts.into_iter().max_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        let drawn = most.map(|((assessment, seed), _)| (heads[&assessment].clone(), seed));
        drawn.map(|drawn| Draw::as_of(store, drawn, i64::MAX)).transpose()
    }

    /// Returns what people had said at a moment of the cases that an assessment was drawn from with a seed.
    pub(super) fn as_of(store: &Store, (head, seed): (AssessmentHead, u64), at_ms: i64) -> anyhow::Result<Self> {
        let told = pairs_told(store, (&head.step, &heads(store, &head.candidate)?), at_ms)?;
        let labels = told.into_iter().filter(|told| told.seed == seed).map(|told| (told.case, told.label)).collect();
        Ok(Draw { head, seed, labels })
    }

    /// Returns the draw that a plan declares, as it stood at a moment; `None` where it declares none.
    pub(super) fn recalled(store: &Store, plan: &Value, at_ms: i64) -> anyhow::Result<Option<Self>> {
        let drawn = &plan["judge"]["drawn"];
        let (Some(assessment), Some(seed)) = (drawn["assessment"].as_str(), drawn["seed"].as_u64()) else {
            return Ok(None);
        };
        let found = store.assessment(assessment)?;
        found.map(|found| Draw::as_of(store, (found.head, seed), at_ms)).transpose()
    }

    /// Returns it as a plan declares it.
    pub(super) fn declared(&self) -> Value {
        json!({"assessment": self.head.id, "seed": self.seed})
    }

    /// Returns the cases that people were asked about or could have been.
    pub(super) fn cases(&self, store: &Store) -> anyhow::Result<HashSet<String>> {
        let replays = store.replays(&self.head.id)?.into_iter();
        Ok(replays.filter(|replay| replay.arm == CANDIDATE).map(|replay| replay.case).collect())
    }

    /// Returns whether the assessment ended before all of its cases were in.
    pub(super) fn is_of_a_part(&self, cases: usize) -> bool {
        self.head.plan["cases"].as_u64().is_some_and(|planned| (cases as u64) < planned)
    }

    /// Takes over the answers that people saw, where they are of the same candidate; returns how many.
    pub(super) fn take_over(
        &self,
        store: &Store,
        head: &AssessmentHead,
        (chosen, plan): (&Chosen, &Plan),
    ) -> anyhow::Result<Option<usize>> {
        if self.head.plan.get("lock") != Some(&plan.lock.clone().unwrap_or_default()) {
            return Ok(None);
        }
        let there: HashSet<String> = store.replays(&head.id)?.into_iter().map(|replay| replay.case).collect();
        let wanted: HashMap<&str, ()> = chosen.cases.iter().map(|case| (case.call.id.as_str(), ())).collect();
        let mut taken = store.replays(&self.head.id)?;
        taken.retain(|replay| {
            let is_wanted = wanted.contains_key(replay.case.as_str()) && !there.contains(&replay.case);
            is_wanted && replay.arm == CANDIDATE && replay.answer.is_some()
        });
        if !taken.is_empty() {
            store.add_replays(&head.id, &taken)?;
        }
        Ok(Some(taken.len()))
    }

    /// Returns the labels of cases drawn in their order, as far as at least nine of ten were decided on.
    ///
    /// Labels of cases that somebody picked stand behind ones that nobody decided on, and so are left out.
    pub(super) fn counted(&self, pairs: &[Pair]) -> Counted {
        let by_case: HashMap<&str, &Pair> = pairs.iter().map(|pair| (pair.case.as_str(), pair)).collect();
        let order = in_random_order(pairs.iter().map(|pair| pair.case.clone()), self.seed);
        let label_of = |case: &str| self.labels.get(case).filter(|label| label.about == by_case[case].about);
        let (mut asked, mut decided, mut end) = (0_u64, 0_u64, 0);
        for (place, case) in order.iter().enumerate() {
            let pair = by_case[case.as_str()];
            if pair.about[0] == pair.about[1] {
                continue;
            }
            asked += 1;
            decided += u64::from(label_of(case).is_some());
            if label_of(case).is_some() && decided as f64 >= DECIDED_SHARE_MIN * asked as f64 {
                end = place + 1;
            }
        }
        let mut counted = Counted::default();
        for case in &order[..end] {
            counted.drawn.insert(case.clone());
            if let Some(label) = label_of(case) {
                counted.said.insert(case.clone(), label.preference);
                counted.people.insert(label.who.clone());
            }
        }
        counted.left_out = self.labels.len() - counted.said.len();
        counted
    }
}

impl Counted {
    /// Returns the difference that a person's label says, or that needs none because both answers are the same.
    pub(super) fn person(&self, case: &str, word: Word) -> Option<f64> {
        let said = self.said.get(case).map(|preference| match preference {
            Preference::Candidate => 1.0,
            Preference::Incumbent => -1.0,
            Preference::BothFine | Preference::BothWrong => 0.0,
        });
        said.or((word == Word::Same && self.drawn.contains(case)).then_some(0.0))
    }

    /// Returns the digest of the labels: of their canonical JSON, a list of `[case, said, incumbent, candidate, who]` sorted by case.
    pub(super) fn digest(&self, draw: &Draw) -> String {
        let mut cases: Vec<&String> = self.said.keys().collect();
        cases.sort();
        let line = |case: &String| {
            let Label { preference, about: [incumbent, candidate], who } = &draw.labels[case];
            json!([case, preference, incumbent, candidate, who])
        };
        seals::of_value(&Value::Array(cases.into_iter().map(line).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(labelled: &[&str]) -> Draw {
        let head = AssessmentHead {
            id: "one".to_owned(),
            at_ms: 1,
            step: "mail".to_owned(),
            candidate: "desk".to_owned(),
            incumbent: "vendor/large".to_owned(),
            plan: Value::Null,
        };
        let label = |_: &&str| Label {
            preference: Preference::BothFine,
            about: ["a".to_owned(), "b".to_owned()],
            who: "ann".to_owned(),
        };
        let labels = labelled.iter().map(|case| ((*case).to_owned(), label(case))).collect();
        Draw { head, seed: 3, labels }
    }

    fn pairs(cases: &[String], candidate: &str) -> Vec<Pair> {
        let about = || ["a".to_owned(), candidate.to_owned()];
        cases.iter().map(|case| Pair { case: case.clone(), about: about() }).collect()
    }

    #[test]
    fn labels_count_in_the_drawn_order_and_picked_ones_do_not() {
        let cases: Vec<String> = (0..100).map(|number| format!("c{number}")).collect();
        let order = in_random_order(cases.iter().cloned(), 3);
        let names: Vec<&str> = order.iter().map(String::as_str).collect();
        let count = |labelled: &[&str]| {
            let counted = draw(labelled).counted(&pairs(&cases, "b"));
            (counted.said.len(), counted.left_out)
        };
        assert_eq!(count(&names[..40]), (40, 0));
        let with_gaps: Vec<&str> =
            names[..40].iter().copied().filter(|case| ![names[7], names[20]].contains(case)).collect();
        assert_eq!(count(&with_gaps), (38, 0), "a few that were passed over do no harm");
        assert_eq!(count(&names[60..]), (0, 40), "forty that somebody picked are no random sample");
        let picked_too: Vec<&str> = names[..20].iter().chain(&names[70..]).copied().collect();
        assert_eq!(count(&picked_too), (20, 30));
    }

    #[test]
    fn labels_of_other_answers_do_not_count() {
        let cases: Vec<String> = (0..10).map(|number| format!("c{number}")).collect();
        let names: Vec<&str> = cases.iter().map(String::as_str).collect();
        let counted = draw(&names).counted(&pairs(&cases, "another answer"));
        assert_eq!((counted.said.len(), counted.left_out), (0, 10));
    }
}

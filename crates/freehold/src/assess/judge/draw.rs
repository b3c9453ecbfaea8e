//! The labels that a judge is held against: of cases drawn at random, about the very answers that it sees.

use std::collections::{BTreeSet, HashMap, HashSet};

use freehold_store::{AssessmentHead, Preference, Said, Store};

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
        let heads: HashMap<String, AssessmentHead> = store
            .assessments()?
            .into_iter()
            .filter(|one| one.head.candidate == candidate)
            .map(|one| (one.head.id.clone(), one.head))
            .collect();
        let mut counts: HashMap<(String, u64), usize> = HashMap::new();
        let mut labels = HashMap::new();
        for label in store.labels(step)? {
            let (Some(assessment), Some(seed)) = (label.assessment, label.seed) else { continue };
            let Said::Pair { preference, incumbent_sha256, candidate_sha256 } = label.said else { continue };
            if heads.contains_key(&assessment) {
                let about = [incumbent_sha256, candidate_sha256];
                labels.insert((seed, label.case), Label { preference, about, who: label.who });
                *counts.entry((assessment, seed)).or_default() += 1;
            }
        }
        let most = counts.into_iter().max_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        Ok(most.map(|((assessment, seed), _)| {
            let of_seed = labels.into_iter().filter(|((of, _), _)| *of == seed);
            let labels = of_seed.map(|((_, case), label)| (case, label)).collect();
            Draw { head: heads[&assessment].clone(), seed, labels }
        }))
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
            plan: serde_json::Value::Null,
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

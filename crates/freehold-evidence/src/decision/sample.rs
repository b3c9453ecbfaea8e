//! Paired scores, checked once: differences, the cluster of each, and the table where all are right or wrong.

use std::collections::HashMap;

use super::{Error, Pair};

/// Scores that passed every check on input.
pub(super) struct Sample {
    /// Candidate minus incumbent, case by case.
    pub(super) differences: Vec<f64>,
    /// The cluster of each case, counted from 0 without gaps.
    pub(super) cluster_of: Vec<usize>,
    /// Number of clusters.
    pub(super) clusters: usize,
    /// Both, candidate only, incumbent only and neither right; `None` where a score lies strictly between 0 and 1.
    pub(super) table: Option<[f64; 4]>,
    repeats: usize,
    incumbent_mean: f64,
}

/// What makes cases belong together: a declared cluster, else the name of the case itself.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Key<'a> {
    Declared(&'a str),
    Case(&'a str),
}

impl Key<'_> {
    fn cluster(self) -> String {
        match self {
            Self::Declared(name) => format!("`{name}`"),
            Self::Case(_) => "none".to_owned(),
        }
    }
}

impl Sample {
    pub(super) fn read(pairs: &[Pair]) -> Result<Self, Error> {
        if pairs.is_empty() {
            return Err(Error::NoPairs);
        }
        let mut clusters: HashMap<Key<'_>, usize> = HashMap::new();
        let mut cases: HashMap<&str, Key<'_>> = HashMap::with_capacity(pairs.len());
        let mut cluster_of = Vec::with_capacity(pairs.len());
        let mut differences = Vec::with_capacity(pairs.len());
        let mut repeats = 0;
        for pair in pairs {
            check_scores(pair)?;
            let key = pair.cluster.as_deref().map_or(Key::Case(&pair.case), Key::Declared);
            match cases.insert(&pair.case, key) {
                Some(first) if first != key => {
                    let (case, first, second) = (pair.case.clone(), first.cluster(), key.cluster());
                    return Err(Error::CaseInTwoClusters { case, first, second });
                }
                Some(_) => repeats += 1,
                None => {}
            }
            let next = clusters.len();
            cluster_of.push(*clusters.entry(key).or_insert(next));
            differences.push(pair.candidate - pair.incumbent);
        }
        let incumbent_mean = pairs.iter().map(|pair| pair.incumbent).sum::<f64>() / pairs.len() as f64;
        Ok(Self { differences, cluster_of, clusters: clusters.len(), table: table(pairs), repeats, incumbent_mean })
    }

    pub(super) fn is_clustered(&self) -> bool {
        self.clusters < self.differences.len()
    }

    pub(super) fn discordance(&self) -> f64 {
        let discordant = self.differences.iter().filter(|difference| **difference != 0.0).count();
        discordant as f64 / self.differences.len() as f64
    }

    pub(super) fn notes(&self, margin: f64) -> Vec<String> {
        let mut notes = Vec::new();
        if self.repeats > 0 {
            let repeats = self.repeats;
            notes.push(format!(
                "{repeats} rows repeat the name of an earlier case; the rows of one case count as a cluster"
            ));
        }
        if self.incumbent_mean <= margin {
            notes.push(
                "the incumbent's mean score is not above the margin, so no candidate could fail; the check may not fit"
                    .into(),
            );
        }
        notes
    }
}

fn check_scores(pair: &Pair) -> Result<(), Error> {
    for (arm, score) in [("incumbent", pair.incumbent), ("candidate", pair.candidate)] {
        if !(0.0..=1.0).contains(&score) {
            return Err(Error::Score { case: pair.case.clone(), arm, score });
        }
    }
    Ok(())
}

fn table(pairs: &[Pair]) -> Option<[f64; 4]> {
    let mut counts = [0.0; 4];
    for pair in pairs {
        let cell = match (pair.incumbent, pair.candidate) {
            (1.0, 1.0) => 0,
            (0.0, 1.0) => 1,
            (1.0, 0.0) => 2,
            (0.0, 0.0) => 3,
            _ => return None,
        };
        counts[cell] += 1.0;
    }
    Some(counts)
}

//! Paired scores, checked and summed up as they come: memory for distinct names, none for rows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use super::{Decision, Error, Pair, Rule};
use crate::paired::{ClusterTotal, Running};

/// Sums up paired scores one by one, so that a file of any length can be decided on.
///
/// It keeps some 60 bytes for each distinct case and cluster, and the names of declared clusters, but neither rows nor the
/// names of cases: of those it keeps a 128-bit digest, by which it knows a repeat.
#[derive(Debug, Clone)]
pub struct Tally {
    home_of: HashMap<Digest, Home, BuildHasherDefault<AsDigested>>,
    declared: HashMap<Box<str>, u32>,
    pub(super) totals: Vec<ClusterTotal>,
    pub(super) running: Running,
    /// Both, candidate only, incumbent only and neither right; `None` once a score lies strictly between 0 and 1.
    pub(super) table: Option<[f64; 4]>,
    discordant: u64,
    repeats: u64,
    incumbent_sum: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digest(u64, u64);

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Takes half of a digest for its hash: it is one already, and need not be hashed again.
#[derive(Debug, Clone, Copy, Default)]
struct AsDigested(u64);

impl Hasher for AsDigested {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The cluster of a case: one that was declared, or its own, which its repeats join.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Home {
    Declared(u32),
    Own(u32),
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            home_of: HashMap::default(),
            declared: HashMap::new(),
            totals: Vec::new(),
            running: Running::default(),
            table: Some([0.0; 4]),
            discordant: 0,
            repeats: 0,
            incumbent_sum: 0.0,
        }
    }
}

impl Tally {
    /// Returns an empty tally with room for so many cases.
    pub(super) fn with_capacity(cases: usize) -> Self {
        let mut tally = Self::default();
        tally.home_of.reserve(cases);
        tally
    }

    /// Adds the scores of one case.
    ///
    /// # Errors
    /// Refuses scores outside 0 to 1 and a case found in two clusters; the tally is as it was before.
    pub fn add(&mut self, pair: &Pair) -> Result<(), Error> {
        check_scores(pair)?;
        let cluster = self.cluster_of(pair)?;
        let difference = pair.candidate - pair.incumbent;
        self.totals[cluster as usize].add(difference);
        self.running.push(difference);
        self.discordant += u64::from(difference != 0.0);
        self.incumbent_sum += pair.incumbent;
        self.table = self.table.and_then(|table| counted(table, pair));
        Ok(())
    }

    /// Returns the decision that the rule allows on what was added; see [`super::decide`].
    ///
    /// # Errors
    /// Refuses an empty tally.
    pub fn decide(&self, rule: &Rule) -> Result<Decision, Error> {
        super::decide_on(self, rule)
    }

    /// Returns the number of cases added, repeats included.
    #[must_use]
    pub fn cases(&self) -> u64 {
        self.running.cases() as u64
    }

    pub(super) fn is_clustered(&self) -> bool {
        self.totals.len() < self.running.cases()
    }

    pub(super) fn discordance(&self) -> f64 {
        self.discordant as f64 / self.running.cases() as f64
    }

    pub(super) fn notes(&self, margin: f64) -> Vec<String> {
        let mut notes = Vec::new();
        if self.repeats > 0 {
            let repeats = self.repeats;
            notes.push(format!(
                "{repeats} rows repeat the name of an earlier case; the rows of one case count as a cluster"
            ));
        }
        if self.incumbent_sum / self.running.cases() as f64 <= margin {
            notes.push(
                "the incumbent's mean score is not above the margin, so no candidate could fail; the check may not fit"
                    .into(),
            );
        }
        notes
    }

    /// Returns the cluster of a case, which is made where it is new.
    fn cluster_of(&mut self, pair: &Pair) -> Result<u32, Error> {
        let digest = digest(&pair.case);
        let known = self.home_of.get(&digest).copied();
        let declared = pair.cluster.as_deref().map(|name| (name, self.declared.get(name).copied()));
        let home = match (known, declared) {
            (Some(Home::Own(cluster)), None) => Home::Own(cluster),
            (Some(Home::Declared(first)), Some((_, Some(cluster)))) if first == cluster => Home::Declared(cluster),
            (Some(first), later) => return Err(self.two_clusters(&pair.case, first, later.map(|(name, _)| name))),
            (None, None) => Home::Own(self.new_cluster()),
            (None, Some((_, Some(cluster)))) => Home::Declared(cluster),
            (None, Some((name, None))) => {
                let cluster = self.new_cluster();
                self.declared.insert(name.into(), cluster);
                Home::Declared(cluster)
            }
        };
        if known.is_some() {
            self.repeats += 1;
        } else {
            self.home_of.insert(digest, home);
        }
        let (Home::Declared(cluster) | Home::Own(cluster)) = home;
        Ok(cluster)
    }

    fn new_cluster(&mut self) -> u32 {
        let cluster = u32::try_from(self.totals.len()).expect("memory ends before four thousand million clusters");
        self.totals.push(ClusterTotal::default());
        cluster
    }

    fn two_clusters(&self, case: &str, first: Home, later: Option<&str>) -> Error {
        let name_of = |home: Home| match home {
            Home::Declared(cluster) => {
                self.declared.iter().find_map(|(name, number)| (*number == cluster).then_some(&**name))
            }
            Home::Own(_) => None,
        };
        let told = |name: Option<&str>| name.map_or_else(|| "none".to_owned(), |name| format!("`{name}`"));
        Error::CaseInTwoClusters { case: case.to_owned(), first: told(name_of(first)), second: told(later) }
    }
}

/// Two keyed 64-bit hashes of a name: with ten million names, two of them share both with a chance below 1e-24.
fn digest(name: &str) -> Digest {
    let keyed = |key: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(key);
        name.hash(&mut hasher);
        hasher.finish()
    };
    Digest(keyed(0), keyed(1))
}

fn check_scores(pair: &Pair) -> Result<(), Error> {
    for (arm, score) in [("incumbent", pair.incumbent), ("candidate", pair.candidate)] {
        if !(0.0..=1.0).contains(&score) {
            return Err(Error::Score { case: pair.case.clone(), arm, score });
        }
    }
    Ok(())
}

fn counted(mut table: [f64; 4], pair: &Pair) -> Option<[f64; 4]> {
    let cell = match (pair.incumbent, pair.candidate) {
        (1.0, 1.0) => 0,
        (0.0, 1.0) => 1,
        (1.0, 0.0) => 2,
        (0.0, 0.0) => 3,
        _ => return None,
    };
    table[cell] += 1.0;
    Some(table)
}

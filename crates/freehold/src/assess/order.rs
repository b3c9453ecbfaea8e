//! The order in which cases are asked and counted: random, fixed by the seed before anything is asked.
//! The cases of one run stand together and are counted together, as one unit.

use std::collections::HashMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::cases::Case;

/// Keeps this order apart from the sampling of cases, which has the same seed.
const STREAM: u64 = 1;

/// Puts the cases, sorted by time, into their order and returns where each unit ends.
pub(super) fn shuffle(cases: Vec<Case>, seed: u64) -> (Vec<Case>, Vec<usize>) {
    let mut units: Vec<Vec<Case>> = Vec::new();
    let mut unit_of: HashMap<String, usize> = HashMap::new();
    for case in cases {
        let known = case.call.run.as_ref().and_then(|run| unit_of.get(run)).copied();
        match (known, &case.call.run) {
            (Some(unit), _) => units[unit].push(case),
            (None, run) => {
                if let Some(run) = run {
                    unit_of.insert(run.clone(), units.len());
                }
                units.push(vec![case]);
            }
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(STREAM);
    units.shuffle(&mut rng);
    let ends = units.iter().scan(0, |end, unit| {
        *end += unit.len();
        Some(*end)
    });
    let ends = ends.collect();
    (units.into_iter().flatten().collect(), ends)
}

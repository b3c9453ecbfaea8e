//! The figures that the methods are held to: exact where a sum can be taken, seeded simulation elsewhere.
//! Shared by the program that prints the tables of the documentation and by the test that repeats them at reduced size.

use freehold_evidence::bootstrap::{self, Resampling};
use freehold_evidence::decision::{Rule, Verdict};
use freehold_evidence::drift::{Detector, Watched};
use freehold_evidence::multiplicity;
use freehold_evidence::quantile;
use freehold_evidence::sequential::{Claim, Grid, Prior, Sequence, Watch};
use freehold_evidence::tango::{self, Table};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Standard deviations of a count beyond which its chance is left out.
const WINDOW: f64 = 8.0;

/// What is true of right/wrong differences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    /// Share of cases on which the two differ.
    pub(crate) discordance: f64,
    /// Mean difference.
    pub(crate) difference: f64,
}

impl Truth {
    /// Returns one difference drawn at random.
    pub(crate) fn draw(&self, random: &mut ChaCha8Rng) -> f64 {
        let draw: f64 = random.random();
        if draw < (self.discordance + self.difference) / 2.0 {
            1.0
        } else if draw < self.discordance {
            -1.0
        } else {
            0.0
        }
    }

    fn table(&self, cases: usize, random: &mut ChaCha8Rng) -> Table {
        let (mut gains, mut losses) = (0.0, 0.0);
        for _ in 0..cases {
            match self.draw(random) {
                difference if difference > 0.0 => gains += 1.0,
                difference if difference < 0.0 => losses += 1.0,
                _ => {}
            }
        }
        Table::new([cases as f64 - gains - losses, gains, losses, 0.0]).expect("counts are finite")
    }
}

/// Returns the table of the cases of both.
fn joined(one: &Table, other: &Table) -> Table {
    let (cases, difference) = (one.cases() + other.cases(), |table: &Table| table.difference() * table.cases());
    let discordant = one.discordance() * one.cases() + other.discordance() * other.cases();
    let gains = f64::midpoint(discordant, difference(one) + difference(other)).round();
    let losses = (discordant - gains).round();
    Table::new([cases - gains - losses, gains, losses, 0.0]).expect("counts are finite")
}

/// Returns the chance that Tango's test calls `cases` cases adequate, summed over every table that may come.
pub(crate) fn tango_adequate(cases: usize, truth: Truth, rule: &Rule) -> f64 {
    let z = quantile::normal(rule.confidence());
    let gain_share = (truth.discordance + truth.difference) / 2.0 / truth.discordance;
    let mut chance = 0.0;
    for (discordant, weight) in binomial(cases, truth.discordance) {
        for (gains, share) in binomial(discordant, gain_share) {
            let losses = (discordant - gains) as f64;
            let table = Table::new([(cases - discordant) as f64, gains as f64, losses, 0.0]).expect("counts");
            if tango::statistic(&table, -rule.margin()) > z {
                chance += weight * share;
            }
        }
    }
    chance
}

/// Returns the counts that may come of `cases` with their chances, but for the far tails.
fn binomial(cases: usize, share: f64) -> Vec<(usize, f64)> {
    let (mean, deviation) = (cases as f64 * share, (cases as f64 * share * (1.0 - share)).sqrt());
    let first = (mean - WINDOW * deviation - 2.0).max(0.0) as usize;
    let last = ((mean + WINDOW * deviation + 2.0) as usize).min(cases);
    let mode = (mean as usize).min(last).max(first);
    let odds = if share < 1.0 { share / (1.0 - share) } else { f64::INFINITY };
    let mut weights = vec![0.0; last - first + 1];
    weights[mode - first] = 1.0;
    for count in mode + 1..=last {
        weights[count - first] = weights[count - 1 - first] * (cases + 1 - count) as f64 / count as f64 * odds;
    }
    for count in (first..mode).rev() {
        weights[count - first] = weights[count + 1 - first] * (count + 1) as f64 / (cases - count) as f64 / odds;
    }
    let sum: f64 = weights.iter().sum();
    weights.into_iter().enumerate().map(|(place, weight)| (first + place, weight / sum)).collect()
}

/// Returns the fewest cases at which Tango's test calls equal models adequate with a chance of 0.8.
pub(crate) fn fixed_cases(discordance: f64, rule: &Rule) -> usize {
    let truth = Truth { discordance, difference: 0.0 };
    let floor = rule.floor_cases() as usize;
    let by_formula = 6.18 * discordance / rule.margin().powi(2);
    let first = (0.8 * by_formula) as usize;
    (first.max(floor)..).find(|cases| tango_adequate(*cases, truth, rule) >= 0.8).expect("enough cases decide")
}

/// What becomes of many watched streams.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    /// Share that ended adequate.
    pub(crate) adequate: f64,
    /// Share that ended not adequate.
    pub(crate) not_adequate: f64,
    /// Number of cases at which each stopped, in rising order; those that did not have the most.
    pub(crate) stops: Vec<u64>,
}

impl Streams {
    /// Returns the number of cases by which the share `share` had stopped.
    pub(crate) fn stop(&self, share: f64) -> u64 {
        self.stops[((self.stops.len() - 1) as f64 * share) as usize]
    }
}

/// What is watched: how, against what, and for how long at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) sequence: Sequence,
    pub(crate) rule: Rule,
    /// Cases of a pilot of the same truth that gives the prior; 0 for the prior of no pilot.
    pub(crate) pilot: usize,
    pub(crate) cases_max: usize,
    pub(crate) streams: usize,
}

/// Returns what becomes of streams that are looked at after every case, their differences drawn by `draw`.
pub(crate) fn watch_streams(setting: &Setting, seed: u64, draw: impl Fn(&mut ChaCha8Rng) -> f64) -> Streams {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut ended = Streams { adequate: 0.0, not_adequate: 0.0, stops: Vec::with_capacity(setting.streams) };
    for _ in 0..setting.streams {
        let pilot: Vec<f64> = (0..setting.pilot).map(|_| draw(&mut random)).collect();
        let prior = Prior::from_pilot(&pilot).unwrap_or_default();
        let mut watch = Watch::new(setting.sequence, &setting.rule, &prior);
        let mut cases = 0;
        while cases < setting.cases_max && watch.verdict() == Verdict::Undecided {
            watch.observe(draw(&mut random)).expect("a difference");
            cases += 1;
        }
        match watch.verdict() {
            Verdict::Adequate => ended.adequate += 1.0 / setting.streams as f64,
            Verdict::NotAdequate => ended.not_adequate += 1.0 / setting.streams as f64,
            Verdict::Undecided => {}
        }
        ended.stops.push(cases as u64);
    }
    ended.stops.sort_unstable();
    ended
}

/// Returns the share of streams on which a grid of bets raises the alarm of harm, and the median cases until it did.
pub(crate) fn rollbacks(truth: Truth, margin: f64, alpha: f64, setting: (usize, usize, u64)) -> (f64, Option<u64>) {
    let (streams, cases_max, seed) = setting;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut stops = Vec::new();
    for _ in 0..streams {
        let mut grid = Grid::new(Claim::Below, margin).expect("a margin");
        while grid.cases() < cases_max as u64 {
            if grid.observe(truth.draw(&mut random)).expect("a difference") >= -alpha.ln() {
                stops.push(grid.cases());
                break;
            }
        }
    }
    stops.sort_unstable();
    let median = (stops.len() * 2 > streams).then(|| stops[streams / 2]);
    (stops.len() as f64 / streams as f64, median)
}

/// Returns the mean number of scores until the alarm, and the share of streams it sounded on, `change_at` scores being of
/// mean `before` and the others of mean `after`.
pub(crate) fn alarms(watched: Watched, means: [f64; 2], change_at: usize, setting: (usize, usize, u64)) -> (f64, f64) {
    let (streams, cases_max, seed) = setting;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut lengths, mut sounded) = (0.0, 0.0);
    for _ in 0..streams {
        let mut detector = Detector::new(watched).expect("a baseline");
        while detector.cases() < cases_max as u64 {
            let mean = means[usize::from(detector.cases() >= change_at as u64)];
            if detector.observe(f64::from(u8::from(random.random::<f64>() < mean))).expect("a score") {
                sounded += 1.0;
                break;
            }
        }
        lengths += detector.cases() as f64;
    }
    (lengths / streams as f64, sounded / streams as f64)
}

/// Returns the share of samples at the margin that the percentile and the corrected bootstrap limits call adequate.
pub(crate) fn bootstrap_adequate(cases: usize, truth: Truth, rule: &Rule, setting: (usize, u32, u64)) -> [f64; 2] {
    let (samples, resamples, seed) = setting;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut adequate = [0.0; 2];
    for sample in 0..samples {
        let differences: Vec<f64> = (0..cases).map(|_| truth.draw(&mut random)).collect();
        let resampling = Resampling { seed: sample as u64, resamples };
        for (method, share) in [bootstrap::percentile, bootstrap::bca].into_iter().zip(&mut adequate) {
            let (lower, _) = method(&differences, &resampling, rule.confidence()).expect("differences");
            *share += f64::from(u8::from(lower > -rule.margin())) / samples as f64;
        }
    }
    adequate
}

/// What many steps claimed at once come to: the chance of any wrong claim, the mean share of wrong ones, and the claims.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Claims {
    pub(crate) any_wrong: f64,
    pub(crate) share_wrong: f64,
    pub(crate) made: f64,
}

impl Claims {
    /// Takes in one of `draws` draws, by its wrong claims and all of its claims.
    fn add(&mut self, (wrong, made): (usize, usize), draws: usize) {
        let (wrong, made, draws) = (wrong as f64, made as f64, draws as f64);
        self.any_wrong += f64::from(u8::from(wrong > 0.0)) / draws;
        self.share_wrong += wrong / made.max(1.0) / draws;
        self.made += made / draws;
    }
}

/// A way to adjust p-values for their number.
pub(crate) type Adjust = fn(&[f64]) -> Result<Vec<f64>, multiplicity::Error>;

/// Returns what comes of 14 steps of 400 cases each, 7 of them on the margin and 7 equal, claimed by adjusted p-values: for
/// each of the ways to adjust the same ones.
pub(crate) fn several_steps<const WAYS: usize>(
    ways: [Adjust; WAYS],
    rule: &Rule,
    draws: usize,
    seed: u64,
) -> [Claims; WAYS] {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut claims = [Claims::default(); WAYS];
    for _ in 0..draws {
        let p_values: Vec<f64> = (0..14)
            .map(|step| {
                let difference = if step < 7 { -rule.margin() } else { 0.0 };
                let table = Truth { discordance: 0.15, difference }.table(400, &mut random);
                tango::p_value(&table, -rule.margin())
            })
            .collect();
        for (adjust, claims) in ways.iter().zip(&mut claims) {
            let adjusted = adjust(&p_values).expect("p-values");
            let claimed = |steps: &[f64]| steps.iter().filter(|value| **value <= 1.0 - rule.confidence()).count();
            claims.add((claimed(&adjusted[..7]), claimed(&adjusted)), draws);
        }
    }
    claims
}

/// Returns what comes of 14 steps, 7 on the margin and 7 equal, watched until the evidence for `adequate` would hold whatever
/// the others show, or for so many cases, and claimed by e-BH.
pub(crate) fn several_steps_by_bets(rule: &Rule, cases_max: usize, draws: usize, seed: u64) -> Claims {
    const STEPS: usize = 14;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let alpha = 1.0 - rule.confidence();
    let strict = Rule::new(rule.margin(), 1.0 - alpha / STEPS as f64).expect("a stricter level");
    let mut claims = Claims::default();
    for _ in 0..draws {
        let mut evidence = [0.0; STEPS];
        for (step, evidence) in evidence.iter_mut().enumerate() {
            let truth = Truth { discordance: 0.15, difference: if step < 7 { -rule.margin() } else { 0.0 } };
            let mut watch = Watch::new(Sequence::Betting, &strict, &Prior::default());
            for _ in 0..cases_max {
                if watch.observe(truth.draw(&mut random)).expect("a difference") != Verdict::Undecided {
                    break;
                }
            }
            *evidence = watch.log_evidence().expect("bets are laid")[0];
        }
        let claimed = multiplicity::e_bh(&evidence, alpha).expect("evidence");
        let count = |claimed: &[bool]| claimed.iter().filter(|claimed| **claimed).count();
        claims.add((count(&claimed[..7]), count(&claimed)), draws);
    }
    claims
}

/// Returns how often the best of so many candidates, all exactly on the margin, is called adequate: chosen on one half of the
/// cases and tested on the other, and chosen and tested on all of them.
pub(crate) fn best_of(candidates: usize, cases: usize, truth: Truth, (draws, seed): (usize, u64)) -> [f64; 2] {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let margin = -truth.difference;
    let adequate = |table: &Table| f64::from(u8::from(tango::p_value(table, -margin) <= 0.05)) / draws as f64;
    let best = |tables: &[Table]| {
        let means: Vec<f64> = tables.iter().map(Table::difference).collect();
        multiplicity::chosen(&means).expect("there are candidates")
    };
    let mut wrong = [0.0; 2];
    for _ in 0..draws {
        let mut half = || -> Vec<Table> { (0..candidates).map(|_| truth.table(cases / 2, &mut random)).collect() };
        let (choosing, deciding) = (half(), half());
        wrong[0] += adequate(&deciding[best(&choosing)]);
        let whole: Vec<Table> = choosing.iter().zip(&deciding).map(|(one, other)| joined(one, other)).collect();
        wrong[1] += adequate(&whole[best(&whole)]);
    }
    wrong
}

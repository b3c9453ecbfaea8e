//! How the scores of both arms are spread: paired counts where scores are 0 or 1, mirrored histograms where graded.

use super::{Scale, Svg, ticks};
use crate::{
    assess::result::CaseResult,
    report::figures::{self, count},
};

const WIDTH: f64 = 460.0;
const BINS: usize = 20;

/// Draws the scores of both arms; `None` where no case was scored.
pub(in crate::report) fn scores(cases: &[CaseResult]) -> Option<String> {
    let pairs: Vec<(f64, f64)> = cases
        .iter()
        .map(|case| (case.incumbent, case.candidate))
        .filter(|(incumbent, candidate)| incumbent.is_finite() && candidate.is_finite())
        .collect();
    let is_binary = |score: f64| score == 0.0 || score == 1.0;
    match pairs.as_slice() {
        [] => None,
        pairs if pairs.iter().all(|(a, b)| is_binary(*a) && is_binary(*b)) => Some(paired_counts(pairs)),
        pairs => Some(histograms(pairs)),
    }
}

/// Draws how often both, one or neither was right; only the two in the middle make a difference.
fn paired_counts(pairs: &[(f64, f64)]) -> String {
    let tally = |incumbent: f64, candidate: f64| pairs.iter().filter(|pair| **pair == (incumbent, candidate)).count();
    let rows = [
        ("both right", tally(1.0, 1.0), "bar agree"),
        ("only the incumbent right", tally(1.0, 0.0), "bar loss"),
        ("only the candidate right", tally(0.0, 1.0), "bar gain"),
        ("both wrong", tally(0.0, 0.0), "bar agree"),
    ];
    let spoken: Vec<String> = rows.iter().map(|(label, tally, _)| format!("{label}: {tally}")).collect();
    let mut svg = Svg::open((WIDTH, 168.0), "Scores of both arms, case by case", &spoken.join("; "));
    let axis = Scale { data: (0.0, pairs.len() as f64), pixels: (182.0, WIDTH - 100.0) };
    for (index, (label, tally, class)) in rows.into_iter().enumerate() {
        let y = 12.0 + 36.0 * index as f64;
        let end = axis.at(tally as f64);
        svg.text("label end", (173.0, y + 17.0), label);
        svg.rect("track", (axis.pixels.0, y), (axis.pixels.1 - axis.pixels.0, 24.0));
        svg.rect(class, (axis.pixels.0, y), (end - axis.pixels.0, 24.0));
        let share = format!("{}  ({:.1} %)", count(tally as u64), 100.0 * tally as f64 / pairs.len() as f64);
        svg.text("label number", (axis.pixels.1 + 10.0, y + 17.0), &share);
    }
    svg.line("zero", (axis.pixels.0, 6.0), (axis.pixels.0, 150.0));
    svg.close()
}

/// Draws the incumbent's scores upwards and the candidate's downwards on one axis.
fn histograms(pairs: &[(f64, f64)]) -> String {
    let (mut above, mut below) = ([0_usize; BINS], [0_usize; BINS]);
    let bin = |score: f64| ((score.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1);
    for (incumbent, candidate) in pairs {
        above[bin(*incumbent)] += 1;
        below[bin(*candidate)] += 1;
    }
    let most = above.iter().chain(&below).copied().max().unwrap_or(1).max(1);
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
    let means = (mean(|pair| pair.0), mean(|pair| pair.1));
    let spoken = format!(
        "Mean score of the incumbent {}, of the candidate {}; the fullest of {BINS} bins holds {most} cases.",
        figures::score(means.0),
        figures::score(means.1)
    );
    let mut svg = Svg::open((WIDTH, 258.0), "Scores of both arms", &spoken);
    let across = Scale { data: (0.0, 1.0), pixels: (58.0, WIDTH - 10.0) };
    let middle = 112.0;
    let tall = |tally: usize| 84.0 * tally as f64 / most as f64;
    for index in 0..BINS {
        let (left, right) = (across.at(index as f64 / BINS as f64), across.at((index + 1) as f64 / BINS as f64));
        svg.rect("bar incumbent", (left + 1.0, middle - tall(above[index])), (right - left - 2.0, tall(above[index])));
        svg.rect("bar candidate", (left + 1.0, middle), (right - left - 2.0, tall(below[index])));
    }
    svg.line("zero", (across.pixels.0, middle), (across.pixels.1, middle));
    svg.line("mean incumbent", (across.at(means.0), middle - 90.0), (across.at(means.0), middle));
    svg.line("mean candidate", (across.at(means.1), middle), (across.at(means.1), middle + 90.0));
    svg.text("label", (across.pixels.0, 14.0), &format!("incumbent, mean {}", figures::score(means.0)));
    svg.text("label candidate", (across.pixels.0, 218.0), &format!("candidate, mean {}", figures::score(means.1)));
    svg.text("tick end", (50.0, middle - 78.0), &count(most as u64));
    svg.text("tick end", (50.0, middle + 4.0), "cases 0");
    svg.text("tick end", (50.0, middle + 86.0), &count(most as u64));
    for tick in ticks(0.0, 1.0, 5.0) {
        svg.text(
            "tick middle",
            (across.at(tick).min(WIDTH - 10.0), 236.0),
            &figures::setting((tick * 10.0).round() / 10.0),
        );
    }
    svg.text("tick middle", ((across.pixels.0 + across.pixels.1) / 2.0, 253.0), "score");
    svg.close()
}

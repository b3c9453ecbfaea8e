//! How long calls took on both sides: the share of calls done within a time, on a logarithmic axis of time.

use super::{Scale, Svg};
use crate::{assess::result::CaseResult, report::figures};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 244.0;
/// Corners of a curve that are drawn at most; more cannot be seen.
const CORNERS_MAX: usize = 160;

/// Draws both sides' times; `None` where neither is known.
pub(in crate::report) fn latency(cases: &[CaseResult]) -> Option<String> {
    let recorded = sorted(cases.iter().filter_map(|case| case.recorded_ms));
    let candidate = sorted(cases.iter().filter_map(|case| case.candidate_ms));
    let first = recorded.first().into_iter().chain(candidate.first()).copied().reduce(f64::min)?;
    let last = recorded.last().into_iter().chain(candidate.last()).copied().reduce(f64::max)?;
    let (lo, mut hi) = (first.log10().floor(), last.log10().ceil());
    if hi <= lo {
        hi = lo + 1.0;
    }
    let across = Scale { data: (lo, hi), pixels: (48.0, WIDTH - 12.0) };
    let up = Scale { data: (0.0, 1.0), pixels: (HEIGHT - 44.0, 48.0) };
    let mut svg = Svg::open((WIDTH, HEIGHT), "Time per call, recorded and replayed", &spoken(&recorded, &candidate));
    draw_axes(&mut svg, across, up);
    for (times, class) in [(&recorded, "curve incumbent"), (&candidate, "curve candidate")] {
        if !times.is_empty() {
            svg.path(class, &corners(times, across, up));
        }
    }
    legend(&mut svg, (&recorded, &candidate));
    Some(svg.close())
}

/// Returns the nearest-rank quantile of sorted values.
pub(in crate::report) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// Sorts the times that can stand on a logarithmic axis.
pub(in crate::report) fn sorted(times: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut times: Vec<f64> = times.filter(|ms| ms.is_finite()).map(|ms| ms.max(0.1)).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn corners(times: &[f64], across: Scale, up: Scale) -> Vec<(f64, f64)> {
    let count = times.len();
    let step = count.div_ceil(CORNERS_MAX);
    let mut points = vec![(across.at(times[0].log10()), up.at(0.0))];
    let mut height = up.at(0.0);
    for rank in (step..count).step_by(step).chain([count]) {
        let x = across.at(times[rank - 1].log10());
        points.push((x, height));
        height = up.at(rank as f64 / count as f64);
        points.push((x, height));
    }
    points.push((across.pixels.1, height));
    points
}

fn draw_axes(svg: &mut Svg, across: Scale, up: Scale) {
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = up.at(share);
        svg.line(if share == 0.0 { "zero" } else { "grid" }, (across.pixels.0, y), (across.pixels.1, y));
        svg.text("tick end", (across.pixels.0 - 6.0, y + 4.0), &format!("{:.0} %", share * 100.0));
    }
    let (lo, hi) = (across.data.0 as i32, across.data.1 as i32);
    let between: &[f64] = if hi - lo <= 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    for power in lo..=hi {
        for times in between.iter().filter(|times| **times == 1.0 || power < hi) {
            let ms = times * 10_f64.powi(power);
            let x = across.at(ms.log10());
            svg.line("grid", (x, up.pixels.0), (x, up.pixels.1));
            svg.text("tick middle", (x.min(WIDTH - 18.0), up.pixels.0 + 16.0), &axis_time(ms));
        }
    }
    let middle = (across.pixels.0 + across.pixels.1) / 2.0;
    svg.text("tick middle", (middle, HEIGHT - 8.0), "time per call, logarithmic");
}

fn axis_time(ms: f64) -> String {
    if ms >= 1_000.0 { format!("{} s", ms / 1_000.0) } else { format!("{ms} ms") }
}

fn legend(svg: &mut Svg, times: (&[f64], &[f64])) {
    let keys = [("recorded", "curve incumbent", times.0, 10.0), ("candidate", "curve candidate", times.1, 28.0)];
    for (name, class, times, y) in keys {
        let median =
            quantile(times, 0.5).map_or("not known".to_owned(), |ms| format!("median {}", figures::duration_ms(ms)));
        svg.path(class, &[(48.0, y), (74.0, y)]);
        svg.text("label", (81.0, y + 4.5), &format!("{name}, {median}"));
    }
}

fn spoken(recorded: &[f64], candidate: &[f64]) -> String {
    let say = |name: &str, times: &[f64]| match (quantile(times, 0.5), quantile(times, 0.95)) {
        (Some(median), Some(slow)) => {
            let (median, slow) = (figures::duration_ms(median), figures::duration_ms(slow));
            format!("{name}: median {median}, 95th percentile {slow}, {} calls.", times.len())
        }
        _ => format!("{name}: not known."),
    };
    format!("{} {}", say("Recorded", recorded), say("Candidate", candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let times = sorted([3.0, 1.0, f64::NAN, 2.0, 4.0].into_iter());
        assert_eq!([0.0, 0.5, 0.95, 1.0].map(|share| quantile(&times, share)), [1.0, 2.0, 4.0, 4.0].map(Some));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_curve_of_many_times_ends_at_the_top_with_few_corners() {
        let times: Vec<f64> = (1..=10_001).map(f64::from).collect();
        let scale = Scale { data: (0.0, 5.0), pixels: (0.0, 100.0) };
        let drawn = corners(&times, scale, Scale { data: (0.0, 1.0), pixels: (100.0, 0.0) });
        assert!(drawn.len() <= 2 * CORNERS_MAX + 2, "{}", drawn.len());
        assert_eq!(drawn.last(), Some(&(100.0, 0.0)));
    }
}

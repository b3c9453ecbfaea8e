//! The interval plot: one line per assessment, all on one uncut axis, each against its own margin.

use super::{Scale, Svg, clipped, ticks};
use crate::{
    assess::result::{AssessmentResult, Row},
    report::{Verdict, by_step, figures, outcome_words, reservation},
};

/// How much room the plot has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Layout {
    /// Labels stand beside the plot.
    Wide,
    /// Labels stand above each interval.
    Narrow,
}

const ROW: f64 = 26.0;
const STEP_GAP: f64 = 12.0;
const TOP: f64 = 26.0;

struct Room {
    width: f64,
    plot: (f64, f64),
    row: f64,
    step: f64,
    label_letters: usize,
}

impl Layout {
    fn room(self) -> Room {
        match self {
            Self::Wide => Room { width: 960.0, plot: (218.0, 594.0), row: ROW, step: STEP_GAP, label_letters: 27 },
            Self::Narrow => Room { width: 440.0, plot: (12.0, 428.0), row: 42.0, step: 34.0, label_letters: 30 },
        }
    }
}

/// Draws every result's interval against its margin.
pub(in crate::report) fn forest(results: &[AssessmentResult], layout: Layout) -> String {
    let room = layout.room();
    let groups = by_step(results);
    let heading = if layout == Layout::Wide { ROW } else { 0.0 };
    let group_height = |members: usize| room.step + heading + room.row * members as f64;
    let height = TOP + groups.iter().map(|(_, members)| group_height(members.len())).sum::<f64>() + 40.0;
    let axis = axis(results, room.plot);
    let mut svg = Svg::open((room.width, height), "Differences against the margin", &description(results));
    draw_axis(&mut svg, axis, height - 36.0);
    let mut y = TOP;
    for (step, members) in &groups {
        y += room.step;
        if layout == Layout::Wide {
            svg.text("label strong", (0.0, y + 16.0), &clipped(step, 34));
            svg.line("hair", (0.0, y + 23.0), (room.width, y + 23.0));
            y += heading;
        } else {
            svg.text("label strong", (0.0, y - 6.0), &clipped(step, 48));
            svg.line("hair", (0.0, y), (room.width, y));
        }
        for index in members {
            draw_row(&mut svg, &results[*index], (axis, layout), y);
            y += room.row;
        }
    }
    svg.close()
}

fn draw_row(svg: &mut Svg, result: &AssessmentResult, (axis, layout): (Scale, Layout), top: f64) {
    let (row, room) = (&result.row, layout.room());
    let verdict = Verdict::of_result(result);
    let candidate = clipped(&row.candidate, room.label_letters);
    let class = verdict.class();
    let middle = if layout == Layout::Wide {
        let middle = top + room.row / 2.0;
        svg.text("label", (12.0, middle + 4.5), &candidate);
        svg.text("label number end", (750.0, middle + 4.5), &figures_of(row));
        svg.text(
            &format!("label {class}"),
            (770.0, middle + 4.5),
            &format!("{}{}", outcome_words(result), reservation(result)),
        );
        middle
    } else {
        svg.text("label", (0.0, top + 17.0), &candidate);
        svg.text(
            &format!("label end {class}"),
            (room.width, top + 17.0),
            &format!("{}{}", outcome_words(result), reservation(result)),
        );
        top + 30.0
    };
    if row.margin.is_finite() {
        let margin = axis.at(-row.margin);
        svg.line("margin", (margin, middle - 10.0), (margin, middle + 10.0));
    }
    if [row.lower, row.upper, row.difference].iter().all(|value| value.is_finite()) {
        let (lower, upper) = (axis.at(row.lower), axis.at(row.upper));
        let whisker = format!("whisker {class}");
        svg.line(&whisker, (lower, middle), (upper, middle));
        svg.line(&whisker, (lower, middle - 4.0), (lower, middle + 4.0));
        svg.line(&whisker, (upper, middle - 4.0), (upper, middle + 4.0));
        mark(svg, verdict, (axis.at(row.difference), middle));
    } else {
        svg.text("label quiet middle", ((axis.pixels.0 + axis.pixels.1) / 2.0, middle + 4.5), "no interval");
    }
}

/// Draws the verdict's mark: a filled disc, a filled diamond or a hollow disc.
pub(super) fn mark(svg: &mut Svg, verdict: Verdict, (x, y): (f64, f64)) {
    let class = format!("mark {}", verdict.class());
    match verdict {
        Verdict::Adequate => svg.circle(&class, (x, y), 5.0),
        Verdict::Undecided | Verdict::ServingFault => svg.circle(&format!("{class} hollow"), (x, y), 4.6),
        Verdict::NotAdequate => {
            let (left, right, top, bottom) = (x - 5.5, x + 5.5, y - 5.5, y + 5.5);
            svg.path(&class, &[(x, top), (right, y), (x, bottom), (left, y), (x, top)]);
        }
    }
}

/// Chooses an axis that holds zero, every margin and every interval whole.
fn axis(results: &[AssessmentResult], pixels: (f64, f64)) -> Scale {
    let values = results.iter().flat_map(|result| {
        let row = &result.row;
        [row.lower, row.upper, row.difference, -row.margin, 0.0, row.margin / 2.0]
    });
    let (lo, hi) = values
        .filter(|value| value.is_finite())
        .fold((-0.01, 0.01), |(lo, hi): (f64, f64), value| (lo.min(value), hi.max(value)));
    let room = (hi - lo) * 0.03;
    Scale { data: (lo - room, hi + room), pixels }
}

fn draw_axis(svg: &mut Svg, axis: Scale, bottom: f64) {
    for tick in ticks(axis.data.0, axis.data.1, 7.0) {
        let x = axis.at(tick);
        let is_zero = tick.abs() < 1e-9;
        svg.line(if is_zero { "zero" } else { "grid" }, (x, TOP - 6.0), (x, bottom));
        let label = figures::points(tick);
        svg.text("tick middle", (x, bottom + 15.0), label.strip_suffix(".0").unwrap_or(&label));
    }
    svg.text("tick", (axis.pixels.0, TOP - 13.0), "← candidate worse");
    svg.text("tick end", (axis.pixels.1, TOP - 13.0), "better →");
    svg.text("tick middle", ((axis.pixels.0 + axis.pixels.1) / 2.0, bottom + 31.0), "difference in points");
}

fn figures_of(row: &Row) -> String {
    if !row.difference.is_finite() {
        return "not scored".to_owned();
    }
    let interval = match row.lower.is_finite() && row.upper.is_finite() {
        true => figures::limits((row.lower, row.upper), row.margin),
        false => "no interval".to_owned(),
    };
    format!("{} ({interval})", figures::points(row.difference))
}

fn description(results: &[AssessmentResult]) -> String {
    let lines: Vec<String> = results
        .iter()
        .map(|result| {
            let row = &result.row;
            let margin = figures::points(-row.margin);
            let verdict = format!("{}{}", outcome_words(result), reservation(result));
            format!("{}, {}: {}, margin {margin}, {verdict}.", row.step, row.candidate, figures_of(row))
        })
        .collect();
    lines.join(" ")
}

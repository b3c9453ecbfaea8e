//! The verdict table and a small aligned table for terminals; readable without colour and at any width.

use std::fmt::Write as _;

use console::Term;
use unicode_width::UnicodeWidthStr;

use crate::{
    assess::result::{AssessmentResult, Row, Subset, failing_subsets},
    report::{Verdict, figures, outcome_words, verdict_words},
};

/// Whether escape codes for colour are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorChoice {
    /// Plain text.
    Never,
    /// ANSI colours on the verdict.
    Always,
}

/// How a table is fitted to its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether escape codes for colour are written.
    pub color: ColorChoice,
    /// Columns of the terminal.
    pub width: usize,
}

impl Style {
    /// Returns the style that suits standard output: plain unless it is a terminal and `NO_COLOR` is unset.
    pub fn of_stdout() -> Self {
        Self::of(&Term::stdout())
    }

    /// Returns the style that suits standard error: plain unless it is a terminal and `NO_COLOR` is unset.
    pub fn of_stderr() -> Self {
        Self::of(&Term::stderr())
    }

    fn of(term: &Term) -> Self {
        let color = if term.features().colors_supported() { ColorChoice::Always } else { ColorChoice::Never };
        let width = term.size_checked().map_or(WIDTH_OF_A_FILE, |(_, columns)| usize::from(columns));
        Self { color, width }
    }
}

/// On which side a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Columns assumed where the output is no terminal.
const WIDTH_OF_A_FILE: usize = 120;
const GAP: usize = 2;
const BAR_MIN: usize = 21;
const BAR_MAX: usize = 41;
const CELL_MAX: usize = 48;
/// The widest line of free text, in columns.
const LINE_MAX: usize = 180;
/// Widths to which names are cut, the widest first, until the plot fits.
const NAMES_MAX: [usize; 3] = [CELL_MAX, 36, 24];

/// A row with its outcome.
struct Line<'a> {
    row: &'a Row,
    verdict: Verdict,
    words: String,
}

impl<'a> Line<'a> {
    fn of_row(row: &'a Row) -> Self {
        Line { row, verdict: Verdict::of(&row.verdict), words: verdict_words(&row.verdict, row.more_needed) }
    }

    fn of_result(result: &'a AssessmentResult) -> Self {
        Line { row: &result.row, verdict: Verdict::of_result(result), words: outcome_words(result) }
    }
}

/// Draws the verdict table, with a small interval plot where the width allows one.
pub fn terminal(rows: &[Row], style: Style) -> String {
    drawn(&rows.iter().map(Line::of_row).collect::<Vec<_>>(), style)
}

/// Draws the verdict table of results, in which a fault of the serving stands in the place of a verdict on the model.
pub fn results(results: &[AssessmentResult], style: Style) -> String {
    drawn(&results.iter().map(Line::of_result).collect::<Vec<_>>(), style)
}

fn drawn(rows: &[Line<'_>], style: Style) -> String {
    if rows.is_empty() {
        return "no assessments yet\n".to_owned();
    }
    let (mut heads, mut lines, bar_width) = fitted(rows, style.width);
    if let Some(width) = bar_width {
        let axis = Axis::over(rows, width);
        heads.push((axis.head(), Align::Left));
        for (line, row) in lines.iter_mut().zip(rows) {
            line.push(axis.bar(row));
        }
    }
    blank_repeats(&mut lines);
    let paint = |line: usize, column: usize, text: String| match (style.color, column) {
        (ColorChoice::Always, 2) => painted(rows[line].verdict, &text),
        _ => text,
    };
    let mut out = aligned(&heads, &lines, paint);
    out.push_str(&footnote(rows, bar_width));
    out
}

type Heads = Vec<(String, Align)>;

/// Makes the columns, with names cut as far as it takes to leave room for the plot; returns that room, if any.
fn fitted(rows: &[Line<'_>], width: usize) -> (Heads, Vec<Vec<String>>, Option<usize>) {
    use Align::{Left, Right};
    let mut columns =
        vec![("STEP", Left), ("CANDIDATE", Left), ("VERDICT", Left), ("DIFF", Right), ("INTERVAL", Right)];
    if shared_margin(rows).is_none() {
        columns.push(("MARGIN", Right));
    }
    columns.push(("N", Right));
    let heads: Heads = columns.into_iter().map(|(head, align)| (head.to_owned(), align)).collect();
    for letters_max in NAMES_MAX {
        let lines: Vec<Vec<String>> = rows.iter().map(|row| cells(row, letters_max, heads.len())).collect();
        let left = width.saturating_sub(widths(&heads, &lines).iter().map(|width| width + GAP).sum());
        if left >= BAR_MIN {
            return (heads, lines, Some(left.min(BAR_MAX)));
        }
    }
    let lines = rows.iter().map(|row| cells(row, CELL_MAX, heads.len())).collect();
    (heads, lines, None)
}

/// Returns the margin when it is the same in all rows; it is then said once below the table.
fn shared_margin(rows: &[Line<'_>]) -> Option<f64> {
    let first = rows.first()?.row.margin;
    rows.iter().all(|line| line.row.margin == first).then_some(first)
}

fn footnote(rows: &[Line<'_>], plot: Option<usize>) -> String {
    let margin = shared_margin(rows).map_or(String::new(), |margin| format!("; margin {}", figures::setting(margin)));
    let mut levels: Vec<String> = rows.iter().map(|line| figures::interval_level(line.row.confidence)).collect();
    levels.dedup();
    let legend = match plot {
        Some(_) => "\n┊ minus the margin   │ no difference   ● adequate   ◆ not adequate   ○ undecided",
        None => "",
    };
    format!("\ncandidate minus incumbent in points; {} intervals{margin}{legend}\n", levels.join(" or "))
}

/// Draws the table of subsets, each with its own verdict, below an alarm where the whole hides one that fails.
pub fn subsets(row: &Row, subsets: &[Subset]) -> String {
    use Align::{Left, Right};
    let heads = [("BY", Left), ("SUBSET", Left), ("VERDICT", Left), ("DIFF", Right), ("INTERVAL", Right), ("N", Right)];
    let lines: Vec<Vec<String>> = subsets
        .iter()
        .map(|subset| {
            vec![
                subset.by.clone(),
                subset.value.clone(),
                verdict_words(&subset.verdict, subset.more_needed),
                figures::points(subset.difference),
                figures::limits((subset.lower, subset.upper), row.margin),
                figures::count(subset.n),
            ]
        })
        .collect();
    let alarms = failing_subsets(row, subsets)
        .map(|subset| format!("NOT ADEQUATE for {} {}, though adequate on the whole\n", subset.by, subset.value));
    alarms.collect::<String>() + &table(&heads, &lines)
}

/// Draws an aligned table with a header line; cells are cut at 48 columns and cleaned of control characters.
pub fn table(heads: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let heads: Vec<(String, Align)> = heads.iter().map(|(head, align)| ((*head).to_owned(), *align)).collect();
    let lines: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| clean(cell, CELL_MAX)).collect()).collect();
    aligned(&heads, &lines, |_, _, text| text)
}

fn cells(line: &Line<'_>, letters_max: usize, columns: usize) -> Vec<String> {
    let row = line.row;
    let mut cells = vec![
        clean(&row.step, letters_max),
        clean(&row.candidate, letters_max),
        clean(&line.words, CELL_MAX),
        figures::points(row.difference),
        figures::limits((row.lower, row.upper), row.margin),
        figures::points(-row.margin),
        figures::count(row.n),
    ];
    if columns < cells.len() {
        cells.remove(5);
    }
    cells
}

/// Names a step once for the candidates that follow each other.
fn blank_repeats(lines: &mut [Vec<String>]) {
    for index in (1..lines.len()).rev() {
        if lines[index][0] == lines[index - 1][0] {
            lines[index][0].clear();
        }
    }
}

/// Takes control characters out (recorded text must not steer a terminal) and cuts what is too long.
/// Returns a text on one line, cut at a terminal's width and without control characters.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text, LINE_MAX)
}

fn clean(text: &str, width_max: usize) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if plain.width() <= width_max {
        return plain;
    }
    let mut cut = String::new();
    for letter in plain.chars() {
        if cut.width() + letter.to_string().width() >= width_max {
            break;
        }
        cut.push(letter);
    }
    cut + "…"
}

fn widths(heads: &[(String, Align)], lines: &[Vec<String>]) -> Vec<usize> {
    let widest = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.width()).max();
    heads.iter().enumerate().map(|(column, (head, _))| head.width().max(widest(column).unwrap_or(0))).collect()
}

fn aligned(heads: &[(String, Align)], lines: &[Vec<String>], paint: impl Fn(usize, usize, String) -> String) -> String {
    let widths = widths(heads, lines);
    let put = |out: &mut String, column: usize, (plain, painted): (&str, &str)| {
        let pad = " ".repeat(widths[column].saturating_sub(plain.width()));
        match heads[column].1 {
            Align::Left => out.push_str(&format!("{painted}{pad}")),
            Align::Right => out.push_str(&format!("{pad}{painted}")),
        }
        out.push_str(&" ".repeat(GAP));
    };
    let mut out = String::new();
    for (column, (head, _)) in heads.iter().enumerate() {
        put(&mut out, column, (head, head));
    }
    end_line(&mut out);
    for (index, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().take(heads.len()).enumerate() {
            put(&mut out, column, (cell, &paint(index, column, cell.clone())));
        }
        end_line(&mut out);
    }
    out
}

fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

fn painted(verdict: Verdict, text: &str) -> String {
    let code = match verdict {
        Verdict::Adequate => 32,
        Verdict::NotAdequate => 31,
        Verdict::Undecided | Verdict::ServingFault => 33,
    };
    let mut out = String::new();
    write!(out, "\u{1b}[{code}m{text}\u{1b}[0m").expect("a string takes every write");
    out
}

/// The axis of the small plot: centred on what decides, with an arrow where an interval runs out of it.
struct Axis {
    lo: f64,
    hi: f64,
    width: usize,
}

impl Axis {
    /// Spans all intervals, but at most six margins below zero and three above, so that the margin stays in sight.
    fn over(lines: &[Line<'_>], width: usize) -> Self {
        let rows: Vec<&Row> = lines.iter().map(|line| line.row).collect();
        let finite = |value: &f64| value.is_finite();
        let margin = rows.iter().map(|row| row.margin).filter(finite).fold(0.01, f64::max);
        let lowest = rows.iter().map(|row| row.lower).filter(finite).fold(0.0, f64::min);
        let highest = rows.iter().map(|row| row.upper).filter(finite).fold(0.0, f64::max);
        Self { lo: lowest.clamp(-6.0 * margin, -1.5 * margin), hi: highest.clamp(0.5 * margin, 3.0 * margin), width }
    }

    /// Returns the cell of a value; what lies outside falls beyond the first or last cell.
    fn cell(&self, value: f64) -> i64 {
        ((value - self.lo) / (self.hi - self.lo) * (self.width - 1) as f64).round() as i64
    }

    fn head(&self) -> String {
        let zero = self.cell(0.0).max(0) as usize;
        let worse = "worse";
        let gap = zero.saturating_sub(worse.len());
        let better = if self.width > zero + 1 + "better".len() { "better" } else { "" };
        let right = self.width.saturating_sub(worse.len() + gap + 1 + better.len());
        format!("{worse}{}0{}{better}", " ".repeat(gap), " ".repeat(right))
    }

    fn bar(&self, line: &Line<'_>) -> String {
        let row = line.row;
        let last = self.width as i64 - 1;
        let mut cells = vec![' '; self.width];
        let mut put = |at: i64, letter: char| {
            if let Some(cell) = usize::try_from(at).ok().and_then(|at| cells.get_mut(at)) {
                *cell = letter;
            }
        };
        let has_interval = [row.difference, row.lower, row.upper].iter().all(|value| value.is_finite());
        let (lower, upper) = (self.cell(row.lower), self.cell(row.upper));
        if has_interval {
            (lower.max(0)..=upper.min(last)).for_each(|at| put(at, '─'));
        }
        put(
            self.cell(-row.margin),
            if has_interval && within(self.cell(-row.margin), lower, upper) { '┼' } else { '┊' },
        );
        put(self.cell(0.0), if has_interval && within(self.cell(0.0), lower, upper) { '┼' } else { '│' });
        if has_interval {
            put(lower.clamp(0, last), if lower < 0 { '◂' } else { '├' });
            put(
                upper.clamp(0, last),
                if upper > last {
                    '▸'
                } else if upper < 0 {
                    '◂'
                } else {
                    '┤'
                },
            );
            put(
                self.cell(row.difference),
                match line.verdict {
                    Verdict::Adequate => '●',
                    Verdict::NotAdequate => '◆',
                    Verdict::Undecided | Verdict::ServingFault => '○',
                },
            );
        }
        cells.into_iter().collect()
    }
}

fn within(at: i64, lower: i64, upper: i64) -> bool {
    lower <= at && at <= upper
}

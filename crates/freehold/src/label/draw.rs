//! The screen as lines of text: what was asked above, the two answers below, side by side. Pure, so that any size can be
//! looked at in a test.

use freehold_evidence::Output;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::exchange::spelt;
use super::session::Session;
use crate::report::ColorChoice;

const ROWS_MIN: usize = 12;
const COLUMNS_MIN: usize = 40;
/// Lines that are no pane: the title, two rules, a rule and up to two lines of keys, and the message.
const KEYS: [&str; 10] = [
    "1 first better",
    "2 second better",
    "= both fine",
    "x both wrong",
    "e write the right answer",
    "s skip",
    "u undo",
    "q quit",
    "↑↓ asked",
    "PgUp PgDn answers",
];

/// A terminal's size and whether it shows colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Canvas {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) color: ColorChoice,
}

/// Draws the screen as `rows` lines, none wider than the terminal, and holds the scroll within what there is.
pub(super) fn draw(session: &mut Session<'_>, canvas: Canvas) -> Vec<String> {
    let Canvas { rows, columns, .. } = canvas;
    if rows < ROWS_MIN || columns < COLUMNS_MIN {
        let mut lines = vec![cut("the terminal is too small; q quits", columns)];
        lines.resize(rows, String::new());
        return lines;
    }
    let keys = flow(&KEYS, columns);
    let panes = rows - 5 - keys.len();
    let input_rows = (panes * 2 / 5).max(2);
    let mut lines = vec![emphasised(&padded(&session.title(), columns), canvas)];
    match &session.item {
        None => {
            lines.push(rule(&[("", columns)]));
            lines.extend(wrap("All cases are asked about. u takes the last answer back, q ends.", columns));
            lines.resize(rows - 2 - keys.len(), String::new());
        }
        Some(item) => {
            let (asked, last) = asked(&item.input, columns);
            let top = held(&mut session.scroll.input, last, asked.len(), input_rows);
            lines.push(rule(&[(&position("asked", top, asked.len(), input_rows), columns)]));
            lines.extend(window(&asked, top, input_rows).map(str::to_owned));
            lines.extend(answers(&item.answers, &mut session.scroll.answers, (panes - input_rows, columns)));
        }
    }
    lines.push(rule(&[("", columns)]));
    lines.extend(keys);
    lines.push(cut(&session.message, columns));
    lines
}

/// Wraps the turns, and returns them with the line at which the last begins.
fn asked(turns: &[super::queue::Turn], columns: usize) -> (Vec<String>, usize) {
    let mut lines = Vec::new();
    let mut last = 0;
    for turn in turns {
        last = lines.len();
        lines.extend(wrap(&format!("{}: {}", turn.role, turn.text), columns));
    }
    (lines, last)
}

fn answers(answers: &[Output; 2], scroll: &mut i64, (rows, columns): (usize, usize)) -> Vec<String> {
    let left_columns = (columns - 3) / 2;
    let right_columns = columns - 3 - left_columns;
    let left = wrap(&shown(&answers[0]), left_columns);
    let right = wrap(&shown(&answers[1]), right_columns);
    let top = held(scroll, 0, left.len().max(right.len()), rows);
    let heads = [position("1", top, left.len(), rows), position("2", top, right.len(), rows)];
    let mut lines = vec![rule(&[(&heads[0], left_columns + 1), (&heads[1], right_columns + 1)])];
    let (mut left, mut right) = (window(&left, top, rows), window(&right, top, rows));
    for _ in 0..rows {
        let (one, other) = (left.next().unwrap_or_default(), right.next().unwrap_or_default());
        lines.push(format!("{} │ {other}", padded(one, left_columns)));
    }
    lines
}

fn shown(answer: &Output) -> String {
    match spelt(answer) {
        serde_json::Value::String(text) if text.trim().is_empty() => "(an empty answer)".to_owned(),
        serde_json::Value::String(text) => text,
        other => serde_json::to_string_pretty(&other).expect("a JSON value is JSON"),
    }
}

/// Returns the first line to show, and keeps the scroll from running beyond either end.
fn held(scroll: &mut i64, start: usize, lines: usize, rows: usize) -> usize {
    let start = start.min(lines.saturating_sub(rows));
    let furthest = lines.saturating_sub(rows);
    let top = start.saturating_add_signed(isize::try_from(*scroll).unwrap_or(0)).min(furthest);
    *scroll = top as i64 - start as i64;
    top
}

fn window(lines: &[String], top: usize, rows: usize) -> impl Iterator<Item = &str> {
    let shown = lines.iter().skip(top).map(String::as_str).chain(std::iter::repeat(""));
    shown.take(rows)
}

fn position(name: &str, top: usize, lines: usize, rows: usize) -> String {
    if lines <= rows {
        return name.to_owned();
    }
    format!("{name}, lines {} to {} of {lines}", (top + 1).min(lines), (top + rows).min(lines))
}

/// Draws a line across, with a heading at the beginning of each part.
fn rule(parts: &[(&str, usize)]) -> String {
    let drawn = parts.iter().map(|(head, columns)| {
        let head = if head.is_empty() { String::new() } else { format!(" {head} ") };
        let head = cut(&head, columns.saturating_sub(3));
        format!("──{head}{}", "─".repeat(columns.saturating_sub(2 + head.width())))
    });
    drawn.collect::<Vec<_>>().join("┬")
}

/// Puts words beside each other, as many on a line as there is room for.
fn flow(words: &[&str], columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let line = lines.last_mut().expect("there is a first line");
        let gap = if line.is_empty() { "" } else { "  " };
        if line.width() + gap.len() + word.width() <= columns {
            line.push_str(gap);
            line.push_str(word);
        } else {
            lines.push((*word).to_owned());
        }
    }
    lines
}

/// Breaks text into lines at blanks where there are some; recorded text must not steer the terminal.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap_line(&plain(line), columns)).collect()
}

fn wrap_line(line: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = line;
    while rest.width() > columns {
        let fits = prefix(rest, columns);
        let at = match rest[..fits].rfind(' ') {
            Some(blank) if blank > 0 => blank,
            _ => fits,
        };
        lines.push(rest[..at].to_owned());
        rest = rest[at..].trim_start_matches(' ');
    }
    lines.push(rest.to_owned());
    lines
}

/// Returns the bytes of the longest beginning that fits; at least one character, so that there is an end.
fn prefix(text: &str, columns: usize) -> usize {
    let mut width = 0;
    for (at, letter) in text.char_indices() {
        width += letter.width().unwrap_or(0);
        if width > columns && at > 0 {
            return at;
        }
    }
    text.len()
}

/// Takes out what could move the cursor or turn the direction of writing around.
fn plain(text: &str) -> String {
    let turns_around =
        |letter| matches!(letter, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let shown = text.chars().filter(|letter| !turns_around(*letter));
    shown.map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn cut(text: &str, columns: usize) -> String {
    let text = plain(text);
    if text.width() <= columns { text } else { text[..prefix(&text, columns)].to_owned() }
}

fn padded(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let gap = columns.saturating_sub(text.width());
    text + &" ".repeat(gap)
}

fn emphasised(text: &str, canvas: Canvas) -> String {
    match canvas.color {
        ColorChoice::Always => format!("\x1b[7m{text}\x1b[0m"),
        ColorChoice::Never => text.to_owned(),
    }
}

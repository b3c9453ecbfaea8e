//! Tells which lines of a text are passages that were looked up for one call: they stand between fences that say so.
//!
//! Fences without such a word stay part of the text, since roles and rules stand between tags and rules of dashes too.

/// Words that announce passages rather than instructions, in order.
#[rustfmt::skip]
const PASSAGE_WORDS: [&str; 29] = [
    "article", "articles", "chunk", "chunks", "context", "document", "documents", "evidence", "example",
    "examples", "excerpt", "excerpts", "history", "knowledge", "memories", "memory", "passage", "passages",
    "reference", "references", "results", "retrieved", "search", "snippet", "snippets", "source", "sources", "transcript",
    "transcripts",
];

/// The most words of a line that announces passages.
const LABEL_WORDS_MAX: usize = 8;

/// How many lines a passage may go on before its fence is not believed any more.
const PASSAGE_LINES_MAX: usize = 400;

/// Where reading stands.
#[derive(Debug, Default)]
pub(super) struct Fence<'t> {
    open: Option<Open<'t>>,
    /// Whether the last line that was not empty announced passages.
    announced: bool,
    /// The lines since the fence opened.
    lines: usize,
}

#[derive(Debug)]
enum Open<'t> {
    /// Until the tag of this name closes.
    Tag(&'t str),
    /// Until a heading of this level or a higher one.
    Heading(usize),
    /// Until the next rule of dashes.
    Rule,
    /// Until the code fence closes.
    Code,
    /// While lines are numbered in brackets, or empty.
    Numbered,
}

impl<'t> Fence<'t> {
    /// Returns a line's text and whether it is part of a passage; fences themselves are not.
    pub(super) fn line(&mut self, line: &'t str) -> (&'t str, bool) {
        if let Some(open) = &self.open {
            self.lines += 1;
            let ends = self.lines > PASSAGE_LINES_MAX
                || match open {
                    Open::Tag(name) => closes(line, name),
                    Open::Heading(level) => heading(line).is_some_and(|found| found <= *level),
                    Open::Rule => is_rule(line),
                    Open::Code => line.starts_with("```"),
                    Open::Numbered => !line.is_empty() && !is_numbered(line),
                };
            if !ends {
                return (line, true);
            }
            let reads_on = matches!(open, Open::Heading(_) | Open::Numbered);
            self.open = None;
            if !reads_on {
                return (line, false);
            }
        }
        if line.is_empty() {
            return (line, false);
        }
        self.open = self.opened(line);
        self.lines = 0;
        self.announced = is_announcement(line);
        let is_passage = matches!(self.open, Some(Open::Numbered));
        (line, is_passage)
    }

    fn opened(&self, line: &'t str) -> Option<Open<'t>> {
        if is_numbered(line) {
            return Some(Open::Numbered);
        }
        if let Some(name) = tag(line) {
            return (has_passage_word(name) && !closes(line, name)).then_some(Open::Tag(name));
        }
        if let Some(level) = heading(line) {
            return is_announcement(line).then_some(Open::Heading(level));
        }
        if is_rule(line) {
            return self.announced.then_some(Open::Rule);
        }
        let says = line.strip_prefix("```")?;
        (self.announced || has_passage_word(says)).then_some(Open::Code)
    }
}

/// Returns the name of the tag that a line begins with.
fn tag(line: &str) -> Option<&str> {
    let inside = line.strip_prefix('<')?;
    let name = &inside[..inside.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'))?];
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && inside.contains('>')).then_some(name)
}

fn closes(line: &str, name: &str) -> bool {
    let mut ends = line.match_indices("</");
    ends.any(|(at, _)| line[at + 2..].strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('>')))
}

fn heading(line: &str) -> Option<usize> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    ((1..=6).contains(&level) && line[level..].starts_with(' ')).then_some(level)
}

fn is_rule(line: &str) -> bool {
    line.len() >= 3 && ["-", "=", "*"].iter().any(|mark| line.trim_matches(|c| mark.starts_with(c)).is_empty())
}

/// Returns whether a line is a passage with its number or name in brackets: `[2] ...`, `[doc-7] ...`, `(3) ...`, `Document 2: ...`.
fn is_numbered(line: &str) -> bool {
    let bracketed = [('[', ']'), ('(', ')')].into_iter().find_map(|(open, close)| {
        let (inside, rest) = line.strip_prefix(open)?.split_once(close)?;
        Some(inside.len() <= 16 && inside.bytes().any(|byte| byte.is_ascii_digit()) && rest.len() > 1)
    });
    bracketed.unwrap_or_else(|| {
        let Some((label, rest)) = line.split_once(':') else { return false };
        let mut words = label.split_whitespace();
        let is_named = words.next().is_some_and(has_passage_word);
        let is_numbered =
            words.next().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'#'));
        is_named && is_numbered && words.next().is_none() && !rest.is_empty()
    })
}

/// Returns whether a short line, a heading or one that ends with a colon, speaks of passages.
fn is_announcement(line: &str) -> bool {
    let says_so = line.starts_with('#') || line.ends_with(':');
    says_so && line.split_whitespace().count() <= LABEL_WORDS_MAX && has_passage_word(line)
}

fn has_passage_word(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.any(|word| PASSAGE_WORDS.binary_search(&word.to_ascii_lowercase().as_str()).is_ok())
}

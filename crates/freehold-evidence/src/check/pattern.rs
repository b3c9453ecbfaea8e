//! A pattern looked for in an answer; the engine takes time in proportion to the text, whatever the pattern.

use regex::{Regex, RegexBuilder};

use super::spec::Error;
use super::{Score, text};

/// Bytes that a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// Where a pattern has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The whole answer, but for blanks at its ends.
    Whole,
    /// Anywhere; the first place counts.
    Search,
}

/// Holds a compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    source: String,
    anchor: Anchor,
}

impl Pattern {
    pub(super) fn compile(source: &str, anchor: Anchor) -> Result<Self, Error> {
        let pattern = match anchor {
            Anchor::Whole => format!(r"\A\s*(?:{source})\s*\z"),
            Anchor::Search => source.to_owned(),
        };
        // The bare source is compiled too, so that no bracket of it closes the group around it.
        let compile = |pattern: &str| RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build();
        let illegal = |error: regex::Error| Error::PatternIllegal { fault: error.to_string() };
        compile(source).map_err(illegal)?;
        Ok(Self { regex: compile(&pattern).map_err(illegal)?, source: source.to_owned(), anchor })
    }

    /// Returns whether the pattern captures a part, which is then compared with the reference.
    pub(super) fn captures(&self) -> bool {
        self.regex.captures_len() > 1
    }

    pub(super) fn name(&self) -> String {
        match self.anchor {
            Anchor::Whole => format!("regex_full:{}", self.source),
            Anchor::Search => format!("regex:{}", self.source),
        }
    }

    pub(super) fn score(&self, output: &str, reference: &str) -> Score {
        if !self.captures() {
            let is_match = self.regex.is_match(output);
            return if is_match { Score::right() } else { Score::failed("the pattern does not match") };
        }
        let Some(found) = self.captured(output) else {
            return Score::failed("the pattern does not match");
        };
        // A reference in the form of an answer is read like one; a bare value stands for itself.
        let expected = self.captured(reference).unwrap_or(reference);
        if text::normalise(found) == text::normalise(expected) {
            Score::right()
        } else {
            Score::failed("the part that the pattern captures differs")
        }
    }

    /// The group called `answer`, else the first that took part in the match.
    fn captured<'t>(&self, text: &'t str) -> Option<&'t str> {
        let captures = self.regex.captures(text)?;
        let group = captures.name("answer").or_else(|| captures.iter().skip(1).flatten().next());
        group.map(|group| group.as_str())
    }
}

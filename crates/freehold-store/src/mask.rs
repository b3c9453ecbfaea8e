//! Replaces what identifies people and opens doors by marks, before anything of a call is written.
//!
//! Only the contents of strings change, and a mark has no character that JSON escapes: what was valid stays valid.

mod find;
mod formats;
mod stream;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use freehold_wire::Call;
use regex::{Regex, RegexBuilder};

/// The most patterns of a user's.
const PATTERNS_MAX: usize = 64;
/// How large one pattern may become when it is compiled.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A kind of text that is recognised by its form, and by its checksum where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// E-mail addresses.
    Email,
    /// Phone numbers, international or with the separators people write.
    Phone,
    /// Numbers of payment cards: brand, length and Luhn's digit.
    Card,
    /// International bank account numbers: country, length and remainder.
    Iban,
    /// Keys and tokens of well-known forms, private keys among them.
    Key,
}

/// What is replaced; clones share it. By default nothing is.
#[derive(Clone, Default)]
pub struct Masking {
    rules: Option<Arc<Rules>>,
}

struct Rules {
    kinds: Vec<Kind>,
    patterns: Vec<Regex>,
}

/// What cannot be masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// There is no such kind.
    #[error("unknown kind {0:?}: expected email, phone, card, iban or key")]
    UnknownKind(String),
    /// A pattern is no regular expression, or too large a one.
    #[error("the pattern {pattern:?} cannot be used: {found}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        found: String,
    },
    /// There are too many patterns.
    #[error("{given} patterns are given, {patterns_max} are allowed", patterns_max = PATTERNS_MAX)]
    TooMany {
        /// How many.
        given: usize,
    },
}

/// A stretch of a body and what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    range: Range<usize>,
    mark: &'static str,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] = [Kind::Email, Kind::Phone, Kind::Card, Kind::Iban, Kind::Key];

    fn mark(self) -> &'static str {
        match self {
            Kind::Email => "[email]",
            Kind::Phone => "[phone]",
            Kind::Card => "[card]",
            Kind::Iban => "[iban]",
            Kind::Key => "[key]",
        }
    }
}

impl FromStr for Kind {
    type Err = MaskError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let is_it = |kind: &Kind| kind.mark().trim_matches(['[', ']']) == name;
        Kind::ALL.into_iter().find(is_it).ok_or_else(|| MaskError::UnknownKind(name.to_owned()))
    }
}

impl Masking {
    /// Takes kinds by their names, and regular expressions whose matches become `[masked]`.
    ///
    /// # Errors
    /// A kind is unknown, a pattern is no regular expression or matches nothing at all, or there are too many.
    pub fn new<S: AsRef<str>>(kinds: &[S], patterns: &[S]) -> Result<Self, MaskError> {
        if patterns.len() > PATTERNS_MAX {
            return Err(MaskError::TooMany { given: patterns.len() });
        }
        let kinds = kinds.iter().map(|kind| kind.as_ref().parse()).collect::<Result<Vec<Kind>, _>>()?;
        let patterns = patterns.iter().map(|pattern| compiled(pattern.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let is_empty = kinds.is_empty() && patterns.is_empty();
        Ok(Self { rules: (!is_empty).then(|| Arc::new(Rules { kinds, patterns })) })
    }

    /// Returns whether anything can be replaced.
    pub fn is_on(&self) -> bool {
        self.rules.is_some()
    }

    /// Replaces what is found in request and response, and says in the call whether something was.
    pub fn apply(&self, call: &mut Call) {
        let Some(rules) = &self.rules else { return };
        let request = find::in_body(rules, &call.request);
        let response =
            if call.streamed { stream::spans(rules, &call.response) } else { find::in_body(rules, &call.response) };
        call.kept.masked |= !request.is_empty() || !response.is_empty();
        splice(&mut call.request, request);
        splice(&mut call.response, response);
    }
}

impl fmt::Debug for Masking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rules {
            Some(rules) => write!(f, "Masking({:?}, {} patterns)", rules.kinds, rules.patterns.len()),
            None => f.write_str("Masking(off)"),
        }
    }
}

fn compiled(pattern: &str) -> Result<Regex, MaskError> {
    let bad = |found: String| MaskError::Pattern { pattern: pattern.to_owned(), found };
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX).build();
    // The last line of the report is the reason; those before it draw the pattern.
    let regex = built.map_err(|error| bad(error.to_string().lines().last().unwrap_or_default().to_owned()))?;
    if regex.is_match("") {
        return Err(bad("it matches the empty text".to_owned()));
    }
    Ok(regex)
}

/// Joins spans that overlap under the mark of the first, and returns them in order.
fn settled(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.range.start, std::cmp::Reverse(span.range.end)));
    let mut settled: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match settled.last_mut() {
            Some(last) if span.range.start < last.range.end => last.range.end = last.range.end.max(span.range.end),
            _ => settled.push(span),
        }
    }
    settled
}

/// Puts the marks where the spans are; the spans are in order and apart.
fn splice(body: &mut Vec<u8>, spans: Vec<Span>) {
    if spans.is_empty() {
        return;
    }
    let mut masked = Vec::with_capacity(body.len());
    let mut from = 0;
    for span in spans {
        masked.extend_from_slice(&body[from..span.range.start]);
        masked.extend_from_slice(span.mark.as_bytes());
        from = span.range.end;
    }
    masked.extend_from_slice(&body[from..]);
    *body = masked;
}

#[cfg(test)]
mod tests;

//! Texts compared after normalising, and by the longest common run of words.

use unicode_normalization::UnicodeNormalization;

use super::Score;

/// One way in which two texts may differ and still count as equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nfkc,
    Case,
    Blanks,
    Quotes,
    Punctuation,
}

impl Step {
    const ALL: [Self; 5] = [Self::Nfkc, Self::Case, Self::Blanks, Self::Quotes, Self::Punctuation];

    fn name(self) -> &'static str {
        match self {
            Self::Nfkc => "nfkc",
            Self::Case => "case",
            Self::Blanks => "blanks",
            Self::Quotes => "quotes",
            Self::Punctuation => "punctuation",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Nfkc => "nfkc: Unicode compatibility forms are one (NFKC)",
            Self::Case => "case: upper and lower case are one",
            Self::Blanks => "blanks: runs of blanks are one space, those at the ends go",
            Self::Quotes => "quotes: quotes around the whole go",
            Self::Punctuation => "punctuation: final . , ; : ! ? and their ideographic kin go",
        }
    }
}

/// Holds the steps by which texts are normalised before they are compared, always in the same order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalisation(Vec<Step>);

impl Normalisation {
    /// Returns every step.
    #[must_use]
    pub fn all() -> Self {
        Self(Step::ALL.to_vec())
    }

    /// Reads the names of steps, `nfkc,case,blanks,quotes,punctuation`, or `none`.
    #[must_use]
    pub fn parse(names: &str) -> Option<Self> {
        if names.trim() == "none" {
            return Some(Self(Vec::new()));
        }
        let named = |name: &str| Step::ALL.into_iter().find(|step| step.name() == name.trim());
        let wanted: Vec<Step> = names.split(',').map(named).collect::<Option<_>>()?;
        Some(Self(Step::ALL.into_iter().filter(|step| wanted.contains(step)).collect()))
    }

    /// Returns the names, as [`Self::parse`] reads them.
    #[must_use]
    pub fn names(&self) -> String {
        match self.0.as_slice() {
            [] => "none".to_owned(),
            steps => steps.iter().map(|step| step.name()).collect::<Vec<_>>().join(","),
        }
    }

    /// Returns what each step does, for the reader of a report.
    #[must_use]
    pub fn meanings(&self) -> Vec<&'static str> {
        self.0.iter().map(|step| step.meaning()).collect()
    }

    /// Returns a text after the steps.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut text = if self.has(Step::Nfkc) { text.nfkc().collect() } else { text.to_owned() };
        if self.has(Step::Case) {
            text = text.to_uppercase().to_lowercase();
        }
        // Folding may leave what can be composed again.
        if self.has(Step::Nfkc) && self.has(Step::Case) {
            text = text.nfkc().collect();
        }
        if self.has(Step::Blanks) {
            text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        self.without_marks(&text)
    }

    fn without_marks(&self, text: &str) -> String {
        let mut rest = text;
        loop {
            let mut stripped = rest;
            if self.has(Step::Punctuation) {
                stripped = stripped.trim_end_matches(FINAL_MARKS).trim();
            }
            if self.has(Step::Quotes) {
                stripped = strip_quotes(stripped);
            }
            // A text of nothing but marks stays as it is, so that it does not equal every other.
            if stripped.is_empty() || stripped == rest {
                return rest.to_owned();
            }
            rest = stripped;
        }
    }

    fn has(&self, step: Step) -> bool {
        self.0.contains(&step)
    }
}

/// Words of each text that count for the overlap; the comparison takes time by the product of both.
const WORDS_MAX: usize = 3_000;

/// Pairs of marks that may enclose a whole answer.
const QUOTES: [(char, char); 8] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{ab}', '\u{bb}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{300c}', '\u{300d}'),
];

/// Marks that may end an answer without being part of it.
const FINAL_MARKS: [char; 8] = ['.', ',', ';', ':', '!', '?', '\u{3002}', '\u{3001}'];

/// Returns a text in the form in which two texts count as equal: after every step of [`Normalisation`].
///
/// Steps: Unicode NFKC; case folded (upper case, then lower case, then NFKC again); runs of blanks become one space, those at
/// the ends go; then outer quotes and final `. , ; : ! ?` (and their ideographic kin) go, as often as they occur.
#[must_use]
pub fn normalise(text: &str) -> String {
    Normalisation::all().apply(text)
}

fn strip_quotes(text: &str) -> &str {
    for (open, close) in QUOTES {
        if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            return inner.trim();
        }
    }
    text
}

pub(super) fn exact(output: &str, reference: &str, normalisation: &Normalisation) -> Score {
    let is_equal = normalisation.apply(output) == normalisation.apply(reference);
    if is_equal { Score::right() } else { Score::failed("the texts differ") }
}

/// ROUGE-L (Lin 2004, section 3.1) with beta = 1: the harmonic mean of the share of words in common order.
pub(super) fn rouge_l(output: &str, reference: &str) -> Score {
    let (output, reference) = (words(output), words(reference));
    if output.is_empty() || reference.is_empty() {
        return Score::graded(if output.is_empty() && reference.is_empty() { 1.0 } else { 0.0 });
    }
    let counted = (&output[..output.len().min(WORDS_MAX)], &reference[..reference.len().min(WORDS_MAX)]);
    let common = longest_common_run(counted.0, counted.1);
    let cut = output.len() > WORDS_MAX || reference.len() > WORDS_MAX;
    Score {
        value: 2.0 * common as f64 / (counted.0.len() + counted.1.len()) as f64,
        reason: cut.then(|| format!("only the first {WORDS_MAX} words were compared")),
    }
}

fn words(text: &str) -> Vec<String> {
    let folded: String = text.nfkc().collect::<String>().to_lowercase();
    let mut words = Vec::new();
    let mut word = String::new();
    for character in folded.chars() {
        let alone = is_written_without_spaces(character);
        if (alone || !is_part_of_word(character)) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(character.to_string());
        } else if is_part_of_word(character) {
            word.push(character);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Letters, digits, and the marks that Indic, Arabic and Hebrew words carry between their letters.
fn is_part_of_word(character: char) -> bool {
    character.is_alphanumeric() || unicode_normalization::char::is_combining_mark(character)
}

/// Thai, Lao, Khmer, Burmese, and the Chinese and Japanese scripts.
fn is_written_without_spaces(character: char) -> bool {
    matches!(u32::from(character),
        0x0E01..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3041..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
        && is_part_of_word(character)
}

fn longest_common_run(first: &[String], second: &[String]) -> usize {
    let mut above = vec![0_usize; second.len() + 1];
    let mut row = above.clone();
    for word in first {
        for (column, other) in second.iter().enumerate() {
            row[column + 1] = if word == other { above[column] + 1 } else { row[column].max(above[column + 1]) };
        }
        std::mem::swap(&mut above, &mut row);
    }
    above[second.len()]
}

//! Checks as a user writes them: `exact`, `field:category`, `numeric:0.01`, `fields:tags=set`.

use serde_json::Value;
use thiserror::Error;

use super::pattern::{Anchor, Pattern};
use super::{Check, FieldFigure, FieldRules, JsonPlace, Normalisation, SchemaRule, Tolerance};

/// Says why a check cannot be made from what was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is not that of a check.
    #[error("no check is called `{name}`; the nearest is `{nearest}`")]
    Unknown {
        /// The name found.
        name: String,
        /// The most similar name there is.
        nearest: &'static str,
    },
    /// The part after the colon does not fit the check.
    #[error("the check `{name}` cannot take `{argument}`: {expected}")]
    Argument {
        /// Name of the check.
        name: &'static str,
        /// The part found.
        argument: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// The pattern is no legal one, or too large.
    #[error("the pattern cannot be used: {fault}")]
    PatternIllegal {
        /// What is wrong with it.
        fault: String,
    },
    /// A schema check was asked for where no schema is declared.
    #[error("the check `schema` needs a schema, and there is none")]
    SchemaMissing,
    /// The schema is not a legal JSON Schema.
    #[error("the response schema is not a legal JSON Schema: {fault}")]
    SchemaIllegal {
        /// What is wrong with it.
        fault: String,
    },
}

const NAMES: [&str; 18] = [
    "exact",
    "regex",
    "regex_full",
    "numeric",
    "json",
    "schema",
    "fields",
    "fields_exact",
    "fields_precision",
    "fields_recall",
    "field",
    "tool_call",
    "refusal",
    "answered",
    "text",
    "chrf2",
    // Other names of the last two.
    "rouge_l",
    "chrf",
];
const NUMERIC_EXPECTED: &str =
    "a largest distance such as 0.01, a share of the reference such as 1%, or both as 0.01,1%";
const FIELDS_EXPECTED: &str = "PATH=RULE;PATH=RULE, where a rule is set, ordered, key=NAME, tolerance=LIMITS or ignore, as in tags=set;total=tolerance=0.01";
const EXACT_EXPECTED: &str = "the normalisations, of nfkc,case,blanks,quotes,punctuation, or none";

impl Check {
    /// Returns the check that a spec names; `schema` is the response schema the step declares, if any.
    ///
    /// Specs: `exact`, `exact:STEPS`, `regex:PATTERN`, `regex_full:PATTERN`, `numeric`, `numeric:0.01` (largest distance),
    /// `numeric:1%` (share of the reference), `numeric:0.01,1%` (the wider counts), `json`, `json:strict`, `schema`, `fields`,
    /// `fields:RULES` and so `fields_exact`, `fields_precision`, `fields_recall`, `field:PATH`, `tool_call`, `refusal`, `answered`,
    /// `text` (or `rouge_l`), `chrf2` (or `chrf`).
    ///
    /// # Errors
    /// Refuses unknown names with the nearest known one, arguments that do not fit, and a missing or illegal schema or pattern.
    pub fn parse(spec: &str, schema: Option<&Value>) -> Result<Self, Error> {
        let (name, argument) = match spec.trim().split_once(':') {
            Some((name, argument)) => (name.trim(), Some(argument.trim())),
            None => (spec.trim(), None),
        };
        let Some(name) = NAMES.into_iter().find(|known| *known == name) else {
            return Err(Error::Unknown { name: name.to_owned(), nearest: nearest(name) });
        };
        let refused = |expected| Error::Argument { name, argument: argument.unwrap_or_default().to_owned(), expected };
        match argument {
            Some(argument) => with_argument(name, argument, refused),
            None => alone(name, schema, refused),
        }
    }

    /// Returns the spec of the check, from which [`Check::parse`] makes it again.
    #[must_use]
    pub fn name(&self) -> String {
        let plain = match self {
            Self::Exact(normalisation) if *normalisation == Normalisation::all() => "exact",
            Self::Exact(normalisation) => return format!("exact:{}", normalisation.names()),
            Self::Regex(pattern) => return pattern.name(),
            Self::Numeric(tolerance) => return numeric_name(*tolerance),
            Self::Json(JsonPlace::Anywhere) => "json",
            Self::Json(JsonPlace::Whole) => "json:strict",
            Self::Schema(_) => "schema",
            Self::Fields(figure, rules) => return fields_name(*figure, rules),
            Self::Field { path } => return format!("field:{path}"),
            Self::ToolCall => "tool_call",
            Self::Refusal => "refusal",
            Self::Answered => "answered",
            Self::RougeL => "text",
            Self::Chrf => "chrf2",
        };
        plain.to_owned()
    }
}

fn alone(name: &'static str, schema: Option<&Value>, refused: impl Fn(&'static str) -> Error) -> Result<Check, Error> {
    Ok(match name {
        "exact" => Check::Exact(Normalisation::all()),
        "regex" | "regex_full" => return Err(refused("a pattern, as in regex:answer is (\\d+)")),
        "numeric" => Check::Numeric(Tolerance::EQUAL),
        "json" => Check::Json(JsonPlace::Anywhere),
        "schema" => Check::Schema(SchemaRule::compile(schema.ok_or(Error::SchemaMissing)?)?.into()),
        "field" => return Err(refused("the path of a field, as in field:category")),
        "tool_call" => Check::ToolCall,
        "refusal" => Check::Refusal,
        "answered" => Check::Answered,
        "rouge_l" | "text" => Check::RougeL,
        "chrf2" | "chrf" => Check::Chrf,
        fields => Check::Fields(figure(fields), FieldRules::default().into()),
    })
}

fn with_argument(name: &'static str, argument: &str, refused: impl Fn(&'static str) -> Error) -> Result<Check, Error> {
    let expected = |expected: &'static str| refused(expected);
    match name {
        "exact" => Normalisation::parse(argument).map(Check::Exact).ok_or_else(|| expected(EXACT_EXPECTED)),
        "regex" | "regex_full" if argument.is_empty() => Err(expected("a pattern, as in regex:answer is (\\d+)")),
        "regex" => Ok(Check::Regex(Pattern::compile(argument, Anchor::Search)?.into())),
        "regex_full" => Ok(Check::Regex(Pattern::compile(argument, Anchor::Whole)?.into())),
        "numeric" => tolerance(argument).map(Check::Numeric).ok_or_else(|| expected(NUMERIC_EXPECTED)),
        "json" if argument == "strict" => Ok(Check::Json(JsonPlace::Whole)),
        "json" => Err(expected("nothing, or strict")),
        "field" if argument.is_empty() => Err(expected("the path of a field, as in field:category")),
        "field" => Ok(Check::Field { path: argument.to_owned() }),
        "fields" | "fields_exact" | "fields_precision" | "fields_recall" => FieldRules::parse(argument)
            .map(|rules| Check::Fields(figure(name), rules.into()))
            .ok_or_else(|| expected(FIELDS_EXPECTED)),
        _ => Err(expected("nothing after the name")),
    }
}

fn figure(name: &str) -> FieldFigure {
    match name {
        "fields_exact" => FieldFigure::AllEqual,
        "fields_precision" => FieldFigure::Precision,
        "fields_recall" => FieldFigure::Recall,
        _ => FieldFigure::F1,
    }
}

fn fields_name(figure: FieldFigure, rules: &FieldRules) -> String {
    let name = match figure {
        FieldFigure::F1 => "fields",
        FieldFigure::AllEqual => "fields_exact",
        FieldFigure::Precision => "fields_precision",
        FieldFigure::Recall => "fields_recall",
    };
    match rules.names() {
        rules if rules.is_empty() => name.to_owned(),
        rules => format!("{name}:{rules}"),
    }
}

fn numeric_name(tolerance: Tolerance) -> String {
    let share = tolerance.relative * 100.0;
    match (tolerance.absolute > 0.0, tolerance.relative > Tolerance::EQUAL.relative) {
        (false, false) => "numeric".into(),
        (true, false) => format!("numeric:{}", tolerance.absolute),
        (false, true) => format!("numeric:{share}%"),
        (true, true) => format!("numeric:{},{share}%", tolerance.absolute),
    }
}

pub(super) fn tolerance(limits: &str) -> Option<Tolerance> {
    let (mut absolute, mut relative) = (0.0, 0.0);
    for limit in limits.split(',') {
        match limit.trim().strip_suffix('%') {
            Some(share) => relative = share.trim().parse::<f64>().ok()? / 100.0,
            None => absolute = limit.trim().parse().ok()?,
        }
    }
    Tolerance::new(absolute, relative)
}

fn nearest(name: &str) -> &'static str {
    let likeness = |known: &&str| (strsim::normalized_levenshtein(name, known) * 1e6) as u64;
    NAMES.into_iter().max_by_key(likeness).expect("there are checks")
}

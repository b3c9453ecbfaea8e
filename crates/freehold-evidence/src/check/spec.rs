//! Checks as a user writes them: `exact`, `field:category`, `numeric:0.01`.

use serde_json::Value;
use thiserror::Error;

use super::{Check, SchemaRule, Tolerance};

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
    /// A schema check was asked for on a step without a schema.
    #[error("the check `schema` needs a response schema, and the step declares none")]
    SchemaMissing,
    /// The schema is not a legal JSON Schema.
    #[error("the response schema is not a legal JSON Schema: {fault}")]
    SchemaIllegal {
        /// What is wrong with it.
        fault: String,
    },
}

const NAMES: [&str; 8] = ["exact", "fields", "fields_exact", "field", "schema", "tool_call", "numeric", "text"];
const NUMERIC_EXPECTED: &str =
    "a largest distance such as 0.01, a share of the reference such as 1%, or both as 0.01,1%";

impl Check {
    /// Returns the check that a spec names; `schema` is the response schema the step declares, if any.
    ///
    /// Specs: `exact`, `fields`, `fields_exact`, `field:PATH`, `schema`, `tool_call`, `numeric`, `numeric:0.01` (largest
    /// distance), `numeric:1%` (share of the reference), `numeric:0.01,1%` (the wider counts), `text`.
    ///
    /// # Errors
    /// Refuses unknown names with the nearest known one, arguments that do not fit, and a missing or illegal schema.
    pub fn parse(spec: &str, schema: Option<&Value>) -> Result<Self, Error> {
        let (name, argument) = match spec.trim().split_once(':') {
            Some((name, argument)) => (name.trim(), Some(argument.trim())),
            None => (spec.trim(), None),
        };
        let Some(name) = NAMES.into_iter().find(|known| *known == name) else {
            return Err(Error::Unknown { name: name.to_owned(), nearest: nearest(name) });
        };
        let refuse =
            |expected| Err(Error::Argument { name, argument: argument.unwrap_or_default().to_owned(), expected });
        match (name, argument) {
            ("field", None | Some("")) => refuse("the path of a field, as in field:category"),
            ("field", Some(path)) => Ok(Self::Field { path: path.to_owned() }),
            ("numeric", None) => Ok(Self::Numeric(Tolerance::EQUAL)),
            ("numeric", Some(limits)) => {
                tolerance(limits).map_or_else(|| refuse(NUMERIC_EXPECTED), |t| Ok(Self::Numeric(t)))
            }
            (_, Some(_)) => refuse("nothing after the name"),
            ("exact", None) => Ok(Self::Exact),
            ("fields", None) => Ok(Self::Fields),
            ("fields_exact", None) => Ok(Self::FieldsExact),
            ("tool_call", None) => Ok(Self::ToolCall),
            ("schema", None) => Ok(Self::Schema(SchemaRule::compile(schema.ok_or(Error::SchemaMissing)?)?.into())),
            (_, None) => Ok(Self::Text),
        }
    }

    /// Returns the spec of the check, from which [`Check::parse`] makes it again.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Exact => "exact".into(),
            Self::Fields => "fields".into(),
            Self::FieldsExact => "fields_exact".into(),
            Self::Field { path } => format!("field:{path}"),
            Self::Schema(_) => "schema".into(),
            Self::ToolCall => "tool_call".into(),
            Self::Numeric(tolerance) => numeric_name(*tolerance),
            Self::Text => "text".into(),
        }
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

fn tolerance(limits: &str) -> Option<Tolerance> {
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

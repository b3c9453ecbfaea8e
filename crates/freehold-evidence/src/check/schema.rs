//! Validity under a JSON Schema, compiled once per assessment.

use jsonschema::Validator;
use serde_json::Value;

use super::spec::Error;
use super::{Output, Score, json};

/// Holds a compiled JSON Schema.
#[derive(Debug)]
pub struct SchemaRule {
    validator: Validator,
}

impl SchemaRule {
    /// Returns the rule for a schema. A `$ref` to another file or address is not followed but refused.
    ///
    /// # Errors
    /// Refuses what is not a legal JSON Schema.
    pub fn compile(schema: &Value) -> Result<Self, Error> {
        let validator =
            jsonschema::validator_for(schema).map_err(|fault| Error::SchemaIllegal { fault: fault.to_string() })?;
        Ok(Self { validator })
    }

    pub(super) fn score(&self, output: &Output) -> Score {
        if output.text.trim().is_empty() {
            return Score::failed("the answer is empty");
        }
        let Some(found) = json::extract(&output.text) else {
            return Score::failed("the answer holds no JSON");
        };
        match self.validator.iter_errors(&found.value).next() {
            // The fault names the place; the value there is the caller's text and stays out of the reason.
            Some(fault) => Score::failed(format!("invalid at `{}`: {}", fault.instance_path(), fault.masked())),
            None => Score { value: 1.0, reason: found.remark() },
        }
    }
}

//! Lines of a file of answers, `{"output", "reference", "tools"?, "schema"?}`, read and scored one by one.

use serde_json::{Map, Value};
use thiserror::Error as ThisError;

use super::{AcceptedCall, Check, Error, Output, Reference, SchemaRule, Score, Tool, ToolCall, json};

/// Says why a line cannot be scored.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum LineError {
    /// The line is not JSON; the source says where it breaks off.
    #[error("the line is no JSON")]
    Json(#[from] serde_json::Error),
    /// The line holds JSON of another kind.
    #[error("the line is no JSON object")]
    Object,
    /// A member that is there cannot be read.
    #[error("`{member}` is {expected}")]
    Member {
        /// Name of the member.
        member: &'static str,
        /// What is wrong with it.
        expected: &'static str,
    },
    /// The check compares with a reference, and the line has none.
    #[error("the line has no `reference`, which the check compares with")]
    ReferenceMissing,
    /// The check needs a schema of the line's own.
    #[error(transparent)]
    Schema(#[from] Error),
}

/// Holds what a line says, read for one check.
#[derive(Debug)]
pub struct Line {
    /// What was answered, or why it cannot be used.
    pub output: Result<Output, &'static str>,
    /// What it is compared with; empty where the check compares with nothing.
    pub reference: Reference,
    /// The tools on offer.
    pub tools: Vec<Tool>,
}

impl Line {
    /// Reads the members of a line.
    ///
    /// # Errors
    /// The tools or the reference cannot be read, or the check needs a reference that is not there. An answer that is missing or
    /// malformed is no error.
    pub fn read(members: &mut Map<String, Value>, check: &Check) -> Result<Self, LineError> {
        let tools = tools(members.remove("tools"))?;
        let reference = reference(check, members.remove("reference"))?;
        let output = output(check, members.remove("output").unwrap_or_default());
        Ok(Self { output, reference, tools })
    }

    fn score(&self, check: &Check) -> Score {
        match &self.output {
            Ok(output) => check.score_with(output, &self.reference, &self.tools),
            Err(reason) => Score::failed(*reason),
        }
    }
}

/// Scores lines with one check.
#[derive(Debug)]
pub struct LineScorer {
    /// `None` for the schema check, whose schema stands in each line.
    check: Option<Check>,
    /// The rule of the line before: files tend to have one schema for all lines.
    rule: Option<(Value, Check)>,
}

impl LineScorer {
    /// Returns the scorer for a spec as [`Check::parse`] takes it; `schema` is looked for in each line.
    ///
    /// # Errors
    /// As for [`Check::parse`].
    pub fn new(spec: &str) -> Result<Self, Error> {
        let check = if spec.trim() == "schema" { None } else { Some(Check::parse(spec, None)?) };
        Ok(Self { check, rule: None })
    }

    /// Returns the check; for the schema check that of the line before.
    #[must_use]
    pub fn check(&self) -> Option<&Check> {
        self.check.as_ref().or(self.rule.as_ref().map(|(_, check)| check))
    }

    /// Returns the score of a line.
    ///
    /// # Errors
    /// The line is no JSON object, or lacks what the check needs. An answer that is missing or malformed is no error: it scores 0.
    pub fn score(&mut self, line: &[u8]) -> Result<Score, LineError> {
        let mut members = members(line)?;
        let check = match &self.check {
            Some(check) => check,
            None => schema_check(&mut self.rule, members.remove("schema"))?,
        };
        Ok(Line::read(&mut members, check)?.score(check))
    }
}

/// Returns the members of a line.
///
/// # Errors
/// The line is no JSON object.
pub fn members(line: &[u8]) -> Result<Map<String, Value>, LineError> {
    match serde_json::from_slice(line)? {
        Value::Object(members) => Ok(members),
        _ => Err(LineError::Object),
    }
}

fn schema_check(rule: &mut Option<(Value, Check)>, schema: Option<Value>) -> Result<&Check, LineError> {
    let schema = schema.filter(|schema| !schema.is_null()).ok_or(Error::SchemaMissing)?;
    if rule.as_ref().is_none_or(|(known, _)| *known != schema) {
        let check = Check::Schema(SchemaRule::compile(&schema)?.into());
        *rule = Some((schema, check));
    }
    Ok(rule.as_ref().map(|(_, check)| check).expect("set just above"))
}

fn tools(tools: Option<Value>) -> Result<Vec<Tool>, LineError> {
    let wrong = LineError::Member { member: "tools", expected: "no array of tool descriptions with a name" };
    match tools {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(descriptions)) => {
            descriptions.iter().map(Tool::read).collect::<Option<Vec<_>>>().ok_or(wrong)
        }
        Some(_) => Err(wrong),
    }
}

/// Reads what was answered, or says why it cannot be used.
fn output(check: &Check, value: Value) -> Result<Output, &'static str> {
    match value {
        Value::Null => Err("there is no answer"),
        value => match answer(check, &value) {
            None => Ok(as_text(value)),
            Some((text, None | Some(Value::Null))) => Ok(Output { text, tool_calls: Vec::new() }),
            Some((text, Some(calls))) => {
                let calls = calls.as_array().and_then(|calls| calls.iter().map(tool_call).collect());
                Ok(Output { text, tool_calls: calls.ok_or("the tool calls cannot be read")? })
            }
        },
    }
}

fn reference(check: &Check, value: Option<Value>) -> Result<Reference, LineError> {
    let value = match value {
        Some(value) if !value.is_null() || matches!(check, Check::ToolCall) => value,
        _ if !check.needs_reference() => Value::Null,
        _ => return Err(LineError::ReferenceMissing),
    };
    let wrong = LineError::Member { member: "reference", expected: "no answer: its tool calls cannot be read" };
    match answer(check, &value) {
        None if value.is_null() => Ok(Output::default().into()),
        None => Ok(as_text(value).into()),
        Some((text, None)) => Ok(Output { text, tool_calls: Vec::new() }.into()),
        Some((text, Some(Value::Null))) => Ok(Reference::Accepted { text, calls: Vec::new() }),
        Some((text, Some(Value::Array(calls)))) => {
            if !calls.is_empty() && calls.iter().all(|call| call.get("args").is_some()) {
                let accepted: Option<Vec<AcceptedCall>> = calls.iter().map(accepted_call).collect();
                return accepted.map(|calls| Reference::Accepted { text, calls }).ok_or(wrong);
            }
            let calls: Option<Vec<ToolCall>> = calls.iter().map(tool_call).collect();
            calls.map(|tool_calls| Output { text, tool_calls }.into()).ok_or(wrong)
        }
        Some(_) => Err(wrong),
    }
}

/// The text and the tool calls of a value that has the shape of an answer; `None` where it is JSON of the caller's own.
fn answer<'a>(check: &Check, value: &'a Value) -> Option<(String, Option<&'a Value>)> {
    let members = value.as_object()?;
    if members.is_empty() || members.keys().any(|name| name != "text" && name != "tool_calls") {
        return None;
    }
    let text = match members.get("text") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => return None,
    };
    let calls = members.get("tool_calls");
    let is_answer =
        calls.is_some() || !check.compares_json() || json::extract(&text).is_some_and(|found| !is_scalar(&found.value));
    is_answer.then_some((text, calls))
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn as_text(value: Value) -> Output {
    let text = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Output { text, tool_calls: Vec::new() }
}

/// Reads `{"name", "arguments"}`, bare or below `function`.
fn tool_call(value: &Value) -> Option<ToolCall> {
    let call = value.get("function").filter(|inner| inner.is_object()).unwrap_or(value);
    Some(ToolCall {
        name: call.get("name")?.as_str()?.to_owned(),
        arguments: call.get("arguments").cloned().unwrap_or(Value::Null),
    })
}

/// Reads `{"name", "args": {parameter: [accepted values]}}`; `args` of another kind are kept as such, which no call meets.
fn accepted_call(value: &Value) -> Option<AcceptedCall> {
    let args = value.get("args")?.as_object().filter(|args| args.values().all(Value::is_array));
    Some(AcceptedCall { name: value.get("name")?.as_str()?.to_owned(), args: args.cloned() })
}

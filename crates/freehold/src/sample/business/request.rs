//! The requests that the desk's application sends, in the provider's own JSON.

use serde_json::{Value, json};

use super::facts::{Category, Priority};
use super::{StepName, Ticket};

const TRIAGE: &str = "You sort the mail of a shop. Answer with JSON: category and priority. \
    Priority is urgent for danger or legal threats, high for deadlines or repeated mails, \
    low if there is no hurry and for plain questions and feedback, else normal.";
const EXTRACT: &str = "You read the mail of a shop. Answer with JSON: order (digits), product, amount, date of the order and \
    name of the writer, exactly as written, null if absent. Ignore other orders, people and quoted mail.";
const DECIDE: &str = "You decide what a shop does about a mail. Call one tool. First, escalate safety or legal threats. \
    Close question, login and feedback. Escalate if there is no order. \
    For refund, cancel and billing: refund up to 200, escalate over limit or with no amount. \
    For damaged, wrong_item and warranty: replace, escalate with no product. Track late or missing parcels. Update address.";
const REPLY: &str = "You write for a shop. Reply in two or three sentences that state what was decided, with name, order, amount, \
    product and address where given. Refund days: card 5, PayPal 2, bank transfer 7, else 10. Answer second questions: \
    Norway 8 days, open 9 to 18, gift cards from 25 dollars, guarantee 3 years, students 10 percent off, pick-up at Dock Road.";

const TOKENS_MAX: u32 = 160;
/// Parts the ticket from what earlier steps found; customers do not write it.
const DIVIDER: &str = "\n\n--\n";

/// Returns the body of a step's request: OpenAI Chat Completions, or for the reply Anthropic Messages.
///
/// `triage`, `extract` and `decision` are what the earlier steps answered; steps that do not use them ignore them.
#[must_use]
pub fn request(step: StepName, ticket: &Ticket, earlier: Earlier<'_>, model: &str) -> Value {
    match step {
        StepName::Triage => structured(model, TRIAGE, &ticket.text, &json_schema("triage", &triage_schema())),
        StepName::Extract => structured(model, EXTRACT, &ticket.text, &json_schema("extract", &extract_schema())),
        StepName::Decide => {
            let found = format!("{}{DIVIDER}Triage: {}\nExtract: {}", ticket.text, earlier.triage, earlier.extract);
            json!({
                "model": model,
                "messages": messages(DECIDE, &found),
                "max_tokens": TOKENS_MAX,
                "temperature": 0,
                "tools": tools(),
                "tool_choice": "required",
            })
        }
        StepName::Reply => json!({
            "model": model,
            "max_tokens": TOKENS_MAX,
            "temperature": 0,
            "system": REPLY,
            "messages": [{"role": "user", "content": format!("{}{DIVIDER}Decision: {}", ticket.text, earlier.decision)}],
        }),
    }
}

/// What the earlier steps of the run answered.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// The triage answer.
    pub triage: &'a Value,
    /// The extracted fields.
    pub extract: &'a Value,
    /// The tool call as `{"name","arguments"}`.
    pub decision: &'a Value,
}

/// Returns the ticket's text from a request that [`request`] built, or nothing where it is none.
#[must_use]
pub fn ticket_text(request: &Value) -> Option<&str> {
    let messages = request["messages"].as_array()?;
    let user = messages.iter().rfind(|message| message["role"] == "user")?;
    let content = user["content"].as_str()?;
    Some(content.split_once(DIVIDER).map_or(content, |(text, _)| text))
}

fn structured(model: &str, system: &str, user: &str, format: &Value) -> Value {
    json!({
        "model": model,
        "messages": messages(system, user),
        "max_tokens": TOKENS_MAX,
        "temperature": 0,
        "response_format": format,
    })
}

fn messages(system: &str, user: &str) -> Value {
    json!([{"role": "system", "content": system}, {"role": "user", "content": user}])
}

fn json_schema(name: &str, schema: &Value) -> Value {
    json!({"type": "json_schema", "json_schema": {"name": name, "strict": true, "schema": schema}})
}

fn triage_schema() -> Value {
    let categories: Vec<&str> = Category::ALL.iter().map(|category| category.as_str()).collect();
    let priorities: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
    json!({
        "type": "object",
        "properties": {
            "category": {"type": "string", "enum": categories},
            "priority": {"type": "string", "enum": priorities},
        },
        "required": ["category", "priority"],
        "additionalProperties": false,
    })
}

fn extract_schema() -> Value {
    let text = json!({"type": ["string", "null"]});
    json!({
        "type": "object",
        "properties": {
            "order": text,
            "product": text,
            "amount": {"type": ["number", "null"]},
            "date": text,
            "name": text,
        },
        "required": ["order", "product", "amount", "date", "name"],
        "additionalProperties": false,
    })
}

fn tools() -> Value {
    json!([
        tool("refund_order", "Pays an order back", &[("order", "string"), ("amount", "number")]),
        tool("replace_item", "Sends a product again", &[("order", "string"), ("product", "string")]),
        tool("track_parcel", "Asks the carrier for a parcel", &[("order", "string")]),
        tool("update_address", "Changes where an order goes", &[("order", "string"), ("address", "string")]),
        tool("escalate", "Hands the ticket to a person", &[("reason", "string")]),
        tool("close_ticket", "Closes the ticket", &[("reason", "string")]),
    ])
}

fn tool(name: &str, description: &str, parameters: &[(&str, &str)]) -> Value {
    let properties: serde_json::Map<String, Value> =
        parameters.iter().map(|(key, kind)| ((*key).to_owned(), json!({"type": kind}))).collect();
    let required: Vec<&str> = parameters.iter().map(|(key, _)| *key).collect();
    json!({"type": "function", "function": {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties, "required": required, "additionalProperties": false},
    }})
}

//! The application of the sample business: sends a ticket through its four steps over HTTP, as any application would.

use freehold_wire::Api;
use serde_json::{Value, json};

use super::business::{self, Earlier, StepName, Ticket};
use crate::client::Client;

/// What became of one step of one ticket.
#[derive(Debug, Clone)]
pub struct Served {
    /// The step, as the business calls it.
    pub step: StepName,
    /// Freehold's name of the step, where it answered.
    pub found_step: Option<String>,
    /// Who answered, as `x-freehold-served-by` says; `None` where nobody did.
    pub served_by: Option<String>,
    /// Whether the answer is a success.
    pub is_answered: bool,
}

/// Sends one ticket through the workflow; a step that fails is passed over with its answer unknown to later ones.
pub async fn handle(client: &Client, gateway: &str, ticket: &Ticket, model: &str) -> Vec<Served> {
    let mut served = Vec::new();
    let (mut triage, mut extract, mut decision) = (Value::Null, Value::Null, Value::Null);
    for step in [StepName::Triage, StepName::Extract, StepName::Decide, StepName::Reply] {
        let earlier = Earlier { triage: &triage, extract: &extract, decision: &decision };
        let body = business::request(step, ticket, earlier, model);
        let (line, answer) = ask(client, gateway, ticket, (step, body)).await;
        served.push(line);
        match step {
            StepName::Triage => triage = answer,
            StepName::Extract => extract = answer,
            StepName::Decide => decision = answer,
            StepName::Reply => {}
        }
    }
    served
}

async fn ask(client: &Client, gateway: &str, ticket: &Ticket, (step, body): (StepName, Value)) -> (Served, Value) {
    let api = if step == StepName::Reply { Api::AnthropicMessages } else { Api::OpenAiChat };
    let headers = [("x-freehold-run", ticket.id.as_str()), ("anthropic-version", "2023-06-01")];
    let reply = client.post(&format!("{gateway}{}", api.path()), &headers, body.to_string().into_bytes()).await;
    let Ok(reply) = reply else {
        return (Served { step, found_step: None, served_by: None, is_answered: false }, Value::Null);
    };
    let header = |name: &str| reply.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let is_answered = reply.status.is_success();
    let served_by = header("x-freehold-served-by").filter(|_| is_answered);
    let line = Served { step, found_step: header("x-freehold-step"), served_by, is_answered };
    let answer = if is_answered { freehold_wire::answers::read(api, &reply.body).ok() } else { None };
    (line, answer.map(|answer| value_of(&answer)).unwrap_or_default())
}

fn value_of(answer: &freehold_wire::Answer) -> Value {
    match answer.tool_calls.first() {
        Some(call) => {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            json!({"name": call.name, "arguments": arguments})
        }
        None => serde_json::from_str(&answer.text).unwrap_or_else(|_| Value::String(answer.text.clone())),
    }
}

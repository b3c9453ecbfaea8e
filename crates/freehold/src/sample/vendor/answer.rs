//! What the simulated vendor says: the gold, another right wording of it, or a mistake at the declared rate.

use std::collections::HashMap;

use freehold_wire::Answer;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::Manner;
use super::telling;
use crate::sample::business::{self, StepName, Ticket};

/// Answers a request of the sample business; `None` where it is none. The `number` makes it differ from itself.
pub(super) fn answer(known: &HashMap<String, Ticket>, manner: &Manner, body: &[u8], number: u64) -> Option<Answer> {
    let request: Value = serde_json::from_slice(body).ok()?;
    let ticket = known.get(business::ticket_text(&request)?)?;
    let step = step_of(&request);
    let mut rng = ChaCha8Rng::seed_from_u64(manner.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let said = if rng.random_bool(manner.error_rate) {
        business::mistake(step, ticket, &mut rng)
    } else {
        business::paraphrase(step, ticket, &mut rng)
    };
    Some(match said {
        business::Answer::Text(text) => telling::answer(text, None, body.len(), number),
        business::Answer::ToolCall { name, arguments } => {
            telling::answer(String::new(), Some((name, &arguments)), body.len(), number)
        }
    })
}

fn step_of(request: &Value) -> StepName {
    if request.get("tools").is_some() {
        return StepName::Decide;
    }
    match request["response_format"]["json_schema"]["name"].as_str() {
        Some("triage") => StepName::Triage,
        Some("extract") => StepName::Extract,
        _ => StepName::Reply,
    }
}

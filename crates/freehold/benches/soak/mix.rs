//! What is asked: short and long calls, forms, tools, and calls that are given up.

use freehold::sample::business::{self, Earlier, Split, StepName};
use freehold_wire::{Answer, Api, Finish, Request, requests};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::tally::End;

/// The kinds of calls.
pub(crate) const KINDS: [&str; 5] = ["short", "long", "schema", "tools", "given up"];

/// One call to be made.
pub(crate) struct Wish {
    /// Its place in [`KINDS`].
    pub(crate) kind: usize,
    number: u64,
    seed: u64,
}

impl Wish {
    /// Draws one.
    pub(crate) fn draw(random: &mut StdRng) -> Wish {
        Wish { kind: random.random_range(0..KINDS.len()), number: random.random_range(0..500), seed: random.random() }
    }

    /// Returns after how many events it is given up, where it is.
    pub(crate) fn gives_up_after(&self) -> Option<u64> {
        (KINDS[self.kind] == "given up").then_some(self.seed % 6)
    }

    /// Returns the request.
    pub(crate) fn request(&self) -> Request {
        let step = match KINDS[self.kind] {
            "schema" => StepName::Extract,
            "tools" => StepName::Decide,
            _ => StepName::Reply,
        };
        let ticket = business::ticket(3, self.number, Split::Tune);
        let gold = &ticket.gold;
        let earlier = Earlier { triage: &gold.triage, extract: &gold.extract, decision: &gold.decide };
        let mut body = business::request(step, &ticket, earlier, "m");
        body["seed"] = json!(self.seed >> 1);
        body["temperature"] = json!(0.7);
        body["max_tokens"] = json!(if KINDS[self.kind] == "short" { 4 } else { 160 });
        if KINDS[self.kind] == "long" {
            let turns = body["messages"].as_array_mut().expect("a request has turns");
            turns.insert(1, json!({"role": "user", "content": "Please mind my order 40077. ".repeat(20)}));
            turns.insert(2, json!({"role": "assistant", "content": "I will."}));
        }
        requests::read(Api::OpenAiChat, body.to_string().as_bytes()).expect("the sample business writes requests")
    }

    /// Looks whether an answer is what was asked for.
    pub(crate) fn look_at(&self, answer: &Answer) -> End {
        if answer.finish.is_none() {
            return End::Wrong("an answer without an end".to_owned());
        }
        let is_form = KINDS[self.kind] == "schema" && answer.finish == Some(Finish::Stop);
        if is_form && !serde_json::from_str::<Value>(&answer.text).is_ok_and(|value| value.is_object()) {
            return End::Wrong(format!("an answer that was to be a form: {}", answer.text));
        }
        End::Answered(answer.usage.as_ref().map_or(0, |usage| usage.output))
    }
}

/// Returns a script that answers all of this where no model does, word by word and none too fast.
pub(crate) fn script() -> Value {
    let notes = "noted ".repeat(30);
    let form = json!({"text": format!("{{\"order\": \"40077\", \"notes\": \"{notes}\"}}"), "word_ms": 4});
    let tool = json!({"name": "refund", "arguments": {"order": "40077"}});
    // Only where a tool is to be chosen does the customer's text end with what the step before found.
    json!({"rules": [{"when": "Triage:", "tool_call": tool, "word_ms": 4}], "otherwise": form})
}

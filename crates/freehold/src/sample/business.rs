//! The sample business: a shop's support desk whose workflow has four LLM steps.
//!
//! A seeded generator makes tickets; the gold answers follow from how a ticket was made, never from reading
//! its text. Pure: no IO, no clock; the same seed, index and split always give the same ticket.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

mod facts;
mod letter;
mod mistake;
mod pen;
mod phrases;
mod policy;
mod request;
mod wording;

pub use facts::{Category, Facts, Payment, Pressure, Priority};
pub use mistake::mistake;
pub use request::{Earlier, request, ticket_text};
pub use wording::{paraphrase, reply_facts};

/// Draws for one ticket before the generator must be broken; each falls into its split with 5 % at least.
const ATTEMPTS_MAX: u64 = 4096;
const TRAIN_PERCENT: u64 = 90;
const TUNE_PERCENT: u64 = 5;

/// Which of the three disjoint sets of tickets a ticket belongs to; its text alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Seen by the training recipe.
    Train,
    /// Seen by the training recipe only to score checkpoints.
    Tune,
    /// Seen by nobody before the demonstration.
    Demo,
}

impl Split {
    /// Returns the split that a ticket text falls into, by its hash.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match mixed(fnv1a(text.as_bytes())) % 100 {
            percent if percent < TRAIN_PERCENT => Self::Train,
            percent if percent < TRAIN_PERCENT + TUNE_PERCENT => Self::Tune,
            _ => Self::Demo,
        }
    }
}

/// One of the four LLM steps of the desk's workflow, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// One of twelve categories and a priority, as JSON.
    Triage,
    /// Order, product, amount, date and name as JSON, each null where absent.
    Extract,
    /// One tool call out of six.
    Decide,
    /// Two or three sentences to the customer.
    Reply,
}

impl StepName {
    /// All steps in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Triage, Self::Extract, Self::Decide, Self::Reply];

    /// Returns the step's name as it is written in requests and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Extract => "extract",
            Self::Decide => "decide",
            Self::Reply => "reply",
        }
    }
}

/// A customer's message together with the right answers of all four steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ticket {
    /// Identifies the ticket among all seeds, indices and splits.
    pub id: String,
    /// What the customer wrote.
    pub text: String,
    /// What the text was made from.
    pub facts: Facts,
    /// The right answer of each step.
    pub gold: Gold,
}

/// The right answers for one ticket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gold {
    /// `{"category","priority"}`.
    pub triage: Value,
    /// `{"order","product","amount","date","name"}`.
    pub extract: Value,
    /// `{"name","arguments"}` of the one right tool call.
    pub decide: Value,
    /// One right wording of the reply.
    pub reply: String,
}

/// An answer as a model gives it: text, or one tool call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Plain or JSON text.
    Text(String),
    /// A call of one of the six tools.
    ToolCall {
        /// Which tool.
        name: String,
        /// An object with the tool's parameters.
        arguments: Value,
    },
}

/// Returns the ticket at `index` of a seed's stream for one split; always the same for the same arguments.
///
/// # Panics
/// Never in practice: it draws until the text's hash falls into the split, and each draw does so with at
/// least one chance in twenty.
#[must_use]
pub fn ticket(seed: u64, index: u64, split: Split) -> Ticket {
    let (mut rng, facts, text) = (0..ATTEMPTS_MAX)
        .map(|attempt| draw([seed, index, split as u64, attempt], split))
        .find(|(_, _, text)| Split::of(text) == split)
        .expect("a draw falls into each split with a chance of five percent at least");
    let gold = Gold {
        triage: json!({"category": facts.category.as_str(), "priority": facts.priority().as_str()}),
        extract: extracted(&facts),
        decide: policy::decide(&facts),
        reply: wording::reply(&mut rng, &facts),
    };
    let id = format!("{}-{seed}-{index}", format!("{split:?}").to_lowercase());
    Ticket { id, text, facts, gold }
}

/// Returns the right answer of a step for a ticket.
#[must_use]
pub fn gold_answer(step: StepName, ticket: &Ticket) -> Answer {
    match step {
        StepName::Triage => Answer::Text(ticket.gold.triage.to_string()),
        StepName::Extract => Answer::Text(ticket.gold.extract.to_string()),
        StepName::Decide => Answer::from_call(&ticket.gold.decide),
        StepName::Reply => Answer::Text(ticket.gold.reply.clone()),
    }
}

impl Answer {
    fn from_call(call: &Value) -> Self {
        Self::ToolCall {
            name: call["name"].as_str().unwrap_or_default().to_owned(),
            arguments: call["arguments"].clone(),
        }
    }
}

fn draw(stream: [u64; 4], split: Split) -> (ChaCha8Rng, Facts, String) {
    let state = stream.into_iter().fold(0, |state, part| mixed(state ^ part));
    let mut rng = ChaCha8Rng::seed_from_u64(state);
    let facts = facts::draw(&mut rng, split);
    let text = letter::write(&mut rng, split, &facts);
    (rng, facts, text)
}

fn extracted(facts: &Facts) -> Value {
    let mut fields = Map::new();
    fields.insert("order".into(), json!(facts.order));
    fields.insert("product".into(), json!(facts.product));
    fields.insert("amount".into(), facts.amount_cents.map_or(Value::Null, facts::amount_value));
    fields.insert("date".into(), json!(facts.date));
    fields.insert("name".into(), json!(facts.name));
    Value::Object(fields)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, 2014): every input bit moves every output bit.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests;

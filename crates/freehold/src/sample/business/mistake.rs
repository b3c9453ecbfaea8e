//! Plausible wrong answers, for a simulated vendor with a declared error rate.

use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use serde_json::{Map, Value};

use super::facts::{Category, Priority};
use super::{Answer, StepName, Ticket, paraphrase, policy};

/// Returns an answer that differs from every right one in a way that models err.
pub fn mistake<R: Rng>(step: StepName, ticket: &Ticket, rng: &mut R) -> Answer {
    match step {
        StepName::Triage => Answer::Text(wrong_triage(ticket, rng).to_string()),
        StepName::Extract => Answer::Text(wrong_fields(&ticket.gold.extract, rng).to_string()),
        StepName::Decide => Answer::from_call(&wrong_call(ticket, rng)),
        StepName::Reply => Answer::Text(wrong_reply(ticket, rng)),
    }
}

fn wrong_triage<R: Rng>(ticket: &Ticket, rng: &mut R) -> Value {
    let mut triage = ticket.gold.triage.clone();
    let (field, names): (&str, Vec<&str>) = if rng.random_bool(0.5) {
        ("category", Category::ALL.iter().map(|category| category.as_str()).collect())
    } else {
        ("priority", Priority::ALL.iter().map(|priority| priority.as_str()).collect())
    };
    let right = ticket.gold.triage[field].clone();
    triage[field] = names.into_iter().filter(|name| right != *name).choose(rng).into();
    triage
}

/// Drops one given field, or damages it, or makes one up where all are absent.
fn wrong_fields<R: Rng>(gold: &Value, rng: &mut R) -> Value {
    let mut fields: Map<String, Value> = gold.as_object().cloned().unwrap_or_default();
    let given = fields.iter_mut().filter(|(_, value)| !value.is_null()).choose(rng);
    match given {
        Some((_, value)) if rng.random_bool(0.5) => *value = Value::Null,
        Some((_, value)) => *value = damaged(value, rng),
        None => drop(fields.insert("order".into(), Value::from(rng.random_range(10_000..100_000).to_string()))),
    }
    Value::Object(fields)
}

/// Changes one digit of a number, or drops one word or the last letter of a text.
fn damaged<R: Rng>(value: &Value, rng: &mut R) -> Value {
    let Some(text) = value.as_str() else {
        return value.as_f64().map_or(Value::Null, |number| Value::from((number + 10.0).floor()));
    };
    let digit_at = text.char_indices().filter(|(_, letter)| letter.is_ascii_digit()).map(|(at, _)| at).choose(rng);
    if let Some(at) = digit_at {
        let digit = (text.as_bytes()[at] - b'0' + rng.random_range(1..10)) % 10;
        return Value::from(format!("{}{digit}{}", &text[..at], &text[at + 1..]));
    }
    match text.rsplit_once(' ') {
        Some((kept, _)) => Value::from(kept),
        None => Value::from(text.chars().take(text.chars().count().saturating_sub(1)).collect::<String>()),
    }
}

fn wrong_call<R: Rng>(ticket: &Ticket, rng: &mut R) -> Value {
    let gold = &ticket.gold.decide;
    let is_reason = gold["arguments"].get("reason").is_some();
    if !is_reason && rng.random_bool(0.5) {
        let mut call = gold.clone();
        if let Some((_, value)) = call["arguments"].as_object_mut().and_then(|given| given.iter_mut().choose(rng)) {
            *value = damaged(value, rng);
        }
        return call;
    }
    let reasons = ["safety", "legal", "no order", "no amount", "over limit", "no product"];
    let right = gold["arguments"]["reason"].clone();
    let reason = reasons.into_iter().filter(|reason| right != *reason).collect::<Vec<_>>();
    policy::escalate(reason.choose(rng).copied().unwrap_or("legal"))
}

/// A reply in which one needed fact is missing, or that answers nothing where no fact is needed.
fn wrong_reply<R: Rng>(ticket: &Ticket, rng: &mut R) -> String {
    let Answer::Text(text) = paraphrase(StepName::Reply, ticket, rng) else {
        return String::new();
    };
    let facts = super::reply_facts(ticket);
    match facts.choose(rng) {
        Some(fact) => text.replace(fact.as_str(), damaged(&Value::from(fact.as_str()), rng).as_str().unwrap_or("")),
        None => "Hello, we have received your message and will look into it.".to_owned(),
    }
}

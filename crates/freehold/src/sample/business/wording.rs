//! The reply to the customer: composed from templates, and the facts that any right wording must hold.

use rand::Rng;
use serde_json::Value;

use super::facts::{self, Facts};
use super::pen::Pen;
use super::phrases::{replies, values};
use super::{Answer, Split, StepName, Ticket, gold_answer, policy};

/// Returns another right answer of a step: a fresh wording of the reply, the one right answer elsewhere.
pub fn paraphrase<R: Rng>(step: StepName, ticket: &Ticket, rng: &mut R) -> Answer {
    match step {
        StepName::Reply => Answer::Text(reply(rng, &ticket.facts)),
        StepName::Triage | StepName::Extract | StepName::Decide => gold_answer(step, ticket),
    }
}

/// Returns the strings that every right reply to this ticket holds.
#[must_use]
pub fn reply_facts(ticket: &Ticket) -> Vec<String> {
    let facts = &ticket.facts;
    let call = policy::decide(facts);
    let mut held: Vec<String> = facts.name.iter().cloned().collect();
    let arguments = call["arguments"].as_object();
    let given = arguments.into_iter().flatten().filter(|(key, _)| key.as_str() != "reason");
    held.extend(given.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    if call["name"] == "refund_order" {
        held.push(format!("{} days", refund_days(facts)));
    }
    held.extend(facts.side_question.map(|index| values::SIDE_QUESTIONS[index].key.to_owned()));
    held
}

/// Words the reply to a ticket's facts: a greeting, what is done, what follows, and the answer to a second question.
pub(super) fn reply<R: Rng>(rng: &mut R, facts: &Facts) -> String {
    let call = policy::decide(facts);
    // The desk has no held-out wordings, so all splits draw alike.
    let mut pen = Pen::new(rng, Split::Train);
    pen.slots = vec![
        ("{thing}", facts.product.as_ref().map_or("your order".to_owned(), |product| format!("the {product}"))),
        ("{name}", facts.name.clone().unwrap_or_default()),
        ("{o}", facts.order.clone().unwrap_or_default()),
        ("{m}", facts.amount_cents.map(facts::amount_text).unwrap_or_default()),
        ("{a}", facts.address.clone().unwrap_or_default()),
        ("{days}", refund_days(facts).to_string()),
    ];
    let (done, next) = sentences(&call);
    let hello = pen.write(if facts.name.is_some() { replies::HELLO_NAME } else { replies::HELLO });
    let mut parts = vec![hello, pen.write(done), pen.write(next)];
    parts.extend(facts.side_question.map(|index| pen.write(values::SIDE_QUESTIONS[index].answered)));
    parts.join(" ")
}

fn refund_days(facts: &Facts) -> u32 {
    facts.payment.map_or(10, facts::Payment::refund_days)
}

fn sentences(call: &Value) -> (&'static [&'static str], &'static [&'static str]) {
    let reason = call["arguments"]["reason"].as_str().unwrap_or_default();
    match (call["name"].as_str().unwrap_or_default(), reason) {
        ("refund_order", _) => (replies::REFUNDED, replies::REFUND_DAYS),
        ("replace_item", _) => (replies::REPLACED, replies::REPLACED_NEXT),
        ("track_parcel", _) => (replies::TRACKED, replies::TRACKED_NEXT),
        ("update_address", _) => (replies::READDRESSED, replies::READDRESSED_NEXT),
        ("escalate", "no order") => (replies::NO_ORDER, replies::ESCALATED_NEXT),
        ("escalate", "no amount") => (replies::NO_AMOUNT, replies::ESCALATED_NEXT),
        ("escalate", "over limit") => (replies::OVER_LIMIT, replies::ESCALATED_NEXT),
        ("escalate", "no product") => (replies::NO_PRODUCT, replies::ESCALATED_NEXT),
        ("escalate", _) => (replies::URGENT, replies::ESCALATED_NEXT),
        (_, "question") => (replies::QUESTION, replies::CLOSED_NEXT),
        (_, "login") => (replies::LOGIN, replies::CLOSED_NEXT),
        _ => (replies::FEEDBACK, replies::CLOSED_NEXT),
    }
}

//! Whole answers: read as events, written again in the other dialect.

use crate::stream::Event;
use crate::write::{self, Head};
use crate::{Api, Finish, Usage, answers};

/// Translates a whole answer; the head's id, model and time are written, not the upstream's.
///
/// Carried are text, reasoning, refusals, tool calls with their ids and arguments, why the answer ended, the usage with
/// its cache tokens, between the dialects of OpenAI log probabilities, and between Responses and Messages what the vendor
/// wants back with its reasoning: `encrypted_content` there, `signature` here. Left out are citations and annotations,
/// what a vendor's own tools did, and redacted thinking.
/// Anthropic's dialect cannot do without a usage: where the upstream tells none, its counts are 0. Arguments that are no
/// JSON object are wrapped for it as `{"arguments": TEXT}`, and ids are spelt anew where it would not take them.
///
/// # Errors
/// The body is not a whole answer of the upstream's dialect.
pub fn answer(from: Api, to: Api, head: &Head, body: &[u8]) -> Result<Vec<u8>, answers::Error> {
    let told = answers::events(from, body)?;
    let calls = told.iter().filter(|event| matches!(event, Event::ToolStart { .. })).count();
    let mut events: Vec<Event> = told.into_iter().filter(|event| from == to || is_carried(event)).collect();
    for event in &mut events {
        if let Event::Finish { finish, .. } = event {
            *finish = settled(*finish, calls);
        }
    }
    if to.is_anthropic() && !events.iter().any(|event| matches!(event, Event::Usage(_))) {
        events.push(Event::Usage(Usage::default()));
    }
    Ok(write::whole_of(to, head, events))
}

/// Returns whether the client of another dialect is told of it.
pub(super) fn is_carried(event: &Event) -> bool {
    !matches!(event, Event::Redacted(_))
}

/// Returns why an answer ended; some servers say that it ended by itself although it calls tools.
pub(super) fn settled(finish: Finish, calls: usize) -> Finish {
    if finish == Finish::Stop && calls > 0 { Finish::ToolCalls } else { finish }
}

//! Sums events up into an answer, within a limit.

use super::{ANSWER_BYTES_MAX, Event};
use crate::{Answer, Finish, ToolCall};

/// What one tool call counts beside its text, so that empty ones cannot pile up.
const TOOL_CALL_BYTES: usize = 256;

/// An answer while it comes together.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) answer: Answer,
    pub(crate) is_complete: bool,
    pub(crate) error: Option<String>,
    /// The next piece of reasoning belongs to another part than the last one.
    is_new_part: bool,
    whole: Option<Box<Answer>>,
    pub(super) kept_bytes: usize,
}

impl Progress {
    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Start { id, model } => {
                fill(&mut self.answer.id, id);
                fill(&mut self.answer.model, model);
            }
            Event::Usage(usage) => self.answer.usage = Some(usage),
            Event::Text { piece, .. } | Event::Refusal(piece) => {
                if self.keeps(piece.len()) {
                    self.answer.text.push_str(&piece);
                }
            }
            Event::ReasoningPart => self.is_new_part = true,
            Event::Reasoning(piece) => self.reasoning(&piece),
            Event::ToolStart { id, name, .. } => {
                if self.keeps(TOOL_CALL_BYTES + id.len() + name.len()) {
                    self.answer.tool_calls.push(ToolCall { id, name, arguments: String::new() });
                }
            }
            Event::ToolArguments { place, piece } => {
                if self.keeps(piece.len())
                    && let Some(call) = self.answer.tool_calls.get_mut(place)
                {
                    call.arguments.push_str(&piece);
                }
            }
            Event::Finish { finish, .. } => self.answer.finish = Some(finish),
            Event::Whole(answer) => self.whole = Some(answer),
            Event::Error(error) => self.fail(&error.message),
            Event::End => self.is_complete = true,
            Event::Signature(_) | Event::Redacted(_) | Event::ToolEnd { .. } | Event::Ping => {}
        }
    }

    fn reasoning(&mut self, piece: &str) {
        if self.keeps(piece.len()) {
            if std::mem::take(&mut self.is_new_part) && !self.answer.reasoning.is_empty() {
                self.answer.reasoning.push_str("\n\n");
            }
            self.answer.reasoning.push_str(piece);
        }
    }

    fn keeps(&mut self, bytes: usize) -> bool {
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        if self.kept_bytes > ANSWER_BYTES_MAX {
            self.fail(&format!("the answer is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        self.kept_bytes <= ANSWER_BYTES_MAX
    }

    fn fail(&mut self, message: &str) {
        self.error.get_or_insert_with(|| message.to_owned());
    }

    /// Prefers what the vendor repeated at the end to the sum of the pieces, unless it repeats nothing.
    pub(crate) fn settle(&mut self) {
        let Some(whole) = self.whole.take() else { return };
        let pieces = std::mem::replace(&mut self.answer, *whole);
        let answer = &mut self.answer;
        fill(&mut answer.id, pieces.id);
        fill(&mut answer.model, pieces.model);
        fill(&mut answer.text, pieces.text);
        fill(&mut answer.reasoning, pieces.reasoning);
        if answer.tool_calls.is_empty() && !pieces.tool_calls.is_empty() {
            answer.tool_calls = pieces.tool_calls;
            if answer.finish == Some(Finish::Stop) {
                answer.finish = Some(Finish::ToolCalls);
            }
        }
    }
}

/// Sums up a whole answer.
pub(crate) fn sum(events: Vec<Event>) -> Answer {
    let mut progress = Progress::default();
    events.into_iter().for_each(|event| progress.take(event));
    progress.answer
}

fn fill(kept: &mut String, said: String) {
    if kept.is_empty() {
        *kept = said;
    }
}

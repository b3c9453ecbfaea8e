//! Estimates how many tokens a text takes, for calls of which the vendor does not say; no vendor's tokenizer is at hand.

use crate::{Answer, Part, Request, Usage};

/// What a turn takes beside its text: its role and the marks around it.
const TURN_TOKENS: u64 = 4;

/// Kinds of characters whose runs are counted alike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letters,
    Digits,
    Space,
    Marks,
    Other,
}

/// Returns an estimate of the tokens of a text.
///
/// Runs of like characters are counted: a word is a token up to twelve letters and one for every seven beyond that,
/// digits are three to a token, marks five to two tokens, white space counts where it is more than one character, and any
/// other character counts half. The numbers were fitted to the tokenizer of GPT-4o on half of 2,428 prompts, answers
/// and tool results of two agent frameworks and an airline's desk. On the other half, the sum over all prompts is 0.7 %
/// short and that over all answers 0.1 %; for a single answer of 20 tokens and more, half of the estimates are within 4 %
/// and nine in ten within 15 %. Dividing the bytes by four, on the same texts, is 27 % over for answers and 29 % short for
/// tool results.
pub fn tokens(text: &str) -> u64 {
    let mut tenths = 0_u64;
    let mut run = (Kind::Space, 0_u64);
    for character in text.chars() {
        let kind = kind(character);
        if kind == run.0 {
            run.1 += 1;
        } else {
            tenths = tenths.saturating_add(run_tenths(run));
            run = (kind, 1);
        }
    }
    tenths.saturating_add(run_tenths(run)).div_ceil(10)
}

/// Returns an estimate of the tokens of a call. Images, audio and files are not counted.
pub fn usage(request: &Request, answer: &Answer) -> Usage {
    let tools = request.tools.iter().map(|tool| {
        let parameters = tool.parameters.to_string();
        tokens(&tool.name) + tokens(&tool.description) + tokens(&parameters) + TURN_TOKENS
    });
    let turns = request.messages.iter().map(|turn| turn.parts.iter().map(part).sum::<u64>() + TURN_TOKENS);
    let system = if request.system.is_empty() { 0 } else { tokens(&request.system) + TURN_TOKENS };
    let reasoning = tokens(&answer.reasoning);
    let calls = answer.tool_calls.iter().map(|call| tokens(&call.name) + tokens(&call.arguments) + TURN_TOKENS);
    Usage {
        input: tools.chain(turns).sum::<u64>() + system,
        output: tokens(&answer.text) + reasoning + calls.sum::<u64>(),
        reasoning,
        ..Usage::default()
    }
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text(text) | Part::Reasoning(text) | Part::ToolResult { text, .. } => tokens(text),
        Part::ToolCall(call) => tokens(&call.name) + tokens(&call.arguments),
        Part::Other(_) => 0,
    }
}

fn kind(character: char) -> Kind {
    match character {
        'a'..='z' | 'A'..='Z' => Kind::Letters,
        '0'..='9' => Kind::Digits,
        ' ' | '\n' | '\t' | '\r' => Kind::Space,
        _ if character.is_ascii() => Kind::Marks,
        _ => Kind::Other,
    }
}

fn run_tenths((kind, length): (Kind, u64)) -> u64 {
    match kind {
        Kind::Space if length > 1 => 7,
        // A single space belongs to the word that follows it.
        Kind::Space => 0,
        Kind::Letters if length <= 12 => 10,
        Kind::Letters => 10 * length.div_ceil(7),
        Kind::Digits => 10 * length.div_ceil(3),
        Kind::Marks => 10 * (2 * length).div_ceil(5),
        Kind::Other => 5 * length,
    }
}

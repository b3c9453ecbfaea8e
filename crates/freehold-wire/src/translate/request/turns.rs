//! Lines put together as the turns of the dialect that they go to.

use super::lines::Line;
use super::losses::Losses;
use crate::Api;
use crate::requests::draft::{Members, Piece, Said, Shape, Speaker, Turn};
use crate::translate::Error;

/// Returns the system text that has a member of its own, and the turns.
pub(super) fn spell(lines: Vec<Line>, losses: &mut Losses) -> Result<(Vec<Piece>, Vec<Turn>), Error> {
    let is_system = |line: &Line| matches!(line.speaker, Speaker::System | Speaker::Developer);
    let first = lines.iter().position(|line| !is_system(line)).unwrap_or(lines.len());
    let mut lines = lines;
    let mut turns = lines.split_off(first);
    let mut system = Vec::new();
    for line in lines {
        system.extend(texts(line, losses)?.pieces);
    }
    for line in turns.iter_mut().filter(|line| is_system(line)) {
        let taken = Line { speaker: line.speaker, pieces: std::mem::take(&mut line.pieces), path: line.path.clone() };
        *line = texts(taken, losses)?;
    }
    refuse_beginning(&turns, losses)?;
    match losses.to {
        Api::OpenAiResponses => Ok((joined(system), responses(turns))),
        Api::AnthropicMessages => Ok((system, messages(turns))),
        _ => {
            let system = joined(system).into_iter().map(|piece| turn(Speaker::System, vec![piece]));
            Ok((Vec::new(), system.chain(chat(turns)).collect()))
        }
    }
}

/// Refuses a last turn of the model: Anthropic has the model continue it, OpenAI has it speak again.
fn refuse_beginning(lines: &[Line], losses: &mut Losses) -> Result<(), Error> {
    match lines.last() {
        Some(last) if last.speaker == Speaker::Assistant && !losses.within_openai() => {
            losses.lose(last.path.clone(), "one dialect has the model continue its last turn, the other speak again")
        }
        _ => Ok(()),
    }
}

/// Returns how pieces are best spelt.
pub(super) fn shape(pieces: &[Piece]) -> Shape {
    match pieces {
        [] => Shape::Absent,
        [Piece::Text { rest, .. }] if rest.is_empty() => Shape::Text,
        _ => Shape::List,
    }
}

/// Keeps the texts of a system turn, which says nothing else in most dialects; empty ones say nothing.
fn texts(line: Line, losses: &mut Losses) -> Result<Line, Error> {
    let Line { speaker, pieces, path } = line;
    let mut kept = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Text { ref text, .. } if text.is_empty() => {}
            Piece::Text { .. } => kept.push(piece),
            _ => losses.lose(path.clone(), "a system text holds nothing but text")?,
        }
    }
    Ok(Line { speaker, pieces: kept, path })
}

/// Joins texts to one, with an empty line between them.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let texts: Vec<String> = pieces
        .into_iter()
        .filter_map(|piece| if let Piece::Text { text, .. } = piece { Some(text) } else { None })
        .collect();
    if texts.is_empty() { Vec::new() } else { vec![Piece::text(texts.join("\n\n"))] }
}

fn turn(speaker: Speaker, pieces: Vec<Piece>) -> Turn {
    Turn { speaker, said: Said { shape: shape(&pieces), pieces }, rest: Members::new() }
}

fn alone(speaker: Speaker, piece: Piece) -> Turn {
    Turn { speaker, said: Said::piece(piece), rest: Members::new() }
}

/// Parts the results from what the user says beside them; results come first.
fn part_results(pieces: Vec<Piece>) -> (Vec<Piece>, Vec<Piece>) {
    pieces.into_iter().partition(|piece| matches!(piece, Piece::Result { .. }))
}

fn has_text(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| matches!(piece, Piece::Text { .. } | Piece::Refusal { .. }))
}

/// Chat Completions: each result is a turn, and what the model puts out in one go is one turn.
fn chat(lines: Vec<Line>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::with_capacity(lines.len());
    for line in lines {
        match line.speaker {
            Speaker::System | Speaker::Developer => turns.push(turn(Speaker::System, joined(line.pieces))),
            Speaker::User | Speaker::Tool => {
                let (results, said) = part_results(line.pieces);
                let is_silent = said.is_empty() && !results.is_empty();
                turns.extend(results.into_iter().map(|result| alone(Speaker::Tool, result)));
                if !is_silent {
                    turns.push(turn(Speaker::User, said));
                }
            }
            Speaker::Assistant => match turns.last_mut() {
                Some(last) if last.speaker == Speaker::Assistant && joins(&last.said.pieces, &line.pieces) => {
                    last.said.pieces.extend(line.pieces);
                }
                _ => turns.push(turn(Speaker::Assistant, line.pieces)),
            },
        }
    }
    for turn in &mut turns {
        settle(turn);
    }
    turns
}

/// Returns whether two outputs in a row are one turn of Chat Completions, where a call's result follows its turn.
fn joins(last: &[Piece], next: &[Piece]) -> bool {
    let has_call = last.iter().any(|piece| matches!(piece, Piece::Call(_)));
    has_call || !has_text(last) || !has_text(next)
}

/// Gives a turn of Chat Completions its final form: one member for reasoning, and content even where there is none.
fn settle(turn: &mut Turn) {
    if turn.said.shape == Shape::Piece {
        return;
    }
    let mut pieces = Vec::with_capacity(turn.said.pieces.len());
    let (mut thoughts, mut refusals) = (Vec::new(), Vec::new());
    for piece in std::mem::take(&mut turn.said.pieces) {
        match piece {
            Piece::Thinking { text, .. } => thoughts.push(text),
            Piece::Refusal { text, .. } => refusals.push(text),
            piece => pieces.push(piece),
        }
    }
    pieces.sort_by_key(|piece| matches!(piece, Piece::Call(_)));
    let calls = pieces.iter().position(|piece| matches!(piece, Piece::Call(_))).unwrap_or(pieces.len());
    turn.said.shape = shape(&pieces[..calls]);
    if calls == 0 {
        let empty = if turn.speaker == Speaker::Assistant { serde_json::Value::Null } else { "".into() };
        turn.rest.insert("content".to_owned(), empty);
    }
    put_member(turn, "reasoning_content", &thoughts);
    put_member(turn, "refusal", &refusals);
    turn.said.pieces = pieces;
}

fn put_member(turn: &mut Turn, name: &str, texts: &[String]) {
    if !texts.is_empty() {
        turn.rest.insert(name.to_owned(), texts.join("\n\n").into());
    }
}

/// Responses: calls, results and reasoning are items of their own.
fn responses(lines: Vec<Line>) -> Vec<Turn> {
    let mut turns = Vec::with_capacity(lines.len());
    for line in lines {
        let (results, said) = part_results(line.pieces);
        let is_silent = said.is_empty() && !results.is_empty();
        turns.extend(results.into_iter().map(|result| alone(Speaker::Tool, result)));
        if is_silent {
            continue;
        }
        if line.speaker != Speaker::Assistant {
            let said = if said.is_empty() { vec![Piece::text(String::new())] } else { said };
            let speaker = if line.speaker == Speaker::Tool { Speaker::User } else { line.speaker };
            turns.push(turn(speaker, said));
            continue;
        }
        let mut words = Vec::new();
        for piece in said {
            if matches!(piece, Piece::Call(_) | Piece::Thinking { .. }) {
                put_words(&mut turns, &mut words);
                turns.push(alone(Speaker::Assistant, piece));
            } else if !is_empty_text(&piece) {
                words.push(piece);
            }
        }
        put_words(&mut turns, &mut words);
    }
    turns
}

fn put_words(turns: &mut Vec<Turn>, words: &mut Vec<Piece>) {
    if !words.is_empty() {
        turns.push(turn(Speaker::Assistant, std::mem::take(words)));
    }
}

/// Messages: turns alternate, results open the user's turn, and no text is empty.
fn messages(lines: Vec<Line>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::with_capacity(lines.len());
    for line in lines {
        let pieces: Vec<Piece> = line.pieces.into_iter().filter(|piece| !is_empty_text(piece)).collect();
        if pieces.is_empty() {
            continue;
        }
        let speaker = match line.speaker {
            Speaker::Developer => Speaker::System,
            Speaker::Tool => Speaker::User,
            speaker => speaker,
        };
        match turns.last_mut() {
            Some(last) if last.speaker == speaker => last.said.pieces.extend(pieces),
            _ => turns.push(turn(speaker, pieces)),
        }
    }
    for turn in &mut turns {
        let (mut results, said) = part_results(std::mem::take(&mut turn.said.pieces));
        results.extend(said);
        turn.said = Said { shape: shape(&results), pieces: results };
    }
    turns
}

fn is_empty_text(piece: &Piece) -> bool {
    matches!(piece, Piece::Text { text, .. } if text.is_empty())
}

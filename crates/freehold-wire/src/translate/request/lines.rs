//! The turns of a request, cleaned of everything that only its own dialect has.

use super::clean;
use super::losses::{Losses, Node};
use crate::Api;
use crate::requests::draft::{Draft, Piece, Place, Shape, Speaker, Turn};
use crate::translate::Error;

/// What one speaker says in one go.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) speaker: Speaker,
    pub(super) pieces: Vec<Piece>,
    /// Where it stands in the original.
    pub(super) path: String,
}

/// Reads the lines; the system text of a member of its own comes first.
pub(super) fn read(draft: Draft, losses: &mut Losses) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::with_capacity(draft.turns.len() + 1);
    if let Some(system) = draft.system {
        let path = if draft.api == Api::OpenAiResponses { "instructions" } else { "system" };
        let mut pieces = Vec::with_capacity(system.pieces.len());
        for (index, piece) in system.pieces.into_iter().enumerate() {
            pieces.extend(clean::piece(piece, &format!("{path}[{index}]"), losses)?);
        }
        lines.push(Line { speaker: Speaker::System, pieces, path: path.to_owned() });
    }
    let base = if draft.api == Api::OpenAiResponses { "input" } else { "messages" };
    for (index, turn) in draft.turns.into_iter().enumerate() {
        let path = if draft.turns_shape == Shape::Text { base.to_owned() } else { format!("{base}[{index}]") };
        let is_empty = turn.said.pieces.is_empty();
        let line = line(turn, path, losses)?;
        // A turn of which nothing is left is no turn.
        if is_empty || !line.pieces.is_empty() {
            lines.push(line);
        }
    }
    Ok(lines)
}

fn line(turn: Turn, path: String, losses: &mut Losses) -> Result<Line, Error> {
    let node = if turn.speaker == Speaker::Tool { Node::ToolTurn } else { Node::Turn };
    losses.leave(node, &turn.rest, &path)?;
    let mut pieces = Vec::with_capacity(turn.said.pieces.len());
    let (mut parts, mut calls) = (0, 0);
    for piece in turn.said.pieces {
        let at = match &piece {
            _ if turn.said.shape == Shape::Piece => path.clone(),
            Piece::Thinking { place: Place::Member(name), .. } | Piece::Refusal { place: Place::Member(name), .. } => {
                format!("{path}.{name}")
            }
            Piece::Call(_) | Piece::Other { place: Place::Member(_), .. } if losses.from == Api::OpenAiChat => {
                calls += 1;
                format!("{path}.tool_calls[{}]", calls - 1)
            }
            _ if turn.said.shape == Shape::List => {
                parts += 1;
                format!("{path}.content[{}]", parts - 1)
            }
            _ => format!("{path}.content"),
        };
        pieces.extend(clean::piece(piece, &at, losses)?);
    }
    Ok(Line { speaker: turn.speaker, pieces, path })
}

//! Lets our own engine answer, in the caller's dialect, whole or streamed.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;

use freehold_engine::{Engine, Event, Generation};
use freehold_wire::write::{self, Head, StreamWriter};
use freehold_wire::{Request, Usage};

use crate::error::CallError;
use crate::record::Ending;
use crate::tee::{Piece, Source};

/// What the engine is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub model: &'a str,
    pub request: &'a Request,
    pub first_byte_timeout: Duration,
}

/// Returns a whole answer of the engine, spelt out, and the tokens it took.
pub(crate) async fn whole(engine: &Engine, asked: Asked<'_>, head: &Head) -> Result<(Bytes, Option<Usage>), CallError> {
    let answering = async {
        let generation = engine.generate(asked.model, asked.request).await?;
        generation.collect().await
    };
    let timed = tokio::time::timeout(asked.first_byte_timeout, answering).await;
    let answer = timed.map_err(|_| too_late(asked))?.map_err(|source| failed(asked.model, source))?;
    let body = write::whole(asked.request.api, head, &answer);
    Ok((body.into(), answer.usage))
}

/// Returns how many tokens the model would read for a request; nothing is generated.
pub(crate) async fn count(engine: &Engine, asked: Asked<'_>) -> Result<u64, CallError> {
    let timed = tokio::time::timeout(asked.first_byte_timeout, engine.count(asked.model, asked.request)).await;
    timed.map_err(|_| too_late(asked))?.map_err(|source| failed(asked.model, source))
}

/// Begins a streamed answer of the engine; what fails before the first content is still an error and not a stream.
pub(crate) async fn streamed(engine: &Engine, asked: Asked<'_>, head: Head) -> Result<Source, CallError> {
    let opening = async {
        let generation = engine.generate(asked.model, asked.request).await.map_err(|e| failed(asked.model, e))?;
        let writer = StreamWriter::new(asked.request.api, head);
        let mut telling = Telling { generation, writer, model: asked.model.to_owned(), first: None, is_over: false };
        telling.first = Some(telling.open().await?);
        Ok(telling)
    };
    let timed = tokio::time::timeout(asked.first_byte_timeout, opening).await;
    let telling = timed.unwrap_or_else(|_| Err(too_late(asked)))?;
    Ok(Source::Engine(Box::pin(stream::unfold(telling, |mut telling| async {
        let piece = telling.next().await?;
        Some((piece, telling))
    }))))
}

/// An answer of the engine while it is told.
struct Telling {
    generation: Generation,
    writer: StreamWriter,
    model: String,
    first: Option<Piece>,
    is_over: bool,
}

impl Telling {
    /// Waits for the first content and returns it with the opening events.
    async fn open(&mut self) -> Result<Piece, CallError> {
        let mut input = 0;
        loop {
            match self.generation.next().await {
                Some(Event::Started { prompt_tokens }) => input = prompt_tokens,
                Some(Event::Failed(source)) => return Err(failed(&self.model, source)),
                Some(event) => {
                    let mut bytes = self.writer.start(input);
                    let piece = self.spell(event);
                    bytes.extend_from_slice(&piece.bytes);
                    return Ok(Piece { bytes: bytes.into(), ending: piece.ending });
                }
                None => return Err(CallError::Silent { model: self.model.clone() }),
            }
        }
    }

    async fn next(&mut self) -> Option<Piece> {
        if let Some(first) = self.first.take() {
            self.is_over = first.ending.is_some();
            return Some(first);
        }
        if self.is_over {
            return None;
        }
        let piece = match self.generation.next().await {
            Some(event) => self.spell(event),
            None => self.broken(&CallError::Silent { model: self.model.clone() }),
        };
        self.is_over = piece.ending.is_some();
        Some(piece)
    }

    fn spell(&mut self, event: Event) -> Piece {
        let bytes = match event {
            Event::Started { .. } => Vec::new(),
            Event::Text(piece) => self.writer.text(&piece),
            Event::Reasoning(piece) => self.writer.reasoning(&piece),
            Event::ToolCall(call) => self.writer.tool_call(&call),
            Event::Done { finish, usage } => {
                let ending = Ending { usage: Some(usage), ..Ending::default() };
                return Piece { bytes: self.writer.finish(finish, usage).into(), ending: Some(ending) };
            }
            Event::Failed(source) => {
                let error = failed(&self.model, source);
                return self.broken(&error);
            }
        };
        Piece { bytes: bytes.into(), ending: None }
    }

    fn broken(&mut self, error: &CallError) -> Piece {
        let ending = Ending { failure: Some(error.failure()), ..Ending::default() };
        Piece { bytes: self.writer.error(&error.to_string()).into(), ending: Some(ending) }
    }
}

fn failed(model: &str, source: freehold_engine::Error) -> CallError {
    CallError::Engine { model: model.to_owned(), source }
}

fn too_late(asked: Asked<'_>) -> CallError {
    CallError::FirstByte { upstream: format!("engine/{}", asked.model), after: asked.first_byte_timeout }
}

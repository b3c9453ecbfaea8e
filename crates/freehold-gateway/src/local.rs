//! Lets our own engine answer, in the caller's dialect, whole or streamed.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

use freehold_engine::{Engine, Event, Generation};
use freehold_wire::stream::ToolKind;
use freehold_wire::write::{self, Head, StreamWriter, VectorsAsked};
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
        generation.collect_with_logprobs().await
    };
    let timed = tokio::time::timeout(asked.first_byte_timeout, answering).await;
    let (answer, logprobs) = timed.map_err(|_| too_late(asked))?.map_err(|source| failed(asked.model, source))?;
    let body = write::whole_with_logprobs(asked.request.api, head, &answer, logprobs);
    Ok((body.into(), answer.usage))
}

/// Returns how many tokens the model would read for a request; nothing is generated.
pub(crate) async fn count(engine: &Engine, asked: Asked<'_>) -> Result<u64, CallError> {
    let timed = tokio::time::timeout(asked.first_byte_timeout, engine.count(asked.model, asked.request)).await;
    timed.map_err(|_| too_late(asked))?.map_err(|source| failed(asked.model, source))
}

/// Returns the vectors of a request for embeddings, spelt out, and how many tokens its texts have.
pub(crate) async fn embed(engine: &Engine, asked: Asked<'_>, body: &[u8]) -> Result<(Bytes, u64), CallError> {
    let timed = tokio::time::timeout(asked.first_byte_timeout, engine.embed(asked.model, asked.request)).await;
    let made = timed.map_err(|_| too_late(asked))?;
    let (vectors, tokens) = made.map_err(|source| failed(asked.model, source))?;
    let wanted = VectorsAsked::read(body);
    let has = vectors.first().map_or(0, |vector| vector.len() as u64);
    if let Some(dimensions) = wanted.dimensions.filter(|dimensions| *dimensions != has) {
        return Err(CallError::Dimensions { model: asked.model.to_owned(), has, dimensions });
    }
    Ok((write::vectors(asked.model, &vectors, (wanted.form, tokens)).into(), tokens))
}

/// Begins a streamed answer of the engine; what fails before the first content is still an error and not a stream.
pub(crate) async fn streamed(engine: &Engine, asked: Asked<'_>, head: Head) -> Result<Source, CallError> {
    let opening = async {
        let generation = engine.generate(asked.model, asked.request).await.map_err(|e| failed(asked.model, e))?;
        let writer = StreamWriter::new(asked.request.api, head);
        let model = asked.model.to_owned();
        let mut telling = Telling { generation, writer, model, first: None, logprobs: Vec::new(), is_over: false };
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
    /// Of tokens whose text is still to come.
    logprobs: Vec<Value>,
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
            Event::Started { .. } | Event::Vectors { .. } => Vec::new(),
            // They come before the piece whose tokens they are of; what is left at the end has no piece of its own.
            Event::Logprobs(tokens) => {
                self.logprobs.extend(tokens);
                Vec::new()
            }
            Event::Text(piece) => self.writer.text_with(&piece, std::mem::take(&mut self.logprobs)),
            Event::Reasoning(piece) => self.writer.reasoning(&piece),
            Event::ToolStart { id, name } => self.writer.begin_tool_call(&id, &name, ToolKind::Function),
            Event::ToolArguments(piece) => self.writer.tool_call_arguments(&piece),
            Event::ToolEnd => self.writer.end_tool_call(),
            Event::Done { finish, usage } => {
                let ending = Ending { usage: Some(usage), ..Ending::default() };
                let mut bytes = self.writer.text_with("", std::mem::take(&mut self.logprobs));
                bytes.extend(self.writer.finish(finish, usage));
                return Piece { bytes: bytes.into(), ending: Some(ending) };
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

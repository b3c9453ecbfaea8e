//! A conversation with a model of ours, turn by turn, for a first look at it.

use std::time::{Duration, Instant};

use freehold_engine::{Engine, Event};
use freehold_wire::{Api, Finish, Message, Part, Request, ResponseFormat, Role, Sampling, ToolChoice, Usage};
use serde_json::{Value, json};

/// What the other side of a conversation is, and what was said so far.
pub(crate) struct Conversation {
    engine: Engine,
    request: Request,
}

/// A piece of an answer, as it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// Of the answer itself.
    Text(&'a str),
    /// Of the thought before it.
    Reasoning(&'a str),
}

/// One answer.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The text.
    pub(crate) text: String,
    /// The thought before it.
    pub(crate) reasoning: String,
    /// Why it ended; `None` where it was stopped.
    pub(crate) finish: Option<Finish>,
    /// What it took, where it ended by itself.
    pub(crate) usage: Option<Usage>,
    /// When the first piece came, from the question on.
    pub(crate) first: Option<Duration>,
    /// When it was over.
    pub(crate) total: Duration,
    /// Pieces that came; as good as tokens where the usage is not known.
    pieces: u64,
}

impl Conversation {
    /// Begins a conversation with a loaded model.
    pub(crate) fn new(engine: Engine, model: &str, system: &str, sampling: Sampling) -> Self {
        let request = Request {
            api: Api::OpenAiChat,
            model: model.to_owned(),
            system: system.to_owned(),
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: ToolChoice::None,
            response_format: ResponseFormat::Text,
            sampling,
            stream: true,
            stream_usage: true,
            metadata: Vec::new(),
            one_tool_call: false,
        };
        Conversation { engine, request }
    }

    /// Forgets everything that was said, but for the system's text.
    pub(crate) fn reset(&mut self) {
        self.request.messages.clear();
    }

    /// Says something and hands out the answer as it comes, until it ends or `stop` does; what came so far then stays said.
    ///
    /// # Errors
    /// The model does not take the question, or fails; the question is then forgotten.
    pub(crate) async fn ask(
        &mut self,
        text: &str,
        stop: impl Future<Output = ()>,
        said: &mut (dyn FnMut(Piece<'_>) + Send),
    ) -> Result<Turn, freehold_engine::Error> {
        self.request.messages.push(message(Role::User, text));
        let answered = self.answer(stop, said).await;
        match &answered {
            Ok(turn) => self.request.messages.push(message(Role::Assistant, &turn.text)),
            Err(_) => self.request.messages.truncate(self.request.messages.len() - 1),
        }
        answered
    }

    async fn answer(
        &self,
        stop: impl Future<Output = ()>,
        said: &mut (dyn FnMut(Piece<'_>) + Send),
    ) -> Result<Turn, freehold_engine::Error> {
        let began = Instant::now();
        let mut turn = Turn::default();
        let run = async {
            let mut generation = self.engine.generate(&self.request.model, &self.request).await?;
            while let Some(event) = generation.next().await {
                turn.take(event, began, said)?;
            }
            Ok(())
        };
        tokio::select! {
            ended = run => ended?,
            () = stop => {}
        }
        turn.total = began.elapsed();
        Ok(turn)
    }
}

fn message(role: Role, text: &str) -> Message {
    Message { role, parts: vec![Part::Text(text.to_owned())] }
}

impl Turn {
    fn take(
        &mut self,
        event: Event,
        began: Instant,
        said: &mut (dyn FnMut(Piece<'_>) + Send),
    ) -> Result<(), freehold_engine::Error> {
        match event {
            Event::Text(text) => {
                self.note_piece(began);
                said(Piece::Text(&text));
                self.text.push_str(&text);
            }
            Event::Reasoning(text) => {
                self.note_piece(began);
                said(Piece::Reasoning(&text));
                self.reasoning.push_str(&text);
            }
            Event::Done { finish, usage } => {
                self.finish = Some(finish);
                self.usage = Some(usage);
            }
            Event::Failed(error) => return Err(error),
            _ => {}
        }
        Ok(())
    }

    fn note_piece(&mut self, began: Instant) {
        self.pieces += 1;
        self.first.get_or_insert_with(|| began.elapsed());
    }

    /// Returns how many tokens came, and whether that is known or counted by pieces.
    fn tokens(&self) -> (u64, bool) {
        self.usage.map_or((self.pieces, false), |usage| (usage.output, true))
    }

    /// Returns tokens a second from the first on, where there were two at least.
    pub(crate) fn tokens_per_s(&self) -> Option<f64> {
        let (tokens, _) = self.tokens();
        let spent = (self.total - self.first?).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate has three digits")]
        let rate = tokens.saturating_sub(1) as f64 / spent;
        (tokens > 1 && spent > 0.0).then_some(rate)
    }

    /// Says in one line what the answer took.
    pub(crate) fn told(&self) -> String {
        let (tokens, is_known) = self.tokens();
        let mut parts = vec![format!("{}{tokens} tokens", if is_known { "" } else { "about " })];
        parts.extend(self.tokens_per_s().map(|rate| format!("{rate:.1} tokens/s")));
        parts.extend(self.first.map(|first| format!("first after {:.2} s", first.as_secs_f64())));
        parts.extend(
            self.usage.map(|usage| format!("prompt {} tokens, {} of them cached", usage.input, usage.cache_read)),
        );
        match self.finish {
            Some(Finish::Length) => parts.push("cut: no room for more".to_owned()),
            None => parts.push("stopped".to_owned()),
            Some(_) => {}
        }
        parts.join(", ")
    }

    /// Returns everything about the answer as JSON.
    pub(crate) fn as_json(&self) -> Value {
        json!({
            "text": self.text,
            "reasoning": self.reasoning,
            "finish": self.finish,
            "stopped": self.finish.is_none(),
            "usage": self.usage,
            "first_ms": self.first.map(|first| first.as_secs_f64() * 1e3),
            "total_ms": self.total.as_secs_f64() * 1e3,
            "tokens_per_s": self.tokens_per_s(),
        })
    }
}

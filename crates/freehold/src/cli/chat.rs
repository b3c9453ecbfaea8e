//! `freehold chat`: a first look at a model, on a terminal or in a pipe.

use std::io::{BufRead, IsTerminal, Read};

use freehold_engine::Engine;
use freehold_wire::Sampling;
use tokio::sync::mpsc;

use crate::config::Model;
use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::models::chat::{Conversation, Piece, Turn};
use crate::models::{self, Named};
use crate::{service, stdout};

/// The longest question taken from a pipe, in bytes.
const QUESTION_BYTES_MAX: u64 = 8 << 20;
/// What each conversation holds where no [[model]] entry says; never more than the model was trained for.
const CONTEXT_TOKENS: u32 = 4096;

/// Talk to a model of ours for a first look: nothing is recorded, and nothing leaves this machine.
///
/// On a terminal it takes turns; Ctrl-C stops an answer, and a second one, or Ctrl-D, ends. What comes through a pipe is one
/// question. Answers go to stdout, all else to stderr.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  freehold chat desk\n  freehold chat ./model.gguf --system \"Answer in one word.\"\n  \
    echo \"Where is my parcel?\" | freehold chat desk --temperature 0 --json\n\n\
    In a conversation: /reset forgets it, /exit ends it."
)]
pub(super) struct Arguments {
    /// The model: the name of a [[model]] entry, or a GGUF file.
    model: String,
    /// What the model is told before the conversation.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    system: String,
    /// The most tokens of an answer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
    /// How freely it chooses words; 0 always takes the likeliest.
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// The seed of its choices.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many tokens the conversation may hold [default: the entry's, else 4096]
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(16..))]
    context: Option<u32>,
    /// Print each answer as one line of JSON, when it is whole.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    if arguments.temperature.is_some_and(|temperature| !(0.0..=10.0).contains(&temperature)) {
        return Err(Fault::input("the temperature lies outside of 0 to 10").into());
    }
    let named = models::find(place, &settings, &arguments.model)?;
    let question = if std::io::stdin().is_terminal() { None } else { Some(piped()?) };
    let (program, home) = (super::this_program()?, place.home()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = service::engine(&settings, program, &home);
        let name = named.name.clone();
        let ended = talk(&engine, (&name, &arguments.model(named)), arguments, question).await;
        engine.shutdown().await;
        ended
    })
}

impl Arguments {
    /// Returns what is loaded: one conversation at a time.
    fn model(&self, named: Named) -> Model {
        let mut model = named.served(CONTEXT_TOKENS, 1);
        model.slots = 1;
        model.context_tokens = self.context.unwrap_or(model.context_tokens);
        model
    }

    fn sampling(&self) -> Sampling {
        Sampling { max_tokens: self.max_tokens, temperature: self.temperature, seed: self.seed, ..Sampling::default() }
    }
}

fn piped() -> Result<String, Fault> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(QUESTION_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Fault::input("cannot read the question").because(error))?;
    if bytes.len() as u64 > QUESTION_BYTES_MAX {
        return Err(Fault::input(format!("the question is longer than {QUESTION_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| Fault::input("the question is not UTF-8").because(error))?;
    let text = text.trim_end_matches(['\n', '\r']).to_owned();
    if text.trim().is_empty() {
        return Err(Fault::input("nothing was asked").hint("write a question into the pipe, or run it on a terminal"));
    }
    Ok(text)
}

async fn talk(
    engine: &Engine,
    (name, model): (&str, &Model),
    arguments: &Arguments,
    question: Option<String>,
) -> anyhow::Result<Exit> {
    let info = service::load(engine, model).await?;
    let mut conversation = Conversation::new(engine.clone(), name, &arguments.system, arguments.sampling());
    let Some(question) = question else {
        eprintln!(
            "{name}: {}, context of {} tokens, {} threads, loaded in {} ms; Ctrl-C stops an answer, Ctrl-D ends",
            info.architecture, info.context_tokens, info.threads, info.load_ms
        );
        return take_turns(&mut conversation, arguments).await;
    };
    let turn = answer(&mut conversation, &question, arguments).await.map_err(fault)?;
    eprintln!("({})", turn.told());
    match turn.finish {
        Some(_) => Ok(Exit::Done),
        None => Err(Fault::input("stopped before the answer was whole").into()),
    }
}

fn fault(error: freehold_engine::Error) -> Fault {
    match error.kind() {
        freehold_engine::ErrorKind::User => Fault::input("the model does not take the question")
            .because(error)
            .hint("ask less at once, or give it more room with --context TOKENS"),
        _ => Fault::upstream("the model did not answer")
            .because(error)
            .hint("look at the file with `freehold models inspect`"),
    }
}

async fn take_turns(conversation: &mut Conversation, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut lines = lines()?;
    loop {
        eprint!("> ");
        let line = tokio::select! {
            line = lines.recv() => line,
            interrupted = tokio::signal::ctrl_c() => { interrupted?; None }
        };
        let Some(line) = line else {
            eprintln!();
            return Ok(Exit::Done);
        };
        match line.trim() {
            "" => {}
            "/exit" | "/quit" => return Ok(Exit::Done),
            "/reset" => {
                conversation.reset();
                eprintln!("(forgotten)");
            }
            command if command.starts_with('/') => eprintln!("({command} is no command: /reset forgets, /exit ends)"),
            question => match answer(conversation, question, arguments).await {
                Ok(turn) => eprintln!("({})\n", turn.told()),
                Err(error) if error.kind() == freehold_engine::ErrorKind::User => {
                    eprintln!("({error}; /reset makes room)");
                }
                Err(error) => return Err(fault(error).into()),
            },
        }
    }
}

/// Returns the lines that are typed; they are read on a thread of their own, which ends with the process.
fn lines() -> anyhow::Result<mpsc::Receiver<String>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::Builder::new().name("freehold-typed".to_owned()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Asks, and writes the answer as it comes.
async fn answer(
    conversation: &mut Conversation,
    question: &str,
    arguments: &Arguments,
) -> Result<Turn, freehold_engine::Error> {
    let is_json = arguments.json;
    let is_terminal = std::io::stdout().is_terminal();
    let stop = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let mut has_thought = false;
    let turn = conversation
        .ask(question, stop, &mut |piece| match piece {
            _ if is_json => {}
            Piece::Reasoning(text) => {
                has_thought = true;
                eprint!("{}", tame(text));
            }
            Piece::Text(text) => {
                if std::mem::take(&mut has_thought) {
                    eprintln!();
                }
                if is_terminal { write(&tame(text)) } else { write(text) }
            }
        })
        .await?;
    if is_json {
        write(&format!("{}\n", turn.as_json()));
    } else {
        write("\n");
    }
    Ok(turn)
}

/// Writes a piece; where stdout takes no more, the answer goes on without being seen.
fn write(text: &str) {
    if let Err(error) = stdout::block(text) {
        tracing::warn!(%error, "the answer cannot be written");
    }
}

/// Returns a text as a terminal may have it: a model must not steer the terminal.
fn tame(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')).collect()
}

//! One person at the queue: which case is shown, what a key does, and what has been said. It knows nothing of terminals.

use std::collections::{HashSet, VecDeque};

use freehold_evidence::Output;
use freehold_store::{Label, Said, Store};
use serde_json::Value;

use super::exchange::spelt;
use super::keys::Key;
use super::queue::{Choice, Item, Queue};

/// One person's way through the queue. Whatever is said is in the store before the next case is shown.
pub struct Session<'a> {
    store: &'a Store,
    queue: &'a Queue,
    who: String,
    open: VecDeque<String>,
    said: Vec<Told>,
    /// The case that is shown; `None` when all have been asked about.
    pub(super) item: Option<Item>,
    /// What is said to the person on the last line.
    pub(super) message: String,
    /// First line shown of what was asked, counted from the beginning of its last turn; and of the answers.
    pub(super) scroll: Scroll,
    /// Pairs on which a person has decided, before and now.
    labelled: u64,
}

/// How far the panes are scrolled, in lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scroll {
    pub(super) input: i64,
    pub(super) answers: i64,
}

/// Something said in this session, which can be taken back.
struct Told {
    number: i64,
    case: String,
    is_pair: bool,
    moved_on: bool,
}

/// What is to be done after a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// Draw what is shown now.
    Draw,
    /// Let the person write the right answer, beginning with this text.
    Edit(String),
    /// End.
    Quit,
}

impl<'a> Session<'a> {
    /// Begins with the first open case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn begin(store: &'a Store, queue: &'a Queue, who: String) -> anyhow::Result<Self> {
        let open = queue.open_cases(store)?.into();
        let decided = |label: &Label| queue.is_answer(label) && matches!(label.said, Said::Pair { .. });
        let cases: HashSet<String> =
            store.labels(&queue.step)?.into_iter().filter(decided).map(|label| label.case).collect();
        let mut session = Session {
            store,
            queue,
            who,
            open,
            said: Vec::new(),
            item: None,
            message: String::new(),
            scroll: Scroll::default(),
            labelled: cases.len() as u64,
        };
        session.show_next()?;
        Ok(session)
    }

    /// Returns on how many pairs of the queue a person has decided, before and now.
    pub fn labelled(&self) -> u64 {
        self.labelled
    }

    /// Returns what the first line says.
    pub(super) fn title(&self) -> String {
        let Queue { step, candidate, .. } = self.queue;
        let left = self.open.len() + usize::from(self.item.is_some());
        format!("{} labelled, at most {left} left · {step}: {candidate} and the incumbent", self.labelled)
    }

    /// Does what a key says, at the time `at_ms`.
    pub(super) fn press(&mut self, key: Key, at_ms: i64) -> anyhow::Result<Next> {
        self.message.clear();
        match key {
            Key::Stop | Key::Letter('q') => return Ok(Next::Quit),
            Key::Up | Key::Letter('k') => self.scroll.input -= 1,
            Key::Down | Key::Letter('j') => self.scroll.input += 1,
            Key::PageUp | Key::Letter('K') => self.scroll.answers -= 5,
            Key::PageDown | Key::Letter('J') => self.scroll.answers += 5,
            Key::Letter('u') => self.undo(at_ms)?,
            Key::Letter('e') => match &self.item {
                Some(item) => return Ok(Next::Edit(template(&item.answers[0]))),
                None => "there is no case to write an answer for".clone_into(&mut self.message),
            },
            Key::Letter('1') => self.choose(Choice::First, at_ms)?,
            Key::Letter('2') => self.choose(Choice::Second, at_ms)?,
            Key::Letter('=') => self.choose(Choice::BothFine, at_ms)?,
            Key::Letter('x') => self.choose(Choice::BothWrong, at_ms)?,
            Key::Letter('s') => self.skip(at_ms)?,
            Key::Letter(other) => self.message = format!("{other} means nothing here"),
        }
        Ok(Next::Draw)
    }

    /// Takes the right answer that was written for the case that is shown; it stays, because the pair is open still.
    pub(super) fn wrote(&mut self, text: &str, at_ms: i64) -> anyhow::Result<()> {
        let Some(item) = &self.item else { return Ok(()) };
        if text.trim().is_empty() {
            "nothing was written, and nothing is kept".clone_into(&mut self.message);
            return Ok(());
        }
        let case = item.case.clone();
        self.tell(&case, Said::Gold(written(text)), at_ms)?;
        "the right answer is kept; say which of these two is better, or s".clone_into(&mut self.message);
        Ok(())
    }

    fn choose(&mut self, choice: Choice, at_ms: i64) -> anyhow::Result<()> {
        let Some(item) = &self.item else { return Ok(()) };
        let (case, said) = (item.case.clone(), item.said(choice));
        self.tell(&case, said, at_ms)?;
        self.labelled += 1;
        self.show_next()
    }

    fn skip(&mut self, at_ms: i64) -> anyhow::Result<()> {
        let Some(item) = &self.item else { return Ok(()) };
        let case = item.case.clone();
        self.tell(&case, Said::Skipped, at_ms)?;
        self.show_next()
    }

    fn tell(&mut self, case: &str, said: Said, at_ms: i64) -> anyhow::Result<()> {
        let is_gold = matches!(said, Said::Gold(_));
        let is_pair = matches!(said, Said::Pair { .. });
        let drawn = (!is_gold).then_some(&self.queue.drawn);
        let label = Label {
            at_ms,
            who: self.who.clone(),
            step: self.queue.step.clone(),
            case: case.to_owned(),
            assessment: drawn.map(|drawn| drawn.assessment.clone()),
            seed: drawn.map(|drawn| drawn.seed),
            said,
        };
        let number = self.store.add_label(&label)?;
        self.said.push(Told { number, case: case.to_owned(), is_pair, moved_on: !is_gold });
        Ok(())
    }

    fn undo(&mut self, at_ms: i64) -> anyhow::Result<()> {
        let Some(told) = self.said.pop() else {
            "nothing was said in this session".clone_into(&mut self.message);
            return Ok(());
        };
        self.store.undo_label(told.number, at_ms)?;
        self.labelled -= u64::from(told.is_pair);
        if told.moved_on {
            if let Some(item) = self.item.take() {
                self.open.push_front(item.case);
            }
            self.open.push_front(told.case);
            self.show_next()?;
        }
        "taken back".clone_into(&mut self.message);
        Ok(())
    }

    /// Shows the next case that can be read and whose answers differ.
    fn show_next(&mut self) -> anyhow::Result<()> {
        self.scroll = Scroll::default();
        self.item = None;
        while let Some(case) = self.open.pop_front() {
            let item = self.queue.item(self.store, &case)?;
            self.item = item.filter(|item| !item.is_same());
            if self.item.is_some() {
                break;
            }
        }
        Ok(())
    }
}

/// What the editor begins with.
fn template(answer: &Output) -> String {
    match spelt(answer) {
        Value::String(text) => text,
        other => serde_json::to_string_pretty(&other).expect("a JSON value is JSON"),
    }
}

/// Reads what was written: calls of tools as JSON, anything else as text.
fn written(text: &str) -> Value {
    let calls = serde_json::from_str::<Value>(text).ok().filter(|value| value.get("tool_calls").is_some());
    calls.unwrap_or_else(|| text.trim_end_matches('\n').into())
}

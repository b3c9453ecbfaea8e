//! The terminal of the label screen: raw while it asks, and as it was before whatever ends it.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use super::draw::{Canvas, draw};
use super::session::{Next, Session};
use super::{editor, keys};
use crate::exit::Fault;
use crate::report;

/// The other screen, a hidden cursor; and the way back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// How long one look at the keyboard takes at most; whatever else there is to do waits no longer.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How the terminal was; there is one, so a panic anywhere can give it back.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Asks until there is no case left or the person has had enough.
///
/// # Errors
/// There is no terminal, or the store cannot be used; the terminal is given back in any case.
pub fn ask(session: &mut Session<'_>) -> anyhow::Result<()> {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        told(panic);
    }));
    let raw = Raw::enter()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(converse(session));
    drop(raw);
    done
}

/// What happened while nothing was done.
enum Event {
    Key,
    Resized,
    Nothing,
    End,
}

async fn converse(session: &mut Session<'_>) -> anyhow::Result<()> {
    let mut resized = signal(SignalKind::window_change())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    show(session)?;
    loop {
        // It only looks: whoever reads next, the editor among them, loses no key.
        let looking = tokio::task::spawn_blocking(look);
        let event = tokio::select! {
            looked = looking => looked??,
            _ = resized.recv() => Event::Resized,
            _ = terminated.recv() => Event::End,
            _ = hung_up.recv() => Event::End,
        };
        let is_over = match event {
            Event::Nothing => continue,
            Event::End => true,
            Event::Resized => false,
            Event::Key => take_keys(session)?,
        };
        if is_over {
            return Ok(());
        }
        show(session)?;
    }
}

fn look() -> Result<Event, Fault> {
    let stdin = std::io::stdin();
    let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut waiting, Some(&LOOK)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(Event::Nothing),
        Ok(_) => Ok(Event::Key),
        Err(error) => Err(lost(error)),
    }
}

/// Reads what was pressed and does it; returns whether that was the end.
fn take_keys(session: &mut Session<'_>) -> anyhow::Result<bool> {
    let mut bytes = [0; 64];
    let count = rustix::io::read(std::io::stdin(), &mut bytes).map_err(lost)?;
    if count == 0 {
        return Ok(true);
    }
    for key in keys::read(&bytes[..count]) {
        match session.press(key, now_ms())? {
            Next::Draw => {}
            Next::Edit(begin) => edit(session, &begin)?,
            Next::Quit => return Ok(true),
        }
    }
    Ok(false)
}

fn edit(session: &mut Session<'_>, begin: &str) -> anyhow::Result<()> {
    give_back();
    let written = editor::write(begin);
    Raw::enter()?.stay();
    match written {
        Ok(Some(text)) => session.wrote(&text, now_ms()),
        Ok(None) => {
            "nothing was changed, and nothing is kept".clone_into(&mut session.message);
            Ok(())
        }
        Err(error) => {
            session.message = error.to_string();
            Ok(())
        }
    }
}

fn show(session: &mut Session<'_>) -> anyhow::Result<()> {
    let size = tcgetwinsize(std::io::stdout()).map_err(lost)?;
    let color = report::Style::of_stdout().color;
    let canvas = Canvas { rows: usize::from(size.ws_row), columns: usize::from(size.ws_col), color };
    let lines: Vec<String> = draw(session, canvas).iter().map(|line| format!("{line}\x1b[K")).collect();
    let screen = format!("\x1b[H{}\x1b[J", lines.join("\r\n"));
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(screen.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Fault::input("cannot write to the terminal").because(error).into())
}

/// A terminal that sends every key as it is pressed; given back when this ends.
struct Raw;

impl Raw {
    fn enter() -> Result<Self, Fault> {
        let before = tcgetattr(std::io::stdin()).map_err(lost)?;
        let mut raw = before.clone();
        raw.make_raw();
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(before);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).map_err(lost)?;
        write_out(ENTER);
        Ok(Raw)
    }

    /// Leaves the giving back to the one who entered first.
    fn stay(self) {
        std::mem::forget(self);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        give_back();
    }
}

/// Makes the terminal as it was; once, whoever asks.
fn give_back() {
    let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    write_out(LEAVE);
    if let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, &before) {
        tracing::warn!(%error, "the terminal could not be made as it was; `reset` does it");
    }
}

fn write_out(codes: &str) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(codes.as_bytes()).and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "the terminal takes no more");
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn lost(error: rustix::io::Errno) -> Fault {
    Fault::input("the terminal cannot be used").because(error)
}

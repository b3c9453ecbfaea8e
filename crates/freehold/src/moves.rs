//! Generations of routes: made by a move, selected again by a rollback, and awaited on the running gateway.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use freehold_store::{Generation, NewGeneration, Route, Store};

use crate::exit::Fault;
use crate::home::{Place, RunningGateway};

/// How long a command waits for the running gateway to serve the new generation.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(5);
const ASK_TIMEOUT: Duration = Duration::from_millis(500);
const ASK_PAUSE: Duration = Duration::from_millis(10);

/// Makes a generation in which `step` takes this route and every other step stays as it is.
///
/// # Errors
/// The store cannot be written.
pub fn make(store: &Store, step: &str, route: Route) -> anyhow::Result<Generation> {
    let mut routes = store.generation()?.routes;
    let reason = format!("move {step} to {}/{}", route.upstream, route.model);
    routes.insert(step.to_owned(), route);
    Ok(store.add_generation(NewGeneration { at_ms: now_ms(), who: who(), reason, restores: None, routes })?)
}

/// Makes a generation with the routes of an older one: the numbered one, or the one before the current.
///
/// # Errors
/// There is no such generation, or the store cannot be written.
pub fn back(store: &Store, wanted: Option<u64>) -> anyhow::Result<Generation> {
    let current = store.generation()?;
    let effective = current.restores.unwrap_or(current.number);
    let number = match wanted {
        Some(number) => number,
        None => effective.checked_sub(1).ok_or_else(|| {
            Fault::input("there is no generation to go back to: nothing was moved yet")
                .hint("`freehold steps` shows who serves each step")
        })?,
    };
    let routes = if number == 0 {
        Default::default()
    } else {
        let all = store.generations()?;
        let found = all.into_iter().find(|generation| generation.number == number);
        found
            .ok_or_else(|| Fault::input(format!("there is no generation {number}; the newest is {}", current.number)))?
            .routes
    };
    let reason = format!("rollback to generation {number}");
    Ok(store.add_generation(NewGeneration { at_ms: now_ms(), who: who(), reason, restores: Some(number), routes })?)
}

/// Returns a generation as lines for a reader.
pub fn shown(generation: &Generation) -> String {
    let mut lines = format!("generation {}: {}\n", generation.number, generation.reason);
    for (step, route) in &generation.routes {
        lines.push_str(&format!("  {step} → {}/{} ({})\n", route.upstream, route.model, route.stage));
    }
    lines
}

/// Waits until the running gateway serves a generation, where one runs, and says so on stderr.
///
/// # Errors
/// A gateway runs and does not take the generation in time.
pub fn settle(place: &Place, generation: &Generation) -> anyhow::Result<()> {
    let running = RunningGateway::read(&place.home()?);
    if running.as_ref().is_some_and(|running| running.address.is_none() && running.unix_socket.is_none()) {
        eprintln!("a gateway that runs takes it up within a second; over TLS alone it cannot be asked from here");
        return Ok(());
    }
    match await_gateway(running, generation.number)? {
        Some(waited) => eprintln!("the running gateway serves it now ({} ms)", waited.as_millis()),
        None => eprintln!("no gateway is running; the next `freehold up` serves it"),
    }
    Ok(())
}

fn await_gateway(running: Option<RunningGateway>, number: u64) -> anyhow::Result<Option<Duration>> {
    let Some(running) = running else { return Ok(None) };
    let begun = Instant::now();
    loop {
        match served_generation(&running) {
            None if begun.elapsed() < ASK_TIMEOUT => {}
            None => return Ok(None),
            Some(served) if served >= number => return Ok(Some(begun.elapsed())),
            Some(_) if begun.elapsed() > SWITCH_TIMEOUT => {
                return Err(Fault::internal(format!(
                    "the gateway of process {} did not take generation {number}",
                    running.pid
                ))
                .hint("look at its log; the generation is stored and a restart serves it")
                .into());
            }
            Some(_) => {}
        }
        std::thread::park_timeout(ASK_PAUSE);
    }
}

/// Asks a gateway which generation it serves; `None` when it does not answer.
fn served_generation(running: &RunningGateway) -> Option<u64> {
    let answer = match (running.address, &running.unix_socket) {
        (Some(address), _) => {
            let stream = TcpStream::connect_timeout(&address, ASK_TIMEOUT).ok()?;
            stream.set_read_timeout(Some(ASK_TIMEOUT)).ok()?;
            ask(stream)?
        }
        (None, Some(path)) => {
            let stream = UnixStream::connect(path).ok()?;
            stream.set_read_timeout(Some(ASK_TIMEOUT)).ok()?;
            ask(stream)?
        }
        (None, None) => return None,
    };
    let body = answer.split_once("\r\n\r\n")?.1;
    let health: serde_json::Value = serde_json::from_str(body).ok()?;
    health.get("generation")?.as_u64()
}

fn ask(mut stream: impl Read + Write) -> Option<String> {
    write!(stream, "GET /healthz HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer).ok()?;
    Some(answer)
}

pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Returns who runs this process.
pub(crate) fn who() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned())
}

//! Mixed calls for minutes on end, with the worker taken away every so often: every call must end, and memory stay flat.
//!
//! `cargo bench -p freehold --bench soak -- [--minutes N] [--kill-every-s N] [--seed N] [--model FILE.gguf]`; without a model a
//! script answers. Prints a line a minute and a table; ends with 1 where a call hung, an answer was wrong or something was left.

mod machine;
mod mix;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use freehold::config::{Layers, Settings};
use freehold::{home, service};
use freehold_engine::{CRASH_REPORTS_MAX, Engine, Error, ErrorKind, crash_reports};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::timeout;

use mix::Wish;
use tally::{End, Tally};

/// Callers at once; more than the model has slots, so that some always wait.
const CALLERS: u64 = 10;
/// What no call may take, with a worker that is killed and hung beneath it: then it hangs itself.
const PATIENCE: Duration = Duration::from_secs(180);
/// A pause of a caller that was told the model is busy, or whose call went down with its worker.
const PAUSE: Duration = Duration::from_millis(100);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How much more the host may hold in the last quarter than in the second.
const GROWTH_MAX: f64 = 1.10;

struct Plan {
    minutes: f64,
    kill_every: Duration,
    seed: u64,
    model: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let plan = plan(std::env::args().skip(1).filter(|argument| argument != "--bench"))?;
    let folder = tempfile::tempdir()?;
    let settings = settings(folder.path(), plan.model.as_deref())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let tally = Arc::new(Mutex::new(Tally::new(Instant::now())));
    runtime.block_on(soak(&plan, &settings, folder.path(), &tally))?;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.print();
    let left = machine::children();
    println!("processes left: {}", left.len());
    let reports = crash_reports(&home::crashes(folder.path()))?;
    println!("reports kept: {} of {} deaths", reports.len(), tally.kills());
    // The last worker may have been stopped and not yet found out when the time was over.
    let are_reported = reports.len() + 1 >= tally.kills().min(CRASH_REPORTS_MAX);
    let is_good = tally.is_good(GROWTH_MAX) && left.is_empty() && are_reported;
    println!("{}", if is_good { "held" } else { "did not hold" });
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Plan> {
    let mut plan = Plan { minutes: 2.0, kill_every: Duration::from_secs(30), seed: 1, model: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--minutes" => plan.minutes = value.parse()?,
            "--kill-every-s" => plan.kill_every = Duration::from_secs_f64(value.parse()?),
            "--seed" => plan.seed = value.parse()?,
            "--model" => plan.model = Some(std::path::absolute(value)?),
            other => bail!("what is {other}?"),
        }
    }
    Ok(plan)
}

fn settings(home: &Path, model: Option<&Path>) -> anyhow::Result<Settings> {
    let (path, backend) = match model {
        Some(path) => (path.to_owned(), "llama"),
        None => (home.join("script.json"), "scripted"),
    };
    std::fs::write(home.join("script.json"), mix::script().to_string())?;
    let isolation = if cfg!(target_os = "linux") { "required" } else { "best_effort" };
    // A worker that is stopped must be found out between two kills.
    let text = format!(
        "[engine]\nhang_timeout_s = 15\nrestarts_max = 10\nisolation = {isolation:?}\nmemory_mib_max = 2048\n\
         [[model]]\nname = \"m\"\npath = {path:?}\nbackend = {backend:?}\ncontext_tokens = 768\nslots = 4\n"
    );
    let file = home.join("freehold.toml");
    std::fs::write(&file, text)?;
    let mut layers = Layers::defaults(home);
    layers.file(&file)?;
    Ok(layers.settings(&|_| None)?)
}

async fn soak(plan: &Plan, settings: &Settings, home: &Path, tally: &Arc<Mutex<Tally>>) -> anyhow::Result<()> {
    let engine = service::engine(settings, PathBuf::from(env!("CARGO_BIN_EXE_freehold")), home);
    let info = service::load(&engine, &settings.models[0]).await?;
    for layer in &info.isolation {
        println!("{}: {}", layer.name, layer.how);
    }
    let until = Instant::now() + Duration::from_secs_f64(plan.minutes * 60.0);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let random = StdRng::seed_from_u64(plan.seed.wrapping_mul(1_000).wrapping_add(caller));
        callers.spawn(call_until(until, engine.clone(), Arc::clone(tally), random));
    }
    callers.spawn(kill_until(until, plan.kill_every, Arc::clone(tally)));
    callers.spawn(look_until(until, Arc::clone(tally)));
    while let Some(ended) = callers.join_next().await {
        ended.context("a task of the soak broke off")?;
    }
    engine.shutdown().await;
    Ok(())
}

fn locked(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn call_until(until: Instant, engine: Engine, tally: Arc<Mutex<Tally>>, mut random: StdRng) {
    while Instant::now() < until {
        let wish = Wish::draw(&mut random);
        let began = Instant::now();
        let end = timeout(PATIENCE, call(&engine, &wish)).await.unwrap_or(End::Hung);
        let is_failure = matches!(end, End::Died | End::Busy);
        locked(&tally).add(&wish, end, began.elapsed());
        if is_failure {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Makes one call; its end is an answer that was looked at, or a failure with its kind.
async fn call(engine: &Engine, wish: &Wish) -> End {
    let mut generation = match engine.generate("m", &wish.request()).await {
        Ok(generation) => generation,
        Err(error) => return failed(&error),
    };
    if let Some(events) = wish.gives_up_after() {
        for _ in 0..events {
            generation.next().await;
        }
        return End::GivenUp;
    }
    match generation.collect().await {
        Ok(answer) => wish.look_at(&answer),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> End {
    match (error, error.kind()) {
        (Error::WorkerDied { .. } | Error::Down { .. }, _) => End::Died,
        (_, ErrorKind::Busy) => End::Busy,
        _ => End::Wrong(error.to_string()),
    }
}

/// Takes the worker away in one way after another: killed, aborted, at an illegal instruction, and stopped, so that it hangs.
async fn kill_until(until: Instant, every: Duration, tally: Arc<Mutex<Tally>>) {
    let mut random = StdRng::seed_from_u64(7);
    for round in 0.. {
        // Not in step with anything.
        let pause = every.mul_f64(random.random_range(0.9..1.1));
        if Instant::now() + pause >= until {
            return;
        }
        tokio::time::sleep(pause).await;
        if let Some(how) = machine::take_away(round) {
            locked(&tally).kill(how);
        }
    }
}

async fn look_until(until: Instant, tally: Arc<Mutex<Tally>>) {
    while Instant::now() + LOOK < until {
        tokio::time::sleep(LOOK).await;
        let worker = machine::children().first().and_then(|&worker| machine::held_kib(Some(worker)));
        if let Some(line) = locked(&tally).look(machine::held_kib(None), worker) {
            println!("{line}");
        }
    }
}

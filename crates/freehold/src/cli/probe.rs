//! `freehold probe`: which promises of its API does a server keep?

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Settings;
use crate::engines::Kind;
use crate::exit::{Exit, Fault};
use crate::home::Place;
use crate::probe::{self, Finding, Kept, Promise, Report, Scope};
use crate::stdout;

/// Find out which promises of the Chat Completions API a server keeps, before the model behind it is blamed.
///
/// Each promise is answered kept, broken or cannot tell, with what was seen. Broken is said only where the server decides,
/// however weak the model is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  freehold probe http://127.0.0.1:8000 --model qwen3-8b --key-env VLLM_KEY\n  freehold probe desk-l\n\n\
    Ends with 0 when no promise is broken, 1 when one is, 4 when the server does not answer."
)]
pub(super) struct Arguments {
    /// An address, a [[model]], or an [[upstream]] as NAME or NAME/MODEL.
    #[arg(value_name = "URL|NAME")]
    server: String,
    /// The model to ask for [default: the first of the upstream's `models`]
    #[arg(long)]
    model: Option<String>,
    /// The environment variable that holds the key [default: the upstream's `key`]
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// What kind of server it is, for remedies that fit it [default: the upstream's `engine`]
    #[arg(long, value_enum, value_name = "KIND")]
    engine: Option<Kind>,
    /// Only this promise, by its name in the output; may be given several times.
    #[arg(long = "only", value_name = "PROMISE", value_parser = promise)]
    only: Vec<Promise>,
    /// The longest prompt that is tried.
    #[arg(long, value_name = "TOKENS", default_value_t = 16384, value_parser = clap::value_parser!(u64).range(256..))]
    context: u64,
    /// The time for all of it.
    #[arg(long, value_name = "SECONDS", default_value_t = 55, value_parser = clap::value_parser!(u64).range(1..=3600))]
    budget: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn promise(name: &str) -> Result<Promise, String> {
    let names = || Promise::ALL.map(Promise::name).join(", ");
    Promise::ALL
        .into_iter()
        .find(|promise| promise.name() == name)
        .ok_or_else(|| format!("the promises are {}", names()))
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = place.settings()?;
    let promises = if arguments.only.is_empty() { Promise::ALL.to_vec() } else { arguments.only.clone() };
    let budget = Duration::from_secs(arguments.budget);
    let scope = Scope { promises, context_tokens: arguments.context, budget };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(probed(place, &settings, arguments, &scope))?;
    if arguments.json {
        stdout::line(serde_json::to_string(&report)?)?;
    } else {
        stdout::block(told(&report))?;
    }
    Ok(if report.broken().next().is_some() { Exit::NotAdequate } else { Exit::Done })
}

async fn probed(place: &Place, settings: &Settings, arguments: &Arguments, scope: &Scope) -> anyhow::Result<Report> {
    let bar = bar(scope);
    let progress = |finding: &Finding| {
        bar.inc(1);
        bar.set_message(finding.promise.name());
    };
    let report = match probe::Server::named(settings, (&arguments.server, arguments.model.as_deref()))? {
        probe::Server::Upstream { base_url, model, key, engine } => {
            let key = match &arguments.key_env {
                Some(name) => Some(from_environment(name)?),
                None => key,
            };
            let client = crate::client::Client::new(scope.budget)?;
            probe::run(
                probe::Address { client, base_url, key, model, engine: arguments.engine.or(engine) },
                scope,
                &progress,
            )
            .await
            .map_err(fault)
        }
        probe::Server::Own { model, name } => {
            let own = probe::Own { settings, home: &place.home()?, program: super::this_program()? };
            own.probe((model, name), scope, &progress).await
        }
    };
    bar.finish_and_clear();
    report
}

fn from_environment(name: &str) -> Result<freehold_gateway::Secret, Fault> {
    let key = std::env::var(name).map_err(|_| {
        Fault::input(format!("the environment variable {name} is not set"))
            .hint("set it to the key, or leave --key-env out")
    })?;
    Ok(freehold_gateway::Secret::new(key))
}

fn fault(error: probe::Error) -> anyhow::Error {
    Fault::upstream("the server cannot be probed").because(error).hint(
        "check the address (without /v1), the model's name there, and the key; `curl ADDRESS/v1/models` lists the models",
    ).into()
}

fn bar(scope: &Scope) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("probing {wide_bar} {pos}/{len} promises  {msg}");
    ProgressBar::new(scope.promises.len() as u64)
        .with_style(style.expect("the template is right; every probe shows it"))
}

fn told(report: &Report) -> String {
    let mut text = format!("{} at {}\n\n", report.model, report.address);
    let name = report.findings.iter().map(|finding| finding.promise.name().len()).max().unwrap_or(0);
    for finding in &report.findings {
        let (promise, answer) = (finding.promise, finding.answer.told());
        text += &format!("{:name$}  {answer:11}  {}\n", promise.name(), finding.evidence);
        if finding.answer == Kept::Broken {
            text += &format!("{:name$}  {:11}  promised: {}\n", "", "", promise.said());
        }
        if let Some(remedy) = &finding.remedy {
            text += &format!("{:name$}  {:11}  remedy: {remedy}\n", "", "");
        }
    }
    let count = |kept: Kept| report.findings.iter().filter(|finding| finding.answer == kept).count();
    let (kept, broken, unknown) = (count(Kept::Kept), count(Kept::Broken), count(Kept::CannotTell));
    let seconds = report.took_ms as f64 / 1000.0;
    text + &format!(
        "\n{kept} kept, {broken} broken, {unknown} cannot tell; {} requests in {seconds:.1} s\n",
        report.requests
    )
}

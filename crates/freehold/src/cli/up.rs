//! `freehold up`: the gateway and the engine.

use std::net::SocketAddr;
use std::time::Duration;

use freehold_gateway::Listen;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{self, SignalKind};

use crate::config::{Origin, Settings};
use crate::exit::{Exit, Fault};
use crate::handles;
use crate::home::Place;
use crate::reload::Watch;
use crate::service::Service;
use crate::stdout;

/// How often the running gateway looks whether its configuration file has changed.
const CONFIGURATION_POLL: Duration = Duration::from_secs(1);

/// Serve: the gateway to the upstreams of freehold.toml, and our own engine for its models.
///
/// Prints the two lines to paste into an application. Every call is recorded in the home.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example freehold.toml:\n\n  [[upstream]]\n  name = \"openai\"\n  base_url = \"https://api.openai.com\"\n  \
    apis = [\"openai.chat\", \"openai.responses\"]\n\n  [[model]]\n  name = \"desk\"\n  path = \"models/freehold-desk-l.gguf\""
)]
pub(super) struct Arguments {
    /// The address to listen on; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let settings = settings(place, arguments)?;
    if settings.upstreams.is_empty() && settings.models.is_empty() {
        return Err(Fault::input("nothing to serve: no [[upstream]] and no [[model]] is configured")
            .hint("write a freehold.toml; `freehold up --help` shows one")
            .into());
    }
    handles::raise(settings.server.connections_max);
    let home = place.home()?;
    let program = super::this_program()?;
    runtime()?.block_on(async {
        let service = Service::start(&settings, &home, program).await?;
        // Whoever has read the greeting may send a signal.
        let signals = Signals::listen()?;
        greet(&settings, &service)?;
        let watch = Watch::new(place.config_file());
        serve(&service, || self::settings(place, arguments), (signals, watch)).await?;
        eprintln!("stopping: calls in flight may take {} s more", settings.server.drain_s);
        service.stop(Duration::from_secs(settings.server.drain_s)).await?;
        Ok(Exit::Done)
    })
}

/// Makes the runtime. Where there is one core, threads would only pass work to each other.
fn runtime() -> std::io::Result<Runtime> {
    let is_alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if is_alone { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

fn greet(settings: &Settings, service: &Service) -> Result<(), Fault> {
    let keys = match (settings.server.require_keys, service.keys_good) {
        (false, _) => "no key is needed".to_owned(),
        (true, 0) => "a key is needed, and there is none yet: `freehold keys add NAME`".to_owned(),
        (true, count) => format!("a key is needed ({count} there)"),
    };
    for place in service.listening() {
        eprintln!("freehold serves on {place}: {keys}");
        if matches!(place, Listen::Plain(_)) && place.is_reachable() {
            eprintln!("  warning: keys and prompts pass {place} unencrypted: put TLS in front, or use tls_listen");
        }
    }
    for upstream in &settings.upstreams {
        let simulated = if upstream.simulated { " (simulated vendor)" } else { "" };
        eprintln!("  upstream {}{simulated}: {}", upstream.name, upstream.base_url);
    }
    for model in &service.models {
        if let Some(base) = &model.base {
            eprintln!("  model {}: an adapter of {base}", model.name);
            continue;
        }
        eprintln!(
            "  model {}: {} parameters, {} tokens of context, {} at once, loaded in {} ms",
            model.name, model.parameters, model.context_tokens, model.slots, model.load_ms
        );
    }
    let Some(base) = service.listening().iter().find(|place| place.address().is_some()) else { return Ok(()) };
    eprintln!("paste into an application:");
    stdout::block(format_args!("export OPENAI_BASE_URL={base}/v1\nexport ANTHROPIC_BASE_URL={base}\n"))
}

fn settings(place: &Place, arguments: &Arguments) -> Result<Settings, Fault> {
    let mut layers = place.layers()?;
    if let Some(listen) = arguments.listen {
        layers.set("server", "listen", listen.to_string().into(), Origin::Flag("--listen"));
    }
    layers.settings(&|name| std::env::var(name).ok())
}

/// What can be said to the running gateway.
struct Signals {
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Signals { terminate: unix::signal(SignalKind::terminate())?, hang_up: unix::signal(SignalKind::hangup())? })
    }
}

/// Serves until a signal says to stop; takes another configuration up when told to (SIGHUP), or when its file has changed.
async fn serve(
    service: &Service,
    settings: impl Fn() -> Result<Settings, Fault>,
    (mut signals, mut watch): (Signals, Watch),
) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(CONFIGURATION_POLL);
    loop {
        let is_due = tokio::select! {
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.hang_up.recv() => true,
            _ = tick.tick() => watch.has_changed(),
        };
        if !is_due {
            continue;
        }
        match settings().map_err(anyhow::Error::from).and_then(|settings| service.reload(&settings)) {
            Ok(unchanged) if unchanged.is_empty() => eprintln!("the configuration was read anew and is in force"),
            Ok(unchanged) => eprintln!(
                "the configuration was read anew and is in force, but for what takes a restart: {}",
                unchanged.join(", ")
            ),
            Err(error) => tracing::error!("the new configuration is refused, the old one stays: {error:#}"),
        }
    }
}

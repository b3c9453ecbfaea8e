//! Which server a name means: an address, an upstream, or a model of our own engine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use freehold_gateway::Secret;
use freehold_wire::Api;

use super::{Address, Finding, Report, Scope};
use crate::client::Client;
use crate::config::{BodiesKept, Model, Settings, Upstream};
use crate::engines::Kind;
use crate::exit::Fault;
use crate::names::Target;
use crate::service::Service;

/// How long our own engine's gateway may take to close.
const DRAIN: Duration = Duration::from_secs(2);

/// A server to probe.
#[derive(Debug)]
pub enum Server<'a> {
    /// Somebody over HTTP.
    Upstream {
        /// The address below which `/v1` lies.
        base_url: String,
        /// The model there.
        model: String,
        /// The key, where one is known.
        key: Option<Secret>,
        /// What kind of server it is, where that is known.
        engine: Option<Kind>,
    },
    /// Our own engine with one model.
    Own {
        /// Its entry.
        model: &'a Model,
        /// The name that is asked for: its own, or that of one of its adapters.
        name: String,
    },
}

impl<'a> Server<'a> {
    /// Reads what was named, with the model where one was said apart.
    ///
    /// # Errors
    /// Nothing of that name is configured, it does not speak Chat Completions, or no model is known.
    pub fn named(settings: &'a Settings, (name, model): (&str, Option<&str>)) -> Result<Self, Fault> {
        if name.starts_with("http://") || name.starts_with("https://") {
            let model = model.ok_or_else(|| Fault::input("no model is named").hint("give --model MODEL"))?;
            let base_url = name.trim_end_matches('/').trim_end_matches("/v1").to_owned();
            return Ok(Server::Upstream { base_url, model: model.to_owned(), key: None, engine: None });
        }
        if let Some(upstream) = settings.upstreams.iter().find(|upstream| upstream.name == name) {
            let model = model.or_else(|| upstream.models.first().map(String::as_str));
            let model = model.ok_or_else(|| {
                Fault::input(format!("no model of {name} is named"))
                    .hint(format!("give --model MODEL, or write {name}/MODEL"))
            })?;
            return Self::of(upstream, model);
        }
        let target = Target::parse(name, settings)?;
        match (target.own_model(settings), target.upstream(settings)) {
            (Some(model), _) => Ok(Server::Own { model, name: target.model }),
            (_, upstream) => {
                Self::of(upstream.expect("a parsed target is a model or an upstream"), model.unwrap_or(&target.model))
            }
        }
    }

    fn of(upstream: &Upstream, model: &str) -> Result<Self, Fault> {
        if !upstream.apis.contains(&Api::OpenAiChat) {
            return Err(Fault::input(format!("the upstream {} does not speak {}", upstream.name, Api::OpenAiChat))
                .hint("only that dialect is probed; add it to its `apis` if it speaks it"));
        }
        let key = upstream.key.clone();
        Ok(Server::Upstream {
            base_url: upstream.base_url.clone(),
            model: model.to_owned(),
            key,
            engine: upstream.engine,
        })
    }
}

/// Our own engine, behind a gateway of its own for as long as it is probed.
pub struct Own<'a> {
    /// The models and the engine's limits.
    pub settings: &'a Settings,
    /// The home, in which a folder stands for that long.
    pub home: &'a Path,
    /// This binary, of which the engine's workers are copies.
    pub program: PathBuf,
}

impl Own<'_> {
    /// Serves the model on a port of this machine's own, and probes there what answers to the name.
    ///
    /// # Errors
    /// The model cannot be served, or does not answer.
    pub async fn probe(
        &self,
        (model, name): (&Model, String),
        scope: &Scope,
        progress: &(dyn Fn(&Finding) + Sync),
    ) -> anyhow::Result<Report> {
        let folder = self.home.join(format!("probe-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let report = self.served((model, name), (&folder, scope), progress).await;
        let removed = std::fs::remove_dir_all(&folder);
        let report = report?;
        removed?;
        Ok(Report { address: "our own engine".to_owned(), ..report })
    }

    async fn served(
        &self,
        (model, name): (&Model, String),
        (folder, scope): (&Path, &Scope),
        progress: &(dyn Fn(&Finding) + Sync),
    ) -> anyhow::Result<Report> {
        let service = Service::start(&self.alone(model), folder, self.program.clone()).await?;
        let base_url = service.listening()[0].to_string();
        let address = Address { client: Client::new(scope.budget)?, base_url, key: None, model: name, engine: None };
        let report = super::run(address, scope, progress).await;
        service.stop(DRAIN).await?;
        Ok(report?)
    }

    /// Returns settings under which this model is served alone, to this machine, and nothing it says is kept.
    fn alone(&self, model: &Model) -> Settings {
        let mut settings = self.settings.clone();
        settings.server.listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        settings.server.tls_listen.clear();
        (settings.server.tls_cert, settings.server.tls_key) = (PathBuf::new(), PathBuf::new());
        settings.server.unix_socket = PathBuf::new();
        settings.server.require_keys = false;
        settings.record.bodies = BodiesKept::Metadata;
        settings.models = vec![model.clone()];
        settings.upstreams.clear();
        settings.budgets.clear();
        settings.observe.otlp_url = None;
        settings
    }
}

//! What the demo stands on: the simulated vendor, the models, a home of its own, and a running service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use freehold_store::Store;

use super::{Narrator, Options};
use crate::client::Client;
use crate::config::{Layers, Origin, Settings};
use crate::exit::Fault;
use crate::facts::PriceBook;
use crate::report;
use crate::sample::vendor::{Manner, Vendor};
use crate::service::Service;

/// The trained models of the sample business, smallest first: name, file and content.
pub(super) const MODELS: [(&str, &str, &[u8]); 3] = [
    ("desk-s", "freehold-desk-s.gguf", include_bytes!("../../../../models/freehold-desk-s.gguf")),
    ("desk-m", "freehold-desk-m.gguf", include_bytes!("../../../../models/freehold-desk-m.gguf")),
    ("desk-l", "freehold-desk-l.gguf", include_bytes!("../../../../models/freehold-desk-l.gguf")),
];
/// The name of the vendor's upstream.
pub(super) const VENDOR: &str = "simulated-vendor";
const MARKER: &str = ".freehold-demo";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const DRAIN: Duration = Duration::from_secs(5);

pub(super) struct Stand {
    pub(super) folder: PathBuf,
    pub(super) store: Store,
    pub(super) settings: Settings,
    pub(super) prices: PriceBook,
    pub(super) vendor: Vendor,
    pub(super) client: Client,
    pub(super) gateway: String,
    pub(super) events: Vec<report::Event>,
    pub(super) moved: Vec<(String, String)>,
    service: Service,
}

impl Stand {
    pub(super) async fn build(options: &Options, narrator: &Narrator) -> anyhow::Result<Self> {
        prepare_folder(&options.folder)?;
        narrator.chapter(1, "A business, its vendor, and three open models");
        let manner = Manner { seed: options.seed, ..Manner::default() };
        let vendor = Vendor::start(manner).await?;
        narrator.say(&format!(
            "The vendor is SIMULATED: it answers from the gold, errs in {:.0} % of its answers and takes {} ms.",
            manner.error_rate * 100.0,
            manner.latency.as_millis()
        ));
        let settings = settings(&options.folder, &vendor)?;
        let service = Service::start(&settings, &options.folder, options.program.clone()).await?;
        let gateway = service.listening()[0].to_string();
        for model in &service.models {
            narrator.say(&format!(
                "{}: {} parameters, trained from scratch, runs in this binary.",
                model.name,
                report::figures::count(model.parameters)
            ));
        }
        narrator.say(&format!("The application talks to {gateway} instead of its vendor. Nothing else was changed."));
        Ok(Stand {
            folder: options.folder.clone(),
            store: Store::open(&options.folder)?,
            prices: PriceBook::load(settings.facts.path.as_deref(), settings.sellers())?,
            settings,
            vendor,
            client: Client::new(ANSWER_TIMEOUT)?,
            gateway,
            events: Vec::new(),
            moved: Vec::new(),
            service,
        })
    }

    /// Waits until the tables hold every call so far: what follows reads them.
    pub(super) async fn catch_up(&self) -> anyhow::Result<()> {
        self.service.catch_up().await
    }

    pub(super) async fn take_down(mut self) -> anyhow::Result<()> {
        self.service.stop(DRAIN).await?;
        self.vendor.stop().await;
        Ok(())
    }

    /// Notes an event for the report's timeline.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.events.push(report::Event { at_ms: jiff::Timestamp::now().as_millisecond(), text: text.into() });
    }
}

/// Empties the folder of an earlier demo; any other folder must be empty or new.
fn prepare_folder(folder: &Path) -> anyhow::Result<()> {
    let is_ours = folder.join(MARKER).exists();
    let is_empty = std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_ours && !is_empty {
        return Err(Fault::input(format!("the folder {} is not empty and not of an earlier demo", folder.display()))
            .hint("give --folder DIR with a new one")
            .into());
    }
    if is_ours {
        std::fs::remove_dir_all(folder)?;
    }
    let cannot = |error: std::io::Error| Fault::input(format!("cannot write to {}", folder.display())).because(error);
    std::fs::create_dir_all(folder).map_err(cannot)?;
    std::fs::write(folder.join(MARKER), "the state of `freehold demo`; the next one starts afresh\n")
        .map_err(cannot)?;
    for (_, file, content) in MODELS {
        std::fs::write(folder.join(file), content).map_err(cannot)?;
    }
    Ok(())
}

/// Writes the demo's `freehold.toml`, which a reader can use afterwards, and reads it.
fn settings(folder: &Path, vendor: &Vendor) -> anyhow::Result<Settings> {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\n[[upstream]]\nname = \"{VENDOR}\"\nbase_url = \"http://{}\"\n\
         apis = [\"openai.chat\", \"anthropic.messages\"]\nsimulated = true\n",
        vendor.address()
    );
    for (name, file, _) in MODELS {
        text.push_str(&format!("\n[[model]]\nname = \"{name}\"\npath = \"{file}\"\ncontext_tokens = 512\nslots = 8\n"));
    }
    let file = folder.join("freehold.toml");
    std::fs::write(&file, text)
        .map_err(|error| Fault::input(format!("cannot write {}", file.display())).because(error))?;
    let mut layers = Layers::defaults(folder);
    layers.file(&file)?;
    layers.set("assess", "concurrency", 8.into(), Origin::Default);
    Ok(layers.settings(&|_| None)?)
}

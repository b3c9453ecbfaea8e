//! Lays the layers over one another, remembers where each value came from, and refuses what nobody knows.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Settings;
use crate::exit::Fault;

const DEFAULTS: &str = include_str!("default.toml");

/// The sections and the keys in them; lists of tables are marked by their name in brackets.
const KEYS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "listen",
            "tls_listen",
            "tls_cert",
            "tls_key",
            "unix_socket",
            "http2",
            "require_keys",
            "body_mib_max",
            "header_kib_max",
            "calls_max",
            "connections_max",
            "streams_max",
            "drain_s",
            "handshake_timeout_s",
            "header_timeout_s",
            "body_timeout_s",
            "connect_timeout_ms",
            "first_byte_timeout_s",
            "idle_timeout_s",
            "call_timeout_s",
            "write_timeout_s",
        ],
    ),
    (
        "record",
        &[
            "on_failure",
            "wait_ms_max",
            "mode",
            "window_ms",
            "queue_calls_max",
            "queue_mib_max",
            "log_mib_max",
            "mask",
            "mask_patterns",
            "bodies",
            "retention_days",
            "encrypt_key",
        ],
    ),
    (
        "engine",
        &[
            "restarts_max",
            "restart_window_s",
            "load_timeout_s",
            "hang_timeout_s",
            "queue_requests_max",
            "isolation",
            "memory_mib_max",
            "models_mib_max",
            "nice",
            "cpus",
        ],
    ),
    (
        "assess",
        &[
            "margin",
            "confidence",
            "cases_max",
            "concurrency",
            "command_timeout_s",
            "command_memory_mib",
            "certificate_days",
        ],
    ),
    ("observe", &["otlp_url", "otlp_authorization", "trace_sample", "trace_reparent", "access_log", "log_format"]),
    ("facts", &["path"]),
    (
        "upstream",
        &[
            "name",
            "base_url",
            "apis",
            "key",
            "models",
            "engine",
            "sampling",
            "thinking_tokens",
            "simulated",
            "priced_as",
            "accept_loss",
            "retries_max",
            "fallback",
            "usage_in_streams",
            "breaker_failures_max",
            "breaker_pause_ms",
        ],
    ),
    (
        "model",
        &["name", "path", "context_tokens", "slots", "threads", "backend", "sampling", "thinking_tokens", "adapter"],
    ),
    ("step", &["name", "bodies", "retention_days", "subsets", "check", "adapt"]),
    (
        "budget",
        &[
            "step",
            "usd_per_hour",
            "usd_per_day",
            "usd_per_month",
            "tokens_per_hour",
            "tokens_per_day",
            "tokens_per_month",
            "unknown_price",
        ],
    ),
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "${name}"),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// The merged configuration with the origin of every value.
#[derive(Debug, Clone)]
pub struct Layers {
    table: Table,
    origins: BTreeMap<String, Origin>,
    folder: PathBuf,
}

impl Layers {
    /// Starts with the built-in defaults; relative paths will be taken from `folder`.
    pub fn defaults(folder: &Path) -> Self {
        let table: Table = DEFAULTS.parse().expect("the built-in defaults are TOML; a test reads them");
        let mut layers = Layers { table: Table::new(), origins: BTreeMap::new(), folder: folder.to_owned() };
        layers.lay(table, &Origin::Default);
        layers
    }

    /// Lays a configuration file over what is there.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or has a key that nobody knows.
    pub fn file(&mut self, path: &Path) -> Result<(), Fault> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Fault::input(format!("cannot read the configuration {}", path.display())).because(error)
        })?;
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| Fault::input(format!("{} is not TOML", path.display())).because(error))?;
        check_keys(&table).map_err(|fault| fault.in_file(path))?;
        if let Some(folder) = path.parent() {
            self.folder = folder.to_owned();
        }
        self.lay(table, &Origin::File(path.to_owned()));
        Ok(())
    }

    /// Lays variables such as `FREEHOLD_SERVER_LISTEN` over what is there; `variables` are all of the environment.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, text) in variables {
            let Some((section, key)) = KEYS.iter().take(6).find_map(|(section, keys)| {
                let key = keys.iter().find(|key| name == variable(section, key))?;
                Some((*section, *key))
            }) else {
                continue;
            };
            self.set(section, key, scalar(&text), Origin::Environment(name));
        }
    }

    /// Lays one value over what is there, for a flag.
    pub fn set(&mut self, section: &str, key: &str, value: Value, origin: Origin) {
        let entry = self.table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = entry {
            table.insert(key.to_owned(), value);
            self.origins.insert(format!("{section}.{key}"), origin);
        }
    }

    /// Reads the merged values into checked settings; `lookup` resolves `${VAR}`.
    ///
    /// # Errors
    /// A value has the wrong type, a variable is not set, or two entries have one name.
    pub fn settings(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Fault> {
        let mut table = self.table.clone();
        for (key, value) in &mut table {
            expand(key, value, lookup)?;
        }
        let mut settings: Settings = Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| Fault::input("the configuration has a wrong value").because(error))?;
        for model in &mut settings.models {
            model.path = self.folder.join(&model.path);
            for adapter in &mut model.adapters {
                adapter.path = self.folder.join(&adapter.path);
            }
        }
        settings.server.settle(&self.folder);
        settings.facts.path = settings.facts.path.map(|path| self.folder.join(path));
        check_names(&settings)?;
        check_scales(&settings)?;
        Ok(settings)
    }

    /// Returns `section.key = value` lines with their origins; secrets show as `***`.
    pub fn lines(&self) -> Vec<(String, String, Origin)> {
        self.origins
            .iter()
            .map(|(key, origin)| {
                let shown = if [".key", ".encrypt_key", "_authorization"].iter().any(|secret| key.ends_with(secret)) {
                    "***".to_owned()
                } else {
                    self.shown(key)
                };
                (key.clone(), shown, origin.clone())
            })
            .collect()
    }

    /// Returns the text of one key, with its `${VAR}` resolved, where it is given.
    ///
    /// # Errors
    /// A variable is not set.
    pub fn text(
        &self,
        section: &str,
        key: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<String>, Fault> {
        let found = self.table.get(section).and_then(|section| section.get(key)).and_then(Value::as_str);
        found.map(|text| expand_text(&format!("{section}.{key}"), text, lookup)).transpose()
    }

    fn shown(&self, key: &str) -> String {
        let mut parts = key.split('.');
        let section = parts.next().and_then(|section| self.table.get(section));
        let found = parts.fold(section, |at, part| match (at, part.parse::<usize>()) {
            (Some(Value::Array(items)), Ok(index)) => items.get(index),
            (Some(Value::Table(table)), _) => table.get(part),
            _ => None,
        });
        found.map(ToString::to_string).unwrap_or_default()
    }

    fn lay(&mut self, over: Table, origin: &Origin) {
        for (section, value) in over {
            match value {
                Value::Table(keys) => {
                    for (key, value) in keys {
                        self.set(&section, &key, value, origin.clone());
                    }
                }
                Value::Array(entries) => {
                    self.origins.retain(|key, _| !key.starts_with(&format!("{section}.")));
                    for (index, entry) in entries.iter().enumerate() {
                        for key in entry.as_table().into_iter().flat_map(Table::keys) {
                            self.origins.insert(format!("{section}.{index}.{key}"), origin.clone());
                        }
                    }
                    self.table.insert(section, Value::Array(entries));
                }
                other => {
                    self.table.insert(section, other);
                }
            }
        }
    }
}

/// Returns the environment variable that sets a key.
fn variable(section: &str, key: &str) -> String {
    format!("FREEHOLD_{}_{}", section.to_uppercase(), key.to_uppercase())
}

fn scalar(text: &str) -> Value {
    text.parse::<i64>()
        .map(Value::Integer)
        .or_else(|_| text.parse::<f64>().map(Value::Float))
        .or_else(|_| text.parse::<bool>().map(Value::Boolean))
        .unwrap_or_else(|_| Value::String(text.to_owned()))
}

struct UnknownKey {
    key: String,
    nearest: Option<String>,
}

impl UnknownKey {
    fn in_file(self, path: &Path) -> Fault {
        let fault = Fault::input(format!("unknown key {} in {}", self.key, path.display()));
        match self.nearest {
            Some(nearest) => fault.hint(format!("did you mean {nearest}?")),
            None => fault.hint("run `freehold config show` to see every key"),
        }
    }
}

fn check_keys(table: &Table) -> Result<(), UnknownKey> {
    for (section, value) in table {
        let Some((_, keys)) = KEYS.iter().find(|(name, _)| name == section) else {
            return Err(unknown(section, "", &KEYS.iter().map(|(name, _)| *name).collect::<Vec<_>>()));
        };
        let tables: Vec<&Table> = match value {
            Value::Table(table) => vec![table],
            Value::Array(entries) => entries.iter().filter_map(Value::as_table).collect(),
            _ => return Err(unknown(section, "", &[])),
        };
        for key in tables.into_iter().flat_map(Table::keys) {
            if !keys.contains(&key.as_str()) {
                return Err(unknown(key, &format!("{section}."), keys));
            }
        }
    }
    Ok(())
}

fn unknown(key: &str, prefix: &str, known: &[&str]) -> UnknownKey {
    UnknownKey { key: format!("{prefix}{key}"), nearest: nearest(key, known).map(|name| format!("{prefix}{name}")) }
}

/// Returns the known name nearest to what was written, where one is near.
pub fn nearest(written: &str, known: &[&str]) -> Option<String> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(written, name), *name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

fn expand(path: &str, value: &mut Value, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), Fault> {
    match value {
        Value::String(text) => *text = expand_text(path, text, lookup)?,
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(&format!("{path}[{index}]"), item, lookup)?;
            }
        }
        Value::Table(table) => {
            for (key, item) in table.iter_mut() {
                expand(&format!("{path}.{key}"), item, lookup)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn expand_text(path: &str, text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            return Err(Fault::input(format!("{path}: a ${{ is not closed")));
        };
        let Some(found) = lookup(name) else {
            return Err(Fault::input(format!("{path} wants the environment variable {name}, which is not set"))
                .hint(format!("export {name}=… or remove the key")));
        };
        out.push_str(before);
        out.push_str(&found);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn check_names(settings: &Settings) -> Result<(), Fault> {
    let mut names: Vec<&str> = settings.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    names.extend(settings.model_names());
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Fault::input(format!(
            "the name {:?} is given twice among [[upstream]], [[model]] and [[model.adapter]]",
            pair[0]
        )));
    }
    if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains('/') || **name == "engine") {
        return Err(Fault::input(format!("{name:?} cannot name an upstream or model"))
            .hint("use any other name without a slash; `engine` is our own engine"));
    }
    Ok(())
}

fn check_scales(settings: &Settings) -> Result<(), Fault> {
    let mut adapters = settings.models.iter().flat_map(|model| &model.adapters);
    match adapters.find(|adapter| !adapter.scale.is_finite()) {
        Some(adapter) => Err(Fault::input(format!("the scale of the adapter {:?} is no number", adapter.name))
            .hint("leave it out for 1, which is as it was trained")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Layers, String> {
        let table: Table = text.parse().unwrap();
        check_keys(&table).map_err(|unknown| format!("{} -> {:?}", unknown.key, unknown.nearest))?;
        let mut layers = Layers::defaults(Path::new("/base"));
        layers.lay(table, &Origin::File("freehold.toml".into()));
        Ok(layers)
    }

    #[test]
    fn defaults_are_whole() {
        let settings = Layers::defaults(Path::new("/base")).settings(&|_| None).unwrap();
        assert_eq!(settings.server.listen[0].port(), 8787);
        assert!(settings.upstreams.is_empty());
    }

    #[test]
    fn every_known_scalar_has_a_default() {
        let layers = Layers::defaults(Path::new("/base"));
        for (section, keys) in KEYS.iter().take(4) {
            for key in *keys {
                assert!(layers.origins.contains_key(&format!("{section}.{key}")), "{section}.{key}");
            }
        }
    }

    #[test]
    fn unknown_key_names_the_nearest() {
        assert_eq!(read("[server]\nlisen = 1").unwrap_err(), "server.lisen -> Some(\"server.listen\")");
        assert_eq!(read("[servr]\nlisten = 1").unwrap_err(), "servr -> Some(\"server\")");
        assert_eq!(read("[[upstream]]\nbase = 1").unwrap_err(), "upstream.base -> Some(\"upstream.base_url\")");
    }

    #[test]
    fn later_layers_win_and_are_named() {
        let mut layers = read("[server]\nlisten = \"127.0.0.1:1\"").unwrap();
        layers.environment([("FREEHOLD_SERVER_LISTEN".to_owned(), "127.0.0.1:2".to_owned())].into_iter());
        assert_eq!(layers.settings(&|_| None).unwrap().server.listen[0].port(), 2);
        let line = layers.lines().into_iter().find(|line| line.0 == "server.listen").unwrap();
        assert_eq!((line.1.as_str(), line.2.to_string().as_str()), ("\"127.0.0.1:2\"", "$FREEHOLD_SERVER_LISTEN"));
    }

    #[test]
    fn secrets_come_from_the_environment_and_are_not_shown() {
        let layers = read("[[upstream]]\nname='a'\nbase_url='http://x'\napis=['openai.chat']\nkey='${K}'").unwrap();
        let missing = layers.settings(&|_| None).unwrap_err().to_string();
        assert!(missing.contains("environment variable K"), "{missing}");
        let settings = layers.settings(&|name| (name == "K").then(|| "sekret".to_owned())).unwrap();
        assert!(!format!("{settings:?}").contains("sekret"));
        assert!(layers.lines().iter().any(|line| line.0 == "upstream.0.key" && line.1 == "***"));
    }

    #[test]
    fn names_are_unique_and_usable() {
        let twice = "[[model]]\nname='a'\npath='x'\n[[model]]\nname='a'\npath='y'";
        assert!(read(twice).unwrap().settings(&|_| None).is_err());
        assert!(read("[[model]]\nname='a/b'\npath='x'").unwrap().settings(&|_| None).is_err());
    }
}

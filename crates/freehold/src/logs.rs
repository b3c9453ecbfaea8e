//! The log on stderr: lines for people, or one JSON object a line.
//!
//! What is logged names calls, steps, models and errors; no prompt, no answer and no key is handed to it anywhere.

use std::fmt;
use std::io::IsTerminal;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;
use crate::home::Place;

/// The variable that says what is logged, such as `info` or `warn,freehold_gateway=debug`.
const FILTER: &str = "FREEHOLD_LOG";

/// Starts the log: as a flag says, else as the configuration does, where that can be read.
pub fn start(place: &Place, format: Option<LogFormat>) {
    // A configuration that is wrong is complained about by the command that needs it.
    let observe = place.settings().ok().map(|settings| settings.observe);
    let format = format.or(observe.as_ref().map(|observe| observe.log_format)).unwrap_or_default();
    let mut filter = filter(std::env::var(FILTER).ok().as_deref());
    if observe.is_some_and(|observe| observe.access_log) {
        filter = with_access(filter);
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Json => log.event_format(Json).try_init(),
        LogFormat::Text => {
            let has_color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            log.with_target(false).with_ansi(has_color).try_init()
        }
    };
    if let Err(error) = started {
        eprintln!("warning: no log: {error}");
    }
}

/// Returns what is logged: what is asked for, warnings otherwise.
fn filter(asked: Option<&str>) -> EnvFilter {
    asked.and_then(|asked| EnvFilter::try_new(asked).ok()).unwrap_or_else(|| EnvFilter::new("warn"))
}

/// Adds the line of each call.
fn with_access(filter: EnvFilter) -> EnvFilter {
    filter.add_directive("freehold::access=info".parse().expect("the directive is well-formed"))
}

/// Writes an event as one JSON object a line.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let line = line(jiff::Timestamp::now(), event);
        writeln!(writer, "{line}")
    }
}

fn line(at: jiff::Timestamp, event: &Event<'_>) -> Value {
    let metadata = event.metadata();
    let mut fields = Fields(Map::new());
    fields.0.insert("time".to_owned(), format!("{at:.3}").into());
    fields.0.insert("level".to_owned(), metadata.level().as_str().to_lowercase().into());
    fields.0.insert("target".to_owned(), metadata.target().into());
    event.record(&mut fields);
    Value::Object(fields.0)
}

/// Gathers the fields of an event.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_log_is_let_through_beside_whatever_is_asked_for() {
        assert_eq!(filter(None).to_string(), "warn");
        assert!(with_access(filter(Some("error"))).to_string().contains("freehold::access=info"));
        assert!(!filter(Some("error")).to_string().contains("access"));
        assert_eq!(filter(Some("no=such=filter")).to_string(), "warn", "what cannot be read leaves the default");
    }
}

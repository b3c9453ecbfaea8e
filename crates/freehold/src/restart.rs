//! Names the settings that were changed while the gateway serves and are not taken up before it starts anew.

use crate::config::{Observe, Record, Server, Settings};

/// Returns the changed settings that those in force since the start do not give way to, by their names in the file.
#[must_use]
pub fn needed(started: &Settings, settings: &Settings) -> Vec<&'static str> {
    let places = [("[engine]", started.engine != settings.engine), ("[[model]]", started.models != settings.models)];
    let changed = server(&started.server, &settings.server)
        .into_iter()
        .chain(record(&started.record, &settings.record))
        .chain(observe(&started.observe, &settings.observe))
        .chain(places);
    changed.filter(|(_, has_changed)| *has_changed).map(|(name, _)| name).collect()
}

fn server(old: &Server, new: &Server) -> [(&'static str, bool); 7] {
    [
        ("server.header_kib_max", old.header_kib_max != new.header_kib_max),
        ("server.calls_max", old.calls_max != new.calls_max),
        ("server.connections_max", old.connections_max != new.connections_max),
        ("server.streams_max", old.streams_max != new.streams_max),
        ("server.handshake_timeout_s", old.handshake_timeout_s != new.handshake_timeout_s),
        ("server.header_timeout_s", old.header_timeout_s != new.header_timeout_s),
        ("server.write_timeout_s", old.write_timeout_s != new.write_timeout_s),
    ]
}

fn record(old: &Record, new: &Record) -> [(&'static str, bool); 6] {
    [
        ("record.mode", old.mode != new.mode),
        ("record.window_ms", old.window_ms != new.window_ms),
        ("record.queue_calls_max", old.queue_calls_max != new.queue_calls_max),
        ("record.queue_mib_max", old.queue_mib_max != new.queue_mib_max),
        ("record.log_mib_max", old.log_mib_max != new.log_mib_max),
        ("record.encrypt_key", old.encrypt_key.expose() != new.encrypt_key.expose()),
    ]
}

fn observe(old: &Observe, new: &Observe) -> [(&'static str, bool); 5] {
    let authorization = |observe: &Observe| observe.otlp_authorization.as_ref().map(|text| text.expose().to_owned());
    [
        ("observe.otlp_url", old.otlp_url != new.otlp_url),
        ("observe.otlp_authorization", authorization(old) != authorization(new)),
        ("observe.trace_sample", old.trace_sample.to_bits() != new.trace_sample.to_bits()),
        ("observe.trace_reparent", old.trace_reparent != new.trace_reparent),
        ("observe.log_format", old.log_format != new.log_format),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use toml::Value;

    use super::*;
    use crate::config::{Layers, Origin};

    fn with(section: &str, key: &str, value: Value) -> Settings {
        let mut layers = Layers::defaults(Path::new("/base"));
        layers.set(section, key, value, Origin::Flag("--test"));
        layers.settings(&|_| None).unwrap()
    }

    #[test]
    fn what_the_gateway_cannot_change_is_named_and_what_it_can_is_not() {
        let started = Layers::defaults(Path::new("/base")).settings(&|_| None).unwrap();
        for (section, key, value, expected) in [
            ("server", "calls_max", Value::Integer(7), Some("server.calls_max")),
            ("record", "mode", Value::String("strict".into()), Some("record.mode")),
            ("record", "encrypt_key", Value::String("k".into()), Some("record.encrypt_key")),
            ("engine", "restarts_max", Value::Integer(9), Some("[engine]")),
            ("observe", "trace_sample", Value::Float(0.5), Some("observe.trace_sample")),
            ("server", "call_timeout_s", Value::Integer(7), None),
            ("record", "retention_days", Value::Integer(7), None),
            ("record", "bodies", Value::String("metadata".into()), None),
            ("observe", "access_log", Value::Boolean(true), None),
        ] {
            let found = needed(&started, &with(section, key, value));
            assert_eq!(found, Vec::from_iter(expected), "{section}.{key}");
        }
    }
}

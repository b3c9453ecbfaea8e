//! Names the settings that were changed while the gateway serves and are not taken up before it starts anew.

use freehold_gateway::Secret;

use crate::config::{Observe, Record, Server, Settings};

/// Returns the changed settings that those in force since the start do not give way to, by their names in the file.
#[must_use]
pub fn needed(started: &Settings, settings: &Settings) -> Vec<&'static str> {
    let Settings { assess: _, facts: _, upstreams: _, steps: _, budgets: _, server, record, engine, models, observe } =
        started;
    let places = [("[engine]", *engine != settings.engine), ("[[model]]", *models != settings.models)];
    let changed = of_server(server, &settings.server)
        .into_iter()
        .chain(of_record(record, &settings.record))
        .chain(of_observe(observe, &settings.observe))
        .chain(places);
    changed.filter(|(_, has_changed)| *has_changed).map(|(name, _)| name).collect()
}

/// What is left out with `_` is taken up at once, or refused by the gateway: a new setting must be put on one of both sides.
fn of_server(old: &Server, new: &Server) -> [(&'static str, bool); 8] {
    let Server {
        listen: _,
        tls_listen: _,
        tls_cert: _,
        tls_key: _,
        unix_socket: _,
        http2: _,
        require_keys: _,
        body_mib_max: _,
        body_timeout_s: _,
        connect_timeout_ms: _,
        first_byte_timeout_s: _,
        idle_timeout_s: _,
        call_timeout_s: _,
        header_kib_max,
        calls_max,
        connections_max,
        streams_max,
        drain_s,
        handshake_timeout_s,
        header_timeout_s,
        write_timeout_s,
    } = old;
    [
        ("server.header_kib_max", *header_kib_max != new.header_kib_max),
        ("server.calls_max", *calls_max != new.calls_max),
        ("server.connections_max", *connections_max != new.connections_max),
        ("server.streams_max", *streams_max != new.streams_max),
        ("server.drain_s", *drain_s != new.drain_s),
        ("server.handshake_timeout_s", *handshake_timeout_s != new.handshake_timeout_s),
        ("server.header_timeout_s", *header_timeout_s != new.header_timeout_s),
        ("server.write_timeout_s", *write_timeout_s != new.write_timeout_s),
    ]
}

fn of_record(old: &Record, new: &Record) -> [(&'static str, bool); 6] {
    let Record {
        on_failure: _,
        wait_ms_max: _,
        mask: _,
        mask_patterns: _,
        bodies: _,
        retention_days: _,
        mode,
        window_ms,
        queue_calls_max,
        queue_mib_max,
        log_mib_max,
        encrypt_key,
    } = old;
    [
        ("record.mode", *mode != new.mode),
        ("record.window_ms", *window_ms != new.window_ms),
        ("record.queue_calls_max", *queue_calls_max != new.queue_calls_max),
        ("record.queue_mib_max", *queue_mib_max != new.queue_mib_max),
        ("record.log_mib_max", *log_mib_max != new.log_mib_max),
        ("record.encrypt_key", encrypt_key.expose() != new.encrypt_key.expose()),
    ]
}

fn of_observe(old: &Observe, new: &Observe) -> [(&'static str, bool); 5] {
    let Observe { access_log: _, otlp_url, otlp_authorization, trace_sample, trace_reparent, log_format } = old;
    let authorization = |secret: &Option<Secret>| secret.as_ref().map(|text| text.expose().to_owned());
    [
        ("observe.otlp_url", *otlp_url != new.otlp_url),
        ("observe.otlp_authorization", authorization(otlp_authorization) != authorization(&new.otlp_authorization)),
        ("observe.trace_sample", trace_sample.to_bits() != new.trace_sample.to_bits()),
        ("observe.trace_reparent", *trace_reparent != new.trace_reparent),
        ("observe.log_format", *log_format != new.log_format),
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
            ("server", "drain_s", Value::Integer(7), Some("server.drain_s")),
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

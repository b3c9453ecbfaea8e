//! What the gateway is told at start: where to listen, which upstreams there are, and every limit by name.

mod upstream;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use freehold_store::{Budget, UnknownPrice};

use crate::Observe;
use crate::listener::Listen;
use crate::tls::TlsFiles;

pub use upstream::{Breaker, Spelling, Upstream};

/// The name that a route gives our own engine; no upstream may carry it.
pub const ENGINE: &str = "engine";

/// The name that a record carries where nobody was asked; no upstream may carry it.
pub(crate) const NOBODY: &str = "none";

/// Everything the gateway is told at start.
#[derive(Clone)]
pub struct GatewayConfig {
    /// Where to listen; at least one place. Those that others can reach need `require_keys`.
    pub listen: Vec<Listen>,
    /// The certificate of the places that speak TLS.
    pub tls: Option<TlsFiles>,
    /// Whether HTTP/2 is spoken beside HTTP/1.1: as TLS negotiates it, and without TLS to those who begin with it.
    pub http2: bool,
    /// Whether every caller needs a virtual key.
    pub require_keys: bool,
    /// What steps may spend.
    pub budgets: Vec<StepBudget>,
    /// The upstreams that nobody bills for, such as machines of one's own: their calls cost a budget nothing. Our own engine is one.
    pub unbilled: Vec<String>,
    /// The servers that calls may go to, in order of preference.
    pub upstreams: Vec<Upstream>,
    /// The dates on which models retire, as far as they are known; only said where models are listed.
    pub retirements: BTreeMap<String, String>,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// The largest head of a request, in bytes; at least 8,192.
    pub header_bytes_max: usize,
    /// The most connections of callers at once; further ones wait in the listen queue.
    pub connections_max: usize,
    /// The most calls at once; further ones are told to come back (429).
    pub calls_max: usize,
    /// The most calls at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// How long a caller may take to agree on TLS.
    pub handshake_timeout: Duration,
    /// How long a caller may take to send the head of a request, idle keep-alive included.
    pub header_timeout: Duration,
    /// How long a caller may take to send the body of a request.
    pub body_timeout: Duration,
    /// How long connecting to an upstream may take, TLS included.
    pub connect_timeout: Duration,
    /// How long an upstream or a local model may take until its answer begins.
    pub first_byte_timeout: Duration,
    /// How long an answer may stand still.
    pub idle_timeout: Duration,
    /// How long a caller may take nothing of its answer before the connection is closed.
    pub write_timeout: Duration,
    /// How long a call may take from its head to the end of its answer; `None` for as long as it takes.
    pub call_timeout: Option<Duration>,
    /// How long an unused connection to an upstream is kept.
    pub pool_idle_timeout: Duration,
    /// The most unused connections that are kept for each upstream.
    pub pool_idle_max: usize,
    /// The longest that a whole answer is held back so that it can be sent in one piece after its record; a slower one is passed on as it comes.
    pub hold_max: Duration,
    /// The most bytes of one answer that are copied for the record.
    pub record_bytes_max: usize,
    /// The longest that the end of an answer waits for its record to be durable; zero waits not at all.
    pub record_wait: Duration,
    /// What happens to an answer whose record was not durable in time.
    pub on_record_failure: OnRecordFailure,
    /// What is told of calls as they end.
    pub observe: Observe,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        GatewayConfig {
            listen: vec![Listen::Plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)))],
            tls: None,
            http2: true,
            require_keys: false,
            budgets: Vec::new(),
            unbilled: Vec::new(),
            upstreams: Vec::new(),
            retirements: BTreeMap::new(),
            body_bytes_max: 64 << 20,
            header_bytes_max: 64 << 10,
            connections_max: 4096,
            calls_max: 1024,
            streams_max: 256,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(300),
            write_timeout: Duration::from_secs(120),
            call_timeout: None,
            pool_idle_timeout: Duration::from_secs(60),
            pool_idle_max: 256,
            hold_max: Duration::from_secs(2),
            record_bytes_max: 16 << 20,
            record_wait: Duration::from_millis(250),
            on_record_failure: OnRecordFailure::Serve,
            observe: Observe::default(),
        }
    }
}

/// What happens to an answer whose record was not durable within `record_wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnRecordFailure {
    /// It is served; what could not be recorded is counted as a gap.
    #[default]
    Serve,
    /// It is refused: a whole answer becomes a 503, a stream is broken before its last piece.
    /// The record may still become durable afterwards, so a refused call may be found in the store.
    Refuse,
}

/// What a step may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepBudget {
    /// The step.
    pub step: String,
    /// The budgets, all of which must suffice.
    pub budgets: Vec<Budget>,
    /// What a money budget does about a model whose price is not known.
    pub unknown_price: UnknownPrice,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Listening beyond this machine without asking for keys would serve anyone, with our own.
    #[error(
        "{0} can be reached by others, who would call with the configured keys: set require_keys = true below [server] and give each caller a key (freehold keys add), or listen on a loopback address"
    )]
    OpenToStrangers(Listen),
    /// Nothing is listened on, or not in a way that works.
    #[error("listening: {0}")]
    Listen(&'static str),
    /// An upstream cannot be used.
    #[error("upstream {name:?}: {found}")]
    Upstream {
        /// Its name.
        name: String,
        /// What is wrong.
        found: String,
    },
    /// A limit that lets nothing through, or contradicts another.
    #[error("setting {name}: {found}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        found: &'static str,
    },
}

impl GatewayConfig {
    /// Checks everything that can be checked without touching the network.
    ///
    /// # Errors
    /// An address can be reached by strangers who need no keys, an upstream is unusable or named twice, or a limit lets nothing through.
    pub fn check(&self) -> Result<(), Error> {
        self.check_listen()?;
        for (at, upstream) in self.upstreams.iter().enumerate() {
            let found = upstream.fault(&self.upstreams).or_else(|| {
                let is_twice = self.upstreams[..at].iter().any(|other| other.name == upstream.name);
                is_twice.then(|| "the name is used twice".to_owned())
            });
            if let Some(found) = found {
                return Err(Error::Upstream { name: upstream.name.clone(), found });
            }
        }
        self.check_limits()
    }

    fn check_listen(&self) -> Result<(), Error> {
        if let Some(open) = self.listen.iter().find(|place| place.is_reachable() && !self.require_keys) {
            return Err(Error::OpenToStrangers(open.clone()));
        }
        let speaks_tls = self.listen.iter().any(|place| matches!(place, Listen::Tls(_)));
        match (&self.tls, speaks_tls) {
            _ if self.listen.is_empty() => Err(Error::Listen("no address and no Unix socket is named")),
            (None, true) => Err(Error::Listen("a place that speaks TLS needs tls_cert and tls_key")),
            (Some(_), false) => Err(Error::Listen("tls_cert is set, but tls_listen names no address to use it on")),
            _ => Ok(()),
        }
    }

    fn check_limits(&self) -> Result<(), Error> {
        let limits = [
            ("body_bytes_max", self.body_bytes_max > 0),
            ("connections_max", self.connections_max > 0),
            ("calls_max", self.calls_max > 0),
            ("streams_max", self.streams_max > 0),
            ("handshake_timeout", !self.handshake_timeout.is_zero()),
            ("write_timeout", !self.write_timeout.is_zero()),
            ("header_timeout", !self.header_timeout.is_zero()),
            ("body_timeout", !self.body_timeout.is_zero()),
            ("connect_timeout", !self.connect_timeout.is_zero()),
            ("first_byte_timeout", !self.first_byte_timeout.is_zero()),
            ("idle_timeout", !self.idle_timeout.is_zero()),
            ("call_timeout", self.call_timeout.is_none_or(|limit| !limit.is_zero())),
        ];
        if let Some((name, _)) = limits.into_iter().find(|(_, is_fine)| !is_fine) {
            return Err(Error::Setting { name, found: "zero lets nothing through" });
        }
        if self.header_bytes_max < 8192 {
            return Err(Error::Setting { name: "header_bytes_max", found: "at least 8192 are needed" });
        }
        if self.on_record_failure == OnRecordFailure::Refuse && self.record_wait.is_zero() {
            return Err(Error::Setting {
                name: "record_wait",
                found: "refusing what is not recorded needs a wait above zero",
            });
        }
        Ok(())
    }
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("GatewayConfig");
        shown.field("listen", &self.listen).field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use freehold_wire::Api;

    use super::*;
    use crate::Secret;

    fn upstream(base_url: &str) -> Upstream {
        Upstream::new("vendor", base_url.parse().unwrap(), &[Api::OpenAiChat])
    }

    fn plain(address: &str) -> Vec<Listen> {
        vec![Listen::Plain(address.parse().unwrap())]
    }

    #[test]
    fn unusable_configurations_are_refused_with_the_place() {
        let with = |change: fn(&mut GatewayConfig)| {
            let mut config =
                GatewayConfig { upstreams: vec![upstream("http://localhost:1")], ..GatewayConfig::default() };
            change(&mut config);
            config.check().map_err(|error| error.to_string())
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|c| (c.listen, c.require_keys) = (plain("0.0.0.0:80"), true)), Ok(()));
        assert_eq!(with(|c| c.listen = vec![Listen::Unix("freehold.sock".into())]), Ok(()));
        type Change = fn(&mut GatewayConfig);
        let cases: &[(Change, &str)] = &[
            (|c| c.listen = plain("0.0.0.0:80"), "http://0.0.0.0:80"),
            (|c| c.listen = vec![Listen::Tls("[::]:443".parse().unwrap())], "https://[::]:443"),
            (|c| c.listen = vec![Listen::Tls("[::1]:443".parse().unwrap())], "tls_cert and tls_key"),
            (|c| c.tls = Some(TlsFiles { cert: "a".into(), key: "b".into() }), "tls_listen"),
            (|c| c.listen.clear(), "no address"),
            (|c| c.upstreams.push(c.upstreams[0].clone()), "used twice"),
            (|c| c.upstreams[0].name = "engine".into(), "must not be empty"),
            (|c| c.upstreams[0].base_url = "/v1".parse().unwrap(), "base_url"),
            (|c| c.upstreams[0].base_url = "http://a:b@host".parse().unwrap(), "use key"),
            (|c| c.upstreams[0].apis.clear(), "apis is empty"),
            (|c| c.upstreams[0].key = Some(Secret::new("sk with space")), "key must not"),
            (|c| c.upstreams[0].retries_max = 11, "retries_max"),
            (|c| c.upstreams[0].breaker.pause = Duration::ZERO, "pause"),
            (|c| c.upstreams[0].fallback = vec!["vendor".into()], "itself"),
            (|c| c.upstreams[0].fallback = vec!["other/m".into()], "\"other\""),
            (|c| c.calls_max = 0, "calls_max"),
            (|c| (c.on_record_failure, c.record_wait) = (OnRecordFailure::Refuse, Duration::ZERO), "record_wait"),
        ];
        for (change, part) in cases {
            let message = with(*change).unwrap_err();
            assert!(message.contains(part) && !message.contains("sk with space"), "{message}");
        }
    }
}

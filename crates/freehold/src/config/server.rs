//! `[server]` and `[[budget]]`: where and within which limits the gateway serves, and what a step may spend.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use freehold_gateway::{GatewayConfig, Listen, TlsFiles};
use freehold_store::{Period, Unit, UnknownPrice};
use serde::{Deserialize, Deserializer};

use crate::exit::Fault;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const MICROUSD_PER_USD: f64 = 1e6;

/// `[server]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    /// The addresses to listen on without encryption: one, or a list.
    #[serde(deserialize_with = "addresses")]
    pub listen: Vec<SocketAddr>,
    /// The addresses to listen on with TLS: one, or a list.
    #[serde(deserialize_with = "addresses")]
    pub tls_listen: Vec<SocketAddr>,
    /// The PEM file with the certificate; relative to the configuration file, empty for none.
    pub tls_cert: PathBuf,
    /// The PEM file with its private key; relative to the configuration file, empty for none.
    pub tls_key: PathBuf,
    /// The Unix socket to listen on; relative to the configuration file, empty for none.
    pub unix_socket: PathBuf,
    /// Whether HTTP/2 is spoken beside HTTP/1.1.
    pub http2: bool,
    /// Whether every caller needs a virtual key.
    pub require_keys: bool,
    /// The largest request body.
    pub body_mib_max: usize,
    /// The largest request head.
    pub header_kib_max: usize,
    /// The most calls in flight.
    pub calls_max: usize,
    /// The most connections of callers.
    pub connections_max: usize,
    /// The most calls at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// How long a shutdown waits for calls in flight.
    pub drain_s: u64,
    /// How long a caller may take to agree on TLS.
    pub handshake_timeout_s: u64,
    /// How long a caller may take to send the head of a request, and may keep a connection without asking anything.
    pub header_timeout_s: u64,
    /// How long a caller may take to send the body of a request.
    pub body_timeout_s: u64,
    /// How long connecting to an upstream may take.
    pub connect_timeout_ms: u64,
    /// How long an upstream may take until the head of its answer.
    pub first_byte_timeout_s: u64,
    /// How long an upstream may pause in mid-answer.
    pub idle_timeout_s: u64,
    /// How long a call may take as a whole; 0 for as long as it takes.
    pub call_timeout_s: u64,
    /// How long a caller may take nothing of its answer.
    pub write_timeout_s: u64,
}

/// `[[budget]]`.
#[derive(Debug, Clone, Deserialize)]
pub struct StepBudget {
    /// The step.
    pub step: String,
    /// The most US dollars an hour.
    pub usd_per_hour: Option<f64>,
    /// The most US dollars a day, in UTC.
    pub usd_per_day: Option<f64>,
    /// The most US dollars a month, in UTC.
    pub usd_per_month: Option<f64>,
    /// The most tokens an hour.
    pub tokens_per_hour: Option<u64>,
    /// The most tokens a day, in UTC.
    pub tokens_per_day: Option<u64>,
    /// The most tokens a month, in UTC.
    pub tokens_per_month: Option<u64>,
    /// What a budget in dollars does about a model whose price is not known.
    #[serde(default)]
    pub unknown_price: UnknownPrice,
}

impl Server {
    /// Takes relative paths from a folder.
    pub(super) fn settle(&mut self, folder: &Path) {
        for path in [&mut self.tls_cert, &mut self.tls_key, &mut self.unix_socket] {
            if !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        }
    }

    /// Writes where to listen, whom to let in, and every limit into the gateway's configuration.
    ///
    /// # Errors
    /// Only one of the two files that TLS needs is named.
    pub fn apply(&self, config: &mut GatewayConfig) -> Result<(), Fault> {
        let named = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        config.tls = match (named(&self.tls_cert), named(&self.tls_key)) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            _ => {
                return Err(Fault::input("TLS needs both tls_cert and tls_key below [server], and one is missing")
                    .hint("name the PEM files of the certificate and of its private key"));
            }
        };
        let plain = self.listen.iter().copied().map(Listen::Plain);
        let tls = self.tls_listen.iter().copied().map(Listen::Tls);
        config.listen = plain.chain(tls).chain(named(&self.unix_socket).map(Listen::Unix)).collect();
        config.http2 = self.http2;
        config.require_keys = self.require_keys;
        config.body_bytes_max = self.body_mib_max * MIB;
        config.header_bytes_max = self.header_kib_max * KIB;
        config.calls_max = self.calls_max;
        config.connections_max = self.connections_max;
        config.streams_max = self.streams_max;
        config.handshake_timeout = Duration::from_secs(self.handshake_timeout_s);
        config.header_timeout = Duration::from_secs(self.header_timeout_s);
        config.body_timeout = Duration::from_secs(self.body_timeout_s);
        config.connect_timeout = Duration::from_millis(self.connect_timeout_ms);
        config.first_byte_timeout = Duration::from_secs(self.first_byte_timeout_s);
        config.idle_timeout = Duration::from_secs(self.idle_timeout_s);
        config.call_timeout = (self.call_timeout_s > 0).then(|| Duration::from_secs(self.call_timeout_s));
        config.write_timeout = Duration::from_secs(self.write_timeout_s);
        Ok(())
    }
}

impl StepBudget {
    /// Returns the budgets of the step for the gateway.
    ///
    /// # Errors
    /// No limit is named, or one is no amount.
    pub fn gateway(&self) -> Result<freehold_gateway::StepBudget, Fault> {
        let money =
            [(self.usd_per_hour, Period::Hour), (self.usd_per_day, Period::Day), (self.usd_per_month, Period::Month)];
        let tokens = [
            (self.tokens_per_hour, Period::Hour),
            (self.tokens_per_day, Period::Day),
            (self.tokens_per_month, Period::Month),
        ];
        let mut budgets = Vec::new();
        for (usd, period) in money {
            let Some(usd) = usd else { continue };
            let amount = microusd(usd).ok_or_else(|| {
                Fault::input(format!("the budget of the step {:?} is {usd} dollars, which is no amount", self.step))
            })?;
            budgets.push(freehold_store::Budget { amount, unit: Unit::Microusd, period });
        }
        for (tokens, period) in tokens {
            budgets.extend(tokens.map(|amount| freehold_store::Budget { amount, unit: Unit::Tokens, period }));
        }
        if budgets.is_empty() {
            return Err(Fault::input(format!("the [[budget]] of the step {:?} names no limit", self.step))
                .hint("add one, such as usd_per_day = 5.0 or tokens_per_hour = 100000"));
        }
        Ok(freehold_gateway::StepBudget { step: self.step.clone(), budgets, unknown_price: self.unknown_price })
    }
}

/// Returns an amount of dollars in millionths, where it is one.
pub(crate) fn microusd(usd: f64) -> Option<u64> {
    let amount = (usd * MICROUSD_PER_USD).round();
    // Up to there every millionth of a dollar is a number of its own.
    let is_amount = usd.is_finite() && (0.0..9e15).contains(&amount);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be small and not negative")]
    is_amount.then_some(amount as u64)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    let written = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        OneOrMany::Many(texts) => texts,
    };
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            serde::de::Error::custom(format!("{text:?} is no address to listen on, such as 127.0.0.1:8787"))
        })
    };
    written.iter().filter(|text| !text.is_empty()).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(text: &str) -> Result<freehold_gateway::StepBudget, String> {
        let budget: StepBudget = toml::from_str(text).unwrap();
        budget.gateway().map_err(|fault| fault.to_string())
    }

    #[test]
    fn budgets_of_a_step_come_in_both_units_and_every_period() {
        let found = budget("step = 'triage'\nusd_per_day = 0.1\ntokens_per_hour = 5").unwrap();
        let of = |amount, unit, period| freehold_store::Budget { amount, unit, period };
        assert_eq!(found.budgets, [of(100_000, Unit::Microusd, Period::Day), of(5, Unit::Tokens, Period::Hour)]);
        assert_eq!(found.unknown_price, UnknownPrice::Refuse);
    }

    #[test]
    fn budgets_that_say_nothing_are_refused() {
        assert!(budget("step = 'triage'").unwrap_err().contains("names no limit"));
        assert!(budget("step = 'triage'\nusd_per_day = -1.0").unwrap_err().contains("no amount"));
        assert!(budget("step = 'triage'\nusd_per_day = nan").unwrap_err().contains("no amount"));
    }
}

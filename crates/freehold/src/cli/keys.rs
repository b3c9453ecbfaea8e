//! `freehold keys`: virtual keys, by which callers are known, held to their scope, and stopped at their budget.

use freehold_store::{Key, KeyTerms, Spent, Store, UnknownPrice};
use serde_json::json;

use crate::exit::Exit;
use crate::home::Place;
use crate::keys;
use crate::report::{self, Align};
use crate::stdout;

/// Give callers keys of their own, with scopes, budgets and limits, such as `freehold keys add ci --budget 50usd/month`.
///
/// A running gateway takes up every change at once. The vendor's keys stay where they are: a virtual key is good at this
/// gateway only, and goes no further.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key and print its secret, once.
    Add {
        /// Its name in records, lists and messages.
        name: String,
        #[command(flatten)]
        terms: Terms,
        #[command(flatten)]
        told: Told,
    },
    /// List the keys with what they may do and what they have spent.
    List {
        #[command(flatten)]
        told: Told,
    },
    /// Change what a key may do; what is not named stays as it is.
    Change {
        /// The key.
        name: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Give a key another secret and print it, once.
    Rotate {
        /// The key.
        name: String,
        /// For how long the old secret stays good.
        #[arg(long, default_value = "24h", value_name = "SPAN")]
        grace: String,
        #[command(flatten)]
        told: Told,
    },
    /// Revoke a key for good.
    Revoke {
        /// The key.
        name: String,
    },
}

/// What a key may do.
#[derive(Debug, clap::Args)]
struct Terms {
    /// The steps it may call, `*` at the end for anything; `any` for all.
    #[arg(long, value_delimiter = ',', value_name = "STEP,...")]
    steps: Option<Vec<String>>,
    /// The models it may ask for, `*` at the end for anything; `any` for all.
    #[arg(long, value_delimiter = ',', value_name = "MODEL,...")]
    models: Option<Vec<String>>,
    /// When it ends to be good: 90d, a date, or never.
    #[arg(long, value_name = "SPAN|DATE")]
    expires: Option<String>,
    /// The most it may spend: 50usd/month, 1000000tokens/day; may be repeated; `none` for no limit.
    #[arg(long, value_name = "BUDGET")]
    budget: Vec<String>,
    /// How often it may call: 10/s, 300/min; `none` for no limit.
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// How many of its calls may be in flight; 0 for no limit.
    #[arg(long, value_name = "CALLS")]
    concurrent: Option<u32>,
    /// What a budget in dollars does about a model whose price is not known.
    #[arg(long, value_enum)]
    unknown_price: Option<Unknown>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Unknown {
    /// Refuse the call and name the model.
    Refuse,
    /// Let it pass uncounted.
    Allow,
}

/// How data is told.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Told {
    /// Print one JSON object a key.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Exit> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let store = place.store()?;
    match &arguments.command {
        Command::Add { name, terms, told } => add(&store, name, terms, (now_ms, *told))?,
        Command::List { told } => list(&store, (now_ms, *told))?,
        Command::Change { name, terms } => change(&store, name, terms, now_ms)?,
        Command::Rotate { name, grace, told } => rotate(&store, name, grace, (now_ms, *told))?,
        Command::Revoke { name } => {
            store.revoke_key(name, now_ms)?;
            eprintln!("the key {name} is revoked; calls in flight may end");
        }
    }
    Ok(Exit::Done)
}

fn add(store: &Store, name: &str, terms: &Terms, (now_ms, told): (i64, Told)) -> anyhow::Result<()> {
    keys::checked_name(name)?;
    let (secret, kept) = keys::new_secret(now_ms)?;
    let mut key = Key {
        name: name.to_owned(),
        created_ms: now_ms,
        expires_ms: None,
        revoked_ms: None,
        terms: KeyTerms::default(),
        secrets: vec![kept],
    };
    terms.apply(&mut key, now_ms)?;
    store.add_key(&key)?;
    tell_secret(&key, &secret, told)
}

fn rotate(store: &Store, name: &str, grace: &str, (now_ms, told): (i64, Told)) -> anyhow::Result<()> {
    let grace_ms = keys::span_ms(grace)?;
    let (secret, kept) = keys::new_secret(now_ms)?;
    store.rotate_key(name, &kept, now_ms.saturating_add(grace_ms))?;
    let key = found(store, name)?;
    if let Some(until_ms) = key.secrets.iter().filter_map(|secret| secret.until_ms).max() {
        eprintln!("the old secret is good until {}", keys::shown_time(until_ms));
    }
    tell_secret(&key, &secret, told)
}

fn change(store: &Store, name: &str, terms: &Terms, now_ms: i64) -> anyhow::Result<()> {
    let mut key = found(store, name)?;
    terms.apply(&mut key, now_ms)?;
    store.change_key(name, &key.terms, key.expires_ms)?;
    eprintln!("the key {name} is changed");
    Ok(())
}

fn found(store: &Store, name: &str) -> anyhow::Result<Key> {
    let found = store.keys()?.into_iter().find(|key| key.name == name);
    Ok(found.ok_or_else(|| freehold_store::Error::UnknownKey(name.to_owned()))?)
}

fn tell_secret(key: &Key, secret: &str, told: Told) -> anyhow::Result<()> {
    if told.json {
        let expires = key.expires_ms.map(keys::shown_time);
        return Ok(stdout::line(json!({"name": key.name, "secret": secret, "expires_at": expires}))?);
    }
    eprintln!("the secret of the key {}, shown this once and kept nowhere:", key.name);
    Ok(stdout::line(secret)?)
}

impl Terms {
    /// Writes what was said into a key.
    fn apply(&self, key: &mut Key, now_ms: i64) -> anyhow::Result<()> {
        let all = |names: &[String]| if names == ["any"] { Vec::new() } else { names.to_vec() };
        if let Some(steps) = &self.steps {
            key.terms.steps = all(steps);
        }
        if let Some(models) = &self.models {
            key.terms.models = all(models);
        }
        if let Some(expires) = &self.expires {
            key.expires_ms = keys::expiry_ms(expires, now_ms)?;
        }
        if !self.budget.is_empty() {
            let budgets = self.budget.iter().filter(|text| *text != "none").map(|text| keys::budget(text));
            key.terms.budgets = budgets.collect::<Result<_, _>>()?;
        }
        if let Some(rate) = &self.rate {
            key.terms.rate = if rate == "none" { None } else { Some(keys::rate(rate)?) };
        }
        if let Some(concurrent) = self.concurrent {
            key.terms.concurrent = (concurrent > 0).then_some(concurrent);
        }
        match self.unknown_price {
            Some(Unknown::Refuse) => key.terms.unknown_price = UnknownPrice::Refuse,
            Some(Unknown::Allow) => key.terms.unknown_price = UnknownPrice::Allow,
            None => {}
        }
        Ok(())
    }
}

fn list(store: &Store, (now_ms, told): (i64, Told)) -> anyhow::Result<()> {
    let (all, spent) = (store.keys()?, store.spent()?);
    if told.json {
        for key in &all {
            stdout::line(as_json(key, &spent, now_ms))?;
        }
        return Ok(());
    }
    if all.is_empty() {
        eprintln!("no keys yet: `freehold keys add NAME` makes one");
        return Ok(());
    }
    let headers = ["NAME", "SECRET", "STATE", "EXPIRES", "MAY CALL", "SPENT OF BUDGET", "LIMITS"];
    let rows: Vec<Vec<String>> = all.iter().map(|key| row(key, &spent, now_ms)).collect();
    Ok(stdout::block(report::table(&headers.map(|header| (header, Align::Left)), &rows))?)
}

fn row(key: &Key, spent: &[Spent], now_ms: i64) -> Vec<String> {
    let joined = |parts: Vec<String>, none: &str| if parts.is_empty() { none.to_owned() } else { parts.join(", ") };
    let secrets = key.secrets.iter().map(|secret| format!("{}…", secret.prefix)).collect();
    let scopes = key.terms.steps.iter().map(|step| format!("step {step}"));
    let scopes = scopes.chain(key.terms.models.iter().map(|model| format!("model {model}"))).collect();
    let budget = |budget: &freehold_store::Budget| {
        let amount = keys::shown_amount(spent_of(key, budget, spent, now_ms), budget.unit);
        format!("{amount} of {}", keys::shown_budget(budget))
    };
    let budgets = key.terms.budgets.iter().map(budget).collect();
    let rate = key.terms.rate.map(keys::shown_rate);
    let limits = rate.into_iter().chain(key.terms.concurrent.map(|count| format!("{count} at once"))).collect();
    vec![
        key.name.clone(),
        joined(secrets, "none"),
        keys::state(key, now_ms).to_owned(),
        key.expires_ms.map_or_else(|| "never".to_owned(), keys::shown_time),
        joined(scopes, "everything"),
        joined(budgets, "no limit"),
        joined(limits, "none"),
    ]
}

/// Returns what a key has spent of a budget in the period that is current.
fn spent_of(key: &Key, budget: &freehold_store::Budget, spent: &[Spent], now_ms: i64) -> u64 {
    let holder = format!("key:{}", key.name);
    let start_ms = freehold_gateway::period_start_ms(budget.period, now_ms);
    let current =
        spent.iter().find(|one| one.holder == holder && one.period == budget.period && one.start_ms >= start_ms);
    current.map_or(0, |one| match budget.unit {
        freehold_store::Unit::Microusd => one.microusd,
        freehold_store::Unit::Tokens => one.tokens,
    })
}

fn as_json(key: &Key, spent: &[Spent], now_ms: i64) -> serde_json::Value {
    let secret = |secret: &freehold_store::KeySecret| {
        json!({
            "prefix": secret.prefix,
            "created_at": keys::shown_time(secret.created_ms),
            "until": secret.until_ms.map(keys::shown_time),
        })
    };
    let budget = |budget: &freehold_store::Budget| {
        json!({
            "amount": budget.amount,
            "unit": budget.unit,
            "period": budget.period,
            "spent": spent_of(key, budget, spent, now_ms),
        })
    };
    json!({
        "name": key.name,
        "state": keys::state(key, now_ms),
        "created_at": keys::shown_time(key.created_ms),
        "expires_at": key.expires_ms.map(keys::shown_time),
        "revoked_at": key.revoked_ms.map(keys::shown_time),
        "secrets": key.secrets.iter().map(secret).collect::<Vec<_>>(),
        "steps": key.terms.steps,
        "models": key.terms.models,
        "budgets": key.terms.budgets.iter().map(budget).collect::<Vec<_>>(),
        "rate": key.terms.rate.map(|rate| json!({"calls": rate.calls, "per_s": rate.per_s})),
        "concurrent": key.terms.concurrent,
        "unknown_price": key.terms.unknown_price,
    })
}

//! What is kept of calls, as the settings say: masked, bare, sealed, and for how long.

use std::time::Duration;

use freehold_store::{Bodies, Keeping, MaskError, Masking, Retention, Seal, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{BodiesKept, Settings};
use crate::exit::Fault;

/// How often a running gateway looks for bodies whose time is over.
const EXPIRY_LOOK: Duration = Duration::from_secs(600);
/// How long it lets others write between two batches.
const EXPIRY_PAUSE: Duration = Duration::from_millis(100);

/// Returns what is kept of calls and what of it is masked.
///
/// # Errors
/// A kind of what is to be masked is unknown, or a pattern cannot be used.
pub fn keeping(settings: &Settings) -> Result<Keeping, Fault> {
    let record = &settings.record;
    let masking = Masking::new(&record.mask, &record.mask_patterns).map_err(|error| {
        let hint = match error {
            MaskError::UnknownKind(_) => "record.mask takes email, phone, card, iban and key",
            MaskError::Pattern { .. } => "write it in the syntax of Rust's regex crate, without look-around",
            MaskError::TooMany { .. } => "join patterns with |",
        };
        Fault::input(format!("[record] cannot mask: {error}")).hint(hint)
    })?;
    let bodies = |kept: BodiesKept| match kept {
        BodiesKept::Full => Bodies::Full,
        BodiesKept::Metadata => Bodies::Metadata,
    };
    let steps = settings.steps.iter().filter_map(|step| Some((step.name.clone(), bodies(step.bodies?))));
    Ok(Keeping { masking, bodies: bodies(record.bodies), steps: steps.collect() })
}

/// Returns how long bodies are kept; 0 days in the settings are for ever.
pub fn retention(settings: &Settings) -> Retention {
    let days = |days: u32| (days > 0).then_some(days);
    let steps = settings.steps.iter().filter_map(|step| Some((step.name.clone(), days(step.retention_days?))));
    Retention { days: days(settings.record.retention_days), steps: steps.collect() }
}

/// Reads the key that the store is sealed with; an empty text is none.
///
/// # Errors
/// The text is no key.
pub fn seal(text: &str) -> Result<Option<Seal>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    Seal::parse(text).map(Some).map_err(|error| {
        Fault::input("record.encrypt_key cannot be used")
            .because(error)
            .hint("make one with `openssl rand -base64 32`, and keep it: without it nothing in the store can be read")
    })
}

/// Removes bodies whose time is over, now and then and whenever that time changes, until it is aborted; off the async threads, a
/// batch at a time.
pub fn expire(store: Store, mut retention: watch::Receiver<Retention>) -> JoinHandle<()> {
    let watch = async move {
        let mut tick = tokio::time::interval(EXPIRY_LOOK);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                changed = retention.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
            let kept_for = retention.borrow_and_update().clone();
            while kept_for.is_limited() && remove_batch(&store, &kept_for).await {
                tokio::time::sleep(EXPIRY_PAUSE).await;
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the service keeps the handle and ends the task itself")]
    tokio::spawn(watch)
}

/// Returns whether anything was removed.
async fn remove_batch(store: &Store, retention: &Retention) -> bool {
    let (store, retention) = (store.clone(), retention.clone());
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let removed = tokio::task::spawn_blocking(move || store.remove_expired(&retention, now_ms)).await;
    match removed {
        Ok(Ok(removed)) => {
            if removed.cases > 0 {
                let cases = removed.cases;
                tracing::warn!(cases, "bodies expired that assessments were made on; those cannot be repeated");
            }
            removed.calls > 0
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot remove bodies whose time is over; trying again later");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "removing bodies whose time is over broke off");
            false
        }
    }
}

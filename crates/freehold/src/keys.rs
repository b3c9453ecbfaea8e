//! Virtual keys as people write them: secrets, terms, spans of time, and the rows of a list.

use freehold_gateway::{SECRET_PREFIX, digest};
use freehold_store::{Budget, Key, KeySecret, Period, Rate, Unit};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::config::microusd;
use crate::exit::Fault;

/// The digits of a secret; 43 of them hold 256 bits.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS_COUNT: usize = 43;
/// How much of a secret is kept in the clear, so that people recognise it.
const SHOWN_CHARS: usize = 9;
const NAME_CHARS_MAX: usize = 64;
const SECOND_MS: i64 = 1000;
/// Spans of time by the letters behind their number, in seconds.
const SPANS: [(&str, i64); 6] = [("s", 1), ("m", 60), ("min", 60), ("h", 3600), ("d", 86_400), ("w", 7 * 86_400)];

/// Makes a secret from the system's randomness: the text for its owner, and what is kept of it.
///
/// # Errors
/// The system gives no randomness.
pub fn new_secret(now_ms: i64) -> Result<(String, KeySecret), Fault> {
    let mut secret = SECRET_PREFIX.to_owned();
    let mut bytes = [0; 64];
    while secret.len() < SECRET_PREFIX.len() + DIGITS_COUNT {
        OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| Fault::internal("the system gives no randomness").because(error))?;
        // Bytes from 248 on are left out: 62 does not divide 256, and some digits would come more often.
        let digits = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(DIGITS[usize::from(byte % 62)]));
        secret.extend(digits.take(SECRET_PREFIX.len() + DIGITS_COUNT - secret.len()));
    }
    let prefix = secret[..SHOWN_CHARS].to_owned();
    let kept = KeySecret { digest: digest(&secret), prefix, created_ms: now_ms, until_ms: None };
    Ok((secret, kept))
}

/// Checks a name: it is short, and has neither spaces nor control characters.
///
/// # Errors
/// It is not.
pub fn checked_name(name: &str) -> Result<(), Fault> {
    let is_fine = !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.chars().any(|char| char.is_whitespace() || char.is_control());
    if is_fine {
        return Ok(());
    }
    Err(Fault::input(format!("{name:?} cannot name a key"))
        .hint(format!("take 1 to {NAME_CHARS_MAX} characters without spaces, such as `ci` or `support-bot`")))
}

/// Reads a span such as `90d` or `24h`, in milliseconds.
///
/// # Errors
/// It is none.
pub fn span_ms(text: &str) -> Result<i64, Fault> {
    let wrong = || Fault::input(format!("{text:?} is no span of time")).hint("write 90d, 24h, 30m or 60s");
    let (count, unit) = text.split_at(text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len()));
    let (_, seconds) = SPANS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let count: i64 = count.parse().map_err(|_| wrong())?;
    count.checked_mul(*seconds).and_then(|seconds| seconds.checked_mul(SECOND_MS)).ok_or_else(wrong)
}

/// Reads when a key expires: a span from now, a date (its beginning, in UTC), or `never`.
///
/// # Errors
/// It is none of these.
pub fn expiry_ms(text: &str, now_ms: i64) -> Result<Option<i64>, Fault> {
    if text == "never" {
        return Ok(None);
    }
    if let Ok(date) = text.parse::<Date>() {
        let at = date
            .to_zoned(TimeZone::UTC)
            .map_err(|error| Fault::input(format!("the date {text} lies beyond the calendar")).because(error))?;
        return Ok(Some(at.timestamp().as_millisecond()));
    }
    let span =
        span_ms(text).map_err(|fault| fault.hint("write a span such as 90d, a date such as 2027-01-31, or never"))?;
    Ok(Some(now_ms.saturating_add(span)))
}

/// Reads a budget such as `50usd/month` or `1000000tokens/day`.
///
/// # Errors
/// It is none.
pub fn budget(text: &str) -> Result<Budget, Fault> {
    let wrong = || {
        Fault::input(format!("{text:?} is no budget"))
            .hint("write an amount, its unit and a period: 50usd/month, 2.5usd/day, 100000tokens/hour")
    };
    let (amount, period) = text.split_once('/').ok_or_else(wrong)?;
    let period = Period::ALL.into_iter().find(|known| known.as_str() == period).ok_or_else(wrong)?;
    let (number, unit) = amount.split_at(amount.find(|char: char| char.is_ascii_alphabetic()).ok_or_else(wrong)?);
    let (amount, unit) = match unit {
        "usd" => (number.parse().ok().and_then(microusd), Unit::Microusd),
        "tokens" => (number.replace('_', "").parse().ok(), Unit::Tokens),
        _ => (None, Unit::Tokens),
    };
    Ok(Budget { amount: amount.ok_or_else(wrong)?, unit, period })
}

/// Reads a rate such as `10/s` or `300/min`.
///
/// # Errors
/// It is none.
pub fn rate(text: &str) -> Result<Rate, Fault> {
    let wrong = || Fault::input(format!("{text:?} is no rate")).hint("write 10/s, 300/min or 1000/h");
    let (calls, span) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = span_ms(&format!("1{span}")).map_err(|_| wrong())? / SECOND_MS;
    let calls: u32 = calls.parse().ok().filter(|calls| *calls > 0).ok_or_else(wrong)?;
    Ok(Rate { calls, per_s: u32::try_from(seconds).map_err(|_| wrong())? })
}

/// Returns a budget as it is written.
pub fn shown_budget(budget: &Budget) -> String {
    format!("{}/{}", shown_amount(budget.amount, budget.unit), budget.period.as_str())
}

/// Returns an amount as it is written.
pub fn shown_amount(amount: u64, unit: Unit) -> String {
    match unit {
        Unit::Tokens => format!("{amount}tokens"),
        Unit::Microusd => {
            let text = format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000);
            format!("{}usd", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

/// Returns a rate as it is written.
pub fn shown_rate(rate: Rate) -> String {
    let unit = SPANS.iter().find(|(_, seconds)| *seconds == i64::from(rate.per_s)).map_or("s", |(name, _)| *name);
    format!("{}/{unit}", rate.calls)
}

/// Returns a moment as text in UTC, to the second.
pub fn shown_time(at_ms: i64) -> String {
    let whole = at_ms.div_euclid(SECOND_MS);
    Timestamp::from_second(whole).map_or_else(|_| format!("{at_ms} ms"), |at| at.to_string())
}

/// Returns how a key stands.
pub fn state(key: &Key, now_ms: i64) -> &'static str {
    match key {
        _ if key.revoked_ms.is_some() => "revoked",
        _ if key.expires_ms.is_some_and(|at_ms| at_ms <= now_ms) => "expired",
        _ => "good",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_found_by_their_digest() {
        let (first, kept) = new_secret(7).unwrap();
        let (second, _) = new_secret(7).unwrap();
        assert_eq!((first.len(), first != second), (46, true));
        assert!(first.starts_with("fh-") && first.starts_with(&kept.prefix));
        assert_eq!((kept.digest, kept.prefix.len()), (digest(&first), 9));
    }

    #[test]
    fn every_digit_of_a_secret_is_as_likely_as_the_others() {
        let mut counts = [0_u32; 256];
        for _ in 0..2000 {
            new_secret(0).unwrap().0[3..].bytes().for_each(|byte| counts[usize::from(byte)] += 1);
        }
        // 86,000 draws of 62: 1,387 each, with a standard deviation of 37; a bias towards eight digits would show as 1,680.
        for digit in DIGITS {
            assert!((1150..1620).contains(&counts[usize::from(*digit)]), "{}", char::from(*digit));
        }
    }

    #[test]
    fn budgets_and_rates_are_read_as_they_are_written() {
        for text in ["50usd/month", "2.5usd/day", "0.000001usd/hour", "1000000tokens/day"] {
            assert_eq!(shown_budget(&budget(text).unwrap()), text);
        }
        assert_eq!(budget("1_000tokens/day").unwrap().amount, 1000);
        for text in ["50", "50usd", "50/month", "50eur/month", "usd/month", "-1usd/day", "1.5tokens/day", "1usd/year"] {
            assert!(budget(text).is_err(), "{text}");
        }
        for (text, expected) in [("10/s", (10, 1)), ("300/min", (300, 60)), ("1000/h", (1000, 3600))] {
            let rate = rate(text).unwrap();
            assert_eq!((rate.calls, rate.per_s), expected);
        }
        for text in ["10", "0/s", "-1/s", "10/", "x/s", "10/fortnight"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(shown_rate(rate("300/min").unwrap()), "300/m");
    }

    #[test]
    fn expiry_is_a_span_a_date_or_never() {
        assert_eq!(expiry_ms("never", 5).unwrap(), None);
        assert_eq!(expiry_ms("24h", 5).unwrap(), Some(86_400_005));
        assert_eq!(expiry_ms("1970-01-02", 5).unwrap(), Some(86_400_000));
        for text in ["", "90", "soon", "9999999999999999w"] {
            assert!(expiry_ms(text, 5).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_words() {
        assert!(checked_name("support-bot@eu").is_ok());
        for name in ["", "two words", "line\n", &"x".repeat(65)] {
            assert!(checked_name(name).is_err(), "{name:?}");
        }
    }
}

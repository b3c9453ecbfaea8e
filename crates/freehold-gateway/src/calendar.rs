//! The periods of the calendar in UTC, and how a moment is written.

use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};

use freehold_store::Period;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Returns when the period of a moment begins and when the next one does, in milliseconds since the Unix epoch.
pub(crate) fn bounds(period: Period, at_ms: i64) -> (i64, i64) {
    let fixed = |length_ms: i64| {
        let start_ms = at_ms.div_euclid(length_ms) * length_ms;
        (start_ms, start_ms + length_ms)
    };
    match period {
        Period::Hour => fixed(HOUR_MS),
        Period::Day => fixed(DAY_MS),
        Period::Month => month(at_ms).unwrap_or_else(|| fixed(DAY_MS)),
    }
}

/// Returns when the period of a moment begins, in milliseconds since the Unix epoch; periods are those of the calendar in UTC.
pub fn period_start_ms(period: Period, at_ms: i64) -> i64 {
    bounds(period, at_ms).0
}

/// Returns a moment as text, such as `2026-12-01T00:00:00Z`.
pub(crate) fn text(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| format!("{at_ms} ms"), |at| at.to_string())
}

fn month(at_ms: i64) -> Option<(i64, i64)> {
    let at = utc(at_ms)?;
    let start = at.first_of_month().ok()?.start_of_day().ok()?;
    let end = start.checked_add(1.month()).ok()?;
    Some((start.timestamp().as_millisecond(), end.timestamp().as_millisecond()))
}

fn utc(at_ms: i64) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(at_ms).ok()?.to_zoned(TimeZone::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let table = [
            (Period::Hour, "2026-02-28T23:59:59.999Z", "2026-02-28T23:00:00Z", "2026-03-01T00:00:00Z"),
            (Period::Day, "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Period::Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Period::Month, "2024-02-01T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ];
        for (period, at, start, end) in table {
            assert_eq!(bounds(period, ms(at)), (ms(start), ms(end)), "{period:?} {at}");
            assert_eq!(text(ms(start)), start);
        }
    }
}

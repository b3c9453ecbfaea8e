//! Every number the reports print is formatted here, so that the terminal and the page agree to the last digit.
//! What is not known comes out as a word; a number that is not finite never reaches the reader.

use jiff::{Timestamp, tz::TimeZone};

const MINUS: char = '\u{2212}';
const NO_BREAK_SPACE: char = '\u{a0}';
const UNKNOWN: &str = "unknown";

/// Formats a difference of scores in points (hundredths of a score) with its sign: `−1.2`, `+0.4`, `0.0`.
pub fn points(difference: f64) -> String {
    if !difference.is_finite() {
        return UNKNOWN.to_owned();
    }
    let magnitude = format!("{:.1}", (difference * 100.0).abs());
    match (magnitude.as_str(), difference < 0.0) {
        ("0.0", _) => magnitude,
        (_, true) => format!("{MINUS}{magnitude}"),
        (_, false) => format!("+{magnitude}"),
    }
}

/// Formats an interval of differences in points: `−2.9 to +0.4`.
pub fn interval(lower: f64, upper: f64) -> String {
    if lower.is_finite() && upper.is_finite() {
        format!("{} to {}", points(lower), points(upper))
    } else {
        UNKNOWN.to_owned()
    }
}

/// Formats a limit as [`points`] does, with as many digits more as tell it from minus the margin that it is held against: a
/// verdict turns on the side on which it lies.
pub fn limit(limit: f64, margin: f64) -> String {
    let shown = points(limit);
    if shown != points(-margin) || limit == -margin || !limit.is_finite() {
        return shown;
    }
    let spelled = |value: f64, digits: usize| format!("{:.digits$}", (value * 100.0).abs());
    let digits = (2..=6).find(|digits| spelled(limit, *digits) != spelled(margin, *digits));
    digits.map_or(shown, |digits| format!("{}{}", if limit < 0.0 { "\u{2212}" } else { "+" }, spelled(limit, digits)))
}

/// Formats an interval whose limits are held against minus the margin: `−4.98 to +0.4`.
pub fn limits((lower, upper): (f64, f64), margin: f64) -> String {
    if lower.is_finite() && upper.is_finite() {
        format!("{} to {}", limit(lower, margin), limit(upper, margin))
    } else {
        UNKNOWN.to_owned()
    }
}

/// Formats a mean score of 0 to 1 with three decimals.
pub fn score(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { UNKNOWN.to_owned() }
}

/// Formats a setting such as a margin as short as it can be written: `0.05`.
pub fn setting(value: f64) -> String {
    if value.is_finite() { format!("{value}").replace('-', &MINUS.to_string()) } else { UNKNOWN.to_owned() }
}

/// Formats the two-sided level of an interval whose limits each hold at the one-sided `confidence`: `90 %`.
pub fn interval_level(confidence: f64) -> String {
    if !confidence.is_finite() {
        return UNKNOWN.to_owned();
    }
    let percent = ((2.0 * confidence - 1.0) * 1e4).round() / 100.0;
    format!("{percent}{NO_BREAK_SPACE}%")
}

/// Formats an amount of US dollars, with two significant digits below a cent; `None` is `unknown`, never zero.
pub fn usd(amount: Option<f64>) -> String {
    let Some(amount) = amount.filter(|amount| amount.is_finite()) else { return UNKNOWN.to_owned() };
    let sign = if amount < 0.0 { MINUS.to_string() } else { String::new() };
    let magnitude = amount.abs();
    if magnitude > 0.0 && magnitude < 0.01 {
        let decimals = (1.0 - magnitude.log10().floor()).clamp(2.0, 12.0) as usize;
        return format!("{sign}${magnitude:.decimals$}");
    }
    let cents = (magnitude * 100.0).round();
    format!("{sign}${}.{:02}", count((cents / 100.0).floor() as u64), (cents % 100.0) as u64)
}

/// Formats a duration given in milliseconds with the unit that suits it: `0.8 ms`, `850 ms`, `1.24 s`, `2 min 05 s`.
pub fn duration_ms(ms: f64) -> String {
    let space = NO_BREAK_SPACE;
    if !ms.is_finite() || ms < 0.0 {
        UNKNOWN.to_owned()
    } else if ms < 9.95 {
        format!("{ms:.1}{space}ms")
    } else if ms < 999.5 {
        format!("{ms:.0}{space}ms")
    } else if ms < 9_995.0 {
        format!("{:.2}{space}s", ms / 1e3)
    } else if ms < 59_500.0 {
        format!("{:.0}{space}s", ms / 1e3)
    } else {
        let seconds = (ms / 1e3).round() as u64;
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, minutes, seconds) => format!("{minutes}{space}min {seconds:02}{space}s"),
            (hours, minutes, _) => format!("{}{space}h {minutes:02}{space}min", count(hours)),
        }
    }
}

/// Formats a count with thousands separators: `12,345`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a count of things: `1 case`, `2,454 cases`.
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{}{NO_BREAK_SPACE}{}", count(value), if value == 1 { one } else { many })
}

/// Formats a moment as a date and time of day in UTC: `22 Nov 2026, 15:25 UTC`.
pub fn date(at_ms: i64) -> String {
    strftime(at_ms, "%-d %b %Y, %H:%M UTC")
}

/// Formats a moment as the time of day in UTC with seconds: `15:25:01`.
pub fn clock(at_ms: i64) -> String {
    strftime(at_ms, "%H:%M:%S")
}

fn strftime(at_ms: i64, format: &str) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.to_zoned(TimeZone::UTC).strftime(format).to_string(),
        Err(_) => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_carry_a_sign_and_a_real_minus() {
        let shown: Vec<String> = [-0.012, 0.004, 0.0, -0.0, -0.000_4, f64::NAN].into_iter().map(points).collect();
        assert_eq!(shown, ["\u{2212}1.2", "+0.4", "0.0", "0.0", "0.0", "unknown"]);
        assert_eq!(interval(-0.029, 0.004), "\u{2212}2.9 to +0.4");
        assert_eq!(interval(f64::NEG_INFINITY, 0.1), "unknown");
        assert_eq!(limits((-0.049_96, 0.004), 0.05), "\u{2212}4.996 to +0.4");
        assert_eq!(limits((-0.2, -0.050_4), 0.05), "\u{2212}20.0 to \u{2212}5.04");
        assert_eq!(limits((-0.05, f64::INFINITY), 0.05), "unknown");
        assert_eq!([limit(-0.05, 0.05), limit(-0.051, 0.05)], ["\u{2212}5.0", "\u{2212}5.1"]);
        assert_eq!([limit(0.000_4, 0.0), limit(-0.000_4, 0.0), limit(0.0, 0.0)], ["+0.04", "\u{2212}0.04", "0.0"]);
    }

    #[test]
    fn unknown_money_is_never_zero() {
        let shown: Vec<String> =
            [None, Some(f64::NAN), Some(0.0), Some(0.004_21), Some(0.015), Some(1234.5), Some(1.999)]
                .into_iter()
                .map(usd)
                .collect();
        assert_eq!(shown, ["unknown", "unknown", "$0.00", "$0.0042", "$0.02", "$1,234.50", "$2.00"]);
    }

    #[test]
    fn durations_take_the_unit_that_suits_them() {
        let shown: Vec<String> = [0.84, 9.96, 850.0, 999.6, 1_240.0, 42_000.0, 125_000.0, 3_720_000.0, f64::NAN]
            .into_iter()
            .map(|ms| duration_ms(ms).replace(NO_BREAK_SPACE, " "))
            .collect();
        let wanted = ["0.8 ms", "10 ms", "850 ms", "1.00 s", "1.24 s", "42 s", "2 min 05 s", "1 h 02 min", "unknown"];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn counts_levels_and_dates_read_as_written_english() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "case", "cases"), "1\u{a0}case");
        assert_eq!([0.95, 0.975, 0.9].map(interval_level), ["90\u{a0}%", "95\u{a0}%", "80\u{a0}%"]);
        assert_eq!(setting(0.05), "0.05");
        assert_eq!(date(1_795_361_101_000), "22 Nov 2026, 15:25 UTC");
        assert_eq!(clock(1_795_361_101_000), "15:25:01");
        assert_eq!(date(i64::MAX), "unknown");
    }
}

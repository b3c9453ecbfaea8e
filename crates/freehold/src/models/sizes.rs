//! Sizes as people say them, and as they write them.

use crate::exit::Fault;

const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Returns bytes in the largest unit of which there is one, with three digits.
pub(crate) fn bytes(count: u64) -> String {
    let Some((unit, size)) = UNITS.iter().rev().find(|(_, size)| count >= *size) else { return format!("{count} B") };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let amount = count as f64 / *size as f64;
    let decimals = if amount < 9.995 { 2 } else { usize::from(amount < 99.95) };
    format!("{amount:.decimals$} {unit}")
}

/// Returns a count of weights as models are called by it: 260K, 1.24B.
pub(crate) fn parameters(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let amount = count as f64;
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{:.0}K", amount / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", amount / 1e6),
        _ => format!("{:.2}B", amount / 1e9),
    }
}

/// Reads an amount of memory such as `16GiB`, `16G` or `512MiB`.
///
/// # Errors
/// It is none.
pub(crate) fn parse(text: &str) -> Result<u64, Fault> {
    let wrong = || {
        Fault::input(format!("{text:?} is no amount of memory"))
            .hint("write a number and a unit, such as 16GiB or 512MiB")
    };
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let size = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" if unit.is_empty() || unit == "b" => 1.0,
        "k" => 1024.0,
        "m" => 1024.0 * 1024.0,
        "g" => 1024.0 * 1024.0 * 1024.0,
        "t" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let amount = number.parse::<f64>().map_err(|_| wrong())? * size;
    if !(1.0..1e18).contains(&amount) {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 1 and 1e18")]
    let bytes = amount as u64;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{bytes, parameters, parse};

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, size) in
            [("16GiB", 16 << 30), ("16G", 16 << 30), ("1.5 MiB", 3 << 19), ("512k", 512 << 10), ("7", 7)]
        {
            assert_eq!(parse(text).ok(), Some(size), "{text}");
        }
        for text in ["", "GiB", "0", "-1G", "1e3", "12 apples", "9999999T", "i", "."] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_three_digits() {
        let shown = [0, 1023, 1024, 10 << 20, 1234 << 20, 40 << 30, 999 << 30].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.00 KiB", "10.0 MiB", "1.21 GiB", "40.0 GiB", "999 GiB"]);
        assert_eq!([260_032, 2_100_000, 1_240_000_000].map(parameters), ["260K", "2.1M", "1.24B"]);
    }
}

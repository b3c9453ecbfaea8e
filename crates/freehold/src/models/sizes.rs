//! Sizes as people say them.

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

#[cfg(test)]
mod tests {
    use super::{bytes, parameters};

    #[test]
    fn sizes_have_three_digits() {
        let shown = [0, 1023, 1024, 10 << 20, 1234 << 20, 40 << 30, 999 << 30].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.00 KiB", "10.0 MiB", "1.21 GiB", "40.0 GiB", "999 GiB"]);
        assert_eq!([260_032, 2_100_000, 1_240_000_000].map(parameters), ["260K", "2.1M", "1.24B"]);
    }
}

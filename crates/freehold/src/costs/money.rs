//! Amounts of US dollars, kept exactly and rounded when they are shown.

use std::iter::Sum;
use std::ops::{AddAssign, Sub};

use serde::{Serialize, Serializer};

use crate::facts::microusd;
use crate::report::figures;

const PICOUSD_PER_USD: i128 = 1_000_000_000_000;
const DECIMALS: usize = 12;

/// An amount in millionths of a millionth of a US dollar; in JSON it is rounded to millionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Money {
    picousd: i128,
}

impl Money {
    /// Returns an amount from millionths of a millionth of a US dollar.
    #[must_use]
    pub fn from_picousd(picousd: i128) -> Self {
        Money { picousd }
    }

    /// Reads an amount of US dollars such as `0.06`, `-12`, `$1,234.50` or `1.2e-05`; what lies beyond twelve decimals is cut off.
    #[must_use]
    pub fn parse_usd(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('$').replace(',', "");
        if text.contains(['e', 'E']) {
            let usd: f64 = text.parse().ok()?;
            return (usd.abs() < 1e12).then(|| Money { picousd: (usd * PICOUSD_PER_USD as f64).round() as i128 });
        }
        let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || whole.len() + part.len() == 0 || whole.len() > 15 {
            return None;
        }
        let part = &part[..part.len().min(DECIMALS)];
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: i128 = format!("{part:0<DECIMALS$}").parse().ok()?;
        Some(Money { picousd: sign * (whole * PICOUSD_PER_USD + part) })
    }

    /// Returns a hundredth of it: vendors write some amounts in cents.
    #[must_use]
    pub fn from_cents(self) -> Self {
        Money { picousd: self.picousd / 100 }
    }

    /// Returns millionths of a millionth of a US dollar.
    #[must_use]
    pub fn picousd(self) -> i128 {
        self.picousd
    }

    /// Returns US dollars, for shares and for showing.
    #[must_use]
    pub fn usd(self) -> f64 {
        self.picousd as f64 / PICOUSD_PER_USD as f64
    }

    /// Returns its size without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Money { picousd: self.picousd.abs() }
    }

    /// Formats it as dollars and cents, or with two significant digits below a cent.
    #[must_use]
    pub fn shown(self) -> String {
        figures::usd(Some(self.usd()))
    }

    /// Formats it with its sign.
    #[must_use]
    pub fn shown_with_sign(self) -> String {
        let plus = if self.picousd > 0 { "+" } else { "" };
        format!("{plus}{}", self.shown())
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.picousd += other.picousd;
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Money { picousd: self.picousd - other.picousd }
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Money { picousd: amounts.map(|amount| amount.picousd).sum() }
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded = i64::try_from(microusd(self.picousd)).unwrap_or(i64::MAX);
        serializer.serialize_i64(rounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        let table = [
            ("0.06", 60_000_000_000),
            ("-12", -12_000_000_000_000),
            ("$1,234.50", 1_234_500_000_000_000),
            (".5", 500_000_000_000),
            ("0.89587400000000004", 895_874_000_000),
            ("1.2e-05", 12_000_000),
            ("0", 0),
        ];
        for (text, picousd) in table {
            assert_eq!(Money::parse_usd(text), Some(Money { picousd }), "{text}");
        }
        for text in ["", "-", "1.2.3", "12 EUR", "NaN", "1e999", "9999999999999999"] {
            assert_eq!(Money::parse_usd(text), None, "{text}");
        }
    }

    #[test]
    fn json_is_rounded_to_the_nearest_millionth() {
        let json = |picousd| serde_json::to_string(&Money { picousd }).unwrap();
        assert_eq!((json(1_499_999), json(1_500_000), json(-1_500_001)), ("1".into(), "2".into(), "-2".into()));
    }
}

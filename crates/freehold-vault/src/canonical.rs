//! JSON in the one spelling of RFC 8785 (JSON Canonicalization Scheme), so that its bytes can be signed and digested.

use serde_json::{Number, Value};

/// Returns the canonical spelling: no space, members in the order of their names' UTF-16 units, strings with the fewest
/// escapes, numbers in the shortest form that JavaScript writes.
///
/// An integer that would lose digits there is spelled as a string of its digits.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) => write_number(number, text),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (place, (name, member)) in sorted.into_iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                // Strings are escaped here as there: named escapes, else \u00xx with small letters, and nothing more.
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(member, text);
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

fn write_number(number: &Number, text: &mut String) {
    let digits = number.to_string();
    match number.as_f64().map(of_float) {
        Some(spelled) if number.is_f64() || spelled == digits => text.push_str(&spelled),
        _ => text.push_str(&format!("\"{digits}\"")),
    }
}

/// Spells a finite number as ECMAScript's Number::toString does (RFC 8785, section 3.2.2.3).
fn of_float(float: f64) -> String {
    if float == 0.0 {
        return "0".to_owned();
    }
    let (digits, point) = shortest(float.abs());
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |times: i32| "0".repeat(usize::try_from(times).unwrap_or(0));
    let spelled = match point {
        _ if count <= point && point <= 21 => digits + &zeros(point - count),
        1..=21 => {
            let (whole, rest) = digits.split_at(usize::try_from(point).unwrap_or(0));
            format!("{whole}.{rest}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let rest = if rest.is_empty() { String::new() } else { format!(".{rest}") };
            let sign = if point > 0 { "+" } else { "-" };
            format!("{first}{rest}e{sign}{}", (point - 1).unsigned_abs())
        }
    };
    if float < 0.0 { format!("-{spelled}") } else { spelled }
}

/// Returns the shortest digits that read back as the same number, the nearest of them, the even one of two as near; and
/// where the point stands, counted from before the first digit.
///
/// They are those of the JSON writer in use; the standard library's are as short, and of two as near not the even one.
fn shortest(float: f64) -> (String, i32) {
    let written = Value::from(float).to_string();
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let (whole, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{rest}");
    let significant = all.trim_start_matches('0');
    let leading = all.len() - significant.len();
    let place = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
    let point = exponent.parse::<i32>().unwrap_or(0) + place(whole.len()) - place(leading);
    (significant.trim_end_matches('0').to_owned(), point)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The samples of RFC 8785, appendix B.
    #[test]
    fn numbers_are_spelled_as_the_rfc_says() {
        for (bits, spelled) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(of_float(f64::from_bits(bits)), spelled, "{bits:x}");
        }
    }

    /// The sample of RFC 8785, section 3.2.2, and the order of section 3.2.3.
    #[test]
    fn members_are_sorted_and_strings_escaped_as_the_rfc_says() {
        let sample = r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
        let expected = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(canonical(&serde_json::from_str(sample).unwrap()), expected);
        let sorted = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        assert_eq!(canonical(&sorted), "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}");
    }

    #[test]
    fn integers_that_javascript_would_round_keep_their_digits() {
        let exact = json!([9_007_199_254_740_992_u64, 9_007_199_254_740_993_u64, u64::MAX, i64::MIN]);
        assert_eq!(
            canonical(&exact),
            r#"[9007199254740992,"9007199254740993","18446744073709551615","-9223372036854775808"]"#
        );
    }

    #[test]
    fn large_float_reads_back_as_an_integer_of_the_same_spelling() {
        let spelled = canonical(&json!(5.481_108_163_190_767e18));
        assert_eq!(spelled, "5481108163190767000");
        assert_eq!(canonical(&serde_json::from_str(&spelled).unwrap()), spelled);
    }
}

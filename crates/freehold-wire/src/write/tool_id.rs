//! Ids of tool calls that every dialect takes, and the way back to the vendor's own.
//!
//! Anthropic's API takes letters, digits, `_` and `-` only; some servers give ids such as `functions.weather:0`.

use std::borrow::Cow;

/// Marks an id that was spelt anew.
const MARK: &str = "fhx_";

/// Returns the id in letters, digits, `_` and `-`: itself where it is made of them, else spelt so that [`original`] finds
/// it again.
pub(crate) fn legal(id: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if id.bytes().all(|byte| is_plain(byte) || byte == b'_') && !id.starts_with(MARK) {
        return Cow::Borrowed(id);
    }
    let mut spelt = MARK.to_owned();
    for byte in id.bytes() {
        if is_plain(byte) {
            spelt.push(char::from(byte));
        } else {
            spelt.push_str(&format!("_{byte:02x}"));
        }
    }
    Cow::Owned(spelt)
}

/// Returns the vendor's id that [`legal`] spelt anew; any other id is returned as it is.
pub(crate) fn original(id: &str) -> Cow<'_, str> {
    id.strip_prefix(MARK).and_then(unspelt).map_or(Cow::Borrowed(id), Cow::Owned)
}

fn unspelt(spelt: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(spelt.len());
    let mut parts = spelt.split('_');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (hex, plain) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(plain.as_bytes());
    }
    let original = String::from_utf8(bytes).ok()?;
    // Only what was spelt here is read back.
    (legal(&original) == format!("{MARK}{spelt}")).then_some(original)
}

#[cfg(test)]
mod tests {
    use super::{legal, original};

    #[test]
    fn every_id_is_legal_and_finds_back() {
        for id in
            ["call_1", "toolu_01AbC-x", "functions.weather:0", "", "fhx_a", "fhx__2e", "ä_ö é", "a\u{0}b", "_", "fhx_"]
        {
            let spelt = legal(id).into_owned();
            assert!(spelt.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'), "{spelt}");
            assert_eq!(original(&spelt), id);
        }
        assert_eq!(legal("call_1"), "call_1");
        assert_eq!(legal("functions.weather:0"), "fhx_functions_2eweather_3a0");
    }

    #[test]
    fn ids_that_were_not_spelt_here_stay() {
        for id in ["fhx_zz_", "fhx__zz", "fhx__2", "fhx__41", "fhx_plain", "call.1"] {
            assert_eq!(original(id), id);
        }
    }
}

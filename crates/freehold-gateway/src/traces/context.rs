//! The trace that a call belongs to, as the header `traceparent` says it (W3C Trace Context, version 00).

use http::HeaderValue;
use uuid::Uuid;

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    flags: u8,
}

/// The flag that says that a trace is kept.
const SAMPLED: u8 = 1;

impl Context {
    /// Reads a `traceparent`; `None` for what is none, which then does not count.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_known = version == "00" && parts.next().is_none();
        let may_be_newer = version.len() == 2 && version != "00" && version != "ff";
        if !is_known && !may_be_newer {
            return None;
        }
        let context = Context { trace: bytes(trace)?, span: bytes(span)?, flags: bytes::<1>(flags)?[0] };
        (context.trace != [0; 16] && context.span != [0; 8]).then_some(context)
    }

    /// Returns the place of a call's own span: in the caller's trace, or at the beginning of one of its own.
    ///
    /// Both ids come from the call's id, which no other call has, so that nothing needs to be kept in between.
    pub(crate) fn own(call: &str, caller: Option<Context>) -> Option<Self> {
        let id = Uuid::parse_str(call).ok()?.into_bytes();
        let span: [u8; 8] = id[8..].try_into().expect("a UUID has sixteen bytes");
        Some(match caller {
            Some(caller) => Context { trace: caller.trace, span, flags: caller.flags },
            None => Context { trace: id, span, flags: SAMPLED },
        })
    }

    /// Returns whether the span is sent: as the caller decided, or for a trace of our own by its random part.
    pub(crate) fn is_sampled(&self, caller: Option<&Context>, share: f64) -> bool {
        if caller.is_some() {
            return self.flags & SAMPLED != 0;
        }
        // The bytes before these carry a clock and a counter.
        let random: [u8; 4] = self.trace[12..].try_into().expect("a trace id has sixteen bytes");
        f64::from(u32::from_be_bytes(random)) < share * (1_u64 << 32) as f64
    }

    /// Returns the header that names this place as a parent.
    pub(crate) fn header(&self) -> HeaderValue {
        let text = format!("00-{}-{}-{:02x}", hex(&self.trace), hex(&self.span), self.flags);
        HeaderValue::from_str(&text).expect("hexadecimal digits are a legal header value")
    }
}

/// Writes bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads as many bytes as are wanted from lower-case hexadecimal digits.
fn bytes<const COUNT: usize>(digits: &str) -> Option<[u8; COUNT]> {
    let is_hex = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != 2 * COUNT || !is_hex {
        return None;
    }
    let mut out = [0; COUNT];
    for (byte, pair) in out.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

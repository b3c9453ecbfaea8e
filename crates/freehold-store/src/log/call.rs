//! A call as the bytes of a frame: small, versioned, and read with every length checked.

use freehold_wire::{Attempt, Call, Digest, Failure, Instead, Kept, Reference, ReferenceKind, Timings, Usage};

/// The version of these bytes; it is their first.
const VERSION: u8 = 2;
/// The version that had no attempts, which a log may still hold.
const WITHOUT_ATTEMPTS: u8 = 1;

/// Bytes that are no call, or one that a newer program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Something else was expected.
    #[error("no {what} where one should be")]
    Without {
        /// What was expected.
        what: &'static str,
    },
    /// The call is sealed, and the key to it was not given.
    #[error("the call is sealed with a key that was not given")]
    Sealed,
}

/// Appends a call.
pub(crate) fn write(call: &Call, out: &mut Vec<u8>) {
    out.reserve(256 + call.request.len() + call.response.len());
    out.push(VERSION);
    bytes(out, call.id.as_bytes());
    out.extend_from_slice(&call.at_ms.to_le_bytes());
    bytes(out, call.api.as_str().as_bytes());
    bytes(out, call.step.as_bytes());
    bytes(out, call.step_by.as_bytes());
    optional(out, call.run.as_ref(), |out, run| bytes(out, run.as_bytes()));
    bytes(out, call.model.as_bytes());
    bytes(out, call.upstream.as_bytes());
    optional(out, call.served_model.as_ref(), |out, model| bytes(out, model.as_bytes()));
    out.push(u8::from(call.streamed));
    number(out, call.status.into());
    optional(out, call.failure.as_ref(), failure);
    optional(out, call.usage.as_ref(), |out, usage| {
        [usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning]
            .into_iter()
            .for_each(|count| number(out, count));
    });
    out.push(u8::from(call.is_estimated));
    optional(out, call.timings.first_byte_us.as_ref(), |out, first| number(out, *first));
    number(out, call.timings.total_us);
    optional(out, call.reference.as_ref(), |out, reference| {
        out.push(reference.kind as u8);
        bytes(out, reference.value.to_string().as_bytes());
    });
    optional(out, call.key.as_ref(), |out, key| bytes(out, key.as_bytes()));
    number(out, call.generation);
    number(out, call.attempts.len() as u64);
    call.attempts.iter().for_each(|tried| attempt(out, tried));
    kept(out, &call.kept);
    bytes(out, &call.request);
    bytes(out, &call.response);
}

/// Reads a call from all of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Call, Unreadable> {
    let mut rest = Rest { bytes };
    let version = rest.byte("version")?;
    if !(WITHOUT_ATTEMPTS..=VERSION).contains(&version) {
        return Err(Unreadable::Without { what: "version" });
    }
    let call = Call {
        id: rest.text("id")?,
        at_ms: i64::from_le_bytes(rest.array("time")?),
        api: rest.text("api")?.parse().map_err(|_| Unreadable::Without { what: "api" })?,
        step: rest.text("step")?,
        step_by: rest.text("way to the step")?,
        run: rest.optional("run", |rest| rest.text("run"))?,
        model: rest.text("model")?,
        upstream: rest.text("upstream")?,
        served_model: rest.optional("served model", |rest| rest.text("served model"))?,
        streamed: rest.flag("stream mark")?,
        status: u16::try_from(rest.number("status")?).map_err(|_| Unreadable::Without { what: "status" })?,
        failure: rest.optional("failure", Rest::failure)?,
        usage: rest.optional("usage", Rest::usage)?,
        is_estimated: rest.flag("estimate mark")?,
        timings: Timings {
            first_byte_us: rest.optional("time to the first byte", |rest| rest.number("time to the first byte"))?,
            total_us: rest.number("time")?,
        },
        reference: rest.optional("reference", Rest::reference)?,
        key: rest.optional("key", |rest| rest.text("key"))?,
        generation: rest.number("generation")?,
        attempts: if version == WITHOUT_ATTEMPTS { Vec::new() } else { rest.attempts()? },
        kept: rest.kept()?,
        request: rest.slice("request")?.to_vec(),
        response: rest.slice("response")?.to_vec(),
    };
    if rest.bytes.is_empty() { Ok(call) } else { Err(Unreadable::Without { what: "end" }) }
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn optional<T>(out: &mut Vec<u8>, value: Option<&T>, write: impl FnOnce(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        write(out, value);
    }
}

fn failure(out: &mut Vec<u8>, failure: &Failure) {
    bytes(out, failure.kind.as_bytes());
    bytes(out, failure.message.as_bytes());
}

fn attempt(out: &mut Vec<u8>, attempt: &Attempt) {
    bytes(out, attempt.upstream.as_bytes());
    optional(out, attempt.model.as_ref(), |out, model| bytes(out, model.as_bytes()));
    failure(out, &attempt.failure);
    number(out, attempt.after_us);
}

fn kept(out: &mut Vec<u8>, kept: &Kept) {
    out.push(u8::from(kept.masked));
    match &kept.instead {
        None => out.push(0),
        Some(Instead::Digests { request, response }) => {
            out.push(1);
            for digest in [request, response] {
                number(out, digest.bytes);
                out.extend_from_slice(&digest.sha256);
            }
        }
        Some(Instead::Expired) => out.push(2),
    }
}

/// What is still to be read.
struct Rest<'a> {
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn take(&mut self, what: &'static str, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Unreadable::Without { what })?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Unreadable> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(Unreadable::Without { what })?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, Unreadable> {
        Ok(self.array::<1>(what)?[0])
    }

    fn flag(&mut self, what: &'static str) -> Result<bool, Unreadable> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable::Without { what }),
        }
    }

    fn number(&mut self, what: &'static str) -> Result<u64, Unreadable> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unreadable::Without { what })
    }

    fn slice(&mut self, what: &'static str) -> Result<&'a [u8], Unreadable> {
        let length = usize::try_from(self.number(what)?).map_err(|_| Unreadable::Without { what })?;
        self.take(what, length)
    }

    fn text(&mut self, what: &'static str) -> Result<String, Unreadable> {
        let text = std::str::from_utf8(self.slice(what)?).map_err(|_| Unreadable::Without { what })?;
        Ok(text.to_owned())
    }

    fn optional<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unreadable> {
        if self.flag(what)? { read(self).map(Some) } else { Ok(None) }
    }

    fn failure(&mut self) -> Result<Failure, Unreadable> {
        Ok(Failure { kind: self.text("kind of failure")?, message: self.text("message")? })
    }

    fn attempts(&mut self) -> Result<Vec<Attempt>, Unreadable> {
        let what = "attempt";
        let mut attempts = Vec::new();
        for _ in 0..self.number(what)? {
            attempts.push(Attempt {
                upstream: self.text(what)?,
                model: self.optional(what, |rest| rest.text(what))?,
                failure: self.failure()?,
                after_us: self.number(what)?,
            });
        }
        Ok(attempts)
    }

    fn usage(&mut self) -> Result<Usage, Unreadable> {
        let mut count = || self.number("count of tokens");
        Ok(Usage {
            input: count()?,
            cache_read: count()?,
            cache_write: count()?,
            output: count()?,
            reasoning: count()?,
        })
    }

    fn reference(&mut self) -> Result<Reference, Unreadable> {
        let what = "reference";
        let kinds = [ReferenceKind::Incumbent, ReferenceKind::Label, ReferenceKind::Outcome];
        let number = self.byte(what)?;
        let kind = kinds.into_iter().find(|kind| *kind as u8 == number).ok_or(Unreadable::Without { what })?;
        let value = serde_json::from_slice(self.slice(what)?).map_err(|_| Unreadable::Without { what })?;
        Ok(Reference { kind, value })
    }

    fn kept(&mut self) -> Result<Kept, Unreadable> {
        let what = "mark of what is kept";
        let masked = self.flag(what)?;
        let instead = match self.byte(what)? {
            0 => None,
            1 => Some(Instead::Digests { request: self.digest()?, response: self.digest()? }),
            2 => Some(Instead::Expired),
            _ => return Err(Unreadable::Without { what }),
        };
        Ok(Kept { masked, instead })
    }

    fn digest(&mut self) -> Result<Digest, Unreadable> {
        Ok(Digest { bytes: self.number("digest")?, sha256: self.array("digest")? })
    }
}

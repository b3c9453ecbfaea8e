//! Certificates: the signed records in which assessments end, re-checkable by whoever holds the file. They hold digests and
//! figures, and nothing that was said to a model or by one.

pub(crate) mod body;
mod compare;
pub mod verify;

use std::path::{Path, PathBuf};

use freehold_store::{Certified, Store};
use freehold_vault::{PublicKey, Signed, SignedError, SigningKey};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::assess::CaseSeal;
use crate::config::Settings;
use crate::exit::Fault;
use crate::home;
use crate::names::Target;

/// The format that is written, and the newest that is read.
pub const FORMAT: u64 = 1;

/// A file is no certificate that can be read here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not a signed text.
    #[error("it is no certificate, or not a whole one")]
    Signed(#[from] SignedError),
    /// It was written by a newer version.
    #[error("it has format {found}, and this version reads formats up to {FORMAT}")]
    Newer {
        /// The format found.
        found: u64,
    },
    /// Its body lacks what every certificate has.
    #[error("it is a signed text and no certificate")]
    Body(#[source] serde_json::Error),
}

/// A certificate, read and not believed yet.
#[derive(Debug, Clone)]
pub struct Certificate {
    signed: Signed,
    /// What its body says first.
    pub head: Head,
}

/// What a certificate is about; the rest of its body is compared, never interpreted.
#[derive(Debug, Clone, Deserialize)]
pub struct Head {
    /// The assessment that it is the record of.
    pub assessment: String,
    /// The step.
    pub step: String,
    /// Who is proposed.
    pub candidate: String,
    /// When it was made.
    pub made_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// Why then.
    pub expires_because: String,
    /// The candidate's exact identity, where it is a file.
    pub lock: Value,
    /// What was declared before anything was asked.
    pub declared: Value,
    /// The verdict with its figures.
    pub result: Value,
    /// Every case that was booked.
    pub cases: Vec<CaseSeal>,
}

/// A moment, spelled as in RFC 3339 with the letter Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub jiff::Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Time).map_err(de::Error::custom)
    }
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// The text is cut, no signed text, of a newer format, or signed and no certificate.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let signed = Signed::read(bytes)?;
        match signed.body.get("format").and_then(Value::as_u64) {
            Some(found) if found > FORMAT => return Err(Error::Newer { found }),
            _ => {}
        }
        let head = Head::deserialize(&signed.body).map_err(Error::Body)?;
        Ok(Self { signed, head })
    }

    /// Returns the file.
    pub fn text(&self) -> String {
        self.signed.text()
    }

    /// Returns the SHA-256 of what is signed, by which it is named.
    pub fn sha256(&self) -> String {
        self.signed.sha256()
    }

    /// Returns whether the signature is that of the key in it.
    pub fn is_signed(&self) -> bool {
        self.signed.holds()
    }

    /// Returns the key that is said to have signed it.
    pub fn public_key(&self) -> &PublicKey {
        &self.signed.public_key
    }

    /// Returns what was signed.
    pub fn body(&self) -> &Value {
        &self.signed.body
    }

    /// Returns it as the store keeps it.
    pub fn kept(&self) -> Certified {
        let expires_ms = self.head.expires_at.0.as_millisecond();
        Certified { sha256: self.sha256(), expires_ms, text: self.text() }
    }
}

/// Signs certificates with the key of a home.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// Takes the key of the home that a store is in, or makes it there on first use.
    ///
    /// # Errors
    /// The key cannot be made or read, or others may read it.
    pub fn beside(store: &Store) -> Result<Self, Fault> {
        let file = key_file(store);
        let key = SigningKey::open_or_make(&file).map_err(|error| key_fault(&file, error))?;
        Ok(Self { key })
    }

    /// Returns the key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Signs the body of a certificate.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn issue(&self, body: &Value) -> Result<Certificate, Fault> {
        let signed = Signed::seal(body, &self.key)
            .map_err(|error| Fault::internal("the certificate cannot be signed").because(error))?;
        let head = Head::deserialize(&signed.body)
            .map_err(|error| Fault::internal("the certificate was made wrongly").because(error))?;
        Ok(Certificate { signed, head })
    }
}

/// Returns the public key of the home that a store is in; `None` where nothing was signed yet.
///
/// # Errors
/// The key cannot be read, or others may read it.
pub fn public_key(store: &Store) -> Result<Option<PublicKey>, Fault> {
    let file = key_file(store);
    if !file.exists() {
        return Ok(None);
    }
    let key = SigningKey::open(&file).map_err(|error| key_fault(&file, error))?;
    Ok(Some(key.public()))
}

fn key_file(store: &Store) -> PathBuf {
    home::signing_key(store.path().parent().unwrap_or(Path::new(".")))
}

fn key_fault(file: &Path, error: freehold_vault::KeyError) -> Fault {
    Fault::input("the key that certificates are signed with cannot be used").because(error).hint(format!(
        "chmod 600 {} if nobody else has read it; to begin with a new key, move the file away",
        file.display()
    ))
}

/// Returns the digest of an assessment's certificate if a step may be moved by it; `None` where it ended in none.
///
/// # Errors
/// It does not hold, has expired, or is about another lock than the candidate has now.
pub fn good_for_move(
    store: &Store,
    assessment: &str,
    (target, settings): (&Target, &Settings),
    now: jiff::Timestamp,
) -> anyhow::Result<Option<String>> {
    let Some(kept) = store.certificate(assessment)? else { return Ok(None) };
    let refuse = |why: String| Fault::input(format!("{target} is not moved in: {why}"));
    let certificate = Certificate::read(kept.text.as_bytes())
        .map_err(|error| refuse("its certificate cannot be read".to_owned()).because(error))?;
    if !certificate.is_signed() || public_key(store)?.as_ref() != Some(certificate.public_key()) {
        return Err(refuse("its certificate is not signed by this home's key".to_owned()).into());
    }
    let again = "assess it again, or add --despite REASON to move all the same";
    let Head { expires_at, expires_because, lock, .. } = &certificate.head;
    if expires_at.0 <= now {
        return Err(refuse(format!("its certificate expired at {} ({expires_because})", expires_at.0))
            .hint(again)
            .into());
    }
    let own = crate::assess::lock_of(target, settings)?.unwrap_or_default();
    if freehold_vault::canonical(&own) != freehold_vault::canonical(lock) {
        return Err(refuse("it is not what was certified: the lock differs".to_owned()).hint(again).into());
    }
    Ok(Some(certificate.sha256()))
}

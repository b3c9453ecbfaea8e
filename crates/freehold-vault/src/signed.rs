//! A signed JSON text: a body, the public key of who signed it, and the signature of the body's canonical bytes.
//!
//! Reads files from strangers: a size limit, no member twice, and nothing is believed before the signature is checked.

use std::fmt;

use data_encoding::BASE64;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::canonical::canonical;
use crate::digest::hex;
use crate::signing::{KeyError, PublicKey, SigningKey};

/// The largest signed text that is read: some hundred thousand cases.
pub const SIGNED_BYTES_MAX: usize = 64 << 20;

/// A text is not a signed one, or its signature does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignedError {
    /// The text is longer than any that is written here.
    #[error("{found} bytes are more than the {SIGNED_BYTES_MAX} that are read")]
    TooLarge {
        /// Its length.
        found: usize,
    },
    /// The text is no JSON, or has a member twice.
    #[error("not whole JSON")]
    Json(#[source] serde_json::Error),
    /// The text is JSON and lacks what makes it a signed one.
    #[error("no signed text: {missing} is missing or of another kind")]
    Member {
        /// What is missing.
        missing: &'static str,
    },
    /// The public key in it is none.
    #[error("the public key in it cannot be used")]
    Key(#[source] KeyError),
}

/// A signed JSON text, read and not believed yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    /// What was signed.
    pub body: Value,
    /// The key that is said to have signed it.
    pub public_key: PublicKey,
    signature: Vec<u8>,
}

impl Signed {
    /// Signs a body.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn seal(body: &Value, key: &SigningKey) -> Result<Self, KeyError> {
        let bytes = canonical(body);
        let signature = key.sign(bytes.as_bytes())?;
        // What a reader gets is what the bytes say, not the value that they were made of.
        let body = serde_json::from_str(&bytes).map_err(|_| KeyError::Crypto)?;
        Ok(Self { body, public_key: key.public(), signature })
    }

    /// Reads a signed text, however it is spaced.
    ///
    /// # Errors
    /// The text is too long, no JSON, has a member twice, or lacks the body, the key or the signature.
    pub fn read(bytes: &[u8]) -> Result<Self, SignedError> {
        if bytes.len() > SIGNED_BYTES_MAX {
            return Err(SignedError::TooLarge { found: bytes.len() });
        }
        let Unique(value) = serde_json::from_slice(bytes).map_err(SignedError::Json)?;
        let Value::Object(mut members) = value else { return Err(SignedError::Member { missing: "an object" }) };
        let text = |members: &Map<String, Value>, name| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let pem = text(&members, "public_key").ok_or(SignedError::Member { missing: "`public_key`" })?;
        let signature = text(&members, "signature").and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let signature = signature.ok_or(SignedError::Member { missing: "`signature`" })?;
        let body = members.remove("body").filter(Value::is_object);
        let body = body.ok_or(SignedError::Member { missing: "`body`" })?;
        let public_key = PublicKey::from_pem(&pem).map_err(SignedError::Key)?;
        Ok(Self { body, public_key, signature })
    }

    /// Returns the text: JSON of three members in three lines, the first with the bytes that are signed.
    pub fn text(&self) -> String {
        format!(
            "{{\n\"body\":{},\n\"public_key\":{},\n\"signature\":{}\n}}\n",
            canonical(&self.body),
            json!(self.public_key.pem()),
            json!(BASE64.encode(&self.signature))
        )
    }

    /// Returns whether the signature is that of the body by the key in it; who holds the key is another question.
    pub fn holds(&self) -> bool {
        self.public_key.verifies(canonical(&self.body).as_bytes(), &self.signature)
    }

    /// Returns the SHA-256 of the signed bytes in hexadecimal, by which the text is named.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(canonical(&self.body)))
    }
}

/// A JSON value in which no object has a member twice: of two, one reader would believe the first and one the last.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OnlyUnique.deserialize(deserializer).map(Unique)
    }
}

struct OnlyUnique;

impl<'de> DeserializeSeed<'de> for OnlyUnique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OnlyUnique {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(OnlyUnique)? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let member = members.next_value_seed(OnlyUnique)?;
            if object.insert(name.clone(), member).is_some() {
                return Err(de::Error::custom(format_args!("the member {name:?} stands there twice")));
            }
        }
        Ok(object.into())
    }
}

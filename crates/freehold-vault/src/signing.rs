//! A home's signing key: ECDSA on P-256 with SHA-256, in the PEM forms and the DER signatures that `openssl` reads.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use sha2::{Digest, Sha256};

use crate::digest::hex;

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
const OWNER_ONLY: u32 = 0o600;
/// A key file is a few hundred bytes; more than this is something else.
const FILE_BYTES_MAX: u64 = 16 << 10;
/// What stands before an uncompressed point of P-256 in a `SubjectPublicKeyInfo` (RFC 5480).
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT_BYTES: usize = 65;

/// A key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("cannot use the signing key {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("others may read the signing key {}: its rights are {rights:o}, not 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The rights found.
        rights: u32,
    },
    /// The text is not the PEM of such a key.
    #[error("{what} is not a P-256 key in PEM")]
    Malformed {
        /// What was read.
        what: String,
    },
    /// The system has no randomness, or refused to make or use a key.
    #[error("the system cannot make or use a signing key")]
    Crypto,
}

/// Signs; its secret stays in one file that only its owner may read.
#[derive(Debug)]
pub struct SigningKey {
    pair: EcdsaKeyPair,
}

/// Verifies what the key of one home has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; POINT_BYTES],
}

impl SigningKey {
    /// Reads the key at `path`, or makes one there on first use; a file that is there is never written to.
    ///
    /// # Errors
    /// The file cannot be read or made, others may read it, or it holds no key.
    pub fn open_or_make(path: &Path) -> Result<Self, KeyError> {
        match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path) {
            Ok(file) => Self::make(path, file),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::open(path),
            Err(source) => Err(KeyError::File { path: path.to_owned(), source }),
        }
    }

    /// Reads the key at `path`.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it holds no key.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let fail = |source| KeyError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        let rights = file.metadata().map_err(fail)?.permissions().mode() & 0o777;
        if rights & 0o077 != 0 {
            return Err(KeyError::Open { path: path.to_owned(), rights });
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(fail)?;
        let malformed = || KeyError::Malformed { what: path.display().to_string() };
        let der = from_pem(PRIVATE, &text).ok_or_else(malformed)?;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &random).map_err(|_| malformed())?;
        Ok(Self { pair })
    }

    fn make(path: &Path, mut file: File) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random);
        let der = made.map_err(|_| KeyError::Crypto)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_ref(), &random);
        let written = file
            .set_permissions(Permissions::from_mode(OWNER_ONLY))
            .and_then(|()| file.write_all(to_pem(PRIVATE, der.as_ref()).as_bytes()))
            .and_then(|()| file.sync_all());
        if let Err(source) = written {
            // Half a key would stand in the way of every later start; where it cannot go either, the start says what it is.
            std::fs::remove_file(path).ok();
            return Err(KeyError::File { path: path.to_owned(), source });
        }
        Ok(Self { pair: pair.map_err(|_| KeyError::Crypto)? })
    }

    /// Returns the signature of `bytes`, in DER.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signed = self.pair.sign(&SystemRandom::new(), bytes);
        signed.map(|signature| signature.as_ref().to_vec()).map_err(|_| KeyError::Crypto)
    }

    /// Returns the key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        let point = self.pair.public_key().as_ref().try_into().expect("a point of P-256 has 65 bytes");
        PublicKey { point }
    }
}

impl PublicKey {
    /// Reads the key's PEM.
    ///
    /// # Errors
    /// It is not the PEM of a P-256 key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = from_pem(PUBLIC, text);
        let point = der.as_deref().and_then(|der| der.strip_prefix(&SPKI_HEAD)).and_then(|point| point.try_into().ok());
        point.map(|point| Self { point }).ok_or_else(|| KeyError::Malformed { what: "the public key".to_owned() })
    }

    /// Returns the key as PEM.
    pub fn pem(&self) -> String {
        to_pem(PUBLIC, &[&SPKI_HEAD[..], &self.point].concat())
    }

    /// Returns the SHA-256 of the key in hexadecimal, by which people compare keys.
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest([&SPKI_HEAD[..], &self.point].concat()))
    }

    /// Returns whether `signature`, in DER, is this key's of `bytes`.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point).verify(bytes, signature).is_ok()
    }
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let encoded = BASE64.encode(der);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn from_pem(label: &str, text: &str) -> Option<Vec<u8>> {
    let inner = text.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let inner = inner.strip_suffix(&format!("-----END {label}-----"))?;
    BASE64.decode(inner.split_whitespace().collect::<String>().as_bytes()).ok()
}

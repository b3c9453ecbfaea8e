//! Speaks TLS to callers: the certificate from two files, read again when they change.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where the certificate and its key lie, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those that vouch for it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing, or holds nothing of the kind.
    #[error("could not read {what} from {}: {found}", path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// The two do not belong together, or are of a kind that is not spoken.
    #[error("the certificate {} cannot be used with its key: {source}", path.display())]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
}

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Identity {
    files: TlsFiles,
    alpn: Vec<Vec<u8>>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    config: Arc<ServerConfig>,
    marks: Option<Marks>,
}

/// What tells a file from the one that was there before.
type Marks = [(SystemTime, u64); 2];

impl Identity {
    /// Reads the certificate; `alpn` names the protocols on offer, preferred ones first.
    pub(crate) fn read(files: &TlsFiles, alpn: &[&str]) -> Result<Self, Error> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let marks = marks(files);
        let held = Held { config: load(files, &alpn)?, marks };
        Ok(Identity { files: files.clone(), alpn, held: Mutex::new(held) })
    }

    /// Returns the configuration for the next handshake, read anew where a file has changed.
    ///
    /// Two looks at the disk cost little beside a handshake. Files that cannot be used leave the certificate as it is.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let found = marks(&self.files);
        if found.is_some() && found != held.marks {
            held.marks = found;
            match load(&self.files, &self.alpn) {
                Ok(config) => {
                    held.config = config;
                    tracing::info!("took up the changed certificate");
                }
                Err(error) => tracing::warn!(%error, "the changed certificate cannot be used; the old one stays"),
            }
        }
        Arc::clone(&held.config)
    }
}

fn load(files: &TlsFiles, alpn: &[Vec<u8>]) -> Result<Arc<ServerConfig>, Error> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |error: rustls::pki_types::pem::Error| Error::File { what, path, found: error.to_string() }
    };
    let certs = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certs = certs.map_err(failed("the certificate", &files.cert))?;
    if certs.is_empty() {
        let found = "it holds none".to_owned();
        return Err(Error::File { what: "the certificate", path: files.cert.clone(), found });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed("the private key", &files.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let pair = builder.and_then(|builder| builder.with_no_client_auth().with_single_cert(certs, key));
    let mut config = pair.map_err(|source| Error::Pair { path: files.cert.clone(), source })?;
    config.alpn_protocols = alpn.to_vec();
    Ok(Arc::new(config))
}

fn marks(files: &TlsFiles) -> Option<Marks> {
    let of = |path: &Path| {
        let found: Metadata = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    Some([of(&files.cert)?, of(&files.key)?])
}

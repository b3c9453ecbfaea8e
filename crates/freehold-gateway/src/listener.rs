//! Where callers connect: plain and TLS sockets, and a Unix socket that only its owner may open.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::GatewayConfig;
use crate::error::Error;
use crate::tls::Identity;

/// A place to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An address, without encryption.
    Plain(SocketAddr),
    /// An address, with TLS.
    Tls(SocketAddr),
    /// A Unix socket, which only its owner may open.
    Unix(PathBuf),
}

impl Listen {
    /// Returns the address, where it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Listen::Plain(address) | Listen::Tls(address) => Some(*address),
            Listen::Unix(_) => None,
        }
    }

    /// Returns whether others than the users of this machine can reach it.
    pub fn is_reachable(&self) -> bool {
        self.address().is_some_and(|address| !address.ip().is_loopback())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Plain(address) => write!(f, "http://{address}"),
            Listen::Tls(address) => write!(f, "https://{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A place that is listened on.
pub(crate) struct Listener {
    inner: Inner,
    /// What it is, with the port that was given.
    pub place: Listen,
}

enum Inner {
    Plain(TcpListener),
    Tls(TcpListener, Arc<Identity>),
    Unix(UnixListener, SocketFile),
}

/// A connection that was accepted.
pub(crate) enum Accepted {
    Plain(TcpStream),
    Tls(TcpStream, Arc<Identity>),
    Unix(UnixStream),
}

/// Listens on every place of the configuration.
pub(crate) async fn bind(config: &GatewayConfig) -> Result<Vec<Listener>, Error> {
    let alpn: &[&str] = if config.http2 { &["h2", "http/1.1"] } else { &["http/1.1"] };
    let identity = match &config.tls {
        Some(files) => Some(Arc::new(Identity::read(files, alpn)?)),
        None => None,
    };
    let mut listeners = Vec::with_capacity(config.listen.len());
    for place in &config.listen {
        let failed = |source| Error::Bind { place: place.clone(), source };
        let inner = match place {
            Listen::Plain(address) => Inner::Plain(TcpListener::bind(address).await.map_err(failed)?),
            Listen::Tls(address) => {
                let identity =
                    identity.clone().ok_or_else(|| failed(io::Error::other("no certificate is configured")))?;
                Inner::Tls(TcpListener::bind(address).await.map_err(failed)?, identity)
            }
            Listen::Unix(path) => {
                let (listener, file) = bind_unix(path).map_err(failed)?;
                Inner::Unix(listener, file)
            }
        };
        let place = inner.place().map_err(failed)?;
        listeners.push(Listener { inner, place });
    }
    Ok(listeners)
}

impl Listener {
    /// Waits for a connection. Dropping the future loses none.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match &self.inner {
            Inner::Plain(listener) => Ok(Accepted::Plain(prompt(listener.accept().await?.0))),
            Inner::Tls(listener, identity) => {
                Ok(Accepted::Tls(prompt(listener.accept().await?.0), Arc::clone(identity)))
            }
            Inner::Unix(listener, _) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

impl Inner {
    fn place(&self) -> io::Result<Listen> {
        Ok(match self {
            Inner::Plain(listener) => Listen::Plain(listener.local_addr()?),
            Inner::Tls(listener, _) => Listen::Tls(listener.local_addr()?),
            Inner::Unix(_, file) => Listen::Unix(file.path.clone()),
        })
    }
}

/// Without this every answer on a kept-alive connection may wait 40 ms for a delayed acknowledgement.
fn prompt(socket: TcpStream) -> TcpStream {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "could not switch off Nagle's algorithm");
    }
    socket
}

/// The file of a Unix socket, removed at the end unless another has taken its place.
struct SocketFile {
    path: PathBuf,
    inode: Option<u64>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.inode.is_some() && inode(&self.path) == self.inode && std::fs::remove_file(&self.path).is_err() {
            tracing::debug!(path = %self.path.display(), "could not remove the socket");
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|found| found.ino())
}

/// Listens on a Unix socket. It is made in a folder of its own that nobody else may enter, and moved to its place when only its
/// owner may open it, so that there is no moment at which others can.
fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    static MADE: AtomicU64 = AtomicU64::new(0);
    clear_stale(path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = parent.join(format!(".fh{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let made = folder.join("s");
    let bound = UnixListener::bind(&made).and_then(|listener| {
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&made, path)?;
        Ok(listener)
    });
    std::fs::remove_dir_all(&folder)?;
    Ok((bound?, SocketFile { path: path.to_owned(), inode: inode(path) }))
}

/// Removes the socket of a gateway that is gone; refuses to touch anything else.
fn clear_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket lies there"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}

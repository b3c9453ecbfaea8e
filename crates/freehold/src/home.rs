//! Where the state and the configuration of one installation lie.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use freehold_gateway::Listen;
use freehold_store::{Limits, Store};
use serde::{Deserialize, Serialize};

use crate::config::{Layers, Settings};
use crate::exit::Fault;
use crate::keeping;

/// The flags that say where state and configuration lie.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The folder of all state [default: the platform's data folder]
    #[arg(long, global = true, env = "FREEHOLD_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// The configuration file [default: ./freehold.toml, else freehold.toml in the home]
    #[arg(long, global = true, env = "FREEHOLD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Place {
    /// Returns the home folder, created for its owner alone when it is missing.
    ///
    /// # Errors
    /// No folder is named and the platform names none, or it cannot be created.
    pub fn home(&self) -> Result<PathBuf, Fault> {
        let home = match &self.home {
            Some(home) => home.clone(),
            None => platform_folder().ok_or_else(|| {
                Fault::input("no home for the state is known").hint("give --home DIR or set FREEHOLD_HOME")
            })?,
        };
        freehold_store::make_home(&home).map_err(|error| {
            let hint = error.hint().unwrap_or_default();
            Fault::input(format!("cannot use the home {}", home.display())).because(error).hint(hint)
        })?;
        Ok(home)
    }

    /// Returns the configuration, before flags: defaults, file, environment.
    ///
    /// # Errors
    /// The named file is missing or wrong.
    pub fn layers(&self) -> Result<Layers, Fault> {
        let mut layers = Layers::defaults(Path::new("."));
        if let Some(file) = self.config_file() {
            layers.file(&file)?;
        }
        layers.environment(std::env::vars());
        Ok(layers)
    }

    /// Returns the checked settings.
    ///
    /// # Errors
    /// The configuration is wrong.
    pub fn settings(&self) -> Result<Settings, Fault> {
        self.layers()?.settings(&|name| std::env::var(name).ok())
    }

    /// Returns the configuration file that is read, where there is one.
    pub fn config_file(&self) -> Option<PathBuf> {
        if let Some(file) = &self.config {
            return Some(file.clone());
        }
        let beside = PathBuf::from("freehold.toml");
        let at_home = self.home.clone().or_else(platform_folder).map(|home| home.join("freehold.toml"));
        [Some(beside), at_home].into_iter().flatten().find(|file| file.exists())
    }

    /// Returns whether there is a store to open; makes nothing.
    pub fn has_store(&self) -> bool {
        self.home.clone().or_else(platform_folder).is_some_and(|home| home.join("freehold.db").exists())
    }

    /// Opens the store.
    ///
    /// # Errors
    /// The home or the store cannot be used.
    pub fn store(&self) -> anyhow::Result<Store> {
        let key = self.layers()?.text("record", "encrypt_key", &|name| std::env::var(name).ok())?;
        let seal = keeping::seal(&key.unwrap_or_default())?;
        Ok(Store::open_sealed(&self.home()?, Limits::default(), seal)?)
    }
}

/// Returns the file of the key that a home signs with.
pub fn signing_key(home: &Path) -> PathBuf {
    home.join("signing-key.pem")
}

/// Returns the folder of the reports of dead workers.
pub fn crashes(home: &Path) -> PathBuf {
    home.join("crashes")
}

fn platform_folder() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let data = data.or_else(|| {
        let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
        home.map(|home| home.join(below))
    })?;
    Some(data.join("freehold"))
}

/// What a running gateway leaves in the home, so that other commands find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningGateway {
    /// Its process.
    pub pid: u32,
    /// The first address it listens on without encryption, where there is one.
    pub address: Option<SocketAddr>,
    /// The Unix socket it listens on, where there is one.
    pub unix_socket: Option<PathBuf>,
}

impl RunningGateway {
    /// Describes the gateway of this process.
    pub fn new(listening: &[Listen]) -> Self {
        let address = listening.iter().find_map(|place| match place {
            Listen::Plain(address) => Some(reachable(*address)),
            Listen::Tls(_) | Listen::Unix(_) => None,
        });
        let unix_socket = listening.iter().find_map(|place| match place {
            Listen::Unix(path) => Some(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            Listen::Plain(_) | Listen::Tls(_) => None,
        });
        RunningGateway { pid: std::process::id(), address, unix_socket }
    }

    /// Returns the file's path.
    pub fn file(home: &Path) -> PathBuf {
        home.join("gateway.json")
    }

    /// Returns what a gateway left, where one did; it may have died since.
    pub fn read(home: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::file(home)).ok()?).ok()
    }

    /// Leaves word of this gateway.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, home: &Path) -> Result<(), Fault> {
        let text = serde_json::to_vec(self).expect("a process id and an address are JSON");
        std::fs::write(Self::file(home), text)
            .map_err(|error| Fault::input(format!("cannot write {}", Self::file(home).display())).because(error))
    }
}

/// Returns where this machine reaches an address: the unspecified one stands for all, loopback among them.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

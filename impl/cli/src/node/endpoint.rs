//! Where a node is asked how it is: a TCP address, or a Unix socket of its owner's.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use razor_tokio::BoxStream;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::failure::{Failure, Result};

/// Where a node is asked how it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Endpoint {
    /// `host:port`.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Endpoint {
    /// That of the node whose folder this is, unless it is told otherwise.
    pub(super) fn of(dir: &Path) -> Self {
        Self::Unix(dir.join("node.sock"))
    }

    /// Connects to a node.
    pub(super) async fn connect(&self) -> io::Result<BoxStream> {
        match self {
            Self::Tcp(address) => Ok(Box::new(TcpStream::connect(address).await?)),
            #[cfg(unix)]
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Takes the place; a socket that a dead node left behind makes way.
    pub(super) async fn listen(&self) -> Result<Listener> {
        match self {
            Self::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(|e| self.refused(&e))?;
                Ok(Listener::Tcp(listener))
            }
            #[cfg(unix)]
            Self::Unix(path) => self.listen_unix(path),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(Failure::usage("there are no Unix sockets here; choose --status HOST:PORT")),
        }
    }

    #[cfg(unix)]
    fn listen_unix(&self, path: &Path) -> Result<Listener> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(folder).map_err(|e| Failure::file("make the folder", folder, &e))?;
        // Whoever holds the lock is alive, so the socket of whoever does not may go.
        let lock = path.with_added_extension("lock");
        let file = std::fs::File::create(&lock).map_err(|e| Failure::file("lock", &lock, &e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Failure::failed(format!(
                    "a node is running at {} already; see it with `razor node show`, or choose another folder with --dir or another endpoint with --status",
                    path.display()
                )));
            }
            Err(std::fs::TryLockError::Error(e)) => return Err(Failure::file("lock", &lock, &e)),
        }
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Failure::file("replace", path, &e)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(|e| self.refused(&e))?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, private).map_err(|e| Failure::file("protect", path, &e))?;
        Ok(Listener::Unix(listener, Place { path: path.to_owned(), _lock: file }))
    }

    fn refused(&self, error: &io::Error) -> Failure {
        Failure::failed(format!("could not listen at {self}: {error}; choose another endpoint with --status"))
    }
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("give the path of a socket after unix:"),
            Some(path) => Ok(Self::Unix(path.into())),
            None if text.contains(':') => Ok(Self::Tcp(text.into())),
            None => Err("give HOST:PORT or unix:PATH"),
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A place that was taken.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, Place),
}

impl Listener {
    /// Where it is, as `--status` takes it.
    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            // It was bound, so it has an address.
            Self::Tcp(listener) => Endpoint::Tcp(listener.local_addr().map(|at| at.to_string()).unwrap_or_default()),
            #[cfg(unix)]
            Self::Unix(_, place) => Endpoint::Unix(place.path.clone()),
        }
    }

    /// The next one who asks.
    pub(super) async fn accept(&self) -> io::Result<BoxStream> {
        match self {
            Self::Tcp(listener) => Ok(Box::new(listener.accept().await?.0)),
            #[cfg(unix)]
            Self::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// A socket in the file system, and the lock that says that it is in use.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    _lock: std::fs::File,
}

#[cfg(unix)]
impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

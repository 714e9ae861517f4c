//! What can go wrong with a running node.

use std::fmt;
use std::io;

use razor::error::Blame;
use razor::routing::Address;

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A rule of the protocol was not met, or a policy said no.
    Protocol {
        /// The rule and whose fault it is.
        error: razor::Error,
        /// The address that it is about, where there is one.
        address: Option<Address>,
    },
    /// The operating system refused something.
    Io {
        /// What was to be done, in words: "connect to 10.0.0.1:4000".
        what: String,
        /// Why it was refused.
        error: io::Error,
    },
    /// Something that is kept on disk is not what it should be.
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No identity of this name is kept.
    NoIdentity {
        /// The name.
        name: String,
        /// The folder that was looked into.
        dir: std::path::PathBuf,
    },
    /// An identity of this name is kept already.
    IdentityExists {
        /// The name.
        name: String,
    },
    /// This cannot be the name of something that is kept: up to 64 letters, digits, hyphens and underscores can.
    Name(String),
    /// The node has been shut down.
    Stopped,
    /// Nothing came within the time that was given.
    Timeout,
    /// A worker's own error.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A worker's own error, which the node logs when a message was not handled.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    pub(crate) fn at(error: razor::Error, address: &Address) -> Self {
        Self::Protocol { error, address: Some(address.clone()) }
    }

    pub(crate) fn io(what: impl Into<String>, error: io::Error) -> Self {
        Self::Io { what: what.into(), error }
    }

    /// Whose fault it is, when the protocol says so.
    pub fn blame(&self) -> Option<Blame> {
        match self {
            Self::Protocol { error, .. } => Some(error.blame()),
            _ => None,
        }
    }

    /// The requirement of the specification that was not met (`"CHN-10"`).
    pub fn requirement(&self) -> Option<&'static str> {
        match self {
            Self::Protocol { error, .. } => Some(error.requirement()),
            _ => None,
        }
    }

    /// The address that it is about.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Protocol { address, .. } => address.as_ref(),
            _ => None,
        }
    }
}

impl From<razor::Error> for Error {
    fn from(error: razor::Error) -> Self {
        Self::Protocol { error, address: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol { error, address: Some(address) } => write!(f, "{address}: {error}"),
            Self::Protocol { error, address: None } => write!(f, "{error}"),
            Self::Io { what, error } => write!(f, "cannot {what}: {error}"),
            Self::Damaged { path, why } => write!(f, "{} is damaged: {why}", path.display()),
            Self::NoIdentity { name, dir } => write!(f, "there is no identity `{name}` in {}", dir.display()),
            Self::IdentityExists { name } => write!(f, "there is an identity `{name}` already"),
            Self::Name(name) => {
                write!(f, "`{name}` cannot be a name: use up to 64 letters, digits, hyphens and underscores")
            }
            Self::Stopped => f.write_str("the node has been shut down"),
            Self::Timeout => f.write_str("nothing came in time"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Protocol { error, .. } => Some(error),
            Self::Io { error, .. } => Some(error),
            // It speaks for the worker's error, and so stands for it.
            Self::Other(error) => error.source(),
            _ => None,
        }
    }
}

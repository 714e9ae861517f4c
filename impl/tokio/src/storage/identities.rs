//! Identities on disk: one JSON file each, secrets included.
//!
//! ```json
//! { "version": 1, "identifier": "I…", "key": "ed25519", "secret": "64 hex digits", "change_history": "hex" }
//! ```

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use razor::identity::Identity;
use razor::vault::{SigningKind, SoftwareVault};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{Before, Storage, cannot_write, damaged, named, read, write};
use crate::error::{Error, Result};

const FOLDER: &str = "identities";

/// An identity with the secret of its latest key.
#[derive(Clone)]
pub struct Kept {
    /// The identity.
    pub identity: Identity,
    /// What kind of key its latest is.
    pub kind: SigningKind,
    /// The secret of that key.
    pub secret: Zeroizing<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    identifier: String,
    key: String,
    secret: String,
    change_history: String,
}

impl Drop for File {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Storage {
    /// Where the identity of this name is kept.
    ///
    /// # Errors
    /// [`Error::Name`] when it cannot be a name.
    pub fn identity_path(&self, name: &str) -> Result<PathBuf> {
        named(&self.dir.join(FOLDER), name)
    }

    /// Reads an identity and verifies it.
    ///
    /// # Errors
    /// [`Error::NoIdentity`] when there is none of this name, [`Error::Damaged`] when the file is not what
    /// was written.
    pub fn load_identity(&self, name: &str) -> Result<Kept> {
        let path = self.identity_path(name)?;
        let Some(text) = read(&path)? else {
            return Err(Error::NoIdentity { name: name.to_owned(), dir: self.dir.join(FOLDER) });
        };
        parse(&text).map_err(|why| damaged(&path, why))
    }

    /// Writes a new identity, all or nothing.
    ///
    /// # Errors
    /// [`Error::IdentityExists`] when there is one of this name.
    pub fn add_identity(&self, name: &str, kept: &Kept) -> Result<PathBuf> {
        self.save(name, kept, Before::Absent)
    }

    /// Writes an identity that is there already, all or nothing. Hold the [lock](Self::lock) from before it was
    /// read.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn replace_identity(&self, name: &str, kept: &Kept) -> Result<PathBuf> {
        self.save(name, kept, Before::Replaced)
    }

    fn save(&self, name: &str, kept: &Kept, before: Before) -> Result<PathBuf> {
        let path = self.identity_path(name)?;
        self.folder(FOLDER)?;
        let file = File {
            version: 1,
            identifier: kept.identity.identifier().to_string(),
            key: kind_name(kept.kind).into(),
            secret: hex::encode(&kept.secret[..]),
            change_history: hex::encode(kept.identity.export()),
        };
        let text = to_text(&path, &file)?;
        match write(&path, text.as_bytes(), before) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Error::IdentityExists { name: name.to_owned() }),
            written => written.map(|()| path.clone()).map_err(cannot_write(&path)),
        }
    }
}

/// JSON for people, with a newline at its end.
pub(super) fn to_text(path: &Path, value: &impl Serialize) -> Result<Zeroizing<String>> {
    let unfit = |e: serde_json::Error| damaged(path, e.to_string());
    let mut length = Length(1);
    serde_json::to_writer_pretty(&mut length, value).map_err(unfit)?;
    let mut text = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer_pretty(&mut *text, value).map_err(unfit)?;
    text.push(b'\n');
    String::from_utf8(std::mem::take(&mut *text)).map(Zeroizing::new).map_err(|e| damaged(path, e.to_string()))
}

/// How long a text is going to be: one that grew would leave its secret wherever it was.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0 += text.len();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn parse(text: &str) -> std::result::Result<Kept, String> {
    let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if file.version != 1 {
        return Err(format!("its version is {}, and this program knows version 1", file.version));
    }
    let kind = match file.key.as_str() {
        "ed25519" => SigningKind::Ed25519,
        "p256" => SigningKind::P256,
        other => return Err(format!("`{other}` is no kind of key")),
    };
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(file.secret.as_bytes(), &mut secret[..]).map_err(|_| "its secret is not 64 hex digits")?;
    let history = hex::decode(&file.change_history).map_err(|_| "its change history is not hex")?;
    let expected = file.identifier.parse().map_err(|e: razor::Error| e.to_string())?;
    let identity = Identity::import(&history, Some(&expected)).map_err(|e| e.to_string())?;
    let key = SoftwareVault::new().import_signing_key(kind, &secret).map_err(|e| e.to_string())?;
    if key != *identity.latest().key() {
        return Err("its secret is not that of its latest key".into());
    }
    Ok(Kept { identity, kind, secret })
}

/// The name of a kind of key.
pub const fn kind_name(kind: SigningKind) -> &'static str {
    match kind {
        SigningKind::Ed25519 => "ed25519",
        SigningKind::P256 => "p256",
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({})", self.identity.identifier())
    }
}

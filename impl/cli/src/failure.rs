//! Failures of the command: sentences that say what to do, and exit codes.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use razor_tokio::Error;

/// Why the command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    sentence: String,
    code: u8,
}

/// The result of a command.
pub(crate) type Result<T = ExitCode> = std::result::Result<T, Failure>;

impl Failure {
    /// The command was used wrongly (exit code 2).
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code: 2 }
    }

    /// What was to be checked does not hold, or what was to be done could not be (exit code 1).
    pub(crate) fn failed(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code: 1 }
    }

    /// The file could not be used.
    pub(crate) fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self::io(&format!("{verb} {}", path.display()), error)
    }

    /// The operating system refused something that is to be done with a file.
    fn io(what: &str, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
            io::ErrorKind::AlreadyExists => "choose another name",
            _ => "try again when this is solved",
        };
        Self::failed(format!("could not {what}: {error}; {advice}"))
    }

    /// Prints the sentence; gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("razor: {self}");
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    /// What a node, or what it keeps on disk, says is wrong; and what to do about it, where that does not depend on
    /// what the command was about to do.
    fn from(error: Error) -> Self {
        match &error {
            Error::Name(_) => Self::usage(error.to_string()),
            Error::NoIdentity { name, .. } => Self::failed(format!(
                "{error}; make one with `razor identity create {name}`, or choose another folder with --dir"
            )),
            Error::IdentityExists { name } => Self::failed(format!(
                "{error}; choose another name, or change its key with `razor identity rotate {name}`"
            )),
            Error::Damaged { .. } => Self::failed(format!("{error}; restore it from a copy")),
            Error::Io { what, error } => Self::io(what, error),
            _ => Self::failed(error.to_string()),
        }
    }
}

/// A word as a shell takes it: quoted where it has to be.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        assert_eq!(quoted("a/b-c_1.json"), "a/b-c_1.json");
        assert_eq!(quoted("my file.json"), "'my file.json'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}

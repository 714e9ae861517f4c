//! `razor identity verify`.

use std::process::ExitCode;

use clap::Args;
use razor::identity::{Comparison, Identifier, Identity, PurposeKey, PurposeKeyAttestation};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::{input, os};

/// Somebody's identity, to be verified.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The change history: hex, a file, or - for standard input
    history: String,
    /// Whose it has to be: I and 64 hex digits
    #[arg(long, value_name = "IDENTIFIER")]
    identifier: Option<String>,
    /// The history of the same identity that is known already: hex or a file
    #[arg(long, value_name = "HISTORY")]
    known: Option<String>,
    /// An attestation that it is said to have made: hex or a file
    #[arg(long, value_name = "ATTESTATION")]
    attestation: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result {
        let expected = self.expected()?;
        let identity = super::import(&self.history, expected.as_ref())?;
        let known = self.known.as_deref().map(|known| super::import(known, None)).transpose()?;
        let attests = self.attestation.as_deref().map(|text| attestation(text, &identity)).transpose()?;
        let comparison = known.map(|known| compare(&known, &identity)).transpose()?;
        if self.json {
            return super::show::print_json(&Verified {
                identity: super::show::Shown::of(&identity),
                comparison,
                attests,
            });
        }
        super::show::print(&identity, false)?;
        if let Some(attests) = attests {
            crate::outln!("attests     {attests}");
        }
        match comparison {
            Some(Compared::Equal) => crate::outln!("compared    it is equal to the known history"),
            Some(Compared::Newer) => crate::outln!("compared    it is newer than the known history: keep it instead"),
            None => crate::outln!("valid       every signature and every rule holds"),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn expected(&self) -> Result<Option<Identifier>> {
        let parse = |text: &String| {
            text.parse()
                .map_err(|e: razor::Error| Failure::usage(format!("--identifier is no identifier: {}", e.what())))
        };
        self.identifier.as_ref().map(parse).transpose()
    }
}

/// The JSON form of a verified identity and what was asked about it.
#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    identity: super::show::Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Compared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attests: Option<String>,
}

/// A comparison that is no failure.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Compared {
    Equal,
    Newer,
}

fn compare(known: &Identity, received: &Identity) -> Result<Compared> {
    match Identity::compare(known, received) {
        Comparison::Equal => Ok(Compared::Equal),
        Comparison::Newer => Ok(Compared::Newer),
        Comparison::Older => {
            Err(Failure::failed("the history is valid but older than the known one: keep the known one"))
        }
        Comparison::Conflict => Err(Failure::failed(
            "the history is valid but in conflict with the known one: it is another identity, or its owner shows \
             different histories to different people; trust neither before you know which",
        )),
    }
}

/// Verifies an attestation by `identity` now, and says of what it is.
fn attestation(text: &str, identity: &Identity) -> Result<String> {
    let bytes = input::file_or_argument(text)?;
    let attested = PurposeKeyAttestation::decode(&bytes)
        .and_then(|attestation| attestation.verify(identity, os::now()))
        .map_err(|e| {
            Failure::failed(format!(
                "the identity is valid, but the attestation is not: {e}; ask its owner for a new one"
            ))
        })?;
    Ok(match attested.key() {
        PurposeKey::SecureChannelStatic(key) => format!("X25519 key {} for secure channels", hex::encode(key.0)),
        PurposeKey::CredentialSigning(key) => {
            format!("{} key {} for signing credentials", super::key_kind(key), hex::encode(key.as_bytes()))
        }
    })
}

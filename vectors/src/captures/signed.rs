//! Attestations and credentials, taken apart without believing them: what a recording says beside them is about
//! their exact parts, whoever signed them.

use razor::Result;
use razor::wire::cbor::Reader;

use super::format::Times;

/// What an attestation says.
pub(super) struct Claim {
    /// What is signed.
    pub(super) signed: Vec<u8>,
    /// The kind of the attested key, by the name that it has in recordings.
    pub(super) purpose: &'static str,
    /// The attested key, if it is a static key of secure channels.
    pub(super) static_key: Option<[u8; 32]>,
    pub(super) times: Times,
}

/// The kinds of attested keys, by their numbers.
pub(super) const PURPOSES: [&str; 2] = ["SecureChannelStatic", "CredentialSigning"];

impl Claim {
    /// Takes an attestation apart.
    pub(super) fn of(attestation: &[u8]) -> Result<Self> {
        let signed = signed(&mut Reader::new(attestation))?;
        let mut data = Reader::new(data(signed)?);
        data.array()?;
        data.bytes(usize::MAX)?;
        data.bytes(usize::MAX)?;
        data.array()?;
        let number = data.uint()?;
        let purpose = usize::try_from(number).ok().and_then(|number| PURPOSES.get(number)).copied().unwrap_or_default();
        data.array()?;
        let static_key = if number == 0 { Some(data.array_bytes()?) } else { None };
        if number != 0 {
            data.skip()?;
        }
        let times = Times { created_at: data.uint()?, expires_at: data.uint()? };
        Ok(Self { signed: signed.to_vec(), purpose, static_key, times })
    }
}

/// What is signed in a credential that stands before its issuer's attestation.
pub(super) fn signed_of_credential(credential_and_attestation: &[u8]) -> Result<&[u8]> {
    let mut both = Reader::new(credential_and_attestation);
    both.array()?;
    signed(&mut both)
}

/// `[signed, signature]`
fn signed<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    reader.array()?;
    reader.bytes(usize::MAX)
}

/// `[version, type, data]`
fn data(signed: &[u8]) -> Result<&[u8]> {
    let mut envelope = Reader::new(signed);
    envelope.array()?;
    envelope.uint()?;
    envelope.uint()?;
    envelope.bytes(usize::MAX)
}

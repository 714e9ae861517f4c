//! Change histories, attestations, presentations, credentials: their structure, and what the core's
//! verification says of them.

use razor::identity::{Identity, Presentation, PresentationLimits, PresentedCredential, PurposeKeyAttestation};
use razor::wire::cbor::Reader;
use razor::{Error, Result};

use super::item::{Fault, Item};
use super::scribe::{Read, Scribe, Stop};

const IDENTITIES: Option<&str> = Some("Identities");
const PURPOSE_KEYS: Option<&str> = Some("Purpose keys");

/// A change history alone, verified.
pub(crate) fn history(bytes: &[u8], base: usize) -> Item {
    let item = Scribe::explain("identity", IDENTITIES, bytes, base, history_of);
    verdict(item, Identity::import(bytes, None), |identity| {
        format!("valid change history of {}", identity.identifier())
    })
}

/// An attestation alone. Whether it is true can only be said with its subject's history.
pub(crate) fn attestation(bytes: &[u8], base: usize) -> Item {
    let item = Scribe::explain("attestation", PURPOSE_KEYS, bytes, base, attestation_of);
    verdict(item, PurposeKeyAttestation::decode(bytes), |_| {
        "well formed; `razor identity verify HISTORY --attestation ATTESTATION` verifies it".into()
    })
}

/// A presentation alone. Its history is verified.
pub(crate) fn presentation(bytes: &[u8], base: usize) -> Item {
    let item = Scribe::explain("presentation", PURPOSE_KEYS, bytes, base, |s| {
        s.structure("identity and credentials", None, &[3], |s, _| {
            history_of(s)?;
            attestation_of(s)?;
            s.array("credentials", None, |s, count| (0..count).try_for_each(|_| credential_of(s)))
        })
    });
    verdict(item, Presentation::decode(bytes, &PresentationLimits::CEILING), |presentation| {
        format!("well formed, with a valid change history of {}", presentation.claimed_identity().identifier())
    })
}

/// A credential and its issuer's attestation alone. Only the structure is looked at.
pub(crate) fn credential(bytes: &[u8], base: usize) -> Item {
    let item = Scribe::explain("credential and attestation", PURPOSE_KEYS, bytes, base, credential_of);
    verdict(item, PresentedCredential::decode(bytes, PresentationLimits::CEILING.credential), |_| {
        "well formed; its signature is not verified here".into()
    })
}

/// What the core says of the whole, beside what was found field by field.
fn verdict<T>(mut item: Item, result: Result<T>, show: impl FnOnce(&T) -> String) -> Item {
    match result {
        Ok(value) => item.value = show(&value),
        Err(error) if item.first_fault().is_none() => item.fault = Some(Fault::new(item.offset, &error)),
        Err(_) => {}
    }
    item
}

/// A change history among other fields.
pub(crate) fn history_of(s: &mut Scribe<'_>) -> Read {
    s.array("change history", IDENTITIES, |s, count| (0..count).try_for_each(|_| change(s)))
}

fn change(s: &mut Scribe<'_>) -> Read {
    s.structure("change", None, &[2, 3], |s, count| {
        let signed = s.nested("signed data", None, |s| {
            envelope(s, "a change", 1, |s| {
                s.structure("change data", None, &[5], |s, _| {
                    s.field("previous change", optional_hash, hash)?;
                    key(s, "primary public key")?;
                    s.field("revoke all purpose keys", Reader::boolean, bool::to_string)?;
                    seconds(s, "attestations valid from")?;
                    seconds(s, "attestations valid until")
                })
            })
        })?;
        s.note_value(&format!("change hash {}", hex::encode(razor::vault::sha256(signed))));
        signature(s, "signature by this change's key")?;
        if count == 3 {
            signature(s, "signature by the previous change's key")?;
        }
        Ok(())
    })
}

/// An attestation among other fields.
pub(crate) fn attestation_of(s: &mut Scribe<'_>) -> Read {
    s.structure("purpose key attestation", PURPOSE_KEYS, &[2], |s, _| {
        s.nested("signed data", None, |s| {
            envelope(s, "an attestation", 2, |s| {
                s.structure("attestation data", None, &[5], |s, _| {
                    identifier(s, "subject")?;
                    s.array_bytes::<32>("subject's latest change")?;
                    purpose_key(s)?;
                    seconds(s, "created at")?;
                    seconds(s, "expires at")
                })
            })
        })?;
        signature(s, "signature by the subject's latest key")
    })
}

/// A credential with its attestation among other fields.
pub(crate) fn credential_of(s: &mut Scribe<'_>) -> Read {
    s.structure("credential and attestation", PURPOSE_KEYS, &[2], |s, _| {
        s.structure("credential", None, &[2], |s, _| {
            s.nested("signed data", None, |s| {
                envelope(s, "a credential", 3, |s| {
                    s.structure("credential data", None, &[5], |s, _| {
                        s.field("subject", optional_hash, |subject| match subject {
                            Some(subject) => format!("I{}", hex::encode(subject)),
                            None => "none".into(),
                        })?;
                        s.field("subject's latest change", optional_hash, hash)?;
                        s.structure("attributes", None, &[2], |s, _| {
                            s.uint("schema")?;
                            s.map("values", |s| {
                                s.bytes("key")?;
                                s.bytes("value").map(drop)
                            })
                        })?;
                        seconds(s, "created at")?;
                        seconds(s, "expires at")
                    })
                })
            })?;
            signature(s, "signature by the issuer's credential key")
        })?;
        attestation_of(s)
    })
}

/// `[version, type, data]`: `read` reads the data.
fn envelope<'a>(s: &mut Scribe<'a>, name: &str, tag: u64, read: impl FnOnce(&mut Scribe<'a>) -> Read) -> Read {
    const VERSION: [(u64, Error); 3] = [
        (1, Error::malformed("IDN-5", "signed data has an unknown version")),
        (2, Error::malformed("PUR-1", "signed data has an unknown version")),
        (3, Error::malformed("PUR-22", "signed data has an unknown version")),
    ];
    const TAG: [(u64, Error); 3] = [
        (1, Error::misbehaved("IDN-6", "something else that was signed stands for a change")),
        (2, Error::misbehaved("PUR-2", "something else that was signed stands for an attestation")),
        (3, Error::misbehaved("PUR-22", "something else that was signed stands for a credential")),
    ];
    let of = |errors: [(u64, Error); 3]| errors.into_iter().find(|(t, _)| *t == tag).map(|(_, error)| error);
    s.structure(&format!("versioned data of {name}"), None, &[3], |s, _| {
        if s.uint("version")? != 1
            && let Some(error) = of(VERSION)
        {
            s.fault(&error);
            return Err(Stop);
        }
        let found = s.uint("type")?;
        s.note_value(&match found {
            1 => "1 (change)".to_owned(),
            2 => "2 (attestation)".to_owned(),
            3 => "3 (credential)".to_owned(),
            other => format!("{other} (unknown)"),
        });
        if found != tag
            && let Some(error) = of(TAG)
        {
            s.fault(&error);
            return Err(Stop);
        }
        // Of a credential only the envelope is checked (PUR-22).
        if tag == 3 { s.nested_of_any_form("data", read) } else { s.nested("data", None, read) }.map(drop)
    })
}

fn purpose_key(s: &mut Scribe<'_>) -> Read {
    s.choice("public key", |s, index, _| match index {
        0 => {
            s.note_value("0 (static key of secure channels)");
            s.array_bytes::<32>("X25519 key").map(drop)
        }
        1 => {
            s.note_value("1 (key for signing credentials)");
            key(s, "verifying key")
        }
        _ => {
            s.fault(&Error::malformed("PUR-12", "a purpose key is of an unknown kind"));
            Err(Stop)
        }
    })
}

fn key(s: &mut Scribe<'_>, name: &str) -> Read {
    s.choice(name, |s, index, _| match index {
        0 => s.array_bytes::<32>("Ed25519 key").map(drop),
        1 => s.array_bytes::<65>("P-256 key").map(drop),
        _ => unknown_kind(s),
    })
}

fn signature(s: &mut Scribe<'_>, name: &str) -> Read {
    s.choice(name, |s, index, _| match index {
        0 => s.array_bytes::<64>("Ed25519 signature").map(drop),
        1 => s.array_bytes::<64>("P-256 signature").map(drop),
        _ => unknown_kind(s),
    })
}

fn unknown_kind(s: &mut Scribe<'_>) -> Read {
    s.fault(&Error::malformed("IDN-7", "a key or signature is of an unknown kind"));
    Err(Stop)
}

fn identifier(s: &mut Scribe<'_>, name: &str) -> Read {
    s.field(name, Reader::array_bytes::<32>, |bytes| format!("I{}", hex::encode(bytes))).map(drop)
}

fn optional_hash(reader: &mut Reader<'_>) -> Result<Option<[u8; 32]>> {
    if reader.null()? { Ok(None) } else { reader.array_bytes().map(Some) }
}

fn hash(hash: &Option<[u8; 32]>) -> String {
    hash.map_or("none".into(), hex::encode)
}

fn seconds(s: &mut Scribe<'_>, name: &str) -> Read {
    s.field(name, Reader::uint, |seconds| format!("{seconds} ({})", date(*seconds))).map(drop)
}

/// Seconds since 1970 as a date and a time of the Gregorian calendar, UTC.
pub(crate) fn date(seconds: u64) -> String {
    let Ok(days) = i64::try_from(seconds / 86_400) else { return "beyond any calendar".into() };
    if days > 365_000_000 {
        return "beyond any calendar".into();
    }
    // Days since 1 March of the year 0, in cycles of 400 years.
    let shifted = days + 719_468;
    let cycle = shifted.div_euclid(146_097);
    let day = shifted.rem_euclid(146_097);
    let year_of_cycle = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

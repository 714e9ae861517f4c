//! Handshake messages, channel messages and their plaintexts.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};
use razor::Error;

use super::item::Item;
use super::kind::Keys;
use super::scribe::{Read, Scribe, Stop};
use super::{identity, message as routing};

/// The chapter.
pub(crate) const CHANNELS: Option<&str> = Some("Secure channels");
const NOISE: Option<&str> = Some("Noise profiles");

const TAG: usize = 16;

/// `e || payload`.
pub(crate) fn handshake_1(bytes: &[u8], base: usize) -> Item {
    Scribe::explain("handshake message 1", NOISE, bytes, base, |s| {
        s.raw("ephemeral public key of the initiator", 32)?;
        let rest = s.rest().len();
        s.raw("payload, not encrypted", rest).map(drop)
    })
}

/// `e || encrypted s || encrypted payload`.
pub(crate) fn handshake_2(bytes: &[u8], base: usize) -> Item {
    Scribe::explain("handshake message 2", NOISE, bytes, base, |s| {
        s.raw("ephemeral public key of the responder", 32)?;
        s.raw("static public key of the responder, encrypted", 32)?;
        s.raw("tag", TAG)?;
        sealed(s, "identity, attestation and credentials of the responder, encrypted")
    })
}

/// `encrypted s || encrypted payload`.
pub(crate) fn handshake_3(bytes: &[u8], base: usize) -> Item {
    Scribe::explain("handshake message 3", NOISE, bytes, base, |s| {
        s.raw("static public key of the initiator, encrypted", 32)?;
        s.raw("tag", TAG)?;
        sealed(s, "identity, attestation and credentials of the initiator, encrypted")
    })
}

fn sealed(s: &mut Scribe<'_>, name: &str) -> Read {
    s.raw(name, s.rest().len().saturating_sub(TAG))?;
    s.raw("tag", TAG).map(drop)
}

/// `nonce || ciphertext || tag`.
pub(crate) fn message(bytes: &[u8], base: usize, keys: &Keys) -> Item {
    Scribe::explain("channel message", CHANNELS, bytes, base, |s| {
        let nonce = s.raw("nonce", 8)?;
        let number = nonce.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        s.note_value(&format!("{number} (message {} of rekeying interval {})", number % 32, number / 32));
        let sealed_bytes = s.rest();
        sealed(s, "ciphertext")?;
        let Some(key) = &keys.channel else { return Ok(()) };
        match open(key, number, sealed_bytes) {
            Some(plain) => {
                let mut item = plaintext(&plain, 0);
                item.name = "decrypted plaintext, offsets from its beginning".into();
                item.mark_decrypted();
                s.add(item);
                Ok(())
            }
            None => {
                s.fault(&Error::misbehaved("CHN-37", "the key does not authenticate this message"));
                Err(Stop)
            }
        }
    })
}

/// Decrypts with AES-GCM under the 12-byte nonce `0000 || number`.
fn open(key: &[u8], number: u64, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    let (ciphertext, tag) = sealed.split_last_chunk::<TAG>()?;
    let mut bytes = ciphertext.to_vec();
    let buffer = bytes.as_mut_slice().into();
    let opened = match key.len() {
        32 => Aes256Gcm::new_from_slice(key).ok()?.decrypt_inout_detached(&nonce.into(), &[], buffer, &(*tag).into()),
        _ => Aes128Gcm::new_from_slice(key).ok()?.decrypt_inout_detached(&nonce.into(), &[], buffer, &(*tag).into()),
    };
    opened.ok().map(|()| bytes)
}

/// `[message, padding]`.
pub(crate) fn plaintext(bytes: &[u8], base: usize) -> Item {
    Scribe::explain("channel plaintext", CHANNELS, bytes, base, |s| {
        s.structure("padded message", None, &[2], |s, _| {
            s.choice("message", |s, index, fields| match (index, fields) {
                (0, 1) => {
                    s.note_value("0 (Payload)");
                    routing::routed(s)
                }
                (1, 1) => {
                    s.note_value("1 (RefreshCredentials)");
                    s.structure("refresh", None, &[2], |s, _| {
                        identity::history_of(s)?;
                        s.array("credentials", None, |s, count| (0..count).try_for_each(|_| identity::credential_of(s)))
                    })
                }
                (2, 0) => {
                    s.note_value("2 (Close)");
                    Ok(())
                }
                _ => {
                    s.fault(&Error::malformed("CHN-40", "a plaintext is none of the messages of a channel"));
                    Err(Stop)
                }
            })?;
            s.bytes("padding").map(drop)
        })
    })
}

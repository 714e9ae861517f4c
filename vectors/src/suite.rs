//! The list of everything that can be checked.

use crate::report::{Options, Progress, Row};
use crate::{captures, noise, own, published, wycheproof};

/// Data of one source that is checked together.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Who made the data: `noise`, `wycheproof`, `ockam`, `razor`, `live`.
    pub source: &'static str,
    /// Which of their data; unique within the source.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    pub(crate) check: fn(&Options, &mut dyn FnMut(Progress)) -> Vec<Row>,
}

impl Section {
    /// Checks everything in the section, calling `progress` after each case.
    pub fn run(&self, options: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
        (self.check)(options, progress)
    }

    /// Whether `selector` selects this section: `source`, `name`, or `source/name`.
    pub fn selected_by(&self, selector: &str) -> bool {
        match selector.split_once('/') {
            Some((source, name)) => source == self.source && name == self.name,
            None => selector == self.source || selector == self.name,
        }
    }
}

/// All sections, in the order of the report.
pub fn sections() -> &'static [Section] {
    &[
        Section {
            source: "noise",
            name: "cacophony",
            about: "XX with both suites that have a name in the standard",
            check: noise::cacophony,
        },
        Section { source: "noise", name: "snow", about: "the same of the crate snow", check: noise::snow },
        Section {
            source: "wycheproof",
            name: "x25519",
            about: "Diffie-Hellman, all-zero results refused",
            check: wycheproof::x25519,
        },
        Section {
            source: "wycheproof",
            name: "ed25519",
            about: "strict verification of signatures",
            check: wycheproof::ed25519,
        },
        Section {
            source: "wycheproof",
            name: "ecdsa-p256",
            about: "verification of signatures, a high S accepted",
            check: wycheproof::ecdsa_p256,
        },
        Section {
            source: "wycheproof",
            name: "aes-gcm",
            about: "encryption with keys of 16 and 32 bytes",
            check: wycheproof::aes_gcm,
        },
        Section {
            source: "wycheproof",
            name: "chacha20-poly1305",
            about: "encryption of the third suite",
            check: wycheproof::chacha20_poly1305,
        },
        Section {
            source: "wycheproof",
            name: "hkdf-sha256",
            about: "key derivation as Noise does it",
            check: wycheproof::hkdf_sha256,
        },
        Section {
            source: "ockam",
            name: "published",
            about: "what production's projects publish, and what was derived from them",
            check: published::section,
        },
        Section {
            source: "ockam",
            name: "captures",
            about: "sessions recorded from production, replayed in both roles",
            check: captures::embedded,
        },
        Section {
            source: "razor",
            name: "codecs",
            about: "CBOR and BARE at every edge",
            check: |options, progress| own::layer("codecs", options, progress),
        },
        Section {
            source: "razor",
            name: "routing",
            about: "addresses and routes at their limits",
            check: |options, progress| own::layer("routing", options, progress),
        },
        Section {
            source: "razor",
            name: "tcp",
            about: "frames, and what a connection makes of its peer's bytes",
            check: |options, progress| own::layer("tcp", options, progress),
        },
        Section {
            source: "razor",
            name: "serial",
            about: "frames on a serial line, and what is left of them after noise",
            check: |options, progress| own::layer("serial", options, progress),
        },
        Section {
            source: "razor",
            name: "noise",
            about: "handshakes with every intermediate value, right and wrong",
            check: |options, progress| own::layer("noise", options, progress),
        },
        Section {
            source: "razor",
            name: "identities",
            about: "change histories, right and wrong",
            check: |options, progress| own::layer("identities", options, progress),
        },
        Section {
            source: "razor",
            name: "purpose-keys",
            about: "attestations and presentations, right and wrong",
            check: |options, progress| own::layer("purpose-keys", options, progress),
        },
        Section {
            source: "razor",
            name: "channels",
            about: "handshakes, renewal of keys, replays and forgeries, plaintexts",
            check: |options, progress| own::layer("channels", options, progress),
        },
        Section {
            source: "razor",
            name: "sessions",
            about: "pings, death and resurrection",
            check: |options, progress| own::layer("sessions", options, progress),
        },
        Section {
            source: "live",
            name: "snow",
            about: "sessions with another implementation, in both roles",
            check: noise::live,
        },
    ]
}

//! How large the things of this chapter may be. Spec: "Limits".

/// How large a change history may be. Of each limit the spec names three numbers: what every receiver
/// accepts ([`FLOOR`](Self::FLOOR)), what anyone may send ([`CEILING`](Self::CEILING)), and what is
/// configured unless the owner says otherwise ([`DEFAULT`](Self::DEFAULT)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// The most changes.
    pub changes: u16,
    /// The most bytes of the encoded history.
    pub bytes: usize,
}

impl HistoryLimits {
    /// What every receiver accepts.
    pub const FLOOR: Self = Self { changes: 16, bytes: 8192 };
    /// The most that anyone may send.
    pub const CEILING: Self = Self { changes: 128, bytes: 40_960 };
    /// What is configured unless the owner says otherwise.
    pub const DEFAULT: Self = Self { changes: 64, bytes: 24_576 };
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How much a handshake payload may hold besides a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresentationLimits {
    /// Of the history.
    pub history: HistoryLimits,
    /// The most credentials.
    pub credentials: u16,
    /// The most bytes of one encoded credential with its attestation.
    pub credential: usize,
}

impl PresentationLimits {
    /// What every receiver accepts.
    pub const FLOOR: Self = Self { history: HistoryLimits::FLOOR, credentials: 1, credential: 2048 };
    /// The most that anyone may send.
    pub const CEILING: Self = Self { history: HistoryLimits::CEILING, credentials: 16, credential: 16_384 };
    /// What is configured unless the owner says otherwise.
    pub const DEFAULT: Self = Self { history: HistoryLimits::DEFAULT, credentials: 4, credential: 8192 };
}

impl PresentationLimits {
    /// The most bytes of a history and credentials together.
    pub fn total(&self) -> usize {
        self.history.bytes.saturating_add(self.credential.saturating_mul(self.credentials.into()))
    }
}

impl Default for PresentationLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The most bytes of a change's signed data: a key of 65 bytes and a hash need 128.
pub(super) const CHANGE_MAX: usize = 256;

/// The most bytes of an encoded attestation: with P-256 everywhere it needs 266.
pub(super) const ATTESTATION_MAX: usize = 512;

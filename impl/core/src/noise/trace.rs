//! The intermediate values of a handshake, for vectors.

use alloc::vec::Vec;

use crate::vault::Key;

/// A point of the handshake after which its values are worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The protocol name stands in the hash.
    Name,
    /// The prologue is mixed in.
    Prologue,
    /// An ephemeral key.
    E,
    /// A static key, encrypted.
    S,
    /// Diffie-Hellman of both ephemeral keys.
    Ee,
    /// Diffie-Hellman of the initiator's ephemeral and the responder's static key.
    Es,
    /// Diffie-Hellman of the initiator's static and the responder's ephemeral key.
    Se,
    /// The payload, the end of a message.
    Payload,
}

/// Sees the values of a handshake after every token. It travels with the states: a read that fails
/// leaves no trace.
///
/// `()` sees nothing; [`Steps`] keeps all. Secrets are among the values: traces are for tests and vectors.
pub trait Trace: Clone + Default {
    /// Takes a step.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

impl Trace for () {
    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

/// The values after a token.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which token.
    pub token: Token,
    /// The handshake hash.
    pub h: [u8; 32],
    /// The chaining key.
    pub ck: Key,
    /// The key, once there is one.
    pub k: Option<Key>,
    /// The nonce that the key is used with next.
    pub n: u64,
}

/// All values, in order.
#[derive(Debug, Clone, Default)]
pub struct Steps(pub Vec<Step>);

impl Trace for Steps {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.0.push(step());
    }
}

//! What the attacker can read.
//!
//! It has every message. It looks for texts in the clear. It follows each handshake as far as it can: with its own
//! secrets, and with the static secrets of both honest parties, which it is given *afterwards*, so that what stays
//! secret stays so when keys are lost later. It opens what it can with the keys that it gets.

use razor::vault::suite::Suite;
use razor::vault::{Agreement, Cipher, Hash, Key, PublicKey, SecretKey, SharedSecret, Tag};

use crate::cast::{Cast, Who};
use crate::message::{Kind, MessageSet, Messages, Text};
use crate::stage::Stage;

/// Something that the attacker can read.
#[derive(Debug, Clone)]
pub(crate) struct Leak {
    /// The messages that it needs for it.
    pub(crate) needs: MessageSet,
    /// What it reads.
    pub(crate) what: String,
}

/// Finds what can be read.
pub(crate) struct Eavesdropper {
    secrets: Vec<SecretKey>,
    /// How many messages have been looked at.
    seen: usize,
    /// Keys of channels, and the messages from which they follow.
    keys: Vec<(MessageSet, Key)>,
}

impl Eavesdropper {
    pub(crate) fn new<S: Suite>(cast: &Cast<S>) -> Self {
        let secrets = [Who::Alice, Who::Bob, Who::Mallory].map(|who| cast.person(who).secret.clone());
        Self { secrets: secrets.into(), seen: 0, keys: Vec::new() }
    }

    /// Looks at what is new, and gives what can be read now and could not be read before.
    pub(crate) fn look<S: Suite>(&mut self, stage: &Stage<S>, messages: &Messages) -> Vec<Leak> {
        let seen = std::mem::replace(&mut self.seen, messages.len());
        let mut leaks = Vec::new();
        let old_keys = self.keys.len();
        for (id, said) in messages.all().skip(seen) {
            if let Kind::Third(second) = said.kind
                && said.from.is_some()
                && let Kind::Second(first) = messages.get(second).kind
            {
                let needs = [first, second, id].into_iter().collect();
                let handshake = [first, second, id].map(|id| &messages.get(id).bytes[..]);
                self.keys.extend(self.follow::<S>(handshake).into_iter().map(|key| (needs, key)));
            }
            if let Some(text) = find(stage, &said.bytes) {
                leaks.push(Leak {
                    needs: MessageSet::of(id),
                    what: format!("whoever sees {} reads {text}", messages.name(id)),
                });
            }
        }
        for (at, (needs, key)) in self.keys.iter().enumerate() {
            // Old keys have met old messages.
            for (id, said) in messages.all().skip(if at < old_keys { seen } else { 0 }) {
                if let Some(text) = open::<S>(key, &said.bytes).and_then(|opened| find(stage, &opened)) {
                    let needs = needs.union(MessageSet::of(id));
                    leaks.push(Leak {
                        needs,
                        what: format!("the attacker opens {} and reads {text}", messages.name(id)),
                    });
                }
            }
        }
        leaks
    }

    /// The keys of the channel that a handshake leads to, if they can be found.
    fn follow<S: Suite>(&self, [first, second, third]: [&[u8]; 3]) -> Vec<Key> {
        let mut keys = Vec::new();
        let Some((e_i, payload_1)) = public(first) else { return keys };
        let Some((e_r, rest)) = public(second) else { return keys };
        let (Some((s_r, payload_2)), Some((s_i, payload_3))) = (sealed_key(rest), sealed_key(third)) else {
            return keys;
        };
        let mut begun = Chain::<S>::new();
        begun.mix(&[&e_i.0]);
        begun.mix(&[payload_1]);
        begun.mix(&[&e_r.0]);
        for ee in self.shared::<S>(&[e_i, e_r]) {
            let mut chain = begun.agreed(&ee);
            let Some(s_r) = chain.open(s_r).and_then(|key| public(&key).map(|(key, _)| key)) else { continue };
            for es in self.shared::<S>(&[e_i, s_r]) {
                let mut chain = chain.agreed(&es);
                if chain.open(payload_2).is_none() {
                    continue;
                }
                let Some(s_i) = chain.open(s_i).and_then(|key| public(&key).map(|(key, _)| key)) else { continue };
                for se in self.shared::<S>(&[s_i, e_r]) {
                    let mut chain = chain.agreed(&se);
                    if chain.open(payload_3).is_some() {
                        let (first, second) = S::Hash::hkdf(&chain.ck, &[]);
                        keys.extend([first, second]);
                    }
                }
            }
        }
        keys
    }

    /// Every secret that the attacker can share with one of these keys.
    fn shared<S: Suite>(&self, keys: &[PublicKey]) -> Vec<SharedSecret> {
        let pairs = self.secrets.iter().flat_map(|secret| keys.iter().map(move |key| (secret, key)));
        pairs.map(|(secret, key)| S::Agreement::agree(secret, key)).collect()
    }
}

/// The symmetric state of a handshake, written once more from the specification.
struct Chain<S> {
    h: [u8; 32],
    ck: Key,
    k: Key,
    n: u64,
    suite: std::marker::PhantomData<S>,
}

impl<S: Suite> Chain<S> {
    fn new() -> Self {
        let name: [u8; 32] = S::NAME.as_bytes().try_into().expect("names of suites have 32 characters");
        let mut chain =
            Self { h: name, ck: Key::new(name), k: Key::new([0; 32]), n: 0, suite: std::marker::PhantomData };
        chain.mix(&[]);
        chain
    }

    fn mix(&mut self, parts: &[&[u8]]) {
        let all: Vec<&[u8]> = [&self.h[..]].into_iter().chain(parts.iter().copied()).collect();
        self.h = S::Hash::hash(&all);
    }

    fn agreed(&self, shared: &SharedSecret) -> Self {
        let (ck, k) = S::Hash::hkdf(&self.ck, &shared.0);
        Self { h: self.h, ck, k, n: 0, suite: self.suite }
    }

    fn open(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (text, tag) = sealed.split_last_chunk::<{ size_of::<Tag>() }>()?;
        let mut text = text.to_vec();
        S::Cipher::new(&self.k).open(self.n, &self.h, &mut text, tag).ok()?;
        self.mix(&[sealed]);
        self.n += 1;
        Some(text)
    }
}

/// A public key, and what follows.
fn public(bytes: &[u8]) -> Option<(PublicKey, &[u8])> {
    bytes.split_first_chunk::<32>().map(|(key, rest)| (PublicKey(*key), rest))
}

/// A sealed key with its tag, and what follows.
fn sealed_key(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(32 + size_of::<Tag>())
}

/// Opens a message of a channel.
fn open<S: Suite>(key: &Key, bytes: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = bytes.split_first_chunk::<8>()?;
    let (text, tag) = sealed.split_last_chunk::<{ size_of::<Tag>() }>()?;
    let mut text = text.to_vec();
    S::Cipher::new(key).open(u64::from_be_bytes(*nonce), &[], &mut text, tag).ok()?;
    Some(text)
}

/// A tracked text in these bytes, by name.
fn find<S: Suite>(stage: &Stage<S>, bytes: &[u8]) -> Option<String> {
    Text::find(bytes).map(|text| stage.name(text))
}

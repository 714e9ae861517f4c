//! What the attacker can make of a message and of its own keys.
//!
//! Everything here depends on one message at a time. So the attacker never has to decide to make it: as soon as the
//! message is sent, what can be made of it is there to be delivered too.

use razor::channel::{Padding, encode_close};
use razor::env::Seeded;
use razor::noise::{initiator, responder};
use razor::vault::suite::Suite;
use razor::vault::{Agreement, PublicKey, SecretKey};

use crate::cast::{Cast, Person, Who};
use crate::message::{Kind, MessageId};
use crate::scenario::Scenario;

/// Where the attacker's randomness begins.
const SEED: u64 = 0x4d41_4c4c_4f52_5900;

/// What the attacker says of itself: a static key, and papers.
struct Claim {
    note: &'static str,
    static_key: PublicKey,
    papers: Vec<u8>,
}

/// Makes messages.
pub(crate) struct Forger<S: Suite> {
    forges: bool,
    changes: bool,
    /// The attacker's own handshake: message 1, and the state after it with each claim that it can make to Bob.
    message_1: Vec<u8>,
    begun: Vec<(Claim, initiator::AwaitsMessage2<S>)>,
    /// What it can claim to Alice.
    answers: Vec<Claim>,
    secret: SecretKey,
}

impl<S: Suite> Forger<S> {
    pub(crate) fn new(scenario: &Scenario, cast: &Cast<S>) -> Self {
        let begin = |claim: Claim| {
            let (noise, message_1) = initiator::AwaitsMessage2::start(claim.static_key, &mut Seeded::from_u64(SEED));
            (message_1, (claim, noise))
        };
        let (messages_1, begun): (Vec<_>, Vec<_>) = claims(cast, Who::Alice).into_iter().map(begin).unzip();
        Self {
            forges: scenario.forges,
            changes: scenario.changes,
            message_1: messages_1.into_iter().next().expect("a claim"),
            begun,
            answers: claims(cast, Who::Bob),
            secret: cast.person(Who::Mallory).secret.clone(),
        }
    }

    /// What it makes of nothing: a message 1 of its own, and the end of a channel without any encryption.
    pub(crate) fn own(&self) -> Vec<(Vec<u8>, Kind)> {
        let own = [(self.message_1.clone(), Kind::First), (encode_close(Padding::None), Kind::Close)];
        if self.forges { own.into() } else { Vec::new() }
    }

    /// What the attacker makes of an honest message: bytes, kind, and what it says that it is. `answered` is the message
    /// that it answers.
    pub(crate) fn make(
        &self,
        id: MessageId,
        bytes: &[u8],
        kind: Kind,
        answered: Option<&[u8]>,
    ) -> Vec<(Vec<u8>, Kind, &'static str)> {
        let mut made = Vec::new();
        if self.changes {
            // The low byte of a nonce, or a byte of a public key; the last byte of a tag.
            for (at, note) in [(7, "with its eighth byte changed"), (bytes.len() - 1, "with its last byte changed")] {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1;
                made.push((changed, Kind::Changed(id), note));
            }
            made.push(([bytes, &[0]].concat(), Kind::Changed(id), "with a byte more"));
        }
        if self.forges {
            match kind {
                Kind::First => made.extend(self.answer(id, bytes)),
                Kind::Second(_) if answered == Some(&self.message_1[..]) => made.extend(self.go_on(id, bytes)),
                _ => {}
            }
        }
        made
    }

    /// Messages 2 to an honest message 1.
    fn answer(&self, id: MessageId, message_1: &[u8]) -> Vec<(Vec<u8>, Kind, &'static str)> {
        let answer = |claim: &Claim| {
            let mut entropy = Seeded::from_u64(SEED + 1);
            let noise = responder::NeedsStaticDh::<S>::read_message_1(claim.static_key, &mut entropy, message_1);
            let (noise, _) = noise.ok()?;
            let shared = S::Agreement::agree(&self.secret, &noise.dh_with());
            let (_, message_2) = noise.write_message_2(&shared, &claim.papers).ok()?;
            Some((message_2, Kind::Second(id), claim.note))
        };
        self.answers.iter().filter_map(answer).collect()
    }

    /// Messages 3 to an honest message 2 that answers the attacker's own message 1.
    fn go_on(&self, id: MessageId, message_2: &[u8]) -> Vec<(Vec<u8>, Kind, &'static str)> {
        let go_on = |(claim, noise): &(Claim, initiator::AwaitsMessage2<S>)| {
            let (noise, _) = noise.read_message_2(message_2).ok()?;
            let shared = S::Agreement::agree(&self.secret, &noise.dh_with());
            let (_, message_3) = noise.write_message_3(&shared, &claim.papers).ok()?;
            Some((message_3, Kind::Third(id), claim.note))
        };
        self.begun.iter().filter_map(go_on).collect()
    }
}

/// What the attacker can say of itself to somebody who expects `expected`.
fn claims<S: Suite>(cast: &Cast<S>, expected: Who) -> Vec<Claim> {
    let (own, other): (&Person<S>, &Person<S>) = (cast.person(Who::Mallory), cast.person(expected));
    let claim = |note, key: &Person<S>, papers| Claim { note, static_key: key.static_key(), papers };
    vec![
        claim("as itself, ", own, own.papers(own)),
        claim("with its key and the papers of its victim's peer, ", own, other.papers(other)),
        claim("with its key and attestation and the history of its victim's peer, ", own, other.papers(own)),
        claim("with its key put into the papers of its victim's peer, ", own, other.papers_with(own.static_key())),
        claim("with key and papers of its victim's peer, ", other, other.papers(other)),
    ]
}

//! Who is let in, and who is refused.

use razor::channel::HandshakeTime;
use razor::error::Error;
use razor::identity::Identifier;
use razor::routing::Address;

use crate::checker::{End, Opening, Property, Violation, check_validity};
use crate::situation::Situation;

use super::World;

impl World {
    /// A channel is open at `node`.
    pub(super) fn channel_opened(
        &mut self,
        node: usize,
        tag: Option<usize>,
        encryptor: Address,
        peer: Identifier,
        handshake: [u8; 32],
    ) {
        let now = self.queue.now();
        if let Some(auditor) = &mut self.auditor {
            auditor.opened(node, encryptor.clone(), handshake);
        }
        let mut shown = self.hosts[node].shown(tag);
        // Nobody says with which papers a handshake began that others began, or a session: it may have taken its time.
        let keeps = self.talks.iter().any(|talk| talk.kept && talk.from == node);
        if tag.is_none() && (keeps || self.standing[node].changed_within(now, HandshakeTime::FLOOR.0)) {
            shown.rotations = 0;
        }
        let opening = if self.checks {
            let end = End { node, peer, shown, at: now, lateness: self.plan.nodes[node].lateness };
            self.agreement.opened(end, encryptor.clone(), handshake)
        } else {
            Ok(Opening::First)
        };
        match opening {
            Ok(Opening::Thief) => self.reached(Situation::ThiefAccepted),
            Ok(_) => {}
            Err(violation) => self.judge(Err(violation)),
        }
        if self.hostile.contains(&node) {
            return self.attempt_opened(node, encryptor);
        }
        self.opened += 1;
        self.reached(Situation::ChannelOpened);
        let other = self.agreement.other_end(node, &encryptor);
        if other.is_some_and(|other| other.shown.malleated) {
            self.reached(Situation::MalleatedAccepted);
        }
        let verdict = self.check_welcome(node, tag, &peer);
        self.judge(verdict);
        let verdict = self.check_attested(node, &peer, &encryptor);
        self.judge(verdict);
        let verdict = self.check_custody(node, peer, &encryptor);
        self.judge(verdict);
        if let Some(tag) = tag {
            self.channel_begins(tag, encryptor);
        } else if !self.is_a_session(node, &peer) {
            let one_source = self.is_one_source(node);
            if let Some(guests) = self.guests.get_mut(&node) {
                guests.opened(now, encryptor, peer, one_source);
            }
        }
    }

    /// Whether `node` may have a channel with `peer`.
    fn check_welcome(&self, node: usize, tag: Option<usize>, peer: &Identifier) -> Result<(), Violation> {
        let welcome = match tag {
            Some(tag) => self.talks[tag].expects == Some(*peer),
            None => self.is_a_session(node, peer) || self.trusts(node, peer),
        };
        if welcome || !self.checks {
            return Ok(());
        }
        let detail = format!("a channel with {peer} was opened, who is not trusted here");
        Err(Violation::new(Property::Agreement, node, detail))
    }

    /// Whether whoever `peer` belongs to is attested now, as far as the clock of `node` can tell.
    fn check_attested(&self, node: usize, peer: &Identifier, encryptor: &Address) -> Result<(), Violation> {
        let now = self.queue.now();
        // What the other end showed, if it has opened; or what the owner of that name shows.
        let other = self.agreement.other_end(node, encryptor).filter(|other| self.hostile.contains(&other.node));
        let attested = match (other, self.agreement.owner(peer)) {
            _ if !self.checks => return Ok(()),
            (Some(other), _) => other.shown.attested,
            (None, Some(owner)) if self.hostile.contains(&owner) || self.standing[owner].changed_lately(now) => {
                return Ok(());
            }
            (None, Some(owner)) => self.hosts[owner].face().attested,
            (None, None) => return Ok(()),
        };
        let true_wall = self.hosts[node].wall(now).0.saturating_add_signed(-self.standing[node].ahead());
        let mut verdict = Ok(());
        for ahead in self.standing[node].ahead_lately(now) {
            let wall = razor::env::Timestamp(true_wall.saturating_add_signed(ahead));
            verdict = check_validity(node, attested, wall);
            if verdict.is_ok() {
                break;
            }
        }
        verdict
    }

    /// Whether `node` keeps what it has just been shown of `peer`, and what it knew.
    fn check_custody(&mut self, node: usize, peer: Identifier, encryptor: &Address) -> Result<(), Violation> {
        // A store that forgets strangers may begin with them anew.
        if !self.checks || self.plan.nodes[node].strangers.is_some() {
            return Ok(());
        }
        let honest = |other: &&End| !self.hostile.contains(&other.node);
        let shown = self.agreement.other_end(node, encryptor).filter(honest).map(|other| other.shown.rotations);
        let stored = self.hosts[node].stored(&peer).and_then(|history| self.custody.read(&peer, history));
        self.custody.accepted(node, peer, stored, shown)
    }

    /// Somebody was refused.
    pub(super) fn refused(&mut self, node: usize, error: Error) {
        *self.refusals.entry(error.requirement()).or_default() += 1;
        if self.hostile.contains(&node) {
            return;
        }
        let opens = self.talks.iter().any(|talk| talk.from == node);
        let situation = match error.requirement() {
            "CHN-10" if opens => Situation::ImpostorRefused,
            "CHN-10" => Situation::IntruderRefused,
            "CHN-32" => Situation::ReplayRefused,
            "CHN-37" => Situation::ForgeryRefused,
            "IDN-28" => Situation::OlderHistoryRefused,
            "IDN-29" => Situation::ConflictRefused,
            "PUR-15" => Situation::MisboundRefused,
            "IDN-19" => Situation::AnotherRefused,
            "PUR-7" | "PUR-8" | "PUR-9" => Situation::OutOfTimeRefused,
            "PUR-4" => Situation::StaleAttestationRefused,
            "PUR-10" => Situation::ForgedAttestationRefused,
            "PUR-3" => Situation::ForeignSubjectRefused,
            "PUR-11" => Situation::WrongPurposeRefused,
            "PUR-5" | "PUR-6" => Situation::OutlivingAttestationRefused,
            "PUR-2" | "IDN-6" => Situation::WrongTypeRefused,
            "IDN-16" => Situation::UnsignedChangeRefused,
            "IDN-14" | "IDN-15" => Situation::UnapprovedChangeRefused,
            "IDN-11" | "IDN-12" | "IDN-13" => Situation::BrokenChainRefused,
            "COD-2" | "COD-5" => Situation::UnusualEncodingRefused,
            "VLT-11" | "VLT-12" | "VLT-23" => Situation::WeakKeyRefused,
            _ => return,
        };
        self.reached(situation);
    }
}

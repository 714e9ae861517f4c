//! Agreement: who accepted whom, and who was really there.
//!
//! Both ends of a channel name the same handshake, and nobody else does. So when two ends have opened, the world knows
//! which nodes they are at, and holds that against whom each of them believes to be talking to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use razor::env::Instant;
use razor::identity::Identifier;
use razor::routing::Address;

use crate::host::Shown;

use super::{Property, Violation};

/// One end of an open channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// At which node.
    pub node: usize,
    /// Whom it takes the other end for.
    pub peer: Identifier,
    /// Which papers this end showed.
    pub shown: Shown,
    /// When it opened.
    pub at: Instant,
    /// How late what it asks its store is answered at most.
    pub lateness: Duration,
}

/// How many answers a handshake waits for at most between asking its store what it knows of the peer, and the end.
const ANSWERS: u32 = 3;

/// What an adversary's node has of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stolen {
    /// Whose.
    pub from: Identifier,
    /// Whether its history goes on where the victim's first one ends.
    pub branches: bool,
}

/// Everything that is known of who is who, and of every channel that opened.
#[derive(Debug, Default)]
pub struct Agreement {
    /// Which node has the keys of an identity, and made it.
    owners: BTreeMap<Identifier, usize>,
    /// What adversaries' nodes have.
    stolen: BTreeMap<usize, Stolen>,
    /// The adversaries' nodes that show several histories of one identity.
    two_faced: BTreeSet<usize>,
    /// The nodes whose stores forget strangers: an older history may come to them after a newer one.
    forgetful: BTreeSet<usize>,
    /// The ends of each channel, by handshake.
    ends: BTreeMap<[u8; 32], Vec<End>>,
    /// The handshake of each end, by node and encryptor.
    channels: BTreeMap<usize, BTreeMap<Address, [u8; 32]>>,
    /// From when on a node holds a change of key of an identity, which it has seen from its owner, against everybody:
    /// a handshake may have asked its store just before.
    seen: BTreeMap<(usize, Identifier), Instant>,
    /// Which histories of an identity a node has accepted, from an owner with several.
    faces: BTreeMap<(usize, Identifier), usize>,
}

/// What comes of an end that opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The other end has not opened yet.
    First,
    /// Both ends are who the other takes them for.
    Agreed,
    /// One end is a thief, and nothing tells it from its victim.
    Thief,
}

impl Agreement {
    /// `node` has this identity.
    pub fn owns(&mut self, node: usize, identifier: Identifier) {
        self.owners.insert(identifier, node);
    }

    /// `node` has something of somebody else.
    pub fn has_stolen(&mut self, node: usize, stolen: Stolen) {
        self.stolen.insert(node, stolen);
    }

    /// `node` shows several histories.
    pub fn is_two_faced(&mut self, node: usize) {
        self.two_faced.insert(node);
    }

    /// `node` forgets strangers when there are too many.
    pub fn is_forgetful(&mut self, node: usize) {
        self.forgetful.insert(node);
    }

    /// `node` has forgotten everything that it has ever seen.
    pub fn forgets(&mut self, node: usize) {
        self.seen.retain(|(at, _), _| *at != node);
        self.faces.retain(|(at, _), _| *at != node);
        self.ends.values_mut().for_each(|ends| ends.retain(|end| end.node != node));
    }

    /// Whether somebody in this world has this identity.
    pub fn is_known(&self, identifier: &Identifier) -> bool {
        self.owners.contains_key(identifier)
    }

    /// Which node has this identity.
    pub fn owner(&self, identifier: &Identifier) -> Option<usize> {
        self.owners.get(identifier).copied()
    }

    /// Which node has made which identity.
    pub fn owners(&self) -> &BTreeMap<Identifier, usize> {
        &self.owners
    }

    /// Whether `node` knows another history of this identity than its owner's, or may know one.
    pub fn is_misled(&self, node: usize, identifier: &Identifier) -> bool {
        self.thieves_met(node, identifier).any(|thief| thief.branches)
    }

    /// Whether `node` has a channel with a thief for this identity, or may have one.
    pub fn has_met_a_thief(&self, node: usize, identifier: &Identifier) -> bool {
        self.thieves_met(node, identifier).next().is_some()
    }

    /// The thieves whom `node` has, or may have, taken for this identity: all there are, if one of its channels with it
    /// has no other end that is known, because that did not open.
    fn thieves_met(&self, node: usize, identifier: &Identifier) -> impl Iterator<Item = &Stolen> {
        let own = |end: &&End| end.node == node && end.peer == *identifier;
        let open = self.ends.values().filter(move |ends| ends.iter().any(|end| own(&end)));
        let others: BTreeSet<Option<usize>> =
            open.map(|ends| ends.iter().find(|end| end.node != node).map(|end| end.node)).collect();
        let thieves = self.stolen.iter().filter(|(_, stolen)| stolen.from == *identifier);
        thieves.filter(move |(at, _)| others.contains(&Some(**at)) || others.contains(&None)).map(|(_, stolen)| stolen)
    }

    /// Whether there is, or was, an end of a channel behind this encryptor of `node`.
    pub fn has_end(&self, node: usize, encryptor: &Address) -> bool {
        self.channels.get(&node).is_some_and(|channels| channels.contains_key(encryptor))
    }

    /// Whoever is at the other end of this channel of `node` presents himself anew, and is believed. `is_posing` says of a
    /// node whether it has nothing to present but the history of its victim.
    pub fn presented(
        &self,
        node: usize,
        encryptor: &Address,
        is_posing: impl Fn(usize) -> bool,
    ) -> Result<(), Violation> {
        let ends = self.channels.get(&node).and_then(|channels| self.ends.get(channels.get(encryptor)?));
        let own = ends.into_iter().flatten().find(|end| end.node == node);
        let Some((own, other)) = own.zip(self.other_end(node, encryptor)) else { return Ok(()) };
        if self.owners.get(&own.peer) == Some(&other.node) && is_posing(other.node) {
            let detail = format!("the history of another was believed of {}", own.peer);
            return Err(Violation::new(Property::Agreement, node, detail));
        }
        Ok(())
    }

    /// The other end of the channel behind this encryptor of `node`.
    pub fn other_end(&self, node: usize, encryptor: &Address) -> Option<&End> {
        let ends = self.ends.get(self.channels.get(&node)?.get(encryptor)?)?;
        ends.iter().find(|end| end.node != node)
    }

    /// An end has opened.
    pub fn opened(&mut self, end: End, encryptor: Address, handshake: [u8; 32]) -> Result<Opening, Violation> {
        let no = |node, detail: String| Err(Violation::new(Property::Agreement, node, detail));
        self.channels.entry(end.node).or_default().insert(encryptor, handshake);
        let ends = self.ends.entry(handshake).or_default();
        ends.push(end);
        let [one, other] = match ends[..] {
            [_] => return Ok(Opening::First),
            [one, other] if one.node != other.node => [one, other],
            _ => return no(end.node, "a third end of one channel has opened".into()),
        };
        let mut opening = Opening::Agreed;
        for (end, other) in [(one, other), (other, one)] {
            let key = (end.node, end.peer);
            // Whether it is too early or too late for papers is for another checker to say.
            if let Some(lie) = other.shown.lie.filter(|lie| !lie.is_about_time()) {
                return no(end.node, format!("false papers of node {} were accepted: {lie}", other.node));
            }
            if self.owners.get(&end.peer) == Some(&other.node) {
                if self.two_faced.contains(&other.node)
                    && !self.forgetful.contains(&end.node)
                    && *self.faces.entry(key).or_insert(other.shown.face) != other.shown.face
                {
                    return no(end.node, format!("two histories of {} that conflict were accepted", end.peer));
                }
                if other.shown.rotations > 0 {
                    self.seen.entry(key).or_insert(end.at + end.lateness * ANSWERS);
                }
                continue;
            }
            if self.stolen.get(&other.node).is_none_or(|stolen| stolen.from != end.peer) {
                return no(end.node, format!("node {} was taken for {}, who is somebody else", other.node, end.peer));
            }
            if self.seen.get(&key).is_some_and(|seen| *seen <= end.at) && !self.forgetful.contains(&end.node) {
                return no(end.node, format!("an older or conflicting history of {} was accepted", end.peer));
            }
            opening = Opening::Thief;
        }
        Ok(opening)
    }
}

#[cfg(test)]
mod tests {
    use razor::env::Timestamp;

    use crate::adversary::Lie;

    use super::*;

    const ALICE: Identifier = Identifier([1; 32]);
    const BOB: Identifier = Identifier([2; 32]);
    const MALLORY: Identifier = Identifier([3; 32]);

    fn world() -> Agreement {
        let mut agreement = Agreement::default();
        [ALICE, BOB, MALLORY].into_iter().enumerate().for_each(|(node, who)| agreement.owns(node, who));
        agreement
    }

    fn shown(face: usize) -> Shown {
        Shown { face, rotations: 0, lie: None, malleated: false, attested: (Timestamp(0), Timestamp(1)) }
    }

    fn end(node: usize, peer: Identifier) -> End {
        End { node, peer, shown: shown(0), at: Instant::ZERO, lateness: Duration::ZERO }
    }

    /// A channel opens, named `name`, between two nodes that take each other for these.
    fn open(agreement: &mut Agreement, name: u8, ends: [(usize, Identifier, usize); 2]) -> Result<Opening, Violation> {
        let [one, other] = ends.map(|(node, peer, face)| End { shown: shown(face), ..end(node, peer) });
        let encryptor = || Address::local(&format!("e{name}"));
        agreement.opened(one, encryptor(), [name; 32])?;
        agreement.opened(other, encryptor(), [name; 32])
    }

    #[test]
    fn ends_that_take_each_other_for_who_they_are_agree() {
        let mut agreement = world();
        assert_eq!(open(&mut agreement, 1, [(0, BOB, 0), (1, ALICE, 0)]), Ok(Opening::Agreed));
        assert_eq!(agreement.other_end(0, &Address::local("e1")).unwrap().node, 1);
        assert_eq!(agreement.other_end(1, &Address::local("e1")).unwrap().node, 0);
        assert_eq!(agreement.other_end(2, &Address::local("e1")), None);
    }

    #[test]
    fn an_end_that_is_taken_for_somebody_else_is_noticed_whoever_opens_first() {
        for ends in [[(0, BOB, 0), (2, ALICE, 0)], [(2, ALICE, 0), (0, BOB, 0)], [(0, BOB, 0), (1, MALLORY, 0)]] {
            assert_eq!(open(&mut world(), 1, ends).unwrap_err().property, Property::Agreement);
        }
    }

    #[test]
    fn papers_that_are_false_in_one_point_are_noticed_and_those_of_another_time_are_left_to_the_clock() {
        let open = |lie| {
            let mut agreement = world();
            let liar = End { shown: Shown { lie: Some(lie), ..shown(1) }, ..end(2, ALICE) };
            let honest = end(0, MALLORY);
            agreement.opened(liar, Address::local("e1"), [1; 32])?;
            agreement.opened(honest, Address::local("e1"), [1; 32])
        };
        assert_eq!(open(Lie::WrongPurpose).unwrap_err().property, Property::Agreement);
        assert_eq!(open(Lie::Expired), Ok(Opening::Agreed));
    }

    #[test]
    fn whoever_presents_another_through_his_own_channel_is_noticed() {
        let mut agreement = world();
        open(&mut agreement, 1, [(2, ALICE, 0), (0, MALLORY, 0)]).unwrap();
        let encryptor = Address::local("e1");
        assert_eq!(agreement.presented(0, &encryptor, |_| false), Ok(()));
        let violation = agreement.presented(0, &encryptor, |node| node == 2).unwrap_err();
        assert_eq!(violation.property, Property::Agreement);
    }

    #[test]
    fn a_third_end_is_noticed() {
        let mut agreement = world();
        open(&mut agreement, 1, [(0, BOB, 0), (1, ALICE, 0)]).unwrap();
        let third = end(1, ALICE);
        assert!(agreement.opened(third, Address::local("e9"), [1; 32]).is_err());
    }

    #[test]
    fn a_thief_is_borne_until_a_newer_history_is_known() {
        let mut agreement = world();
        agreement.has_stolen(2, Stolen { from: BOB, branches: true });
        assert_eq!(open(&mut agreement, 1, [(0, BOB, 0), (2, ALICE, 0)]), Ok(Opening::Thief));
        assert!(agreement.is_misled(0, &BOB) && agreement.has_met_a_thief(0, &BOB));
        agreement.forgets(0);
        assert!(!agreement.has_met_a_thief(0, &BOB));
        let rotated = Shown { rotations: 1, ..shown(0) };
        let [one, other] = [(0, BOB), (1, ALICE)].map(|(node, peer)| End { shown: rotated, ..end(node, peer) });
        agreement.opened(one, Address::local("e2"), [2; 32]).unwrap();
        agreement.opened(other, Address::local("e2"), [2; 32]).unwrap();
        assert!(open(&mut agreement, 3, [(0, BOB, 0), (2, ALICE, 0)]).is_err());
    }

    #[test]
    fn whoever_waits_for_the_other_end_may_have_met_any_thief_of_its_peer() {
        let mut agreement = world();
        agreement.has_stolen(2, Stolen { from: BOB, branches: false });
        agreement.opened(end(0, BOB), Address::local("e1"), [1; 32]).unwrap();
        assert!(agreement.has_met_a_thief(0, &BOB) && !agreement.is_misled(0, &BOB));
        agreement.opened(end(1, ALICE), Address::local("e1"), [1; 32]).unwrap();
        assert!(!agreement.has_met_a_thief(0, &BOB));
    }

    #[test]
    fn two_histories_at_one_node_are_noticed_and_one_at_each_of_two_is_not() {
        let mut agreement = world();
        agreement.is_two_faced(2);
        assert_eq!(open(&mut agreement, 1, [(2, ALICE, 0), (0, MALLORY, 0)]), Ok(Opening::Agreed));
        assert_eq!(open(&mut agreement, 2, [(2, BOB, 1), (1, MALLORY, 0)]), Ok(Opening::Agreed));
        assert_eq!(open(&mut agreement, 3, [(2, ALICE, 0), (0, MALLORY, 0)]), Ok(Opening::Agreed));
        assert!(open(&mut agreement, 4, [(2, ALICE, 1), (0, MALLORY, 0)]).is_err());
    }
}

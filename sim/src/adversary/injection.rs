//! What an adversary sends of its own accord.

use razor::routing::Address;

use crate::frame::{Frame, Kind};
use crate::situation::Situation;

use super::{Adversary, Capability, Emission, Intent, KnownChannel, Way};

/// How many first messages a flood has: more than a listener keeps half open.
const FLOOD: usize = 200;

impl Adversary {
    /// Does this of its own accord; what can only be done to a frame that passes is not done.
    pub(super) fn inject(&mut self, capability: Capability) -> Vec<Emission> {
        match capability {
            Capability::Replay => self.replay(),
            Capability::ReplayAcross => self.replay_across(),
            Capability::Garbage => self.garbage(),
            Capability::ForgeNonce => self.forge_nonce(),
            Capability::ForgeClose => self.forge_close(),
            Capability::LongRoute => self.long_route(),
            Capability::HugeCbor => self.huge_cbor(),
            Capability::Flood => self.flood(),
            Capability::Malformed => self.malformed(),
            Capability::Futile => self.futile(),
            Capability::Large => self.large(),
            Capability::Stall => self.stall(),
            _ => Vec::new(),
        }
    }

    fn replay(&mut self) -> Vec<Emission> {
        let Some(seen) = self.random.pick(self.knowledge.seen()).cloned() else { return Vec::new() };
        if matches!(seen.frame.kind(), Kind::Channel(_)) {
            self.reached(Situation::Replayed);
        }
        vec![Emission::now(seen.way, seen.bytes, Intent::Tampered)]
    }

    /// An old message for another channel than it was made for.
    fn replay_across(&mut self) -> Vec<Emission> {
        let Some(channel) = self.channel() else { return Vec::new() };
        let others: Vec<Frame> = self
            .knowledge
            .seen()
            .iter()
            .map(|seen| &seen.frame)
            .filter(|frame| self.knowledge.is_of_another(&channel, frame))
            .cloned()
            .collect();
        let Some(frame) = self.random.pick(&others).cloned() else { return Vec::new() };
        self.reached(Situation::ReplayedAcross);
        vec![Emission::now(channel.way, Frame { onward: channel.route, ..frame }.encode(), Intent::Forged)]
    }

    fn garbage(&mut self) -> Vec<Emission> {
        self.reached(Situation::Garbage);
        let len = self.random.within(0..=200) as usize;
        let payload = self.random.bytes(len);
        match (self.random.below(3), self.channel()) {
            (0, Some(channel)) => vec![self.message(channel.way, channel.route, payload, Intent::Forged)],
            (1, _) => {
                let Some((way, route)) = self.any_listener() else { return Vec::new() };
                let payload = if self.random.below(2) == 0 { payload } else { self.weak_key().to_vec() };
                let back = vec!["nobody".into()];
                let frame = Frame { onward: route, back, payload, tracing: None };
                vec![Emission::now(way, frame.encode(), Intent::Tampered)]
            }
            _ => {
                // To somebody who waits for a handshake message, or used to.
                let waiting: Vec<_> = self
                    .knowledge
                    .seen()
                    .iter()
                    .filter(|seen| seen.frame.kind() == Kind::Handshake)
                    .map(|seen| (seen.way, seen.frame.onward.clone()))
                    .collect();
                let Some((way, route)) = self.random.pick(&waiting).cloned() else { return Vec::new() };
                vec![self.message(way, route, payload, Intent::Forged)]
            }
        }
    }

    /// A key of small order, or one that is not in its canonical form.
    pub(super) fn weak_key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        match self.random.below(4) {
            0 => {}
            1 => key[0] = 1,
            2 => key = [0xff; 32],
            _ => {
                key.copy_from_slice(&self.random.bytes(32));
                key[31] |= 0x80;
            }
        }
        key
    }

    /// A channel message with a nonce near the edges that matter, under no key at all.
    fn forge_nonce(&mut self) -> Vec<Emission> {
        let Some(KnownChannel { way, route, largest }) = self.channel() else { return Vec::new() };
        let next_interval = (largest / 32).saturating_add(1).saturating_mul(32);
        let nonce = match self.random.below(6) {
            0 | 1 => {
                self.reached(Situation::NextIntervalForged);
                next_interval
            }
            2 => {
                self.reached(Situation::WindowEdgeForged);
                largest.saturating_add(32)
            }
            3 => {
                self.reached(Situation::WindowEdgeForged);
                largest.saturating_sub(32)
            }
            4 => largest.saturating_add(1),
            _ => u64::from(u32::MAX) + self.random.below(1 << 40),
        };
        let len = self.random.within(16..=120) as usize;
        let payload = [&nonce.to_be_bytes()[..], &self.random.bytes(len)].concat();
        vec![self.message(way, route, payload, Intent::Forged)]
    }

    fn forge_close(&mut self) -> Vec<Emission> {
        let Some(KnownChannel { way, route, largest }) = self.channel() else { return Vec::new() };
        self.reached(Situation::CloseForged);
        // The plaintext of a Close, bare, and as the ciphertext of a stream cipher that is not there.
        let close = [0x82, 0x82, 0x02, 0x80, 0x40];
        let tag = self.random.bytes(16);
        let dressed = [&largest.saturating_add(1).to_be_bytes()[..], &close, &tag].concat();
        vec![
            self.message(way, route.clone(), close.to_vec(), Intent::Forged),
            self.message(way, route, dressed, Intent::Forged),
        ]
    }

    fn long_route(&mut self) -> Vec<Emission> {
        let Some((way, route)) = self.any_listener() else { return Vec::new() };
        self.reached(Situation::RouteOfExtremeLength);
        let hops = [63, 64, 65, 255, 256, 5_000][self.random.index(6)];
        let mut long = route;
        long.extend(std::iter::repeat_n(Address::local("a"), hops));
        let payload = self.random.bytes(32);
        let mut forward = self.message(way, long.clone(), payload.clone(), Intent::Tampered);
        if self.random.below(2) == 0 {
            let Some((_, route)) = self.any_listener() else { return Vec::new() };
            forward.bytes = Frame { onward: route, back: long, payload, tracing: None }.encode();
        }
        vec![forward]
    }

    fn flood(&mut self) -> Vec<Emission> {
        let Some((way, route)) = self.any_listener() else { return Vec::new() };
        // Rarely: each costs the victim a Diffie-Hellman or two.
        if self.random.below(4) != 0 {
            return Vec::new();
        }
        self.reached(Situation::Flooded);
        (0..FLOOD)
            .map(|n| {
                let payload = self.random.bytes(32);
                let back = vec![Address::local(&format!("flood {n}"))];
                Emission::now(
                    way,
                    Frame { onward: route.clone(), back, payload, tracing: None }.encode(),
                    Intent::Tampered,
                )
            })
            .collect()
    }

    fn message(&mut self, way: Way, onward: Vec<Address>, payload: Vec<u8>, intent: Intent) -> Emission {
        Emission::now(way, Frame { onward, back: Vec::new(), payload, tracing: None }.encode(), intent)
    }

    fn channel(&mut self) -> Option<KnownChannel> {
        self.random.pick(&self.knowledge.channels()).cloned()
    }

    fn any_listener(&mut self) -> Option<(Way, Vec<Address>)> {
        let known =
            self.ways.iter().filter_map(|way| self.knowledge.listener(*way).map(|route| (*way, route.to_vec())));
        let known: Vec<_> = known.collect();
        self.random.pick(&known).cloned()
    }

    /// A frame whose CBOR promises more than there is, nests without end, or holds as much as a frame may.
    fn huge_cbor(&mut self) -> Vec<Emission> {
        let Some(way) = self.random.pick(&self.ways).copied() else { return Vec::new() };
        self.reached(Situation::HugeCbor);
        let body: Vec<u8> = match self.random.below(5) {
            // An onward route of 2^64 - 1 addresses, and of 2^31.
            0 => [&[0x83, 0x9b][..], &[0xff; 8]].concat(),
            1 => vec![0x83, 0x9a, 0x80, 0, 0, 0, 0x82],
            // Arrays in arrays.
            2 => [&[0x83][..], &vec![0x81; 5_000]].concat(),
            // A payload of 2^63 bytes.
            3 => [&[0x83, 0x80, 0x80, 0x5b, 0x7f][..], &[0xff; 7]].concat(),
            // Items that nobody knows, as many as fit.
            _ => [&[0x9a, 0, 1, 0, 0, 0x80, 0x80, 0x40][..], &vec![0; 60_000]].concat(),
        };
        let bytes = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
        // A peer that cannot frame its messages may lose its connection.
        vec![Emission::now(way, bytes, Intent::Tampered)]
    }
}

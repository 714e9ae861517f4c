//! What the adversary sends of its own accord.

use razor::routing::Address;

use crate::frame::{Frame, Kind};
use crate::situation::Situation;

use super::{Adversary, Capability, Emission, Intent, KnownChannel, Side};

/// How many first messages a flood has: more than a listener keeps half open.
const FLOOD: usize = 200;

impl Adversary {
    /// Time for mischief.
    pub fn on_timer(&mut self) -> Vec<Emission> {
        match self.random.pick(&self.capabilities).copied() {
            Some(Capability::Replay) => self.replay(),
            Some(Capability::ReplayAcross) => self.replay_across(),
            Some(Capability::Garbage) => self.garbage(),
            Some(Capability::ForgeNonce) => self.forge_nonce(),
            Some(Capability::ForgeClose) => self.forge_close(),
            Some(Capability::LongRoute) => self.long_route(),
            Some(Capability::Flood) => self.flood(),
            _ => Vec::new(),
        }
    }

    fn replay(&mut self) -> Vec<Emission> {
        let Some(seen) = self.random.pick(self.knowledge.seen()).cloned() else { return Vec::new() };
        if matches!(seen.frame.kind(), Kind::Channel(_)) {
            self.reached(Situation::Replayed);
        }
        vec![Emission::now(seen.side, seen.bytes, Intent::Tampered)]
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
        vec![Emission::now(channel.side, Frame { onward: channel.route, ..frame }.encode(), Intent::Forged)]
    }

    fn garbage(&mut self) -> Vec<Emission> {
        self.reached(Situation::Garbage);
        let len = self.random.within(0..=200) as usize;
        let payload = self.random.bytes(len);
        match (self.random.below(3), self.channel()) {
            (0, Some(channel)) => vec![self.message(channel.side, channel.route, payload, Intent::Forged)],
            (1, _) => {
                let Some((side, route)) = self.any_listener() else { return Vec::new() };
                vec![self.message(side, route, payload, Intent::Tampered)]
            }
            _ => {
                // To somebody who waits for a handshake message, or used to.
                let waiting: Vec<_> = self
                    .knowledge
                    .seen()
                    .iter()
                    .filter(|seen| seen.frame.kind() == Kind::Handshake)
                    .map(|seen| (seen.side, seen.frame.onward.clone()))
                    .collect();
                let Some((side, route)) = self.random.pick(&waiting).cloned() else { return Vec::new() };
                vec![self.message(side, route, payload, Intent::Forged)]
            }
        }
    }

    /// A channel message with a nonce near the edges that matter, under no key at all.
    fn forge_nonce(&mut self) -> Vec<Emission> {
        let Some(KnownChannel { side, route, largest }) = self.channel() else { return Vec::new() };
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
        vec![self.message(side, route, payload, Intent::Forged)]
    }

    fn forge_close(&mut self) -> Vec<Emission> {
        let Some(KnownChannel { side, route, largest }) = self.channel() else { return Vec::new() };
        self.reached(Situation::CloseForged);
        // The plaintext of a Close, bare, and as the ciphertext of a stream cipher that is not there.
        let close = [0x82, 0x82, 0x02, 0x80, 0x40];
        let tag = self.random.bytes(16);
        let dressed = [&largest.saturating_add(1).to_be_bytes()[..], &close, &tag].concat();
        vec![
            self.message(side, route.clone(), close.to_vec(), Intent::Forged),
            self.message(side, route, dressed, Intent::Forged),
        ]
    }

    fn long_route(&mut self) -> Vec<Emission> {
        let Some((side, route)) = self.any_listener() else { return Vec::new() };
        self.reached(Situation::RouteOfExtremeLength);
        let hops = [63, 64, 65, 255, 256, 5_000][self.random.index(6)];
        let mut long = route;
        long.extend(std::iter::repeat_n(Address::local("a"), hops));
        let payload = self.random.bytes(32);
        let mut forward = self.message(side, long.clone(), payload.clone(), Intent::Tampered);
        if self.random.below(2) == 0 {
            let Some((_, route)) = self.any_listener() else { return Vec::new() };
            forward.bytes = Frame { onward: route, back: long, payload, tracing: None }.encode();
        }
        vec![forward]
    }

    fn flood(&mut self) -> Vec<Emission> {
        let Some((side, route)) = self.any_listener() else { return Vec::new() };
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
                    side,
                    Frame { onward: route.clone(), back, payload, tracing: None }.encode(),
                    Intent::Tampered,
                )
            })
            .collect()
    }

    fn message(&mut self, side: Side, onward: Vec<Address>, payload: Vec<u8>, intent: Intent) -> Emission {
        Emission::now(side, Frame { onward, back: Vec::new(), payload, tracing: None }.encode(), intent)
    }

    fn channel(&mut self) -> Option<KnownChannel> {
        self.random.pick(&self.knowledge.channels()).cloned()
    }

    fn any_listener(&mut self) -> Option<(Side, Vec<Address>)> {
        let sides: Vec<_> = [Side::Left, Side::Right]
            .into_iter()
            .filter_map(|side| self.knowledge.listener(side).map(|route| (side, route.to_vec())))
            .collect();
        self.random.pick(&sides).cloned()
    }
}

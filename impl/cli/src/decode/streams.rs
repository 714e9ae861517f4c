//! The streams of a capture: what each side of each TCP connection sent, in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// Who sends, and to whom.
pub(super) type Ends = (SocketAddr, SocketAddr);

/// What one side of a connection sent, as far as it is there without a gap.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The number of the next byte.
    next: u32,
    pub(super) bytes: Vec<u8>,
    /// What came too early, by the number of its first byte.
    early: BTreeMap<u32, Vec<u8>>,
    /// Whether it is the opening byte that stands first: of connections that were there before, the start is missing.
    pub(super) whole: bool,
}

/// How far the bytes before a gap may be away from the next one that is there.
const REACH: u32 = 1 << 30;

impl Stream {
    fn take(&mut self, number: u32, payload: &[u8]) {
        if !payload.is_empty() && number.wrapping_sub(self.next) < REACH {
            self.early.entry(number).or_insert_with(|| payload.to_vec());
        } else if self.next.wrapping_sub(number) < REACH {
            // Sent again, perhaps with something new at its end.
            let known = self.next.wrapping_sub(number) as usize;
            if let Some(rest) = payload.get(known..).filter(|rest| !rest.is_empty()) {
                self.early.insert(self.next, rest.to_vec());
            }
        }
        while let Some(piece) = self.early.remove(&self.next) {
            self.next = self.next.wrapping_add(piece.len() as u32);
            self.bytes.extend(piece);
        }
    }
}

/// All streams of a capture, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The newest stream of these ends.
    newest: BTreeMap<Ends, usize>,
    pub(super) all: Vec<(Ends, Stream)>,
}

impl Streams {
    /// Takes a packet; whatever is not TCP over IP is left out.
    pub(super) fn packet(&mut self, packet: &SlicedPacket<'_>) {
        let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return };
        let (source, target) = match &packet.net {
            Some(NetSlice::Ipv4(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            Some(NetSlice::Ipv6(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            _ => return,
        };
        let ends = (SocketAddr::new(source, tcp.source_port()), SocketAddr::new(target, tcp.destination_port()));
        let number = tcp.sequence_number();
        if tcp.syn() {
            self.begin(ends, Stream { next: number.wrapping_add(1), whole: true, ..Stream::default() });
            return;
        }
        if !self.newest.contains_key(&ends) {
            self.begin(ends, Stream { next: number, ..Stream::default() });
        }
        let newest = self.newest.get(&ends).and_then(|index| self.all.get_mut(*index));
        if let Some((_, stream)) = newest {
            stream.take(number, tcp.payload());
        }
    }

    fn begin(&mut self, ends: Ends, stream: Stream) {
        self.newest.insert(ends, self.all.len());
        self.all.push((ends, stream));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_overtake_overlap_or_come_twice_make_one_stream() {
        let mut stream = Stream { next: u32::MAX, ..Stream::default() };
        stream.take(2, b"def");
        stream.take(u32::MAX, b"abc");
        assert_eq!(stream.bytes, b"abcdef");
        stream.take(2, b"def");
        stream.take(4, b"fgh");
        assert_eq!(stream.bytes, b"abcdefgh");
        stream.take(9, b"no");
        assert_eq!(stream.bytes, b"abcdefgh", "a byte is missing");
    }
}

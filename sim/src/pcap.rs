//! Frames as a capture that network tools read: PCAP with nanoseconds.
//!
//! What a world sends has no Ethernet, IP or TCP around it; a capture needs them, so they are made up, and consistent.
//! Node 0 is 10.0.0.1, node 1 is 10.0.0.2, and after 10.0.0.250 comes 10.0.1.1. The first node of a link, or the one
//! behind a NAT, connects to port [`PORT`] of the other, from another port with each connection. A stream is TCP:
//! handshakes, sequence numbers, an acknowledgement for all that arrives, resets. A datagram is UDP. The capture is what
//! senders put on their links: what is lost on the way is there, and what a link doubles is there once.

use std::collections::BTreeMap;
use std::io::{self, Write};

use etherparse::{PacketBuilder, TcpOptionElement};

use crate::adversary::Way;
use crate::frame::LENGTH;
use crate::party::BEGIN;
use crate::plan::{Kind, Plan};
use crate::trace::{Entry, What};

/// Where nodes listen: as in the guide.
pub const PORT: u16 = 4000;

/// The first port that connections are made from.
const FIRST: u16 = 49_152;

/// The most bytes of a TCP segment.
const SEGMENT: usize = 1_460;

/// The most bytes that UDP carries.
const DATAGRAM: usize = 65_507;

/// A window that is never full: its unit is 2^14 bytes.
const WINDOW: u16 = u16::MAX;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Packets.
    pub packets: u64,
    /// Datagrams that are longer than UDP carries, and were cut.
    pub cut: u64,
}

/// Writes all frames of a trace that was kept whole.
///
/// # Errors
/// Those of the writer.
pub fn write(plan: &Plan, entries: &[Entry], out: impl Write) -> io::Result<Written> {
    let mut capture = Capture { out, written: Written::default(), frame: Vec::new() };
    capture.head()?;
    let mut links: Vec<_> = plan.links.iter().map(|link| Wire::new(plan, link)).collect();
    let mut openings = openings(entries);
    for entry in entries {
        let Some(way) = entry.way else { continue };
        let wire = &mut links[way.link];
        let at = entry.at.as_nanos();
        match entry.what {
            What::Connection if wire.datagram => {}
            What::Connection if !wire.up => {
                wire.connect(&mut capture, at)?;
                for to in wire.ends {
                    let bytes = openings.get_mut(&Way { link: way.link, to }).and_then(|waiting| waiting.pop());
                    wire.send(&mut capture, at, to, &bytes.unwrap_or_default())?;
                }
            }
            What::Connection => wire.reset(&mut capture, at)?,
            What::Sent if wire.datagram => capture.datagram(at, wire.beside(way.to), way.to, &entry.bytes)?,
            What::Sent => wire.send(&mut capture, at, way.to, &entry.bytes)?,
            What::Arrived if !wire.datagram => wire.acknowledge(&mut capture, at, way.to, entry.bytes.len())?,
            _ => {}
        }
    }
    Ok(capture.written)
}

/// The bytes that open connections, which are on no link: as they arrive, those of the last connection first.
fn openings(entries: &[Entry]) -> BTreeMap<Way, Vec<Vec<u8>>> {
    let mut openings: BTreeMap<Way, Vec<Vec<u8>>> = BTreeMap::new();
    let mut up = BTreeMap::new();
    for entry in entries {
        let Some(way) = entry.way else { continue };
        match entry.what {
            What::Connection => {
                let is_up: &mut bool = up.entry(way.link).or_default();
                *is_up = !*is_up;
                let other = Way { link: way.link, to: entry.node };
                if *is_up {
                    [way, other].into_iter().for_each(|way| openings.entry(way).or_default().push(Vec::new()));
                }
            }
            What::Arrived if entry.frame == 0 => {
                if let Some(bytes) = openings.get_mut(&way).and_then(|waiting| waiting.last_mut()) {
                    bytes.extend(&entry.bytes);
                }
            }
            _ => {}
        }
    }
    openings.values_mut().for_each(|waiting| waiting.reverse());
    openings
}

/// What the capture knows of a link.
struct Wire {
    /// Who connects, and to whom.
    ends: [usize; 2],
    datagram: bool,
    up: bool,
    /// How many connections there were.
    connections: u16,
    /// For each end the number of the next byte that it sends.
    next: [u32; 2],
    /// For each end the number of the next byte that it is to receive.
    received: [u32; 2],
}

impl Wire {
    fn new(plan: &Plan, link: &crate::plan::Link) -> Self {
        let [one, other] = link.between.each_ref().map(|name| plan.node(name).unwrap_or_default());
        let behind = link.behind_nat.as_ref().and_then(|name| plan.node(name));
        let ends = if behind == Some(other) { [other, one] } else { [one, other] };
        let datagram = link.kind == Kind::Datagram;
        Self { ends, datagram, up: false, connections: 0, next: [0; 2], received: [0; 2] }
    }

    fn beside(&self, node: usize) -> usize {
        let [one, other] = self.ends;
        if one == node { other } else { one }
    }

    /// A segment from one of the two ends, counted from 0: flags and bytes.
    fn segment(
        &mut self,
        out: &mut Capture<impl Write>,
        at: u64,
        end: usize,
        flags: Flags,
        bytes: &[u8],
    ) -> io::Result<()> {
        let client = FIRST + (self.connections - 1) % (u16::MAX - FIRST);
        let ports = if end == 0 { (client, PORT) } else { (PORT, client) };
        let (from, to) = (self.ends[end], self.ends[1 - end]);
        let mut packet = ip(from, to).tcp(ports.0, ports.1, self.next[end], WINDOW);
        if flags.opens {
            let options = [TcpOptionElement::MaximumSegmentSize(SEGMENT as u16), TcpOptionElement::WindowScale(14)];
            packet = packet.syn().options(&options).map_err(io::Error::other)?;
        }
        if flags.acknowledges {
            packet = packet.ack(self.received[end]);
        }
        if flags.pushes {
            packet = packet.psh();
        }
        if flags.resets {
            packet = packet.rst();
        }
        self.next[end] = self.next[end].wrapping_add(u32::from(flags.opens)).wrapping_add(bytes.len() as u32);
        out.packet(at, bytes.len(), |frame| packet.write(frame, bytes).map_err(io::Error::other))
    }

    fn connect(&mut self, out: &mut Capture<impl Write>, at: u64) -> io::Result<()> {
        self.up = true;
        self.connections = self.connections.wrapping_add(1).max(1);
        (self.next, self.received) = ([0; 2], [0; 2]);
        self.segment(out, at, 0, Flags { opens: true, ..Flags::default() }, &[])?;
        self.received[1] = 1;
        self.segment(out, at, 1, Flags { opens: true, ..ACK }, &[])?;
        self.received[0] = 1;
        self.segment(out, at, 0, ACK, &[])
    }

    fn reset(&mut self, out: &mut Capture<impl Write>, at: u64) -> io::Result<()> {
        self.up = false;
        self.segment(out, at, 0, Flags { resets: true, ..ACK }, &[])
    }

    fn send(&mut self, out: &mut Capture<impl Write>, at: u64, to: usize, bytes: &[u8]) -> io::Result<()> {
        let end = usize::from(self.ends[0] == to);
        let mut pieces = bytes.chunks(SEGMENT).peekable();
        while let Some(piece) = pieces.next() {
            self.segment(out, at, end, Flags { pushes: pieces.peek().is_none(), ..ACK }, piece)?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, out: &mut Capture<impl Write>, at: u64, to: usize, len: usize) -> io::Result<()> {
        let end = usize::from(self.ends[1] == to);
        self.received[end] = self.received[end].wrapping_add(len as u32);
        self.segment(out, at, end, ACK, &[])
    }
}

/// The flags of a segment.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    opens: bool,
    acknowledges: bool,
    pushes: bool,
    resets: bool,
}

const ACK: Flags = Flags { opens: false, acknowledges: true, pushes: false, resets: false };

/// Ethernet and IP from one node to another.
fn ip(from: usize, to: usize) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    let mac = |node: usize| [2, 0, 0, 0, (node >> 8) as u8, node as u8];
    let address = |node: usize| [10, 0, (node / 250) as u8, (node % 250 + 1) as u8];
    PacketBuilder::ethernet2(mac(from), mac(to)).ipv4(address(from), address(to), 64)
}

/// A file that is being written.
struct Capture<W> {
    out: W,
    written: Written,
    /// The packet that is being made.
    frame: Vec<u8>,
}

impl<W: Write> Capture<W> {
    /// The file's head: nanoseconds, version 2.4, Ethernet.
    fn head(&mut self) -> io::Result<()> {
        let words: [u32; 6] = [0xa1b2_3c4d, 2 | 4 << 16, 0, 0, 1 << 18, 1];
        words.iter().try_for_each(|word| self.out.write_all(&word.to_le_bytes()))
    }

    fn datagram(&mut self, at: u64, from: usize, to: usize, bytes: &[u8]) -> io::Result<()> {
        let bytes = bytes.get(LENGTH..).unwrap_or_default();
        let fits = &bytes[..bytes.len().min(DATAGRAM)];
        self.written.cut += u64::from(fits.len() < bytes.len());
        let packet = ip(from, to).udp(PORT, PORT);
        self.packet(at, fits.len(), |frame| packet.write(frame, fits).map_err(io::Error::other))
    }

    fn packet(&mut self, at: u64, len: usize, make: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        self.frame.clear();
        self.frame.reserve(len);
        make(&mut self.frame)?;
        let (seconds, nanos) = (at / 1_000_000_000 + BEGIN, at % 1_000_000_000);
        let len = self.frame.len() as u32;
        let words: [u32; 4] = [seconds as u32, nanos as u32, len, len];
        words.iter().try_for_each(|word| self.out.write_all(&word.to_le_bytes()))?;
        self.out.write_all(&self.frame)?;
        self.written.packets += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;
    use crate::plan::Preset;
    use crate::seed::Seed;

    struct Packet {
        at: u64,
        bytes: Vec<u8>,
    }

    fn captured(seed: u64, preset: Preset) -> (Plan, Vec<Entry>, Vec<Packet>) {
        let report = crate::world(Plan::draw(Seed(seed), preset)).keeping(usize::MAX).run();
        let mut file = Vec::new();
        let written = write(&report.plan, &report.entries, &mut file).expect("memory takes everything");
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
        assert_eq!((word(0), word(4), word(20)), (0xa1b2_3c4d, 0x0004_0002, 1));
        let mut packets = Vec::new();
        let mut at = 24;
        while at < file.len() {
            let (seconds, nanos, len) = (word(at), word(at + 4), word(at + 8) as usize);
            assert!(nanos < 1_000_000_000 && word(at + 12) as usize == len);
            let time = (u64::from(seconds) - BEGIN) * 1_000_000_000 + u64::from(nanos);
            packets.push(Packet { at: time, bytes: file[at + 16..at + 16 + len].to_vec() });
            at += 16 + len;
        }
        let is_long = |entry: &&Entry| {
            let datagram = entry.way.is_some_and(|way| report.plan.links[way.link].kind == Kind::Datagram);
            datagram && entry.what == What::Sent && entry.bytes.len() > DATAGRAM + LENGTH
        };
        let cut = report.entries.iter().filter(is_long).count() as u64;
        assert_eq!(written, Written { packets: packets.len() as u64, cut });
        assert!(packets.windows(2).all(|pair| pair[0].at <= pair[1].at));
        (report.plan, report.entries, packets)
    }

    #[test]
    fn tcp_streams_have_every_byte_that_was_sent_once_and_in_order() {
        for seed in 0..3 {
            let (plan, entries, packets) = captured(seed, Preset::Calm);
            let mut streams: BTreeMap<_, (u32, Vec<u8>)> = BTreeMap::new();
            for Packet { bytes, .. } in &packets {
                let packet = SlicedPacket::from_ethernet(bytes).expect("a packet");
                let ip = packet.net.as_ref().and_then(|net| net.ipv4_ref()).expect("IPv4").header().to_header();
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("not TCP") };
                assert_eq!(tcp.checksum(), tcp.calc_checksum_ipv4(ip.source, ip.destination).expect("short"));
                let (next, stream) = streams.entry((ip.source, ip.destination)).or_default();
                assert_eq!(tcp.sequence_number(), *next);
                *next += u32::from(tcp.syn()) + tcp.payload().len() as u32;
                stream.extend(tcp.payload());
                let sent = streams.get(&(ip.destination, ip.source)).map_or(0, |(next, _)| *next);
                assert!(!tcp.ack() || tcp.acknowledgment_number() <= sent, "nothing is acknowledged before it is sent");
            }
            let address = |node: usize| [10, 0, 0, node as u8 + 1];
            for (number, link) in plan.links.iter().enumerate() {
                for (from, to) in [(0, 1), (1, 0)] {
                    let [from, to] = [from, to].map(|end: usize| plan.node(&link.between[end]).expect("a node"));
                    let way = Some(Way { link: number, to });
                    let sent = entries.iter().filter(|entry| entry.what == What::Sent && entry.way == way);
                    let sent: Vec<u8> = sent.flat_map(|entry| entry.bytes.clone()).collect();
                    let (_, stream) = &streams[&(address(from), address(to))];
                    // The first byte opens the connection.
                    assert_eq!(stream[1..], sent, "seed {seed}, link {number}");
                }
            }
        }
    }

    #[test]
    fn every_datagram_that_was_sent_is_there_without_its_length() {
        let (plan, entries, packets) = captured(1, Preset::Hostile);
        let is_datagram = |entry: &&Entry| entry.way.is_some_and(|way| plan.links[way.link].kind == Kind::Datagram);
        let sent: Vec<_> = entries.iter().filter(|entry| entry.what == What::Sent).filter(is_datagram).collect();
        let sliced =
            packets.iter().map(|packet| (packet, SlicedPacket::from_ethernet(&packet.bytes).expect("a packet")));
        let datagrams: Vec<_> =
            sliced.filter(|(_, sliced)| matches!(sliced.transport, Some(TransportSlice::Udp(_)))).collect();
        assert_eq!(sent.len(), datagrams.len());
        assert!(sent.len() > 100, "{} datagrams prove nothing", sent.len());
        for (entry, (Packet { at, .. }, packet)) in sent.into_iter().zip(&datagrams) {
            let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("not UDP") };
            let fits = &entry.bytes[LENGTH..entry.bytes.len().min(DATAGRAM + LENGTH)];
            assert_eq!((entry.at.as_nanos(), fits), (*at, udp.payload()));
        }
    }

    #[test]
    fn every_connection_is_a_stream_of_its_own() {
        let broken = |(_, entries, packets): (Plan, Vec<Entry>, Vec<Packet>)| {
            let ups = entries.iter().filter(|entry| entry.words.ends_with("is up")).count();
            let opens = |packet: &&Packet| {
                let packet = SlicedPacket::from_ethernet(&packet.bytes).expect("a packet");
                matches!(packet.transport, Some(TransportSlice::Tcp(tcp)) if tcp.syn() && !tcp.ack())
            };
            assert!(packets.iter().filter(opens).count() <= ups);
            packets.iter().filter(opens).count() > 1
        };
        assert!((0..5).any(|seed| broken(captured(seed, Preset::Faults))));
    }
}

//! `razor decode --pcap`: the messages of a capture, one a line.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use etherparse::SlicedPacket;
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine as _;
use razor::routing::Message;
use razor::transport::{Config, Input, Output, Tcp, VERSION};
use serde::Serialize;

use super::kind;
use super::message::bare_text;
use super::streams::{Ends, Streams};
use crate::failure::{Failure, Result};

/// The most bytes of one packet of a capture.
const PACKET: usize = 1 << 20;

/// Lists the messages in the capture at `path`.
pub(super) fn list(path: &Path, json: bool) -> Result {
    let mut listed = Listed::default();
    for (ends, stream) in streams(path)?.all {
        // Other protocols are none of ours, and of what began before the capture nobody knows where frames begin.
        if stream.whole && stream.bytes.first() == Some(&VERSION) {
            listed.stream(ends, &stream.bytes);
        }
    }
    if json {
        let text = serde_json::to_string_pretty(&listed).map_err(|e| Failure::failed(e.to_string()))?;
        crate::outln!("{text}");
    } else {
        listed.messages.iter().for_each(|line| crate::outln!("{}", line.text()));
        listed.faults.iter().for_each(|fault| crate::outln!("{} > {}  {}", fault.from, fault.to, fault.sentence));
    }
    Ok(if listed.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn streams(path: &Path) -> Result<Streams> {
    let file = File::open(path).map_err(|e| Failure::file("read", path, &e))?;
    let unfit = |e: &dyn std::fmt::Display| {
        Failure::failed(format!("{} is no capture: {e}; give a PCAP or PCAPNG file", path.display()))
    };
    let mut reader = create_reader(2 * PACKET, file).map_err(|e| unfit(&e))?;
    let (mut streams, mut link) = (Streams::default(), Linktype::ETHERNET);
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                let bytes = match &block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        link = header.network;
                        None
                    }
                    PcapBlockOwned::Legacy(packet) => Some(packet.data),
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        link = interface.linktype;
                        None
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => Some(packet.packet_data()),
                    PcapBlockOwned::NG(_) => None,
                };
                if let Some(packet) = bytes.and_then(|bytes| slice(link, bytes)) {
                    streams.packet(&packet);
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return Ok(streams),
            Err(PcapError::Incomplete(_)) => reader.refill().map_err(|e| unfit(&e))?,
            Err(error) => return Err(unfit(&error)),
        }
    }
}

/// A packet of this kind of link; none if it is damaged or of another kind.
fn slice(link: Linktype, bytes: &[u8]) -> Option<SlicedPacket<'_>> {
    match link {
        Linktype::ETHERNET => SlicedPacket::from_ethernet(bytes).ok(),
        Linktype::LINUX_SLL => SlicedPacket::from_linux_sll(bytes).ok(),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => SlicedPacket::from_ip(bytes).ok(),
        // The family stands before it.
        Linktype::NULL | Linktype::LOOP => SlicedPacket::from_ip(bytes.get(4..)?).ok(),
        _ => None,
    }
}

/// What is in a capture.
#[derive(Debug, Default, Serialize)]
struct Listed {
    messages: Vec<Line>,
    faults: Vec<Fault>,
}

/// One message.
#[derive(Debug, Serialize)]
struct Line {
    from: String,
    to: String,
    onward: String,
    #[serde(rename = "return")]
    back: String,
    kind: String,
    length: usize,
}

/// Where a stream does not hold.
#[derive(Debug, Serialize)]
struct Fault {
    from: String,
    to: String,
    requirement: &'static str,
    sentence: String,
}

impl Listed {
    fn stream(&mut self, ends: Ends, bytes: &[u8]) {
        let (from, to) = (ends.0.to_string(), ends.1.to_string());
        let mut tcp = Tcp::new(Config::CEILING, Instant::ZERO);
        let fault = |error: &razor::Error| Fault {
            from: from.clone(),
            to: to.clone(),
            requirement: error.requirement(),
            sentence: format!("not valid: {error}"),
        };
        // A stream is read without randomness.
        let mut entropy = Seeded::from_u64(0);
        // The opening byte of the other side, which nobody waits for.
        while tcp.poll_output().is_some() {}
        for piece in bytes.chunks(65_536) {
            let mut env = Env::new(Instant::ZERO, Timestamp::default(), &mut entropy);
            if tcp.handle(&mut env, Input::Received(piece.to_vec())).is_err() {
                return;
            }
            while let Some(output) = tcp.poll_output() {
                match output {
                    Output::Deliver(message) => self.messages.push(Line::of(&from, &to, &message)),
                    Output::Dropped(error) => self.faults.push(fault(&error)),
                    Output::Close(error) => {
                        self.faults.push(fault(&error));
                        return;
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Line {
    fn of(from: &str, to: &str, message: &Message) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            onward: message.onward().to_string(),
            back: message.return_route().to_string(),
            kind: kind_of(message.payload()),
            length: message.payload().len(),
        }
    }

    fn text(&self) -> String {
        let Self { from, to, onward, back, kind, length } = self;
        format!("{from} > {to}  onward {onward}  return {back}  {kind}, {length} bytes")
    }
}

/// What the payload is, most likely: of an encrypted one nobody else can say more.
fn kind_of(payload: &[u8]) -> String {
    if payload.is_ascii() && bare_text(payload).is_some() {
        return "text".into();
    }
    kind::opaque(payload).first().map_or("bytes".into(), |kind| kind.name())
}

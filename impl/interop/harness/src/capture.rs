//! The run's TCP traffic as a file that network tools read: PCAP with microseconds, linktype Ethernet.
//!
//! The bytes are those that went over the sockets, with their real ports; the segments around them are made up, as
//! nobody needs privileges for that: a handshake, then each read and write as segments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use etherparse::PacketBuilder;
use razor_tokio::{Accept, BoxFuture, BoxStream, Network};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The most bytes of a segment.
const SEGMENT: usize = 16_000;

/// Where captured bytes go. Clones write the same file; one without a file writes nothing.
#[derive(Clone, Default)]
pub(crate) struct Capture {
    file: Option<Arc<Mutex<Writer>>>,
}

struct Writer {
    out: BufWriter<File>,
    /// The number of the next byte from one socket to another.
    next: BTreeMap<(SocketAddr, SocketAddr), u32>,
    /// The connections that are captured at one of their ends: who has connected, and to whom.
    open: BTreeSet<(SocketAddr, SocketAddr)>,
}

impl Capture {
    /// Writes a new file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        let head: [u32; 6] = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 1 << 18, 1];
        head.iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))?;
        Ok(Self { file: Some(Arc::new(Mutex::new(Writer { out, next: BTreeMap::new(), open: BTreeSet::new() }))) })
    }

    /// A stream whose bytes are captured. `client` says whether this end has connected.
    pub(crate) fn tap(&self, stream: TcpStream, client: bool) -> io::Result<Tapped> {
        stream.set_nodelay(true)?;
        let (own, peer) = (stream.local_addr()?, stream.peer_addr()?);
        let pair = if client { (own, peer) } else { (peer, own) };
        let mut captures = false;
        self.write(|writer| {
            // The other end may be of this process too, and have begun.
            captures = writer.open.insert(pair);
            if captures { writer.connect(pair.0, pair.1) } else { Ok(()) }
        });
        Ok(Tapped { stream, own, peer, pair, captures, capture: self.clone() })
    }

    /// Connects, and captures.
    pub(crate) async fn connect(&self, peer: &str) -> io::Result<Tapped> {
        self.tap(TcpStream::connect(peer).await?, true)
    }

    fn write(&self, what: impl FnOnce(&mut Writer) -> io::Result<()>) {
        if let Some(file) = &self.file
            && let Err(error) = what(&mut file.lock().unwrap_or_else(PoisonError::into_inner))
        {
            eprintln!("the capture is incomplete: {error}");
        }
    }

    /// Writes what is still in memory.
    pub(crate) fn flush(&self) {
        self.write(|writer| writer.out.flush());
    }
}

impl Writer {
    fn connect(&mut self, client: SocketAddr, server: SocketAddr) -> io::Result<()> {
        self.next.insert((client, server), 0);
        self.next.insert((server, client), 0);
        self.segment(client, server, true, false, &[])?;
        self.segment(server, client, true, true, &[])?;
        self.segment(client, server, false, true, &[])
    }

    fn bytes(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(SEGMENT).try_for_each(|piece| self.segment(from, to, false, true, piece))
    }

    fn segment(&mut self, from: SocketAddr, to: SocketAddr, syn: bool, ack: bool, bytes: &[u8]) -> io::Result<()> {
        let (SocketAddr::V4(source), SocketAddr::V4(target)) = (from, to) else {
            return Err(io::Error::other("only IPv4 is captured"));
        };
        let received = self.next.get(&(to, from)).copied().unwrap_or_default();
        let next = self.next.entry((from, to)).or_default();
        let mac = |port: u16| [2, 0, 0, 0, (port >> 8) as u8, port as u8];
        let packet = PacketBuilder::ethernet2(mac(source.port()), mac(target.port()))
            .ipv4(source.ip().octets(), target.ip().octets(), 64)
            .tcp(source.port(), target.port(), *next, u16::MAX);
        let packet = if syn { packet.syn() } else { packet.psh() };
        let packet = if ack { packet.ack(received) } else { packet };
        *next = next.wrapping_add(u32::from(syn)).wrapping_add(bytes.len() as u32);
        let mut frame = Vec::with_capacity(bytes.len() + 64);
        packet.write(&mut frame, bytes).map_err(io::Error::other)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let length = frame.len() as u32;
        let words = [now.as_secs() as u32, now.subsec_micros(), length, length];
        words.iter().try_for_each(|word| self.out.write_all(&word.to_le_bytes()))?;
        self.out.write_all(&frame)
    }
}

/// A stream whose bytes are captured.
pub(crate) struct Tapped {
    stream: TcpStream,
    own: SocketAddr,
    peer: SocketAddr,
    pair: (SocketAddr, SocketAddr),
    /// Whether it is this end that writes what goes over the connection.
    captures: bool,
    capture: Capture,
}

impl Tapped {
    fn write(&mut self, what: impl FnOnce(&mut Writer) -> io::Result<()>) {
        if self.captures {
            self.capture.write(what);
        }
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        let pair = self.pair;
        self.write(|writer| {
            writer.open.remove(&pair);
            Ok(())
        });
    }
}

impl AsyncRead for Tapped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let (own, peer) = (self.own, self.peer);
        if polled.is_ready() {
            self.write(|writer| writer.bytes(peer, own, &buf.filled()[before..]));
        }
        polled
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let (own, peer) = (self.own, self.peer);
        if let Poll::Ready(Ok(written)) = polled {
            self.write(|writer| writer.bytes(own, peer, &bytes[..written]));
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// TCP for the driver's nodes, captured.
impl Network for Capture {
    fn connect<'a>(&'a self, peer: &'a str) -> BoxFuture<'a, io::Result<BoxStream>> {
        Box::pin(async move { Ok(Box::new(Self::connect(self, peer).await?) as BoxStream) })
    }

    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Accept>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            Ok(Box::new(Listening { listener, capture: self.clone() }) as Box<dyn Accept>)
        })
    }
}

struct Listening {
    listener: TcpListener,
    capture: Capture,
}

impl Accept for Listening {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async {
            let (stream, peer) = self.listener.accept().await?;
            Ok((Box::new(self.capture.tap(stream, false)?) as BoxStream, peer))
        })
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("writes", &self.file.is_some()).finish()
    }
}

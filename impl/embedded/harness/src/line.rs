//! The line between the board's UART and a node on this machine: what a host with a serial port does, and noise.
//!
//! The node connects to it by TCP. What it transmits is put on the line as the chapter "Serial transport" says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine as _;
use razor::routing::Message;
use razor::transport::serial::{Config, Input, Output, Serial};
use razor::transport::{self, Tcp, VERSION};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::Fault;
use crate::noise::Noise;

/// What is read at once.
const CHUNK: usize = 4_096;

/// What can be said to a line while it is in use.
pub(crate) struct Line {
    /// Where a node reaches the board.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    injected: mpsc::Sender<Vec<u8>>,
}

#[derive(Default)]
struct Shared {
    /// Of a million bytes, so many are harmed.
    rate: AtomicU32,
    harmed: AtomicU64,
}

impl Line {
    /// Opens a line to the UART that connects here, for a node that connects there.
    pub(crate) async fn open(uart: TcpListener, listener: TcpListener) -> Result<Self, Fault> {
        let (uart, _) = uart.accept().await?;
        uart.set_nodelay(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let (injected, queue) = mpsc::channel(16);
        tokio::spawn(serve(uart, listener, shared.clone(), queue));
        Ok(Self { address, shared, injected })
    }

    /// From now on, so many bytes of a million are harmed, in either direction.
    pub(crate) fn harm(&self, rate: u32) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }

    /// How many bytes were harmed.
    pub(crate) fn harmed(&self) -> u64 {
        self.shared.harmed.load(Ordering::Relaxed)
    }

    /// Returns when the board is gone.
    pub(crate) async fn closed(&self) {
        self.injected.closed().await;
    }

    /// Puts bytes on the line to the board, between two frames.
    pub(crate) async fn inject(&self, bytes: Vec<u8>) -> Result<(), Fault> {
        Ok(self.injected.send(bytes).await?)
    }
}

/// The bytes of a frame on a line, whatever its transport message is.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    frame_of_tcp(&[&length, message].concat())
}

fn frame_of_tcp(frame: &[u8]) -> Vec<u8> {
    encode(&mut Serial::new(Config::DEFAULT), frame.to_vec()).unwrap_or_default()
}

/// The bytes of a message as a node puts it on a line.
pub(crate) fn frame_of(message: Message) -> Vec<u8> {
    let mut tcp = Tcp::new(transport::Config::DEFAULT, Instant::ZERO);
    with(|env| drop(tcp.handle(env, transport::Input::Send(message))));
    let frame = std::iter::from_fn(|| tcp.poll_output()).find_map(|output| match output {
        transport::Output::Transmit(frame) => Some(frame),
        _ => None,
    });
    frame.map(|frame| frame_of_tcp(frame.payload())).unwrap_or_default()
}

/// Serves one connection of a node after the other, over the same line.
async fn serve(mut uart: TcpStream, listener: TcpListener, shared: Arc<Shared>, mut injected: mpsc::Receiver<Vec<u8>>) {
    let mut noise = [Noise::new(1), Noise::new(2)];
    while let Ok((mut node, _)) = listener.accept().await {
        let _ = node.set_nodelay(true);
        if bridge(&mut uart, &mut node, &shared, &mut injected, &mut noise).await.is_err() {
            return;
        }
    }
}

/// Moves frames between line and node until the node has closed its connection.
async fn bridge(
    uart: &mut TcpStream,
    node: &mut TcpStream,
    shared: &Shared,
    injected: &mut mpsc::Receiver<Vec<u8>>,
    noise: &mut [Noise; 2],
) -> io::Result<()> {
    let mut serial = Serial::new(Config::DEFAULT);
    with(|env| drop(serial.handle(env, Input::Connected)));
    deliver(&mut serial, node).await?;
    let (mut from_uart, mut from_node) = ([0; CHUNK], [0; CHUNK]);
    let mut stream = Vec::new();
    loop {
        let rate = shared.rate.load(Ordering::Relaxed);
        tokio::select! {
            read = uart.read(&mut from_uart) => {
                let read = read?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let bytes = noise[0].pass(&from_uart[..read], rate);
                with(|env| drop(serial.handle(env, Input::Received(bytes))));
                if deliver(&mut serial, node).await.is_err() {
                    return Ok(());
                }
            }
            read = node.read(&mut from_node) => {
                let Ok(read @ 1..) = read else { return Ok(()) };
                stream.extend_from_slice(&from_node[..read]);
                while let Some(frame) = next_frame(&mut stream) {
                    if let Some(bytes) = encode(&mut serial, frame) {
                        uart.write_all(&noise[1].pass(&bytes, rate)).await?;
                    }
                }
            }
            Some(bytes) = injected.recv() => uart.write_all(&bytes).await?,
        }
        shared.harmed.store(noise[0].harmed + noise[1].harmed, Ordering::Relaxed);
    }
}

/// Gives the node what has come on the line.
async fn deliver(serial: &mut Serial, node: &mut TcpStream) -> io::Result<()> {
    while let Some(output) = serial.poll_output() {
        if let Output::Deliver(bytes) = output {
            node.write_all(&bytes).await?;
        }
    }
    Ok(())
}

/// The next whole frame of a node's TCP stream, or its opening byte. No frame begins with a byte 01: it would be
/// larger than any may be.
fn next_frame(stream: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = match stream.first_chunk() {
        _ if stream.first() == Some(&VERSION) => 1,
        Some(length) => 4 + u32::from_be_bytes(*length) as usize,
        None => return None,
    };
    (stream.len() >= length).then(|| stream.drain(..length).collect())
}

/// A frame of TCP as it is written on the line; nothing for the opening byte, or for what no line carries.
fn encode(serial: &mut Serial, frame: Vec<u8>) -> Option<Vec<u8>> {
    with(|env| serial.handle(env, Input::Send(Message::raw(frame, 0)))).ok()?;
    if !serial.writes() {
        return None;
    }
    match serial.poll_output() {
        Some(Output::Write(bytes)) => Some(bytes),
        _ => None,
    }
}

/// Framing looks at no clock and draws nothing.
fn with<T>(call: impl FnOnce(&mut Env<'_>) -> T) -> T {
    call(&mut Env::new(Instant::ZERO, Timestamp(0), &mut Seeded::from_u64(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_a_node_is_cut_into_its_opening_byte_and_its_frames() {
        let whole = [&[1][..], &[0, 0, 0, 2, 7, 8], &[0, 0, 0, 1, 9]].concat();
        for cut in 1..whole.len() {
            let (mut stream, mut frames) = (Vec::new(), Vec::new());
            for chunk in whole.chunks(cut) {
                stream.extend_from_slice(chunk);
                frames.extend(std::iter::from_fn(|| next_frame(&mut stream)));
            }
            assert_eq!(frames, [&[1][..], &[0, 0, 0, 2, 7, 8], &[0, 0, 0, 1, 9]], "cut every {cut} bytes");
        }
    }

    #[test]
    fn noise_harms_as_many_bytes_as_it_says_and_the_same_every_time() {
        let bytes = vec![7; 100_000];
        let [mut a, mut b] = [Noise::new(3), Noise::new(3)];
        assert_eq!(a.pass(&bytes, 0), bytes);
        let harmed = a.pass(&bytes, 10_000);
        assert_eq!(harmed, b.pass(&bytes, 10_000));
        assert!(harmed != bytes && (800..1_200).contains(&a.harmed), "{}", a.harmed);
    }
}

//! TCP: an opening byte, then frames of one transport message each.
//!
//! ```text
//! 01 | length u32 | [onward, return, payload, tracing?] | length u32 | ...
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::env::{Env, Instant};
use crate::error::{Error, Result};
use crate::machine::{Deadline, Machine, Refused, Snapshot, Transition};
use crate::routing::{HEADROOM, Limits, Message, TAILROOM, Tail};
use crate::wire::cbor::Reader;

/// The protocol version: the first byte in each direction.
pub const VERSION: u8 = 1;

const LENGTH: usize = 4;

const TOO_LARGE: Error = Error::limit("TCP-4", "a frame is larger than the configured limit");
const CLOSED: Error = Error::misuse("TCP-13", "the connection is closed");

/// What a connection is configured with. Spec: "Limits".
#[derive(Debug, Clone)]
pub struct Config {
    /// Bounds of the routes in a message.
    pub limits: Limits,
    /// The most bytes of one transport message, without its length. The wire's own bound is 16 MiB.
    pub frame: u32,
    /// The most bytes that one [`Input::Received`] may hold.
    pub chunk: usize,
    /// How long the peer's opening byte may take.
    pub opening_time: Duration,
    /// How long a frame may take from its first byte to its last.
    pub frame_time: Duration,
    /// The tracing text of messages that have none of their own; none by default.
    pub tracing: Option<String>,
}

impl Config {
    /// What every receiver accepts at least.
    pub const FLOOR: Self = Self {
        limits: Limits::FLOOR,
        frame: 65_536,
        chunk: 1,
        opening_time: Duration::from_secs(5),
        frame_time: Duration::from_secs(60),
        tracing: None,
    };

    /// The most that anyone may send, or be configured with.
    pub const CEILING: Self = Self {
        limits: Limits::CEILING,
        frame: 16 * 1024 * 1024,
        chunk: 1024 * 1024,
        opening_time: Duration::from_secs(3600),
        frame_time: Duration::from_secs(3600),
        tracing: None,
    };

    /// What a connection is configured with unless told otherwise.
    pub const DEFAULT: Self =
        Self { limits: Limits::DEFAULT, frame: Self::CEILING.frame, chunk: 65_536, ..Self::FLOOR };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a connection takes.
#[derive(Debug)]
pub enum Input {
    /// Bytes from the peer, cut anywhere. Refused as full while earlier bytes are not drained.
    Received(Vec<u8>),
    /// A message for the peer; its onward route starts at the peer's node.
    Send(Message),
}

/// What a connection gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes to the peer.
    Open([u8; 1]),
    /// Write the payload of this message to the peer: it is one frame.
    Transmit(Message),
    /// The peer sent this message.
    Deliver(Message),
    /// A frame was dropped, and why; the connection goes on.
    Dropped(Error),
    /// Close the connection. Nothing follows.
    Close(Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The peer's opening byte has not come.
    Opening,
    /// Frames come and go.
    Open,
    /// Nothing comes or goes any more.
    Closed,
}

/// The frame that is being received.
#[derive(Debug, Default)]
struct Partial {
    length: [u8; LENGTH],
    length_read: usize,
    /// `HEADROOM` bytes, then what has arrived of the message.
    bytes: Vec<u8>,
}

impl Partial {
    /// Makes room for `more` bytes: twice what there was, and never more than the whole frame needs.
    fn reserve(&mut self, more: usize, total: usize) {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.bytes.capacity() {
            let most = total.saturating_add(TAILROOM);
            let doubled = self.bytes.capacity().saturating_mul(2).clamp(needed, most);
            self.bytes.reserve_exact(doubled.saturating_sub(self.bytes.len()));
        }
    }
}

/// One TCP connection's framing, either side. Nothing on it is authenticated: all it holds of the peer
/// is provisional.
#[derive(Debug)]
pub struct Tcp {
    config: Config,
    state: State,
    greeting: Option<[u8; 1]>,
    transmit: Option<Message>,
    failure: Option<Error>,
    received: Vec<u8>,
    position: usize,
    partial: Partial,
    /// When the opening byte or the frame that has begun must be complete.
    limit: Option<Instant>,
    now: Instant,
    heartbeats: u64,
}

impl Tcp {
    /// A connection that has just been made. Its first output is the opening byte.
    pub fn new(config: Config, now: Instant) -> Self {
        let limit = Some(now + config.opening_time);
        Self {
            config,
            state: State::Opening,
            //= spec/src/tcp.md#tcp-2
            //# A node MUST write the opening byte 01 before anything else.
            greeting: Some([VERSION]),
            transmit: None,
            failure: None,
            received: Vec::new(),
            position: 0,
            partial: Partial::default(),
            limit,
            now,
            heartbeats: 0,
        }
    }

    /// How the connection moves between its states.
    pub fn transitions() -> &'static [Transition] {
        const ROWS: [Transition; 8] = [
            Transition::new("[*]", "connected / opening byte", "Opening"),
            Transition::new("Opening", "opening byte 01", "Open"),
            Transition::new("Opening", "another opening byte", "Closed"),
            Transition::new("Opening", "time is up", "Closed"),
            Transition::new("Open", "frame / deliver", "Open"),
            Transition::new("Open", "frame that cannot be decoded or is too large", "Closed"),
            Transition::new("Open", "time is up within a frame", "Closed"),
            Transition::new("Closed", "gone", "[*]"),
        ];
        &ROWS
    }

    /// Whether the connection is closed for good.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether there is nothing left to poll for: all that came has been read.
    pub fn is_drained(&self) -> bool {
        let said = self.greeting.is_none() && self.transmit.is_none() && self.failure.is_none();
        said && self.unread().is_empty()
    }

    /// How many heartbeats have come.
    pub const fn heartbeats(&self) -> u64 {
        self.heartbeats
    }

    fn close(&mut self, error: Error) -> Output {
        self.state = State::Closed;
        self.received = Vec::new();
        self.position = 0;
        self.partial = Partial::default();
        self.limit = None;
        Output::Close(error)
    }

    /// Folds a message into a frame, in place.
    fn encode(&self, mut message: Message) -> Result<Message> {
        if message.tracing().is_none()
            && let Some(text) = &self.config.tracing
        {
            message.set_tracing(Some(text));
        }
        for route in [message.onward(), message.return_route()] {
            //= spec/src/tcp.md#tcp-12
            //# A node MUST NOT send a route that exceeds the ceilings of routes.
            if route.len() > usize::from(Limits::CEILING.hops)
                || route.items().len() > usize::from(Limits::CEILING.route)
            {
                return Err(Error::limit("TCP-12", "a route has grown beyond what anyone may send"));
            }
        }
        let items = if message.tracing().is_some() { 0x84 } else { 0x83 };
        message.fold(&[0, 0, 0, 0, items], Tail::Tracing);
        //= spec/src/tcp.md#tcp-9
        //# A node MUST NOT send a transport message that is larger than their ceiling.
        let length = u32::try_from(message.payload().len().saturating_sub(LENGTH))
            .ok()
            .filter(|length| *length <= Config::CEILING.frame || planted!(SendsOverCeiling));
        let length = length.ok_or(Error::limit("TCP-9", "the message is larger than a frame may be"))?;
        if let Some(place) = message.payload_mut().first_chunk_mut::<LENGTH>() {
            *place = length.to_be_bytes();
        }
        Ok(message)
    }

    /// The bytes that have come and are not read.
    fn unread(&self) -> &[u8] {
        self.received.get(self.position..).unwrap_or_default()
    }

    fn take(&mut self, count: usize) {
        self.position = self.position.saturating_add(count);
        if self.position >= self.received.len() {
            self.received = Vec::new();
            self.position = 0;
        }
    }

    /// Reads until one output is there or no bytes are left.
    fn read(&mut self) -> Result<Option<Output>> {
        if self.state == State::Opening {
            let Some(version) = self.unread().first().copied() else { return Ok(None) };
            //= spec/src/tcp.md#tcp-1
            //# A node MUST close a connection whose first byte from the peer is not 01.
            if version != VERSION && !planted!(TakesAnyVersion) {
                return Err(Error::misbehaved("TCP-1", "the peer speaks another version of the TCP protocol"));
            }
            self.take(1);
            self.state = State::Open;
            self.limit = None;
        }
        while self.state == State::Open && !self.unread().is_empty() {
            if planted!(FrameTimeSlides) {
                self.limit = None;
            }
            if self.limit.is_none() && !planted!(FrameWithoutEnd) {
                self.limit = Some(self.now + self.config.frame_time);
            }
            let Some(frame) = self.read_frame()? else { return Ok(None) };
            self.limit = None;
            if let Some(output) = self.decode(frame)? {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }

    /// Collects one frame. A length that is only announced allocates nothing.
    fn read_frame(&mut self) -> Result<Option<Vec<u8>>> {
        while self.partial.length_read < LENGTH {
            let Some(byte) = self.unread().first().copied() else { return Ok(None) };
            if let Some(place) = self.partial.length.get_mut(self.partial.length_read) {
                *place = byte;
            }
            self.partial.length_read = self.partial.length_read.saturating_add(1);
            self.take(1);
        }
        let announced = u32::from_be_bytes(self.partial.length);
        //= spec/src/tcp.md#tcp-4
        //# A node MUST close a connection on which a frame announces more bytes than the configured limit of transport messages.
        if announced > self.config.frame && !planted!(TakesLargeFrames) {
            return Err(TOO_LARGE);
        }
        //= spec/src/tcp.md#tcp-3
        //# A node MUST close a connection on which a frame has no bytes.
        if announced == 0 {
            return Err(Error::malformed("TCP-3", "a frame is empty"));
        }
        let total = HEADROOM.saturating_add(usize::try_from(announced).map_err(|_| TOO_LARGE)?);
        if self.partial.bytes.is_empty() {
            //= spec/src/tcp.md#tcp-5
            //# A node MUST NOT allocate more memory for a frame than a small multiple of what has arrived of it.
            let arrived = HEADROOM.saturating_add(self.unread().len());
            let expected = if planted!(AllocatesAnnounced) { total } else { total.min(arrived) };
            self.partial.bytes = Vec::with_capacity(expected.saturating_add(TAILROOM));
            self.partial.bytes.resize(HEADROOM, 0);
        }
        let missing = total.saturating_sub(self.partial.bytes.len());
        let count = missing.min(self.unread().len());
        self.partial.reserve(count, total);
        let arrived = self.received.get(self.position..self.position.saturating_add(count)).unwrap_or_default();
        self.partial.bytes.extend_from_slice(arrived);
        self.take(count);
        if self.partial.bytes.len() < total {
            return Ok(None);
        }
        Ok(Some(core::mem::take(&mut self.partial).bytes))
    }

    /// Decodes one frame, in place.
    fn decode(&mut self, frame: Vec<u8>) -> Result<Option<Output>> {
        let mut message = Message::raw(frame, HEADROOM);
        let mut head = Reader::new(message.payload());
        // Three items, or four with the tracing text; a later version may add more.
        let has_fourth = head.clone().array()? > 3;
        let unknown = head.open_array_of(if has_fourth { 4 } else { 3 })?;
        let skip = head.position();
        let decoded = message.unfold(skip, &self.config.limits, |reader| {
            //= spec/src/tcp.md#tcp-15
            //# A receiver MUST take a fourth item that is `null` for the absence of a tracing text.
            let traced = has_fourth && !reader.null()?;
            if traced {
                reader.text(usize::MAX)?;
            }
            //= spec/src/extensions.md#ext-1
            //# A receiver MUST skip up to 4 well-formed unknown items at the end of a transport message or a handshake payload, and refuse more.
            reader.skip_unknown(unknown)?;
            end(reader).map(|()| traced)
        });
        match decoded {
            //= spec/src/tcp.md#tcp-6
            //# A node MUST ignore a transport message with an empty onward route.
            Ok(()) if message.onward().is_empty() => {
                self.heartbeats = self.heartbeats.saturating_add(1);
                Ok(None)
            }
            Ok(()) => Ok(Some(Output::Deliver(message))),
            //= spec/src/tcp.md#tcp-8
            //# A node MUST drop a frame with a route beyond a limit of RTE-2, RTE-3 or RTE-4, and keep the connection.
            Err(error) if Limits::are_exceeded(&error) && !planted!(LongRouteCloses) => {
                Ok(Some(Output::Dropped(error)))
            }
            Err(error) if planted!(KeepsBrokenConnection) => Ok(Some(Output::Dropped(error))),
            //= spec/src/tcp.md#tcp-7
            //# A node MUST close a connection on which a frame cannot be decoded.
            Err(error) => Err(error),
        }
    }
}

/// Nothing may follow in the frame.
fn end(reader: &Reader<'_>) -> Result<()> {
    reader.clone().finish()
}

impl Machine for Tcp {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, env: &mut Env<'_>, input: Input) -> Result<(), Refused<Input>> {
        self.now = self.now.max(env.now);
        match input {
            //= spec/src/tcp.md#tcp-13
            //# A node MUST ignore what arrives on a connection after it has closed it.
            Input::Received(_) if self.state == State::Closed => Ok(()),
            Input::Received(bytes) if !self.received.is_empty() || self.failure.is_some() => {
                Err(Refused::Full(Input::Received(bytes)))
            }
            //= spec/src/tcp.md#tcp-14
            //# A driver MUST NOT hand over more bytes at once than the chunk limit.
            Input::Received(bytes) if bytes.len() > self.config.chunk => {
                Err(Error::misuse("TCP-14", "more bytes at once than the limit of one input").into())
            }
            Input::Received(bytes) => {
                self.received = bytes;
                self.position = 0;
                Ok(())
            }
            Input::Send(_) if self.state == State::Closed => Err(CLOSED.into()),
            Input::Send(message) if self.transmit.is_some() => Err(Refused::Full(Input::Send(message))),
            Input::Send(message) => {
                self.transmit = Some(self.encode(message)?);
                Ok(())
            }
        }
    }

    fn handle_timeout(&mut self, env: &mut Env<'_>) {
        self.now = self.now.max(env.now);
        if self.limit.is_some_and(|limit| limit <= self.now) && self.received.is_empty() {
            self.limit = None;
            self.failure = Some(if self.state == State::Opening {
                //= spec/src/tcp.md#tcp-10
                //# A node MUST close a connection whose opening byte has not arrived within the opening time.
                Error::limit("TCP-10", "the peer's opening byte did not arrive in time")
            } else {
                //= spec/src/tcp.md#tcp-11
                //# A node MUST close a connection on which a frame is not complete within the frame time.
                Error::limit("TCP-11", "a frame was not complete in time")
            });
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        if let Some(greeting) = self.greeting.take() {
            return Some(Output::Open(greeting));
        }
        if let Some(message) = self.transmit.take() {
            return Some(Output::Transmit(message));
        }
        if let Some(error) = self.failure.take() {
            return Some(self.close(error));
        }
        match self.read() {
            Ok(output) => output,
            Err(error) => Some(self.close(error)),
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        let reason = if self.state == State::Opening { "opening byte" } else { "frame" };
        self.limit.map(|at| Deadline::new(at, reason))
    }

    fn trusted(&self, picture: &mut Snapshot) {
        picture.bytes(self.config.tracing.as_deref().unwrap_or_default().as_bytes());
    }

    fn provisional(&self) -> usize {
        self.received.capacity().saturating_add(self.partial.bytes.capacity())
    }

    fn provisional_limit(&self) -> usize {
        let frame = usize::try_from(self.config.frame).unwrap_or(usize::MAX);
        frame.saturating_add(HEADROOM).saturating_add(TAILROOM).saturating_add(self.config.chunk)
    }
}

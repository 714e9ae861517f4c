//! The loop's body: bytes between lines and node, timers, answers.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use razor::env::{Env, Instant};
use razor::error::Error;
use razor::machine::{Machine as _, Refused};
use razor::node::{Config, Connected, ConnectionId, Delivery, Event, FlowControlId, Input, Node, Output};
use razor::routing::{Address, Message, TransportType};
use razor::transport::serial;

use crate::board::Board;
use crate::line::Line;

/// Something that the application may want to know.
#[derive(Debug)]
pub enum Happened {
    /// A message for one of its inboxes.
    Delivered {
        /// The inbox.
        inbox: Address,
        /// The message.
        delivery: Delivery,
    },
    /// Something about the node.
    Event(Event),
    /// A connection over a line was closed, and why; another has begun.
    Restarted {
        /// The line.
        line: usize,
        /// Why.
        error: Error,
    },
}

/// A node, its board, and the lines between it and others.
pub struct Driver<B: Board> {
    board: B,
    /// Large, and moved nowhere.
    node: Box<Node>,
    lines: Vec<Line>,
    reach: FlowControlId,
    next_connection: u64,
    happened: VecDeque<Happened>,
}

/// The transport type of lines in addresses. It never goes on a wire: such an address names a line of its own node.
const LINE: TransportType = TransportType(200);

/// How many things that happened are kept for an application that does not look. Messages are bounded by the node.
const HAPPENED: usize = 32;

impl<B: Board> Driver<B> {
    /// A node on a board, with these lines. Connections over them begin at once; the node may have as many at least, and
    /// has room for the largest message of each.
    pub fn new(mut board: B, config: Config, lines: &[serial::Config]) -> Self {
        // A message that waits has room around it, for routes that grow; a floor is twice the floor of a frame, too.
        let largest = lines.iter().map(|line| (line.frame as usize).saturating_mul(2)).max().unwrap_or_default();
        let config = Config {
            connections: config.connections.max(lines.len()),
            inbox_bytes: config.inbox_bytes.max(largest),
            queue_bytes: config.queue_bytes.max(largest),
            held: config.held.max(largest),
            ..config
        };
        let mut node = Box::new(Node::new(config, &mut board));
        let reach = node.new_flow_control_id();
        let mut driver = Self {
            board,
            node,
            lines: lines.iter().map(|config| Line::new(*config)).collect(),
            reach,
            next_connection: 1,
            happened: VecDeque::new(),
        };
        for line in 0..lines.len() {
            driver.connect(line);
        }
        driver
    }

    /// The address that stands for a line in routes of this node, whichever connection is above it now: its number, as one
    /// byte.
    pub fn address(line: usize) -> Address {
        Address::new(LINE, &[u8::try_from(line).unwrap_or(u8::MAX)])
    }

    /// The id through which lines reach workers: who is its consumer is reached.
    pub const fn reach(&self) -> FlowControlId {
        self.reach
    }

    /// How many frames came on a line.
    pub fn counters(&self, line: usize) -> serial::Counters {
        self.lines.get(line).map(Line::counters).unwrap_or_default()
    }

    /// The board.
    pub const fn board(&mut self) -> &mut B {
        &mut self.board
    }

    /// The node, to be looked at.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Has the node do something, then does what the node asks for.
    pub fn with<T>(&mut self, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let result = self.call(call);
        self.drain();
        result
    }

    /// What has happened and was not looked at.
    pub fn happened(&mut self) -> Option<Happened> {
        let happened = self.happened.pop_front()?;
        if let Happened::Delivered { inbox, .. } = &happened {
            self.tell(Input::Taken { inbox: inbox.clone(), messages: 1 });
        }
        Some(happened)
    }

    /// Does what can be done now. `false` when there was nothing to do.
    pub fn turn(&mut self) -> bool {
        let mut busy = false;
        for index in 0..self.lines.len() {
            busy |= self.write(index);
            busy |= self.read(index);
        }
        let now = self.board.now();
        if self.node.deadline().is_some_and(|deadline| deadline.at <= now) {
            self.with(|node, env| node.handle_timeout(env));
            busy = true;
        }
        busy
    }

    /// Waits until there may be something to do.
    pub fn wait(&mut self) {
        let until: Option<Instant> = self.node.deadline().map(|deadline| deadline.at);
        self.board.wait(until);
    }

    /// Begins a connection over a line.
    fn connect(&mut self, index: usize) {
        let id = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.saturating_add(1);
        let how = Connected { accepted_by: Some(self.reach), alias: Some(Self::address(index)) };
        let (now, wall) = (self.board.now(), self.board.wall());
        let Some(line) = self.lines.get_mut(index) else { return };
        let opening = line.connected(&mut Env::new(now, wall, &mut self.board), id);
        let connected = self.with(|node, env| node.connected(env, id, how));
        debug_assert!(connected.is_ok(), "there is room for every line");
        if let Some(bytes) = opening.filter(|_| connected.is_ok()) {
            self.tell(Input::Received { connection: id, bytes });
        }
    }

    fn write(&mut self, index: usize) -> bool {
        let Some(line) = self.lines.get_mut(index) else { return false };
        let (written, busy) = line.write(&mut self.board, index);
        if let Some((connection, bytes)) = written {
            self.tell(Input::Sent { connection, bytes });
        }
        busy
    }

    /// Reads from a line, and gives the node what came, as long as it takes it.
    fn read(&mut self, index: usize) -> bool {
        let (now, wall) = (self.board.now(), self.board.wall());
        let Some(line) = self.lines.get_mut(index) else { return false };
        let mut busy = false;
        if let Some(bytes) = line.read(&mut self.board, index) {
            line.receive(&mut Env::new(now, wall, &mut self.board), bytes);
            busy = true;
        }
        loop {
            let Some(line) = self.lines.get_mut(index) else { return busy };
            let Some(connection) = line.connection.filter(|id| self.node.reads(*id)) else { return busy };
            let Some(bytes) = line.next() else { return busy };
            busy = true;
            match self.with(|node, env| node.handle(env, Input::Received { connection, bytes })) {
                Ok(()) | Err(Refused::Error(_)) => {}
                Err(Refused::Full(Input::Received { bytes, .. })) => {
                    if let Some(line) = self.lines.get_mut(index) {
                        line.parked = Some(bytes);
                    }
                    return busy;
                }
                Err(Refused::Full(_)) => return busy,
            }
        }
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Node, &mut Env<'_>) -> T) -> T {
        let (now, wall) = (self.board.now(), self.board.wall());
        call(&mut self.node, &mut Env::new(now, wall, &mut self.board))
    }

    /// An input that a node never refuses.
    fn tell(&mut self, input: Input) {
        let told = self.with(|node, env| node.handle(env, input));
        debug_assert!(told.is_ok(), "the node refuses to be told");
    }

    /// Does what the node asks for until it asks for nothing more.
    fn drain(&mut self) {
        let mut follow = VecDeque::new();
        let mut closed = Vec::new();
        loop {
            while let Some(output) = self.node.poll_output() {
                match output {
                    Output::Transmit { connection, frame } => follow.extend(self.transmit(connection, frame)),
                    Output::Close { connection, error } => closed.push((connection, error)),
                    Output::Deliver { inbox, delivery } => {
                        self.happened.push_back(Happened::Delivered { inbox, delivery });
                    }
                    Output::Request { id, request, .. } => {
                        let answer = self.board.answer(&request);
                        follow.push_back(Input::Answer { id, answer });
                    }
                    Output::Event(event) => self.note(Happened::Event(event)),
                    // There are no links: this node is alone.
                    Output::Cross { .. } => {}
                }
            }
            let Some(input) = follow.pop_front() else { break };
            let _ = self.call(|node, env| node.handle(env, input));
        }
        for (connection, error) in closed {
            self.begin_anew(connection, error);
        }
    }

    /// Keeps something for the application, and forgets it when that does not look.
    fn note(&mut self, happened: Happened) {
        if self.happened.len() < HAPPENED {
            self.happened.push_back(happened);
        }
    }

    /// Puts a frame in line to be written. When there is nothing to write, it counts as written.
    fn transmit(&mut self, connection: ConnectionId, frame: Message) -> Option<Input> {
        let bytes = frame.payload().len() as u64;
        let (now, wall) = (self.board.now(), self.board.wall());
        let line = self.lines.iter_mut().find(|line| line.connection == Some(connection));
        let mut env = Env::new(now, wall, &mut self.board);
        let waits = line.is_some_and(|line| line.transmit(&mut env, connection, frame));
        (!waits).then_some(Input::Sent { connection, bytes })
    }

    /// A connection is closed: the next one over the same line.
    fn begin_anew(&mut self, connection: ConnectionId, error: Error) {
        let Some(index) = self.lines.iter().position(|line| line.connection == Some(connection)) else { return };
        //= spec/src/serial.md#ser-13
        //# A node whose connection over a line is closed MUST begin another one over the same line.
        self.connect(index);
        self.note(Happened::Restarted { line: index, error });
    }
}

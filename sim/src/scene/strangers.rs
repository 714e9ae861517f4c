//! Strangers come to a node that takes few connections: some say nothing, some begin a frame and do not end it, some are
//! silent for long. Others use theirs. A model says of each connection when it has to go, and that it stays until then.

use std::collections::BTreeMap;
use std::time::Duration;

use razor::env::Instant;
use razor::node::{Config, Connected, ConnectionId, Flow, FlowControlId, Input, Mailbox, Output};
use razor::routing::{Address, Limits, Route, TransportType};
use razor::transport::{self, VERSION};

use crate::checker::Property;
use crate::frame::Frame;
use crate::seed::{Seed, Stream};

use super::stage::Stage;
use super::{Outcome, demand, fault};

/// Lines of the script.
const LINES: usize = 60;

const OPENING: Duration = Duration::from_secs(5);
const FRAME: Duration = Duration::from_secs(7);
const IDLE: Duration = Duration::from_secs(10);

/// What all connections together may hold.
const HELD: usize = 65_536;

/// The only inbox.
const INBOX: &str = "inbox";

/// What the model knows of a connection.
#[derive(Debug, Clone)]
struct Guest {
    address: Address,
    /// Where it was dialled; `None` if it was accepted.
    alias: Option<Address>,
    /// When it was made.
    since: Instant,
    /// Whether its peer has sent the opening byte.
    open: bool,
    /// When something last came or went.
    used: Instant,
    /// When the frame was begun that is not complete, and what is missing of it.
    begun: Option<(Instant, Vec<u8>)>,
}

impl Guest {
    /// When the node has to give it up, if nothing else comes.
    fn due(&self) -> Option<Instant> {
        if self.open { self.begun.as_ref().map(|(at, _)| *at + FRAME) } else { Some(self.since + OPENING) }
    }
}

struct Strangers {
    stage: Stage,
    random: Stream,
    accepted: FlowControlId,
    limit: usize,
    guests: BTreeMap<ConnectionId, Guest>,
    /// Addresses at which connections were dialled that are gone.
    hung_up: Vec<Address>,
    messages: u64,
}

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("strangers");
    let limit = random.within(2..=5) as usize;
    // Routes as long as anybody may send: one address more is too much.
    let tcp = transport::Config {
        limits: Limits::CEILING,
        opening_time: OPENING,
        frame_time: FRAME,
        ..transport::Config::DEFAULT
    };
    let config = Config { connections: limit, idle: IDLE, tcp, held: HELD, ..Config::DEFAULT };
    let mut stage = Stage::new(seed, "strangers' node", config);
    let accepted = stage.node.new_flow_control_id();
    let flow = Flow { consumer_of: vec![accepted], ..Flow::default() };
    stage.with(|node, env| node.open_inbox(env, Mailbox::open(INBOX.into()), flow)).expect("a free address");
    let mut scene =
        Strangers { stage, random, accepted, limit, guests: BTreeMap::new(), hung_up: Vec::new(), messages: 0 };
    for _ in 0..LINES {
        scene.line()?;
    }
    scene.dribble()?;
    scene.redial()?;
    scene.hoard()?;
    scene.crowd_out()
}

impl Strangers {
    fn line(&mut self) -> Outcome {
        // No two things happen at the same time.
        self.wait(Duration::from_millis(1))?;
        let known: Vec<ConnectionId> = self.guests.keys().copied().collect();
        let one = self.random.pick(&known).copied();
        match (self.random.below(12), one) {
            (0..=2, _) | (_, None) => self.connect(),
            (3, _) => {
                let most = if self.random.below(3) == 0 { IDLE * 2 } else { Duration::from_secs(2) };
                let time = self.random.duration(&(Duration::ZERO..=most));
                self.wait(time)
            }
            (4, Some(id)) => self.wait_for(id),
            (5..=6, Some(id)) => self.open(id),
            (7..=8, Some(id)) => self.speak(id),
            (9, Some(id)) => self.begin_or_end(id),
            (10, Some(id)) => self.send(id),
            (_, Some(id)) => match self.random.below(6) {
                0 => self.hang_up(id),
                1 => self.blunder(id),
                2 => self.send_too_far(id),
                _ => self.call_who_is_gone(),
            },
        }
    }

    /// Somebody comes, or is dialled.
    fn connect(&mut self) -> Outcome {
        let now = self.stage.now;
        let dialled = self.random.below(4) == 0;
        let alias = dialled.then(|| {
            let name = format!("peer-{}:1", self.messages);
            self.messages += 1;
            Address::new(TransportType::TCP, name.as_bytes())
        });
        let accepted = (!dialled).then_some(self.accepted);
        let idle =
            self.guests.iter().filter(|(_, guest)| guest.alias.is_none()).min_by_key(|(id, guest)| (guest.used, **id));
        let full = self.guests.len() >= self.limit;
        let victim = idle.filter(|(_, guest)| full && guest.used + IDLE <= now).map(|(id, _)| *id);
        let result = self.stage.connect(accepted, alias.clone());
        let said = std::mem::take(&mut self.stage.said);
        let closed = said.iter().find_map(|output| match output {
            Output::Close { connection, .. } => Some(*connection),
            _ => None,
        });
        demand(closed == victim, Property::Bounds, || {
            format!(
                "a node of {} connections closed {closed:?} for a new one, and had to close {victim:?}",
                self.guests.len()
            )
        })?;
        victim.into_iter().for_each(|victim| self.forget(victim));
        let refused = full && victim.is_none();
        match result {
            Ok(_) if refused => Err(fault(Property::Bounds, "a connection beyond the limit was taken")),
            Err(error) if !refused => Err(fault(Property::Liveness, format!("a connection was refused: {error}"))),
            Err(_) => Ok(()),
            Ok((id, address)) => {
                if let Some(producer) = self.stage.node.producer_at(&address).filter(|_| dialled) {
                    self.stage.node.add_consumer(&INBOX.into(), producer).expect("the inbox is there");
                }
                let guest = Guest { address, alias, since: now, open: false, used: now, begun: None };
                self.guests.insert(id, guest);
                self.stage.said = said.into_iter().filter(|output| !matches!(output, Output::Close { .. })).collect();
                self.write(id)
            }
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        self.hung_up.extend(self.guests.remove(&id).and_then(|guest| guest.alias));
    }

    /// The driver writes what the node has for this peer, and nothing else was said.
    fn write(&mut self, id: ConnectionId) -> Outcome {
        for output in std::mem::take(&mut self.stage.said) {
            match output {
                Output::Transmit { connection, frame } if connection == id => {
                    let bytes = frame.payload().len() as u64;
                    self.stage.must(Input::Sent { connection, bytes })?;
                    self.used(id);
                }
                Output::Event(_) => {}
                other => return Err(fault(Property::Verdict, format!("a node did what nobody asked for: {other:?}"))),
            }
        }
        Ok(())
    }

    fn used(&mut self, id: ConnectionId) {
        let now = self.stage.now;
        if let Some(guest) = self.guests.get_mut(&id) {
            guest.used = now;
        }
    }

    /// Time passes: whoever has not said in time what was begun has to go, at that time, and nobody else.
    fn wait(&mut self, time: Duration) -> Outcome {
        let end = self.stage.now + time;
        let mut due: BTreeMap<ConnectionId, Instant> = BTreeMap::new();
        for (id, guest) in &self.guests {
            due.extend(guest.due().filter(|due| *due <= end).map(|due| (*id, due)));
        }
        if let Some(first) = due.values().min().copied() {
            let early = Instant::from_nanos(first.as_nanos() - 1);
            if early > self.stage.now {
                self.stage.pass(early.since(self.stage.now))?;
                demand(self.stage.said.is_empty(), Property::Bounds, || {
                    format!("a connection was closed before its time: {:?}", self.stage.said)
                })?;
            }
        }
        self.stage.pass(end.since(self.stage.now))?;
        let mut closed = Vec::new();
        for output in std::mem::take(&mut self.stage.said) {
            let Output::Close { connection, .. } = output else { continue };
            demand(due.remove(&connection).is_some(), Property::Bounds, || {
                "a connection was closed that was in time".into()
            })?;
            closed.push(connection);
        }
        demand(due.is_empty(), Property::Bounds, || {
            format!("{} connections stay that have not said in time what they have to", due.len())
        })?;
        closed.into_iter().for_each(|id| self.forget(id));
        Ok(())
    }

    /// Time passes until shortly before a connection may be closed for another, or shortly after.
    fn wait_for(&mut self, id: ConnectionId) -> Outcome {
        let at = self.guests[&id].used + IDLE;
        let wait = at.since(self.stage.now);
        let slack = Duration::from_millis(2);
        let time = if self.random.below(2) == 0 { wait.saturating_sub(slack) } else { wait };
        self.wait(time)?;
        self.connect()
    }

    /// Bytes from a peer, which the node has to take.
    fn hear(&mut self, id: ConnectionId, bytes: Vec<u8>) -> Outcome {
        let taken = self.stage.receive(id, bytes)?;
        demand(taken, Property::Liveness, || "a node that has room does not read".into())?;
        self.used(id);
        Ok(())
    }

    fn open(&mut self, id: ConnectionId) -> Outcome {
        if self.guests[&id].open {
            return self.speak(id);
        }
        if let Some(guest) = self.guests.get_mut(&id) {
            guest.open = true;
        }
        self.hear(id, vec![VERSION])?;
        self.write(id)
    }

    fn frame(&mut self, payload: &[u8]) -> Frame {
        let accents = [None, None, Some("a trace".to_owned())];
        let tracing = self.random.pick(&accents).cloned().flatten();
        Frame { onward: vec![INBOX.into()], back: vec!["peer".into()], payload: payload.to_vec(), tracing }
    }

    /// A peer says something, and it arrives.
    fn speak(&mut self, id: ConnectionId) -> Outcome {
        let Guest { open: true, begun: None, .. } = self.guests[&id] else { return Ok(()) };
        let number = self.next();
        let frame = self.frame(&number);
        let mut bytes = frame.encode();
        if frame.tracing.is_none() && self.random.below(2) == 0 {
            // No text is as good as none.
            bytes[crate::frame::LENGTH] = 0x84;
            bytes.push(0xf6);
            let length = (bytes.len() - crate::frame::LENGTH) as u32;
            bytes[..crate::frame::LENGTH].copy_from_slice(&length.to_be_bytes());
        }
        self.hear(id, bytes)?;
        self.arrived(id, &number)
    }

    fn next(&mut self) -> [u8; 8] {
        self.messages += 1;
        self.messages.to_be_bytes()
    }

    /// Exactly this has arrived, from this peer.
    fn arrived(&mut self, id: ConnectionId, payload: &[u8]) -> Outcome {
        let delivered = self.stage.delivered();
        let guest = &self.guests[&id];
        let [(_, delivery)] = &delivered[..] else {
            return Err(fault(Property::Liveness, format!("{} messages came out of one", delivered.len())));
        };
        let way = Route::from_iter([guest.address.clone(), "peer".into()]);
        demand(delivery.message.payload() == payload, Property::Authenticity, || "another message came out".into())?;
        demand(delivery.message.return_route() == way.as_ref(), Property::Provenance, || {
            "a message does not lead back to where it came from".into()
        })?;
        demand(delivery.provenance.from_connection() == Some(id), Property::Provenance, || {
            format!("a message of {id:?} came as one of {:?}", delivery.provenance)
        })?;
        self.stage.must(Input::Taken { inbox: INBOX.into(), messages: 1 })
    }

    /// A peer begins a frame, or ends the one that it has begun.
    fn begin_or_end(&mut self, id: ConnectionId) -> Outcome {
        let guest = &self.guests[&id];
        if !guest.open {
            return Ok(());
        }
        let now = self.stage.now;
        if let Some((_, rest)) = &guest.begun {
            let mut rest = rest.clone();
            // Sometimes a little more comes, and not all: the time is that of the beginning.
            if self.random.below(2) == 0 && rest.len() > 4 {
                let more: Vec<u8> = rest.drain(..2).collect();
                self.hear(id, more)?;
                if let Some((_, missing)) = self.guests.get_mut(&id).and_then(|guest| guest.begun.as_mut()) {
                    *missing = rest;
                }
                return self.write(id);
            }
            self.hear(id, rest)?;
            let number = self.messages_of(id);
            if let Some(guest) = self.guests.get_mut(&id) {
                guest.begun = None;
            }
            return self.arrived(id, &number);
        }
        let number = self.messages_of(id);
        let mut bytes = self.frame(&number).encode();
        let cut = 1 + self.random.index(bytes.len() - 1);
        let rest = bytes.split_off(cut);
        self.hear(id, bytes)?;
        if let Some(guest) = self.guests.get_mut(&id) {
            guest.begun = Some((now, rest));
        }
        self.write(id)
    }

    /// What the frame says that a connection begins.
    fn messages_of(&self, id: ConnectionId) -> [u8; 8] {
        (id.0 << 32).to_be_bytes()
    }

    /// The node's owner says something to a peer: by the address of the connection, or where it was dialled.
    fn send(&mut self, id: ConnectionId) -> Outcome {
        let guest = self.guests[&id].clone();
        let first = guest.alias.unwrap_or(guest.address);
        let sent = self.stage.send(Route::from_iter([first, "far".into()]), Route::from_iter([INBOX]), b"hello")?;
        let leaves = self
            .stage
            .said
            .iter()
            .any(|output| matches!(output, Output::Transmit { connection, .. } if *connection == id));
        demand(sent && leaves, Property::Liveness, || {
            "a message for a connection that is there does not leave".into()
        })?;
        self.write(id)
    }

    /// The owner sends a route that is longer than any may be: it does not leave.
    fn send_too_far(&mut self, id: ConnectionId) -> Outcome {
        let first = self.guests[&id].address.clone();
        let beyond = usize::from(Limits::CEILING.hops) + 1;
        let long: Route = (0..beyond).map(|_| Address::local("a")).collect();
        let onward = Route::from_iter([first, "far".into()]);
        self.stage.send(onward, long, b"hello")?;
        let leaves = self.stage.said.iter().any(|output| matches!(output, Output::Transmit { .. }));
        demand(!leaves, Property::Conformance, || format!("a route of {beyond} addresses was sent"))?;
        self.write(id)
    }

    /// A peer sends what is no frame: its connection is closed, and nothing is delivered.
    fn blunder(&mut self, id: ConnectionId) -> Outcome {
        let Guest { open: true, begun: None, .. } = self.guests[&id] else { return Ok(()) };
        let mut bytes = self.frame(b"blunder").encode();
        if bytes[crate::frame::LENGTH] == crate::frame::PLAIN {
            bytes[crate::frame::LENGTH] = 0x84;
        } else {
            bytes.truncate(bytes.len() - 8);
        }
        // A tracing text that is none: a number, or bytes.
        let tail: &[u8] = if self.random.below(2) == 0 { &[7] } else { &[0x41, 7] };
        bytes.extend(tail);
        let length = (bytes.len() - crate::frame::LENGTH) as u32;
        bytes[..crate::frame::LENGTH].copy_from_slice(&length.to_be_bytes());
        self.stage.receive(id, bytes)?;
        let said = std::mem::take(&mut self.stage.said);
        let closed = said.iter().any(|output| matches!(output, Output::Close { connection, .. } if *connection == id));
        let quiet = !said.iter().any(|output| matches!(output, Output::Deliver { .. }));
        demand(closed && quiet, Property::Verdict, || "what is no frame did not close its connection".into())?;
        self.forget(id);
        Ok(())
    }

    /// A connection breaks.
    fn hang_up(&mut self, id: ConnectionId) -> Outcome {
        self.stage.must(Input::Disconnected { connection: id })?;
        self.write(id)?;
        self.forget(id);
        let again = self.stage.with(|node, env| node.connected(env, id, Connected::default()));
        self.stage.said.clear();
        demand(again.is_err(), Property::Conformance, || "the number of a connection was used twice".into())
    }

    /// A peer sends a frame byte by byte, and is not ready when its time is over.
    fn dribble(&mut self) -> Outcome {
        self.wait(IDLE)?;
        while let Some(id) = self.guests.keys().next().copied() {
            self.hang_up(id)?;
        }
        self.connect()?;
        let Some(id) = self.guests.keys().next().copied() else {
            return Err(fault(Property::Liveness, "an empty node takes no connection"));
        };
        self.open(id)?;
        let mut rest = self.frame(b"slowly").encode();
        rest.truncate(rest.len() - 1);
        let since = self.stage.now;
        let steps = 6;
        for piece in rest.chunks(rest.len().div_ceil(steps)) {
            self.wait((FRAME / (steps as u32 + 1)).min((since + FRAME).since(self.stage.now)))?;
            let begun = self.guests[&id].begun.as_ref().map_or(self.stage.now, |(at, _)| *at);
            self.hear(id, piece.to_vec())?;
            if let Some(guest) = self.guests.get_mut(&id) {
                guest.begun = Some((begun, Vec::new()));
            }
        }
        // No byte was in time for more than the frame that it belongs to.
        let due = self.guests[&id].due().map_or(Duration::ZERO, |due| due.since(self.stage.now));
        self.wait(due)
    }

    /// Somebody is to be reached where he was dialled, and is gone.
    fn call_who_is_gone(&mut self) -> Outcome {
        let Some(alias) = self.random.pick(&self.hung_up).cloned() else { return Ok(()) };
        let message = Route::from_iter([alias, "far".into()]);
        let sent = self.stage.send(message, Route::from_iter([INBOX]), b"hello")?;
        let left = self.stage.said.iter().any(|output| matches!(output, Output::Transmit { .. }));
        self.stage.said.clear();
        demand(!sent && !left, Property::Conformance, || "a message left for a connection that is gone".into())
    }

    /// A place is dialled again, and then the connection before breaks: the place is reached over the new one.
    fn redial(&mut self) -> Outcome {
        self.wait(IDLE)?;
        while let Some(id) = self.guests.keys().next().copied() {
            self.hang_up(id)?;
        }
        let alias = Address::new(TransportType::TCP, b"again:1");
        let [before, after] = [(); 2].map(|()| self.stage.connect(None, Some(alias.clone())));
        let (Ok((before, _)), Ok((after, _))) = (before, after) else {
            return Err(fault(Property::Liveness, "an empty node dials nobody"));
        };
        self.stage.must(Input::Disconnected { connection: before })?;
        self.stage.said.clear();
        let sent = self.stage.send(Route::from_iter([alias, "far".into()]), Route::from_iter([INBOX]), b"hello")?;
        let left = self.stage.said.drain(..).any(|output| match output {
            Output::Transmit { connection, .. } => connection == after,
            _ => false,
        });
        demand(sent && left, Property::Liveness, || {
            "the connection before is gone, and nobody is reached where the new one was dialled".into()
        })?;
        self.stage.must(Input::Disconnected { connection: after })
    }

    /// Peers begin large frames: whoever holds the most has to go when all hold too much, and only he.
    fn hoard(&mut self) -> Outcome {
        self.wait(IDLE)?;
        while let Some(id) = self.guests.keys().next().copied() {
            self.hang_up(id)?;
        }
        for _ in 0..2 {
            self.connect()?;
        }
        let mut ids: Vec<ConnectionId> = self.guests.keys().copied().collect();
        if self.random.below(2) == 0 {
            ids.reverse();
        }
        let [modest, greedy] = ids[..] else { return Err(fault(Property::Liveness, "two connections are not two")) };
        let rounds = [(modest, HELD / 16), (greedy, HELD / 4)];
        for (id, there) in rounds {
            self.hear(id, begin(1 << 20, there))?;
        }
        self.write(greedy)?;
        for _ in 0..8 {
            // Twice what has come is the most that may be held of it, so that the limit is not reached before, and is after.
            self.stage.receive(greedy, vec![0; HELD / 8])?;
        }
        let closed: Vec<ConnectionId> = closed(&self.stage);
        demand(closed == [greedy], Property::Bounds, || {
            format!("of {:?} with much and {:?} with little, {closed:?} had to go", greedy, modest)
        })?;
        self.forget(greedy);
        self.stage.said.clear();
        Ok(())
    }

    /// Somebody holds much and is silent, and others who hold less say what makes it too much: he has to go all the same.
    fn crowd_out(&mut self) -> Outcome {
        while let Some(id) = self.guests.keys().next().copied() {
            self.hang_up(id)?;
        }
        for _ in 0..2 {
            self.connect()?;
        }
        let mut ids: Vec<ConnectionId> = self.guests.keys().copied().collect();
        if self.random.below(2) == 0 {
            ids.reverse();
        }
        let [modest, greedy] = ids[..] else { return Err(fault(Property::Liveness, "two connections are not two")) };
        // All of it is there but a little, so that there is no more memory than that.
        let much = HELD as u32 * 3 / 4;
        self.hear(greedy, begin(much, much as usize - 16))?;
        self.write(greedy)?;
        self.hear(modest, begin(1 << 20, 1_000))?;
        self.write(modest)?;
        for _ in 0..16 {
            if closed(&self.stage).is_empty() {
                self.stage.receive(modest, vec![0; 2_000])?;
            }
        }
        let closed: Vec<ConnectionId> = closed(&self.stage);
        demand(closed == [greedy], Property::Bounds, || {
            format!("of {greedy:?} with much and {modest:?} with less, {closed:?} had to go")
        })
    }
}

/// The opening byte, and so many bytes of a frame that is longer.
fn begin(length: u32, there: usize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0x83, 0x80, 0x80, 0x5a]);
    bytes.extend(length.to_be_bytes());
    bytes.resize(there, 0);
    bytes
}

fn closed(stage: &Stage) -> Vec<ConnectionId> {
    let closed = stage.said.iter().filter_map(|output| match output {
        Output::Close { connection, .. } => Some(*connection),
        _ => None,
    });
    closed.collect()
}

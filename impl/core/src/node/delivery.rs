//! From a sender to the worker that is meant, and what a handler asked for.

use alloc::vec::Vec;

use super::connection::RECEIVER;
use super::table::{Credit, Load, Resident, cost};
use super::waiting::Room;
use super::worker::{
    Answer, ConnectionId, Context, Delivery, News, Op, Port, Provenance, Relay, RequestId, Spec, WorkerId,
};
use super::{Event, Node, Output, Source};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::machine::Deadline;
use crate::routing::{Address, Message};

pub(super) const UNKNOWN: Error = Error::misuse("NOD-2", "no worker has this address");
const NO_ROUTE: Error = Error::misuse("NOD-2", "a message without an onward route goes nowhere");
const GONE: Error = Error::denied("NOD-2", "a peer's message is for an address that no worker has");
const AIMLESS: Error = Error::misbehaved("NOD-2", "a peer's message has no onward route");
const FOREIGN: Error = Error::denied("NOD-3", "a peer's route names a transport address");
const TAKES_NOTHING: Error = Error::limit("NOD-31", "the node is full and the peer takes nothing of what it is sent");
const UNREACHABLE: Error = Error::denied("NOD-4", "flow control: the worker is not to be reached from there");
pub(super) const FULL: Error = Error::limit("NOD-9", "the receiver is full");
const TOO_LARGE: Error = Error::limit("NOD-9", "the message is larger than what may wait for a worker");

/// Why a message did not get into an inbox.
#[derive(Debug)]
pub(super) enum Undelivered {
    /// There is no room for it there.
    Full(Message, Room),
    /// It may not, or cannot.
    Error(Error),
}

impl From<Error> for Undelivered {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Node {
    /// Checks whether a message may pass and puts it into its receiver's inbox, if the node has room for one more.
    pub(super) fn dispatch(
        &mut self,
        source: Source,
        message: Message,
        provenance: Provenance,
    ) -> Result<(), Undelivered> {
        self.pass(source, message, provenance, false)
    }

    /// As [`dispatch`](Self::dispatch). A message that `moves` has waited in the node already, or was made of one that
    /// has: there is room for it, and the receiver takes it though it has become larger.
    pub(super) fn pass(
        &mut self,
        source: Source,
        mut message: Message,
        provenance: Provenance,
        moves: bool,
    ) -> Result<(), Undelivered> {
        // Who sends from here knows where to; a peer can be late.
        let stray = |own, peers| if provenance.is_local() { own } else { peers };
        let first = message.onward().first().ok_or_else(|| stray(NO_ROUTE, AIMLESS))?;
        //= spec/src/nodes.md#nod-2
        //# A node MUST drop a message whose first onward address no worker has, and tell its peer nothing.
        let found =
            if first.is_local() { self.table.find(first) } else { Some(self.resolve(&mut message, provenance)?) };
        if planted!(AnswersStrays) && found.is_none() {
            message.turn_round();
            return self.pass(source, message, provenance, moves);
        }
        let (to, port) = found.ok_or_else(|| stray(UNKNOWN, GONE))?;
        self.check(source, to, port, &message, provenance)?;

        let cost = cost(&message);
        if !moves && (cost > self.config.inbox_bytes || cost > self.config.queue_bytes) {
            return Err(TOO_LARGE.into());
        }
        //= spec/src/nodes.md#nod-9
        //# A node MUST NOT queue more messages or bytes for one worker, or for all of them, than their limits.
        if let Some(room) = self.what_is_full(to, port, cost) {
            return Err(Undelivered::Full(message, room));
        }
        if !moves && !self.has_room(cost) {
            return Err(Undelivered::Full(message, Room::Node));
        }
        // Whoever made room may have been the receiver itself.
        let Some((receiver, spare)) = self.table.get_with_spare(to) else { return Err(UNKNOWN.into()) };
        receiver.extras(spare).inbox.push(Delivery { message, port, provenance }, &mut self.queued);
        if receiver.is_blocked(&self.config) {
            self.settle_blocked(to);
        } else {
            receiver.schedule(to, &mut self.scheduled);
        }
        Ok(())
    }

    /// Where there is no room for a message of this cost with its receiver.
    fn what_is_full(&self, to: WorkerId, port: Port, cost: usize) -> Option<Room> {
        let extras = self.table.get(to)?.extras.as_ref()?;
        if !extras.outboxes.is_empty() && self.outbox(to, port).is_some() {
            return Some(Room::Outbox(to, port));
        }
        // One message has room in an inbox that is empty: it was held against the limits before, if it is new.
        let Load { messages, .. } = extras.inbox.load;
        let full = messages > 0
            && !planted!(InboxWithoutBound)
            && extras.inbox.load.is_full(cost, self.config.inbox, self.config.inbox_bytes);
        full.then_some(Room::Inbox(to))
    }

    /// Whether the node has room for a message of this cost, once nobody who takes nothing keeps it from others.
    pub(super) fn has_room(&mut self, cost: usize) -> bool {
        //= spec/src/nodes.md#nod-31
        //# A full node MUST close, of the connections whose limit of bytes is on its way, the one for which the most waits, unless that is less than waits in a queue on average.
        while self.queued.load.is_full(cost, self.config.queue, self.config.queue_bytes) {
            let by_number = self.queued.load.messages >= self.config.queue;
            let Some((greediest, amount)) = self.connections.greediest(by_number) else { return false };
            if self.queued.is_below_average(amount, by_number) {
                return false;
            }
            self.close(greediest, TAKES_NOTHING);
        }
        true
    }

    /// Keeps in mind what waits for a connection whose peer takes nothing. To be called when a message comes for its
    /// worker or waits for it elsewhere, and when its limit is reached or is no longer.
    pub(super) fn settle_blocked(&mut self, worker: WorkerId) {
        let Some(resident) = self.table.get(worker) else { return };
        let Some(extras) = &resident.extras else { return };
        let Some(Credit::OnTheWay { connection, .. }) = extras.credit else { return };
        let mut load = Load::default();
        if resident.is_blocked(&self.config) {
            load.join(&extras.inbox.load);
            if !planted!(AwaitedNotCounted) {
                load.join(&extras.inbox.awaited);
            }
        }
        self.connections.set_blocked(connection, load);
    }

    /// Whether a worker exists because a stranger asked a listener for it.
    fn is_strangers(&self, id: WorkerId) -> bool {
        self.table.get(id).and_then(Resident::flow).is_some_and(|flow| flow.spawned_by.is_some())
    }

    /// Replaces a transport address at the front of a local sender's route by the connection to it, and says where that
    /// leads.
    fn resolve(&self, message: &mut Message, provenance: Provenance) -> Result<(WorkerId, Port)> {
        //= spec/src/nodes.md#nod-3
        //# A node MUST NOT open or choose a connection because of a transport address in a route that a peer supplied.
        let guest = provenance.peer().is_some() && planted!(GuestChoosesConnection);
        if !provenance.is_local() && !guest && !planted!(PeerChoosesConnection) {
            return Err(FOREIGN);
        }
        let first = message.onward().first().ok_or(NO_ROUTE)?;
        let connection = self.connections.dialled(&first.to_owned()).ok_or(UNKNOWN)?;
        message.pop_onward()?;
        message.push_onward(connection.sender.as_ref());
        self.table.find(connection.sender.as_ref()).ok_or(UNKNOWN)
    }

    /// Flow control, then both access controls.
    fn check(&self, source: Source, to: WorkerId, port: Port, message: &Message, provenance: Provenance) -> Result<()> {
        let receiver = self.table.get(to).ok_or(UNKNOWN)?;
        let destination = receiver.addresses.get(usize::from(port)).ok_or(UNKNOWN)?;
        let sender = match source {
            //= spec/src/nodes.md#nod-46
            //# A node MUST deliver what has passed a gate without checking it again.
            Source::Checked => return Ok(()),
            Source::Owner => None,
            Source::Worker(id, port) => Some((self.table.get(id).ok_or(UNKNOWN)?, port)),
        };
        let address = sender.and_then(|(resident, port)| resident.addresses.get(usize::from(port)));
        let relay = Relay { source: address.unwrap_or(&self.owner), destination, message, provenance };
        if let Some((sender, from)) = sender {
            //= spec/src/nodes.md#nod-4
            //# A producer MUST NOT deliver a foreign message to a worker that is not a consumer of its own flow control id or of its spawner's.
            if from == RECEIVER
                && !planted!(IgnoresFlowControl)
                && let Some(flow) = sender.flow().filter(|_| !planted!(ChannelsReachAll) || provenance.peer().is_none())
                && let Some(producer) = flow.producer
            {
                let consumer_of = receiver.flow().map(|flow| flow.consumer_of.as_slice()).unwrap_or_default();
                // What is behind other ports than the first is for this node alone.
                if (port != 0 && !planted!(OpensEveryPort))
                    || !consumer_of
                        .iter()
                        .any(|id| *id == producer || flow.spawned_by == Some(*id) || planted!(ReachesAnyConsumer))
                {
                    return Err(UNREACHABLE);
                }
            }
            //= spec/src/nodes.md#nod-5
            //# A node MUST NOT deliver a message that the outgoing access control of its sender or the incoming access control of its receiver refuses.
            if let Some(control) = access(sender, from)
                .and_then(|access| access.outgoing.as_ref())
                .filter(|_| !planted!(IgnoresOutgoingAccess))
            {
                control.check(&relay)?;
            }
        }
        access(receiver, if planted!(AsksTheFirstPort) { 0 } else { port })
            .and_then(|access| access.incoming.as_ref())
            .filter(|_| !planted!(IgnoresIncomingAccess))
            .filter(|_| !planted!(LetsGuestsIn) || provenance.peer().is_none())
            .map_or(Ok(()), |control| control.check(&relay))
    }

    /// Puts a worker that has a message and is ready for it into the queue, once.
    pub(super) fn schedule(&mut self, id: WorkerId) {
        let Some(resident) = self.table.get_mut(id) else { return };
        if resident.waits() && !resident.is_blocked(&self.config) {
            resident.schedule(id, &mut self.scheduled);
        }
    }

    /// The driver has written so many bytes to a connection.
    pub(super) fn sent(&mut self, id: ConnectionId, amount: u64) {
        let Some(worker) = self.connections.touch(id, self.now) else { return };
        let Some(credit) = self.table.credit(worker) else { return };
        let was_used_up = credit.is_used_up(&self.config);
        if let Credit::OnTheWay { bytes, .. } = credit {
            *bytes = bytes.saturating_sub(amount);
        }
        if was_used_up && !credit.is_used_up(&self.config) {
            self.settle_blocked(worker);
            self.schedule(worker);
        }
    }

    /// The owner has taken the oldest messages that were handed over from an inbox.
    pub(super) fn taken(&mut self, inbox: &Address, messages: usize) {
        let Ok((id, _)) = self.inbox(inbox) else { return };
        if let Some(Credit::HandedOver { costs, bytes }) = self.table.credit(id) {
            let taken = costs.drain(..messages.min(costs.len()));
            *bytes = bytes.saturating_sub(taken.fold(0, usize::saturating_add));
        }
        self.schedule(id);
    }

    /// Delivers what waits, worker by worker in turn, within the budget of one call.
    pub(super) fn run(&mut self, env: &mut Env<'_>) {
        //= spec/src/nodes.md#nod-8
        //# A node MUST NOT make more deliveries, or call more timers, in one call than its step budget.
        for _ in 0..self.config.steps {
            if !self.news.is_empty() {
                self.spread_news(env);
            }
            self.release_ready();
            self.pump_ready();
            let Some(id) = self.scheduled.pop_front() else {
                if !self.news.is_empty()
                    || !self.waiting.ready.is_empty()
                    || self.connections.has_work() && self.budget.frames > 0
                {
                    continue;
                }
                return;
            };
            let Some(resident) = self.table.get_mut(id) else { continue };
            let blocked = resident.is_blocked(&self.config);
            let Some(extras) = &mut resident.extras else { continue };
            extras.scheduled = false;
            if blocked {
                continue;
            }
            let Some(delivery) = extras.inbox.pop(&mut self.queued) else { continue };
            (extras.inbox.taken, extras.inbox.stuck) = (self.now, false);
            if !self.waiting.is_empty() {
                self.wake(Room::Inbox(id));
                self.wake(Room::Node);
            }
            self.counters.delivered = self.counters.delivered.saturating_add(1);
            self.moves = true;
            let result = self.call(env, id, |worker, cx| worker.handle_message(cx, delivery));
            self.moves = false;
            if planted!(FailureStopsWorker) && result.is_err() {
                self.stop(env, id);
            }
            self.called(id, result);
        }
        self.spread_news(env);
    }

    /// A worker has done what its turn was for: says so if it failed, and lets it have another if it can.
    fn called(&mut self, id: WorkerId, result: Result<()>) {
        if let Err(error) = result {
            // It is there still, as it was: an error asked for nothing.
            let addresses = self.table.get(id).map(|resident| &resident.addresses);
            self.report_to(addresses.and_then(|addresses| addresses.first().cloned()), error);
        }
        self.schedule(id);
        self.table.tidy(id);
    }

    //= spec/src/nodes.md#nod-49
    //# A node MUST tell a worker in order, and without losing any, what the workers that it has started as its children tell it, and that each of them is gone.
    /// Tells workers what those that they have started told them.
    fn spread_news(&mut self, env: &mut Env<'_>) {
        // What this brings about has its turn in the next step.
        for _ in 0..self.news.len() {
            let next = if planted!(NewsReversed) { self.news.pop_back() } else { self.news.pop_front() };
            let Some((parent, child, news)) = next else { return };
            if self.table.get(parent).is_none_or(Resident::is_retired) {
                continue;
            }
            let result = self.call(env, parent, |worker, cx| worker.handle_news(cx, &child, news));
            self.called(parent, result);
        }
    }

    /// Keeps what a worker tells the one that has started it until that one has its turn.
    fn tell_parent(&mut self, id: WorkerId, news: News) {
        let Some(resident) = self.table.get(id) else { return };
        let parent = resident.extras.as_ref().and_then(|extras| extras.parent);
        if let (Some(parent), Some(child)) = (parent, resident.addresses.first()) {
            self.news.push_back((parent, child.clone(), news));
        }
    }

    /// Runs one handler of a worker, then does what it asked for, unless it failed.
    pub(super) fn call(
        &mut self,
        env: &mut Env<'_>,
        id: WorkerId,
        handler: impl FnOnce(&mut dyn super::Worker, &mut Context<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut ops = core::mem::take(&mut self.ops);
        let result = self.ask(env, id, &mut ops, handler).unwrap_or(Ok(()));
        if result.is_err() {
            //= spec/src/nodes.md#nod-15
            //# A node MUST undo nothing and do nothing of what a handler asked for that ended in an error, and keep the worker.
            ops.clear();
        }
        for op in ops.drain(..) {
            self.perform(env, id, op);
        }
        self.ops = ops;
        result
    }

    /// Runs one handler of a worker, if it is still there, and collects in `ops` what it asks for.
    fn ask<T>(
        &mut self,
        env: &mut Env<'_>,
        id: WorkerId,
        ops: &mut Vec<Op>,
        handler: impl FnOnce(&mut dyn super::Worker, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let resident = self.table.get_mut(id)?;
        let mut context = Context {
            now: self.now,
            wall: env.wall,
            entropy: env.entropy,
            mailboxes: &resident.addresses,
            next_request: self.requests.counter(),
            next_flow: &mut self.next_flow,
            ops,
        };
        Some(handler(resident.worker.as_mut(), &mut context))
    }

    /// Starts a worker and tells it so.
    pub(super) fn start(&mut self, env: &mut Env<'_>, mut spec: Spec, parent: Option<WorkerId>) -> Result<WorkerId> {
        let through = spec.flow.through.take();
        if planted!(ThroughSpawner) {
            spec.flow.consumer_of.extend(through.as_ref().and_then(|address| self.spawner_of(address)));
        }
        spec.flow.consumer_of.extend(through.and_then(|address| self.producer_at(&address)));
        let gone = parent.and_then(|parent| Some((parent, spec.mailboxes.first()?.address.clone(), News::Gone)));
        let id = self.table.insert(spec).inspect_err(|_| self.news.extend(gone))?;
        if parent.is_some()
            && let Some((resident, spare)) = self.table.get_with_spare(id)
        {
            resident.extras(spare).parent = parent;
        }
        // Its first words are its own, whatever they are said for.
        let moves = core::mem::take(&mut self.moves);
        let result = self.call(env, id, |worker, cx| worker.handle_start(cx));
        self.moves = moves;
        //= spec/src/nodes.md#nod-25
        //# A node MUST stop a worker again whose start fails.
        if let Err(error) = result {
            self.forget(id);
            return Err(error);
        }
        Ok(id)
    }

    fn perform(&mut self, env: &mut Env<'_>, id: WorkerId, op: Op) {
        match op {
            Op::Send { port, message, provenance } => {
                //= spec/src/nodes.md#nod-19
                //# A worker that sends a received message on MUST NOT change its provenance.
                self.send_from(id, port, message, provenance);
            }
            Op::Start { spec, child } => {
                let to = spec.mailboxes.first().map(|mailbox| mailbox.address.clone());
                if let Err(error) = self.start(env, spec, child.then_some(id)) {
                    self.report_to(to, error);
                }
            }
            Op::TellParent(news) => self.tell_parent(id, news),
            Op::Stop(address) => {
                if let Some((id, _)) = self.table.find(address.as_ref()) {
                    self.stop(env, id);
                }
            }
            Op::StopSelf => self.stop(env, id),
            // What a worker asks for after it has stopped would call it again.
            Op::Timer(_) | Op::Request { .. } if self.table.get(id).is_none_or(Resident::is_retired) => {}
            Op::Timer(deadline) => self.set_timer(id, deadline),
            Op::Request { id: request, deadline, request: question } => {
                self.requests.insert(request, id, deadline);
                self.outputs.push_back(Output::Request { id: request, deadline, request: question });
            }
            Op::Event(Event::Dropped { to, error }) => self.report_to(to, error),
            Op::Event(Event::ChannelFailed { encryptor, error }) => {
                self.failures.count(error);
                let event = Event::ChannelFailed { encryptor, error };
                if self.is_strangers(id) && !planted!(UnmeteredHandshakes) {
                    self.tell(event)
                } else {
                    self.outputs.push_back(Output::Event(event))
                }
            }
            Op::Event(event) => self.outputs.push_back(Output::Event(event)),
            Op::Transmit { connection, crossing } => {
                if let Err(error) = self.transmit(env, connection, crossing) {
                    self.report(None, error);
                }
            }
            Op::HandOver(delivery) => self.hand_over(id, delivery),
        }
    }

    fn hand_over(&mut self, id: WorkerId, delivery: Delivery) {
        let Some(resident) = self.table.get_mut(id) else { return };
        if let Some(Credit::HandedOver { costs, bytes }) =
            resident.extras.as_mut().and_then(|extras| extras.credit.as_mut())
        {
            let cost = cost(&delivery.message);
            costs.push_back(cost);
            *bytes = bytes.saturating_add(cost);
        }
        let inbox = resident.addresses.first().cloned().unwrap_or_else(|| Address::local(""));
        self.outputs.push_back(Output::Deliver { inbox, delivery });
    }

    fn set_timer(&mut self, id: WorkerId, deadline: Option<Deadline>) {
        let sequence = self.next_timer;
        let Some((resident, spare)) = self.table.get_with_spare(id) else { return };
        let old = resident.extras.as_mut().and_then(|extras| extras.timer.take());
        if let Some(deadline) = deadline {
            resident.extras(spare).timer = Some((deadline.at, sequence));
            self.timers.insert((deadline.at, sequence), (id, deadline.reason));
            self.next_timer = self.next_timer.saturating_add(1);
        }
        if let Some(old) = old {
            self.timers.remove(&old);
        }
    }

    /// What is due.
    pub(super) fn expire(&mut self, env: &mut Env<'_>) {
        // A timer that is set again for now waits for the next call.
        let sequence = self.next_timer;
        self.overdue = false;
        let mut budget = self.config.steps;
        while let Some((&(at, number), &(id, _))) = self.timers.first_key_value() {
            if at > self.now || number >= sequence {
                break;
            }
            //= spec/src/nodes.md#nod-8
            //# A node MUST NOT make more deliveries, or call more timers, in one call than its step budget.
            self.overdue = budget == 0 && !planted!(TimersWithoutBudget);
            if self.overdue {
                break;
            }
            budget = budget.saturating_sub(1);
            self.timers.remove(&(at, number));
            if let Some(extras) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut()) {
                extras.timer = None;
            }
            let result = self.call(env, id, |worker, cx| worker.handle_timeout(cx));
            self.called(id, result);
        }
        self.expire_connections(env);
        self.expire_outboxes();
    }

    /// An answer goes to the worker that asked, once.
    pub(super) fn answer(&mut self, env: &mut Env<'_>, request: RequestId, answer: Answer) {
        //= spec/src/nodes.md#nod-20
        //# A node MUST ignore an answer to a request that it does not wait for.
        let Some(id) = self.requests.take(request, self.now) else { return };
        let result = self.call(env, id, |worker, cx| worker.handle_answer(cx, request, answer));
        self.called(id, result);
    }

    /// Stops a worker: it says its last words, then its addresses are free. It may stop others with it.
    pub(super) fn stop(&mut self, env: &mut Env<'_>, id: WorkerId) {
        // Last words are the worker's own, too.
        let moves = core::mem::take(&mut self.moves);
        let mut stopping = Vec::from([id]);
        while let Some(id) = stopping.pop() {
            // Handlers are not run within each other, so this one has a list of its own.
            let mut last = Vec::new();
            if self.table.get(id).is_none_or(Resident::is_retired) {
                continue;
            }
            if self.ask(env, id, &mut last, |worker, cx| worker.handle_stop(cx)).is_none() {
                continue;
            }
            for op in last {
                match op {
                    Op::StopSelf => {}
                    Op::Stop(address) => stopping.extend(self.table.find(address.as_ref()).map(|(other, _)| other)),
                    op => self.perform(env, id, op),
                }
            }
            if self.has_outbox(id) { self.retire(id) } else { self.forget(id) }
        }
        self.moves = moves;
    }

    //= spec/src/nodes.md#nod-42
    //# A node MUST keep what a worker that stops has sent until it is taken or has waited for the stall time.
    /// Lets a worker that has stopped stay until what it has sent is gone: nothing reaches it any more.
    fn retire(&mut self, id: WorkerId) {
        if !planted!(RetiredTicks) {
            self.set_timer(id, None);
        }
        if !planted!(RetiredHearsAnswers) {
            self.requests.forget(id);
        }
        self.table.unlist(id);
        if !planted!(RetiresSilently) {
            self.tell_parent(id, News::Gone);
        }
        if let Some(extras) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut()) {
            (extras.retired, extras.parent) = (true, None);
            self.queued.remove(&core::mem::take(&mut extras.inbox).load);
        }
        self.hurry(id);
        self.dismiss(id);
        self.wake(Room::Node);
    }

    /// Removes a worker, all that waits for it, and what it has sent that still waits with it.
    pub(super) fn forget(&mut self, id: WorkerId) {
        self.set_timer(id, None);
        self.tell_parent(id, News::Gone);
        self.drop_outboxes(id);
        if let Some(extras) = self.table.remove(id).and_then(|resident| resident.extras) {
            self.queued.remove(&extras.inbox.load);
        }
        self.requests.forget(id);
        // Their messages have nowhere to go any more; what others wait for may have become free.
        self.dismiss(id);
        self.wake(Room::Node);
    }
}

fn access(resident: &Resident, port: Port) -> Option<&super::table::Access> {
    resident.extras.as_ref()?.access.get(usize::from(port))
}

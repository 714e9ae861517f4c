//! From a sender to the worker that is meant, and what a handler asked for.

use super::connection::RECEIVER;
use super::table::Resident;
use super::worker::{Answer, Context, Delivery, Op, Port, Provenance, Relay, RequestId, Spec, WorkerId};
use super::{Event, Node, Output, Source};
use crate::env::{Env, Instant};
use crate::error::{Error, Result};
use crate::machine::{Deadline, Refused};
use crate::routing::{Address, Message};

pub(super) const UNKNOWN: Error = Error::misuse("NOD-2", "no worker has this address");
const NO_ROUTE: Error = Error::misuse("NOD-2", "a message without an onward route goes nowhere");
const FOREIGN: Error = Error::denied("NOD-3", "a peer's route names a transport address");
const UNREACHABLE: Error = Error::denied("NOD-4", "flow control: the worker is not to be reached from there");
const FULL: Error = Error::limit("NOD-9", "the receiver is full");

impl Node {
    /// Checks whether a message may pass and puts it into its receiver's inbox.
    pub(super) fn dispatch(
        &mut self,
        source: Source,
        mut message: Message,
        provenance: Provenance,
    ) -> Result<(), Refused<Message>> {
        self.resolve(&mut message, provenance)?;
        let first = message.onward().first().ok_or(NO_ROUTE)?;
        //= spec/src/nodes.md#nod-2
        //# A node MUST drop a message whose first onward address no worker has, and tell its peer nothing.
        let (to, port) = self.table.find(first).ok_or(UNKNOWN)?;
        let receiver = self.table.get(to).ok_or(UNKNOWN)?;
        self.check(source, to, port, &message, provenance)?;

        //= spec/src/nodes.md#nod-9
        //# A node MUST NOT queue more messages for one worker, or for all of them, than their limits.
        let waiting = receiver.extras.as_ref().map_or(0, |extras| extras.inbox.len());
        if waiting >= self.config.inbox || self.queued >= self.config.queue {
            return Err(Refused::Full(message));
        }
        let Some((receiver, spare)) = self.table.get_with_spare(to) else { return Err(UNKNOWN.into()) };
        let extras = receiver.extras(spare);
        extras.inbox.push_back(Delivery { message, port, provenance });
        self.queued = self.queued.saturating_add(1);
        self.schedule(to);
        Ok(())
    }

    /// Replaces a transport address at the front of a local sender's route by the connection to it.
    fn resolve(&mut self, message: &mut Message, provenance: Provenance) -> Result<()> {
        let Some(first) = message.onward().first() else { return Ok(()) };
        if first.is_local() {
            return Ok(());
        }
        //= spec/src/nodes.md#nod-3
        //# A node MUST NOT open or choose a connection because of a transport address in a route that a peer supplied.
        if !provenance.is_local() {
            return Err(FOREIGN);
        }
        let connection = self.connections.aliases.get(&first.to_owned());
        let sender = connection.and_then(|id| self.connections.open.get(id)).ok_or(UNKNOWN)?.sender.clone();
        message.pop_onward()?;
        message.push_onward(sender.as_ref());
        Ok(())
    }

    /// Flow control, then both access controls.
    fn check(&self, source: Source, to: WorkerId, port: Port, message: &Message, provenance: Provenance) -> Result<()> {
        let receiver = self.table.get(to).ok_or(UNKNOWN)?;
        let destination = receiver.addresses.get(usize::from(port)).ok_or(UNKNOWN)?;
        let sender = match source {
            Source::Owner => None,
            Source::Worker(id, port) => Some((self.table.get(id).ok_or(UNKNOWN)?, port)),
        };
        let address = sender.and_then(|(resident, port)| resident.addresses.get(usize::from(port)));
        let relay = Relay { source: address.unwrap_or(&self.owner), destination, message, provenance };
        if let Some((sender, from)) = sender {
            //= spec/src/nodes.md#nod-4
            //# A producer MUST NOT deliver a foreign message to a worker that is not a consumer of its own flow control id or of its spawner's.
            if from == RECEIVER
                && let Some(flow) = sender.flow()
                && let Some(producer) = flow.producer
            {
                let consumer_of = receiver.flow().map(|flow| flow.consumer_of.as_slice()).unwrap_or_default();
                // What is behind other ports than the first is for this node alone.
                if port != 0 || !consumer_of.iter().any(|id| *id == producer || flow.spawned_by == Some(*id)) {
                    return Err(UNREACHABLE);
                }
            }
            //= spec/src/nodes.md#nod-5
            //# A node MUST NOT deliver a message that the outgoing access control of its sender or the incoming access control of its receiver refuses.
            if let Some(control) = access(sender, from).and_then(|access| access.outgoing.as_ref()) {
                control.check(&relay)?;
            }
        }
        access(receiver, port)
            .and_then(|access| access.incoming.as_ref())
            .map_or(Ok(()), |control| control.check(&relay))
    }

    fn is_blocked(&self, resident: &Resident) -> bool {
        let credit = resident.extras.as_ref().and_then(|extras| extras.credit);
        //= spec/src/nodes.md#nod-21
        //# A node MUST NOT transmit another message on a connection while the limit of bytes is on its way.
        !resident.worker.is_ready() || credit.is_some_and(|credit| credit.used >= credit.limit)
    }

    /// Puts a worker that has a message and is ready for it into the queue, once.
    pub(super) fn schedule(&mut self, id: WorkerId) {
        let blocked = self.table.get(id).is_none_or(|resident| self.is_blocked(resident));
        if let Some(extras) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut())
            && !extras.scheduled
            && !extras.inbox.is_empty()
            && !blocked
        {
            extras.scheduled = true;
            self.scheduled.push_back(id);
        }
    }

    /// The world took what left through a worker.
    pub(super) fn give_back(&mut self, id: WorkerId, amount: u64) {
        if let Some(credit) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut()?.credit.as_mut()) {
            credit.used = credit.used.saturating_sub(amount);
        }
        self.schedule(id);
    }

    /// Delivers what waits, worker by worker in turn, within the budget of one call.
    pub(super) fn run(&mut self, env: &mut Env<'_>) {
        //= spec/src/nodes.md#nod-8
        //# A node MUST NOT make more deliveries in one call than its step budget.
        for _ in 0..self.config.steps {
            let Some(id) = self.scheduled.pop_front() else {
                if self.connections.waiting.is_empty() {
                    return;
                }
                self.pump_waiting(env);
                if self.scheduled.is_empty() {
                    return;
                }
                continue;
            };
            let blocked = self.table.get(id).is_none_or(|resident| self.is_blocked(resident));
            let Some(extras) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut()) else { continue };
            extras.scheduled = false;
            if blocked {
                continue;
            }
            let Some(delivery) = extras.inbox.pop_front() else { continue };
            self.queued = self.queued.saturating_sub(1);
            self.counters.delivered = self.counters.delivered.saturating_add(1);
            let result = self.call(env, id, |worker, cx| worker.handle_message(cx, delivery));
            self.report_handler(result);
            self.schedule(id);
            self.table.tidy(id);
        }
    }

    /// Runs one handler of a worker, then does what it asked for, unless it failed.
    pub(super) fn call(
        &mut self,
        env: &mut Env<'_>,
        id: WorkerId,
        handler: impl FnOnce(&mut dyn super::Worker, &mut Context<'_>) -> Result<()>,
    ) -> Result<(), (Option<Address>, Error)> {
        let mut ops = core::mem::take(&mut self.ops);
        let Some(resident) = self.table.get_mut(id) else { return Ok(()) };
        let mut context = Context {
            now: self.now,
            wall: env.wall,
            entropy: env.entropy,
            mailboxes: &resident.addresses,
            next_request: &mut self.next_request,
            next_flow: &mut self.next_flow,
            ops: &mut ops,
        };
        let result = handler(resident.worker.as_mut(), &mut context);
        let to = resident.addresses.first().cloned();
        if result.is_err() {
            //= spec/src/nodes.md#nod-15
            //# A node MUST undo nothing and do nothing of what a handler asked for that ended in an error, and keep the worker.
            ops.clear();
        }
        for op in ops.drain(..) {
            self.perform(env, id, op);
        }
        self.ops = ops;
        result.map_err(|error| (to, error))
    }

    /// Starts a worker and tells it so.
    pub(super) fn start(&mut self, env: &mut Env<'_>, spec: Spec) -> Result<WorkerId> {
        let id = self.table.insert(spec)?;
        //= spec/src/nodes.md#nod-25
        //# A node MUST stop a worker again whose start fails.
        if let Err((_, error)) = self.call(env, id, |worker, cx| worker.handle_start(cx)) {
            self.forget(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Counts and reports that a handler failed.
    fn report_handler(&mut self, result: Result<(), (Option<Address>, Error)>) {
        if let Err((to, error)) = result {
            self.count(error);
            self.outputs.push_back(Output::Event(Event::Dropped { to, error }));
        }
    }

    fn perform(&mut self, env: &mut Env<'_>, id: WorkerId, op: Op) {
        match op {
            Op::Send { port, message, provenance } => {
                //= spec/src/nodes.md#nod-19
                //# A worker that sends a received message on MUST NOT change its provenance.
                match self.dispatch(Source::Worker(id, port), message, provenance) {
                    Ok(()) => {}
                    Err(Refused::Full(message)) => self.report(Some(&message), FULL),
                    Err(Refused::Error(error)) => self.report(None, error),
                }
            }
            Op::Start(spec) => {
                let to = spec.mailboxes.first().map(|mailbox| mailbox.address.clone());
                if let Err(error) = self.start(env, spec) {
                    self.count(error);
                    self.outputs.push_back(Output::Event(Event::Dropped { to, error }));
                }
            }
            Op::Stop(address) => {
                if let Some((id, _)) = self.table.find(address.as_ref()) {
                    self.stop(env, id);
                }
            }
            Op::StopSelf => self.stop(env, id),
            Op::Timer(deadline) => self.set_timer(id, deadline),
            Op::Request { id: request, deadline, request: question } => {
                if self.requests.len() >= self.config.requests {
                    // The oldest is the least likely to be answered; its worker has a time limit of its own.
                    self.requests.pop_first();
                }
                self.requests.insert(request, (id, deadline));
                self.outputs.push_back(Output::Request { id: request, deadline, request: question });
            }
            Op::Event(event) => self.outputs.push_back(Output::Event(event)),
            Op::Transmit { connection, message } => {
                if let Err(error) = self.transmit(env, connection, message) {
                    self.report(None, error);
                }
            }
            Op::HandOver(delivery) => self.hand_over(id, delivery),
        }
    }

    fn hand_over(&mut self, id: WorkerId, delivery: Delivery) {
        let Some(resident) = self.table.get_mut(id) else { return };
        if let Some(credit) = resident.extras.as_mut().and_then(|extras| extras.credit.as_mut()) {
            credit.used = credit.used.saturating_add(1);
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
        let now = self.now;
        // A timer that is set again for now waits for the next call.
        let sequence = self.next_timer;
        while let Some((&(at, number), &(id, _))) = self.timers.first_key_value() {
            if at > now || number >= sequence {
                break;
            }
            self.timers.remove(&(at, number));
            if let Some(extras) = self.table.get_mut(id).and_then(|resident| resident.extras.as_mut()) {
                extras.timer = None;
            }
            let result = self.call(env, id, |worker, cx| worker.handle_timeout(cx));
            self.report_handler(result);
            self.schedule(id);
            self.table.tidy(id);
        }
        self.requests.retain(|_, (_, deadline)| *deadline > now);
        self.expire_connections(env, now);
    }

    fn expire_connections(&mut self, env: &mut Env<'_>, now: Instant) {
        let due: alloc::vec::Vec<_> = self
            .connections
            .open
            .iter()
            .filter(|(_, connection)| {
                let stalled = connection.stalled.as_ref().is_some_and(|(_, until)| *until <= now);
                stalled || crate::machine::Machine::deadline(&connection.tcp).is_some_and(|deadline| deadline.at <= now)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            if let Some(connection) = self.connections.open.get_mut(&id) {
                crate::machine::Machine::handle_timeout(&mut connection.tcp, env);
            }
            self.pump(env, id);
        }
    }

    /// An answer goes to the worker that asked, once.
    pub(super) fn answer(&mut self, env: &mut Env<'_>, request: RequestId, answer: Answer) {
        //= spec/src/nodes.md#nod-20
        //# A node MUST ignore an answer to a request that it does not wait for.
        let Some((id, _)) = self.requests.remove(&request) else { return };
        let result = self.call(env, id, |worker, cx| worker.handle_answer(cx, request, answer));
        self.report_handler(result);
        self.schedule(id);
        self.table.tidy(id);
    }

    /// Stops a worker: it says its last words, then its addresses are free.
    pub(super) fn stop(&mut self, env: &mut Env<'_>, id: WorkerId) {
        // Handlers ask for things one level deep: a worker that stops while another runs is not called from within.
        let mut last = alloc::vec::Vec::new();
        let Some(resident) = self.table.get_mut(id) else { return };
        let mut context = Context {
            now: self.now,
            wall: env.wall,
            entropy: env.entropy,
            mailboxes: &resident.addresses,
            next_request: &mut self.next_request,
            next_flow: &mut self.next_flow,
            ops: &mut last,
        };
        resident.worker.handle_stop(&mut context);
        for op in last {
            if !matches!(op, Op::Stop(_) | Op::StopSelf) {
                self.perform(env, id, op);
            }
        }
        self.forget(id);
    }

    /// Removes a worker and all that waits for it.
    pub(super) fn forget(&mut self, id: WorkerId) {
        self.set_timer(id, None);
        if let Some(resident) = self.table.remove(id) {
            let waiting = resident.extras.map_or(0, |extras| extras.inbox.len());
            self.queued = self.queued.saturating_sub(waiting);
        }
        self.requests.retain(|_, (worker, _)| *worker != id);
    }
}

fn access(resident: &Resident, port: Port) -> Option<&super::table::Access> {
    resident.extras.as_ref()?.access.get(usize::from(port))
}

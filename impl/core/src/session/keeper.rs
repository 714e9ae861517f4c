//! The owner of a session: one secure channel at a time, made anew when the session asks.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::marker::PhantomData;

use super::machine::Config;
use super::worker::{SessionWorker, number, read_number};
use crate::channel::{self, GONE, OPEN};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::machine::Snapshot;
use crate::node::{Context, Delivery, Flow, FlowControlId, Mailbox, Node, Port, Spec, Worker};
use crate::routing::{Address, Message, Route};
use crate::vault::suite::Suite;

/// The port that applications send to: the way to the far node, whichever channel it is now.
pub const WAY: Port = 0;

/// The port at which the session asks for an attempt.
pub const ATTEMPTS: Port = 1;

/// The port at which channels say what became of them.
pub const CHANNELS: Port = 2;

/// What a session is to be kept with.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// Who this side is and whom it trusts.
    pub channel: Arc<channel::Config>,
    /// The way to the far node's listener.
    pub route: Route,
    /// The far node's worker that sends pings back.
    pub echo: Address,
    /// The times of the session.
    pub session: Config,
}

/// A session that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where to send what is to go through the session: `way => worker of the far node`.
    pub way: Address,
    /// Names the session in events.
    pub session: Address,
    /// Workers that the far node is to reach through the session are consumers of this id.
    pub reached_through: FlowControlId,
}

/// Keeps a session with a far node. It begins to open its first channel at once; events say when it is up
/// and when it is down. From then on it needs nobody.
///
/// # Errors
/// `NOD-13` when the node takes no more workers.
pub fn keep<S: Suite>(node: &mut Node, env: &mut Env<'_>, keeping: Keeping) -> Result<Kept> {
    let Keeping { channel, route, echo, session } = keeping;
    let [way, attempts, channels, collector, control] = [(); 5].map(|()| Address::random(env.entropy));
    let reached_through = node.new_flow_control_id();
    let keeper = Keeper::<S>::new(channel, route, reached_through);
    let mailboxes = [&way, &attempts, &channels].map(|address| Mailbox::open(address.clone()));
    node.start_worker(env, Spec { mailboxes: mailboxes.into(), flow: Flow::default(), worker: Box::new(keeper) })?;
    let worker = SessionWorker::new(session, env.now, attempts, echo);
    let mailboxes = vec![Mailbox::open(collector.clone()), Mailbox::open(control)];
    let flow = Flow { consumer_of: vec![reached_through], ..Flow::default() };
    node.start_worker(env, Spec { mailboxes, flow, worker: Box::new(worker) })?;
    Ok(Kept { way, session: collector, reached_through })
}

/// Makes the channels of a session. It has three addresses: [`WAY`], [`ATTEMPTS`] and [`CHANNELS`].
#[derive(Debug)]
pub struct Keeper<S> {
    config: Arc<channel::Config>,
    route: Route,
    /// The id under which all its channels deliver.
    id: FlowControlId,
    attempt: Option<Attempt>,
    suite: PhantomData<fn() -> S>,
}

/// The newest attempt, and its channel.
#[derive(Debug)]
struct Attempt {
    number: u64,
    encryptor: Address,
    /// The session's control address.
    session: Route,
    open: bool,
}

impl<S: Suite> Keeper<S> {
    /// An owner that makes channels to the listener at the end of `route`, which deliver under `id`.
    pub fn new(config: Arc<channel::Config>, route: Route, id: FlowControlId) -> Self {
        Self { config, route, id, attempt: None, suite: PhantomData }
    }

    /// The session asks for a channel.
    fn establish(&mut self, cx: &mut Context<'_>, number: u64, session: Route) {
        //= spec/src/sessions.md#ses-12
        //# A session MUST NOT have more than one channel at a time.
        if let Some(old) = self.attempt.take() {
            cx.stop_worker(old.encryptor);
        }
        let Some(watcher) = cx.address(CHANNELS).cloned() else { return };
        let addresses = channel::create_within::<S>(cx, self.config.clone(), &self.route, self.id, watcher);
        self.attempt = Some(Attempt { number, encryptor: addresses.encryptor, session, open: false });
    }

    /// A channel has opened or is gone. Only the newest matters.
    fn heard(&mut self, cx: &mut Context<'_>, message: &Message) -> Result<()> {
        let Some(attempt) = &mut self.attempt else { return Ok(()) };
        let from = message.return_route();
        if from.first() != Some(attempt.encryptor.as_ref()) {
            return Ok(());
        }
        let way = match message.payload() {
            OPEN => from.to_owned(),
            GONE => Route::new(),
            _ => return Err(Error::misuse("SES-9", "a channel is open or gone")),
        };
        attempt.open = !way.is_empty();
        cx.send(CHANNELS, Message::new(attempt.session.as_ref(), way.as_ref(), &number(attempt.number)));
        Ok(())
    }
}

impl<S: Suite> Worker for Keeper<S> {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        if port == WAY {
            //= spec/src/sessions.md#ses-13
            //# What is sent through a session while it has no open channel MUST be refused, and not be kept.
            let open = self.attempt.as_ref().filter(|attempt| attempt.open);
            let attempt = open.ok_or(Error::limit("SES-13", "the session has no open channel now"))?;
            message.pop_onward()?;
            message.push_onward(attempt.encryptor.as_ref());
            cx.forward(WAY, message, provenance);
            return Ok(());
        }
        if !provenance.is_local() {
            return Err(Error::denied("SES-9", "only this node speaks to the owner of a session"));
        }
        if port == ATTEMPTS {
            let number = read_number(message.payload())?;
            self.establish(cx, number, message.return_route().to_owned());
            return Ok(());
        }
        self.heard(cx, &message)
    }

    fn handle_stop(&mut self, cx: &mut Context<'_>) {
        if let Some(attempt) = &self.attempt {
            cx.stop_worker(attempt.encryptor.clone());
        }
    }

    fn leads_on(&self, port: Port) -> bool {
        port == WAY
    }

    fn trusted(&self, picture: &mut Snapshot) {
        if let Some(attempt) = &self.attempt {
            picture.number(attempt.number).number(attempt.open.into()).bytes(attempt.encryptor.as_ref().value);
        }
    }
}

//! The owner of a session: one secure channel at a time, made anew when the session asks.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::marker::PhantomData;

use super::machine::Config;
use super::worker::{SessionWorker, number, read_number};
use crate::channel;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::machine::Snapshot;
use crate::node::{Context, Delivery, Flow, FlowControlId, Mailbox, News, Node, Port, Spec, Worker};
use crate::routing::{Address, Message, Route};
use crate::vault::suite::Suite;

/// The port that applications send to: the way to the far node, whichever channel it is now.
pub const WAY: Port = 0;

/// The port at which the session asks for an attempt.
pub const ATTEMPTS: Port = 1;

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
    let [way, attempts, collector, control] = [(); 4].map(|()| Address::random(env.entropy));
    let reached_through = node.new_flow_control_id();
    let keeper = Keeper::<S>::new(channel, route, reached_through);
    let mailboxes = [&way, &attempts].map(|address| Mailbox::open(address.clone()));
    node.start_worker(env, Spec { mailboxes: mailboxes.into(), flow: Flow::default(), worker: Box::new(keeper) })?;
    let worker = SessionWorker::new(session, env.now, attempts, echo);
    let mailboxes = vec![Mailbox::open(collector.clone()), Mailbox::open(control)];
    let flow = Flow { consumer_of: vec![reached_through], ..Flow::default() };
    node.start_worker(env, Spec { mailboxes, flow, worker: Box::new(worker) })?;
    Ok(Kept { way, session: collector, reached_through })
}

/// Makes the channels of a session. It has two addresses: [`WAY`] and [`ATTEMPTS`].
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
    channel: channel::Addresses,
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
        if let Some(old) = self.attempt.take().filter(|_| !planted!(KeepsOldChannel)) {
            cx.stop_worker(old.channel.encryptor);
        }
        let channel = channel::create_within::<S>(cx, self.config.clone(), &self.route, self.id);
        self.attempt = Some(Attempt { number, channel, session, open: false });
    }
}

impl<S: Suite> Worker for Keeper<S> {
    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let Delivery { mut message, port, provenance } = delivery;
        if port == WAY {
            //= spec/src/sessions.md#ses-13
            //# What is sent through a session while it has no open channel MUST be refused, and not be kept.
            let open = self.attempt.as_ref().filter(|attempt| attempt.open || planted!(SendsBeforeOpen));
            let attempt = open.ok_or(Error::limit("SES-13", "the session has no open channel now"))?;
            message.pop_onward()?;
            message.push_onward(attempt.channel.encryptor.as_ref());
            cx.forward(WAY, message, provenance);
            return Ok(());
        }
        if !provenance.is_local() {
            return Err(Error::denied("SES-9", "only this node speaks to the owner of a session"));
        }
        let number = read_number(message.payload())?;
        self.establish(cx, number, message.return_route().to_owned());
        Ok(())
    }

    /// A channel has opened or is gone. Only the newest matters.
    fn handle_news(&mut self, cx: &mut Context<'_>, child: &Address, news: News) -> Result<()> {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.channel.decryptor == *child) else {
            return Ok(());
        };
        let way = match news {
            News::Opened(_) => Route::from(attempt.channel.encryptor.clone()),
            News::Gone => Route::new(),
            News::Heard => return Ok(()),
        };
        attempt.open = !way.is_empty();
        cx.send(ATTEMPTS, Message::new(attempt.session.as_ref(), way.as_ref(), &number(attempt.number)));
        Ok(())
    }

    fn handle_stop(&mut self, cx: &mut Context<'_>) {
        if let Some(attempt) = &self.attempt {
            cx.stop_worker(attempt.channel.encryptor.clone());
        }
    }

    fn leads_on(&self, port: Port) -> bool {
        port == WAY && !planted!(KeeperIsNoRelay)
    }

    fn trusted(&self, picture: &mut Snapshot) {
        if let Some(attempt) = &self.attempt {
            picture.number(attempt.number).number(attempt.open.into()).bytes(attempt.channel.encryptor.as_ref().value);
        }
    }
}

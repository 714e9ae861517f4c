//! What a node of a world is furnished with: workers that can be reached from outside, in part, or not at all; and
//! listeners.

use std::sync::Arc;

use razor::channel::{self, Config, Listening, Trust};
use razor::identity::Identifier;
use razor::node::{
    AccessControl, AllOf, AnyChannelPeer, AnyOf, ChannelPeers, DenyAll, Echoer, Flow, FromAddresses, Hop, LocalOnly,
    Mailbox, Spec, ToAddresses, Worker,
};
use razor::vault::suite::Suite;

use crate::host::{
    APP, BACKROOM, CLOSED, ECHO, FRONT, GUARDED, HOP, INTERNAL, MEMBERS, NARROW, PRIVATE, REAR, SHUT, mask,
};

use super::{PLACES, Party, patient};

impl<S: Suite> Party<S> {
    /// Starts the workers of a new node.
    pub(super) fn furnish(&mut self) {
        let flow = Flow { consumer_of: vec![self.connections_id], ..Flow::default() };
        let hop = Spec { mailboxes: vec![Mailbox::open(HOP.into())], flow: flow.clone(), worker: Box::new(Hop) };
        self.with(|node, env| node.start_worker(env, hop)).expect("a free address");
        let echo = Spec { mailboxes: vec![Mailbox::open(ECHO.into())], flow: flow.clone(), worker: Box::new(Echoer) };
        self.with(|node, env| node.start_worker(env, echo)).expect("a free address");
        self.with(|node, env| node.open_inbox(env, Mailbox::open(APP.into()), flow.clone())).expect("a free address");
        self.furnish_forbidden(&flow);
        self.listen_to_nobody();
        self.listen();
        self.furniture = self.node.workers();
    }

    /// Starts workers that can be reached from outside in part, under conditions, or not at all.
    fn furnish_forbidden(&mut self, flow: &Flow) {
        let inbox = |name: &str, incoming| Mailbox { incoming, ..Mailbox::open(name.into()) };
        let inboxes = [
            (inbox(INTERNAL, None), Flow::default()),
            (inbox(GUARDED, Some(Arc::new(AnyChannelPeer) as Arc<dyn AccessControl>)), flow.clone()),
            (inbox(PRIVATE, Some(Arc::new(LocalOnly))), flow.clone()),
            (inbox(MEMBERS, Some(Arc::new(AnyOf(self.ways_for_nobody())))), flow.clone()),
        ];
        for (mailbox, flow) in inboxes {
            self.with(|node, env| node.open_inbox(env, mailbox, flow)).expect("a free address");
        }
        let outgoing = Some(Arc::new(ToAddresses(vec![APP.into()])) as Arc<dyn AccessControl>);
        let narrow = Mailbox { outgoing, ..Mailbox::open(NARROW.into()) };
        let shut = inbox(SHUT, Some(Arc::new(LocalOnly) as Arc<dyn AccessControl>));
        let three = [Mailbox::open(FRONT.into()), Mailbox::open(REAR.into()), shut];
        let workers: [(Vec<Mailbox>, Box<dyn Worker>); 2] =
            [(vec![narrow], Box::new(Hop)), (three.into(), Box::new(Echoer))];
        for (mailboxes, worker) in workers {
            let spec = Spec { mailboxes, flow: flow.clone(), worker };
            self.with(|node, env| node.start_worker(env, spec)).expect("a free address");
        }
    }

    /// Access controls of all kinds, none of which lets anybody in from outside.
    fn ways_for_nobody(&self) -> Vec<Arc<dyn AccessControl>> {
        vec![
            Arc::new(ChannelPeers(self.lookalikes.to_vec())),
            Arc::new(AllOf(vec![Arc::new(AnyChannelPeer), Arc::new(LocalOnly)])),
            Arc::new(FromAddresses(vec![PRIVATE.into()])),
            Arc::new(AnyOf(Vec::new())),
            Arc::new(DenyAll),
        ]
    }

    /// A listener whose policy is made of all kinds, and trusts nobody of this world.
    fn listen_to_nobody(&mut self) {
        let some = |others: &[Identifier]| Trust::Any(others.iter().copied().map(Trust::One).collect());
        let trust = Trust::Any(vec![
            some(&self.lookalikes),
            Trust::All(vec![Trust::Everyone, Trust::AnyOf(self.lookalikes.to_vec())]),
            Trust::AnyOf(Vec::new()),
            Trust::Any(Vec::new()),
        ]);
        let config = Arc::new(patient(self.papers.config(0).clone()).trusting(trust));
        let reached_through = vec![self.connections_id];
        let listening = Listening { address: CLOSED.into(), places: PLACES, reached_through };
        let id = self.with(|node, env| channel::listen::<S>(node, env, config, listening)).expect("a free address");
        let flow = Flow { consumer_of: vec![id], ..Flow::default() };
        self.with(|node, env| node.open_inbox(env, Mailbox::open(BACKROOM.into()), flow)).expect("a free address");
    }

    /// Lets others open channels, and speak through them to the application, to the echo worker and to nodes beyond; and
    /// to workers that let nobody in.
    pub(super) fn listen(&mut self) {
        let places = self.places.unwrap_or(PLACES);
        let masks: Vec<Config> = self.papers.masks().cloned().collect();
        for (number, config) in masks.into_iter().enumerate() {
            let config = Arc::new(patient(config).trusting(self.trust.clone()));
            let address = mask(number);
            let listening = Listening { address, places, reached_through: vec![self.connections_id] };
            let id = self.with(|node, env| channel::listen::<S>(node, env, config, listening)).expect("a free address");
            for worker in [APP, ECHO, HOP, PRIVATE, MEMBERS, NARROW, FRONT] {
                self.node.add_consumer(&worker.into(), id).expect("the worker is there");
            }
        }
    }
}

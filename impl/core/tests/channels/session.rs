//! A session keeps a way to a far node: it notices that a channel is dead and has it made anew.

use std::sync::Arc;
use std::time::Duration;

use razor::channel::{self, Addresses, Places};
use razor::env::Env;
use razor::node::{Event, Flow, FlowControlId, Mailbox, Node, Spec};
use razor::routing::{Address, Message, Route};
use razor::session::{Config, SessionWorker};
use razor::vault::suite::Aes256GcmSha256;

use crate::network::Network;

/// Node 0 keeps a session with node 2; all goes through the middle of node 1.
struct Scene {
    net: Network,
    /// Under which the session's channels deliver.
    id: FlowControlId,
}

impl Scene {
    fn new() -> Self {
        let mut net = Network::line(3);
        net.listen(2, Places::DEFAULT);
        let id = net.with(0, |node, _| node.new_flow_control_id());
        net.inbox(0, "owner", &[]);
        net.inbox(0, "app", &[id]);
        let worker = SessionWorker::new(Config::default(), net.now, "owner".into(), "echo".into());
        let mailboxes = ["collector", "control"].map(|name| Mailbox::open(name.into())).into();
        let flow = Flow { consumer_of: vec![id], ..Flow::default() };
        net.with(0, |node, env| node.start_worker(env, Spec { mailboxes, flow, worker: Box::new(worker) })).unwrap();
        net.inject(0, SessionWorker::start(Address::local("control")));
        net.run();
        Self { net, id }
    }

    /// Does what the session asks its owner for: a channel, whose encryptor is the way.
    fn establish(&mut self) -> Addresses {
        let [asked] = self.net.take(0, "owner").try_into().expect("one attempt");
        let config = Arc::new(self.net.parties[0].config.clone());
        let (route, id) = (self.net.route(0, 2, "middle", "api"), self.id);
        let create = |node: &mut Node, env: &mut Env<'_>| {
            channel::create_under::<Aes256GcmSha256>(node, env, config, &route, id)
        };
        let channel = self.net.with(0, create).unwrap();
        self.net.pass(1);
        assert!(self.net.parties[0].peer_of(&channel.encryptor).is_some());
        let way = Route::from(channel.encryptor.clone());
        let done = Message::new(asked.message.return_route(), way.as_ref(), asked.message.payload());
        self.net.inject(0, done);
        self.net.pass(1);
        channel
    }

    fn events(&self, up: bool) -> usize {
        let events = self.net.parties[0].events.iter();
        events
            .filter(|e| matches!(e, Event::SessionUp { .. } if up) || matches!(e, Event::SessionDown { .. } if !up))
            .count()
    }

    /// Whether an application gets through and back.
    fn works(&mut self, channel: &Addresses) -> bool {
        self.net.send(0, &Route::from(channel.encryptor.clone()).then("echo"), "app", b"?");
        self.net.pass(1);
        !self.net.payloads(0, "app").is_empty()
    }
}

#[test]
fn a_channel_that_lost_more_than_its_window_is_replaced_and_the_new_one_works() {
    let mut scene = Scene::new();
    let first = scene.establish();
    assert_eq!((scene.events(true), scene.events(false)), (1, 0));
    for _ in 0..5 {
        scene.net.advance(Duration::from_secs(10));
        scene.net.pass(1);
    }
    assert_eq!(scene.events(false), 0, "pings are answered");
    assert!(scene.works(&first));

    // 33 messages are lost: nothing gets through any more, for good.
    for _ in 0..33 {
        scene.net.send(0, &Route::from(first.encryptor.clone()).then("echo"), "app", b"lost");
        assert_eq!(scene.net.caught(1).len(), 1);
    }
    assert!(!scene.works(&first));
    assert_eq!(scene.net.parties[2].drops(), ["CHN-32"]);

    // The session finds out by itself, and its owner does as it is told.
    let mut waited = 0;
    while scene.events(false) == 0 {
        scene.net.advance(Duration::from_secs(10));
        scene.net.pass(1);
        waited += 1;
        assert!(waited <= 5, "a dead channel goes unnoticed");
    }
    let second = scene.establish();
    assert_eq!((scene.events(true), scene.events(false)), (2, 1));
    assert!(scene.works(&second) && !scene.works(&first));
    for _ in 0..5 {
        scene.net.advance(Duration::from_secs(10));
        scene.net.pass(1);
    }
    assert_eq!(scene.events(false), 1, "the new channel answers pings");
}

#[test]
fn whoever_answers_without_the_channel_does_not_keep_a_session_alive() {
    let mut scene = Scene::new();
    scene.establish();
    // The middle sees pings go by, sealed, and answers them in the clear; the real ones it keeps.
    for _ in 0..5 {
        scene.net.advance(Duration::from_secs(10));
        scene.net.caught(1);
        let mut back: Vec<Address> = vec![scene.net.sender(1, 0)];
        back.push("collector".into());
        let pong = Message::new(Route::from_iter(back).as_ref(), Route::new().as_ref(), &[0]);
        scene.net.inject(1, pong);
        scene.net.run();
    }
    assert_eq!(scene.events(false), 1);
    assert!(scene.net.parties[0].drops().contains(&"NOD-4"));
}

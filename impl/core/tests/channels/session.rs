//! A session keeps a way to a far node: it notices that a channel is dead and makes another.

use std::sync::Arc;
use std::time::Duration;

use razor::channel::Places;
use razor::node::{Event, Hop};
use razor::routing::{Address, Message, Route};
use razor::session::{Config, Keeping, Kept, keep};
use razor::vault::suite::Aes256GcmSha256;

use crate::network::{Network, names};

/// Node 0 keeps a session with node 2; all goes through the middle of node 1.
struct Scene {
    net: Network,
    kept: Kept,
    /// All addresses of the session, the secret ones too: the way, its owner's two others, its own two.
    addresses: [Address; 5],
}

const SECOND: Duration = Duration::from_secs(1);

impl Scene {
    /// The session is established.
    fn new() -> Self {
        let mut net = Network::line(3);
        net.listen(2, Places::DEFAULT);
        let route = net.route(0, 2, "middle", "api");
        let mut scene = Self::of(net, route);
        scene.net.pass(1);
        assert_eq!(scene.events(), (1, 0));
        scene
    }

    /// The session has sent message 1.
    fn of(mut net: Network, route: Route) -> Self {
        let channel = Arc::new(net.parties[0].config.clone());
        let keeping = Keeping { channel, route, echo: "echo".into(), session: Config::default() };
        let mut drawn = net.parties[0].entropy.clone();
        let addresses = [(); 5].map(|()| Address::random(&mut drawn));
        let kept = net.with(0, |node, env| keep::<Aes256GcmSha256>(node, env, keeping)).unwrap();
        net.inbox(0, "app", &[kept.reached_through]);
        Self { net, kept, addresses }
    }

    /// How often it came up, and went down.
    fn events(&self) -> (usize, usize) {
        let count = |wanted: Event| self.net.parties[0].events.iter().filter(|event| **event == wanted).count();
        let session = || self.kept.session.clone();
        (count(Event::SessionUp { session: session() }), count(Event::SessionDown { session: session() }))
    }

    fn echo(&self) -> Route {
        Route::from(self.kept.way.clone()).then("echo")
    }

    /// Whether an application gets through and back.
    fn works(&mut self) -> bool {
        let echo = self.echo();
        self.net.send(0, &echo, "app", b"?");
        self.net.pass(1);
        self.net.payloads(0, "app") == [b"?"]
    }

    /// Messages of an application are lost at the middle.
    fn lose(&mut self, count: usize) {
        let echo = self.echo();
        for _ in 0..count {
            self.net.send(0, &echo, "app", b"lost");
            assert_eq!(self.net.caught(1).len(), 1);
        }
    }

    /// Lets time pass, second by second, until it is up or down once more; says how long that took.
    fn until(&mut self, events: (usize, usize), most: u64) -> u64 {
        for second in 0..=most {
            if self.events() == events {
                return second;
            }
            self.net.advance(SECOND);
            self.net.pass(1);
        }
        panic!("after {most} s it is {:?} and not {events:?}", self.events());
    }

    fn channels(&self) -> Vec<Address> {
        self.net.parties[0].opened()
    }
}

#[test]
fn a_session_whose_pings_are_answered_keeps_its_channel() {
    let mut scene = Scene::new();
    for _ in 0..600 {
        scene.net.advance(SECOND);
        scene.net.pass(1);
    }
    assert!(scene.works());
    assert_eq!((scene.events(), scene.channels().len()), ((1, 0), 1));
}

#[test]
fn a_run_of_lost_messages_kills_a_channel_for_good_and_the_session_makes_another() {
    let mut scene = Scene::new();
    assert!(scene.works());
    scene.lose(32);
    // Nothing is lost any more, and still nothing gets through.
    for _ in 0..10 {
        assert!(!scene.works());
    }
    assert_eq!(scene.net.parties[2].drops(), ["CHN-32"; 10]);
    let down = scene.until((2, 1), 40);
    assert!(down >= 20, "three pings stay unanswered: {down} s");
    // The same way, another channel.
    assert!(scene.works());
    assert_eq!(scene.channels().len(), 2);
    for _ in 0..300 {
        scene.net.advance(SECOND);
        scene.net.pass(1);
    }
    assert_eq!(scene.events(), (2, 1));
}

#[test]
fn a_run_of_lost_messages_within_the_window_costs_nothing_else() {
    let mut scene = Scene::new();
    scene.lose(31);
    assert!(scene.works());
    for _ in 0..100 {
        scene.net.advance(SECOND);
        scene.net.pass(1);
    }
    assert_eq!((scene.events(), scene.channels().len()), ((1, 0), 1));
}

//= spec/src/sessions.md#ses-12
//= type=test
//# A session MUST NOT have more than one channel at a time.
#[test]
fn many_dead_channels_later_the_node_has_as_many_workers_as_before() {
    let mut scene = Scene::new();
    let workers = scene.net.parties[0].node.workers();
    for round in 1..=10 {
        scene.lose(40);
        scene.until((round + 1, round), 40);
        assert!(scene.works());
        assert_eq!(scene.net.parties[0].node.workers(), workers);
    }
    let channels = scene.channels();
    assert_eq!(channels.len(), 11);
    let alive: Vec<bool> = channels.iter().map(|address| scene.net.parties[0].node.has_worker(address)).collect();
    assert_eq!((alive.iter().filter(|alive| **alive).count(), alive.last()), (1, Some(&true)));
}

//= spec/src/sessions.md#ses-11
//= type=test
//# A session whose channel is closed MUST declare its peer dead at once, and pause before it establishes anew.
//= spec/src/sessions.md#ses-13
//= type=test
//# What is sent through a session while it has no open channel MUST be refused, and not be kept.
#[test]
fn a_peer_that_closes_the_channel_is_not_asked_again_at_once_and_meanwhile_nothing_is_kept() {
    let mut scene = Scene::new();
    let [responder] = scene.net.parties[2].opened().try_into().unwrap();
    scene.net.with(2, |node, env| node.stop_worker(env, &responder)).unwrap();
    scene.net.pass(1);
    assert_eq!(scene.events(), (1, 1));
    scene.net.parties[0].drops();
    let echo = scene.echo();
    scene.net.send(0, &echo, "app", b"lost");
    assert!(scene.net.caught(1).is_empty());
    assert_eq!(scene.net.parties[0].drops(), ["SES-13"]);
    let pause = scene.until((2, 1), 6);
    assert!((2..=5).contains(&pause), "{pause} s");
    assert!(scene.net.payloads(0, "app").is_empty());
    assert!(scene.works());
}

#[test]
fn a_session_with_a_node_that_is_not_there_yet_comes_up_when_it_is() {
    let net = Network::line(3);
    let route = net.route(0, 2, "middle", "api");
    let mut scene = Scene::of(net, route);
    for _ in 0..3600 {
        scene.net.advance(SECOND);
        scene.net.pass(1);
    }
    assert_eq!(scene.events(), (0, 0));
    // Attempts of thirty seconds, and pauses that have grown to between forty and eighty.
    let tried = scene.net.parties[2].drops();
    assert!((30..=60).contains(&tried.len()) && tried.iter().all(|id| *id == "NOD-2"), "{}", tried.len());
    scene.net.listen(2, Places::DEFAULT);
    scene.until((1, 0), 111);
    assert!(scene.works());
}

#[test]
fn a_session_by_a_transport_address_survives_its_connection() {
    let mut net = Network::line(3);
    net.listen(2, Places::DEFAULT);
    let far = names(net.route(0, 2, "middle", "api").as_ref());
    let route = [net.dialled(1)].into_iter().chain(far[1..].iter().cloned()).collect();
    let mut scene = Scene::of(net, route);
    scene.net.pass(1);
    assert_eq!(scene.events(), (1, 0));
    for round in 1..=3 {
        scene.net.cut(0, 1);
        scene.until((round, round), 40);
        scene.net.join(0, 1);
        scene.until((round + 1, round), 120);
        assert!(scene.works());
    }
}

#[test]
fn a_session_that_is_stopped_takes_its_channel_with_it() {
    let mut scene = Scene::new();
    let Kept { way, session, .. } = scene.kept.clone();
    for address in [session, way] {
        scene.net.with(0, |node, env| node.stop_worker(env, &address)).unwrap();
    }
    scene.net.pass(1);
    let far = scene.net.parties[2].opened();
    assert!(!scene.net.parties[0].node.has_worker(&scene.channels()[0]));
    assert!(!scene.net.parties[2].node.has_worker(&far[0]), "the peer was told");
}

//= spec/src/sessions.md#ses-9
//= type=test
//# A session MUST take the outcome of an attempt only from a message that began in its own node.
#[test]
fn a_peer_that_has_learnt_the_addresses_of_a_session_cannot_make_it_open_channels() {
    let mut scene = Scene::new();
    // A hop that can be reached through the session, so that flow control lets anything pass.
    scene.net.start(0, "open hop", Hop, &[scene.kept.reached_through]);
    let [responder] = scene.net.parties[2].opened().try_into().unwrap();
    for address in [1, 3].map(|secret: usize| scene.addresses[secret].clone()) {
        let onward = Route::from(responder.clone()).then("open hop").then(address);
        let message = Message::new(onward.as_ref(), Route::new().then("mallory").as_ref(), &[1]);
        scene.net.inject(2, message);
        scene.net.pass(1);
    }
    assert_eq!(scene.net.parties[0].drops(), ["SES-9"; 2]);
    assert_eq!((scene.channels().len(), scene.events()), (1, (1, 0)));
    assert!(scene.works());
}

#[test]
fn whoever_answers_without_the_channel_does_not_keep_a_session_alive() {
    let mut scene = Scene::new();
    // The middle sees pings go by, sealed, and answers them in the clear; the real ones it keeps.
    for _ in 0..5 {
        scene.net.advance(10 * SECOND);
        scene.net.caught(1);
        let back = [scene.net.sender(1, 0), scene.kept.session.clone()];
        let pong = Message::new(Route::from_iter(back).as_ref(), Route::new().as_ref(), &[0]);
        scene.net.inject(1, pong);
        scene.net.run();
    }
    assert_eq!(scene.events().1, 1);
    assert!(scene.net.parties[0].drops().contains(&"NOD-4"));
}

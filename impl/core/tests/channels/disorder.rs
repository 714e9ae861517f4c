//! What is lost, duplicated, late, overtaken, replayed or forged on the way.

use std::time::Duration;

use razor::channel::{Addresses, INTERVAL, Places};
use razor::routing::{Message, Route};

use crate::network::{Network, with_payload};

const TIMEOUT: Duration = Duration::from_secs(120);

/// Alice is node 0, Bob node 2; everything between them goes through the middle of node 1.
struct Scene {
    net: Network,
    /// How many workers Bob's node has when nothing is going on.
    idle: usize,
}

impl Scene {
    fn new() -> Self {
        let mut net = Network::line(3);
        net.listen(2, Places::DEFAULT);
        let idle = net.parties[2].node.workers();
        Self { net, idle }
    }

    /// Alice begins a channel: message 1 has been caught.
    fn begin(&mut self) -> (Addresses, Message) {
        let route = self.net.route(0, 2, "middle", "api");
        let addresses = self.net.create(0, &route);
        (addresses, self.one())
    }

    /// The one message that has been caught.
    fn one(&mut self) -> Message {
        let [message] = self.net.caught(1).try_into().expect("one message");
        message
    }

    /// Lets a message go and catches the one that comes in answer.
    fn answer_to(&mut self, message: &Message) -> Message {
        self.release(message);
        self.one()
    }

    fn release(&mut self, message: &Message) {
        self.net.release(1, message);
    }

    /// An open channel, and the messages that opened it.
    fn opened(&mut self) -> (Addresses, [Message; 3]) {
        let (addresses, m1) = self.begin();
        let m2 = self.answer_to(&m1);
        let m3 = self.answer_to(&m2);
        self.release(&m3);
        assert_eq!((self.net.parties[0].opened().len(), self.net.parties[2].opened().len()), (1, 1));
        let id = self.net.parties[0].node.producer_at(&addresses.encryptor).unwrap();
        self.net.inbox(0, "app", &[id]);
        (addresses, [m1, m2, m3])
    }

    /// Alice says something to Bob's sink; it has been caught.
    fn say(&mut self, channel: &Addresses, payload: &[u8]) -> Message {
        let onward = Route::new().then(channel.encryptor.clone()).then("sink");
        self.net.send(0, &onward, "app", payload);
        self.one()
    }

    fn heard(&mut self) -> Vec<Vec<u8>> {
        self.net.payloads(2, "sink")
    }

    fn works(&mut self, channel: &Addresses) {
        let message = self.say(channel, b"does it work?");
        self.release(&message);
        assert_eq!(self.heard(), [b"does it work?"]);
    }
}

#[test]
fn a_lost_message_1_ends_in_the_initiators_timeout() {
    let mut scene = Scene::new();
    scene.begin();
    let nobody = scene.net.parties[0].node.workers() - 1;
    scene.net.advance(TIMEOUT - Duration::from_millis(1));
    assert!(scene.net.parties[0].failures().is_empty());
    scene.net.advance(Duration::from_millis(1));
    assert_eq!(scene.net.parties[0].failures(), ["CHN-18"]);
    assert_eq!((scene.net.parties[0].node.workers(), scene.net.parties[2].node.workers()), (nobody, scene.idle));
}

#[test]
fn a_lost_message_2_ends_in_the_timeouts_of_both() {
    let mut scene = Scene::new();
    let (_, m1) = scene.begin();
    scene.answer_to(&m1);
    assert_eq!(scene.net.parties[2].node.workers(), scene.idle + 1);
    scene.net.advance(TIMEOUT);
    assert_eq!((scene.net.parties[0].failures(), scene.net.parties[2].failures()), (vec!["CHN-18"], vec!["CHN-18"]));
    assert_eq!(scene.net.parties[2].node.workers(), scene.idle);
}

#[test]
fn a_lost_message_3_ends_in_the_responders_timeout_and_the_initiator_is_not_told() {
    let mut scene = Scene::new();
    let (_, m1) = scene.begin();
    let m2 = scene.answer_to(&m1);
    let m3 = scene.answer_to(&m2);
    scene.net.advance(TIMEOUT);
    assert_eq!(scene.net.parties[2].failures(), ["CHN-18"]);
    assert_eq!(scene.net.parties[0].opened().len(), 1);
    // What is late now finds nobody.
    scene.release(&m3);
    assert_eq!(scene.net.parties[2].drops(), ["NOD-2"]);
    assert!(scene.net.caught(1).is_empty() && scene.net.parties[2].opened().is_empty());
}

#[test]
fn a_late_message_2_still_opens_the_channel_until_the_timeout() {
    for (late, opens) in [(TIMEOUT - Duration::from_millis(1), true), (TIMEOUT, false)] {
        let mut scene = Scene::new();
        let (_, m1) = scene.begin();
        let m2 = scene.answer_to(&m1);
        scene.net.advance(late);
        scene.release(&m2);
        scene.net.pass(1);
        assert_eq!(scene.net.parties[0].opened().len(), usize::from(opens));
        assert_eq!(scene.net.parties[2].opened().len(), usize::from(opens));
    }
}

#[test]
fn a_duplicated_message_1_makes_a_second_responder_that_comes_to_nothing() {
    let mut scene = Scene::new();
    let (channel, m1) = scene.begin();
    let first = scene.answer_to(&m1);
    let second = scene.answer_to(&m1);
    assert_ne!(first.payload(), second.payload());
    // Whichever answer arrives is taken, and the other one is not.
    let m3 = scene.answer_to(&second);
    scene.release(&first);
    scene.release(&m3);
    assert_eq!((scene.net.parties[0].opened().len(), scene.net.parties[2].opened().len()), (1, 1));
    assert_eq!(scene.net.parties[0].drops().len(), 1);
    scene.net.advance(TIMEOUT);
    assert_eq!(scene.net.parties[2].failures(), ["CHN-18"]);
    assert_eq!(scene.net.parties[2].node.workers(), scene.idle + 1);
    scene.works(&channel);
}

#[test]
fn duplicates_of_every_handshake_message_at_any_later_time_change_nothing() {
    let mut scene = Scene::new();
    let (channel, [_, m2, m3]) = scene.opened();
    for round in 0..3 {
        let before = [scene.net.parties[0].picture(), scene.net.parties[2].picture()];
        scene.release(&m2);
        scene.release(&m3);
        assert!(scene.net.caught(1).is_empty());
        assert!([scene.net.parties[0].picture(), scene.net.parties[2].picture()] == before, "round {round}");
        assert_eq!((scene.net.parties[0].drops().len(), scene.net.parties[2].drops().len()), (1, 1));
        scene.works(&channel);
    }
}

#[test]
fn data_that_overtakes_message_3_is_delivered_after_it() {
    let mut scene = Scene::new();
    let (channel, m1) = scene.begin();
    let m2 = scene.answer_to(&m1);
    let m3 = scene.answer_to(&m2);
    let early: Vec<Message> = [b"one", b"two"].iter().map(|text| scene.say(&channel, *text)).collect();
    early.iter().for_each(|message| scene.release(message));
    assert!(scene.heard().is_empty());
    scene.release(&m3);
    assert_eq!(scene.heard(), [b"one", b"two"]);
    scene.works(&channel);
}

#[test]
fn garbage_in_place_of_message_2_and_3_does_not_end_the_handshake() {
    let mut scene = Scene::new();
    let (channel, m1) = scene.begin();
    let m2 = scene.answer_to(&m1);
    for (n, len) in [0, 1, 32, 80, 96, 97, 500, 5000].into_iter().enumerate() {
        scene.release(&with_payload(&m2, &vec![n as u8; len]));
        let mut flipped = m2.clone();
        let at = n * (m2.payload().len() - 1) / 7;
        flipped.payload_mut()[at] ^= 1;
        scene.release(&flipped);
    }
    assert_eq!(scene.net.parties[0].drops().len(), 16);
    assert!(scene.net.caught(1).is_empty());
    let m3 = scene.answer_to(&m2);
    for n in 0..8 {
        let mut flipped = m3.clone();
        let at = n * (m3.payload().len() - 1) / 7;
        flipped.payload_mut()[at] ^= 0x40;
        scene.release(&flipped);
    }
    scene.release(&m3);
    assert_eq!(scene.net.parties[2].opened().len(), 1);
    scene.works(&channel);
}

#[test]
fn a_middle_that_answers_with_a_channel_of_its_own_is_somebody_else() {
    // Node 1 ends Alice's channel itself: she sees whom she speaks with, and her policy says no.
    let mut scene = Scene::new();
    scene.net.listen(1, Places::DEFAULT);
    let bob = scene.net.parties[2].id();
    scene.net.parties[0].config.trust = razor::channel::Trust::One(bob);
    let route = scene.net.route(0, 1, "", "api");
    scene.net.create(0, &route);
    scene.net.run();
    assert_eq!(scene.net.parties[0].drops(), ["CHN-10"]);
    scene.net.advance(TIMEOUT);
    assert_eq!(scene.net.parties[0].failures(), ["CHN-10"]);
    assert!(scene.net.parties[0].store.is_empty(), "a stranger who is not trusted is not remembered");
}

#[test]
fn messages_cross_renewals_of_the_key_in_any_order_within_the_window() {
    let mut scene = Scene::new();
    let (channel, _) = scene.opened();
    let mut sent = Vec::new();
    for n in 0..200u8 {
        sent.push((n, scene.say(&channel, &[n])));
    }
    // Blocks of 32 arrive back to front: every renewal is crossed, some by messages that come too early.
    let mut expected = Vec::new();
    for block in sent.chunks(INTERVAL as usize) {
        for (n, message) in block.iter().rev() {
            scene.release(message);
            expected.push(vec![*n]);
        }
    }
    assert_eq!(scene.heard(), expected);
    assert!(scene.net.parties[2].drops().is_empty());
}

#[test]
fn a_run_of_32_lost_messages_is_survived_and_one_of_33_is_not() {
    for (lost, survives) in [(32, true), (33, false)] {
        let mut scene = Scene::new();
        let (channel, _) = scene.opened();
        scene.works(&channel);
        for n in 0..lost - 1 {
            scene.say(&channel, &[n]);
        }
        let next = scene.say(&channel, b"next");
        scene.release(&next);
        assert_eq!(scene.heard().len(), usize::from(survives), "{lost} are gone");
        if !survives {
            assert_eq!(scene.net.parties[2].drops(), ["CHN-32"]);
        }
    }
}

#[test]
fn a_replay_of_everything_delivers_nothing_and_leaves_the_node_as_it_was() {
    let mut scene = Scene::new();
    let (channel, handshake) = scene.opened();
    let mut all = Vec::new();
    for n in 0..100u8 {
        let message = scene.say(&channel, &[n]);
        scene.release(&message);
        all.push(message);
    }
    assert_eq!(scene.heard().len(), 100);
    let before = scene.net.parties[2].picture();
    for message in handshake[2..].iter().chain(&all) {
        scene.release(message);
    }
    assert!(scene.heard().is_empty());
    assert_eq!(scene.net.parties[2].drops().len(), 101);
    assert!(scene.net.parties[2].picture() == before);
    scene.works(&channel);
}

#[test]
fn forged_nonces_of_this_and_the_next_interval_leave_the_node_as_it_was() {
    let mut scene = Scene::new();
    let (channel, _) = scene.opened();
    for _ in 0..20 {
        scene.works(&channel);
    }
    let genuine = scene.say(&channel, b"genuine");
    let before = scene.net.parties[2].picture();
    for nonce in (0..60).chain([u64::MAX - 1, u64::MAX]) {
        for keep in [8, 20, genuine.payload().len()] {
            let mut forged = genuine.payload()[..keep].to_vec();
            forged[..8].copy_from_slice(&nonce.to_be_bytes());
            if nonce == 20 && keep == genuine.payload().len() {
                forged[9] ^= 1;
            }
            scene.release(&with_payload(&genuine, &forged));
        }
    }
    assert!(scene.net.parties[2].picture() == before);
    assert_eq!(scene.net.parties[2].drops().len(), 62 * 3);
    scene.release(&genuine);
    assert_eq!(scene.heard(), [b"genuine"]);
}

#[test]
fn messages_of_two_channels_through_one_middle_cannot_be_swapped() {
    let mut scene = Scene::new();
    let (one, _) = scene.opened();
    let (two, m1) = scene.begin();
    let m2 = scene.answer_to(&m1);
    let m3 = scene.answer_to(&m2);
    scene.release(&m3);
    for n in 0..40u8 {
        let (first, second) = (scene.say(&one, &[1, n]), scene.say(&two, &[2, n]));
        let before = scene.net.parties[2].picture();
        scene.release(&with_payload(&first, second.payload()));
        scene.release(&with_payload(&second, first.payload()));
        assert!(scene.net.parties[2].picture() == before);
        assert_eq!(scene.net.parties[2].drops(), ["CHN-37", "CHN-37"]);
        scene.release(&first);
        scene.release(&second);
        assert_eq!(scene.heard(), [[1, n], [2, n]]);
    }
}

#[test]
fn a_message_reflected_to_its_sender_is_not_accepted() {
    let mut scene = Scene::new();
    let (channel, [_, m2, _]) = scene.opened();
    let before = scene.net.parties[0].picture();
    for n in 0..40u8 {
        let message = scene.say(&channel, &[n]);
        // Along the way of message 2: to Alice's decryptor.
        scene.release(&with_payload(&m2, message.payload()));
    }
    assert_eq!(scene.net.parties[0].drops().len(), 40);
    // Alice has sent: only her sending side has changed.
    assert!(scene.net.parties[0].picture() != before);
    let after = scene.net.parties[0].picture();
    scene.release(&with_payload(&m2, &[0; 64]));
    assert!(scene.net.parties[0].picture() == after);
    assert!(scene.net.take(0, "app").is_empty());
}

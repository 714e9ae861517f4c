//! Makes recordings in the format of production's, from our own machines: longer, more tangled and on worse links
//! than the recordings that are known.

use std::collections::BTreeMap;
use std::sync::Arc;

use razor::channel::{Addresses, Channel, Config, Input, Output};
use razor::env::{Entropy, Env, Instant, Purpose, Seeded, Timestamp};
use razor::identity::{Identity, MemoryStore, PresentedCredential, PurposeKeyAttestation};
use razor::machine::Machine;
use razor::node::{Answer, Request};
use razor::routing::{Address, Message, Route, Tail};
use razor::vault::suite::Suite;
use razor::vault::{PublicKey, SigningKind, SoftwareVault};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_750_000_000);

/// The two ends of every channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Initiator,
    Responder,
}

impl End {
    const fn other(self) -> Self {
        match self {
            End::Initiator => End::Responder,
            End::Responder => End::Initiator,
        }
    }
}

/// Randomness that remembers what it gave.
struct Remembering {
    source: Seeded,
    given: Vec<(Purpose, Vec<u8>)>,
}

impl Entropy for Remembering {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        self.source.fill(purpose, out);
        self.given.push((purpose, out.to_vec()));
    }
}

/// A party: one node, one identity, one static key.
pub(crate) struct Party {
    name: &'static str,
    vault: SoftwareVault,
    identity: Identity,
    attestation: PurposeKeyAttestation,
    static_key: PublicKey,
    entropy: Remembering,
    credentials: Vec<PresentedCredential>,
}

impl Party {
    pub(crate) fn new(name: &'static str, seed: u64) -> Self {
        let mut entropy = Remembering { source: Seeded::from_u64(seed), given: vec![] };
        let mut vault = SoftwareVault::new();
        let mut env = Env::new(Instant::ZERO, NOW, &mut entropy);
        let identity = Identity::create(&mut vault, SigningKind::Ed25519, &mut env).expect("an identity");
        let (static_key, attestation) = identity.attest_static_key(&mut vault, &mut env).expect("an attestation");
        Self { name, vault, identity, attestation, static_key, entropy, credentials: vec![] }
    }

    /// Shows this credential to everyone.
    pub(crate) fn shows(&mut self, credential: &[u8]) {
        self.credentials.push(PresentedCredential::decode(credential, credential.len()).expect("a credential"));
    }

    /// The history, encoded.
    pub(crate) fn history(&self) -> &[u8] {
        self.identity.export()
    }

    /// The `n`th secret drawn for a purpose.
    fn secrets(&self, purpose: Purpose) -> impl Iterator<Item = &[u8]> {
        self.entropy.given.iter().filter(move |(other, _)| *other == purpose).map(|(_, bytes)| bytes.as_slice())
    }

    fn config(&self) -> Arc<Config> {
        Arc::new(Config::new(&self.identity, &self.attestation, &self.credentials, NOW).expect("a configuration"))
    }

    fn json(&self) -> Value {
        let [signing, fixed] = [0, 1].map(|n| self.secrets(Purpose::LongTermKey).nth(n).expect("a key"));
        assert_eq!(SoftwareVault::new().import_static_key(fixed.try_into().expect("32 bytes")), self.static_key);
        let ephemeral = self.secrets(Purpose::Ephemeral).next().expect("an ephemeral key");
        json!({
            "identity_ed25519": hex::encode(signing),
            "static_x25519": hex::encode(fixed),
            "ephemeral_x25519": hex::encode(ephemeral),
        })
    }

    fn operations(&self) -> Value {
        let one = |secret: &[u8]| {
            let public = SoftwareVault::new().import_static_key(secret.try_into().expect("32 bytes"));
            json!({ "op": "generate_ephemeral", "public": hex::encode(public.0), "secret": hex::encode(secret) })
        };
        self.secrets(Purpose::Ephemeral).map(one).collect()
    }
}

/// One end of a channel.
struct Peer<S: Suite> {
    /// Whose it is.
    party: usize,
    machine: Channel<S>,
    store: MemoryStore,
}

/// A channel, and how its messages travel.
struct Tunnel<S: Suite> {
    ends: Vec<Peer<S>>,
    /// Inside which other channel, and at which of its ends the initiator is.
    within: Option<(usize, End)>,
}

/// A session that is being recorded.
pub(crate) struct Recorder<S: Suite> {
    parties: Vec<Party>,
    tunnels: Vec<Tunnel<S>>,
    /// Connection, direction, message.
    frames: Vec<(u64, End, Message)>,
    /// Whether every frame goes over two links, and a node between.
    relayed: bool,
    addresses: Seeded,
}

impl<S: Suite> Recorder<S> {
    /// Party 0 dials party 1.
    pub(crate) fn new(parties: [Party; 2]) -> Self {
        let addresses = Seeded::from_u64(99);
        Self { parties: parties.into(), tunnels: vec![], frames: vec![], relayed: false, addresses }
    }

    /// Records both links of a way over a node between.
    pub(crate) fn relayed(mut self) -> Self {
        self.relayed = true;
        self
    }

    fn address(&mut self) -> Address {
        Address::random(&mut self.addresses)
    }

    /// Opens a channel from party `from` (0 dialled the connection) to the other; `within` nests it. Returns its number.
    pub(crate) fn open(&mut self, from: usize, within: Option<usize>) -> usize {
        let to = 1 - from;
        let number = self.tunnels.len();
        let within = within.map(|outer| (outer, self.end_of(outer, from)));
        let route = match (self.relayed && within.is_none(), from) {
            (true, 0) => "hop => listener".parse::<Route>().expect("a route"),
            _ => Route::new().then(Address::local("listener")),
        };
        let addresses = Addresses { decryptor: self.address(), encryptor: self.address() };
        let config = self.parties[from].config();
        let mut env = Env::new(Instant::ZERO, NOW, &mut self.parties[from].entropy);
        let initiator = Channel::initiate(&mut env, config, addresses, &route);
        let initiator = Peer { party: from, machine: initiator, store: MemoryStore::new(1 << 20) };
        self.tunnels.push(Tunnel { ends: vec![initiator], within });
        let (sent, _) = self.drain(number, End::Initiator);
        let message_1 = self.carry(number, End::Initiator, sent).pop().expect("message 1");

        let addresses = Addresses { decryptor: self.address(), encryptor: self.address() };
        let config = self.parties[to].config();
        let mut env = Env::new(Instant::ZERO, NOW, &mut self.parties[to].entropy);
        let responder = Channel::respond(&mut env, config, addresses, &message_1).expect("a responder");
        self.tunnels[number].ends.push(Peer { party: to, machine: responder, store: MemoryStore::new(1 << 20) });
        let (sent, _) = self.drain(number, End::Responder);
        let message_2 = self.carry(number, End::Responder, sent).pop().expect("message 2");
        let sent = self.give(number, End::Initiator, Input::Receive(message_2)).0;
        let message_3 = self.carry(number, End::Initiator, sent).pop().expect("message 3");
        self.give(number, End::Responder, Input::Receive(message_3));
        number
    }

    /// The end of a channel that a party holds.
    fn end_of(&self, tunnel: usize, party: usize) -> End {
        if self.tunnels[tunnel].ends[0].party == party { End::Initiator } else { End::Responder }
    }

    /// An application says something through a channel: the other end receives it.
    pub(crate) fn say(&mut self, tunnel: usize, from: End, payload: &[u8]) {
        let app = Route::new().then(Address::local("app"));
        let message = Message::new(Route::new().then(Address::local("echoer")).as_ref(), app.as_ref(), payload);
        self.input(tunnel, from, Input::Send(message));
    }

    /// A party presents its credentials anew.
    pub(crate) fn refresh(&mut self, tunnel: usize, from: End) {
        let party = &self.parties[self.tunnels[tunnel].ends[from as usize].party];
        let (history, credentials) = (party.history().to_vec(), PresentedCredential::encode_list(&party.credentials));
        self.input(tunnel, from, Input::RefreshCredentials { history, credentials });
    }

    /// A party closes a channel.
    pub(crate) fn close(&mut self, tunnel: usize, from: End) {
        self.input(tunnel, from, Input::Close);
    }

    fn input(&mut self, tunnel: usize, from: End, input: Input) {
        let (sent, _) = self.give(tunnel, from, input);
        for message in self.carry(tunnel, from, sent) {
            self.give(tunnel, from.other(), Input::Receive(message));
        }
    }

    /// A plain message on the connection, by nobody we know.
    pub(crate) fn plain(&mut self, from: End, to: &str, payload: &[u8]) {
        let (onward, back) = (Route::new().then(Address::local(to)), Route::new().then(Address::local("somebody")));
        let message = Message::new(onward.as_ref(), back.as_ref(), payload);
        self.frames.push((0, from, message));
    }

    /// Carries messages to the other end: over the connection, or through the channel outside.
    fn carry(&mut self, tunnel: usize, from: End, messages: Vec<Message>) -> Vec<Message> {
        let mut arrived = Vec::new();
        for message in messages {
            match self.tunnels[tunnel].within {
                Some((outer, initiator)) => {
                    let from = if from == End::Initiator { initiator } else { initiator.other() };
                    let mut message = message;
                    let encryptor = &self.tunnels[outer].ends[from as usize].machine.addresses().encryptor;
                    if message.onward().first() == Some(encryptor.as_ref()) {
                        // The way back begins with the outer channel.
                        message.pop_onward().expect("an address");
                    }
                    let (sent, _) = self.give(outer, from, Input::Send(message));
                    for message in self.carry(outer, from, sent) {
                        arrived.extend(self.give(outer, from.other(), Input::Receive(message)).1);
                    }
                }
                None => {
                    // The connection knows who dialled it, the channel who began it.
                    let dialled = self.tunnels[tunnel].ends[0].party == 0;
                    let from = if dialled { from } else { from.other() };
                    arrived.push(self.link(from, message));
                }
            }
        }
        arrived
    }

    fn link(&mut self, from: End, mut message: Message) -> Message {
        message.set_tracing(Some("{}"));
        let first = if self.relayed && from == End::Responder { 1 } else { 0 };
        self.frames.push((first, from, message.clone()));
        if self.relayed {
            message.pop_onward().expect("the address of the node between");
            let side = if from == End::Initiator { "to-the-left" } else { "to-the-right" };
            message.push_return(Address::local(side).as_ref());
            self.frames.push((1 - first, from, message.clone()));
        }
        message
    }

    /// One input to one end; what it transmits and what it delivers.
    fn give(&mut self, tunnel: usize, end: End, input: Input) -> (Vec<Message>, Vec<Message>) {
        let peer = &mut self.tunnels[tunnel].ends[end as usize];
        let mut env = Env::new(Instant::ZERO, NOW, &mut self.parties[peer.party].entropy);
        peer.machine.handle(&mut env, input).expect("the machine takes it");
        self.drain(tunnel, end)
    }

    fn drain(&mut self, tunnel: usize, end: End) -> (Vec<Message>, Vec<Message>) {
        let peer = &mut self.tunnels[tunnel].ends[end as usize];
        let party = &mut self.parties[peer.party];
        let (mut sent, mut delivered) = (vec![], vec![]);
        let mut answers = vec![];
        loop {
            while let Some(output) = peer.machine.poll_output() {
                match output {
                    Output::Transmit(message) => sent.push(message),
                    Output::Deliver(message) => delivered.push(message),
                    Output::Request { ticket, request: Request::Vault(request), .. } => {
                        answers.push(Input::Answer(ticket, Answer::Vault(party.vault.answer(&request))));
                    }
                    Output::Request { ticket, request: Request::Store(request), .. } => {
                        answers.push(Input::Answer(ticket, Answer::Store(peer.store.answer(&request))));
                    }
                    Output::Event(_) => {}
                }
            }
            let Some(answer) = answers.pop() else { break };
            let mut env = Env::new(Instant::ZERO, NOW, &mut party.entropy);
            peer.machine.handle(&mut env, answer).expect("the machine takes the answer");
        }
        (sent, delivered)
    }

    /// How many frames there are so far.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Changes the order and number of the frames: `order` gives the old place of each new one.
    pub(crate) fn arrange(&mut self, order: &[usize]) {
        self.frames = order.iter().map(|at| self.frames[*at].clone()).collect();
    }

    /// The recording. `operations` says whether the vaults' operations are in it.
    pub(crate) fn finish(self, operations: bool) -> Recorded {
        let frame = |(connection, from, message): &(u64, End, Message)| {
            let bytes = encode(message);
            let texts = |route: razor::routing::RouteRef<'_>| route.iter().map(|a| a.to_string()).collect::<Vec<_>>();
            let mut frame = json!({
                "kind": "frame",
                "conn": connection,
                "dir": if *from == End::Initiator { "i2r" } else { "r2i" },
                "t_ms": 1.5,
                "frame_hex": hex::encode(bytes),
                "onward_route": texts(message.onward()),
                "return_route": texts(message.return_route()),
                "payload_hex": hex::encode(message.payload()),
            });
            if let Some(tracing) = message.tracing() {
                frame["tracing_context"] = tracing.into();
            }
            frame
        };
        let mut frames: Vec<Value> = vec![json!({ "kind": "version", "conn": 0, "dir": "i2r", "hex": "01" })];
        frames.extend(self.frames.iter().map(frame));
        let secrets: BTreeMap<&str, Value> = self.parties.iter().map(|party| (party.name, party.json())).collect();
        let mut session = json!({
            "description": "synthetic",
            "protocol_name_ascii": S::NAME,
            "frames": frames,
            "secrets": secrets,
        });
        if operations {
            for party in &self.parties {
                session[format!("{}_vault_operations", party.name)] = party.operations();
            }
        }
        Recorded(json!({ "about": "synthetic", "sessions": { "synthetic": session } }))
    }
}

fn encode(message: &Message) -> Vec<u8> {
    let mut message = message.clone();
    let head = if message.tracing().is_some() { 0x84 } else { 0x83 };
    message.fold(&[head], Tail::Tracing);
    [&(message.payload().len() as u32).to_be_bytes()[..], message.payload()].concat()
}

/// A recording as JSON.
#[derive(Clone)]
pub(crate) struct Recorded(pub(crate) Value);

impl Recorded {
    pub(crate) fn session(&mut self) -> &mut Value {
        &mut self.0["sessions"]["synthetic"]
    }

    /// The frames, without the opening bytes.
    pub(crate) fn frames(&mut self) -> Vec<&mut Value> {
        let frames = self.session()["frames"].as_array_mut().expect("frames");
        frames.iter_mut().filter(|frame| frame["kind"] == "frame").collect()
    }

    /// Flips a bit of a frame, and drops what else the recording says of it: only cryptography can tell.
    pub(crate) fn tamper(&self, frame: usize, byte: usize) -> Self {
        let mut other = self.clone();
        let frame = &mut *other.frames()[frame];
        let mut bytes = hex::decode(frame["frame_hex"].as_str().expect("hex")).expect("hex");
        bytes[byte] ^= 0x10;
        *frame =
            json!({ "kind": "frame", "conn": frame["conn"], "dir": frame["dir"], "frame_hex": hex::encode(bytes) });
        other
    }
}

//! Somebody who speaks the protocol and says what nobody may say: raw frames, and channels with papers of his own.

use std::time::Duration;

use razor::channel::{Decryptor, Encryptor};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::machine::Machine as _;
use razor::noise::Ockam;
use razor::noise::initiator::AwaitsMessage2;
use razor::noise::responder::NeedsStaticDh;
use razor::routing::{Address, Message, Route};
use razor::transport::{self, Tcp};
use razor::vault::suite::Aes256GcmSha256;
use razor::vault::{KeyHandle, SoftwareVault};
use razor_vectors::own::forge::cbor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::capture::{Capture, Tapped};
use crate::table::Outcome;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The attacker's own worker.
pub(super) const OWN: &str = "attacker";

/// A transport message, as everybody has to write it.
pub(super) fn message(onward: &Route, back: &Route, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x83];
    bytes.extend(onward.encode());
    bytes.extend(back.encode());
    bytes.extend(cbor(|e| {
        e.bytes(payload).expect("memory takes everything");
    }));
    bytes
}

/// A route of one address.
pub(super) fn to(worker: &str) -> Route {
    Route::from(Address::from(worker))
}

/// A TCP connection.
pub(super) struct Attacker {
    socket: Tapped,
}

impl Attacker {
    pub(super) async fn connect(address: &str, capture: &Capture, opening: u8) -> Outcome<Self> {
        let mut socket = capture.connect(address).await?;
        socket.write_all(&[opening]).await?;
        Ok(Self { socket })
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        // The other side may have closed; that shows in what it answers.
        let _ = timeout(PATIENCE, self.socket.write_all(bytes)).await;
    }

    pub(super) async fn frame(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.raw(&[&length[..], body].concat()).await;
    }

    /// Something for the echo.
    pub(super) async fn good(&mut self, payload: &[u8]) {
        self.frame(&message(&to("echo"), &to(OWN), payload)).await;
    }

    /// The next message.
    async fn hear_message(&mut self, within: Duration) -> Option<Message> {
        self.hear(within).await.and_then(|body| decode(&body))
    }

    /// The next frame without its length; none when the connection is closed or nothing comes.
    pub(super) async fn hear(&mut self, within: Duration) -> Option<Vec<u8>> {
        let heard = async {
            loop {
                // Frames are never so long that their length begins with the opening byte.
                let first = self.socket.read_u8().await?;
                if first == transport::VERSION {
                    continue;
                }
                let mut length = [first, 0, 0, 0];
                self.socket.read_exact(&mut length[1..]).await?;
                let mut body = vec![0; u32::from_be_bytes(length) as usize];
                self.socket.read_exact(&mut body).await?;
                return std::io::Result::Ok(body);
            }
        };
        timeout(within, heard).await.ok()?.ok()
    }
}

/// A listener of the attacker's.
pub(super) struct Trap {
    listener: TcpListener,
    capture: Capture,
}

impl Trap {
    pub(super) async fn set(capture: &Capture) -> Outcome<Self> {
        Ok(Self { listener: TcpListener::bind("127.0.0.1:0").await?, capture: capture.clone() })
    }

    pub(super) fn address(&self) -> Outcome {
        Ok(self.listener.local_addr()?.to_string())
    }

    /// The next who connects.
    pub(super) async fn catch(&self) -> Outcome<Attacker> {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.map_err(|_| "nobody connects")??;
        let mut socket = self.capture.tap(stream, false)?;
        socket.write_all(&[transport::VERSION]).await?;
        Ok(Attacker { socket })
    }
}

fn decode(body: &[u8]) -> Option<Message> {
    let mut tcp = Tcp::new(transport::Config::CEILING, Instant::ZERO);
    tcp.poll_output();
    let mut entropy = Seeded::from_u64(0);
    let mut env = Env::new(Instant::ZERO, Timestamp::default(), &mut entropy);
    let bytes = [&[transport::VERSION][..], &(body.len() as u32).to_be_bytes(), body].concat();
    tcp.handle(&mut env, transport::Input::Received(bytes)).ok()?;
    match tcp.poll_output()? {
        transport::Output::Deliver(message) => Some(message),
        _ => None,
    }
}

/// A channel whose other side may believe in it.
pub(super) struct Channel {
    attacker: Attacker,
    /// The way to the other side's decryptor.
    way: Route,
    send: Encryptor<Aes256GcmSha256>,
    receive: Decryptor<Aes256GcmSha256>,
}

impl Channel {
    /// Goes through the handshake with this static key and presents this.
    pub(super) async fn open(mut attacker: Attacker, secret: &[u8; 32], presentation: &[u8]) -> Outcome<Self> {
        let mut vault = SoftwareVault::new();
        let own = vault.import_static_key(secret);
        let (state, first) = AwaitsMessage2::<Aes256GcmSha256, Ockam>::start(own, &mut entropy()?);
        attacker.frame(&message(&to("api"), &to(OWN), &first)).await;
        let second = attacker.hear_message(PATIENCE).await.ok_or("there is no message 2")?;
        let (state, _) = state.read_message_2(second.payload())?;
        let shared = vault.static_dh(&KeyHandle::of(&own.0), &state.dh_with())?;
        let (finished, third) = state.write_message_3(&shared, presentation)?;
        let way = second.return_route().to_owned();
        attacker.frame(&message(&way, &to(OWN), &third)).await;
        let (send, receive) = (Encryptor::new(finished.send), Decryptor::new(finished.receive));
        Ok(Self { attacker, way, send, receive })
    }

    /// Answers who opens a channel: goes through the handshake with this static key, presents this, and sends what is left
    /// of message 2 when it is spoiled. There is no channel if the other side does not go on.
    pub(super) async fn answer(
        mut attacker: Attacker,
        secret: &[u8; 32],
        presentation: &[u8],
        spoil: fn(&mut Vec<u8>),
    ) -> Outcome<Option<Self>> {
        let mut vault = SoftwareVault::new();
        let own = vault.import_static_key(secret);
        let first = attacker.hear_message(PATIENCE).await.ok_or("there is no message 1")?;
        let (state, _) =
            NeedsStaticDh::<Aes256GcmSha256, Ockam>::read_message_1(own, &mut entropy()?, first.payload())?;
        let shared = vault.static_dh(&KeyHandle::of(&own.0), &state.dh_with())?;
        let (state, mut second) = state.write_message_2(&shared, presentation)?;
        spoil(&mut second);
        attacker.frame(&message(&first.return_route().to_owned(), &to(OWN), &second)).await;
        let Some(third) = attacker.hear_message(PATIENCE).await else { return Ok(None) };
        let (finished, _) = state.read_message_3(third.payload())?;
        let way = third.return_route().to_owned();
        let (send, receive) = (Encryptor::new(finished.send), Decryptor::new(finished.receive));
        Ok(Some(Self { attacker, way, send, receive }))
    }

    /// The ciphertext of a plaintext, which takes the next nonce.
    pub(super) fn seal(&mut self, plaintext: &[u8]) -> Outcome<Vec<u8>> {
        let nowhere = Route::default();
        let mut message = Message::new(nowhere.as_ref(), nowhere.as_ref(), plaintext);
        self.send.seal(&mut message)?;
        Ok(message.payload().to_vec())
    }

    pub(super) async fn send(&mut self, ciphertext: &[u8]) {
        self.attacker.frame(&message(&self.way, &to(OWN), ciphertext)).await;
    }

    /// The next plaintext.
    pub(super) async fn hear(&mut self, within: Duration) -> Option<Vec<u8>> {
        let heard = self.attacker.hear_message(within).await?;
        let nowhere = Route::default();
        let mut message = Message::new(nowhere.as_ref(), nowhere.as_ref(), heard.payload());
        self.receive.open(&mut message).ok()?;
        Some(message.payload().to_vec())
    }
}

/// The plaintext that carries something along a route, as everybody has to write it.
pub(super) fn plaintext(onward: &Route, payload: &[u8]) -> Vec<u8> {
    let mut bytes = PAYLOAD.to_vec();
    bytes.extend(message(onward, &to(OWN), payload));
    bytes.push(UNPADDED);
    bytes
}

/// The answer to a plaintext: with the same payload, to where its message came from.
pub(super) fn answer(text: &[u8]) -> Outcome<Vec<u8>> {
    let carried = text.strip_prefix(&PAYLOAD).and_then(|rest| rest.strip_suffix(&[UNPADDED]));
    let said = carried.and_then(decode).ok_or("what the other side says is no plaintext")?;
    Ok(plaintext(&said.return_route().to_owned(), said.payload()))
}

/// What stands before the message of a plaintext, and the padding after it.
const PAYLOAD: [u8; 4] = [0x82, 0x82, 0x00, 0x81];
const UNPADDED: u8 = 0x40;

fn entropy() -> Outcome<Seeded> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Seeded::new(seed))
}

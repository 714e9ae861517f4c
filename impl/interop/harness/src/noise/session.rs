//! One session with a peer.

use std::time::Duration;

use razor::env::{Entropy, Purpose, Seeded};
use razor::noise::{Noise, Profile};
use razor::vault::suite::Suite;
use razor_vectors::noise::{Ours, Role};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::peers::Program;
use crate::Run;
use crate::capture::Tapped;
use crate::child::Child;
use crate::table::{Outcome, ensure};

/// The longest message of Noise.
const MAX: usize = 65_535;

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Session<S: Suite>
where
    Noise: Profile<S>,
{
    role: Role,
    ours: Ours<S>,
    theirs: Child,
    socket: Tapped,
    dice: Seeded,
}

impl<S: Suite> Session<S>
where
    Noise: Profile<S>,
{
    /// Starts the peer, which connects; nothing is said yet.
    pub(super) async fn begin(run: &Run, program: &Program, role: Role) -> Outcome<Self> {
        let label = format!("{} {} {role:?}", run.seed, <Noise as Profile<S>>::NAME);
        let mut dice = Seeded::new(razor::vault::sha256(label.as_bytes()));
        let [our_key, their_key] = [(); 2].map(|()| draw(&mut dice, 32));
        let length = number(&mut dice, 300);
        let prologue = draw(&mut dice, length);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut theirs = program.start()?;
        theirs
            .call(json!({
                "do": "begin", "name": <Noise as Profile<S>>::NAME, "initiator": role == Role::Responder,
                "static": hex::encode(&their_key), "prologue": hex::encode(&prologue),
                "connect": listener.local_addr()?.to_string(),
            }))
            .await?;
        let (socket, _) = timeout(PATIENCE, listener.accept()).await.map_err(|_| "the peer does not connect")??;
        let socket = run.capture.tap(socket, false)?;
        let secret = our_key.try_into().map_err(|_| "a key has 32 bytes")?;
        Ok(Self { role, ours: Ours::new(role, &secret, &prologue), theirs, socket, dice })
    }

    /// The three messages, with payloads. Damaged ones are tried with our side before the real ones, if so asked.
    pub(super) async fn handshake(&mut self, damage: bool) -> Outcome<()> {
        // The longest payloads: what keys and tags leave; snow wants room for a tag in message 1 too.
        for (index, longest) in [MAX - 48, MAX - 96, MAX - 64].into_iter().enumerate() {
            let payload = self.payload(longest);
            let is_ours = (index % 2 == 0) == (self.role == Role::Initiator);
            let passed = if is_ours {
                self.send(&payload, false).await
            } else {
                // Message 1 has nothing by which damage shows.
                self.receive(&payload, damage && index > 0).await
            };
            passed.map_err(|stop| stop.at(format_args!("message {}", index + 1)))?;
        }
        let (hash, _) = self.ours.outcome().ok_or("our handshake is not finished")?;
        let theirs = self.theirs.call(json!({ "do": "hash" })).await?;
        ensure(theirs["hash"] == hex::encode(hash), || "the two sides have different handshake hashes".into())
    }

    /// So many messages in either direction; `rekey` and `damage` say at which of them keys are renewed and at which a
    /// damaged copy is tried first.
    pub(super) async fn messages(
        &mut self,
        count: usize,
        rekey: impl Fn(usize) -> bool,
        damage: impl Fn(usize) -> bool,
    ) -> Outcome {
        let (mut there, mut bytes, mut renewals, mut refused) = (0, 0, 0, 0);
        for index in 0..count {
            if rekey(index) {
                renewals += 1;
                self.rekey(renewals % 2 == 0).await?;
            }
            let payload = match index {
                // The first two are the extremes.
                0 | 1 => vec![],
                2 | 3 => vec![0x5a; MAX - 16],
                _ => self.payload(MAX - 16),
            };
            bytes += payload.len();
            let (damaged, to_them) = (damage(index), index % 2 == 0);
            refused += usize::from(damaged);
            there += usize::from(to_them);
            let passed =
                if to_them { self.send(&payload, damaged).await } else { self.receive(&payload, damaged).await };
            passed.map_err(|stop| stop.at(format_args!("transport message {index}")))?;
        }
        let mut remark = format!("{there} there, {} back, {bytes} bytes", count - there);
        if renewals > 0 {
            remark.push_str(&format!(", {renewals} renewals"));
        }
        if refused > 0 {
            remark.push_str(&format!(", {refused} refused"));
        }
        Ok(remark)
    }

    /// A message of ours. If so asked, they see a damaged copy of it first.
    async fn send(&mut self, payload: &[u8], damaged: bool) -> Outcome<()> {
        let message = self.ours.write(&mut self.dice, payload)?;
        if damaged {
            let copy = self.damage(&message);
            self.frame(&copy).await?;
            let answer = self.theirs.call(json!({ "do": "read" })).await?;
            ensure(answer["refused"].is_string(), || "they accept a damaged message".into())?;
        }
        self.frame(&message).await?;
        let answer = self.theirs.call(json!({ "do": "read" })).await?;
        ensure(answer["refused"].is_null(), || format!("they refuse our message: {}", answer["refused"]))?;
        ensure(answer["payload"] == hex::encode(payload), || "they read another payload than we wrote".into())
    }

    /// A message of theirs. If so asked, we see a damaged copy of it first.
    async fn receive(&mut self, payload: &[u8], damaged: bool) -> Outcome<()> {
        self.theirs.call(json!({ "do": "write", "payload": hex::encode(payload) })).await?;
        let message = timeout(PATIENCE, async {
            let mut message = vec![0; usize::from(self.socket.read_u16().await?)];
            self.socket.read_exact(&mut message).await.map(|_| message)
        });
        let message = message.await.map_err(|_| "their message does not come")??;
        if damaged {
            let copy = self.damage(&message);
            ensure(self.ours.read(&mut self.dice, &copy).is_err(), || "we accept a damaged message".into())?;
        }
        let read = self.ours.read(&mut self.dice, &message)?;
        ensure(read == payload, || "we read another payload than they wrote".into())
    }

    async fn rekey(&mut self, sending: bool) -> Outcome<()> {
        let (send, receive) = self.ours.transport()?;
        let (ours, theirs) = if sending { (send, "receive") } else { (receive, "send") };
        ours.rekey()?;
        self.theirs.call(json!({ "do": "rekey", "which": theirs })).await.map(drop)
    }

    async fn frame(&mut self, message: &[u8]) -> Outcome<()> {
        let length = u16::try_from(message.len())?;
        let framed = [&length.to_be_bytes()[..], message].concat();
        timeout(PATIENCE, self.socket.write_all(&framed)).await.map_err(|_| "the socket takes nothing")??;
        Ok(())
    }

    /// One bit is another; not the highest of a byte, which in a public key means nothing.
    fn damage(&mut self, message: &[u8]) -> Vec<u8> {
        let mut copy = message.to_vec();
        let (at, bit) = (number(&mut self.dice, copy.len()), number(&mut self.dice, 7));
        copy[at] ^= 1 << bit;
        copy
    }

    /// Mostly short, at times the longest there is.
    fn payload(&mut self, longest: usize) -> Vec<u8> {
        let length = match number(&mut self.dice, 24) {
            0 => 0,
            1 => longest,
            2..4 => number(&mut self.dice, longest),
            _ => number(&mut self.dice, 200),
        };
        draw(&mut self.dice, length)
    }
}

fn number(dice: &mut Seeded, below: usize) -> usize {
    let mut bytes = [0; 8];
    dice.fill(Purpose::Ping, &mut bytes);
    (u64::from_le_bytes(bytes) % below as u64) as usize
}

fn draw(dice: &mut Seeded, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    dice.fill(Purpose::Ping, &mut bytes);
    bytes
}

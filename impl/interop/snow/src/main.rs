//! A Noise session of the crate `snow`, steered by lines of JSON on standard input; its messages go over a socket.
//! The commands are those of `python/noise_peer.py`, which says what they are.

use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use snow::{HandshakeState, TransportState};

/// The longest message of Noise.
const MAX: usize = 65_535;

enum Session {
    Handshake(Box<HandshakeState>),
    /// With the hash of the handshake.
    Transport(Box<TransportState>, Vec<u8>),
    /// A step is being taken, or has failed.
    Gone,
}

struct Peer {
    session: Session,
    socket: TcpStream,
}

fn main() {
    let mut peer = None;
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let answer = match serde_json::from_str(&line) {
            Ok(command) => obey(&mut peer, &command).unwrap_or_else(|why| json!({ "error": why })),
            Err(error) => json!({ "error": error.to_string() }),
        };
        println!("{answer}");
    }
}

fn obey(peer: &mut Option<Peer>, command: &Value) -> Result<Value, String> {
    let action = command["do"].as_str().unwrap_or_default();
    if action == "begin" {
        *peer = Some(begin(command)?);
        return Ok(json!({}));
    }
    let peer = peer.as_mut().ok_or("there is no session yet")?;
    match action {
        "write" => {
            let message = peer.write(&bytes(command, "payload")?)?;
            let length = u16::try_from(message.len()).map_err(|e| e.to_string())?;
            let framed = [&length.to_be_bytes()[..], &message].concat();
            peer.socket.write_all(&framed).map_err(|e| e.to_string())?;
            Ok(json!({}))
        }
        "read" => {
            let mut length = [0; 2];
            peer.socket.read_exact(&mut length).map_err(|e| e.to_string())?;
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            peer.socket.read_exact(&mut message).map_err(|e| e.to_string())?;
            Ok(match peer.read(&message) {
                Ok(payload) => json!({ "payload": hex::encode(payload) }),
                Err(error) => json!({ "refused": error.to_string() }),
            })
        }
        "rekey" => match (&mut peer.session, command["which"].as_str()) {
            (Session::Transport(transport, _), Some("send")) => {
                transport.rekey_outgoing();
                Ok(json!({}))
            }
            (Session::Transport(transport, _), Some("receive")) => {
                transport.rekey_incoming();
                Ok(json!({}))
            }
            _ => Err("there is no such key yet".into()),
        },
        "hash" => match &peer.session {
            Session::Transport(_, hash) => Ok(json!({ "hash": hex::encode(hash) })),
            _ => Err("the handshake is not finished".into()),
        },
        other => Err(format!("there is no command `{other}`")),
    }
}

fn begin(command: &Value) -> Result<Peer, String> {
    let told = |e: snow::Error| e.to_string();
    let name = command["name"].as_str().ok_or("a session has a name")?;
    let (secret, prologue) = (bytes(command, "static")?, bytes(command, "prologue")?);
    let builder = snow::Builder::new(name.parse().map_err(told)?);
    let builder = builder.local_private_key(&secret).and_then(|it| it.prologue(&prologue)).map_err(told)?;
    let is_initiator = command["initiator"].as_bool().ok_or("a session has a role")?;
    let state = if is_initiator { builder.build_initiator() } else { builder.build_responder() }.map_err(told)?;
    let address = command["connect"].as_str().ok_or("a session has a socket")?;
    let socket = TcpStream::connect(address).map_err(|e| e.to_string())?;
    socket.set_nodelay(true).map_err(|e| e.to_string())?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).map_err(|e| e.to_string())?;
    Ok(Peer { session: Session::Handshake(Box::new(state)), socket })
}

impl Peer {
    fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        let mut message = vec![0; MAX];
        let length = match &mut self.session {
            Session::Handshake(state) => state.write_message(payload, &mut message),
            Session::Transport(state, _) => state.write_message(payload, &mut message),
            Session::Gone => return Err("the session has failed".into()),
        };
        message.truncate(length.map_err(|e| e.to_string())?);
        self.step()?;
        Ok(message)
    }

    fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut payload = vec![0; MAX];
        let length = match &mut self.session {
            Session::Handshake(state) => state.read_message(message, &mut payload),
            Session::Transport(state, _) => state.read_message(message, &mut payload),
            Session::Gone => return Err("the session has failed".into()),
        };
        payload.truncate(length.map_err(|e| e.to_string())?);
        self.step()?;
        Ok(payload)
    }

    /// Goes over to transport when the handshake is finished.
    fn step(&mut self) -> Result<(), String> {
        self.session = match std::mem::replace(&mut self.session, Session::Gone) {
            Session::Handshake(state) if state.is_handshake_finished() => {
                let hash = state.get_handshake_hash().to_vec();
                Session::Transport(Box::new(state.into_transport_mode().map_err(|e| e.to_string())?), hash)
            }
            session => session,
        };
        Ok(())
    }
}

fn bytes(command: &Value, name: &str) -> Result<Vec<u8>, String> {
    hex::decode(command[name].as_str().unwrap_or_default()).map_err(|e| format!("{name}: {e}"))
}

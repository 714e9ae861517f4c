//! A node of production Ockam, on its public API, steered by lines of JSON: each is a command, each is answered by one.
//!
//! | command | what it does | answer |
//! |---|---|---|
//! | `identity` `name` `kind` `rotations` `purpose_keys` | makes an identity, rotates it, makes further purpose keys | `identifier` |
//! | `rotate` `name` | rotates an identity that is in use | |
//! | `listen` | listens for TCP; whoever connects reaches `echo`, `hop` and `api` | `address` |
//! | `accept` `identity` `trust` | listens for secure channels at `api` | |
//! | `connect` `to` | connects by TCP | `address` of the connection |
//! | `open` `route` `identity` `trust` `patience` | opens a secure channel | `address`, `peer`; or `refused` |
//! | `exchange` `route` `sizes` `window` `patience` | sends messages that are to come back | `answered`, `wrong` |
//! | `close` | closes all secure channels | |
//! | `channels` | | `open`: how many there are |
//!
//! `patience` is in milliseconds. What goes wrong otherwise is answered by `error`.

mod exchange;
mod workers;

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use ockam::flow_control::FlowControlId;
use ockam::identity::models::Identifier;
use ockam::identity::{
    SecureChannelListenerOptions, SecureChannelOptions, TrustEveryonePolicy, TrustMultiIdentifiersPolicy,
};
use ockam::tcp::{TcpConnectionOptions, TcpListenerOptions, TcpTransport};
use ockam::vault::SigningKeyType;
use ockam::{Context, Node, NodeBuilder, Route};
use serde_json::{Value, json};

use workers::{Echo, Hop};

/// A sentence about what went wrong.
type Result<T> = std::result::Result<T, String>;

struct Peer {
    node: Node,
    tcp: std::sync::Arc<TcpTransport>,
    identities: BTreeMap<String, Identifier>,
    /// What comes in by these reaches the services.
    doors: Vec<FlowControlId>,
}

fn main() {
    let (context, mut executor) = NodeBuilder::new().no_logging().build();
    if let Err(error) = executor.execute(serve(context)).map_err(told).flatten() {
        println!("{}", json!({ "error": error }));
    }
}

async fn serve(context: Context) -> Result<()> {
    let tcp = TcpTransport::get_or_create(&context).map_err(told)?;
    let node = ockam::node(context).await.map_err(told)?;
    node.start_worker("echo", Echo).map_err(told)?;
    node.start_worker("hop", Hop).map_err(told)?;
    let mut peer = Peer { node, tcp, identities: BTreeMap::new(), doors: Vec::new() };
    loop {
        let line = next_line().await?;
        // Whatever the node still does is of no interest: nobody steers it any more.
        let Some(line) = line else { std::process::exit(0) };
        let answer = match serde_json::from_str(&line) {
            Ok(command) => peer.obey(&command).await.unwrap_or_else(|why| json!({ "error": why })),
            Err(error) => json!({ "error": error.to_string() }),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(told)?;
    }
}

/// The next line of standard input.
async fn next_line() -> Result<Option<String>> {
    let read = ockam::compat::tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next().transpose());
    read.await.map_err(told)?.map_err(told)
}

impl Peer {
    async fn obey(&mut self, command: &Value) -> Result<Value> {
        let text = |name: &str| command[name].as_str().ok_or_else(|| format!("{name} is missing"));
        let patience = Duration::from_millis(command["patience"].as_u64().unwrap_or(10_000));
        match text("do")? {
            "identity" => self.identity(text("name")?, command).await,
            "rotate" => {
                self.rotate(text("name")?).await?;
                Ok(json!({}))
            }
            "listen" => {
                let listener = self.tcp.listen("127.0.0.1:0", TcpListenerOptions::new()).await.map_err(told)?;
                self.open_door(listener.flow_control_id());
                self.doors.push(listener.flow_control_id().clone());
                Ok(json!({ "address": listener.socket_string() }))
            }
            "accept" => self.accept(text("identity")?, command),
            "connect" => {
                let connected = self.tcp.connect(text("to")?, TcpConnectionOptions::new()).await.map_err(told)?;
                // Answers to what the hop has sent on.
                self.node.flow_controls().add_consumer(&"hop".into(), connected.flow_control_id());
                Ok(json!({ "address": connected.sender_address().address() }))
            }
            "open" => self.open(text("identity")?, route(text("route")?)?, command, patience).await,
            "exchange" => {
                let sizes = command["sizes"].as_array().ok_or("sizes are missing")?;
                let sizes: Vec<usize> = sizes.iter().filter_map(|size| usize::try_from(size.as_u64()?).ok()).collect();
                let window = usize::try_from(command["window"].as_u64().unwrap_or(1)).map_err(told)?;
                exchange::run(self.node.context(), &route(text("route")?)?, &sizes, window, patience).await
            }
            "close" => {
                let channels = self.node.secure_channels();
                for open in channels.secure_channel_registry().get_channel_list() {
                    let address = open.encryptor_messaging_address();
                    channels.stop_secure_channel(self.node.context(), address).map_err(told)?;
                }
                Ok(json!({}))
            }
            "channels" => {
                let entries = self.node.secure_channels().secure_channel_registry().get_channel_list();
                Ok(json!({ "open": entries.len() }))
            }
            other => Err(format!("there is no command `{other}`")),
        }
    }

    /// What comes in by this reaches the services.
    fn open_door(&self, id: &FlowControlId) {
        for service in ["echo", "hop"] {
            self.node.flow_controls().add_consumer(&service.into(), id);
        }
    }

    async fn identity(&mut self, name: &str, command: &Value) -> Result<Value> {
        let kind = match command["kind"].as_str() {
            Some("p256") => SigningKeyType::ECDSASHA256CurveP256,
            _ => SigningKeyType::EdDSACurve25519,
        };
        let builder = self.node.identities_creation().identity_builder().with_random_key(kind);
        let identifier = builder.build().await.map_err(told)?;
        self.identities.insert(name.to_owned(), identifier.clone());
        for _ in 0..command["rotations"].as_u64().unwrap_or(0) {
            self.rotate(name).await?;
        }
        for _ in 0..command["purpose_keys"].as_u64().unwrap_or(0) {
            self.node.create_secure_channel_key(&identifier).await.map_err(told)?;
        }
        Ok(json!({ "identifier": identifier.to_string() }))
    }

    async fn rotate(&self, name: &str) -> Result<()> {
        let identifier = self.identities.get(name).ok_or("there is no such identity")?;
        self.node.identities_creation().rotate_identity(identifier).await.map_err(told)
    }

    fn accept(&mut self, identity: &str, command: &Value) -> Result<Value> {
        let identifier = self.identities.get(identity).ok_or("there is no such identity")?;
        let mut options = SecureChannelListenerOptions::new();
        for door in &self.doors {
            options = options.as_consumer(door);
        }
        let options = match trusted(command)? {
            Some(trusted) => options.with_trust_policy(TrustMultiIdentifiersPolicy::new(trusted)),
            None => options.with_trust_policy(TrustEveryonePolicy),
        };
        let listener = self.node.create_secure_channel_listener(identifier, "api", options).map_err(told)?;
        self.open_door(listener.flow_control_id());
        // Channels inside of channels.
        self.node.flow_controls().add_consumer(&"api".into(), listener.flow_control_id());
        Ok(json!({}))
    }

    async fn open(&self, identity: &str, route: Route, command: &Value, patience: Duration) -> Result<Value> {
        let identifier = self.identities.get(identity).ok_or("there is no such identity")?;
        let options = SecureChannelOptions::new().with_timeout(patience);
        let options = match trusted(command)? {
            Some(trusted) => options.with_trust_policy(TrustMultiIdentifiersPolicy::new(trusted)),
            None => options,
        };
        Ok(match self.node.create_secure_channel(identifier, route, options).await {
            Ok(channel) => json!({
                "address": channel.encryptor_address().address(),
                "peer": channel.their_identifier().to_string(),
            }),
            Err(error) => json!({ "refused": error.to_string() }),
        })
    }
}

/// The identifiers that are trusted; everybody if none is named.
fn trusted(command: &Value) -> Result<Option<Vec<Identifier>>> {
    let Some(listed) = command["trust"].as_array() else { return Ok(None) };
    let parse = |text: &Value| text.as_str().unwrap_or_default().parse::<Identifier>().map_err(told);
    listed.iter().map(parse).collect::<Result<Vec<_>>>().map(Some)
}

fn route(text: &str) -> Result<Route> {
    Route::parse(text).ok_or_else(|| format!("`{text}` is no route"))
}

fn told(error: impl ToString) -> String {
    error.to_string()
}

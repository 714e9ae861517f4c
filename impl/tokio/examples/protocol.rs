//! A protocol of one's own: several kinds of messages, a state, and an account for each peer.

use std::collections::BTreeMap;
use std::time::Duration;

use razor_tokio::{
    AnyChannelPeer, ChannelOptions, Context, Identifier, ListenerOptions, Node, Received, Result, SecureChannel, Trust,
    Worker,
};
use serde::{Deserialize, Serialize};

/// What a customer may say.
#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Deposit(u32),
    Withdraw(u32),
    Balance,
}

/// What the bank answers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Answer {
    Balance(u32),
    Refused(String),
}

/// An account for each identity.
#[derive(Default)]
struct Bank {
    accounts: BTreeMap<Identifier, u32>,
}

impl Bank {
    fn answer(&mut self, customer: Identifier, request: &[u8]) -> Answer {
        let balance = self.accounts.entry(customer).or_default();
        let changed = match serde_json::from_slice(request) {
            Ok(Request::Deposit(amount)) => balance.checked_add(amount).ok_or("that is more than a bank can hold"),
            Ok(Request::Withdraw(amount)) => balance.checked_sub(amount).ok_or("that is more than there is"),
            Ok(Request::Balance) => Ok(*balance),
            Err(_) => Err("that is no request"),
        };
        match changed {
            Ok(changed) => {
                *balance = changed;
                Answer::Balance(changed)
            }
            Err(why) => Answer::Refused(why.into()),
        }
    }
}

impl Worker for Bank {
    async fn handle_message(&mut self, context: &mut Context, message: Received) -> Result<()> {
        // The identity is what the channel proved, not what the message says.
        let Some(&customer) = message.peer() else { return Ok(()) };
        let answer = self.answer(customer, message.payload());
        context.reply(&message, &encode(&answer)).await
    }
}

fn encode(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("our messages have no keys but strings")
}

/// A customer with a channel to the bank.
struct Customer {
    name: &'static str,
    node: Node,
    channel: SecureChannel,
    context: Context,
}

impl Customer {
    async fn new(name: &'static str, at: &str, bank: Identifier) -> Result<Self> {
        let node = Node::start()?;
        let identity = node.create_identity().await?;
        let connection = node.connect(at).await?;
        let only_bank = ChannelOptions::trusting(Trust::One(bank));
        let channel = node.create_secure_channel(&identity, connection.route("api"), only_bank).await?;
        let context = node.open("customer").reached_through(channel.reach()).context().await?;
        Ok(Self { name, node, channel, context })
    }

    async fn says(&mut self, payload: &[u8]) -> Result<Answer> {
        let reply = self.context.request(self.channel.route("bank"), payload, Duration::from_secs(10)).await?;
        let answer = serde_json::from_slice(reply.payload()).expect("the bank speaks its protocol");
        println!("{:5} says {:17} and hears {answer:?}", self.name, String::from_utf8_lossy(payload));
        Ok(answer)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let bank = Node::start()?;
    let identity = bank.create_identity().await?;
    let listener = bank.listen("127.0.0.1:0").await?;
    let at = listener.local_addr().to_string();
    let options = ListenerOptions::default().reached_through(listener.reach());
    let channels = bank.create_secure_channel_listener(&identity, "api", options).await?;
    bank.open("bank").reached_through(channels.reach()).incoming(AnyChannelPeer).worker(Bank::default()).await?;

    let mut alice = Customer::new("Alice", &at, identity.identifier()).await?;
    let mut bob = Customer::new("Bob", &at, identity.identifier()).await?;

    assert_eq!(alice.says(&encode(&Request::Deposit(100))).await?, Answer::Balance(100));
    assert_eq!(alice.says(&encode(&Request::Withdraw(30))).await?, Answer::Balance(70));
    assert_eq!(bob.says(&encode(&Request::Balance)).await?, Answer::Balance(0));
    assert!(matches!(bob.says(&encode(&Request::Withdraw(1))).await?, Answer::Refused(_)));
    assert!(matches!(bob.says(b"open sesame").await?, Answer::Refused(_)));
    assert_eq!(alice.says(&encode(&Request::Balance)).await?, Answer::Balance(70));

    for node in [alice.node, bob.node, bank] {
        node.shutdown().await;
    }
    Ok(())
}

//! What is explored: the machine of the core, and the same machine made worse in one way.

use std::collections::VecDeque;

use razor::channel::{Channel, Input, Output, State};
use razor::env::Env;
use razor::machine::{Deadline, Machine, Refused, Snapshot};
use razor::routing::Message;
use razor::vault::suite::Suite;

/// A channel, or what pretends to be one.
pub(crate) trait Subject: Machine<Input = Input, Output = Output> {
    /// Where it stands.
    fn state(&self) -> State;

    /// The hash of its handshake, once it is open.
    fn handshake_hash(&self) -> Option<[u8; 32]>;
}

impl<S: Suite> Subject for Channel<S> {
    fn state(&self) -> State {
        Channel::state(self)
    }

    fn handshake_hash(&self) -> Option<[u8; 32]> {
        Channel::handshake_hash(self).copied()
    }
}

/// What is wrong with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It delivers every message twice.
    DeliversTwice,
    /// It takes a message again that it took before.
    TakesReplays,
    /// It ends a handshake for a message that it refuses.
    GivesUp,
    /// It closes an open channel for a message that it refuses.
    BreaksOff,
    /// It waits for ever for the end of a handshake.
    WaitsForEver,
    /// It counts what it refuses.
    Counts,
    /// It is deaf to the next good message after one that it refused. Nothing but what it does next shows that.
    Sulks,
}

/// A channel with a fault.
pub(crate) struct Faulty<S: Suite> {
    channel: Channel<S>,
    fault: Fault,
    outputs: VecDeque<Output>,
    /// What arrived, and what was delivered then.
    taken: Vec<(Vec<u8>, Message)>,
    sulks: bool,
    refused: u64,
}

impl<S: Suite> Faulty<S> {
    pub(crate) fn new(channel: Channel<S>, fault: Fault) -> Self {
        Self { channel, fault, outputs: VecDeque::new(), taken: Vec::new(), sulks: false, refused: 0 }
    }

    fn is_half_open(&self) -> bool {
        !matches!(self.channel.state(), State::Open | State::Closed)
    }

    fn receive(&mut self, env: &mut Env<'_>, message: Message) -> Result<(), Refused<Input>> {
        let bytes = message.payload().to_vec();
        let was_open = self.channel.state() == State::Open;
        if std::mem::take(&mut self.sulks) {
            return Ok(());
        }
        let taken = self.channel.handle(env, Input::Receive(message));
        while let Some(output) = self.channel.poll_output() {
            if let Output::Deliver(message) = &output {
                self.taken.push((bytes.clone(), message.clone()));
                if self.fault == Fault::DeliversTwice {
                    self.outputs.push_back(Output::Deliver(message.clone()));
                }
            }
            self.outputs.push_back(output);
        }
        let Err(refused) = taken else { return Ok(()) };
        self.refused += 1;
        match self.fault {
            Fault::TakesReplays => {
                let again = self.taken.iter().find(|(taken, _)| *taken == bytes).ok_or(refused)?;
                self.outputs.push_back(Output::Deliver(again.1.clone()));
                Ok(())
            }
            Fault::GivesUp if self.is_half_open() => self.channel.handle(env, Input::Close),
            Fault::BreaksOff if was_open => self.channel.handle(env, Input::Close),
            Fault::Sulks => {
                self.sulks = true;
                Err(refused)
            }
            _ => Err(refused),
        }
    }
}

impl<S: Suite> Machine for Faulty<S> {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, env: &mut Env<'_>, input: Input) -> Result<(), Refused<Input>> {
        match input {
            Input::Receive(message) => self.receive(env, message),
            other => self.channel.handle(env, other),
        }
    }

    fn handle_timeout(&mut self, env: &mut Env<'_>) {
        if self.fault != Fault::WaitsForEver {
            self.channel.handle_timeout(env);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.channel.poll_output())
    }

    fn deadline(&self) -> Option<Deadline> {
        self.channel.deadline().filter(|_| self.fault != Fault::WaitsForEver)
    }

    fn trusted(&self, picture: &mut Snapshot) {
        self.channel.trusted(picture);
        if self.fault == Fault::Counts {
            picture.number(self.refused);
        }
    }

    fn provisional(&self) -> usize {
        self.channel.provisional()
    }

    fn provisional_limit(&self) -> usize {
        self.channel.provisional_limit()
    }
}

impl<S: Suite> Subject for Faulty<S> {
    fn state(&self) -> State {
        self.channel.state()
    }

    fn handshake_hash(&self) -> Option<[u8; 32]> {
        Channel::handshake_hash(&self.channel).copied()
    }
}

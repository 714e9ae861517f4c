//! The session's worker: pings travel as messages, and its owner is asked by message, too.

use alloc::vec::Vec;

use super::machine::{Config, Input, Output, Session};
use crate::env::{Env, Instant};
use crate::error::{Error, Result};
use crate::machine::{Machine, Refused, Snapshot};
use crate::node::{Context, Delivery, Event, Port, Worker};
use crate::routing::{Address, Message, Route};
use crate::wire::cbor::{Encoder, Reader};

/// The port at which pongs arrive.
pub const COLLECTOR: Port = 0;

/// The port at which the owner says what came of an attempt. Its address is for this node alone.
pub const CONTROL: Port = 1;

/// A worker that keeps a session with a far node: it notices that the peer is gone and asks for another way.
///
/// It has two addresses, [`COLLECTOR`] and [`CONTROL`]. To establish, it sends its owner, a worker of the
/// same node ([`Keeper`](super::Keeper) is one), the number of the attempt as a CBOR unsigned integer. The
/// owner makes a channel and sends the number back to the return route; the return route of *its* message
/// is the new way to the far node's echo worker. It is empty when the attempt failed, or when the way is
/// gone.
#[derive(Debug)]
pub struct SessionWorker {
    session: Session,
    owner: Address,
    echo: Address,
    route: Route,
}

impl SessionWorker {
    /// A session that asks `owner` for a way to the far node, where `echo` sends pings back. It begins
    /// when it is started.
    pub fn new(config: Config, now: Instant, owner: Address, echo: Address) -> Self {
        Self { session: Session::new(config, now), owner, echo, route: Route::new() }
    }

    /// The way to the far node, while the session is up.
    pub fn route(&self) -> Option<&Route> {
        self.session.is_up().then_some(&self.route)
    }

    fn drain(&mut self, cx: &mut Context<'_>) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Establish(attempt) => {
                    let onward = Route::from(self.owner.clone());
                    Self::send(cx, CONTROL, &onward, attempt);
                }
                Output::Ping(ping) => {
                    //= spec/src/sessions.md#ses-10
                    //# A ping MUST travel through the channel that it tests, to a worker of the far node that sends its payload back unchanged.
                    let mut onward = self.route.clone();
                    onward.append(self.echo.as_ref());
                    Self::send(cx, COLLECTOR, &onward, ping);
                }
                Output::Up => Self::tell(cx, |session| Event::SessionUp { session }),
                Output::Down => Self::tell(cx, |session| Event::SessionDown { session }),
            }
        }
        cx.set_timer(self.session.deadline());
    }

    fn send(cx: &mut Context<'_>, port: Port, onward: &Route, payload: u64) {
        if let Some(own) = cx.address(port) {
            let back = Route::from(own.clone());
            cx.send(port, Message::new(onward.as_ref(), back.as_ref(), &number(payload)));
        }
    }

    fn tell(cx: &mut Context<'_>, event: impl FnOnce(Address) -> Event) {
        if let Some(own) = cx.address(COLLECTOR).cloned() {
            cx.event(event(own));
        }
    }

    fn input(&mut self, cx: &mut Context<'_>, input: Input) -> Result<()> {
        let mut env = Env::new(cx.now(), cx.wall(), cx.entropy());
        // What is asked of the context counts only without an error: outputs stay queued until then.
        self.session.handle(&mut env, input).map_err(|refused| Refused::into_error(refused, "SES-4"))?;
        self.drain(cx);
        Ok(())
    }
}

impl Worker for SessionWorker {
    fn handle_start(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.drain(cx);
        Ok(())
    }

    fn handle_message(&mut self, cx: &mut Context<'_>, delivery: Delivery) -> Result<()> {
        let number = read_number(delivery.message.payload())?;
        if delivery.port != CONTROL {
            return self.input(cx, Input::Pong(number));
        }
        //= spec/src/sessions.md#ses-9
        //# A session MUST take the outcome of an attempt only from a message that began in its own node.
        if !delivery.provenance.is_local() && !planted!(TakesOutcomeFromAfar) {
            return Err(Error::denied("SES-9", "only this node says what came of an attempt"));
        }
        let way = delivery.message.return_route();
        if way.is_empty() {
            return self.input(cx, Input::Failed(number));
        }
        if self.session.awaits(number) {
            self.route = way.to_owned();
        }
        self.input(cx, Input::Established(number))
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let mut env = Env::new(cx.now(), cx.wall(), cx.entropy());
        self.session.handle_timeout(&mut env);
        self.drain(cx);
        Ok(())
    }

    fn trusted(&self, picture: &mut Snapshot) {
        self.session.trusted(picture);
        picture.bytes(&self.route.encode());
    }
}

/// The payload of a ping, or of a message about an attempt.
pub(super) fn number(value: u64) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // Writing to a `Vec` cannot fail.
    let _ = encoder.u64(value);
    encoder.into_writer()
}

pub(super) fn read_number(payload: &[u8]) -> Result<u64> {
    let mut reader = Reader::new(payload);
    let number = reader.uint()?;
    reader.finish()?;
    Ok(number)
}

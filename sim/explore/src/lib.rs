//! # Every interleaving of a few secure channels
//!
//! The simulator draws worlds; this crate goes through *all* of them, as long as they are small. Alice and Bob open
//! channels with the machines of the core, not with a model of them. Everything that they send goes to an attacker who
//! delivers, drops, repeats, delays, reflects and swaps it as it likes, who changes bytes, and who speaks the handshake
//! itself. In every state that can be reached six properties must hold ([`Property`]). What is proven is proven within
//! the bounds of a [`Scenario`], and within them for every order of everything: there is no limit of depth.
//!
//! Read in this order:
//!
//! | file | what |
//! |---|---|
//! | `scenario` | the bounds |
//! | `live` | an end of a channel: a real machine, and what its party does for it |
//! | `suite` | the null suite, with texts that only a holder of the key reads |
//! | `forger`, `eavesdropper` | what the attacker can make, and what it can read |
//! | `memo` | the steps of the machines, each taken once |
//! | `search` | every state, breadth first |
//! | `judge`, `progress` | the properties |
//! | `breaks` | what is broken on purpose, so that the search is seen to fail |
//!
//! ## Why an explorer of its own
//!
//! `stateright` wants states that can be cloned and hashed. The machines are neither, on purpose: they hold secrets. A
//! state would have to be the sequence of steps that leads to it, run again for each of its successors; it remembers
//! states by 64 bits of a hash, so that two that collide are silently one; and it brings a web server. What is needed
//! here is a queue and a table. The table has the states themselves.
//!
//! The speed comes from elsewhere: the ends of channels share nothing but their party's keys and store, so a state of
//! the whole is a handful of numbers of *places* where single ends stand, and each step of a single machine is taken
//! once, however many states of the whole it is part of. A few hundred thousand steps of real machines carry tens of
//! millions of states.
//!
//! ## Reductions, and why they lose nothing
//!
//! - *The network is what the attacker has.* A message that was sent is there for ever, for everybody: dropping is not
//!   delivering, repeating is delivering again. There is no message on its way besides.
//! - *Initiators begin at once.* A machine that has begun does nothing before it hears something. The attacker only
//!   knows more, earlier.
//! - *What the attacker can make, it has made.* Each forgery depends on one message and the attacker's own secrets. It
//!   is there as soon as the message is.
//! - *There are two routes.* Wherever a machine sends to, the attacker gets it. What honest ends sent comes one way, and
//!   what the attacker made another, so that a way that follows a forgery shows.
//! - *Each machine has a clock of its own.* Handshakes time out at any moment, as if clocks ran apart without limit.
//!   That is more than can happen.
//! - *The places of a listener are taken in order.* Free places differ in nothing but their randomness.
//! - *Machines that look alike are one.* A place is all that was sent, delivered and decided, the messages of the
//!   handshake, what is held, and the trusted picture of the machine. What is left out is the reason that a timeout
//!   would give. This one could be wrong, so it is checked, in every exploration: for every place and every way to
//!   come there, a machine that came this way must do what is known of the place, and one that was then given everything
//!   that it refuses must, too. What shows only in what a machine does later is found so; see [`Fault::Sulks`].
//!
//! Where the vault and the store answer at once, that is a bound and not a reduction; the scenario with late answers
//! has them at any time.
//!
//! ## What the bounds leave out
//!
//! More than six ends. Changes of bytes elsewhere than at either end of a message. New credentials, histories that
//! change, routes, nodes. All of these are in the worlds of the simulator, and in the fuzz targets.

mod breaks;
mod cast;
mod eavesdropper;
mod forger;
mod judge;
mod live;
mod memo;
mod message;
mod progress;
mod scenario;
mod search;
mod set;
mod stage;
mod story;
mod subject;
pub mod suite;

pub use breaks::Break;
pub use cast::Who;
pub use judge::{Property, Violation};
pub use scenario::Scenario;
pub use search::{Extent, Outcome, explore};
pub use stage::Habits;
pub use story::Story;
pub use subject::Fault;

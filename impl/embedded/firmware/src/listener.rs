//! The board's identity, and the listener at which others open channels to it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use razor::Result;
use razor::channel::{self, Config, HoldLimits, Listening, Places};
use razor::node::FlowControlId;
use razor::vault::suite::Aes256GcmSha256;
use razor_embedded::{Board as _, presenting};

use crate::Node;

/// What was made at the factory.
const HISTORY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/history"));
const ATTESTATION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/attestation"));

/// Gives the node its identity and starts the listener. The id behind it is added to those through which workers are
/// reached.
pub fn start(driver: &mut Node, reached_through: &mut Vec<FlowControlId>) -> Result<Arc<Config>> {
    let mut config = presenting(HISTORY, ATTESTATION, driver.board().wall())?;
    config.hold = HoldLimits::FLOOR;
    let config = Arc::new(config);
    let listening =
        Listening { reached_through: reached_through.clone(), places: Places::FLOOR, ..Listening::default() };
    let of_listener = config.clone();
    let behind = driver.with(|node, env| channel::listen::<Aes256GcmSha256>(node, env, of_listener, listening))?;
    reached_through.push(behind);
    Ok(config)
}

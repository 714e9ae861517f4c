//! The largest message that anyone may send leaves. One that is a byte larger does not, and its connection goes on.

use razor::node::{Config, ConnectionId, Input, Output};
use razor::routing::{Address, Route};

use crate::checker::Property;
use crate::seed::Seed;

use super::stage::Stage;
use super::{Fault, Outcome, demand};

/// The most bytes of a transport message.
const MOST: usize = 16_777_216;

/// A payload whose length is written like that of the largest.
const LARGE: usize = 70_000;

pub(super) fn play(seed: Seed) -> Outcome {
    let mut random = seed.stream("the largest message");
    let mut stage = Stage::new(seed, "who says much", Config::DEFAULT);
    let (connection, way) = stage.connect(None, Some("peer".into())).expect("the first connection");
    let back = ["app", "an application of another name"][random.index(2)];
    // Each of these lengths costs as much as all else of a scene: so there is one in each play.
    let len = MOST + random.index(2);
    let around = said(&mut stage, connection, &way, back, LARGE)?.unwrap_or_default() - LARGE;
    for len in [len, LARGE + around] {
        let left = said(&mut stage, connection, &way, back, len - around)?;
        let right = (len <= MOST).then_some(len);
        demand(left == right, Property::Bounds, || {
            format!("a transport message of {len} bytes, of {MOST} that may be, left with {left:?}")
        })?;
    }
    Ok(())
}

/// How many bytes, without those of the length, the frame has with which this leaves.
fn said(
    stage: &mut Stage,
    connection: ConnectionId,
    way: &Address,
    back: &str,
    len: usize,
) -> Result<Option<usize>, Fault> {
    let onward = Route::from(way.clone()).then("far");
    stage.send(onward, Route::from_iter([back]), &vec![0; len])?;
    let mut left = None;
    while let Some(output) = stage.said.pop_front() {
        match output {
            Output::Transmit { frame, .. } => {
                let bytes = frame.payload().len();
                // The first byte of a connection is none of a frame.
                left = bytes.checked_sub(crate::frame::LENGTH);
                stage.must(Input::Sent { connection, bytes: bytes as u64 })?;
            }
            Output::Close { .. } => {
                demand(false, Property::Verdict, || format!("a message of {len} bytes closed its connection"))?;
            }
            _ => {}
        }
    }
    Ok(left)
}

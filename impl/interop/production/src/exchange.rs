//! Messages that are to come back.

use std::collections::BTreeSet;
use std::time::Duration;

use ockam::compat::tokio::time::{Instant, timeout};
use ockam::{Address, Context, Route};
use ockam_core::{AllowAll, NeutralMessage};
use serde_json::{Value, json};

use crate::{Result, told};

/// The payload of one message: its number, as far as that fits, then bytes that follow from it.
fn payload(index: usize, size: usize) -> Vec<u8> {
    let number = (index as u32).to_be_bytes();
    let filled = (0..size).map(|at| number.get(at).copied().unwrap_or((at * 7 + index * 31) as u8));
    filled.collect()
}

/// Sends messages of these sizes, at most `window` of them at a time without an answer, until all are answered or none
/// has been for `patience`. Answers the numbers of those that came back whole, in the order in which they came.
pub(crate) async fn run(
    context: &Context,
    route: &Route,
    sizes: &[usize],
    window: usize,
    patience: Duration,
) -> Result<Value> {
    let own = Address::random_local();
    let mut inbox = context.new_detached(own.clone(), AllowAll, AllowAll).map_err(told)?;
    let flows = context.flow_controls();
    if let Some(producer) = flows.find_flow_control_with_producer_address(route.next().map_err(told)?) {
        flows.add_consumer(&own, producer.flow_control_id());
    }
    let mut waiting = BTreeSet::new();
    let mut answered = Vec::new();
    let (mut next, mut wrong, mut heard) = (0, 0, Instant::now());
    while next < sizes.len() || !waiting.is_empty() {
        while next < sizes.len() && waiting.len() < window {
            let message = NeutralMessage::from(payload(next, sizes[next]));
            inbox.send(route.clone(), message).await.map_err(told)?;
            waiting.insert(next);
            next += 1;
        }
        let answer = match timeout(patience.saturating_sub(heard.elapsed()), inbox.receive::<NeutralMessage>()).await {
            Ok(answer) => answer.map_err(told)?.into_payload(),
            Err(_) if next < sizes.len() => {
                // Those are lost; the others are still to be sent.
                waiting.clear();
                heard = Instant::now();
                continue;
            }
            Err(_) => break,
        };
        heard = Instant::now();
        let number = answer.first_chunk::<4>().map(|number| u32::from_be_bytes(*number) as usize);
        // What is too short for its number is the oldest one that is.
        let index = number.or_else(|| waiting.iter().copied().find(|index| sizes[*index] < 4));
        match index.filter(|index| sizes.get(*index).is_some_and(|size| payload(*index, *size) == answer)) {
            Some(index) => {
                waiting.remove(&index);
                answered.push(index);
            }
            None => wrong += 1,
        }
    }
    Ok(json!({ "answered": answered, "wrong": wrong }))
}

//! Bounds: what nobody authenticated stays small, and what strangers open too.

use std::collections::BTreeMap;
use std::fmt;

use razor::channel::Places;
use razor::identity::Identifier;

use super::{Property, Violation};

/// What one stranger takes at least in a store: a history of one change with Ed25519, and the entry of a table.
const STRANGER: usize = 256;

/// Checks a host's provisional state against its limit.
pub fn check(node: usize, held: usize, limit: usize) -> Result<(), Violation> {
    within(node, held, limit, "bytes of provisional state")
}

/// The most bytes of provisional state for each byte that comes, and for all of them: a message that waits has room
/// around it. What is there already may double, as a buffer does that grows.
const EACH: usize = 32;
const ALL: usize = 8_192;

/// Checks how much a host's provisional state grew when so many bytes came.
pub fn check_growth(node: usize, before: usize, after: usize, came: usize) -> Result<(), Violation> {
    let most = 2 * before + EACH * came + ALL;
    within(node, after, most, format_args!("bytes of provisional state after {came} bytes came and {before} before"))
}

/// Checks the peers of the channels that a listener holds open, one for each channel, against its places. All of them
/// count for one source if they came over one connection.
pub fn check_places(node: usize, peers: &[Identifier], places: &Places, one_source: bool) -> Result<(), Violation> {
    within(node, peers.len(), places.open, "open channels")?;
    if one_source {
        within(node, peers.len(), places.open_per_source, "open channels of one source")?;
    }
    let mut of_peer = BTreeMap::<_, usize>::new();
    peers.iter().for_each(|peer| *of_peer.entry(peer).or_default() += 1);
    let most = of_peer.into_values().max().unwrap_or_default();
    within(node, most, places.open_per_peer, "open channels with one peer")
}

/// Checks what strangers take in a store against what they share, each counted with the least that one may take.
pub fn check_strangers(node: usize, strangers: usize, limit: usize) -> Result<(), Violation> {
    within(node, strangers * STRANGER, limit, "bytes of strangers' histories")
}

fn within(node: usize, held: usize, limit: usize, what: impl fmt::Display) -> Result<(), Violation> {
    if held <= limit {
        Ok(())
    } else {
        Err(Violation::new(Property::Bounds, node, format!("{held} {what}, the limit is {limit}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_too_many_is_noticed() {
        assert_eq!(check(0, 10, 10), Ok(()));
        assert_eq!(check(0, 11, 10).unwrap_err().property, Property::Bounds);
    }

    #[test]
    fn one_stranger_too_many_is_noticed() {
        assert_eq!(check_strangers(0, 4, 1_024), Ok(()));
        assert_eq!(check_strangers(0, 5, 1_024).unwrap_err().property, Property::Bounds);
    }

    #[test]
    fn memory_for_what_is_only_announced_is_noticed() {
        assert_eq!(check_growth(0, 1_000, 9_000, 100), Ok(()));
        assert_eq!(check_growth(0, 1_000, 200_000, 100).unwrap_err().property, Property::Bounds);
    }

    #[test]
    fn one_open_channel_too_many_is_noticed_in_total_of_a_source_and_of_a_peer() {
        let places = Places { open: 6, open_per_source: 5, open_per_peer: 3, ..Places::DEFAULT };
        let peers = |peers: &[u8]| peers.iter().map(|n| Identifier([*n; 32])).collect::<Vec<_>>();
        for (channels, one_source, passes) in [
            (&[1, 1, 1, 2, 2, 2][..], false, true),
            (&[1, 1, 1, 2, 2, 2, 3], false, false),
            (&[1, 1, 1, 2, 2, 2], true, false),
            (&[1, 1, 1, 2, 2], true, true),
            (&[1, 1, 1, 1], true, false),
        ] {
            let verdict = check_places(0, &peers(channels), &places, one_source);
            assert_eq!(verdict.is_ok(), passes, "{channels:?} {verdict:?}");
        }
    }
}

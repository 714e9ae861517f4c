//! Every machine of the crate is put through the machine contract (the crate's front page says it in words).

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{World, channel, check, node, serial, session, tcp};

/// Checks the contract for many generated sequences of steps.
fn keeps_the_contract<W: World>(cases: u32, step: impl Strategy<Value = W::Step>)
where
    W::Step: Clone + Debug,
{
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let steps = proptest::collection::vec(step, 0..40);
    let outcome =
        runner.run(&steps, |steps| check::<W>(&steps).map_err(|broken| TestCaseError::fail(broken.to_string())));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn a_tcp_connection_keeps_the_contract() {
    keeps_the_contract::<tcp::Peer>(256, tcp::step());
}

#[test]
fn the_framing_of_a_serial_line_keeps_the_contract() {
    keeps_the_contract::<serial::Line>(256, serial::step());
}

#[test]
fn a_session_keeps_the_contract() {
    keeps_the_contract::<session::FarNode>(256, session::step());
}

#[test]
fn a_node_keeps_the_contract() {
    keeps_the_contract::<node::Outside>(256, node::step());
}

#[test]
fn a_secure_channel_keeps_the_contract_on_both_sides() {
    keeps_the_contract::<channel::Middle<channel::Initiator>>(48, channel::step());
    keeps_the_contract::<channel::Middle<channel::Responder>>(48, channel::step());
}

//! The message against a model of it that is too simple to be wrong: vectors of addresses and bytes.

use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::Arbitrary;

use super::{Message, Tail};
use crate::routing::{Address, Limits, Route};
use crate::wire::cbor;

/// What can be done to a message.
#[derive(Debug, Clone, Arbitrary)]
pub(crate) enum Operation {
    PopOnward,
    PushOnward(Address),
    PushReturn(Address),
    SetOnward(Route),
    SetRoutes(Route, Route),
    ClearRoutes,
    SetTracing(Option<String>),
    /// Fold with this prefix, then unfold again: a transport message.
    FoldWithTracing([u8; 3]),
    /// Fold with this tail and leave the layer on: a channel around the message.
    FoldWithTail(Vec<u8>),
    /// Take the innermost layer off, if there is one.
    Unfold,
}

/// A sequence of operations on one message.
#[derive(Debug, Clone, Arbitrary)]
pub(crate) struct Scenario {
    onward: Route,
    back: Route,
    payload: Vec<u8>,
    operations: Vec<Operation>,
}

/// What a message is, without cleverness.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    onward: Vec<Address>,
    back: Vec<Address>,
    payload: Vec<u8>,
    tracing: Option<String>,
}

const NO_LIMITS: Limits = Limits { hops: u16::MAX, address: u16::MAX, route: u16::MAX };

fn addresses(route: &Route) -> Vec<Address> {
    route.as_ref().iter().map(Into::into).collect()
}

impl Model {
    fn of(message: &Message) -> Self {
        Self {
            onward: message.onward().iter().map(Into::into).collect(),
            back: message.return_route().iter().map(Into::into).collect(),
            payload: message.payload().into(),
            tracing: message.tracing().map(Into::into),
        }
    }

    fn fold(&mut self, prefix: &[u8], tail: Option<&[u8]>) {
        let mut out = prefix.to_vec();
        for route in [&self.onward, &self.back] {
            out.extend(route.iter().cloned().collect::<Route>().encode());
        }
        // Writing to a `Vec` cannot fail.
        let _ = cbor::Encoder::new(&mut out).bytes(&self.payload);
        match (tail, &self.tracing) {
            (Some(tail), _) => out.extend_from_slice(tail),
            (None, Some(text)) => {
                let _ = cbor::Encoder::new(&mut out).str(text);
            }
            (None, None) => {}
        }
        *self = Self { onward: Vec::new(), back: Vec::new(), payload: out, tracing: None };
    }
}

impl Scenario {
    /// Does every operation to a message and to the model of one, and compares after each.
    ///
    /// # Panics
    /// When they differ: that is what it is for.
    pub(crate) fn run(self) {
        let mut message = Message::new(self.onward.as_ref(), self.back.as_ref(), &self.payload);
        let mut model = Model {
            onward: addresses(&self.onward),
            back: addresses(&self.back),
            payload: self.payload,
            tracing: None,
        };
        // The model before each fold that is still on.
        let mut layers: Vec<Model> = Vec::new();
        assert_eq!(Model::of(&message), model);
        for operation in self.operations {
            match &operation {
                Operation::PopOnward => {
                    assert_eq!(message.pop_onward().is_ok(), !model.onward.is_empty());
                    model.onward = model.onward.into_iter().skip(1).collect();
                }
                Operation::PushOnward(address) => {
                    message.push_onward(address.as_ref());
                    model.onward.insert(0, address.clone());
                }
                Operation::PushReturn(address) => {
                    message.push_return(address.as_ref());
                    model.back.insert(0, address.clone());
                }
                Operation::SetOnward(route) => {
                    message.set_onward(route.as_ref());
                    model.onward = addresses(route);
                }
                Operation::SetRoutes(onward, back) => {
                    message.set_routes(onward.as_ref(), back.as_ref());
                    (model.onward, model.back) = (addresses(onward), addresses(back));
                }
                Operation::ClearRoutes => {
                    message.clear_routes();
                    (model.onward, model.back) = (Vec::new(), Vec::new());
                }
                Operation::SetTracing(text) => {
                    message.set_tracing(text.as_deref());
                    model.tracing = text.clone();
                }
                Operation::FoldWithTracing(prefix) => {
                    let before = model.clone();
                    message.fold(prefix, Tail::Tracing);
                    model.fold(prefix, None);
                    assert_eq!(Model::of(&message), model);
                    let unfolded = message.unfold(prefix.len(), &NO_LIMITS, |tail| Ok(!tail.is_at_end()));
                    assert_eq!(unfolded, Ok(()));
                    model = before;
                }
                Operation::FoldWithTail(tail) => {
                    layers.push(Model { tracing: None, ..model.clone() });
                    message.fold(&[], Tail::Bytes(tail));
                    model.fold(&[], Some(tail));
                }
                Operation::Unfold => {
                    // Routes put around the layer since it was folded go with it.
                    let inner = layers.pop();
                    let before = message.clone();
                    let unfolded = message.unfold(0, &NO_LIMITS, |_| Ok(false));
                    match inner {
                        Some(inner) => {
                            assert_eq!(unfolded, Ok(()));
                            model = inner;
                        }
                        // Any payload may happen to be a layer.
                        None if unfolded.is_ok() => model = Model::of(&message),
                        None => assert_eq!(message, before),
                    }
                }
            }
            assert_eq!(Model::of(&message), model, "after {operation:?}");
        }
    }
}

//! Addresses, routes and the message that travels along them. Spec: "Routing".

mod address;
#[cfg(any(test, feature = "arbitrary"))]
mod arbitrary;
mod message;
mod route;

pub use address::{Address, AddressRef, TransportType};
#[cfg(any(test, feature = "arbitrary"))]
pub(crate) use message::model;
pub use message::{HEADROOM, Message, TAILROOM, Tail};
pub use route::{Addresses, Route, RouteRef};

use crate::error::Error;

//= spec/src/limits.md#lim-1
//# The default of a limit MUST lie between its floor and its ceiling.
/// Bounds on routes and addresses (spec: "Limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most addresses in one route.
    pub hops: u16,
    /// The most bytes in the value of one address.
    pub address: u16,
    /// The most bytes of one encoded route, without its array head.
    pub route: u16,
}

impl Limits {
    /// What every receiver accepts at least.
    pub const FLOOR: Self = Self { hops: 16, address: 64, route: 1024 };
    /// The most that anyone may send.
    pub const CEILING: Self = Self { hops: 255, address: 255, route: 16_384 };
    /// What a node is configured with unless told otherwise.
    pub const DEFAULT: Self = Self { hops: 64, address: 255, route: 4096 };

    /// Whether `error` says that a route is beyond one of these limits: the bytes around it may be sound.
    pub(crate) fn are_exceeded(error: &Error) -> bool {
        matches!(error.requirement(), "RTE-2" | "RTE-3" | "RTE-4")
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

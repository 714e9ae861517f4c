//! Framing of messages on transports. Spec: "TCP transport", "Serial transport".

pub mod serial;
mod tcp;
#[cfg(test)]
mod tests;

pub use tcp::{Config, Input, Output, Tcp, VERSION};

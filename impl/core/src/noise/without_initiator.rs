//! What stands in for the initiator in a program without it: states that nothing is ever in, so that nothing of what would
//! be done in them is linked.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::marker::PhantomData;

use super::Finished;
use crate::error::Result;
use crate::vault::{PublicKey, SharedSecret};

#[derive(Clone)]
pub(crate) struct AwaitsMessage2<S>(Infallible, PhantomData<S>);

#[derive(Clone)]
pub(crate) struct NeedsStaticDh<S>(Infallible, PhantomData<S>);

impl<S> AwaitsMessage2<S> {
    pub(crate) const fn read_message_2(&self, _: &[u8]) -> Result<(NeedsStaticDh<S>, Vec<u8>)> {
        match self.0 {}
    }
}

impl<S> NeedsStaticDh<S> {
    pub(crate) const fn remote_static(&self) -> &PublicKey {
        match self.0 {}
    }

    pub(crate) const fn dh_with(&self) -> PublicKey {
        match self.0 {}
    }

    pub(crate) fn write_message_3(self, _: &SharedSecret, _: &[u8]) -> Result<(Finished, Vec<u8>)> {
        match self.0 {}
    }
}

//! Generators of addresses and routes for property tests and fuzz targets.

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{Address, Message, Route, TransportType};

impl<'a> Arbitrary<'a> for Address {
    /// Mostly short local names, sometimes other kinds, sometimes values beyond what is kept inline.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let transport = if u.ratio(3, 4)? { TransportType::LOCAL } else { TransportType(u.arbitrary()?) };
        let len = if u.ratio(7, 8)? { u.int_in_range(0..=34)? } else { u.int_in_range(35..=300)? };
        let value = u.bytes(len.min(u.len()))?;
        Ok(Address::new(transport, value))
    }
}

impl<'a> Arbitrary<'a> for Route {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let len = u.int_in_range(0..=5)?;
        (0..len).map(|_| u.arbitrary::<Address>()).collect()
    }
}

impl<'a> Arbitrary<'a> for Message {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (onward, back, payload): (Route, Route, Vec<u8>) = u.arbitrary()?;
        let mut message = Message::new(onward.as_ref(), back.as_ref(), &payload);
        message.set_tracing(u.arbitrary()?);
        Ok(message)
    }
}

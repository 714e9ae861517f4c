//! A route: an ordered list of addresses, kept in its wire form.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::error::{Error, Result};
use crate::wire::cbor::{self, Reader};

use super::{Address, AddressRef, Limits};

/// A route that borrows its bytes: encoded addresses, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteRef<'a> {
    pub(super) count: u16,
    pub(super) items: &'a [u8],
}

impl<'a> RouteRef<'a> {
    /// How many addresses.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it has no address.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The addresses, in order.
    pub fn iter(&self) -> Addresses<'a> {
        Addresses { reader: Reader::new(self.items) }
    }

    /// The first address.
    pub fn first(&self) -> Option<AddressRef<'a>> {
        self.iter().next()
    }

    /// The last address.
    pub fn last(&self) -> Option<AddressRef<'a>> {
        self.iter().last()
    }

    /// The encoded addresses, without the array head.
    pub const fn items(&self) -> &'a [u8] {
        self.items
    }

    /// An owned copy.
    pub fn to_owned(&self) -> Route {
        Route { count: self.count, items: self.items.to_vec() }
    }

    /// Reads an encoded route, checking every address against `limits`. Costs at most the limits,
    /// whatever the encoding announces.
    pub(crate) fn read(reader: &mut Reader<'a>, input: &'a [u8], limits: &Limits) -> Result<Self> {
        let count = u16::try_from(reader.array()?)
            .ok()
            .filter(|count| *count <= limits.hops)
            .ok_or(Error::limit("RTE-3", "a route has more addresses than the limit"))?;
        let start = reader.position();
        for _ in 0..count {
            AddressRef::read(reader, limits)?;
            if reader.position().saturating_sub(start) > usize::from(limits.route) {
                return Err(Error::limit("RTE-4", "a route is longer than the limit"));
            }
        }
        let items = input.get(start..reader.position()).unwrap_or_default();
        Ok(Self { count, items })
    }
}

impl fmt::Display for RouteRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, address) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" => ")?;
            }
            address.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RouteRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// The addresses of a route.
#[derive(Debug, Clone)]
pub struct Addresses<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Addresses<'a> {
    type Item = AddressRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_at_end() {
            return None;
        }
        AddressRef::read(&mut self.reader, &Limits { hops: u16::MAX, address: u16::MAX, route: u16::MAX }).ok()
    }
}

/// An owned route. Spec: "Routing".
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Route {
    count: u16,
    items: Vec<u8>,
}

impl Route {
    /// A route without addresses.
    pub const fn new() -> Self {
        Self { count: 0, items: Vec::new() }
    }

    /// The borrowed form.
    pub fn as_ref(&self) -> RouteRef<'_> {
        RouteRef { count: self.count, items: &self.items }
    }

    /// Adds an address at the end.
    #[must_use]
    pub fn then(mut self, address: impl Into<Address>) -> Self {
        self.append(address.into().as_ref());
        self
    }

    /// Adds an address at the end.
    pub fn append(&mut self, address: AddressRef<'_>) {
        address.encode(&mut self.items);
        self.count = self.count.saturating_add(1);
    }

    /// Adds all addresses of `route` at the end.
    pub fn extend(&mut self, route: RouteRef<'_>) {
        self.items.extend_from_slice(route.items);
        self.count = self.count.saturating_add(route.count);
    }

    /// Decodes a route that is alone in `bytes`.
    ///
    /// # Errors
    /// `COD-1` to `COD-5`, `RTE-1` to `RTE-4`.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let route = RouteRef::read(&mut reader, bytes, limits)?;
        reader.finish()?;
        Ok(route.to_owned())
    }

    /// Encodes the route with its array head.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.items.len().saturating_add(cbor::HEAD_MAX));
        // Writing to a `Vec` cannot fail.
        let _ = cbor::Encoder::new(&mut out).array(u64::from(self.count));
        out.extend_from_slice(&self.items);
        out
    }

    /// Checks the route against `limits`.
    ///
    /// # Errors
    /// `RTE-2` to `RTE-4`.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        Self::decode(&self.encode(), limits).map(|_| ())
    }

    /// How many addresses.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it has no address.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<A: Into<Address>> FromIterator<A> for Route {
    fn from_iter<I: IntoIterator<Item = A>>(addresses: I) -> Self {
        addresses.into_iter().fold(Self::new(), Self::then)
    }
}

impl From<Address> for Route {
    fn from(address: Address) -> Self {
        Self::new().then(address)
    }
}

impl From<RouteRef<'_>> for Route {
    fn from(route: RouteRef<'_>) -> Self {
        route.to_owned()
    }
}

impl FromStr for Route {
    type Err = Error;

    /// Parses `a => 1#host:port => b`; white space around addresses is ignored.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::malformed("RTE-7", "an empty text is no route"));
        }
        text.split("=>").map(|part| part.trim().parse::<Address>()).collect()
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

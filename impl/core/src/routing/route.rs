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
    pub(super) count: usize,
    pub(super) items: &'a [u8],
}

impl<'a> RouteRef<'a> {
    /// How many addresses.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it has no address.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The addresses, in order.
    pub fn iter(&self) -> Addresses<'a> {
        Addresses { rest: self.items }
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
    ///
    /// # Errors
    /// `COD-1` to `COD-4`, `RTE-1` to `RTE-4`.
    pub fn read(reader: &mut Reader<'a>, limits: &Limits) -> Result<Self> {
        //= spec/src/routing.md#rte-3
        //# A receiver MUST refuse a route of more addresses than its limit.
        let count = usize::try_from(reader.array()?)
            .ok()
            .filter(|count| planted!(TakesLongRoutes) || *count <= usize::from(limits.hops))
            .ok_or(Error::limit("RTE-3", "a route has more addresses than the limit"))?;
        let start = reader.rest();
        let mut rest = start;
        //= spec/src/routing.md#rte-5
        //# A receiver MUST stop reading a route at the first address that is beyond a limit.
        for _ in 0..count {
            (_, rest) = AddressRef::split_first_bounded(rest, limits)?;
            //= spec/src/routing.md#rte-4
            //# A receiver MUST refuse a route whose encoded addresses are longer than its limit.
            if start.len().saturating_sub(rest.len()) > usize::from(limits.route) {
                return Err(Error::limit("RTE-4", "a route is longer than the limit"));
            }
        }
        reader.skip_to(rest);
        let items = start.get(..start.len().saturating_sub(rest.len())).unwrap_or_default();
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
    /// Encoded, one after the other.
    rest: &'a [u8],
}

impl<'a> Iterator for Addresses<'a> {
    type Item = AddressRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = AddressRef::split_first(self.rest).ok()?;
        self.rest = rest;
        Some(first)
    }
}

/// An owned route. Spec: "Routing".
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Route {
    count: usize,
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
        let route = RouteRef::read(&mut reader, limits)?;
        reader.finish()?;
        Ok(route.to_owned())
    }

    /// Encodes the route with its array head.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.items.len().saturating_add(cbor::HEAD_MAX));
        // Writing to a `Vec` cannot fail.
        let _ = cbor::Encoder::new(&mut out).array(self.count as u64);
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
        self.count
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
        text.split("=>")
            .map(|part| match part.trim() {
                //= spec/src/routing.md#rte-7
                //# A reader of a route text MUST refuse a text in which an address is empty.
                "" => Err(Error::malformed("RTE-7", "an address of the route is empty")),
                address => address.parse::<Address>(),
            })
            .collect()
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

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;

    fn parse(text: &str) -> Result<Route, &'static str> {
        text.parse().map_err(|error: Error| error.requirement())
    }

    fn refusal(bytes: &[u8], limits: &Limits) -> &'static str {
        Route::decode(bytes, limits).expect_err("it must be refused").requirement()
    }

    const LIMITS: Limits = Limits { hops: 3, address: 4, route: 20 };

    #[test]
    fn the_published_encodings_are_read_and_written() {
        let route: Route = "a => b".parse().unwrap();
        assert_eq!(hex::encode(route.encode()), "828200416182004162");
        assert_eq!(Route::decode(&route.encode(), &LIMITS), Ok(route));
        assert_eq!(Route::new().encode(), [0x80]);
        assert_eq!(hex::encode(Route::from(Address::local("echo")).encode()), "818200446563686f");
    }

    #[test]
    fn the_published_text_is_read_and_written() {
        let route = parse(" node-1 =>node-2=> node-3 ").unwrap();
        assert_eq!(route.to_string(), "0#node-1 => 0#node-2 => 0#node-3");
        assert_eq!(route.as_ref().first(), Some(AddressRef::local(b"node-1")));
        assert_eq!(route.as_ref().last(), Some(AddressRef::local(b"node-3")));
        assert_eq!(parse(&route.to_string()), Ok(route));
    }

    //= spec/src/routing.md#rte-7
    //= type=test
    //# A reader of a route text MUST refuse a text in which an address is empty.
    #[test]
    fn a_route_text_with_an_empty_address_is_refused() {
        for text in ["", "  ", "a =>", "=> a", "a => => b"] {
            assert_eq!(parse(text), Err("RTE-7"), "{text:?}");
        }
    }

    //= spec/src/routing.md#rte-1
    //= type=test
    //# A receiver MUST refuse an address whose transport type is larger than 255.
    #[test]
    fn a_transport_type_beyond_255_is_refused() {
        assert_eq!(refusal(&hex::decode("81821901004161").unwrap(), &LIMITS), "RTE-1");
        assert!(Route::decode(&hex::decode("818218ff4161").unwrap(), &LIMITS).is_ok());
    }

    //= spec/src/routing.md#rte-2
    //= type=test
    //# A receiver MUST refuse an address whose value is longer than its limit.
    #[test]
    fn an_address_beyond_its_limit_is_refused() {
        assert!(Route::from(Address::local("1234")).check(&LIMITS).is_ok());
        assert_eq!(refusal(&Route::from(Address::local("12345")).encode(), &LIMITS), "RTE-2");
    }

    //= spec/src/routing.md#rte-3
    //= type=test
    //# A receiver MUST refuse a route of more addresses than its limit.
    #[test]
    fn a_route_of_too_many_addresses_is_refused() {
        let hops = |n: usize| core::iter::repeat_n("a", n).collect::<Route>().encode();
        assert!(Route::decode(&hops(3), &LIMITS).is_ok());
        assert_eq!(refusal(&hops(4), &LIMITS), "RTE-3");
        // Millions of real hops, as one frame of 16 MiB could hold, end at the array's head.
        assert_eq!(refusal(&hops(3_000_000), &Limits::CEILING), "RTE-3");
    }

    //= spec/src/routing.md#rte-4
    //= type=test
    //# A receiver MUST refuse a route whose encoded addresses are longer than its limit.
    #[test]
    fn a_route_of_too_many_bytes_is_refused() {
        let route: Route = ["1234", "1234", "12"].into_iter().collect();
        assert_eq!(route.as_ref().items().len(), 19);
        assert!(route.check(&LIMITS).is_ok());
        let route: Route = ["1234", "1234", "1234"].into_iter().collect();
        assert_eq!(refusal(&route.encode(), &LIMITS), "RTE-4");
    }

    //= spec/src/routing.md#rte-5
    //= type=test
    //# A receiver MUST stop reading a route at the first address that is beyond a limit.
    #[test]
    fn reading_stops_at_the_first_address_beyond_a_limit() {
        // After the offending address there is garbage, which nobody looks at.
        let mut long = Route::from(Address::local("12345")).then("a").encode();
        long.truncate(10);
        long.extend([0xff; 3]);
        assert_eq!(refusal(&long, &LIMITS), "RTE-2");
        let mut many: Vec<u8> = ["1234", "1234", "1234", "a"].into_iter().collect::<Route>().encode();
        many.truncate(22);
        many.push(0xff);
        assert_eq!(refusal(&many, &Limits { hops: 4, ..LIMITS }), "RTE-4");
    }

    #[test]
    fn a_route_cut_at_any_length_is_refused() {
        let bytes = parse("a => 1#host:1 => b").unwrap().encode();
        for len in 0..bytes.len() {
            assert_eq!(refusal(&bytes[..len], &Limits::DEFAULT), "COD-4", "cut to {len}");
        }
        assert_eq!(refusal(&[bytes, vec![0]].concat(), &Limits::DEFAULT), "COD-5");
    }

    #[test]
    fn a_long_route_is_counted_and_walked_whole() {
        let route: Route = core::iter::repeat_n("a", 70_000).collect();
        assert_eq!((route.len(), route.as_ref().iter().count()), (70_000, 70_000));
        let wide = Route::from(Address::new(crate::routing::TransportType::LOCAL, &[0; 70_000])).then("b");
        assert_eq!(wide.as_ref().iter().count(), 2);
    }

    proptest::proptest! {
        #[test]
        fn the_text_of_any_route_that_is_not_empty_is_read_as_the_same_route(
            values in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..9), 1..5),
            texts in proptest::collection::vec("[ =>#a\\\\]{0,6}", 1..5),
        ) {
            let of = |value: &[u8]| Address::new(crate::routing::TransportType::TCP, value);
            let values = values.iter().map(|value| of(value)).chain(texts.iter().map(|text| of(text.as_bytes())));
            let route: Route = values.collect();
            proptest::prop_assert_eq!(parse(&route.to_string()), Ok(route));
        }

        #[test]
        fn an_accepted_route_has_one_encoding(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            if let Ok(route) = Route::decode(&bytes, &Limits::DEFAULT) {
                proptest::prop_assert_eq!(route.encode(), bytes);
            }
        }
    }
}

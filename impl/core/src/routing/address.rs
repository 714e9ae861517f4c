//! An address: a transport type and an opaque name.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use crate::env::{Entropy, Purpose};
use crate::error::{Error, Result};
use crate::wire::cbor::{self, Reader};

use super::Limits;

/// The kind of place an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportType(pub u8);

impl TransportType {
    /// A worker of this node.
    pub const LOCAL: Self = Self(0);
    /// A TCP peer; the value is `host:port`.
    pub const TCP: Self = Self(1);
    /// A UDP peer; the value is `host:port`.
    pub const UDP: Self = Self(2);
    /// A WebSocket peer; the value is `host:port`.
    pub const WEBSOCKET: Self = Self(3);
    /// A Bluetooth Low Energy peer.
    pub const BLE: Self = Self(4);
    /// A Unix domain socket; the value is a path.
    pub const UDS: Self = Self(5);
}

/// An address that borrows its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRef<'a> {
    /// What kind of place it names.
    pub transport: TransportType,
    /// The name, opaque bytes that are text in practice.
    pub value: &'a [u8],
}

impl<'a> AddressRef<'a> {
    /// A local worker's address.
    pub const fn local(value: &'a [u8]) -> Self {
        Self { transport: TransportType::LOCAL, value }
    }

    /// How many bytes [`encode`](Self::encode) writes.
    pub const fn encoded_len(&self) -> usize {
        let head = 1usize.saturating_add(cbor::head_len(self.transport.0 as u64));
        head.saturating_add(cbor::head_len(self.value.len() as u64)).saturating_add(self.value.len())
    }

    /// Appends the CBOR form `[type, value]`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut encoder = cbor::Encoder::new(out);
        // Writing to a `Vec` cannot fail.
        let _ = encoder.array(2).and_then(|e| e.u8(self.transport.0)).and_then(|e| e.bytes(self.value));
    }

    /// Reads the CBOR form, of any length.
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        reader.array_of(2)?;
        //= spec/src/routing.md#rte-1
        //# A receiver MUST refuse an address whose transport type is larger than 255.
        let transport = reader.uint()? & if planted!(WrapsTransportType) { 0xff } else { u64::MAX };
        let transport =
            u8::try_from(transport).map_err(|_| Error::malformed("RTE-1", "a transport type is larger than 255"))?;
        Ok(Self { transport: TransportType(transport), value: reader.bytes(usize::MAX)? })
    }

    /// The first of encoded addresses that stand one after the other, and what is behind it.
    #[inline(always)]
    pub(super) fn split_first(items: &'a [u8]) -> Result<(Self, &'a [u8])> {
        if let Some(first) = Self::split_short(items) {
            return Ok(first);
        }
        Self::split_long(items)
    }

    /// The same, of any form.
    #[cold]
    fn split_long(items: &'a [u8]) -> Result<(Self, &'a [u8])> {
        let mut reader = Reader::new(items);
        Ok((Self::read(&mut reader)?, reader.rest()))
    }

    /// The same, of the two forms that nearly all addresses have. Every hop reads them: so they are read without a
    /// decoder.
    #[inline(always)]
    fn split_short(items: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[0x82, transport @ ..=23, head], rest) = items.split_first_chunk()? else { return None };
        let (len, rest) = match head {
            0x40..=0x57 => (head & 0x1f, rest),
            0x58 => rest.split_first().filter(|(len, _)| **len >= 24).map(|(len, rest)| (*len, rest))?,
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(usize::from(len))?;
        Some((Self { transport: TransportType(transport), value }, rest))
    }

    /// The same, of a peer's addresses.
    #[inline(always)]
    pub(super) fn split_first_bounded(items: &'a [u8], limits: &Limits) -> Result<(Self, &'a [u8])> {
        let (address, rest) = Self::split_first(items)?;
        //= spec/src/routing.md#rte-2
        //# A receiver MUST refuse an address whose value is longer than its limit.
        if address.value.len() > usize::from(limits.address) && !planted!(TakesLongAddresses) {
            return Err(Error::limit("RTE-2", "an address is longer than the limit"));
        }
        Ok((address, rest))
    }

    /// Whether it names a worker of this node.
    pub fn is_local(&self) -> bool {
        self.transport == TransportType::LOCAL
    }

    /// An owned copy.
    pub fn to_owned(&self) -> Address {
        Address::new(self.transport, self.value)
    }
}

impl fmt::Display for AddressRef<'_> {
    /// `<type>#<value>` in visible ASCII; every other byte of the value, and `#`, `>` and `\`, is `\xNN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#", self.transport.0)?;
        for &byte in self.value {
            //= spec/src/routing.md#rte-13
            //# A writer of an address text MUST write each byte of the value that is not visible ASCII, and each `#`, `>` and `\`, as `\x` and two lower-case hexadecimal digits.
            match byte {
                b'>' if planted!(ArrowUnescaped) => f.write_char('>')?,
                b'#' | b'>' | b'\\' => write!(f, "\\x{byte:02x}")?,
                _ if byte.is_ascii_graphic() => f.write_char(byte.into())?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for AddressRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The longest value that is stored without an allocation: random addresses are 32 bytes.
const INLINE: usize = 37;

#[derive(Clone)]
enum Repr {
    Inline { transport: TransportType, len: u8, bytes: [u8; INLINE] },
    Heap { transport: TransportType, bytes: Box<[u8]> },
}

/// An owned address, 40 bytes large. Values of up to 37 bytes allocate nothing.
#[derive(Clone)]
pub struct Address(Repr);

impl Address {
    /// An address of any kind.
    pub fn new(transport: TransportType, value: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        Self(match (bytes.get_mut(..value.len()), u8::try_from(value.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(value);
                Repr::Inline { transport, len, bytes }
            }
            _ => Repr::Heap { transport, bytes: value.into() },
        })
    }

    /// The address of a local worker.
    pub fn local(value: &str) -> Self {
        Self::new(TransportType::LOCAL, value.as_bytes())
    }

    /// A random local address: 16 random bytes as 32 lower-case hex digits.
    //= spec/src/routing.md#rte-12
    //# A random address MUST be local and consist of 16 random bytes written as 32 lower-case hexadecimal digits.
    pub fn random(entropy: &mut dyn Entropy) -> Self {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let random = entropy.array::<16>(Purpose::Address);
        let nibbles = random.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let mut value = [0; 32];
        for (digit, nibble) in value.iter_mut().zip(nibbles) {
            *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        }
        Self::new(TransportType::LOCAL, &value)
    }

    /// The borrowed form.
    pub fn as_ref(&self) -> AddressRef<'_> {
        match &self.0 {
            Repr::Inline { transport, len, bytes } => {
                AddressRef { transport: *transport, value: bytes.get(..usize::from(*len)).unwrap_or_default() }
            }
            Repr::Heap { transport, bytes } => AddressRef { transport: *transport, value: bytes },
        }
    }
}

impl From<AddressRef<'_>> for Address {
    fn from(address: AddressRef<'_>) -> Self {
        address.to_owned()
    }
}

impl From<&str> for Address {
    /// The local address of that name; text is taken as it is. To parse `1#host:port`, use [`str::parse`].
    fn from(value: &str) -> Self {
        Self::local(value)
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Parses `<type>#<value>`, or `<value>` alone for a local address; `\xNN` stands for a byte.
    ///
    /// # Errors
    /// `RTE-6` for a bad type or a second `#`, `RTE-14` for a bad escape.
    fn from_str(text: &str) -> Result<Self> {
        //= spec/src/routing.md#rte-6
        //# A reader of an address text MUST refuse a transport type that is not a decimal number from 0 to 255, and a second `#`.
        const TYPE: Error =
            Error::malformed("RTE-6", "an address starts with a transport type from 0 to 255 and '#', or has no '#'");
        let (transport, value) = match text.split_once('#') {
            None => (TransportType::LOCAL, text),
            Some((_, value)) if value.contains('#') => {
                return Err(Error::malformed("RTE-6", "an address has more than one '#'"));
            }
            // `parse` alone would take a sign.
            Some((transport, value)) if transport.bytes().all(|b| b.is_ascii_digit()) => {
                (TransportType(transport.parse().map_err(|_| TYPE)?), value)
            }
            Some(_) => return Err(TYPE),
        };
        Ok(Self::new(transport, &unescape(value)?))
    }
}

/// The bytes that a text with escapes stands for.
fn unescape(text: &str) -> Result<Vec<u8>> {
    //= spec/src/routing.md#rte-14
    //# A reader of an address text MUST read `\x` and two hexadecimal digits as that byte, and refuse any other `\`.
    const ESCAPE: Error = Error::malformed("RTE-14", "a '\\' in an address is followed by 'x' and two digits");
    let mut parts = text.split('\\');
    let mut value = Vec::from(parts.next().unwrap_or_default());
    for part in parts {
        let (digits, rest) = part.strip_prefix('x').and_then(|part| part.split_at_checked(2)).ok_or(ESCAPE)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ESCAPE);
        }
        value.push(u8::from_str_radix(digits, 16).map_err(|_| ESCAPE)?);
        value.extend_from_slice(rest.as_bytes());
    }
    Ok(value)
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        alloc::format!("{address}")
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use crate::env::Seeded;

    use super::*;

    fn parse(text: &str) -> Result<Address, &'static str> {
        text.parse().map_err(|error: Error| error.requirement())
    }

    /// The first address of `items` as the decoder reads it.
    fn decoded(items: &[u8]) -> Result<(AddressRef<'_>, &[u8])> {
        let mut reader = Reader::new(items);
        let first = AddressRef::read(&mut reader)?;
        Ok((first, &items[reader.position()..]))
    }

    #[test]
    fn the_first_address_of_a_route_is_the_one_that_the_decoder_reads() {
        for transport in [0, 1, 23, 24, 255] {
            for len in [0, 1, 22, 23, 24, 25, 31, 32, 63, 64, 255, 256, 70_000] {
                let address = Address::new(TransportType(transport), &vec![7; len]);
                let mut items = Vec::new();
                address.as_ref().encode(&mut items);
                items.extend(b"what follows");
                let expected = Ok((address.as_ref(), &b"what follows"[..]));
                assert_eq!(AddressRef::split_first(&items), expected);
                assert_eq!(decoded(&items), expected);
                // Cut anywhere in the heads, and with any other byte in each of theirs.
                for at in 0..8.min(items.len()) {
                    assert_eq!(AddressRef::split_first(&items[..at]), decoded(&items[..at]));
                    for byte in 0..=255 {
                        let mut other = items.clone();
                        other[at] = byte;
                        assert_eq!(AddressRef::split_first(&other), decoded(&other), "{byte:#x} at {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_published_texts_are_read() {
        assert_eq!(parse("local_friend"), Ok(Address::local("local_friend")));
        assert_eq!(parse("1#remote_friend"), Ok(Address::new(TransportType::TCP, b"remote_friend")));
    }

    //= spec/src/routing.md#rte-6
    //= type=test
    //# A reader of an address text MUST refuse a transport type that is not a decimal number from 0 to 255, and a second `#`.
    #[test]
    fn a_bad_transport_type_or_a_second_separator_is_refused() {
        for text in ["#,my_friend", "1#invalid#", "256#a", "-1#a", "+1#a", " 1#a", "tcp#a", "0#a#b"] {
            assert_eq!(parse(text), Err("RTE-6"), "{text}");
        }
    }

    //= spec/src/routing.md#rte-13
    //= type=test
    //# A writer of an address text MUST write each byte of the value that is not visible ASCII, and each `#`, `>` and `\`, as `\x` and two lower-case hexadecimal digits.
    #[test]
    fn a_text_escapes_what_could_forge_a_line_or_another_address() {
        for (value, text) in [
            ("echo", r"0#echo"),
            ("a\n0#b\\", r"0#a\x0a0\x23b\x5c"),
            ("a => b", r"0#a\x20=\x3e\x20b"),
            ("\x1b[2J", r"0#\x1b[2J"),
            ("~\x7f", r"0#~\x7f"),
            ("line\u{2028}", r"0#line\xe2\x80\xa8"),
            ("\u{202e}live", r"0#\xe2\x80\xaelive"),
            ("\u{e9}cho", r"0#\xc3\xa9cho"),
        ] {
            assert_eq!(Address::local(value).to_string(), text);
        }
        assert_eq!(Address::new(TransportType::TCP, &[0x61, 0xff]).to_string(), r"1#a\xff");
    }

    //= spec/src/routing.md#rte-14
    //= type=test
    //# A reader of an address text MUST read `\x` and two hexadecimal digits as that byte, and refuse any other `\`.
    #[test]
    fn escapes_are_undone_and_half_an_escape_is_refused() {
        assert_eq!(parse(r"1#a\x23\x5C\x00b"), Ok(Address::new(TransportType::TCP, b"a#\\\0b")));
        assert_eq!(parse(r"\x20"), Ok(Address::local(" ")));
        // An escape stands for a byte of the value; it is no separator and no digit of the type.
        assert_eq!(parse(r"1\x23a"), Ok(Address::local("1#a")));
        assert_eq!(parse(r"\x31#a"), Err("RTE-6"));
        for text in [r"\", r"a\", r"\\", r"\x", r"\x2", r"\x+2", r"\x2g", r"\x\x20", r"\n", r"\u{23}", "\\x2\u{e9}"] {
            assert_eq!(parse(text), Err("RTE-14"), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_text_of_any_address_is_visible_ascii_that_is_read_as_the_same_address(
            transport in proptest::prelude::any::<u8>(),
            value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
        ) {
            let address = Address::new(TransportType(transport), &value);
            let text = address.to_string();
            proptest::prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            proptest::prop_assert_eq!(parse(&text), Ok(address));
        }
    }

    //= spec/src/routing.md#rte-12
    //= type=test
    //# A random address MUST be local and consist of 16 random bytes written as 32 lower-case hexadecimal digits.
    #[test]
    fn a_random_address_is_32_lower_case_hexadecimal_digits() {
        let address = Address::random(&mut Seeded::from_u64(1));
        let value = address.as_ref().value;
        assert!(address.as_ref().is_local());
        assert_eq!(value.len(), 32);
        assert!(value.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        let expected: [u8; 16] = (&mut Seeded::from_u64(1) as &mut dyn Entropy).array(Purpose::Address);
        assert_eq!(value, hex::encode(expected).as_bytes());
    }

    #[test]
    fn an_address_takes_40_bytes_and_keeps_any_value() {
        assert_eq!(size_of::<Address>(), 40);
        for len in [0, 1, 32, 37, 38, 255, 256, 70_000] {
            let value = alloc::vec![b'a'; len];
            assert_eq!(
                Address::new(TransportType::UDS, &value).as_ref(),
                AddressRef { transport: TransportType::UDS, value: &value }
            );
        }
    }
}

//! What stands in a firmware's image.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, elf};

use crate::Fault;

/// Where the board's memory begins that can be written to.
const RAM: u64 = 0x2000_0000;

/// The section of the heap.
const HEAP: &str = ".uninit";

/// What an image takes, in bytes.
pub(crate) struct Sizes {
    /// Program, constants, and the first values of variables.
    pub(crate) flash: u64,
    /// Variables, without heap and stack.
    pub(crate) variables: u64,
    /// Program and constants, by what they are part of.
    pub(crate) parts: BTreeMap<&'static str, u64>,
}

impl Sizes {
    pub(crate) fn read(image: &Path) -> Result<Self, Fault> {
        let bytes = fs::read(image)?;
        let file = object::File::parse(&*bytes)?;
        let (mut flash, mut variables) = (0, 0);
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
            if sh_flags & u64::from(elf::SHF_ALLOC) == 0 {
                continue;
            }
            let in_ram = section.address() >= RAM;
            if section.kind() != object::SectionKind::UninitializedData && section.name()? != HEAP {
                flash += section.size();
            }
            if in_ram && section.name()? != HEAP {
                variables += section.size();
            }
        }
        let mut parts = BTreeMap::new();
        // Functions that came out alike are there once, under several names.
        let places: BTreeMap<u64, _> =
            file.symbols().filter(|symbol| symbol.size() > 0).map(|s| (s.address(), s)).collect();
        for symbol in places.values().filter(|symbol| symbol.address() < RAM) {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
            *parts.entry(part(&name)).or_default() += symbol.size();
        }
        let named: u64 = parts.values().sum();
        *parts.entry(OTHER).or_default() += flash.saturating_sub(named);
        Ok(Self { flash, variables, parts })
    }
}

const OTHER: &str = "constants, and what has no name";

/// What a function is part of.
fn part(name: &str) -> &'static str {
    const PARTS: [(&str, &str); 25] = [
        ("razor_embedded", "the driver"),
        ("razor_firmware", "the firmware"),
        ("curve25519_dalek", "Curve25519: X25519 and Ed25519"),
        ("ed25519", "Curve25519: X25519 and Ed25519"),
        ("x25519_dalek", "Curve25519: X25519 and Ed25519"),
        ("p256", "P-256"),
        ("primeorder", "P-256"),
        ("crypto_bigint", "P-256"),
        ("elliptic_curve", "P-256"),
        ("ecdsa", "P-256"),
        ("aes", "AES-GCM"),
        ("ghash", "AES-GCM"),
        ("polyval", "AES-GCM"),
        ("ctr", "AES-GCM"),
        ("sha2", "SHA-2"),
        ("razor::channel", "secure channels"),
        ("razor::noise", "secure channels"),
        ("razor::identity", "identities"),
        ("razor::vault", "the vault"),
        ("razor::node", "the node"),
        ("razor::ordered", "the node"),
        ("razor::routing", "routing, framing, codecs"),
        ("razor::transport", "routing, framing, codecs"),
        ("razor::wire", "routing, framing, codecs"),
        ("minicbor", "routing, framing, codecs"),
    ];
    let place = |word: &str| {
        let whole =
            |at: &usize| !name[..*at].ends_with(is_of_a_word) && !name[at + word.len()..].starts_with(is_of_a_word);
        name.match_indices(word).map(|(at, _)| at).find(whole)
    };
    // A function of a library belongs to what it works on: to what it names first.
    let first = PARTS.iter().filter_map(|(word, part)| Some((place(word)?, part))).min();
    first.map_or("libraries: collections, the heap, the processor's runtime", |(_, part)| part)
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_function_is_part_of_what_it_is_named_after_first() {
        assert_eq!(part("<razor::node::Node>::handle"), "the node");
        assert_eq!(part("<alloc::vec::Vec<razor::channel::Event>>::push"), "secure channels");
        assert_eq!(part("aes::soft::encrypt"), "AES-GCM");
        assert_eq!(part("<razor_embedded::Driver<razor_firmware::Board>>::drain"), "the driver");
        assert_eq!(part("core::str::from_utf8"), "libraries: collections, the heap, the processor's runtime");
        assert_eq!(part("__aeabi_memcpy"), "libraries: collections, the heap, the processor's runtime");
    }
}

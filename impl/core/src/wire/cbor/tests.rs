use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

/// The requirement that `read` says the hexadecimal input does not meet.
fn refusal<T: core::fmt::Debug>(text: &str, read: impl FnOnce(&mut Reader<'static>) -> Result<T>) -> &'static str {
    let mut reader = Reader::new(hex::decode(text).unwrap().leak());
    read(&mut reader).and_then(|_| reader.finish()).expect_err(text).requirement()
}

fn skip(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(bytes);
    reader.skip()?;
    reader.finish()
}

//= spec/src/codecs.md#cod-1
//= type=test
//# A decoder MUST refuse an item of indefinite length.
#[test]
fn indefinite_lengths_are_refused() {
    assert_eq!(refusal("9fff", |r| r.array()), "COD-1");
    assert_eq!(refusal("bfff", |r| r.map()), "COD-1");
    assert_eq!(refusal("5f4101ff", |r| r.bytes(9).map(<[u8]>::len)), "COD-1");
    assert_eq!(refusal("7f6161ff", |r| r.text(9).map(str::len)), "COD-1");
    for text in ["9fff", "bfff", "5f4101ff", "7f6161ff", "819fff"] {
        assert_eq!(refusal(text, Reader::skip), "COD-1");
    }
}

//= spec/src/codecs.md#cod-2
//= type=test
//# A decoder MUST refuse a number, length, tag or simple value that is not in its shortest form.
#[test]
fn long_forms_are_refused() {
    for text in ["1817", "1900ff", "1a0000ffff", "1b00000000ffffffff"] {
        assert_eq!(refusal(text, Reader::uint), "COD-2", "{text}");
    }
    assert_eq!(refusal("9801", Reader::array), "COD-2");
    assert_eq!(refusal("b801", Reader::map), "COD-2");
    assert_eq!(refusal("580100", |r| r.bytes(9).map(<[u8]>::len)), "COD-2");
    assert_eq!(refusal("780161", |r| r.text(9).map(str::len)), "COD-2");
    for text in ["1817", "3817", "3900ff", "580100", "780161", "9801f6", "b801f6f6", "d801f6", "f800", "f818", "f81f"] {
        assert_eq!(refusal(text, Reader::skip), "COD-2", "{text}");
    }
}

//= spec/src/codecs.md#cod-3
//= type=test
//# A decoder MUST refuse an item whose type, number of items or fixed length differs from what the structure says.
#[test]
fn other_types_counts_and_lengths_are_refused() {
    assert_eq!(refusal("40", Reader::uint), "COD-3");
    assert_eq!(refusal("20", Reader::uint), "COD-3");
    assert_eq!(refusal("01", Reader::boolean), "COD-3");
    assert_eq!(refusal("60", |r| r.bytes(9).map(<[u8]>::len)), "COD-3");
    assert_eq!(refusal("40", |r| r.text(9).map(str::len)), "COD-3");
    assert_eq!(refusal("a0", Reader::array), "COD-3");
    assert_eq!(refusal("80", Reader::map), "COD-3");
    assert_eq!(refusal("8101", |r| r.array_of(2)), "COD-3");
    assert_eq!(refusal("4101", Reader::array_bytes::<2>), "COD-3");
    // Reserved heads and a break where no item may end.
    for text in ["1c", "5d", "fc", "ff", "81ff"] {
        assert_eq!(refusal(text, Reader::skip), "COD-3", "{text}");
    }
}

/// One of everything: an array of numbers, strings, a map, a tag, simple values and floats.
const EVERYTHING: &str = "8d186439400042010263616263a10203c10af4f5f6f7f8fff93c00fb3ff8000000000000";

//= spec/src/codecs.md#cod-4
//= type=test
//# A decoder MUST refuse input that ends inside an item.
#[test]
fn input_cut_at_any_length_is_refused() {
    let bytes = hex::decode(EVERYTHING).unwrap();
    assert_eq!(skip(&bytes), Ok(()));
    for len in 0..bytes.len() {
        assert_eq!(skip(&bytes[..len]).unwrap_err().requirement(), "COD-4", "cut to {len}");
    }
}

//= spec/src/codecs.md#cod-5
//= type=test
//# A decoder MUST refuse bytes that follow the end of the message.
#[test]
fn trailing_bytes_are_refused() {
    assert_eq!(refusal("0101", Reader::uint), "COD-5");
}

//= spec/src/codecs.md#cod-6
//= type=test
//# A decoder MUST refuse a string that is longer than the limit of its field.
#[test]
fn strings_beyond_their_limit_are_refused() {
    assert_eq!(Reader::new(b"\x42ab").bytes(2), Ok(&b"ab"[..]));
    assert_eq!(Reader::new(b"\x62ab").text(2), Ok("ab"));
    assert_eq!(refusal("426162", |r| r.bytes(1).map(<[u8]>::len)), "COD-6");
    assert_eq!(refusal("626162", |r| r.text(1).map(str::len)), "COD-6");
}

//= spec/src/codecs.md#cod-7
//= type=test
//# A decoder MUST refuse a text that is not UTF-8.
#[test]
fn texts_that_are_not_utf8_are_refused_and_texts_cut_short_are_truncated() {
    assert_eq!(refusal("62c328", |r| r.text(9).map(str::len)), "COD-7");
    assert_eq!(refusal("62c328", Reader::skip), "COD-7");
    assert_eq!(refusal("63c328", |r| r.text(9).map(str::len)), "COD-4");
    assert_eq!(refusal("62c3", |r| r.text(9).map(str::len)), "COD-4");
}

//= spec/src/codecs.md#cod-8
//= type=test
//# A decoder that skips an item MUST refuse it when it nests deeper than 8 levels or holds more than 256 items.
#[test]
fn a_skipped_item_is_bounded_in_depth_and_size() {
    let nested = |levels: usize| [alloc::vec![0x81; levels - 1], alloc::vec![0x00]].concat();
    assert_eq!(skip(&nested(8)), Ok(()));
    assert_eq!(skip(&nested(9)).unwrap_err().requirement(), "COD-8");
    // The array counts as one item.
    let flat = |items: u16| [&[0x99][..], &(items - 1).to_be_bytes(), &alloc::vec![0; usize::from(items - 1)]].concat();
    assert_eq!(skip(&flat(257)).unwrap_err().requirement(), "COD-8");
    // 256 items announced in the shortest form: an array of 255.
    assert_eq!(skip(&[&[0x98, 255][..], &[0; 255]].concat()), Ok(()));
    assert_eq!(skip(&[0xa1; 1 << 16]).unwrap_err().requirement(), "COD-8");
}

//= spec/src/codecs.md#cod-12
//= type=test
//# A decoder MUST NOT allocate memory for a length or count that is only announced.
#[test]
fn an_announced_length_without_content_is_only_the_end_of_the_input() {
    // Were 2^63 bytes or items asked for, the allocator would stop the test.
    for text in ["5b7fffffffffffffff", "7b7fffffffffffffff", "9b7fffffffffffffff", "bb7fffffffffffffff"] {
        assert_eq!(refusal(text, Reader::skip), "COD-4", "{text}");
    }
}

#[test]
fn null_and_booleans_are_read() {
    let mut reader = Reader::new(&[0xf6, 0xf5, 0xf4]);
    assert_eq!(reader.null(), Ok(true));
    assert_eq!(reader.null(), Ok(false));
    assert_eq!(reader.boolean(), Ok(true));
    assert_eq!(reader.boolean(), Ok(false));
    assert!(reader.is_at_end());
}

/// Reads one number, string or array head and writes it again.
fn rewrite(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out);
    let mut reader = Reader::new(bytes);
    if let Ok(value) = reader.clone().uint() {
        reader.uint().unwrap();
        encoder.u64(value).unwrap();
    } else if let Ok(value) = reader.clone().bytes(usize::MAX) {
        reader.skip().unwrap();
        encoder.bytes(value).unwrap();
    } else if let Ok(value) = reader.clone().text(usize::MAX) {
        reader.skip().unwrap();
        encoder.str(value).unwrap();
    } else if let Ok(value) = reader.array() {
        encoder.array(value).unwrap();
    } else {
        return None;
    }
    let read = reader.position();
    Some((read, out))
}

proptest! {
    #[test]
    fn an_accepted_item_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Some((read, out)) = rewrite(&bytes) {
            prop_assert_eq!(out, &bytes[..read]);
        }
    }

    //= spec/src/codecs.md#cod-9
    //= type=test
    //# An encoder MUST write every item in its shortest form with a definite length.
    #[test]
    fn what_is_written_is_read_again(number: u64, bytes: Vec<u8>, text: String) {
        let mut out = Vec::new();
        Encoder::new(&mut out).array(3).unwrap().u64(number).unwrap().bytes(&bytes).unwrap().str(&text).unwrap();
        prop_assert_eq!(1 + head_len(number) + head_len(bytes.len() as u64) + bytes.len()
            + head_len(text.len() as u64) + text.len(), out.len());
        let mut reader = Reader::new(&out);
        reader.array_of(3).unwrap();
        prop_assert_eq!(reader.uint(), Ok(number));
        prop_assert_eq!(reader.bytes(bytes.len()), Ok(&bytes[..]));
        prop_assert_eq!(reader.text(text.len()), Ok(&text[..]));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn skipping_takes_any_bytes_and_stays_inside_them(bytes: Vec<u8>) {
        let mut reader = Reader::new(&bytes);
        let _ = reader.skip();
        prop_assert!(reader.position() <= bytes.len());
    }
}

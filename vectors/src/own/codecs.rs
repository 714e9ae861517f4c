//! CBOR and BARE: every rule of the codecs, at its edge.

use serde::{Deserialize, Serialize};
use serde_json::json;

use razor::wire::{bare, cbor};

use super::{Kind, Meant, Outcome, bad, check, generate, good};
use crate::bytes::Hex;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        layer: "codecs",
        name: "cbor",
        committed: include_str!("../../codecs/cbor.json"),
        generate: || generate("cbor", "One item of CBOR, read strictly.", cbor_inputs(), read_cbor),
        check: |kind, text, progress| check(kind, text, progress, read_cbor),
    },
    Kind {
        layer: "codecs",
        name: "bare",
        committed: include_str!("../../codecs/bare.json"),
        generate: || generate("bare", "One value of BARE, read strictly.", bare_inputs(), read_bare),
        check: |kind, text, progress| check(kind, text, progress, read_bare),
    },
];

/// What is to be read. `max` bounds a string.
#[derive(Debug, Serialize, Deserialize)]
struct Input {
    read: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<usize>,
    bytes: Hex,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Uint,
    Bytes,
    Text,
    Array,
    Map,
    Boolean,
    Skip,
}

fn item(read: What, bytes: &str) -> Input {
    Input { read, max: None, bytes: Hex(hex::decode(bytes).expect("hex")) }
}

fn bounded(read: What, max: usize, bytes: &str) -> Input {
    Input { max: Some(max), ..item(read, bytes) }
}

fn read_cbor(input: &Input) -> Outcome {
    let mut reader = cbor::Reader::new(&input.bytes);
    let max = input.max.unwrap_or(usize::MAX);
    let value = match input.read {
        What::Uint => json!(reader.uint()?.to_string()),
        What::Bytes => json!(hex::encode(reader.bytes(max)?)),
        What::Text => json!(reader.text(max)?),
        // Heads alone: what stands inside is read by whoever knows the structure.
        What::Array => return Ok(json!(reader.array()?.to_string())),
        What::Map => return Ok(json!(reader.map()?.to_string())),
        What::Boolean => json!(reader.boolean()?),
        What::Skip => {
            reader.skip()?;
            json!(reader.position())
        }
    };
    reader.finish()?;
    Ok(value)
}

fn cbor_inputs() -> Vec<Meant<Input>> {
    use What::{Array, Boolean, Bytes, Map, Skip, Text, Uint};
    let mut inputs = Vec::new();
    // Both edges of each width of head, and the same number in the next wider head.
    let edges: [(u64, u64); 5] =
        [(0, 23), (24, 0xff), (0x100, 0xffff), (0x1_0000, 0xffff_ffff), (0x1_0000_0000, u64::MAX)];
    for (low, high) in edges {
        for value in [low, high] {
            let mut bytes = Vec::new();
            cbor::Encoder::new(&mut bytes).u64(value).expect("a vector grows");
            inputs.push(good(&format!("uint {value}"), Input { read: Uint, max: None, bytes: Hex(bytes) }));
        }
    }
    for (value, wide) in [(23u64, 0x18u8), (0xff, 0x19), (0xffff, 0x1a), (0xffff_ffff, 0x1b)] {
        let width = 1usize << (wide - 0x18);
        let bytes = [vec![wide], value.to_be_bytes()[8 - width..].to_vec()].concat();
        inputs.push(bad(
            &format!("uint {value} in a wider head"),
            "COD-2",
            Input { read: Uint, max: None, bytes: Hex(bytes) },
        ));
    }
    let deep = |depth: usize| format!("{}00", "81".repeat(depth));
    let wide = |items: usize| {
        let mut head = Vec::new();
        cbor::Encoder::new(&mut head).array(items as u64).expect("a vector grows");
        format!("{}{}", hex::encode(head), "00".repeat(items))
    };
    inputs.extend([
        bad("nothing", "COD-4", item(Uint, "")),
        bad("a uint that ends early", "COD-4", item(Uint, "19ff")),
        bad("a reserved head", "COD-3", item(Uint, "1c")),
        bad("a negative number for a uint", "COD-3", item(Uint, "20")),
        bad("bytes after a uint", "COD-5", item(Uint, "0000")),
        good("no bytes", item(Bytes, "40")),
        good("a byte string", item(Bytes, "43010203")),
        good("a byte string as long as allowed", bounded(Bytes, 3, "43010203")),
        bad("a byte string one longer than allowed", "COD-6", bounded(Bytes, 2, "43010203")),
        bad("a byte string that ends early", "COD-4", item(Bytes, "430102")),
        bad("a byte string that announces 2^64-1 bytes", "COD-4", item(Bytes, "5bffffffffffffffff00")),
        bad("a byte string with a wide head", "COD-2", item(Bytes, "5803010203")),
        bad("a byte string of indefinite length", "COD-1", item(Bytes, "5f4101ff")),
        bad("a text for a byte string", "COD-3", item(Bytes, "6161")),
        good("a text", item(Text, "6568656c6c6f")),
        bad("a text that is not UTF-8", "COD-7", item(Text, "62c328")),
        bad("a text of indefinite length", "COD-1", item(Text, "7f6161ff")),
        bad("a text one longer than allowed", "COD-6", bounded(Text, 4, "6568656c6c6f")),
        good("an array head", item(Array, "82")),
        bad("an array of indefinite length", "COD-1", item(Array, "9fff")),
        bad("an array head in a wider form", "COD-2", item(Array, "9802")),
        good("a map head", item(Map, "a1")),
        bad("a map of indefinite length", "COD-1", item(Map, "bfff")),
        good("true", item(Boolean, "f5")),
        good("false", item(Boolean, "f4")),
        bad("a number for a boolean", "COD-3", item(Boolean, "01")),
        bad("null for a boolean", "COD-3", item(Boolean, "f6")),
        good("an unknown item, nested as deep as is skipped", item(Skip, &deep(cbor::SKIP_DEPTH - 1))),
        bad("an unknown item, nested one deeper", "COD-8", item(Skip, &deep(cbor::SKIP_DEPTH))),
        good("an unknown item of as many heads as are skipped", item(Skip, &wide(cbor::SKIP_ITEMS - 1))),
        bad("an unknown item of one head more", "COD-8", item(Skip, &wide(cbor::SKIP_ITEMS))),
        bad("an unknown item of indefinite length", "COD-1", item(Skip, "9f01ff")),
        bad("an unknown item with a wide head inside", "COD-2", item(Skip, "811801")),
        bad("an unknown map of 2^64-1 entries", "COD-8", item(Skip, "bbffffffffffffffff")),
    ]);
    inputs
}

fn read_bare(input: &Input) -> Outcome {
    let mut reader = bare::Reader::new(&input.bytes);
    let max = input.max.unwrap_or(usize::MAX);
    let value = match input.read {
        What::Uint => json!(reader.uint()?.to_string()),
        What::Bytes => json!(hex::encode(reader.bytes(max)?)),
        _ => json!(reader.text(max)?),
    };
    reader.finish()?;
    Ok(value)
}

fn bare_inputs() -> Vec<Meant<Input>> {
    use What::{Bytes, Text, Uint};
    let mut inputs = Vec::new();
    for bits in [0u32, 7, 14, 21, 28, 35, 42, 49, 56, 63] {
        for value in [(1u64 << bits) - 1, 1u64 << bits] {
            let mut bytes = Vec::new();
            bare::write_uint(&mut bytes, value);
            inputs.push(good(&format!("uint {value}"), Input { read: Uint, max: None, bytes: Hex(bytes) }));
        }
    }
    inputs.extend([
        good("the largest uint", item(Uint, "ffffffffffffffffff01")),
        bad("a uint of 65 bits", "COD-10", item(Uint, "ffffffffffffffffff02")),
        bad("a uint of eleven bytes", "COD-10", item(Uint, "ffffffffffffffffff8100")),
        bad("zero in two bytes", "COD-10", item(Uint, "8000")),
        bad("one in two bytes", "COD-10", item(Uint, "8100")),
        bad("a uint that ends early", "COD-11", item(Uint, "80")),
        bad("nothing", "COD-11", item(Uint, "")),
        bad("bytes after a uint", "COD-5", item(Uint, "0100")),
        good("no bytes", item(Bytes, "00")),
        good("a byte string", item(Bytes, "03010203")),
        good("a byte string as long as allowed", bounded(Bytes, 3, "03010203")),
        bad("a byte string one longer than allowed", "COD-6", bounded(Bytes, 2, "03010203")),
        bad("a byte string that ends early", "COD-11", item(Bytes, "030102")),
        bad("a byte string that announces 2^64-1 bytes", "COD-11", item(Bytes, "ffffffffffffffffff0100")),
        good("a text", item(Text, "0568656c6c6f")),
        bad("a text that is not UTF-8", "COD-7", item(Text, "02c328")),
    ]);
    inputs
}

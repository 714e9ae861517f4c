//! Codecs: strict, bounded CBOR and BARE. Spec: "Codecs".

pub mod bare;
pub mod cbor;

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| razor::fuzzing::node_raw_connections(data));

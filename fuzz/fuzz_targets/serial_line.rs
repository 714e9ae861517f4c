#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| razor::fuzzing::serial_line(data));

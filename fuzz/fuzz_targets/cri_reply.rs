#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| execwarden::fuzzing::cri_reply(bytes));

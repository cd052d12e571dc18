#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| execwarden::fuzzing::kernel_event(bytes));

//! See `tests/src/fuzz/hostile_guest.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::hostile_guest::run(data));

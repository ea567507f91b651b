//! See `tests/src/fuzz/hostile_rings.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::hostile_rings::run(data));

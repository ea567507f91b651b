//! See `tests/src/fuzz/loader.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::loader::run(data));

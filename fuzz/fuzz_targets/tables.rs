//! See `tests/src/fuzz/tables.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::tables::run(data));

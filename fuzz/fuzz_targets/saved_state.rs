//! See `tests/src/fuzz/saved_state.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::saved_state::run(data));

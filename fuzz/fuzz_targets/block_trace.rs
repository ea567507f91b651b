//! See `tests/src/fuzz/block_trace.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::block_trace::run(data));

//! See `tests/src/fuzz/recover_stream.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::recover_stream::run(data));

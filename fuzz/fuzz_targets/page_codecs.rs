//! See `tests/src/fuzz/page_codecs.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::page_codecs::run(data));

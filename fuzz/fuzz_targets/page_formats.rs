//! See `tests/src/fuzz/page_formats.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::page_formats::run(data));

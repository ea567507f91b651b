//! See `tests/src/fuzz/recover_image.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::recover_image::run(data));

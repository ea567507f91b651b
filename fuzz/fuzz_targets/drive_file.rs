//! See `tests/src/fuzz/drive_file.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::drive_file::run(data));

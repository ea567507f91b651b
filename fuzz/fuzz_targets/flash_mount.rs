//! See `tests/src/fuzz/flash_mount.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vellum_tests::fuzz::flash_mount::run(data));

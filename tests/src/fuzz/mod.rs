//! What the fuzz targets run: one function a target, from any bytes to no panic. The programs under
//! `fuzz/` hand them to libFuzzer; `tests/fuzz.rs` runs each for a moment.

pub mod block_trace;
pub mod drive_file;
pub mod flash_mount;
pub mod hostile_guest;
pub mod hostile_rings;
pub mod loader;
pub mod page_codecs;
pub mod page_formats;
pub mod recover_image;
pub mod recover_store;
pub mod recover_stream;
pub mod saved_state;
pub mod tables;

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its module here, and of its program under `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Takes any bytes; a panic is a finding.
    pub run: fn(&[u8]),
    /// Inputs that get far, to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them, by name.
pub const TARGETS: [Target; 13] = [
    Target { name: "block_trace", run: block_trace::run, seeds: block_trace::seeds },
    Target { name: "drive_file", run: drive_file::run, seeds: drive_file::seeds },
    Target { name: "flash_mount", run: flash_mount::run, seeds: flash_mount::seeds },
    Target { name: "hostile_guest", run: hostile_guest::run, seeds: hostile_guest::seeds },
    Target { name: "hostile_rings", run: hostile_rings::run, seeds: hostile_rings::seeds },
    Target { name: "loader", run: loader::run, seeds: loader::seeds },
    Target { name: "page_codecs", run: page_codecs::run, seeds: page_codecs::seeds },
    Target { name: "page_formats", run: page_formats::run, seeds: page_formats::seeds },
    Target { name: "recover_image", run: recover_image::run, seeds: recover_image::seeds },
    Target { name: "recover_store", run: recover_store::run, seeds: recover_store::seeds },
    Target { name: "recover_stream", run: recover_stream::run, seeds: recover_stream::seeds },
    Target { name: "saved_state", run: saved_state::run, seeds: saved_state::seeds },
    Target { name: "tables", run: tables::run, seeds: tables::seeds },
];

/// Takes an input apart; what is not there any more is zero.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Input(data)
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let n = N.min(self.0.len());
        let (head, rest) = self.0.split_at(n);
        out[..n].copy_from_slice(head);
        self.0 = rest;
        out
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    /// The next `n` bytes, as many as there are.
    pub fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// What is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

//! Any bytes as a kernel (Image, ELF, packed or flat) and as an initial RAM disk.
//!
//! Input: what it is said to be (one byte), and the file.

use super::Input;
use vellum_machine::loader::{GuestWriter, Kernel, check_initrd, place};
use vellum_machine::memory_map::{RAM_BASE, Range};
use vellum_translate::Gpa;

const MEMORY: Range = Range::new(RAM_BASE.get(), 16 << 20);

/// Runs one.
///
/// # Panics
/// When the loader writes outside memory.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let file = input.rest();
    if kind % 3 == 2 {
        _ = check_initrd(file);
        return;
    }
    let kernel =
        if kind % 3 == 1 { Kernel::flat(file, MEMORY) } else { Kernel::read(file, MEMORY) };
    let Ok(kernel) = kernel else { return };
    let mut bounds = Bounds;
    kernel.write(&mut bounds).expect("memory that takes everything");
    if let Ok(placed) = place(&kernel, Some(u64::from(kind) << 12), MEMORY) {
        assert!(placed.dtb >= kernel.end() && MEMORY.holds(placed.dtb, 1));
        if let Some(initrd) = placed.initrd {
            assert!(MEMORY.holds(initrd.base, initrd.length));
        }
    }
}

/// Memory that only looks where it is written.
struct Bounds;

impl GuestWriter for Bounds {
    type Error = core::convert::Infallible;

    fn write(&mut self, at: Gpa, bytes: &[u8]) -> Result<(), Self::Error> {
        assert!(MEMORY.holds(at, bytes.len() as u64), "{} bytes at {at}", bytes.len());
        Ok(())
    }
}

/// A flat image, an ELF file, and an archive of two files.
pub fn seeds() -> Vec<Vec<u8>> {
    let image = crate::hostile::image(&[0x13; 8]);
    vec![tagged(0, &image), tagged(1, &image), tagged(0, &elf()), tagged(2, &archive())]
}

fn tagged(kind: u8, file: &[u8]) -> Vec<u8> {
    [&[kind], file].concat()
}

/// An ELF file of one segment (System V ABI, chapter 4, with `EM_RISCV`).
fn elf() -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let at = MEMORY.base.get() + 0x20_0000;
    file.extend([2, 0, 243, 0, 1, 0, 0, 0]);
    for word in [at, 64, 0] {
        file.extend(u64::to_le_bytes(word));
    }
    file.extend([0; 4]);
    for half in [64u16, 56, 1, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    // PT_LOAD, readable and executable; sixteen bytes of file, a page of memory.
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [120, at, at, 16, 4096, 4096] {
        file.extend(u64::to_le_bytes(word));
    }
    file.extend([0x13; 16]);
    file
}

/// A `newc` archive (cpio(5)) of one file.
fn archive() -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in [("init", "#!"), ("TRAILER!!!", "")] {
        let mut fields = [0; 13];
        (fields[1], fields[6], fields[11]) = (0o100_755, content.len(), name.len() + 1);
        archive.extend(b"070701");
        for field in fields {
            archive.extend(format!("{field:08x}").bytes());
        }
        archive.extend(name.bytes().chain([0]));
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(content.bytes());
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

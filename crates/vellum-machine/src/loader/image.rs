//! The RISC-V Linux `Image`: 64 bytes of header (Linux' *Boot image header in RISC-V Linux*), then
//! the kernel as it lies in memory.

use vellum_translate::Gpa;

use super::{KERNEL_ALIGN, KERNEL_OFFSET, LoadError, Segment};
use crate::memory_map::Range;

const TEXT_OFFSET: usize = 8;
const IMAGE_SIZE: usize = 16;
const FLAGS: usize = 24;
const MAGIC: (usize, &[u8]) = (48, b"RISCV\0\0\0");
const MAGIC2: (usize, &[u8]) = (56, b"RSC\x05");
const PE_AT: usize = 60;
const HEADER: usize = 64;
/// Bit 0 of the flags.
const BIG_ENDIAN: u64 = 1;

/// Kernels of others, by a mark at a fixed place.
const FOREIGN: [(usize, &[u8], &str); 3] = [
    (0x202, b"HdrS", "an x86 Linux kernel"),
    (56, b"ARM\x64", "an arm64 Linux kernel"),
    (0x24, &[0x18, 0x28, 0x6f, 0x01], "an arm Linux kernel"),
];

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |v, &b| v << 8 | u64::from(b))
}

fn marked(bytes: &[u8], (at, mark): (usize, &[u8])) -> bool {
    bytes.get(at..at + mark.len()) == Some(mark)
}

/// The only segment of an `Image`, and its entry.
pub(super) fn segments(bytes: &[u8], memory: Range) -> Result<(Vec<Segment>, Gpa), LoadError> {
    if let Some((_, _, found)) = FOREIGN.iter().find(|(at, mark, _)| marked(bytes, (*at, mark))) {
        return Err(LoadError::Architecture { found: (*found).into() });
    }
    // Kernels before 5.5 have the first mark only; the second is the lasting one.
    if bytes.len() < HEADER || !(marked(bytes, MAGIC2) || marked(bytes, MAGIC)) {
        return Err(LoadError::Unknown { start: bytes[..bytes.len().min(8)].to_vec() });
    }
    let offset = match u64_at(bytes, TEXT_OFFSET) {
        // Kernels from 6.11 on may say 0: any aligned place will do.
        0 => KERNEL_OFFSET,
        offset => offset,
    };
    if !offset.is_multiple_of(KERNEL_ALIGN) {
        let why = "not a multiple of 2 MiB";
        return Err(LoadError::Header { field: "text_offset", value: offset, why });
    }
    let flags = u64_at(bytes, FLAGS);
    if flags & BIG_ENDIAN != 0 {
        return Err(LoadError::Architecture { found: "a big-endian RISC-V kernel".into() });
    }
    portable_executable(bytes)?;
    // The size counts what the kernel clears for itself behind its file.
    let length = u64_at(bytes, IMAGE_SIZE).max(bytes.len() as u64);
    let at = memory.base.checked_add(offset).unwrap_or(memory.end());
    Ok((vec![Segment { at, file: 0..bytes.len(), length }], at))
}

/// An `Image` that is also an EFI program says how long its file is: its sections do.
fn portable_executable(bytes: &[u8]) -> Result<(), LoadError> {
    let half = |at: usize| u64::from(bytes[at]) | u64::from(bytes[at + 1]) << 8;
    let word = |at: usize| half(at) | half(at + 2) << 16;
    let found = bytes.len() as u64;
    let short = |needed| LoadError::Truncated { what: "the kernel", needed, found };
    let pe = word(PE_AT);
    if !bytes.starts_with(b"MZ") || pe == 0 {
        return Ok(());
    }
    // Signature, COFF header (section count at 2, optional header's size at 16), sections of 40
    // bytes with size and place of their bytes at 16 and 20 (*PE Format*, Microsoft).
    let coff = pe + 4;
    if coff + 20 > found {
        return Err(short(coff + 20));
    }
    if !marked(bytes, (pe as usize, b"PE\0\0")) {
        let why = "there is no PE header";
        return Err(LoadError::Header { field: "the PE header's place", value: pe, why });
    }
    let coff = coff as usize;
    let (count, sections) = (half(coff + 2), coff as u64 + 20 + half(coff + 16));
    let table = sections + count * 40;
    if table > found {
        return Err(short(table));
    }
    let ends = (0..count).map(|i| {
        let at = (sections + i * 40) as usize;
        word(at + 16) + word(at + 20)
    });
    match ends.max() {
        Some(needed) if needed > found => Err(short(needed)),
        _ => Ok(()),
    }
}

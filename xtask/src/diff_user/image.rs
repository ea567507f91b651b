//! The program as a static executable: one ELF header, one segment.

use super::program::{BASE, ENTRY, PAGE, Program};
use anyhow::{Result, bail};

/// Source of the numbers: *System V ABI*, chapter "Object Files", and the *RISC-V ELF psABI*
/// (machine 243; flags: RVC 1, double-precision floats 4).
pub fn elf(program: &Program) -> Result<Vec<u8>> {
    let length = (PAGE + program.bytes.len()) as u64;
    if BASE + length > 0x7fff_0000 {
        bail!("{length} bytes do not fit the low 2 GiB");
    }
    let mut file = Vec::with_capacity(length as usize);
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    for half in [2_u16, 243] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for word in [ENTRY, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(5_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    // One PT_LOAD, readable, writable and executable.
    for word in [1_u32, 7] {
        file.extend(word.to_le_bytes());
    }
    for word in [0, BASE, BASE, length, length, PAGE as u64] {
        file.extend(word.to_le_bytes());
    }
    file.resize(PAGE, 0);
    file.extend(&program.bytes);
    Ok(file)
}

//! Bytes as a static RISC-V executable: one header, one segment that may do everything.

/// Bytes before the first instruction: the header stands in the first page of the segment.
pub const HEADER: usize = 4096;

/// An executable whose segment begins at `base` (page-aligned) and whose code follows one page
/// behind it, the entry first.
///
/// Source of the numbers: *System V ABI*, chapter "Object Files", and the *RISC-V ELF psABI*
/// (machine 243; flags: RVC 1, double-precision floats 4).
pub fn executable(base: u64, code: &[u8]) -> Vec<u8> {
    let length = (HEADER + code.len()) as u64;
    let mut file = Vec::with_capacity(length as usize);
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    for half in [2_u16, 243] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for word in [base + HEADER as u64, 64, 0] {
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
    for word in [0, base, base, length, length, HEADER as u64] {
        file.extend(word.to_le_bytes());
    }
    file.resize(HEADER, 0);
    file.extend(code);
    file
}

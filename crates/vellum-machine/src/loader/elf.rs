//! ELF files for RV64 (*System V ABI*, chapters 4 and 5; *RISC-V ELF psABI*): for small guests and
//! tests. Only the program headers are read.

use vellum_translate::Gpa;

use super::{LoadError, Segment};

pub(super) const MAGIC: [u8; 4] = *b"\x7fELF";
const CLASS: usize = 4;
const DATA: usize = 5;
const MACHINE: usize = 18;
const ENTRY: usize = 24;
const PHOFF: usize = 32;
const PHENTSIZE: usize = 54;
const PHNUM: usize = 56;
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const RISCV: u16 = 243;
const LOAD: u64 = 1;

/// Processors that one may mistake for ours.
const MACHINES: [(u16, &str); 8] = [
    (3, "x86"),
    (8, "MIPS"),
    (21, "PowerPC"),
    (22, "S/390"),
    (40, "arm"),
    (62, "x86-64"),
    (183, "arm64"),
    (258, "LoongArch"),
];

fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes[at..at + size].iter().rev().fold(0, |v, &b| v << 8 | u64::from(b))
}

/// The segments to load, and the entry as a physical address.
pub(super) fn segments(bytes: &[u8]) -> Result<(Vec<Segment>, Gpa), LoadError> {
    let found = bytes.len() as u64;
    let short = |needed| LoadError::Truncated { what: "the ELF file", needed, found };
    if bytes.len() < HEADER {
        return Err(short(HEADER as u64));
    }
    architecture(bytes)?;
    let (first, size) = (number(bytes, PHOFF, 8), number(bytes, PHENTSIZE, 2));
    let count = number(bytes, PHNUM, 2);
    if count > 0 && size < PROGRAM_HEADER as u64 {
        let why = "smaller than a program header";
        return Err(LoadError::Header { field: "e_phentsize", value: size, why });
    }
    let end = first.saturating_add(count * size);
    if end > found {
        return Err(short(end));
    }
    let entry = number(bytes, ENTRY, 8);
    let (mut segments, mut start) = (Vec::new(), entry);
    for header in (0..count).map(|i| (first + i * size) as usize) {
        let field = |at: usize| number(bytes, header + at, 8);
        let (offset, virt, phys) = (field(8), field(16), field(24));
        let (in_file, length) = (field(32), field(40));
        if number(bytes, header, 4) != LOAD || length == 0 {
            continue;
        }
        if in_file > length {
            let why = "more than the segment has in memory";
            return Err(LoadError::Header { field: "p_filesz", value: in_file, why });
        }
        let last = offset.saturating_add(in_file);
        if last > found {
            return Err(short(last));
        }
        if entry >= virt && entry - virt < length {
            start = phys.saturating_add(entry - virt);
        }
        let file = offset as usize..last as usize;
        segments.push(Segment { at: Gpa::new(phys), file, length });
    }
    if segments.is_empty() {
        let why = "nothing in the file is to be loaded: not a program";
        return Err(LoadError::Header { field: "e_phnum", value: count, why });
    }
    Ok((segments, Gpa::new(start)))
}

fn architecture(bytes: &[u8]) -> Result<(), LoadError> {
    let machine = number(bytes, MACHINE, 2) as u16;
    // In a big-endian file the halves are swapped; what it is for does not matter then.
    let found = if bytes[DATA] != LITTLE_ENDIAN {
        "a big-endian ELF file".to_string()
    } else if machine != RISCV {
        match MACHINES.iter().find(|&&(number, _)| number == machine) {
            Some((_, name)) => format!("an ELF file for {name}"),
            None => format!("an ELF file for processor number {machine}"),
        }
    } else if bytes[CLASS] != CLASS_64 {
        "an ELF file for 32-bit RISC-V".to_string()
    } else {
        return Ok(());
    };
    Err(LoadError::Architecture { found })
}

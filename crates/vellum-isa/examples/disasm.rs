//! Disassembles a program: the executable sections of a 64-bit RISC-V ELF file, else the whole file
//! as bare instructions.
//!
//! `cargo run -p vellum-isa --example disasm -- FILE [ADDRESS]`; with `--plain` before FILE, no
//! pseudo-instructions. ADDRESS (hexadecimal) is that of the first byte of a bare file.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use vellum_isa::decode;

/// Bytes and the address of the first.
type Section<'a> = (u64, &'a [u8]);

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let plain = args.first().is_some_and(|first| first == "--plain");
    if plain {
        args.remove(0);
    }
    let Some(path) = args.first() else {
        eprintln!("usage: disasm [--plain] FILE [ADDRESS]");
        return ExitCode::FAILURE;
    };
    match run(path, args.get(1).map(String::as_str), plain) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn run(path: &str, address: Option<&str>, plain: bool) -> Result<(), Box<dyn Error>> {
    let file = std::fs::read(path)?;
    let address = u64::from_str_radix(address.unwrap_or("0").trim_start_matches("0x"), 16)?;
    let sections = match file.starts_with(b"\x7fELF") {
        true => executable_sections(&file).ok_or("not a whole 64-bit little-endian RISC-V ELF")?,
        false => vec![(address, &file[..])],
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    for section in sections {
        print(section, plain, &mut out)?;
    }
    Ok(out.flush()?)
}

fn print((start, bytes): Section<'_>, plain: bool, out: &mut impl Write) -> io::Result<()> {
    let mut at = 0;
    while let Some(&[low, high]) = bytes.get(at..at + 2) {
        let next = bytes.get(at + 2..at + 4).unwrap_or(&[0, 0]);
        let insn = decode(u32::from_le_bytes([low, high, next[0], next[1]]));
        let pc = start.wrapping_add(at as u64);
        let raw = bytes[at..].iter().take(usize::from(insn.len)).rev();
        write!(out, "{pc:>8x}: ")?;
        for byte in raw {
            write!(out, "{byte:02x}")?;
        }
        let pad = if insn.len == 2 { "    " } else { "" };
        match plain {
            true => writeln!(out, "{pad}  {:#}", insn.at(pc))?,
            false => writeln!(out, "{pad}  {}", insn.at(pc))?,
        }
        at += usize::from(insn.len);
    }
    Ok(())
}

/// The sections that hold code (`SHF_EXECINSTR` of a `SHT_PROGBITS`), by the section headers.
fn executable_sections(file: &[u8]) -> Option<Vec<Section<'_>>> {
    const MACHINE_RISCV: u64 = 243;
    let number = |at: usize, length: usize| {
        let bytes = file.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte)))
    };
    if file.get(4..6)? != [2, 1] || number(18, 2)? != MACHINE_RISCV {
        return None;
    }
    let (headers, size, count) = (number(40, 8)? as usize, number(58, 2)?, number(60, 2)?);
    // From here on no sum can overflow.
    file.get(headers..)?;
    let mut sections = Vec::new();
    for index in 0..count {
        let header = headers + (index * size) as usize;
        let (kind, flags) = (number(header + 4, 4)?, number(header + 8, 8)?);
        if kind == 1 && flags & 4 != 0 {
            let (address, start) = (number(header + 16, 8)?, number(header + 24, 8)? as usize);
            let end = start.checked_add(number(header + 32, 8)? as usize)?;
            sections.push((address, file.get(start..end)?));
        }
    }
    Some(sections)
}

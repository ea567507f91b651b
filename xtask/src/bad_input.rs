//! What `cargo xtask boot` says to files and options that can't be: each is refused before anything
//! runs, in one line that names what was given and what to do. A step of `cargo xtask ci`.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Options, with files of the folder by name, and what the answer must have in it.
const REFUSED: [(&[&str], &[&str]); 19] = [
    (&["--kernel", "x86.elf"], &["x86.elf", "an ELF file for x86-64", "use a riscv64 kernel"]),
    (&["--kernel", "x86.image"], &["an x86 Linux kernel", "use a riscv64 kernel"]),
    (&["--kernel", "arm64.image"], &["an arm64 Linux kernel", "use a riscv64 kernel"]),
    (&["--kernel", "cut.elf"], &["cut.elf", "is cut off: it needs", "fetch it again"]),
    (&["--kernel", "cut.image"], &["cut.image", "is cut off: it needs", "fetch it again"]),
    (&["--kernel", "empty"], &["the kernel file is empty"]),
    (&["--kernel", "nowhere"], &["nowhere", "No such file"]),
    (&["--initrd", "cut.cpio"], &["the initrd is damaged at byte", "cut off", "fetch it again"]),
    (&["--initrd", "empty"], &["the file is empty"]),
    (&["--initrd", "nowhere"], &["nowhere", "No such file"]),
    (&["--disk", "nowhere"], &["--disk nowhere", "there is no file"]),
    (&["--disk", "odd"], &["1000 bytes", "truncate -s 1024 odd"]),
    (&["--memory", "64K"], &["needs", "the machine has 64 KiB", "--memory"]),
    (&["--save", "nowhere/state"], &["--save nowhere/state", "can't be written"]),
    (&["--restore", "nowhere"], &["nowhere", "No such file"]),
    (&["--restore", "odd"], &["odd can't be restored", "not a saved state"]),
    (&["--restore", "cut.state"], &["cut.state can't be restored"]),
    (&["--harts", "0"], &["0 is not in 1..=8"]),
    (&["--script", "nowhere"], &["the script nowhere can't be read"]),
];

/// Tries them all; how many there were.
pub fn check() -> Result<usize> {
    let folder = tempfile::tempdir()?;
    files(folder.path())?;
    for (options, wanted) in REFUSED {
        let output = boot(folder.path(), options)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let shown = options.join(" ");
        ensure!(!output.status.success(), "boot {shown} was not refused");
        for words in wanted {
            ensure!(said.contains(words), "boot {shown} does not say `{words}`, but: {said}");
        }
        ensure!(!said.contains("panicked"), "boot {shown}: {said}");
    }
    Ok(REFUSED.len())
}

fn boot(folder: &Path, options: &[&str]) -> Result<std::process::Output> {
    Command::new(std::env::current_exe().context("where am I?")?)
        .args(["boot", "--report", "none"])
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("boot {}", options.join(" ")))
}

/// Makes the files that are named above.
fn files(folder: &Path) -> Result<()> {
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes);
    write("empty", b"")?;
    write("odd", &[1; 1000])?;
    write("x86.elf", &elf(62))?;
    let riscv = elf(243);
    write("cut.elf", &riscv[..riscv.len() - 8])?;
    write("x86.image", &with(&[(0x1fe, b"\x55\xaa"), (0x202, b"HdrS")]))?;
    write("arm64.image", &with(&[(0, b"MZ"), (56, b"ARM\x64")]))?;
    // An Image with a PE header whose one section ends behind the file.
    let image = with(&[
        (0, b"MZ"),
        (8, &0x20_0000u64.to_le_bytes()),
        (16, &0x10_0000u64.to_le_bytes()),
        (48, b"RISCV"),
        (56, b"RSC\x05"),
        (60, &[0x40]),
        (0x40, b"PE\0\0"),
        (0x46, &[1]),
        (0x68, &8192u32.to_le_bytes()),
        (0x6c, &512u32.to_le_bytes()),
    ]);
    write("cut.image", &image)?;
    write("cut.cpio", b"070701000000")?;
    let output = boot(folder, &["--exec", "true", "--save", "whole.state"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let state = fs::read(folder.join("whole.state"))?;
    write("cut.state", &state[..state.len() / 2])?;
    Ok(())
}

fn with(pieces: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    for (at, piece) in pieces {
        bytes[*at..*at + piece.len()].copy_from_slice(piece);
    }
    bytes
}

/// An ELF file for this machine number (ELF specification, `e_machine`), with one segment.
fn elf(machine: u16) -> Vec<u8> {
    let mut bytes = with(&[
        (0, b"\x7fELF\x02\x01\x01"),
        (18, &machine.to_le_bytes()),
        (24, &0x8020_0000u64.to_le_bytes()),
        (32, &64u64.to_le_bytes()),
        (54, &56u16.to_le_bytes()),
        (56, &1u16.to_le_bytes()),
        (64, &1u32.to_le_bytes()),
        (72, &120u64.to_le_bytes()),
        (80, &0x8020_0000u64.to_le_bytes()),
        (88, &0x8020_0000u64.to_le_bytes()),
        (96, &16u64.to_le_bytes()),
        (104, &64u64.to_le_bytes()),
    ]);
    bytes.truncate(136);
    bytes
}

//! QEMU, which runs a small program in M-mode: it makes each case's tables, tries the access as S- or
//! U-mode would (`mstatus.MPRV`; fetches by `mret`), and writes what came of it to the serial port.
//!
//! ```text
//! a case:    KIND SATP MSTATUS VA PLACE COUNT {ADDRESS VALUE}   words; KIND 3 ends the list
//! an answer: CAUSE LOADED STORED {VALUE}                        words; CAUSE -1: no exception
//! ```

use super::{Answers, Case, STORED};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use vellum_isa::asm::reg::*;
use vellum_isa::asm::{Asm, X};
use vellum_isa::csr;

const QEMU: &str = "qemu-system-riscv64";
const RAM: i64 = 0x8000_0000;
/// Where leaves lead: every word holds its own address.
const PAGES: std::ops::Range<i64> = RAM + 0x80_0000..RAM + 0x100_0000;
/// Where the cases are.
const CASES: i64 = RAM + 0x100_0000;
/// Cases of one run: they fit the memory.
const AT_ONCE: usize = 50_000;
/// The serial port and the way out of QEMU's machine `virt`.
const SERIAL: i64 = 0x1000_0000;
const POWER: i64 = 0x10_0000;
const OFF: i64 = 0x5555;
const PMPCFG0: u16 = 0x3a0;
const PMPADDR0: u16 = 0x3b0;
const MPRV: u64 = 1 << 17;
const EBREAK: u64 = 0x0010_0073;
const MRET: u32 = 0x3020_0073;
/// `mcause` of `ebreak`.
const BREAKPOINT: i64 = 3;
/// A kind that is no access.
const END: u64 = 3;

pub fn ask(cases: &[Case]) -> Result<Answers> {
    let Ok(version) = Command::new(QEMU).arg("--version").output() else {
        return Ok(Err(format!("{QEMU} is not installed")));
    };
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or("").to_owned();
    let folder = tempfile::tempdir()?;
    let mut answers = Vec::new();
    for cases in cases.chunks(AT_ONCE) {
        answers.extend(once(folder.path(), cases)?);
    }
    Ok(Ok((version, answers)))
}

fn once(folder: &Path, cases: &[Case]) -> Result<Vec<Vec<i128>>> {
    let [program, list, serial] = ["program", "cases", "serial"].map(|name| folder.join(name));
    fs::write(&program, assemble())?;
    let words = cases.iter().flat_map(record).chain([END]);
    fs::write(&list, words.flat_map(u64::to_le_bytes).collect::<Vec<_>>())?;
    let status = Command::new(QEMU)
        .args(["-M", "virt", "-m", "64M", "-display", "none", "-monitor", "none", "-no-reboot"])
        .arg("-bios")
        .arg(&program)
        .arg("-device")
        .arg(format!("loader,file={},addr={CASES:#x},force-raw=on", list.display()))
        .arg("-serial")
        .arg(format!("file:{}", serial.display()))
        .stdin(Stdio::null())
        .status()?;
    let bytes = fs::read(&serial).context("QEMU wrote no answers")?;
    ensure!(status.success(), "QEMU ended with {status} after {} bytes of answers", bytes.len());
    let mut words = bytes.as_chunks().0.iter().map(|&bytes| u64::from_le_bytes(bytes));
    let answer = |case: &Case| -> Vec<i128> {
        let mut answer: Vec<i128> =
            words.by_ref().take(3 + case.words.len()).map(i128::from).collect();
        if let Some(cause) = answer.first_mut().filter(|cause| **cause == i128::from(u64::MAX)) {
            *cause = -1;
        }
        answer
    };
    Ok(cases.iter().map(answer).collect())
}

/// A case as the program reads it.
fn record(case: &Case) -> Vec<u64> {
    let numbers: Vec<u64> = case
        .registers
        .split(' ')
        .skip(1)
        .filter_map(|number| u64::from_str_radix(number, 16).ok())
        .collect();
    let [kind, satp, user, sum, mxr, va] = numbers[..] else {
        unreachable!("a case of RISC-V has six numbers")
    };
    let by = if kind == 2 { 0 } else { MPRV };
    let mstatus = by | (1 - user) << 11 | sum << 18 | mxr << 19;
    let place = case.ours.unwrap_or(0);
    let mut words = vec![kind, satp, mstatus, va, place, case.words.len() as u64];
    words.extend(case.words.iter().flat_map(|&(at, word)| [at, word]));
    words
}

const CASE: X = S0;
const KIND: X = S1;
const STATUS: X = S2;
const VA: X = S3;
const PLACE: X = S4;
const COUNT: X = S5;
const WORDS: X = S6;
const CAUSE: X = S7;
const LOADED: X = S8;
const PORT: X = S9;

fn assemble() -> Vec<u8> {
    let mut asm = Asm::new();
    let [trap, fill, next, access, store, fetch, tried, emit, off] =
        core::array::from_fn(|_| asm.label());
    // Everything may be reached, and every exception comes here.
    asm.la(T0, trap).csrw(csr::MTVEC, T0);
    asm.li(T0, -1).csrw(PMPADDR0, T0).li(T0, 0x1f).csrw(PMPCFG0, T0);
    asm.li(T0, PAGES.start).li(T1, PAGES.end);
    asm.bind(fill).sd(T0, 0, T0).addi(T0, T0, 8).bltu(T0, T1, fill);
    asm.li(CASE, CASES).li(PORT, SERIAL);

    asm.bind(next).ld(KIND, 0, CASE).li(T0, END as i64).beq(KIND, T0, off);
    asm.ld(T0, 8, CASE).ld(STATUS, 16, CASE).ld(VA, 24, CASE).ld(PLACE, 32, CASE);
    asm.ld(COUNT, 40, CASE).addi(WORDS, CASE, 48).csrw(csr::SATP, T0);
    each_word(&mut asm, |asm| {
        asm.ld(T2, 0, T0).ld(T3, 8, T0).sd(T3, 0, T2);
    });
    asm.sfence_vma(ZERO, ZERO).li(CAUSE, -1).li(LOADED, 0);
    asm.li(T0, 1).beq(KIND, T0, store).bltu(T0, KIND, fetch);
    asm.bind(access).csrw(csr::MSTATUS, STATUS).ld(LOADED, 0, VA).j(tried);
    asm.bind(store).li(T1, STORED as i64);
    asm.csrw(csr::MSTATUS, STATUS).sd(T1, 0, VA).j(tried);
    let nowhere = asm.label();
    asm.bind(fetch).beqz(PLACE, nowhere);
    asm.li(T0, (EBREAK << 32 | EBREAK) as i64).sd(T0, 0, PLACE).fence_i();
    asm.bind(nowhere).csrw(csr::MEPC, VA).csrw(csr::MSTATUS, STATUS).raw(&MRET.to_le_bytes());

    let fault = asm.label();
    asm.bind(trap).csrr(CAUSE, csr::MCAUSE).li(T0, BREAKPOINT).bne(CAUSE, T0, fault);
    asm.li(CAUSE, -1);
    asm.bind(fault);
    asm.bind(tried).li(T0, MPRV as i64).csrc(csr::MSTATUS, T0);
    asm.csrw(csr::SATP, ZERO).sfence_vma(ZERO, ZERO);
    asm.mv(A0, CAUSE).call(emit).mv(A0, LOADED).call(emit);
    let (unmoved, restored) = (asm.label(), asm.label());
    asm.li(A0, 0).li(T0, 1).bne(KIND, T0, unmoved).beqz(PLACE, unmoved).ld(A0, 0, PLACE);
    asm.bind(unmoved).call(emit);
    each_word(&mut asm, |asm| {
        asm.ld(T2, 0, T0).ld(A0, 0, T2).call(emit).sd(T2, 0, T2);
    });
    asm.beqz(KIND, restored).beqz(PLACE, restored).sd(PLACE, 0, PLACE);
    asm.bind(restored).slli(T0, COUNT, 4).add(CASE, WORDS, T0).j(next);

    // A0, byte by byte, lowest first; T4 to T6 are this routine's.
    let (byte, wait) = (asm.label(), asm.label());
    asm.bind(emit).li(T4, 8);
    asm.bind(byte);
    asm.bind(wait).lbu(T5, 5, PORT).andi(T5, T5, 0x20).beqz(T5, wait);
    asm.sb(A0, 0, PORT).srli(A0, A0, 8).addi(T4, T4, -1).bnez(T4, byte).ret();

    let end = asm.label();
    asm.bind(off).li(T0, POWER).li(T1, OFF).sw(T1, 0, T0);
    asm.bind(end).j(end);
    asm.bytes().expect("the program fits the reach of its branches")
}

/// `body` for each of the case's words, whose place and value T0 points at; T1 counts.
fn each_word(asm: &mut Asm, body: impl FnOnce(&mut Asm)) {
    let (again, done) = (asm.label(), asm.label());
    asm.mv(T0, WORDS).mv(T1, COUNT);
    asm.bind(again).beqz(T1, done);
    body(asm);
    asm.addi(T0, T0, 16).addi(T1, T1, -1).j(again);
    asm.bind(done);
}

//! The program on our processor: a flat memory, and the little that Linux does for it.

use super::program::{BASE, ENTRY, EXIT, PAGE, Program, WRITE};
use anyhow::{Result, bail};
use vellum::translate::Gpa;
use vellum::{Builder, VmMemory};
use vellum_hart::{CodeCache, Exit, Hart};
use vellum_isa::{Insn, Op, csr};

/// Far more instructions than any program has.
const BUDGET: u64 = 1 << 32;

/// The pages as the program leaves them.
pub fn run(program: &Program) -> Result<Vec<u8>> {
    let bytes = (PAGE + program.bytes.len()).next_multiple_of(PAGE) as u64;
    let mut memory = Builder::new(Gpa::new(BASE), bytes).build()?;
    memory.write(Gpa::new(ENTRY), &program.bytes)?;
    let mut hart = Hart::new(0);
    hart.pc = ENTRY;
    hart.float.enabled = true;
    let mut code = CodeCache::default();
    let mut out = Vec::new();
    loop {
        match hart.run(&mut code, &mut memory, BUDGET - hart.instret.min(BUDGET)) {
            Exit::Privileged(insn) => float_csr(&mut hart, insn)?,
            Exit::Ecall if hart.x(17) == EXIT && hart.x(10) == 0 => return Ok(out),
            Exit::Ecall if hart.x(17) == WRITE => write(&mut hart, &mut memory, program, &mut out)?,
            other => bail!("stopped at {:#x}: {other:?}", hart.pc),
        }
    }
}

/// `write`: all of it, at once.
fn write(
    hart: &mut Hart,
    memory: &mut VmMemory,
    program: &Program,
    out: &mut Vec<u8>,
) -> Result<()> {
    let (from, length) = (hart.x(11), hart.x(12));
    if (from, length) != (program.pages, program.pages_length()) {
        bail!("write of {length} bytes at {from:#x}");
    }
    out.resize(length as usize, 0);
    memory.read(Gpa::new(from), out)?;
    hart.set_x(10, length);
    hart.retire(ecall());
    Ok(())
}

fn ecall() -> Insn {
    vellum_isa::decode(0x73)
}

/// The CSRs of floating point, which the monitor does for a guest.
fn float_csr(hart: &mut Hart, insn: Insn) -> Result<()> {
    let (shift, mask) = match insn.imm as u16 {
        csr::FFLAGS => (0, 0x1f),
        csr::FRM => (5, 0x7),
        csr::FCSR => (0, 0xff),
        other => bail!("{insn} at {:#x}: no CSR {other:#x} here", hart.pc),
    };
    let old = u64::from(hart.float.fcsr >> shift & mask);
    let operand = match insn.op {
        Op::Csrrw | Op::Csrrs | Op::Csrrc => hart.x(insn.rs1),
        _ => insn.rs1.into(),
    };
    let new = match insn.op {
        Op::Csrrw | Op::Csrrwi => operand,
        Op::Csrrs | Op::Csrrsi => old | operand,
        Op::Csrrc | Op::Csrrci => old & !operand,
        other => bail!("{other:?} at {:#x}", hart.pc),
    };
    hart.float.fcsr = hart.float.fcsr & !(mask << shift) | (new as u8 & mask) << shift;
    hart.set_x(insn.rd, old);
    hart.retire(insn);
    Ok(())
}

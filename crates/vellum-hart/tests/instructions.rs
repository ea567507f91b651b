//! What each group of instructions does, row by row from the specification.

mod bench;

use bench::{BASE, Bench, DATA, finish};
use vellum_hart::Exit;
use vellum_isa::asm::{Asm, Order, reg::*};
use vellum_isa::{Insn, Op, decode};

/// The bottom of the integers, and of the words.
const MIN: u64 = 1 << 63;
const MIN_W: u64 = 0xffff_ffff_8000_0000;

/// Instructions of two registers, each with operands and the result that the specification gives.
fn registers(rows: &[(Op, u64, u64, u64)]) {
    for &(op, a, b, expected) in rows {
        let mut asm = Asm::new();
        asm.li(A1, a as i64).li(A2, b as i64);
        let unary = op.banks().rs2 == vellum_isa::Bank::None;
        let rs2 = if unary { 0 } else { 12 };
        asm.emit(Insn { op, rd: 10, rs1: 11, rs2, ..decode(0x33) });
        let bench = finish(&mut asm);
        assert_eq!(bench.hart.x(10), expected, "{} {a:#x}, {b:#x}", op.mnemonic());
    }
}

/// Instructions of a register and an immediate.
fn immediates(rows: &[(Op, u64, i32, u64)]) {
    for &(op, a, imm, expected) in rows {
        let mut asm = Asm::new();
        asm.li(A1, a as i64).emit(Insn { op, rd: 10, rs1: 11, imm, ..decode(0x13) });
        let bench = finish(&mut asm);
        assert_eq!(bench.hart.x(10), expected, "{} {a:#x}, {imm}", op.mnemonic());
    }
}

#[test]
fn integers() {
    registers(&[
        (Op::Add, u64::MAX, 2, 1),
        (Op::Sub, 0, 1, u64::MAX),
        (Op::Sll, 1, 64 + 63, MIN),
        (Op::Srl, MIN, 63, 1),
        (Op::Sra, MIN, 63, u64::MAX),
        (Op::Slt, u64::MAX, 0, 1),
        (Op::Sltu, u64::MAX, 0, 0),
        (Op::Addw, 0x7fff_ffff, 1, MIN_W),
        (Op::Subw, 0, 1 << 31, MIN_W),
        (Op::Sllw, 1, 32 + 31, MIN_W),
        (Op::Srlw, 0xf_8000_0000, 31, 1),
        (Op::Sraw, 0x8000_0000, 31, u64::MAX),
    ]);
    immediates(&[
        (Op::Addi, 0, -2048, -2048_i64 as u64),
        (Op::Slti, MIN, -1, 1),
        (Op::Sltiu, 5, -1, 1),
        (Op::Xori, 5, -1, !5),
        (Op::Slli, 1, 63, MIN),
        (Op::Srai, MIN, 63, u64::MAX),
        (Op::Addiw, 0x7fff_ffff, 1, MIN_W),
        (Op::Slliw, 1, 31, MIN_W),
        (Op::Srliw, u64::MAX, 31, 1),
        (Op::Sraiw, 0x8000_0000, 4, 0xffff_ffff_f800_0000),
    ]);
}

/// Division by zero and the one quotient that does not fit have results, not traps.
#[test]
fn multiplication_and_division() {
    registers(&[
        (Op::Mul, 1 << 40, 1 << 40, 0),
        (Op::Mulh, u64::MAX, u64::MAX, 0),
        (Op::Mulhu, u64::MAX, u64::MAX, u64::MAX - 1),
        (Op::Mulhsu, u64::MAX, u64::MAX, u64::MAX),
        (Op::Div, 7, 0, u64::MAX),
        (Op::Div, MIN, u64::MAX, MIN),
        (Op::Div, -7_i64 as u64, 2, -3_i64 as u64),
        (Op::Rem, 7, 0, 7),
        (Op::Rem, MIN, u64::MAX, 0),
        (Op::Rem, -7_i64 as u64, 2, u64::MAX),
        (Op::Divu, 7, 0, u64::MAX),
        (Op::Remu, 7, 0, 7),
        (Op::Mulw, 1 << 16, 1 << 15, MIN_W),
        (Op::Divw, MIN_W, u64::MAX, MIN_W),
        (Op::Divw, 7, 1 << 32, u64::MAX),
        (Op::Divuw, 1 << 31, 1, MIN_W),
        (Op::Remw, MIN_W, u64::MAX, 0),
        (Op::Remuw, 0x8000_0000, 1 << 32, MIN_W),
    ]);
}

#[test]
fn bit_manipulation() {
    registers(&[
        (Op::AddUw, 0xffff_ffff_0000_0001, 2, 3),
        (Op::Sh3addUw, 0xffff_ffff_0000_0001, 2, 10),
        (Op::Sh1add, MIN, 1, 1),
        (Op::Andn, 0b1100, 0b1010, 0b0100),
        (Op::Orn, 0, u64::MAX - 1, 1),
        (Op::Xnor, 5, 5, u64::MAX),
        (Op::Clz, 0, 0, 64),
        (Op::Clzw, 1 << 32, 0, 32),
        (Op::Ctz, 0, 0, 64),
        (Op::Ctzw, 1 << 33, 0, 32),
        (Op::Cpopw, u64::MAX, 0, 32),
        (Op::Max, u64::MAX, 0, 0),
        (Op::Maxu, u64::MAX, 0, u64::MAX),
        (Op::SextB, 0x80, 0, -128_i64 as u64),
        (Op::ZextH, 0x1_ffff, 0, 0xffff),
        (Op::Rol, MIN, 1, 1),
        (Op::Rolw, 0x8000_0000, 1, 1),
        (Op::Rorw, 1, 1, MIN_W),
        (Op::OrcB, 0x0100_8000_0000_0010, 0, 0xff00_ff00_0000_00ff),
        (Op::Rev8, 0x0102_0304_0506_0708, 0, 0x0807_0605_0403_0201),
        (Op::Bclr, u64::MAX, 64, u64::MAX - 1),
        (Op::Bext, MIN, 63, 1),
        (Op::Binv, 0, 63, MIN),
        (Op::Bset, 0, 64 + 2, 4),
    ]);
    immediates(&[
        (Op::SlliUw, u64::MAX, 4, 0xf_ffff_fff0),
        (Op::Rori, 1, 1, MIN),
        (Op::Roriw, 1, 1, MIN_W),
        (Op::Bclri, u64::MAX, 63, i64::MAX as u64),
        (Op::Bexti, 2, 1, 1),
        (Op::Bseti, 0, 63, MIN),
    ]);
}

/// Extension by type, little endian, at any alignment and over a page's end.
#[test]
fn loads_and_stores() {
    for offset in [0, 1, 4093] {
        let mut asm = Asm::new();
        asm.li(S0, (DATA + offset) as i64).li(A0, 0x8182_8384_8586_8788_u64 as i64).sd(A0, 0, S0);
        asm.lb(A1, 0, S0).lbu(A2, 0, S0).lh(A3, 0, S0).lhu(A4, 0, S0);
        asm.lw(A5, 0, S0).lwu(A6, 0, S0).ld(A7, 0, S0);
        asm.flw(FA0, 0, S0).fld(FA1, 0, S0).fsw(FA1, 8, S0).sh(A0, 12, S0).sb(A0, 14, S0);
        asm.ld(T0, 8, S0);
        let bench = finish(&mut asm);
        let x = |r: u8| bench.hart.x(r);
        assert_eq!((x(11), x(12)), (0xffff_ffff_ffff_ff88, 0x88));
        assert_eq!((x(13), x(14)), (0xffff_ffff_ffff_8788, 0x8788));
        assert_eq!((x(15), x(16)), (0xffff_ffff_8586_8788, 0x8586_8788));
        assert_eq!(x(17), 0x8182_8384_8586_8788);
        // A single is boxed when it is loaded.
        assert_eq!(bench.hart.f(10), 0xffff_ffff_8586_8788);
        assert_eq!(bench.hart.f(11), 0x8182_8384_8586_8788);
        assert_eq!(x(5), 0x0088_8788_8586_8788);
    }
}

#[test]
fn atomics_return_what_was_there() {
    for (op, old, operand, new) in [
        (Op::AmoSwapD, 5, 7, 7),
        (Op::AmoAddD, u64::MAX, 1, 0),
        (Op::AmoMinD, 1, MIN, MIN),
        (Op::AmoMaxuD, 1, MIN, MIN),
        (Op::AmoXorD, 6, 3, 5),
        // Words leave the upper half alone, and come back sign-extended.
        (Op::AmoAddW, 0x1_7fff_ffff, 1, 0x1_8000_0000),
        (Op::AmoMinuW, 0x1_8000_0000, 5, 0x1_0000_0005),
        (Op::AmoMaxW, 0x1_8000_0000, 0, 0x1_0000_0000),
    ] {
        let mut asm = Asm::new();
        asm.li(S0, DATA as i64).li(A1, old as i64).sd(A1, 0, S0).li(A2, operand as i64);
        asm.emit(Insn { op, rd: 10, rs1: 8, rs2: 12, ..decode(0x33) });
        let bench = finish(&mut asm);
        let word = (Op::LrW..=Op::AmoMaxuW).contains(&op);
        let returned = if word { old as i32 as u64 } else { old };
        assert_eq!((bench.hart.x(10), bench.dword(DATA)), (returned, new), "{}", op.mnemonic());
    }
}

#[test]
fn a_store_conditional_needs_its_reservation() {
    let order = Order::AcquireRelease;
    let mut asm = Asm::new();
    asm.li(S0, DATA as i64).li(A1, 7);
    asm.sc_d(A2, A1, S0, order);
    asm.lr_d(A3, S0, order).sc_d(A4, A1, S0, order);
    asm.sc_d(A5, ZERO, S0, order);
    asm.addi(S1, S0, 8).lr_d(A6, S0, order).sc_d(A7, A1, S1, order);
    let bench = finish(&mut asm);
    let x = |r: u8| bench.hart.x(r);
    assert_eq!((x(12), x(13), x(14), x(15)), (1, 0, 0, 1), "none, held, held, used up");
    assert_eq!((x(16), x(17)), (7, 1), "held elsewhere");
    assert_eq!((bench.dword(DATA), bench.dword(DATA + 8)), (7, 0));
}

#[test]
fn jumps_link_and_branches_compare() {
    let mut asm = Asm::new();
    let (function, end) = (asm.label(), asm.label());
    asm.li(A0, 0).call(function).call(function).j(end);
    asm.bind(function).addi(A0, A0, 1).ret();
    // The lowest bit of a register's target is dropped.
    asm.bind(end).auipc(T0, 0).jalr(T1, 13, T0).addi(A0, A0, 100).addi(A0, A0, 10);
    for (op, a, b, taken) in [
        (Op::Beq, 1, 1, true),
        (Op::Bne, 1, 1, false),
        (Op::Blt, -1, 0, true),
        (Op::Bltu, -1, 0, false),
        (Op::Bge, 0, -1, true),
        (Op::Bgeu, 0, -1, false),
    ] {
        let mut one = Asm::new();
        let over = one.label();
        one.li(A1, a).li(A2, b).li(A0, 0);
        match op {
            Op::Beq => one.beq(A1, A2, over),
            Op::Bne => one.bne(A1, A2, over),
            Op::Blt => one.blt(A1, A2, over),
            Op::Bltu => one.bltu(A1, A2, over),
            Op::Bge => one.bge(A1, A2, over),
            _ => one.bgeu(A1, A2, over),
        };
        one.li(A0, 1).bind(over);
        assert_eq!(finish(&mut one).hart.x(10), u64::from(!taken), "{}", op.mnemonic());
    }
    assert_eq!(finish(&mut asm).hart.x(10), 12);
}

#[test]
fn floating_point_can_be_off_and_its_mode_reserved() {
    let mut asm = Asm::new();
    asm.fadd_d(FA0, FA1, FA2, None);
    let mut bench = Bench::new(&asm);
    bench.hart.float.enabled = false;
    assert!(matches!(bench.run(10), Exit::Illegal(_)), "off");
    bench.hart.float.enabled = true;
    bench.hart.float.fcsr = 5 << 5;
    assert!(matches!(bench.run(10), Exit::Illegal(_)), "the dynamic mode is none");
    assert_eq!((bench.hart.pc, bench.hart.instret), (BASE, 0));
    // 2⁵³ + 1, upwards.
    bench.hart.float.fcsr = 3 << 5;
    bench.hart.set_f(11, 2.0_f64.powi(53).to_bits());
    bench.hart.set_f(12, 1.0_f64.to_bits());
    assert_eq!(bench.run(1), Exit::Budget);
    assert_eq!(bench.hart.f(10), (2.0_f64.powi(53) + 2.0).to_bits());
    assert_eq!((bench.hart.float.fcsr, bench.hart.float.dirty), (3 << 5 | 1, true));
}

//! Constants, labels and mistakes.

use super::{Asm, Error, reg::*};
use crate::{Insn, Op, decode};
use proptest::prelude::*;
use std::string::ToString;
use std::vec::Vec;

/// The instructions of a program, in order.
fn listing(asm: &Asm) -> Vec<Insn> {
    let bytes = asm.bytes().expect("it assembles");
    let mut at = 0;
    let mut all = Vec::new();
    while at < bytes.len() {
        let mut word = [0; 4];
        let end = bytes.len().min(at + 4);
        word[..end - at].copy_from_slice(&bytes[at..end]);
        let insn = decode(u32::from_le_bytes(word));
        at += usize::from(insn.len);
        all.push(insn);
    }
    all
}

/// What straight-line code made of `lui`, `addi`, `addiw` and `slli` leaves in a register.
fn evaluate(code: &[Insn]) -> u64 {
    let mut x = [0_u64; 32];
    for insn in code {
        let (a, imm) = (x[usize::from(insn.rs1)], i64::from(insn.imm));
        x[usize::from(insn.rd)] = match insn.op {
            Op::Lui => imm as u64,
            Op::Addi => a.wrapping_add_signed(imm),
            Op::Addiw => a.wrapping_add_signed(imm) as i32 as u64,
            Op::Slli => a << imm,
            op => panic!("li made {op:?}"),
        };
    }
    x[10]
}

proptest! {
    #[test]
    fn li_loads_any_constant(value: i64, shift in 0..64_u32, near in -4..4_i64, short: bool) {
        for value in [value, value >> shift, (1_i64 << shift).wrapping_add(near)] {
            let mut asm = Asm::new();
            if short {
                asm.compressed();
            }
            asm.li(A0, value);
            let code = listing(&asm);
            prop_assert!(code.len() <= 8);
            prop_assert_eq!(evaluate(&code), value as u64);
        }
    }
}

#[test]
fn labels_reach_forwards_and_backwards() {
    let mut asm = Asm::new();
    let end = asm.label();
    let start = asm.bound();
    asm.beq(A0, A1, end).la(A2, end).la(A3, start).j(start).call(end);
    asm.bind(end).ret();
    assert_eq!(asm.offset(end), Some(28));
    let offsets: Vec<_> = listing(&asm).iter().map(|i| (i.op, i.imm)).collect();
    let expected = [
        (Op::Beq, 28),
        (Op::Auipc, 0),
        (Op::Addi, 24),
        (Op::Auipc, 0),
        (Op::Addi, -12),
        (Op::Jal, -20),
        (Op::Jal, 4),
        (Op::Jalr, 0),
    ];
    assert_eq!(offsets, expected);
}

#[test]
fn addresses_are_exact_across_the_sign_of_the_lower_half() {
    for gap in [2040_usize, 2048, 4096, 6148] {
        let mut asm = Asm::new();
        let far = asm.label();
        asm.la(A0, far).raw(&std::vec![0; gap]).bind(far);
        let code = listing(&asm);
        assert_eq!(code[0].imm + code[1].imm, 8 + gap as i32);
    }
}

#[test]
fn short_forms_are_taken_on_request() {
    let mut asm = Asm::new();
    asm.compressed().addi(A0, A0, 1).addi(A0, A1, 1).mv(A0, A0).ret();
    let lengths: Vec<_> = listing(&asm).iter().map(|i| i.len).collect();
    assert_eq!(lengths, [2, 4, 2, 2]);
}

#[test]
fn data_and_distances() {
    let mut asm = Asm::new();
    let (a, b) = (asm.label(), asm.label());
    asm.raw(&[1, 2, 3]).align(8).bind(a).distance(a, b).distance(b, a).bind(b).dword(7);
    let bytes = asm.bytes().expect("it assembles");
    let dword = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    assert_eq!((&bytes[..4], dword(8), dword(16), dword(24)), (&[1, 2, 3, 0][..], 16, -16, 7));
    assert_eq!(asm.words().expect("it assembles").len(), 8);
}

#[test]
fn the_first_mistake_is_reported() {
    let mut asm = Asm::new();
    asm.nop().addi(A0, A0, 5000).addi(A0, A0, 9000);
    let text = "at 0x4: addi: immediate 5000 is not a multiple of 1 in -2048..=2047";
    assert_eq!(asm.bytes().unwrap_err().to_string(), text);

    let mut asm = Asm::new();
    let never = asm.label();
    asm.nop().j(never);
    assert_eq!(asm.bytes(), Err(Error::Unbound { offset: 4, label: 0 }));

    let mut asm = Asm::new();
    let twice = asm.bound();
    asm.nop().bind(twice);
    assert_eq!(asm.bytes(), Err(Error::Rebound { offset: 4, label: 0 }));

    let mut asm = Asm::new();
    let far = asm.label();
    asm.beqz(A0, far).raw(&[0; 5000]).bind(far);
    let text = "at 0x0: beq: immediate 5004 is not a multiple of 2 in -4096..=4094";
    assert_eq!(asm.bytes().unwrap_err().to_string(), text);

    let stranger = far;
    assert_eq!(Asm::new().j(stranger).bytes(), Err(Error::Unbound { offset: 0, label: 0 }));
}

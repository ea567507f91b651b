//! A hart: its registers, and what the monitor does to it between runs.

use crate::run::Jump;
use vellum_isa::{Insn, Op};
use vellum_state::{Error, Reader, State, Writer};
use vellum_translate::tlb::Tlb;

/// The register that writes to `x0` go to.
pub const SINK: u8 = 32;
pub(crate) const JUMPS: usize = 4096;

/// A load-reserved's reservation. It ends with the next store-conditional, a trap, a return from
/// one, and when another hart runs: all of them points that do not depend on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) va: u64,
    pub(crate) size: u64,
    pub(crate) value: u64,
}

/// Floating-point registers and what goes with them.
#[derive(Debug, Clone)]
pub struct Float {
    pub(crate) regs: [u64; 32],
    /// `frm` and `fflags`, as `fcsr` holds them.
    pub fcsr: u8,
    /// Whether floating-point instructions may run (`sstatus.FS` is not Off).
    pub enabled: bool,
    /// A register or flag was written since the monitor cleared this.
    pub dirty: bool,
}

impl Float {
    #[inline]
    pub(crate) fn write(&mut self, register: u8, value: u64) {
        self.regs[usize::from(register & 31)] = value;
        self.dirty = true;
    }
}

/// An RV64GC hart without privileged state: that is the monitor's.
#[derive(Debug)]
pub struct Hart {
    /// Which hart it is.
    pub id: usize,
    /// `x0` to `x31`, then the sink; sized so that an index of 8 bits needs no check.
    pub(crate) regs: Box<[u64; 256]>,
    /// The program counter.
    pub pc: u64,
    /// Floating-point state.
    pub float: Float,
    /// Instructions retired.
    pub instret: u64,
    /// Loads and stores retired: TLB accesses.
    pub accesses: u64,
    /// Its TLB.
    pub tlb: Box<Tlb>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) jumps: Box<[Jump; JUMPS]>,
    /// Of the cache that the jumps are of; 0: of none.
    pub(crate) code_generation: u64,
}

impl Hart {
    /// A hart with all registers zero.
    pub fn new(id: usize) -> Self {
        Hart {
            id,
            regs: Box::new([0; 256]),
            pc: 0,
            float: Float { regs: [0; 32], fcsr: 0, enabled: false, dirty: false },
            instret: 0,
            accesses: 0,
            tlb: Tlb::new(),
            reservation: None,
            jumps: Box::new([Jump::NONE; JUMPS]),
            code_generation: 0,
        }
    }

    /// The value of `x0` to `x31`.
    ///
    /// # Panics
    /// When `register` is over 31, as below.
    #[inline]
    pub fn x(&self, register: u8) -> u64 {
        assert!(register < 32);
        self.regs[usize::from(register)]
    }

    /// Sets `x1` to `x31`; `x0` stays zero.
    #[inline]
    pub fn set_x(&mut self, register: u8, value: u64) {
        assert!(register < 32);
        if register != 0 {
            self.regs[usize::from(register)] = value;
        }
    }

    /// The raw bits of `f0` to `f31`.
    pub fn f(&self, register: u8) -> u64 {
        self.float.regs[usize::from(register)]
    }

    /// Sets the raw bits of `f0` to `f31`.
    pub fn set_f(&mut self, register: u8, value: u64) {
        self.float.regs[usize::from(register)] = value;
    }

    /// Ends a load-reserved's reservation: at a trap, a return from one, and when another hart runs.
    pub fn end_reservation(&mut self) {
        self.reservation = None;
    }

    /// Retires the instruction at `pc`, which the monitor has carried out.
    #[inline]
    pub fn retire(&mut self, insn: Insn) {
        self.pc = self.pc.wrapping_add(u64::from(insn.len));
        self.instret += 1;
    }

    /// Ends a load from a device: extends `value` as the instruction says, writes the register and
    /// retires.
    pub fn finish_load(&mut self, insn: Insn, value: u64) {
        let extended = match insn.op {
            Op::Lb => value as i8 as u64,
            Op::Lh => value as i16 as u64,
            Op::Lw => value as i32 as u64,
            Op::Lbu => u64::from(value as u8),
            Op::Lhu => u64::from(value as u16),
            Op::Lwu | Op::Flw => u64::from(value as u32),
            _ => value,
        };
        match insn.op {
            Op::Flw => self.float.write(insn.rd, extended | !0 << 32),
            Op::Fld => self.float.write(insn.rd, extended),
            _ => self.set_x(insn.rd, extended),
        }
        self.accesses += 1;
        self.retire(insn);
    }

    /// Ends a store to a device.
    pub fn finish_store(&mut self, insn: Insn) {
        self.accesses += 1;
        self.retire(insn);
    }
}

impl State for Hart {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"HART", 1, |w| {
            for &x in &self.regs[1..32] {
                w.u64(x);
            }
            for &f in &self.float.regs {
                w.u64(f);
            }
            w.u64(self.pc);
            w.u8(self.float.fcsr);
            w.bool(self.float.enabled);
            w.bool(self.float.dirty);
            w.u64(self.instret);
            w.u64(self.accesses);
            w.bool(self.reservation.is_some());
            if let Some(r) = self.reservation {
                w.u64(r.va);
                w.u64(r.size);
                w.u64(r.value);
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"HART", 1, |r| {
            for x in &mut self.regs[1..32] {
                *x = r.u64()?;
            }
            for f in &mut self.float.regs {
                *f = r.u64()?;
            }
            self.pc = r.u64()?;
            self.float.fcsr = r.u8()?;
            self.float.enabled = r.bool()?;
            self.float.dirty = r.bool()?;
            self.instret = r.u64()?;
            self.accesses = r.u64()?;
            self.reservation = None;
            if r.bool()? {
                let reservation = Reservation { va: r.u64()?, size: r.u64()?, value: r.u64()? };
                if reservation.size != 4 && reservation.size != 8 {
                    return Err(Error::Value {
                        field: "reservation.size",
                        value: reservation.size,
                        why: "neither 4 nor 8",
                    });
                }
                self.reservation = Some(reservation);
            }
            self.tlb.flush();
            self.jumps.fill(Jump::NONE);
            Ok(())
        })
    }
}

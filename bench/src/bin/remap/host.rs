//! Transfers on a machine's host table.

use crate::{COLD, MOVED, timed};
use anyhow::Result;
use vellum::frames::Held;
use vellum::remap::{Buffer, Data, Part, Policy, Run, Space, Transfers};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Environment, Gpa, Gva};
use vellum::{Builder, VmMemory};
use vellum_hart::{CodeCache, Exit, Hart, Memory};
use vellum_isa::asm::{Asm, reg::*};

const BASE: u64 = 0x8000_0000;
const PAGE: usize = 4096;
const PROGRAM: u64 = BASE + ((COLD - 1) * PAGE) as u64;

/// A machine whose memory is full, and what a device holds. In its last page, which no buffer reaches,
/// is a program that loads a word of each page of a buffer.
pub struct Host {
    vm: VmMemory,
    tlb: Box<Tlb>,
    hart: Hart,
    code: CodeCache,
    transfers: Transfers<Held>,
    next: usize,
}

/// Who looks at what was received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// A device, through the host table.
    Device,
    /// The guest, every page by a miss of its own, whatever the TLB has: the slow path alone.
    Miss,
    /// The guest: its program, on its processor.
    Hart,
}

impl Host {
    pub fn new() -> Result<Self> {
        let mut vm = Builder::new(Gpa::new(BASE), (COLD * PAGE) as u64).build()?;
        for page in 0..COLD {
            vm.write(Gpa::new(BASE + (page * PAGE) as u64), &page.to_le_bytes())?;
        }
        let mut tlb = Tlb::new();
        tlb.set_environment(Environment::SUPERVISOR);
        let mut asm = Asm::new();
        let again = asm.label();
        asm.bind(again).ld(A0, 0, A1).add(A1, A1, A3).bltu(A1, A2, again).ecall();
        vm.write(Gpa::new(PROGRAM), &asm.bytes()?)?;
        let (mut hart, code) = (Hart::new(0), CodeCache::default());
        hart.tlb.set_environment(Environment::SUPERVISOR);
        hart.set_x(13, PAGE as u64);
        let transfers = Transfers::new(Policy::default());
        Ok(Host { vm, tlb, hart, code, transfers, next: 0 })
    }

    /// A buffer that was not touched for long.
    fn buffer(&mut self, pages: usize) -> Buffer {
        self.next = (self.next + pages) % (COLD - pages);
        Buffer::new(BASE + (self.next * PAGE) as u64, (pages * PAGE) as u64)
    }

    /// Lent, published, read by the device at each page's first word, settled.
    pub fn send(&mut self, pages: usize) -> Result<f64> {
        timed((MOVED / pages).max(1), |_| {
            let list = [self.buffer(pages)];
            let token = self.transfers.send(&mut self.vm, &list)?;
            for part in self.transfers.data(token).into_iter().flat_map(Data::parts) {
                if let Part::Pages(run) = part {
                    touch(run);
                }
            }
            self.transfers.complete(&mut self.vm, token)?;
            Ok(())
        })
    }

    /// A device's frames delivered into posted buffers; the frames that come back are the ones that
    /// it delivers next.
    pub fn receive(&mut self, pages: usize, who: Touch) -> Result<f64> {
        let pool = std::sync::Arc::clone(self.vm.pool());
        let mut held = self.vm.zeros(pages);
        let first = self.buffer(pages).at / PAGE as u64;
        self.vm.exchange(first, &mut held)?;
        let time = timed((MOVED / pages).max(1), |_| {
            let list = [self.buffer(pages)];
            let frames = core::mem::replace(&mut held, Held::zeros(&pool, 0));
            let token = self.transfers.post(&self.vm, &list)?;
            let (_, mut back) = self.transfers.deliver_owned(&mut self.vm, token, frames)?;
            match who {
                Touch::Device => {
                    let mut touched = [0; 8];
                    let first = Gpa::new(list[0].at).gfn();
                    let vm = &self.vm;
                    vm.host()
                        .frames(first, pages, |frame| vm.pool().read(frame, 0, &mut touched))
                        .map_err(|page| anyhow::anyhow!("{page} is not there"))?;
                    std::hint::black_box(touched);
                }
                Touch::Hart => {
                    self.vm.catch_up(0, &mut self.hart.tlb);
                    self.hart.pc = PROGRAM;
                    self.hart.set_x(11, list[0].at);
                    self.hart.set_x(12, list[0].at + list[0].bytes);
                    let exit = self.hart.run(&mut self.code, &mut self.vm, u64::MAX);
                    anyhow::ensure!(exit == Exit::Ecall, "the guest's program left by {exit:?}");
                }
                Touch::Miss => {
                    self.vm.catch_up(0, &mut self.tlb);
                    for page in 0..pages as u64 {
                        let va = Gva::new(list[0].at + page * PAGE as u64);
                        std::hint::black_box(self.vm.load(0, &mut self.tlb, va, 8)?);
                    }
                }
            }
            held = back.pop().unwrap_or_else(|| Held::zeros(&pool, pages));
            Ok(())
        });
        self.vm.exchange(first, &mut held)?;
        time
    }
}

/// Each page's first word.
pub fn touch<R: Run>(run: &R) {
    let mut touched = [0; 8];
    (0..run.pages()).for_each(|page| run.read(page * PAGE, &mut touched));
    std::hint::black_box(touched);
}

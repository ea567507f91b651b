//! Transfers on a machine's host table.

use crate::{COLD, MOVED, timed};
use anyhow::Result;
use vellum::frames::Held;
use vellum::remap::{Buffer, Data, Part, Policy, Run, Space, Transfers};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Environment, Gpa, Gva};
use vellum::{Builder, VmMemory};
use vellum_hart::Memory;

const BASE: u64 = 0x8000_0000;
const PAGE: usize = 4096;

/// A machine whose memory is full, and what a device holds.
pub struct Host {
    vm: VmMemory,
    tlb: Box<Tlb>,
    transfers: Transfers<Held>,
    next: usize,
}

/// Who looks at what was received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// A device, through the host table.
    Device,
    /// The guest: a TLB miss a page.
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
        Ok(Host { vm, tlb, transfers: Transfers::new(Policy::default()), next: 0 })
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

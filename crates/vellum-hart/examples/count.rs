//! Runs a loop on a bare hart over a machine's memory and stops it at an exact instruction.

use std::sync::Arc;
use vellum_frames::{FramePool, Options};
use vellum_hart::{CodeCache, Exit, Hart, Memory, Stop, Stored};
use vellum_isa::asm::Asm;
use vellum_isa::asm::reg::A0;
use vellum_translate::tlb::{PageFlags, Tlb, Translation};
use vellum_translate::{Access, FrameId, Gfn, Gva, Rights};

/// Sixteen pages from address 0 on, all of them there, nothing guarded.
struct Flat(Arc<FramePool>);

impl Flat {
    fn frame(&self, tlb: &mut Tlb, va: Gva, access: Access) -> FrameId {
        let frame = FrameId::from_index(1 + (va.page() % 16) as u32);
        let host = self.0.pointer(frame).as_ptr().addr() as u64;
        let (gfn, flags) = (Gfn::new(va.page()), PageFlags::empty());
        tlb.fill(va, access, Translation { gfn, frame, host, rights: Rights::all(), flags });
        frame
    }
}

impl Memory for Flat {
    fn load(&mut self, _: usize, tlb: &mut Tlb, va: Gva, size: u64) -> Result<u64, Stop> {
        let frame = self.frame(tlb, va, Access::Load);
        Ok(self.0.load(frame, va.page_offset(), size as usize))
    }

    fn store(
        &mut self,
        _: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        v: u64,
    ) -> Result<Stored, Stop> {
        let frame = self.frame(tlb, va, Access::Store);
        self.0.store(frame, va.page_offset(), size as usize, v);
        Ok(Stored::Plain)
    }

    fn update(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        change: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<(u64, Stored), Stop> {
        let was = self.load(hart, tlb, va, size)?;
        if let Some(new) = change(was) {
            self.store(hart, tlb, va, size, new)?;
        }
        Ok((was, Stored::Plain))
    }

    fn probe(&mut self, _: usize, tlb: &mut Tlb, va: Gva, access: Access) -> Result<(), Stop> {
        self.frame(tlb, va, access);
        Ok(())
    }

    fn fetch(&mut self, _: usize, tlb: &mut Tlb, va: Gva) -> Result<FrameId, Stop> {
        Ok(self.frame(tlb, va, Access::Fetch))
    }

    fn parcel(&self, frame: FrameId, offset: usize) -> u16 {
        self.0.load(frame, offset, 2) as u16
    }

    fn content_version(&self, frame: FrameId) -> u32 {
        self.0.content_version(frame)
    }

    fn mark_code(&mut self, _: usize, _: &mut Tlb, _: FrameId, _: core::ops::Range<usize>) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = FramePool::new(Options::new(16))?;
    let pages = (0..16).map(|_| pool.allocate()).collect::<Result<Vec<_>, _>>()?;
    let mut asm = Asm::new();
    let again = asm.label();
    asm.bind(again).addi(A0, A0, 1).j(again);
    pool.write(pages[0], 0, &asm.bytes()?);

    let (mut hart, mut code, mut memory) = (Hart::new(0), CodeCache::default(), Flat(pool));
    for budget in [1, 10, 1_000_001] {
        let exit = hart.run(&mut code, &mut memory, budget);
        assert_eq!(exit, Exit::Budget);
        println!("{} instructions: a0 = {}, pc = {:#x}", hart.instret, hart.x(10), hart.pc);
    }
    Ok(())
}

//! Translations a second: random pages of 256 MiB mapped in pages of 4 KiB.

use crate::{arena, cpu, peers};
use anyhow::{Result, anyhow};
use page_table_generic as generic;
use page_table_multiarch::{MappingFlags, PageTable64};
use std::hint::black_box;
use vellum_bench::{Contestant, Series, interleave};
use vellum_frames::{FramePool, Options};
use vellum_translate::edit::{AddressSpace, Attributes, Format};
use vellum_translate::riscv;
use vellum_translate::riscv::{Extensions, Hgatp, Mode, Satp, Sv, TwoStage, walk_two_stage};
use vellum_translate::tlb::{PageFlags, Tlb, Translation};
use vellum_translate::x86::{self, LongMode, Paging};
use vellum_translate::{Access, Environment, FrameId, Gfn, Gva, Privilege, Rights};
use vm_memory::{GuestAddress, Iotlb, Permissions};
use x86_64::structures::paging::mapper::{Mapper, OffsetPageTable, Translate};
use x86_64::structures::paging::{Page, PageTable, PageTableFlags, PhysFrame, Size4KiB};

const PAGES: u64 = 1 << 16;
/// Translations in a round, for all but the slow ones.
const COUNT: usize = 1 << 22;
const VA: u64 = 1 << 30;
const TO: u64 = 1 << 33;

/// Addresses in random order: a permutation of all pages, by a full-period generator.
fn addresses(pages: u64) -> Vec<u64> {
    let mut at = 1;
    let mut next = || {
        at = (at * 1_664_525 + 1_013_904_223) % pages;
        VA + (at << 12 | at & 0xff8)
    };
    (0..1 << 16).map(|_| next()).collect()
}

/// Millions of translations a second of CPU time. Inlined with what it measures, so that whatever does
/// not depend on the address is worked out once, for every contestant.
#[inline(always)]
fn rate(count: usize, addresses: &[u64], mut one: impl FnMut(u64) -> u64) -> Result<f64> {
    let mut sum = 0_u64;
    let seconds = cpu(|| {
        for _ in 0..count / addresses.len() {
            for &va in addresses {
                sum = sum.wrapping_add(one(black_box(va)));
            }
        }
        Ok(())
    })?;
    black_box(sum);
    Ok(count as f64 / seconds / 1e6)
}

fn space<F: Format>(format: F) -> Result<Gfn> {
    let mut space = AddressSpace::new(format, arena::memory(), arena::Ours)?;
    let attributes = Attributes::user(Rights::READ | Rights::WRITE);
    let flush = space.map(Gva::new(VA), PAGES, Gfn::new(TO >> 12), attributes, 0)?;
    space.reclaim(flush.issue(|_| {}))?;
    Ok(space.root())
}

/// A second stage that maps the arena's tables and the pages to themselves.
fn second_stage() -> Result<Gfn> {
    let format = Sv::new(Mode::Sv39, Extensions::NONE).ok_or_else(|| anyhow!("no tables"))?;
    let mut space = AddressSpace::new(format, arena::memory(), arena::Ours)?;
    let attributes = Attributes::user(Rights::all());
    for (first, pages) in [(0, 4096), (TO >> 12, PAGES)] {
        let flush = space.map(Gva::new(first << 12), pages, Gfn::new(first), attributes, 0)?;
        space.reclaim(flush.issue(|_| {}))?;
    }
    Ok(space.root())
}

struct Walker {
    found: u64,
}

impl page_walker::walker::PageWalker<u64, ()> for Walker {
    fn read_pte(&self, at: u64) -> Result<u64, ()> {
        // SAFETY: tables hold addresses within the arena.
        Ok(unsafe { arena::pointer(at as usize).cast::<u64>().read() })
    }

    fn handle_pte(
        &mut self,
        kind: page_walker::walker::PteType,
        _: std::ops::Range<usize>,
        pte: &u64,
    ) -> Result<(), ()> {
        if kind.is_page() {
            self.found = *pte;
        }
        Ok(())
    }
}

pub fn run(rounds: u32) -> Result<Vec<(String, Series)>> {
    let all = addresses(PAGES);
    let memory = arena::memory();
    let user = Environment::USER;

    let sv39 = Sv::new(Mode::Sv39, Extensions::NONE).ok_or_else(|| anyhow!("no tables"))?;
    let satp = Satp { mode: Mode::Sv39, asid: 0, root: space(sv39)? };
    let walker = riscv::Walker::new(Extensions::NONE, satp, user, Access::Load);
    let ours_riscv = || {
        rate(COUNT, &all, move |va| match walker.walk(&memory, Gva::new(va), |_, _, _| {}) {
            Ok(leaf) => leaf.gfn.get(),
            Err(fault) => fault.cause(),
        })
    };
    let long_mode = LongMode(Paging::four_level(Gfn::new(0)));
    let paging = Paging { root: space(long_mode)?, ..long_mode.0 };
    let load = x86::Access::new(Access::Load, Privilege::User);
    let x86_walker = x86::Walker::new(paging, load);
    let ours_x86 = || {
        rate(COUNT, &all, move |va| match x86_walker.walk(&memory, Gva::new(va), |_, _, _| {}) {
            Ok(leaf) => leaf.gfn.get(),
            Err(fault) => u64::from(fault.vector()),
        })
    };
    let state = TwoStage {
        vsatp: satp,
        hgatp: Hgatp { mode: Mode::Sv39, vmid: 0, root: second_stage()? },
        environment: user,
        mxr: false,
        first: Extensions::NONE,
        second: Extensions::NONE,
    };
    let ours_nested = || {
        rate(COUNT / 4, &all, |va| {
            match walk_two_stage(&memory, &state, Gva::new(va), Access::Load, |_| {}) {
                Ok(leaf) => leaf.second.gfn.get(),
                Err(fault) => fault.cause(),
            }
        })
    };
    let pool = FramePool::new(Options::new(2))?;
    let mut tlb = Tlb::new();
    tlb.set_satp(satp);
    tlb.set_environment(user);
    for &va in &all {
        let to = Translation {
            gfn: Gfn::new(va >> 12),
            frame: FrameId::from_index(1),
            rights: Rights::READ,
            flags: PageFlags::empty(),
        };
        tlb.fill(Gva::new(va), Access::Load, to, &pool);
    }
    let hits: Vec<u64> =
        all.iter().copied().filter(|&va| tlb.load(Gva::new(va), 8).is_some()).collect();
    let ours_tlb = || rate(COUNT, &hits, |va| tlb.load(Gva::new(va), 8).unwrap_or(0));

    let root = arena::allocate_zeroed().ok_or_else(|| anyhow!("no frame"))?;
    // SAFETY: the root is a zeroed page of the arena that nobody else has.
    let table = unsafe { &mut *arena::pointer(root).cast::<PageTable>() };
    // SAFETY: physical addresses are offsets into the arena.
    let mut mapper = unsafe { OffsetPageTable::new(table, x86_64::VirtAddr::new(arena::base())) };
    for i in 0..PAGES {
        let page = Page::<Size4KiB>::containing_address(x86_64::VirtAddr::new(VA + (i << 12)));
        let to = PhysFrame::containing_address(x86_64::PhysAddr::new(TO + (i << 12)));
        let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
        // SAFETY: nothing is reached through these tables.
        let mapped = unsafe { mapper.map_to(page, to, flags, &mut peers::X86Frames) };
        mapped.map_err(|error| anyhow!("{error:?}"))?.ignore();
    }
    let theirs_x86_64 = || {
        rate(COUNT, &all, |va| {
            mapper.translate_addr(x86_64::VirtAddr::new(va)).map_or(0, x86_64::PhysAddr::as_u64)
        })
    };

    type Multiarch = PageTable64<
        peers::MultiarchMeta,
        page_table_entry::x86_64::X64PTE,
        peers::MultiarchHandler,
    >;
    let mut multiarch = Multiarch::try_new().map_err(|error| anyhow!("{error:?}"))?;
    let to = |va: memory_addr::VirtAddr| {
        memory_addr::PhysAddr::from(va.as_usize() - VA as usize + TO as usize)
    };
    let mapped =
        multiarch.cursor().map_region((VA as usize).into(), to, 1 << 28, MappingFlags::READ, false);
    mapped.map_err(|error| anyhow!("{error:?}"))?;
    let theirs_multiarch = || {
        rate(COUNT, &all, |va| {
            multiarch.query((va as usize).into()).map_or(0, |(at, ..)| at.as_usize() as u64)
        })
    };

    let generic_table = generic::PageTable::<peers::GenericMeta, _>::new(peers::GenericFrames);
    let mut generic_table = generic_table.map_err(|error| anyhow!("{error:?}"))?;
    let config = generic::MapConfig {
        vaddr: (VA as usize).into(),
        paddr: (TO as usize).into(),
        size: 1 << 28,
        pte: 3,
        allow_huge: false,
        flush: false,
    };
    generic_table.map(&config).map_err(|error| anyhow!("{error:?}"))?;
    let theirs_generic = || {
        rate(COUNT, &all, |va| {
            generic_table.translate_phys((va as usize).into()).map_or(0, |at| at.as_usize() as u64)
        })
    };

    let theirs_walker = || {
        rate(COUNT / 4, &all, |va| {
            let mut walker = Walker { found: 0 };
            let range = va as usize & !0xfff..(va as usize & !0xfff) + 0xfff;
            let _ = page_walker::arch::x86_64::PAGE_FORMAT_4K_L4.walk(
                paging.root.get() << 12,
                range,
                &mut walker,
            );
            walker.found
        })
    };

    let mut iotlb = Iotlb::new();
    for i in 0..PAGES {
        // Every other page goes elsewhere, or the mappings would merge into one.
        let to = GuestAddress(TO + ((i ^ 1) << 12));
        let from = GuestAddress(VA + (i << 12));
        iotlb.set_mapping(from, to, 4096, Permissions::ReadWrite).map_err(|e| anyhow!("{e}"))?;
    }
    let theirs_iotlb = || {
        rate(1 << 18, &all, |va| {
            match Iotlb::lookup(&iotlb, GuestAddress(va), 8, Permissions::Read) {
                Ok(mut found) => found.next().map_or(0, |range| range.base.0),
                Err(_) => 0,
            }
        })
    };
    let mut contestants: Vec<Contestant<'_>> = vec![
        ("vellum, Sv39 walk", Box::new(ours_riscv)),
        ("vellum, x86-64 walk", Box::new(ours_x86)),
        ("vellum, Sv39 over Sv39x4", Box::new(ours_nested)),
        ("vellum, TLB hit", Box::new(ours_tlb)),
        ("x86_64 0.15", Box::new(theirs_x86_64)),
        ("page_table_multiarch", Box::new(theirs_multiarch)),
        ("page-table-generic", Box::new(theirs_generic)),
        ("page-walker", Box::new(theirs_walker)),
        ("vm-memory Iotlb", Box::new(theirs_iotlb)),
    ];
    let names: Vec<String> = contestants.iter().map(|(name, _)| (*name).into()).collect();
    Ok(names.into_iter().zip(interleave(rounds, &mut contestants)?).collect())
}

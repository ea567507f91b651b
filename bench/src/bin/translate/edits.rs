//! Mapping and unmapping 1 GiB in pages of 4 KiB: nanoseconds of CPU time a page.

use crate::{arena, cpu, peers};
use aarch64_paging::descriptor::{El1Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, RootTable, VaRange};
use anyhow::{Result, anyhow};
use page_table_generic as generic;
use page_table_multiarch::{MappingFlags, PageTable64};
use std::cell::RefCell;
use std::rc::Rc;
use vellum_bench::{Series, interleave};
use vellum_translate::edit::{AddressSpace, Attributes, Format};
use vellum_translate::riscv::{Extensions, Mode, Sv};
use vellum_translate::x86::{LongMode, Paging};
use vellum_translate::{Gfn, Gva, Rights};
use x86_64::structures::paging::mapper::{MappedPageTable, Mapper, PageTableFrameMapping};
use x86_64::structures::paging::{Page, PageTable, PageTableFlags, PhysFrame, Size4KiB};

pub const PAGES: u64 = 1 << 18;
const VA: u64 = 1 << 30;
const TO: u64 = 1 << 32;

/// A figure for mapping and one for unmapping.
pub struct Row {
    pub name: String,
    pub map: Series,
    pub unmap: Series,
}

/// Runs `map` and then `unmap`, both timed.
fn timed<'a>(
    map: impl FnMut() -> Result<()> + 'a,
    unmap: impl FnMut() -> Result<()> + 'a,
) -> Both<'a> {
    (Box::new(map), Box::new(unmap))
}

type Both<'a> = (Box<dyn FnMut() -> Result<()> + 'a>, Box<dyn FnMut() -> Result<()> + 'a>);

/// What becomes of the pages that are unmapped.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// They are told, with their dirty bits.
    Told,
    /// They are not: what the peers do.
    Discarded,
}

fn ours<F: Format + 'static>(format: F, then: Then) -> Result<Both<'static>> {
    let space = AddressSpace::new(format, arena::memory(), arena::Ours)?;
    let space = Rc::new(RefCell::new(space));
    let other = space.clone();
    let attributes = Attributes::kernel(Rights::READ | Rights::WRITE);
    Ok(timed(
        move || {
            let mut space = space.borrow_mut();
            let flush = space.map(Gva::new(VA), PAGES, Gfn::new(TO >> 12), attributes, 0)?;
            let released = flush.issue(|_| {});
            space.reclaim(released)?;
            Ok(())
        },
        move || {
            let mut space = other.borrow_mut();
            let released = space.unmap(Gva::new(VA), PAGES)?.issue(|_| {});
            if then == Then::Discarded {
                assert!(space.discard(released)? > 512, "the tables come back");
                return Ok(());
            }
            let runs = space.reclaim(released)?;
            // The pages come back with it, and the tables are free again.
            assert_eq!(runs.iter().map(|run| run.pages).sum::<u64>(), PAGES);
            Ok(())
        },
    ))
}

struct Arena;

// SAFETY: the arena maps every physical address that its tables hold.
unsafe impl PageTableFrameMapping for Arena {
    fn frame_to_pointer(&self, frame: PhysFrame) -> *mut PageTable {
        arena::pointer(frame.start_address().as_u64() as usize).cast()
    }
}

fn x86_64() -> Result<Both<'static>> {
    let root = arena::allocate_zeroed().ok_or_else(|| anyhow!("no frame"))?;
    // SAFETY: the root is a zeroed page of the arena that nobody else has.
    let table = unsafe { &mut *arena::pointer(root).cast::<PageTable>() };
    // SAFETY: as above; the arena maps every frame.
    let mapper = Rc::new(RefCell::new(unsafe { MappedPageTable::new(table, Arena) }));
    let other = mapper.clone();
    let page = |i: u64| Page::<Size4KiB>::containing_address(x86_64::VirtAddr::new(VA + (i << 12)));
    Ok(timed(
        move || {
            let mut mapper = mapper.borrow_mut();
            for i in 0..PAGES {
                let to = PhysFrame::containing_address(x86_64::PhysAddr::new(TO + (i << 12)));
                let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
                // SAFETY: nothing is reached through these tables.
                let mapped = unsafe { mapper.map_to(page(i), to, flags, &mut peers::X86Frames) };
                mapped.map_err(|error| anyhow!("{error:?}"))?.ignore();
            }
            Ok(())
        },
        move || {
            let mut mapper = other.borrow_mut();
            for i in 0..PAGES {
                mapper.unmap(page(i)).map_err(|error| anyhow!("{error:?}"))?.1.ignore();
            }
            Ok(())
        },
    ))
}

type Multiarch =
    PageTable64<peers::MultiarchMeta, page_table_entry::x86_64::X64PTE, peers::MultiarchHandler>;

fn multiarch() -> Result<Both<'static>> {
    let table = Multiarch::try_new().map_err(|error| anyhow!("{error:?}"))?;
    let table = Rc::new(RefCell::new(table));
    let other = table.clone();
    Ok(timed(
        move || {
            let mut table = table.borrow_mut();
            let flags = MappingFlags::READ | MappingFlags::WRITE;
            let to = |va: memory_addr::VirtAddr| {
                memory_addr::PhysAddr::from(va.as_usize() - VA as usize + TO as usize)
            };
            let mapped = table.cursor().map_region((VA as usize).into(), to, 1 << 30, flags, false);
            mapped.map_err(|error| anyhow!("{error:?}"))
        },
        move || {
            let unmapped = other.borrow_mut().cursor().unmap_region((VA as usize).into(), 1 << 30);
            unmapped.map_err(|error| anyhow!("{error:?}"))
        },
    ))
}

fn page_table_generic() -> Result<Both<'static>> {
    let table = generic::PageTable::<peers::GenericMeta, _>::new(peers::GenericFrames);
    let table = Rc::new(RefCell::new(table.map_err(|error| anyhow!("{error:?}"))?));
    let other = table.clone();
    Ok(timed(
        move || {
            let config = generic::MapConfig {
                vaddr: (VA as usize).into(),
                paddr: (TO as usize).into(),
                size: 1 << 30,
                pte: 3,
                allow_huge: false,
                flush: false,
            };
            table.borrow_mut().map(&config).map_err(|error| anyhow!("{error:?}"))
        },
        move || {
            let mut table = other.borrow_mut();
            table.unmap((VA as usize).into(), 1 << 30).map_err(|error| anyhow!("{error:?}"))
        },
    ))
}

fn aarch64_paging() -> Both<'static> {
    let root = RootTable::with_va_range(peers::ArmArena, 1, El1And0, VaRange::Lower);
    let table = Rc::new(RefCell::new(root));
    let other = table.clone();
    let region = || MemoryRegion::new(VA as usize, (VA + (PAGES << 12)) as usize);
    let no_blocks = Constraints::NO_BLOCK_MAPPINGS;
    timed(
        move || {
            let flags = El1Attributes::VALID | El1Attributes::ACCESSED;
            let to = PhysicalAddress(TO as usize);
            let mapped = table.borrow_mut().map_range(&region(), to, flags, no_blocks);
            mapped.map_err(|error| anyhow!("{error:?}"))
        },
        move || {
            let (to, none) = (PhysicalAddress(0), El1Attributes::empty());
            let unmapped = other.borrow_mut().map_range(&region(), to, none, no_blocks);
            unmapped.map_err(|error| anyhow!("{error:?}"))
        },
    )
}

pub fn run(rounds: u32) -> Result<Vec<Row>> {
    let sv39 = Sv::new(Mode::Sv39, Extensions::NONE).ok_or_else(|| anyhow!("no tables"))?;
    let long_mode = LongMode(Paging::four_level(Gfn::new(0)));
    let mut contestants = [
        ("vellum, x86-64, pages told", ours(long_mode, Then::Told)?),
        ("vellum, x86-64, discarded", ours(long_mode, Then::Discarded)?),
        ("vellum, Sv39, pages told", ours(sv39, Then::Told)?),
        ("vellum, Sv39, discarded", ours(sv39, Then::Discarded)?),
        ("x86_64 0.15", x86_64()?),
        ("page_table_multiarch", multiarch()?),
        ("page-table-generic", page_table_generic()?),
        ("aarch64-paging", aarch64_paging()),
    ];
    let names: Vec<String> = contestants.iter().map(|(name, _)| (*name).into()).collect();
    let unmapped = RefCell::new(vec![Series::default(); names.len()]);
    let mut rounds_of: Vec<vellum_bench::Contestant<'_>> = contestants
        .iter_mut()
        .enumerate()
        .map(|(at, (name, (map, unmap)))| {
            let unmapped = &unmapped;
            let once = move || {
                let mapping = cpu(&mut *map)? / PAGES as f64 * 1e9;
                unmapped.borrow_mut()[at].add(cpu(&mut *unmap)? / PAGES as f64 * 1e9);
                Ok(mapping)
            };
            (*name, Box::new(once) as _)
        })
        .collect();
    let mapped = interleave(rounds, &mut rounds_of)?;
    drop(rounds_of);
    let rows = names.into_iter().zip(mapped).zip(unmapped.into_inner());
    Ok(rows.map(|((name, map), unmap)| Row { name, map, unmap }).collect())
}

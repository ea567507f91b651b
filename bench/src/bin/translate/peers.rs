//! What the peers want to be told before they make x86-64 or AArch64 tables in the arena.

use crate::arena;
use aarch64_paging::descriptor::{PagingAttributes, PhysicalAddress};
use aarch64_paging::paging::{PageTable as ArmTable, Translation};
use page_table_generic as generic;
use page_table_multiarch as multiarch;
use std::ptr::NonNull;
use x86_64::structures::paging::{FrameAllocator, PhysFrame, Size4KiB};

/// For `x86_64`.
pub struct X86Frames;

// SAFETY: every frame of the arena is given out once.
unsafe impl FrameAllocator<Size4KiB> for X86Frames {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        let frame = arena::allocate()? as u64;
        PhysFrame::from_start_address(x86_64::PhysAddr::new(frame)).ok()
    }
}

/// For `page_table_multiarch`: four levels, and no TLB of a processor that we are not on.
pub struct MultiarchMeta;

impl multiarch::PagingMetaData for MultiarchMeta {
    const LEVELS: usize = 4;
    const PA_MAX_BITS: usize = 52;
    const VA_MAX_BITS: usize = 48;
    type VirtAddr = memory_addr::VirtAddr;

    fn flush_tlb(_: Option<memory_addr::VirtAddr>) {}
}

/// For `page_table_multiarch`: the arena.
pub struct MultiarchHandler;

impl multiarch::PagingHandler for MultiarchHandler {
    fn alloc_frames(num: usize, _: usize) -> Option<memory_addr::PhysAddr> {
        (num == 1).then(arena::allocate).flatten().map(memory_addr::PhysAddr::from)
    }

    fn dealloc_frames(at: memory_addr::PhysAddr, _: usize) {
        arena::free(at.into());
    }

    fn phys_to_virt(at: memory_addr::PhysAddr) -> memory_addr::VirtAddr {
        memory_addr::VirtAddr::from_mut_ptr_of(arena::pointer(at.into()))
    }
}

/// For `page-table-generic`: an x86-64 entry.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct GenericEntry(u64);

const ADDRESS: u64 = ((1 << 52) - 1) & !0xfff;

impl generic::PageTableEntry for GenericEntry {
    type PteConfig = u64;

    fn new_page(at: generic::PhysAddr, config: u64, is_huge: bool) -> Self {
        GenericEntry(at.as_usize() as u64 | config | u64::from(is_huge) << 7)
    }

    fn new_table(at: generic::PhysAddr) -> Self {
        GenericEntry(at.as_usize() as u64 | 7)
    }

    fn paddr(&self, _: bool) -> generic::PhysAddr {
        generic::PhysAddr::from_usize((self.0 & ADDRESS) as usize)
    }

    fn config(&self, _: bool) -> u64 {
        self.0 & !ADDRESS
    }

    fn present(&self) -> bool {
        self.0 & 1 != 0
    }

    fn huge(&self, is_dir: bool) -> bool {
        is_dir && self.0 & 0x80 != 0
    }

    fn unused(&self) -> bool {
        self.0 == 0
    }

    fn clear(&mut self) {
        self.0 = 0;
    }
}

/// For `page-table-generic`: four levels.
#[derive(Debug, Clone, Copy)]
pub struct GenericMeta;

impl generic::TableMeta for GenericMeta {
    type P = GenericEntry;
    const PAGE_SIZE: usize = 4096;
    const LEVEL_BITS: &[usize] = &[9, 9, 9, 9];
    const MAX_BLOCK_LEVEL: usize = 3;

    fn flush(_: Option<generic::VirtAddr>) {}
}

/// For `page-table-generic`: the arena.
#[derive(Debug, Clone, Copy)]
pub struct GenericFrames;

impl generic::FrameAllocator for GenericFrames {
    fn alloc_frame(&self) -> Option<generic::PhysAddr> {
        arena::allocate_zeroed().map(generic::PhysAddr::from_usize)
    }

    fn dealloc_frame(&self, frame: generic::PhysAddr) {
        arena::free(frame.as_usize());
    }

    fn phys_to_virt(&self, at: generic::PhysAddr) -> *mut u8 {
        arena::pointer(at.as_usize())
    }
}

/// For `aarch64-paging`: the arena.
#[derive(Debug, Clone, Copy)]
pub struct ArmArena;

impl<A: PagingAttributes> Translation<A> for ArmArena {
    fn allocate_table(&mut self) -> (NonNull<ArmTable<A>>, PhysicalAddress) {
        let frame = arena::allocate_zeroed().expect("the arena is large enough");
        (self.physical_to_virtual(PhysicalAddress(frame)), PhysicalAddress(frame))
    }

    unsafe fn deallocate_table(&mut self, table: NonNull<ArmTable<A>>) {
        arena::free(table.as_ptr().addr() - arena::base() as usize);
    }

    fn physical_to_virtual(&self, at: PhysicalAddress) -> NonNull<ArmTable<A>> {
        NonNull::new(arena::pointer(at.0).cast()).expect("the arena is not at 0")
    }
}

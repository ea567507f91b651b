//! Memory for everybody's tables: one arena, whose offset is the physical address, and one
//! allocator of frames, so that no contestant pays for another's.

use std::cell::{Cell, RefCell};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use vellum_translate::edit::Frames;
use vellum_translate::{Gfn, Gpa, Words};

/// Pages of 4 KiB: tables for two mappings of 1 GiB, with room to spare.
const PAGES: usize = 4096;

static ARENA: OnceLock<&'static [AtomicU64]> = OnceLock::new();

fn words() -> &'static [AtomicU64] {
    ARENA.get_or_init(|| {
        #[repr(C, align(4096))]
        struct Page([AtomicU64; 512]);
        let pages: Vec<Page> =
            (0..PAGES).map(|_| Page([const { AtomicU64::new(0) }; 512])).collect();
        let first: &'static Page = &Vec::leak(pages)[0];
        // SAFETY: the leaked pages are contiguous, live for ever and hold nothing but atomics.
        unsafe { std::slice::from_raw_parts(first.0.as_ptr(), PAGES * 512) }
    })
}

/// The arena as our memory.
pub fn memory() -> Words<'static> {
    Words::new(Gpa::new(0), words())
}

/// Where physical address 0 is.
pub fn base() -> u64 {
    words().as_ptr().addr() as u64
}

/// A pointer to a physical address.
pub fn pointer(physical: usize) -> *mut u8 {
    assert!(physical < PAGES * 4096, "outside the arena");
    words().as_ptr().cast::<u8>().wrapping_add(physical).cast_mut()
}

thread_local! {
    static NEXT: Cell<usize> = const { Cell::new(1) };
    static FREED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A frame with any content.
pub fn allocate() -> Option<usize> {
    let freed = FREED.with_borrow_mut(Vec::pop);
    freed.or_else(|| {
        let next = NEXT.get();
        NEXT.set(next + 1);
        (next < PAGES).then_some(next << 12)
    })
}

/// A frame of zeros.
pub fn allocate_zeroed() -> Option<usize> {
    let frame = allocate()?;
    // SAFETY: the frame is a page of the arena, and nobody else's.
    unsafe { pointer(frame).write_bytes(0, 4096) };
    Some(frame)
}

/// Takes a frame back.
pub fn free(physical: usize) {
    FREED.with_borrow_mut(|freed| freed.push(physical));
}

/// Takes many back.
fn free_many(physical: impl Iterator<Item = usize>) {
    FREED.with_borrow_mut(|freed| freed.extend(physical));
}

/// The arena's frames, for us.
#[derive(Debug)]
pub struct Ours;

impl Frames for Ours {
    fn allocate(&mut self, frames: u64) -> Option<Gfn> {
        assert_eq!(frames, 1, "only tables of one page here");
        allocate().map(|frame| Gfn::new(frame as u64 >> 12))
    }

    fn free(&mut self, frame: Gfn) {
        free((frame.get() << 12) as usize);
    }

    fn free_many(&mut self, frames: &[Gfn]) {
        free_many(frames.iter().map(|frame| (frame.get() << 12) as usize));
    }
}

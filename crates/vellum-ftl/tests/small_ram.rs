//! The small layer on a chip of 1024 blocks in 4 KiB of RAM, by what it allocates, not by what it says.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use vellum_block::Rng;
use vellum_ftl::{Config, Lpn, Small};
use vellum_nand::{EraseBlock, Geometry, Model, ModelConfig, Nand, NandError, Ppa, ReadStatus};

thread_local! {
    /// Whether allocations are the layer's; its bytes now, and the most that they were.
    static OWN: Cell<bool> = const { Cell::new(false) };
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counted;

fn count(bytes: isize) {
    if OWN.try_with(Cell::get) == Ok(true) {
        let now = NOW.with(Cell::get) + bytes;
        NOW.with(|n| n.set(now));
        MOST.with(|m| m.set(m.get().max(now)));
    }
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

/// A chip whose own allocations do not count.
#[derive(Debug)]
struct Outside(Model);

fn outside<T>(call: impl FnOnce() -> T) -> T {
    let own = OWN.replace(false);
    let result = call();
    OWN.set(own);
    result
}

impl Nand for Outside {
    fn geometry(&self) -> &Geometry {
        self.0.geometry()
    }
    fn read(
        &mut self,
        p: Ppa,
        at: u32,
        d: &mut [u8],
        o: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        outside(|| self.0.read(p, at, d, o))
    }
    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        outside(|| self.0.program(ppa, data, oob))
    }
    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        outside(|| self.0.erase(block))
    }
    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        outside(|| self.0.is_marked_bad(block))
    }
    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        outside(|| self.0.mark_bad(block))
    }
}

#[test]
fn four_kibibytes_are_enough_for_a_chip_of_a_thousand_blocks() {
    let geometry = Geometry::slc_1gbit();
    let pages = (geometry.pages() * 80 / 100) as u32;
    let chip = Outside(Model::new(ModelConfig::perfect(geometry)).unwrap());
    let (mut rng, mut page, mut versions) =
        (Rng::new(1), vec![0; 2048], vec![0u32; pages as usize]);
    OWN.set(true);
    let mut small = Small::format(chip, Config::new(pages)).unwrap();
    let mut before = small.stats();
    for version in 1..=pages + 20_000 {
        if version == pages + 10_000 {
            before = small.stats();
        }
        let lpn = if version <= pages { version - 1 } else { rng.below(pages.into()) as u32 };
        page[..4].copy_from_slice(&version.to_le_bytes());
        small.write(Lpn(lpn), &page).unwrap();
        versions[lpn as usize] = version;
    }
    let now = small.stats();
    let moved = now.programs_collect + now.programs_meta + now.programs_pad;
    let moved = moved - before.programs_collect - before.programs_meta - before.programs_pad;
    let waf = 1.0 + moved as f64 / (now.host_writes - before.host_writes) as f64;
    let said = small.ram_bytes();
    let mut small = Small::mount(small.into_nand(), Config::new(pages)).unwrap();
    let mount_reads = small.stats().mount_reads;
    for (lpn, &version) in (0..).zip(&versions) {
        small.read(Lpn(lpn), &mut page).unwrap();
        assert_eq!(page[..4], version.to_le_bytes(), "page {lpn}");
    }
    let reads = small.stats().read_reads as f64 / f64::from(pages);
    OWN.set(false);
    // The struct itself is no allocation.
    let most = MOST.get() as usize + size_of::<Small<()>>();
    println!(
        "80 % of 1024 blocks: {most} bytes at most, said {said}; WAF {waf:.2}, \
         {reads:.1} page reads a host read, {mount_reads} a mount"
    );
    assert!(most <= 4096 && said <= most, "{most} bytes at most, {said} said");
    assert!(waf < 6.0 && reads < 11.0 && mount_reads < 1_400, "{waf} {reads} {mount_reads}");
}

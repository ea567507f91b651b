//! Page-aligned buffers reach the disk and come back without their bytes being copied.

use vellum_state::{from_bytes, state_hash, to_bytes};

use super::*;

const PAGE: u64 = 4096;
const HEADER: u64 = BUFFERS;
const STATUS: u64 = BUFFERS + 0x10;
const DATA: u64 = BUFFERS + 0x10000;
const BACK: u64 = BUFFERS + 0x30000;
const OUT: u32 = 1;
const IN: u32 = 0;

/// A request for these buffers; returns before the disk is done.
fn begin(g: &mut Guest, kind: u32, sector: u64, buffers: &[(u64, u32)]) {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend([0; 4]);
    bytes.extend(sector.to_le_bytes());
    g.poke(HEADER, &bytes);
    g.poke(STATUS, &[0xee]);
    let mut all = vec![(HEADER, 16, false)];
    all.extend(buffers.iter().map(|&(at, bytes)| (at, bytes, kind == IN)));
    all.push((STATUS, 1, true));
    g.chain(&all);
    g.offer(0);
    g.advance();
}

fn request(g: &mut Guest, kind: u32, sector: u64, buffers: &[(u64, u32)]) {
    begin(g, kind, sector, buffers);
    g.settle();
    assert!(g.used().is_some());
    assert_eq!(g.peek::<1>(STATUS), [0]);
}

fn moved(g: &Guest) -> (u64, u64) {
    let counters = g.slots.get(0).unwrap().transfers();
    (counters.remapped, counters.copied)
}

fn fill(g: &mut Guest, at: u64, pages: u64) {
    for page in 0..pages {
        let bytes: Vec<u8> = (0..PAGE).map(|byte| (byte + 3 * page) as u8).collect();
        g.poke(at + page * PAGE, &bytes);
    }
}

fn page(g: &mut Guest, at: u64) -> [u8; PAGE as usize] {
    g.peek(at)
}

#[test]
fn whole_pages_go_and_come_back_uncopied() {
    let mut g = Guest::with_disk();
    fill(&mut g, DATA, 4);
    request(&mut g, OUT, 8, &[(DATA, 8192), (DATA + 8192, 8192)]);
    assert_eq!(moved(&g), (4 * PAGE, 0));
    // The guest goes on writing: what is on the disk stays.
    let was: Vec<_> = (0..4).map(|n| page(&mut g, DATA + n * PAGE)).collect();
    g.poke(DATA + 5, b"later");
    request(&mut g, IN, 8, &[(BACK, 16384)]);
    assert_eq!(moved(&g), (8 * PAGE, 0), "and back");
    for (n, was) in (0..).zip(&was) {
        assert_eq!(&page(&mut g, BACK + n * PAGE), was, "page {n}");
    }
    // What was received is the guest's own, once it is written.
    g.poke(BACK, b"mine");
    request(&mut g, IN, 8, &[(DATA, 4096)]);
    assert_eq!(page(&mut g, DATA), was[0]);
}

#[test]
fn a_page_written_while_the_disk_is_at_it_is_what_was_sent() {
    let mut g = Guest::with_disk();
    fill(&mut g, DATA, 1);
    let was = page(&mut g, DATA);
    begin(&mut g, OUT, 0, &[(DATA, 4096)]);
    g.poke(DATA, &[9; 4096]);
    g.settle();
    assert!(g.used().is_some());
    request(&mut g, IN, 0, &[(BACK, 4096)]);
    assert_eq!((page(&mut g, BACK), page(&mut g, DATA)), (was, [9; 4096]));
    assert_eq!(moved(&g), (2 * PAGE, 0));
}

#[test]
fn what_is_no_whole_page_is_copied_and_only_that() {
    let mut g = Guest::with_disk();
    fill(&mut g, DATA, 4);
    // Half a page, two whole ones, half a page.
    request(&mut g, OUT, 0, &[(DATA + 2048, 2048 + 8192 + 2048)]);
    // They stand across the disk's own pages, which therefore hold bytes: lent, and copied there. They
    // come back copied.
    assert_eq!(moved(&g), (0, 12288));
    request(&mut g, IN, 0, &[(BACK + 2048, 12288)]);
    assert_eq!(moved(&g), (0, 2 * 12288));
    assert_eq!(page(&mut g, BACK + PAGE), page(&mut g, DATA + PAGE));
    let mut g = Guest::with(Block::new(Box::new(disk()), "copies").remapping_from(usize::MAX));
    let offered = g.offered();
    g.start(offered);
    fill(&mut g, DATA, 1);
    request(&mut g, OUT, 0, &[(DATA, 4096)]);
    assert_eq!(moved(&g), (0, 4096));
}

#[test]
fn a_driver_that_leaves_gets_its_pages_back() {
    let mut g = Guest::with_disk();
    fill(&mut g, DATA, 2);
    begin(&mut g, OUT, 0, &[(DATA, 8192)]);
    assert!(g.vm.is_lent(Gpa::new(DATA).gfn()));
    let offered = g.offered();
    g.start(offered);
    request(&mut g, OUT, 0, &[(DATA, 8192)]);
    assert!(!g.vm.is_lent(Gpa::new(DATA).gfn()) && !g.vm.host().is_pinned(Gpa::new(DATA).gfn()));
    let used = g.vm.pool().counters().used;
    let Guest { vm, slots, .. } = g;
    let pool = std::sync::Arc::clone(vm.pool());
    drop(vm);
    assert!(pool.counters().used < used);
    drop(slots);
    assert_eq!(pool.counters().used, 0);
}

/// What is in flight and what the disk holds is saved as bytes.
#[test]
fn held_pages_are_saved_as_what_they_hold() {
    let mut g = Guest::with_disk();
    fill(&mut g, DATA, 2);
    request(&mut g, OUT, 0, &[(DATA, 4096)]);
    begin(&mut g, OUT, 8, &[(DATA + PAGE, 4096)]);
    let mut other = Guest::with_disk();
    from_bytes(&mut other.slots, &to_bytes(&g.slots)).unwrap();
    from_bytes(&mut other.vm, &to_bytes(&g.vm)).unwrap();
    (other.now, other.avail, other.seen) = (g.now, g.avail, g.seen);
    assert_eq!(state_hash(&other.slots), state_hash(&g.slots));
    for g in [&mut g, &mut other] {
        g.settle();
        assert!(g.used().is_some());
        request(g, IN, 0, &[(BACK, 8192)]);
        assert_eq!(page(g, BACK), page(g, DATA));
        assert_eq!(page(g, BACK + PAGE), page(g, DATA + PAGE));
    }
    assert_eq!(state_hash(&other.slots), state_hash(&g.slots));
    assert_eq!(state_hash(&other.vm), state_hash(&g.vm));
}

/// A disk in a file, written where it stands.
fn in_a_file(pages: u64) -> (tempfile::NamedTempFile, Guest) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(pages * PAGE).unwrap();
    let disk = disk::in_file(file.path(), true).unwrap();
    let mut g = Guest::with(Block::new(Box::new(disk), "file"));
    let offered = g.offered();
    g.start(offered);
    (file, g)
}

#[test]
fn pages_go_to_a_file_and_come_from_it_uncopied() {
    let (file, mut g) = in_a_file(16);
    fill(&mut g, DATA, 4);
    let was: Vec<_> = (0..4).map(|n| page(&mut g, DATA + n * PAGE)).collect();
    // At any sector: where a page stands in a file is the same to it.
    request(&mut g, OUT, 3, &[(DATA + PAGE, PAGE as u32), (DATA, 3 * PAGE as u32)]);
    assert_eq!(moved(&g), (4 * PAGE, 0));
    let bytes = std::fs::read(file.path()).unwrap();
    let wanted = [&was[1], &was[0], &was[1], &was[2]].map(|page| &page[..]).concat();
    assert!(bytes[3 * 512..][..4 * PAGE as usize] == wanted[..]);
    let used = g.vm.pool().counters().used;
    request(&mut g, IN, 3, &[(BACK, 4 * PAGE as u32)]);
    assert_eq!(moved(&g), (8 * PAGE, 0), "and back");
    assert!(g.peek::<{ 4 * PAGE as usize }>(BACK)[..] == wanted[..]);
    assert_eq!(g.vm.pool().counters().used, used + 4, "the frames are the guest's, and no others");
    // Half a page, a whole one, half a page: the file takes all three, and the halves were copied.
    request(&mut g, OUT, 40, &[(DATA + 2048, 2 * PAGE as u32)]);
    assert_eq!(moved(&g), (9 * PAGE, PAGE));
    // What the guest writes into received pages is in them alone.
    g.poke(BACK, b"mine");
    request(&mut g, IN, 3, &[(BACK + 4 * PAGE, PAGE as u32)]);
    assert_eq!(page(&mut g, BACK + 4 * PAGE), was[1]);
    // A sector is no page.
    request(&mut g, IN, 3, &[(BACK, 512)]);
    assert_eq!(moved(&g), (10 * PAGE, PAGE + 512));
}

/// Where no frame is to spare, a disk reads into bytes, and the guest gets them all the same.
#[test]
fn without_a_frame_to_spare_what_is_read_is_copied() {
    let (file, mut g) = in_a_file(16);
    fill(&mut g, DATA, 1);
    request(&mut g, OUT, 0, &[(DATA, PAGE as u32)]);
    let was = page(&mut g, DATA);
    let pool = std::sync::Arc::clone(g.vm.pool());
    let spare: Vec<_> = std::iter::from_fn(|| pool.allocate().ok()).collect();
    request(&mut g, IN, 0, &[(DATA, PAGE as u32)]);
    assert_eq!((moved(&g), page(&mut g, DATA)), ((PAGE, PAGE), was));
    spare.into_iter().for_each(|frame| pool.release(frame));
    drop(file);
}

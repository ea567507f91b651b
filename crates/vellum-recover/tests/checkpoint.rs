//! Checkpoints come back as they were; damage is noticed; a power cut leaves the old or the new.

use proptest::prelude::*;
use std::sync::Arc;
use vellum_recover::checkpoint::{
    Captured, CheckpointError, Checkpoints, Compression, DirObjects, ImageId, Objects, Pages,
    Restored, Snapshot,
};
use vellum_recover::log::{CrashDisk, Storage};
use vellum_recover::{PAGE, Tracked};

const PAGES: u64 = 3000;

fn all(memory: &Tracked) -> Vec<std::ops::Range<u64>> {
    std::iter::once(0..memory.pages()).collect()
}

fn fill(memory: &mut Tracked, page: u64, value: u64) {
    let at = page as usize * PAGE;
    for (turn, word) in memory.bytes_mut()[at..at + PAGE].chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&(value * (turn as u64 / 16)).to_le_bytes());
    }
}

fn store(disk: &CrashDisk) -> (Arc<DirObjects>, Checkpoints) {
    let objects = Arc::new(DirObjects::in_storage(Arc::new(disk.clone())).unwrap());
    (objects.clone(), Checkpoints::new(objects, Compression::Lz4))
}

fn content(mut restored: Restored) -> Vec<u8> {
    let mut out = vec![0; restored.pages() as usize * PAGE];
    restored
        .read_all(|page, bytes| {
            let at = page as usize * PAGE;
            out[at..at + PAGE].copy_from_slice(bytes);
        })
        .unwrap();
    out
}

#[test]
fn a_chain_of_increments_restores_merges_and_leaves_no_garbage() {
    let disk = CrashDisk::new();
    let (objects, checkpoints) = store(&disk);
    let mut memory = Tracked::new(PAGES as usize * PAGE, None).unwrap();
    (0..500).for_each(|page| fill(&mut memory, page * 2, page % 50 + 1));
    memory.take_dirty().unwrap();
    let full = Captured::take(&memory, &all(&memory));
    let (_, size) = checkpoints.save("vm", &full, b"one", false).unwrap();
    // 50 different pages of some 1 KiB compressed, and 60 bytes for each of 3000.
    assert!(size < 260_000, "{size} bytes for 50 different pages");
    for turn in 0..5 {
        (0..30).for_each(|page| fill(&mut memory, page * 97 % PAGES, turn + 100));
        let dirty = memory.take_dirty().unwrap();
        let increment = Captured::take(&memory, &dirty);
        assert!(increment.len() <= 31, "only what was written");
        checkpoints.save("vm", &increment, b"later", true).unwrap();
    }
    let restored = checkpoints.restore("vm").unwrap();
    assert_eq!((restored.depth(), restored.state()), (6, &b"later"[..]));
    assert!(content(restored) == memory.bytes());
    assert_eq!(checkpoints.collect_garbage().unwrap(), 0);
    checkpoints.merge("vm", Compression::Lz4).unwrap();
    assert_eq!(checkpoints.collect_garbage().unwrap(), 6);
    let restored = checkpoints.restore("vm").unwrap();
    assert_eq!(restored.depth(), 1);
    assert!(content(restored) == memory.bytes());
    assert_eq!(objects.list("image-").unwrap().len(), 1);
}

/// A memory that can change its size: what is cut off is gone, what is added is zeros.
struct Sized(Vec<u8>);

impl Pages for Sized {
    fn pages(&self) -> u64 {
        (self.0.len() / PAGE) as u64
    }

    fn read_page(&self, page: u64, out: &mut [u8]) {
        out.copy_from_slice(&self.0[page as usize * PAGE..][..PAGE]);
    }

    fn take_dirty(&mut self) -> Result<Vec<std::ops::Range<u64>>, vellum_recover::Error> {
        Ok(Vec::new())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Steps of a new size and some pages to write, each an image: the chain is the last memory, read
    /// page by page, all at once, and merged.
    #[test]
    fn a_chain_of_memories_that_shrink_and_grow_is_the_last_of_them(
        steps in prop::collection::vec(
            (1_usize..14, prop::collection::btree_set(0_u64..14, 0..4)), 1..7),
    ) {
        let (_, checkpoints) = store(&CrashDisk::new());
        let mut memory = Sized(Vec::new());
        for (turn, (size, written)) in steps.into_iter().enumerate() {
            memory.0.resize(size * PAGE, 0);
            let written: Vec<_> = written.into_iter().filter(|page| *page < size as u64).collect();
            for page in &written {
                memory.0[*page as usize * PAGE..][..PAGE].fill(turn as u8 + 1);
            }
            let runs: Vec<_> = written.iter().map(|page| *page..page + 1).collect();
            let captured = Captured::take(&memory, &runs);
            checkpoints.save("m", &captured, b"", turn > 0).unwrap();
        }
        let mut restored = checkpoints.restore("m").unwrap();
        for page in 0..memory.pages() {
            let mut out = [9; PAGE];
            restored.read_page(page, &mut out).unwrap();
            prop_assert!(out[..] == memory.0[page as usize * PAGE..][..PAGE], "page {}", page);
        }
        prop_assert!(content(restored) == memory.0);
        checkpoints.merge("m", Compression::None).unwrap();
        prop_assert!(content(checkpoints.restore("m").unwrap()) == memory.0);
    }
}

#[test]
fn a_snapshot_is_the_memory_as_it_was_at_its_beginning() {
    let mut memory = Tracked::new(200 * PAGE, None).unwrap();
    (0..200).for_each(|page| fill(&mut memory, page, page + 1));
    let before = memory.bytes().to_vec();
    let mut snapshot = Snapshot::begin(memory.pages());
    let mut turn = 0;
    loop {
        for page in [turn * 7 % 200, turn * 31 % 200] {
            let at = page as usize * PAGE;
            snapshot.before_write(page, &memory.bytes()[at..at + PAGE]);
            fill(&mut memory, page, 1000 + turn);
        }
        turn += 1;
        if snapshot.copy_some(&memory, 9) {
            break;
        }
    }
    assert!(snapshot.pre_images() > 10);
    let disk = CrashDisk::new();
    let (_, checkpoints) = store(&disk);
    checkpoints.save("s", &snapshot.finish(&memory), b"", false).unwrap();
    assert!(content(checkpoints.restore("s").unwrap()) == before);
}

#[test]
fn one_page_is_read_without_the_rest_and_the_working_set_is_known() {
    let disk = CrashDisk::new();
    let (_, checkpoints) = store(&disk);
    let mut memory = Tracked::new(PAGES as usize * PAGE, None).unwrap();
    (0..PAGES).for_each(|page| fill(&mut memory, page, page + 1));
    checkpoints.save("m", &Captured::take(&memory, &all(&memory)), b"", false).unwrap();
    let mut restored = checkpoints.restore("m").unwrap();
    let mut page = vec![0; PAGE];
    for number in [2999, 17, 2999, 5] {
        restored.read_page(number, &mut page).unwrap();
        let at = number as usize * PAGE;
        assert!(page == memory.bytes()[at..at + PAGE]);
    }
    assert_eq!(restored.working_set(), [2999, 17, 5]);
    let mut fetched = Vec::new();
    restored.prefetch(&[5, 9, 100_000], |page, _| fetched.push(page)).unwrap();
    assert_eq!(fetched, [5, 9]);
    assert!(matches!(restored.read_page(PAGES, &mut page), Err(CheckpointError::NoPage { .. })));
}

fn small_image(disk: &CrashDisk) -> (Checkpoints, String, Vec<u8>) {
    let (objects, checkpoints) = store(disk);
    let mut memory = Tracked::new(40 * PAGE, None).unwrap();
    (0..20).for_each(|page| fill(&mut memory, page * 2, page + 1));
    checkpoints.save("m", &Captured::take(&memory, &all(&memory)), b"state", false).unwrap();
    let name = objects.list("image-").unwrap().remove(0);
    (checkpoints, name, memory.bytes().to_vec())
}

#[test]
fn every_flipped_bit_is_noticed() {
    let disk = CrashDisk::new();
    let (checkpoints, name, _) = small_image(&disk);
    let length = disk.contents(&name).unwrap().len();
    for at in 0..length {
        let bit = 1 << (at % 8);
        disk.damage(&name, at, |bytes| bytes[0] ^= bit);
        let outcome =
            checkpoints.restore("m").and_then(|mut restored| restored.read_all(|_, _| {}));
        assert!(outcome.is_err(), "byte {at} of {length}");
        disk.damage(&name, at, |bytes| bytes[0] ^= bit);
    }
    checkpoints.restore("m").unwrap().read_all(|_, _| {}).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_images_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), plausible in any::<bool>()) {
        let disk = CrashDisk::new();
        let (objects, _) = store(&disk);
        let mut bytes = bytes;
        if plausible && bytes.len() >= 48 {
            bytes[..8].copy_from_slice(b"VELLUMIM");
            bytes[8..16].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0]);
        }
        let id = ImageId([7; 32]);
        objects.put_if_absent(&format!("image-{id}"), &bytes).unwrap();
        let opened = Restored::open(objects, id);
        prop_assert!(opened.is_err());
    }
}

#[test]
fn a_power_cut_while_publishing_leaves_the_old_checkpoint_or_the_new() {
    let disk = CrashDisk::new();
    let (_, checkpoints) = store(&disk);
    let mut memory = Tracked::new(20 * PAGE, None).unwrap();
    fill(&mut memory, 3, 1);
    checkpoints.save("m", &Captured::take(&memory, &all(&memory)), b"old", false).unwrap();
    let old = memory.bytes().to_vec();
    disk.forget_record();
    fill(&mut memory, 4, 2);
    checkpoints.save("m", &Captured::take(&memory, &all(&memory)), b"new", false).unwrap();
    let (mut olds, mut news) = (0, 0);
    for cut in disk.cuts() {
        for image in cut.images(30, 1) {
            let (_, checkpoints) = store(&image);
            let restored = checkpoints.restore("m").unwrap();
            if restored.state() == b"old" {
                olds += 1;
                assert!(content(restored) == old);
            } else {
                news += 1;
                assert!(content(restored) == memory.bytes());
            }
            checkpoints.collect_garbage().unwrap();
        }
    }
    assert!(olds > 0 && news > 0, "{olds} {news}");
}

#[test]
fn a_damaged_head_keeps_its_images_from_being_collected() {
    let disk = CrashDisk::new();
    let (checkpoints, name, _) = small_image(&disk);
    disk.create("head-n-0000000000000000").unwrap().write_at(0, b"short").unwrap();
    let error = checkpoints.collect_garbage().unwrap_err();
    assert!(error.to_string().contains("head-n-0000000000000000"), "{error}");
    assert!(disk.contents(&name).is_some());
    checkpoints.restore("m").unwrap();
}

#[test]
fn a_chain_whose_memory_became_smaller_merges_to_what_is_left() {
    let disk = CrashDisk::new();
    let (_, checkpoints) = store(&disk);
    let mut memory = Tracked::new(2000 * PAGE, None).unwrap();
    (0..2000).for_each(|page| fill(&mut memory, page, page % 9 + 1));
    checkpoints.save("m", &Captured::take(&memory, &all(&memory)), b"", false).unwrap();
    let mut memory = Tracked::new(1500 * PAGE, None).unwrap();
    (0..1500).for_each(|page| fill(&mut memory, page, page % 7 + 2));
    checkpoints.save("m", &Captured::take(&memory, &all(&memory)), b"", true).unwrap();
    checkpoints.merge("m", Compression::Lz4).unwrap();
    assert!(content(checkpoints.restore("m").unwrap()) == memory.bytes());
}

#[test]
fn a_dead_source_is_an_error_for_the_reader() {
    let disk = CrashDisk::new();
    let (checkpoints, name, _) = small_image(&disk);
    let mut restored = checkpoints.restore("m").unwrap();
    disk.remove(&name).unwrap();
    let error = restored.read_page(0, &mut vec![0; PAGE]).unwrap_err();
    assert!(matches!(error, CheckpointError::Objects(_)), "{error}");
}

#[cfg(feature = "zstd")]
#[test]
fn an_image_at_rest_is_smaller_by_zstandard_and_reads_the_same() {
    let disk = CrashDisk::new();
    let (objects, checkpoints) = store(&disk);
    let mut memory = Tracked::new(200 * PAGE, None).unwrap();
    let text = include_bytes!("checkpoint.rs");
    memory.bytes_mut().iter_mut().zip(text.iter().cycle()).for_each(|(to, byte)| *to = *byte);
    let all = all(&memory);
    let (_, lz4) = checkpoints.save("m", &Captured::take(&memory, &all), b"", false).unwrap();
    let id = checkpoints.merge("m", Compression::Zstd).unwrap();
    let image = objects.get_range(&format!("image-{id}"), 0..1 << 24).unwrap();
    assert!((image.len() as u64) < lz4, "{} bytes, LZ4 took {lz4}", image.len());
    assert!(content(checkpoints.restore("m").unwrap()) == memory.bytes());
}

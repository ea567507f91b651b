//! Process memory under load, beside what a plain model says.

use super::*;
use crate::store::{FileStore, PageStore, RamStore};
use crate::{Options, StoreError};
use vellum_block::Rng;

const BOTH: [Backing; 2] = [Backing::Private, Backing::Shared];

fn memory(backing: Backing, options: Options, store: Box<dyn PageStore>) -> Option<PagedMemory> {
    match PagedMemory::new(Pager::new(options, store).unwrap(), backing) {
        Ok(memory) => Some(memory),
        // A kernel, or a sandbox, without userfaultfd.
        Err(Error::Io { what: "opening userfaultfd", source }) => {
            eprintln!("skipped: {source}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn ram() -> Box<dyn PageStore> {
    Box::new(RamStore::new(1 << 20))
}

/// A byte through the pointer, as a program uses it.
fn load(memory: &PagedMemory, at: usize) -> u8 {
    assert!(at < memory.len());
    // SAFETY: inside the memory, which lives; bytes are accessed by volatile access only.
    unsafe { memory.as_ptr().add(at).read_volatile() }
}

fn store(memory: &PagedMemory, at: usize, value: u8) {
    assert!(at < memory.len());
    // SAFETY: as above.
    unsafe { memory.as_ptr().add(at).write_volatile(value) }
}

#[test]
fn threads_find_what_they_wrote_in_memory_that_does_not_fit() {
    for backing in BOTH {
        let options = Options { batch: 4, twins: 8, ..Options::new(200, 24) };
        let options = Options { free_low: 4, free_high: 8, ..options };
        let Some(memory) = memory(backing, options, ram()) else { return };
        std::thread::scope(|scope| {
            for thread in 0..3_usize {
                let memory = &memory;
                scope.spawn(move || {
                    // Every third byte of a page belongs to a thread.
                    let mut model = vec![0_u8; 200 * 16];
                    let mut rng = Rng::new(thread as u64 + 1);
                    for step in 0..3_000 {
                        let (page, slot) = (rng.below(200) as usize, rng.below(16) as usize);
                        let at = page * PAGE + slot * 256 + thread;
                        let cell = &mut model[page * 16 + slot];
                        match step % 4 {
                            0 => assert_eq!(load(memory, at), *cell, "{backing:?} {page}"),
                            1 => {
                                let mut byte = [0];
                                memory.read(at, &mut byte).unwrap();
                                assert_eq!(byte[0], *cell, "{backing:?} {page}");
                            }
                            2 => {
                                *cell = step as u8;
                                store(memory, at, *cell);
                            }
                            _ => {
                                *cell = step as u8;
                                memory.write(at, &[*cell]).unwrap();
                            }
                        }
                    }
                });
            }
            scope.spawn(|| {
                for quota in [24, 12, 40, 24, 9, 30] {
                    memory.flush().unwrap();
                    memory.set_quota(quota).unwrap();
                    std::thread::yield_now();
                }
            });
        });
        let (present, counters) = memory.with(|pager, _| (pager.present(), pager.counters()));
        assert!(present <= 30 && counters.evicted > 500, "{backing:?} {present} {counters:?}");
    }
}

#[test]
fn discarded_pages_are_zeros_whoever_discards_them_while_others_fault() {
    for backing in BOTH {
        let Some(memory) = memory(backing, Options::new(64, 16), ram()) else { return };
        std::thread::scope(|scope| {
            let memory = &memory;
            // Three threads with pages of their own, of which one discards its pages again and again.
            for thread in 0..3_usize {
                scope.spawn(move || {
                    let pages = thread * 20..thread * 20 + 20;
                    let mut model = [0_u8; 64];
                    for round in 0..120_usize {
                        for page in pages.clone() {
                            assert_eq!(load(memory, page * PAGE + 9), model[page], "{backing:?}");
                            model[page] = (round + page) as u8 | 1;
                            store(memory, page * PAGE + 9, model[page]);
                        }
                        if thread == 1 {
                            let first = pages.start + round % 10;
                            match (round % 2, backing) {
                                // What other code in the process may do to private memory.
                                (0, Backing::Private) => {
                                    memory.map.drop_pages(first as u32, 10).unwrap();
                                }
                                _ => memory.discard(first as u32..first as u32 + 10).unwrap(),
                            }
                            model[first..first + 10].fill(0);
                        }
                    }
                });
            }
        });
        assert!(memory.with(|pager, _| pager.counters().removed) > 0);
    }
}

#[test]
fn a_file_is_paged_and_gets_only_what_changed() {
    for backing in BOTH {
        let file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..40 * PAGE).map(|at| (at / PAGE) as u8 + 1).collect();
        std::os::unix::fs::FileExt::write_all_at(&file, &content, 0).unwrap();
        let again = file.try_clone().unwrap();
        let options = Options { existing: true, twins: 8, ..Options::new(50, 8) };
        let pages = FileStore::new(file, "file", 50);
        let Some(memory) = memory(backing, options, Box::new(pages)) else { return };
        for page in 0..50 {
            let want = if page < 40 { page as u8 + 1 } else { 0 };
            assert_eq!(load(&memory, page * PAGE + 77), want);
        }
        store(&memory, 3 * PAGE + 100, 0xaa);
        memory.flush().unwrap();
        let (traffic, counters) = memory.with(|pager, _| (pager.traffic(), pager.counters()));
        assert_eq!((traffic.bytes_put, counters.lines_written), (64, 1), "{backing:?}");
        let mut byte = [0];
        std::os::unix::fs::FileExt::read_exact_at(&again, &mut byte, 3 * PAGE as u64 + 100)
            .unwrap();
        assert_eq!(byte, [0xaa]);
    }
}

#[derive(Debug)]
struct Dead;

impl PageStore for Dead {
    fn name(&self) -> &str {
        "dead"
    }
    fn get(&mut self, batch: &mut [crate::store::Get<'_>]) {
        for get in batch {
            let (store, what, why) = ("dead".into(), "reading", "no answer".into());
            let error = StoreError::Failed { store, what, page: get.page, why };
            get.answer = crate::store::Answer::Failed(error);
        }
    }
    fn put(&mut self, _: &[crate::store::Put<'_>]) -> Result<(), StoreError> {
        Ok(())
    }
    fn discard(&mut self, _: &[PageNo]) -> Result<(), StoreError> {
        Ok(())
    }
    fn traffic(&self) -> crate::store::Traffic {
        crate::store::Traffic::default()
    }
}

const CHILD: &str = "VELLUM_PAGER_CHILD";

/// Reads a page of a dead store: through the pointer in a child of its own, which must die of it.
#[test]
fn a_dead_store_is_an_error_to_a_call_and_a_bus_error_to_a_pointer() {
    use std::os::unix::process::ExitStatusExt;
    let name = "a_dead_store_is_an_error_to_a_call_and_a_bus_error_to_a_pointer";
    for backing in BOTH {
        let options = Options { existing: true, ..Options::new(8, 4) };
        let Some(memory) = memory(backing, options, Box::new(Dead)) else { return };
        if std::env::var(CHILD).is_ok_and(|child| child == format!("{backing:?}")) {
            println!("read {}", load(&memory, 2 * PAGE));
            return;
        }
        let error = memory.read(PAGE, &mut [0]).unwrap_err();
        assert!(error.to_string().contains("reading of page 1 failed"), "{error}");
        if std::env::var_os(CHILD).is_some() {
            continue;
        }
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([&format!("space::process::tests::{name}"), "--exact", "--nocapture"])
            .env(CHILD, format!("{backing:?}"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(!text.contains("read 0"), "{backing:?}: a silent page of zeros");
        assert_eq!(child.status.signal(), Some(7), "{backing:?}: {text}");
        // Discarded, it is a page like any other.
        memory.discard(1..2).unwrap();
        assert_eq!(load(&memory, PAGE), 0);
    }
}

//! Checkpoints and a migration of a machine's memory, by the engine that serves processes as well.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use vellum::translate::Gpa;
use vellum::{Builder, GuestPages, Paging, VmMemory};
use vellum_recover::checkpoint::{Captured, Checkpoints, Compression, DirObjects, Pages};
use vellum_recover::migrate::{self, SendOptions, Strategy};

const BASE: u64 = 0x8000_0000;
const PAGE: u64 = 4096;
const PAGES: u64 = 96;

fn machine(paging: Paging) -> VmMemory {
    Builder::new(Gpa::new(BASE), PAGES * PAGE).paging(paging).build().unwrap()
}

fn write(vm: &mut VmMemory, page: u64, value: u8) {
    vm.write(Gpa::new(BASE + page * PAGE + page), &[value; 40]).unwrap();
}

fn content(vm: &mut VmMemory) -> Vec<u8> {
    let mut bytes = vec![0; (PAGES * PAGE) as usize];
    vm.read(Gpa::new(BASE), &mut bytes).unwrap();
    bytes
}

#[test]
fn an_increment_has_the_pages_that_were_written_and_the_chain_is_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Arc::new(DirObjects::open(folder.path()).unwrap());
    let checkpoints = Checkpoints::new(objects, Compression::Lz4);
    let kept = Paging::ALL.into_iter().filter(|paging| *paging != Paging::Flat);
    for (turn, paging) in kept.enumerate() {
        let name = format!("vm{turn}");
        let mut vm = machine(paging);
        (0..PAGES).step_by(3).for_each(|page| write(&mut vm, page, 1));
        let mut pages = GuestPages::new(&mut vm);
        pages.take_dirty().unwrap();
        let all = std::slice::from_ref(&(0..PAGES));
        checkpoints.save(&name, &Captured::take(&pages, all), b"state 1", false).unwrap();

        for page in [7, 8, 50, PAGES - 1] {
            write(pages.vm(), page, 2);
        }
        let written = pages.take_dirty().unwrap();
        assert_eq!(written, [7..9, 50..51, PAGES - 1..PAGES], "{paging}");
        checkpoints.save(&name, &Captured::take(&pages, &written), b"state 2", true).unwrap();
        assert_eq!(pages.take_dirty().unwrap(), [], "{paging}");
        pages.finish().unwrap();

        let mut image = checkpoints.restore(&name).unwrap();
        assert_eq!((image.pages(), image.depth()), (PAGES, 2));
        let mut restored = vec![0; (PAGES * PAGE) as usize];
        for (page, bytes) in (0..).zip(restored.chunks_exact_mut(PAGE as usize)) {
            image.read_page(page, bytes).unwrap();
        }
        assert!(restored == content(&mut vm), "{paging}");
    }
}

#[test]
fn a_machine_moves_with_what_it_writes_meanwhile() {
    for strategy in [Strategy::PreCopy, Strategy::Hybrid, Strategy::PostCopy] {
        let mut vm = machine(Paging::Shadow);
        (0..PAGES).step_by(2).for_each(|page| write(&mut vm, page, 7));
        let (ours, theirs) = UnixStream::pair().unwrap();
        let receiver = std::thread::spawn(move || {
            let mut bytes = vec![0_u8; (PAGES * PAGE) as usize];
            let mut put = |page: u64, new: &[u8]| {
                bytes[(page * PAGE) as usize..][..new.len()].copy_from_slice(new);
            };
            let (arrived, pending) = migrate::receive(
                theirs,
                |pages| (pages == PAGES).then_some(()).ok_or_else(|| pages.to_string()),
                &mut put,
            )
            .unwrap();
            pending.finish(&mut put).unwrap();
            (arrived.state, bytes)
        });
        let mut pages = GuestPages::new(&mut vm);
        let options = SendOptions { strategy, ..SendOptions::default() };
        let stop = |pages: &mut GuestPages<'_>| {
            // The last that it does here.
            [3, 4, 90].into_iter().for_each(|page| write(pages.vm(), page, 9));
            b"registers".to_vec()
        };
        migrate::send(&mut pages, ours, options, stop).unwrap();
        pages.finish().unwrap();
        let (state, bytes) = receiver.join().unwrap();
        assert_eq!(state, b"registers");
        assert!(bytes == content(&mut vm), "{strategy:?}");
    }
}

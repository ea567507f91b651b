//! Zero-copy transfers on the host table: the contract where harts run, and what becomes of the
//! frames when either side goes.

use std::sync::Arc;
use vellum::frames::Held;
use vellum::remap::{Buffer, Completion, Data, Part, Space, Transfers};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Environment, Gfn, Gpa, Gva, PAGE_SIZE};
use vellum::{Builder, Paging, VmMemory};
use vellum_hart::Memory;

const BASE: u64 = 0x8000_0000;
const PAGE: u64 = PAGE_SIZE as u64;
const BOTH: [Paging; 2] = [Paging::Shadow, Paging::Nested];

struct Bench {
    vm: VmMemory,
    tlbs: [Box<Tlb>; 2],
    transfers: Transfers<Held>,
}

impl Bench {
    fn new(paging: Paging) -> Self {
        let vm = Builder::new(Gpa::new(BASE), 64 * PAGE).paging(paging).harts(2).build().unwrap();
        let tlbs = [(); 2].map(|()| {
            let mut tlb = Tlb::new();
            tlb.set_environment(Environment::SUPERVISOR);
            tlb
        });
        Bench { vm, tlbs, transfers: Transfers::default() }
    }

    /// A store by a hart, which first carries out what others asked of its TLB.
    fn store(&mut self, hart: usize, page: u64, value: u64) {
        self.vm.catch_up(hart, &mut self.tlbs[hart]);
        self.vm.store(hart, &mut self.tlbs[hart], at(page), 8, value).unwrap();
    }

    fn load(&mut self, page: u64) -> u64 {
        self.vm.catch_up(0, &mut self.tlbs[0]);
        self.vm.load(0, &mut self.tlbs[0], at(page), 8).unwrap()
    }

    fn has_write_tag(&mut self, hart: usize, page: u64) -> bool {
        self.vm.catch_up(hart, &mut self.tlbs[hart]);
        self.tlbs[hart].store(at(page), 8).is_some()
    }

    fn send(&mut self, first: u64, pages: u64) -> vellum::remap::Token {
        let list = [Buffer::new(at(first).get(), pages * PAGE)];
        self.transfers.send(&mut self.vm, &list).unwrap()
    }

    fn complete(&mut self, token: vellum::remap::Token) -> Completion {
        self.transfers.complete(&mut self.vm, token).unwrap()
    }

    fn sent(&self, token: vellum::remap::Token, page: usize) -> u64 {
        let mut bytes = [0; 8];
        self.transfers.data(token).unwrap().read(page * PAGE_SIZE, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn used(&self) -> u64 {
        self.vm.pool().counters().used
    }
}

fn at(page: u64) -> Gva {
    Gva::new(BASE + page * PAGE)
}

fn gfn(page: u64) -> Gfn {
    Gpa::new(BASE).gfn().plus(page)
}

#[test]
fn a_page_in_flight_is_copied_for_its_writer_and_for_nobody_else() {
    for paging in BOTH {
        let mut bench = Bench::new(paging);
        (0..4).for_each(|page| bench.store((page % 2) as usize, page, 100 + page));
        let copies = bench.vm.counters.copies_on_write;
        let token = bench.send(0, 4);
        assert!(bench.vm.is_lent(gfn(1)) && bench.vm.host().is_pinned(gfn(1)));
        // The rights were gone everywhere when `send` returned.
        for hart in 0..2 {
            (0..4).for_each(|page| assert!(!bench.has_write_tag(hart, page), "{paging}"));
        }
        bench.store(1, 1, 7);
        bench.store(0, 1, 8);
        assert_eq!(bench.vm.counters.copies_on_write, copies + 1, "one copy, by the first write");
        assert_eq!((bench.load(1), bench.sent(token, 1), bench.sent(token, 0)), (8, 101, 100));
        let end = bench.complete(token);
        assert_eq!((end.remapped, end.copied), (4 * PAGE, 0));
        assert!(!bench.vm.is_lent(gfn(1)) && !bench.vm.host().is_pinned(gfn(1)));
        // The sole owner again: the right comes back without a copy.
        bench.store(0, 0, 9);
        assert_eq!(bench.vm.counters.copies_on_write, copies + 1);
        assert_eq!(bench.used(), 4);
        assert_eq!(bench.vm.audit(), vec![]);
    }
}

#[test]
fn a_page_sent_twice_stays_guarded_until_both_have_ended() {
    for paging in BOTH {
        let mut bench = Bench::new(paging);
        bench.store(0, 0, 1);
        let (first, second) = (bench.send(0, 1), bench.send(0, 1));
        bench.complete(first);
        assert!(bench.vm.is_lent(gfn(0)) && !bench.has_write_tag(0, 0));
        bench.store(0, 0, 2);
        assert_eq!(bench.sent(second, 0), 1);
        // What was sent after the write is another frame, guarded on its own account.
        let third = bench.send(0, 1);
        bench.complete(second);
        bench.store(0, 0, 3);
        assert_eq!((bench.sent(third, 0), bench.load(0)), (2, 3));
        bench.complete(third);
        assert!(!bench.vm.host().is_pinned(gfn(0)));
        assert_eq!(bench.used(), 1);
    }
}

#[test]
fn delivered_frames_take_the_pages_place() {
    for paging in BOTH {
        let (mut bench, mut other) = (Bench::new(paging), Bench::new(paging));
        (0..3).for_each(|page| bench.store(0, page, 10 + page));
        let _ = bench.load(1);
        // The other machine's frames are of another pool, so the data come from this one's pages.
        (8..11).for_each(|page| bench.store(0, page, 20 + page));
        let sent = bench.send(8, 3);
        let data = bench.transfers.data(sent).unwrap().clone();
        let list = [Buffer::new(at(0).get(), 3 * PAGE)];
        let posted = bench.transfers.post(&bench.vm, &list).unwrap();
        let (end, back) = bench.transfers.deliver(&mut bench.vm, posted, &data).unwrap();
        assert_eq!((end.remapped, end.copied), (3 * PAGE, 0));
        assert_eq!([0, 1, 2].map(|page| bench.load(page)), [28, 29, 30], "{paging}");
        let mut was = [0; 8];
        back[0].read(PAGE_SIZE, &mut was);
        assert_eq!(u64::from_le_bytes(was), 11, "the device has the old frames");
        // Both pages and the data hold the frame: a write to either is seen by neither of the others.
        bench.store(1, 0, 5);
        assert_eq!((bench.load(0), bench.load(8), bench.sent(sent, 0)), (5, 28, 28));
        bench.complete(sent);
        drop((data, back));
        bench.store(0, 1, 1);
        bench.store(0, 2, 1);
        assert_eq!(bench.used(), 6);
        assert_eq!(bench.vm.audit(), vec![]);

        let mut mixed = Data::new();
        mixed.push(Part::Bytes(vec![3; PAGE_SIZE]));
        let posted = other.transfers.post(&other.vm, &list).unwrap();
        let (end, _) = other.transfers.deliver(&mut other.vm, posted, &mixed).unwrap();
        assert!(end.was_copied() && other.load(0) == u64::from_le_bytes([3; 8]));
    }
}

/// The hart that looks at one delivered page has the next ones in its TLB before it gets there, with what
/// they hold and no right too many.
#[test]
fn what_was_delivered_is_in_the_tlb_ahead_of_the_hart() {
    for paging in BOTH {
        let mut bench = Bench::new(paging);
        (0..40).for_each(|page| bench.store(0, page, 100 + page));
        let sent = bench.send(0, 20);
        let data = bench.transfers.data(sent).unwrap().clone();
        let list = [Buffer::new(at(40).get(), 20 * PAGE)];
        let posted = bench.transfers.post(&bench.vm, &list).unwrap();
        let (end, back) = bench.transfers.deliver(&mut bench.vm, posted, &data).unwrap();
        assert_eq!((end.remapped, end.copied), (20 * PAGE, 0));
        let misses = bench.vm.counters.misses;
        assert_eq!(bench.load(40), 100);
        assert_eq!(bench.vm.counters.misses[0], misses[0] + 1);
        let has = |bench: &Bench, page| bench.tlbs[0].load(at(page), 8).is_some();
        let there: Vec<u64> = (0..64).filter(|&page| page > 39 && has(&bench, page)).collect();
        // Where TLBs are a part of the state, what is in them is the guest's doing alone.
        let last = if paging == Paging::Shadow { 56 } else { 41 };
        assert_eq!(there, (40..last).collect::<Vec<_>>(), "{paging}");
        assert_eq!(bench.vm.audit_tlb(&bench.tlbs[0]), vec![]);
        // The frames are the sender's too: nobody may write them in place.
        assert!((40..56).all(|page| !bench.has_write_tag(0, page)));
        bench.store(0, 41, 1);
        assert_eq!((bench.load(1), bench.load(41), bench.sent(sent, 1)), (101, 1, 101));
        // Looked at once, a page is one like any other.
        bench.vm.take_accessed();
        bench.vm.catch_up(0, &mut bench.tlbs[0]);
        assert_eq!(bench.load(40), 100);
        assert!(has(&bench, 40) && !has(&bench, 42), "{paging}");
        bench.complete(sent);
        drop((data, back));
        assert_eq!(bench.vm.audit(), vec![]);
    }
}

#[test]
fn every_frame_comes_back_when_a_device_dies_or_a_machine_is_dropped() {
    let mut bench = Bench::new(Paging::Shadow);
    (0..8).for_each(|page| bench.store(0, page, page));
    let token = bench.send(0, 8);
    bench.store(0, 3, 99);
    bench.transfers.give_up(&mut bench.vm, token).unwrap();
    assert_eq!(bench.used(), 8);

    let token = bench.send(0, 8);
    let pool = Arc::clone(bench.vm.pool());
    let Bench { vm, mut transfers, .. } = bench;
    drop(vm);
    assert_eq!(pool.counters().used, 8, "what is in flight is still there");
    assert_eq!(transfers.data(token).unwrap().len() as u64, 8 * PAGE);
    transfers.forget();
    assert_eq!(pool.counters().used, 0);
}

#[test]
fn untouched_pages_are_sent_as_the_frame_of_zeros_and_flat_memory_is_copied() {
    let mut bench = Bench::new(Paging::Shadow);
    let token = bench.send(20, 4);
    assert_eq!((bench.sent(token, 3), bench.used()), (0, 0));
    bench.complete(token);
    bench.store(0, 20, 1);
    assert_eq!(bench.used(), 1);

    let mut flat = Bench::new(Paging::Flat);
    assert!(!flat.vm.can_remap());
    flat.store(0, 0, 4);
    let token = flat.send(0, 1);
    flat.store(0, 0, 5);
    assert_eq!(flat.sent(token, 0), 4);
    assert!(flat.complete(token).was_copied());

    let outside = [Buffer::new(BASE + 63 * PAGE, 2 * PAGE)];
    assert!(bench.transfers.send(&mut bench.vm, &outside).is_err());
    assert!(bench.transfers.send(&mut bench.vm, &[Buffer::new(0, PAGE)]).is_err());
    assert_eq!(bench.transfers.pages_in_flight(), 0);
}

//! Owners of guards and of absent pages, kept roots, and what devices do to shared pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use vellum::frames::{FrameId, FramePool};
use vellum::translate::host::{Resolved, Token};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Access, Environment, FaultKind, Gfn, Gpa, Gva, PAGE_SIZE, Rights};
use vellum::{
    Builder, DeviceMemory, Error, GuardOwner, HostFault, PageSource, Paging, Resolution, VmMemory,
};
use vellum_hart::{Memory, Stop};
use vm_memory::{Bytes, GuestAddress};

const BASE: u64 = 0x8000_0000;
const BOTH: [Paging; 2] = [Paging::Shadow, Paging::Nested];

fn machine(paging: Paging) -> (VmMemory, Box<Tlb>) {
    let vm = Builder::new(Gpa::new(BASE), 64 * PAGE_SIZE as u64).paging(paging).build().unwrap();
    let mut tlb = Tlb::new();
    tlb.set_environment(Environment::SUPERVISOR);
    (vm, tlb)
}

fn va(page: u64) -> Gva {
    Gva::new(BASE + page * PAGE_SIZE as u64)
}

fn gfn(page: u64) -> Gfn {
    Gpa::new(BASE).gfn().plus(page)
}

/// Lets a store through, once it has counted it.
#[derive(Debug)]
struct Watch(Arc<AtomicU32>, Resolution);

impl GuardOwner for Watch {
    fn resolve(&mut self, fault: HostFault<'_>) -> Resolution {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert_eq!(fault.access, Access::Store);
        if self.1 == Resolution::Retry {
            fault.host.remove_guard(fault.page, fault.guard);
        }
        self.1
    }
}

#[test]
fn a_guard_stops_the_right_it_withholds_and_no_other() {
    for paging in BOTH {
        let (mut vm, mut tlb) = machine(paging);
        let seen = Arc::new(AtomicU32::new(0));
        let watch = Watch(Arc::clone(&seen), Resolution::Retry);
        let guard = vm.register_owner(Rights::WRITE, Box::new(watch)).unwrap();
        vm.store(0, &mut tlb, va(3), 8, 7).unwrap();
        assert!(tlb.store(va(3), 8).is_some(), "a page without guards has a write tag");

        vm.guard(gfn(3), guard).unwrap();
        vm.catch_up(0, &mut tlb);
        assert!(tlb.store(va(3), 8).is_none(), "the tag went with the right");
        assert_eq!(vm.load(0, &mut tlb, va(3), 8).unwrap(), 7);
        assert_eq!(seen.load(Ordering::Relaxed), 0, "a load is not its business");
        assert!(tlb.store(va(3), 8).is_none(), "nor does a load bring the write tag back");

        vm.store(0, &mut tlb, va(3), 8, 8).unwrap();
        vm.store(0, &mut tlb, va(3), 8, 9).unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 1, "the first store met it, the second did not");
        assert_eq!(vm.load(0, &mut tlb, va(3), 8).unwrap(), 9);
    }
}

#[test]
fn a_range_is_guarded_page_by_page_or_not_at_all() {
    for paging in BOTH {
        let (mut vm, mut tlb) = machine(paging);
        let seen = Arc::new(AtomicU32::new(0));
        let watch = Watch(Arc::clone(&seen), Resolution::Retry);
        let guard = vm.register_owner(Rights::WRITE, Box::new(watch)).unwrap();
        (0..64).for_each(|page| _ = vm.store(0, &mut tlb, va(page), 8, page).unwrap());
        for (first, pages) in [(60, 5), (64, 1), (0, u64::MAX)] {
            let error = vm.guard_range(gfn(first), pages, guard).unwrap_err();
            assert!(matches!(error, Error::NoMemory { .. }), "{error}");
        }
        vm.guard_range(gfn(5), 0, guard).unwrap();
        vm.guard_range(gfn(8), 40, guard).unwrap();
        vm.catch_up(0, &mut tlb);
        for page in 0..64 {
            vm.store(0, &mut tlb, va(page), 8, page).unwrap();
            vm.store(0, &mut tlb, va(page), 8, page).unwrap();
        }
        assert_eq!(seen.load(Ordering::Relaxed), 40, "once for each page of the range");
        assert!(vm.audit().is_empty());
    }
}

#[test]
fn an_owner_may_refuse_and_one_that_never_resolves_does_not_hang_the_host() {
    for paging in BOTH {
        let (mut vm, mut tlb) = machine(paging);
        let refuse = Watch(Arc::default(), Resolution::Refuse);
        let guard = vm.register_owner(Rights::WRITE, Box::new(refuse)).unwrap();
        vm.guard(gfn(1), guard).unwrap();
        let fault = vm.store(0, &mut tlb, va(1), 8, 1).unwrap_err();
        assert!(matches!(fault, Stop::Fault(f) if f.kind == FaultKind::Access), "{fault}");

        #[derive(Debug)]
        struct Lazy;
        impl GuardOwner for Lazy {
            fn resolve(&mut self, _: HostFault<'_>) -> Resolution {
                Resolution::Retry
            }
        }
        let guard = vm.register_owner(Rights::WRITE, Box::new(Lazy)).unwrap();
        vm.guard(gfn(2), guard).unwrap();
        let stop = vm.store(0, &mut tlb, va(2), 8, 1).unwrap_err();
        assert!(matches!(&stop, Stop::Host(why) if why.contains("still guarded")), "{stop}");
    }
}

/// Pages of one value each; a token of 13 can't be had.
#[derive(Debug)]
struct Values;

impl PageSource for Values {
    fn name(&self) -> &str {
        "values"
    }

    fn bring(&mut self, _: Gfn, token: Token, pool: &FramePool) -> Result<FrameId, String> {
        if token.get() == 13 {
            return Err("thirteen is lost".into());
        }
        let frame = pool.allocate().map_err(|e| e.to_string())?;
        pool.store(frame, 0, 8, token.get());
        Ok(frame)
    }
}

#[test]
fn an_absent_page_is_brought_by_its_source_or_refused_but_never_zeros() {
    for paging in BOTH {
        let (mut vm, mut tlb) = machine(paging);
        let owner = vm.register_source(Box::new(Values)).unwrap();
        vm.store(0, &mut tlb, va(5), 8, 1).unwrap();
        let used = vm.pool().counters().used;
        for (page, token) in [(5, 42), (6, 13)] {
            vm.make_absent(gfn(page), owner, Token::new(token).unwrap()).unwrap();
        }
        assert_eq!(vm.pool().counters().used, used - 1, "its frame went back");
        vm.catch_up(0, &mut tlb);
        assert_eq!(vm.load(0, &mut tlb, va(5), 8).unwrap(), 42);
        vm.store(0, &mut tlb, va(5), 8, 43).unwrap();
        assert_eq!(vm.load(0, &mut tlb, va(5), 8).unwrap(), 43);
        let fault = vm.load(0, &mut tlb, va(6), 8).unwrap_err();
        assert!(matches!(fault, Stop::Fault(f) if f.kind == FaultKind::Access), "{fault}");
        assert_eq!(vm.counters.pages_brought, 1);
        let lost = vm.read(gfn(6).base(), &mut [0; 8]).unwrap_err();
        assert!(matches!(lost, Error::NoMemory { .. }), "{lost}");
    }
}

#[test]
fn a_device_reaches_ram_and_nothing_else() {
    let (mut vm, _) = machine(Paging::Shadow);
    let owner = vm.register_source(Box::new(Values)).unwrap();
    {
        let device = DeviceMemory::new(&mut vm);
        device.write_obj(5_u64, GuestAddress(BASE + 4096)).unwrap();
    }
    vm.make_absent(gfn(1), owner, Token::new(1).unwrap()).unwrap();
    let outside = DeviceMemory::new(&mut vm);
    assert!(outside.write_obj(5_u64, GuestAddress(BASE - 8)).is_err());
    assert!(outside.write_obj(5_u64, GuestAddress(BASE + 64 * 4096 - 4)).is_err());
}

#[test]
fn the_quota_is_an_error_and_not_a_panic() {
    let mut vm =
        Builder::new(Gpa::new(BASE), 64 * PAGE_SIZE as u64).frame_quota(2).build().unwrap();
    let mut tlb = Tlb::new();
    vm.store(0, &mut tlb, va(0), 8, 1).unwrap();
    vm.store(0, &mut tlb, va(1), 8, 1).unwrap();
    let stop = vm.store(0, &mut tlb, va(2), 8, 1).unwrap_err();
    assert!(matches!(&stop, Stop::Host(why) if why.contains("2 of 2 frames")), "{stop}");
    // What is there goes on working.
    vm.store(0, &mut tlb, va(1), 8, 2).unwrap();
    assert_eq!(vm.load(0, &mut tlb, va(2), 8).unwrap(), 0);
}

#[test]
fn a_builder_refuses_what_is_not_possible() {
    let odd = Builder::new(Gpa::new(BASE), 4097).build().unwrap_err();
    assert!(odd.to_string().contains("ram size is 4097"), "{odd}");
    let none = Builder::new(Gpa::new(BASE), 0).build().unwrap_err();
    assert!(none.to_string().contains("a machine has memory"), "{none}");
    let far = Builder::new(Gpa::new(1 << 45), 4096).build().unwrap_err();
    assert!(far.to_string().contains("512 GiB"), "{far}");
    let harts = Builder::new(Gpa::new(BASE), 4096).harts(65).build().unwrap_err();
    assert!(harts.to_string().contains("between 1 and 64"), "{harts}");
}

#[test]
fn the_logs_name_what_was_used_and_what_was_written_since_they_were_last_taken() {
    for paging in BOTH {
        let (mut vm, mut tlb) = machine(paging);
        vm.store(0, &mut tlb, va(0), 8, 1).unwrap();
        vm.load(0, &mut tlb, va(1), 8).unwrap();
        vm.write(gfn(2).base(), &[1]).unwrap();
        assert_eq!(vm.take_accessed(), [gfn(0), gfn(1), gfn(2)]);
        assert_eq!(vm.take_dirty(), [gfn(0), gfn(2)]);
        vm.catch_up(0, &mut tlb);
        assert!(!tlb.has(va(0), Access::Load), "so that the next use is noted");
        vm.load(0, &mut tlb, va(0), 8).unwrap();
        assert!(!tlb.has(va(0), Access::Store), "a load grants no right to write");
        vm.store(0, &mut tlb, va(1), 8, 1).unwrap();
        assert_eq!(vm.take_accessed(), [gfn(0), gfn(1)]);
        assert_eq!(vm.take_dirty(), [gfn(1)], "a page that was only read is clean");
        assert_eq!((vm.take_accessed(), vm.take_dirty()), (vec![], vec![]));
    }
}

#[test]
fn dirty_sets_name_the_pages_that_got_a_right_to_write_in_their_epoch() {
    let (mut vm, mut tlb) = machine(Paging::Shadow);
    vm.store(0, &mut tlb, va(0), 8, 1).unwrap();
    vm.load(0, &mut tlb, va(1), 8).unwrap();
    let epoch = vm.host().epoch();
    assert_eq!(vm.host().written(gfn(0)), epoch);
    assert_eq!(vm.host().written(gfn(1)), 0, "a page that was only read is clean");
    assert!(
        matches!(vm.host().resolve(gfn(0)), Resolved::Frame { rights, .. } if rights == Rights::all())
    );
}

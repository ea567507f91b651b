//! Roots of a paged host table that are kept, as checkpoints and clones keep them: each reads for ever
//! what its pages were when it was taken, however often the pager uses their slots again.

use proptest::prelude::*;
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, Options as PoolOptions};
use vellum_pager::space::HostSpace;
use vellum_pager::store::RamStore;
use vellum_pager::{Access, Error, NamedFrames, Names, Options, PAGE, Page, PageNo, Pager, Rights};
use vellum_translate::Gfn;
use vellum_translate::host::{
    Guard, HostEntry, HostTable, OwnerId, Resolved, Snapshot, Token, Withheld,
};

const PAGES: u32 = 16;
const QUOTA: u32 = 5;
const OWNER: OwnerId = OwnerId(9);

struct Machine {
    host: HostTable,
    frames: NamedFrames,
    clean: Guard,
    pager: Pager,
}

fn gfn(page: u32) -> Gfn {
    Gfn::new(page.into())
}

impl Machine {
    fn new() -> Self {
        let pool = FramePool::new(PoolOptions::new(500)).unwrap();
        let names = Names::new(OWNER, Box::new(RamStore::new(500)));
        let frames = NamedFrames { pool, names };
        let mut host = HostTable::new(PAGES.into(), Arc::new(frames.clone()));
        for page in 0..PAGES {
            let _hole = host.replace(gfn(page), frames.names.entry(PageNo::new(page)));
        }
        let clean = host.register_guard(Rights::WRITE).unwrap();
        let options = Options { twins: 2, ..Options::new(PAGES, QUOTA) };
        let pager = Pager::new(options, Box::new(RamStore::new(PAGES.into()))).unwrap();
        let pager = pager.with_names(Arc::clone(&frames.names));
        Machine { host, frames, clean, pager }
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Pager, &mut HostSpace<'_, ()>) -> T) -> T {
        let Machine { host, frames, clean, pager } = self;
        let (first, owner, clean, changed) = (gfn(0), OWNER, *clean, ());
        let (pool, names) = (&*frames.pool, Some(&*frames.names));
        work(pager, &mut HostSpace { host, pool, first, owner, names, clean, changed })
    }

    /// As the facade has it: content first, which a shared page is copied for, then the guard.
    fn access(&mut self, page: u32, access: Access) -> Result<FrameId, Error> {
        for _ in 0..6 {
            if let Resolved::Frame { frame, rights, .. } = self.host.resolve(gfn(page)) {
                if rights.contains(access.right()) {
                    return Ok(frame);
                }
                if self.host.why_withheld(gfn(page), access.right()) == Withheld::Shared {
                    let copy = self.frames.pool.allocate_copy(frame).unwrap();
                    let entry = HostEntry::Frame { frame: copy, rights: Rights::all() };
                    let _old = self.host.replace(gfn(page), entry);
                    self.frames.pool.release(frame);
                    self.pager.adopt(PageNo::new(page));
                    continue;
                }
            }
            self.with(|pager, space| pager.fault(space, PageNo::new(page), access))?;
        }
        panic!("page {page} is withheld after its fault was resolved");
    }

    /// A page of a kept root.
    fn read(&mut self, root: &Snapshot, page: u32) -> Page {
        let mut kept = HostTable::new(PAGES.into(), Arc::new(self.frames.clone()));
        kept.reset_to(root);
        let mut content = [0; PAGE];
        match kept.get(gfn(page)) {
            HostEntry::Frame { frame, .. } => self.frames.pool.read(frame, 0, &mut content),
            HostEntry::Absent { token, .. } => {
                if !self.pager.peek_named(token, &mut content).unwrap() {
                    content = [0; PAGE];
                }
            }
            HostEntry::Hole => panic!("page {page} is a hole"),
        }
        content
    }
}

#[derive(Debug, Clone)]
enum Step {
    Load(u32),
    Store(u32, u8),
    Evict(u32),
    Flush,
    Discard(u32),
    Keep,
    Forget(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..PAGES).prop_map(Step::Load),
        10 => (0..PAGES, 1..=u8::MAX).prop_map(|(page, value)| Step::Store(page, value)),
        6 => (0..PAGES).prop_map(Step::Evict),
        1 => Just(Step::Flush),
        1 => (0..PAGES).prop_map(Step::Discard),
        2 => Just(Step::Keep),
        1 => (0..4_usize).prop_map(Step::Forget),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_kept_root_reads_what_its_pages_were(steps in steps()) {
        let mut machine = Machine::new();
        let mut model = [0_u8; PAGES as usize];
        let mut roots: Vec<(Snapshot, [u8; PAGES as usize])> = Vec::new();
        for step in steps {
            match step {
                Step::Load(page) | Step::Store(page, _) => {
                    let access = match step {
                        Step::Store(..) => Access::Store,
                        _ => Access::Load,
                    };
                    // Pages that roots share with the table give no frame back, so they stay; where
                    // none can go, roots must.
                    let frame = match machine.access(page, access) {
                        Err(Error::AllPinned { .. }) => {
                            roots.clear();
                            machine.access(page, access).unwrap()
                        }
                        other => other.unwrap(),
                    };
                    if let Step::Store(_, value) = step {
                        machine.frames.pool.store(frame, 77, 1, value.into());
                        model[page as usize] = value;
                    }
                    let byte = machine.frames.pool.load(frame, 77, 1) as u8;
                    prop_assert_eq!(byte, model[page as usize], "page {}", page);
                }
                Step::Evict(page) => {
                    let evicted = machine.with(|pager, space| pager.evict(space, PageNo::new(page)));
                    let pinned = matches!(evicted, Err(Error::AllPinned { .. }));
                    prop_assert!(evicted.is_ok() || pinned, "{:?}", evicted);
                }
                Step::Flush => machine.with(|pager, space| pager.flush(space)).unwrap(),
                // An absent page that nobody wants any more is zeros, to the running machine.
                Step::Discard(page) if !machine.pager.is_present(PageNo::new(page))
                    && matches!(machine.host.get(gfn(page)), HostEntry::Absent { .. }) =>
                {
                    machine.pager.removed(page..page + 1).unwrap();
                    let entry = machine.frames.names.entry(PageNo::new(page));
                    let old = machine.host.replace(gfn(page), entry);
                    machine.frames.names.release(old);
                    model[page as usize] = 0;
                }
                Step::Discard(_) => {}
                Step::Keep => roots.push((machine.host.snapshot(), model)),
                Step::Forget(at) => drop((at < roots.len()).then(|| roots.remove(at))),
            }
            for (root, was) in &roots {
                for page in 0..PAGES {
                    let byte = machine.read(root, page)[77];
                    prop_assert_eq!(byte, was[page as usize], "page {} of a kept root", page);
                }
            }
        }
        roots.clear();
        // The table's own leaves are copied where it was written while roots were kept.
        prop_assert_eq!(machine.frames.names.kept(), 0, "older versions go with the last root");
        drop(machine.host);
        prop_assert_eq!(machine.frames.pool.counters().used, 0, "every frame is given back");
    }
}

/// The case in full: what would be read if a token were a page's number.
#[test]
fn a_slot_that_is_used_again_is_not_what_a_kept_root_reads() {
    let mut machine = Machine::new();
    let frame = machine.access(3, Access::Store).unwrap();
    machine.frames.pool.store(frame, 0, 1, 1);
    machine.with(|pager, space| pager.evict(space, PageNo::new(3))).unwrap();
    let token = |host: &HostTable| match host.get(gfn(3)) {
        HostEntry::Absent { token, .. } => token,
        entry => panic!("{entry:?}"),
    };
    let first: Token = token(&machine.host);
    let root = machine.host.snapshot();

    let frame = machine.access(3, Access::Store).unwrap();
    assert_eq!(machine.frames.names.kept(), 0, "nothing is moved before the slot is written");
    machine.frames.pool.store(frame, 0, 1, 2);
    machine.with(|pager, space| pager.evict(space, PageNo::new(3))).unwrap();
    assert_ne!(token(&machine.host), first);
    assert_eq!(machine.frames.names.kept(), 1);
    assert_eq!(machine.read(&root, 3)[0], 1);
    let frame = machine.access(3, Access::Load).unwrap();
    assert_eq!(machine.frames.pool.load(frame, 0, 1), 2);
    drop(root);
    assert_eq!(machine.frames.names.kept(), 0);
}

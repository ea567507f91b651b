//! A host table that is paged, beside a plain model: pages are written, evicted, lent, protected and
//! flushed in any order; each reads what was last written, and no frame is lost.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, Options as PoolOptions};
use vellum_pager::space::{Changed, HostSpace, Space};
use vellum_pager::store::RamStore;
use vellum_pager::{Access, Error, Options, PageNo, Pager, Rights, StoreError, Verdict};
use vellum_translate::Gfn;
use vellum_translate::host::{Guard, HostEntry, HostTable, OwnerId, Resolved, Token};

const PAGES: u32 = 32;
const QUOTA: u32 = 10;
const FIRST: u64 = 100;
const OWNER: OwnerId = OwnerId(3);

struct Machine {
    host: HostTable,
    pool: Arc<FramePool>,
    clean: Guard,
    pager: Pager,
    /// Pages whose rights were lowered: what a TLB must have heard.
    heard: Vec<Gfn>,
}

struct Note<'a>(&'a mut Vec<Gfn>);

impl Changed for Note<'_> {
    fn changed(&mut self, _: &mut HostTable, page: Gfn, _: Option<FrameId>) {
        self.0.push(page);
    }
}

impl Machine {
    fn new(twins: u32, batch: u32) -> Self {
        let pool = FramePool::new(PoolOptions::new(QUOTA.into())).unwrap();
        let pages = FIRST + u64::from(PAGES);
        let mut host = HostTable::new(pages, Arc::<FramePool>::clone(&pool));
        for page in 0..PAGES {
            let token = Token::new(page.into()).unwrap();
            let entry = HostEntry::Absent { owner: OWNER, token };
            let _hole = host.replace(gfn(page), entry);
        }
        let clean = host.register_guard(Rights::WRITE).unwrap();
        // Every page is in the store, so that none is the shared frame of zeros.
        let mut store = RamStore::new(PAGES.into());
        for page in 0..PAGES {
            let content = [page as u8; 4096];
            let lines = vellum_pager::Lines::ALL;
            let put =
                vellum_pager::store::Put { page: PageNo::new(page), content: &content, lines };
            vellum_pager::store::PageStore::put(&mut store, &[put]).unwrap();
        }
        let options = Options { existing: true, twins, batch, ..Options::new(PAGES, QUOTA) };
        let pager = Pager::new(options, Box::new(store)).unwrap();
        Machine { host, pool, clean, pager, heard: Vec::new() }
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Pager, &mut HostSpace<'_, Note<'_>>) -> T) -> T {
        let Machine { host, pool, clean, pager, heard } = self;
        let (first, owner) = (Gfn::new(FIRST), OWNER);
        let changed = Note(heard);
        let (names, clean) = (None, *clean);
        work(pager, &mut HostSpace { host, pool, first, owner, names, clean, changed })
    }

    /// An access as the facade makes it: the host table is asked, and the pager until it grants.
    fn access(&mut self, page: u32, access: Access) -> Result<FrameId, Error> {
        for _ in 0..4 {
            if let Resolved::Frame { frame, rights, .. } = self.host.resolve(gfn(page))
                && rights.contains(access.right())
            {
                self.pager.touch(PageNo::new(page));
                return Ok(frame);
            }
            self.with(|pager, space| pager.fault(space, PageNo::new(page), access))?;
        }
        panic!("page {page} is withheld after its fault was resolved");
    }
}

fn gfn(page: u32) -> Gfn {
    Gfn::new(FIRST + u64::from(page))
}

#[derive(Debug, Clone)]
enum Step {
    Load(u32, usize),
    Store(u32, usize, u8),
    Evict(u32),
    Lend(u32),
    GiveBack(u32),
    Protect(u32, bool),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (page, at) = (0..PAGES, 0..4096_usize);
    let step = prop_oneof![
        8 => (page.clone(), at.clone()).prop_map(|(page, at)| Step::Load(page, at)),
        8 => (page.clone(), at, any::<u8>()).prop_map(|(p, at, v)| Step::Store(p, at, v)),
        2 => page.clone().prop_map(Step::Evict),
        2 => page.clone().prop_map(Step::Lend),
        2 => page.clone().prop_map(Step::GiveBack),
        2 => (page, any::<bool>()).prop_map(|(page, all)| Step::Protect(page, all)),
        1 => Just(Step::Flush),
    ];
    proptest::collection::vec(step, 1..250)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn pages_read_what_was_written_and_frames_add_up(
        steps in steps(), twins in 0..3_u32, batch in 1..4_u32,
    ) {
        let mut machine = Machine::new(twins, batch);
        let lift = || Box::new(|_, _| Verdict::Lift);
        let watch = machine.pager.register("watch", Rights::WRITE, lift()).unwrap();
        let closed = machine.pager.register("closed", Rights::all(), lift()).unwrap();
        let mut model: Vec<Vec<u8>> = (0..PAGES).map(|page| vec![page as u8; 4096]).collect();
        let mut lent: BTreeMap<u32, FrameId> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Load(page, at) => {
                    let frame = machine.access(page, Access::Load).unwrap();
                    let byte = machine.pool.load(frame, at, 1) as u8;
                    prop_assert_eq!(byte, model[page as usize][at]);
                }
                Step::Store(page, at, value) => {
                    let frame = machine.access(page, Access::Store).unwrap();
                    machine.pool.store(frame, at, 1, value.into());
                    model[page as usize][at] = value;
                }
                Step::Evict(page) => {
                    let evicted = machine.with(|pager, space| pager.evict(space, PageNo::new(page)));
                    prop_assert_eq!(evicted.is_err(), lent.contains_key(&page));
                }
                // A device holds a page where it is; at most four, so that room can be made.
                Step::Lend(page) if lent.len() < 4 && !lent.contains_key(&page) => {
                    let frame = machine.access(page, Access::Store).unwrap();
                    machine.host.pin(gfn(page));
                    lent.insert(page, frame);
                }
                Step::Lend(_) => {}
                Step::GiveBack(page) => {
                    if let Some(frame) = lent.remove(&page) {
                        machine.pool.store(frame, 0, 8, 0x0102_0304_0506_0708);
                        let bytes = 0x0102_0304_0506_0708_u64.to_le_bytes();
                        model[page as usize][..8].copy_from_slice(&bytes);
                        machine.host.unpin(gfn(page));
                    }
                }
                Step::Protect(page, all) if !lent.contains_key(&page) => {
                    let reason = if all { closed } else { watch };
                    machine.heard.clear();
                    let was = machine.host.get(gfn(page));
                    let number = PageNo::new(page);
                    machine.with(|pager, space| pager.withhold(space, number, reason)).unwrap();
                    let granted = match machine.host.resolve(gfn(page)) {
                        Resolved::Frame { rights, .. } => rights,
                        _ => Rights::empty(),
                    };
                    prop_assert!(!granted.contains(Rights::WRITE));
                    prop_assert!(!all || granted.is_empty());
                    let lowered = machine.host.get(gfn(page)) != was;
                    prop_assert!(!lowered || machine.heard.contains(&gfn(page)));
                }
                Step::Protect(..) => {}
                // Pages that a device may write meanwhile stay dirty.
                Step::Flush => {
                    machine.with(|pager, space| pager.flush(space)).unwrap();
                    prop_assert!(machine.pager.dirty() as usize <= lent.len());
                }
            }
            prop_assert!(lent.iter().all(|(&page, &frame)| matches!(
                machine.host.get(gfn(page)), HostEntry::Frame { frame: now, .. } if now == frame
            )), "a lent page was moved");
            let present = machine.pager.present();
            prop_assert!(present <= QUOTA);
            prop_assert_eq!(machine.pool.counters().used, u64::from(present), "frames add up");
        }
        for page in 0..PAGES {
            let frame = machine.access(page, Access::Load).unwrap();
            let mut bytes = [0; 4096];
            machine.pool.read(frame, 0, &mut bytes);
            prop_assert!(bytes[..] == model[page as usize][..], "page {}", page);
        }
        let Machine { host, pool, .. } = machine;
        drop(host);
        prop_assert_eq!(pool.counters().used, 0, "every frame is given back");
    }
}

/// One page's frame is shown to the store where it is, the other's, which somebody else has as well, is
/// copied. Either stays as it was while the store refuses.
#[test]
fn pages_leave_when_the_store_has_taken_them_and_not_before() {
    leave(2);
    leave(1);
}

/// So many at once.
fn leave(together: usize) {
    let mut machine = Machine::new(0, 1);
    let pages = [1, 2].map(PageNo::new);
    let frames = [1, 2].map(|page| machine.access(page, Access::Store).unwrap());
    frames.iter().zip([77, 78]).for_each(|(&frame, value)| machine.pool.store(frame, 0, 8, value));
    machine.pool.retain(frames[1]);
    let (guard, host) = (machine.clean, &mut machine.host);
    host.add_guard(gfn(2), guard);
    let entries = [1, 2].map(|page| (host.get(gfn(page)), host.guards(gfn(page)).contains(guard)));
    assert_eq!(entries.map(|(_, clean)| clean), [false, true]);
    for takes in [false, true] {
        let mut seen = Vec::new();
        let mut take = |pages: &[PageNo], space: &mut HostSpace<'_, Note<'_>>| {
            space.take(pages, &mut Vec::new(), &mut |views| {
                seen.extend(views.iter().map(|(page, content)| (page.get(), content[0])));
                let (store, unit) = ("full".into(), "pages");
                if takes {
                    Ok(())
                } else {
                    Err(StoreError::Full { store, used: 1, limit: 1, unit })
                }
            })
        };
        for pages in pages.chunks(together) {
            let taken = machine.with(|_, space| take(pages, space));
            assert_eq!(taken.is_ok(), takes);
        }
        assert_eq!(seen, [(1, 77), (2, 78)]);
        let host = &machine.host;
        let now = [1, 2].map(|page| (host.get(gfn(page)), host.guards(gfn(page)).contains(guard)));
        let references = frames.map(|frame| machine.pool.references(frame));
        if takes {
            assert!(now.iter().all(|(entry, _)| matches!(entry, HostEntry::Absent { .. })));
            assert_eq!(references, [0, 1]);
        } else {
            assert_eq!((now, references), (entries, [1, 2]));
        }
    }
    assert!([1, 2].iter().all(|&page| machine.heard.contains(&gfn(page))));
    machine.pool.release(frames[1]);
    assert_eq!(machine.pool.counters().used, 0);
}

//! The TLB against a plain list: it may forget at any time, and must never remember what a fence or
//! a shootdown took away, nor mix up address spaces, modes or rights.

use proptest::prelude::*;
use std::sync::{Arc, OnceLock};
use vellum_frames::{FramePool, HostFrames, Options};
use vellum_translate::riscv::{Mode, Satp};
use vellum_translate::tlb::{CODE_ENTRIES, DATA_ENTRIES, PageFlags, Shootdown, Tlb, Translation};
use vellum_translate::{Access, Environment, FrameId, Gfn, Gva, Privilege, Rights};

#[derive(Debug, Clone)]
enum Step {
    /// `larger`: 0 a page of 4 KiB, 1 a piece of 2 MiB, 2 a piece of 1 GiB.
    Fill {
        page: u64,
        rights: u8,
        access: Access,
        global: bool,
        larger: u8,
    },
    Fence {
        va: Option<u64>,
        asid: Option<u16>,
    },
    Shoot(u8, u64),
    Space {
        root: u64,
        asid: u16,
    },
    Environment {
        user: bool,
        sum: bool,
        mxr: bool,
    },
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![Just(Access::Load), Just(Access::Store), Just(Access::Fetch)]
}

/// Pages that meet in one slot, and pages of one larger page.
fn page() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, 512..516_u64, 1024..1028_u64, Just(0x7_ffff_ffff_u64)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (page(), 1..8_u8, access(), any::<bool>(), 0..3_u8).prop_map(
            |(page, rights, access, global, larger)| Step::Fill { page, rights, access, global, larger }
        ),
        2 => (prop::option::of(page()), prop::option::of(0..3_u16))
            .prop_map(|(va, asid)| Step::Fence { va, asid }),
        3 => (0..12_u8, page()).prop_map(|(kind, page)| Step::Shoot(kind, page)),
        2 => (0..70_u64, 0..3_u16).prop_map(|(root, asid)| Step::Space { root, asid }),
        1 => any::<(bool, bool, bool)>()
            .prop_map(|(user, sum, mxr)| Step::Environment { user, sum, mxr }),
    ];
    prop::collection::vec(step, 1..150)
}

/// What was filled and not yet taken away.
#[derive(Debug, Clone)]
struct Known {
    satp: Satp,
    environment: Environment,
    page: u64,
    access: Access,
    frame: FrameId,
    global: bool,
    larger: u8,
}

/// The guest's word, of which exactly as much must be known as was filled and not taken away.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Word {
    satp: Satp,
    environment: Environment,
    page: u64,
    fetch: bool,
    writable: bool,
    global: bool,
    larger: u8,
}

impl Word {
    /// Whether both stand in the same place.
    fn meets(&self, other: &Word) -> bool {
        let entries = if self.fetch { CODE_ENTRIES } else { DATA_ENTRIES } as u64;
        self.fetch == other.fetch && self.page % entries == other.page % entries
    }
}

/// Whether a fence with this address is for it.
fn is_fenced(page: u64, larger: u8, va: Option<u64>) -> bool {
    let shift = [0, 9, 18][usize::from(larger)];
    va.is_none_or(|va| va >> shift == page >> shift)
}

/// The same page in every space is the same frame here, so that a mix-up of pages shows.
fn frame_of(page: u64, root: u64) -> FrameId {
    FrameId::from_index((page % 5000 + root * 5000) as u32)
}

/// Address space for every frame that a step may name; none is ever touched.
fn pool() -> &'static Arc<FramePool> {
    static POOL: OnceLock<Arc<FramePool>> = OnceLock::new();
    POOL.get_or_init(|| FramePool::new(Options::new(70 * 5000)).expect("addresses alone"))
}

fn host_of(frame: FrameId) -> u64 {
    pool().address(frame)
}

fn rights_of(step: u8, access: Access) -> Rights {
    Rights::from_bits_truncate(step) | access.right()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_outlives_what_took_it_away(steps in steps()) {
        let mut tlb = Tlb::new();
        let mut known: Vec<Known> = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut spaces: Vec<Satp> = vec![Satp::BARE];
        for step in &steps {
            match *step {
                Step::Fill { page, rights, access, global, larger } => {
                    let (satp, environment) = (tlb.satp(), tlb.environment());
                    let frame = frame_of(page, satp.root.get());
                    let mut flags = PageFlags::empty();
                    flags.set(PageFlags::GLOBAL, global);
                    flags.set(PageFlags::PIECE, larger > 0);
                    flags.set(PageFlags::GIANT, larger > 1);
                    let rights = rights_of(rights, access);
                    let writable = rights.contains(Rights::WRITE) || global;
                    flags.set(PageFlags::GUEST_WRITABLE, writable);
                    let fetch = access == Access::Fetch;
                    let word = Word { satp, environment, page, fetch, writable, global, larger };
                    words.retain(|old| !old.meets(&word));
                    words.push(word);
                    let to = Translation { gfn: Gfn::new(page), frame, rights, flags };
                    tlb.fill(Gva::new(page << 12), access, to, pool());
                    let data = [(Access::Load, Rights::READ), (Access::Store, Rights::WRITE)];
                    let filled: Vec<Access> = if access == Access::Fetch {
                        vec![Access::Fetch]
                    } else {
                        data.iter().filter(|d| rights.contains(d.1)).map(|d| d.0).collect()
                    };
                    for access in filled {
                        known.push(Known { satp, environment, page, access, frame, global, larger });
                    }
                }
                Step::Fence { va, asid } => {
                    tlb.fence(va.map(|p| Gva::new(p << 12)), asid);
                    known.retain(|k| {
                        let space = asid.is_none_or(|a| k.satp.asid == a && !k.global);
                        !(space && is_fenced(k.page, k.larger, va))
                    });
                    words.retain(|w| {
                        let space = asid.is_none_or(|a| w.satp.asid == a && !w.global);
                        // A fence of a page over 2 MiB may take others of its kind as well.
                        let near = is_fenced(w.page, w.larger, va) || w.larger == 2;
                        !(space && near)
                    });
                }
                Step::Shoot(kind, page) => {
                    let va = Gva::new(page << 12);
                    let frame = frame_of(page, tlb.satp().root.get());
                    let what = match kind {
                        0 => Shootdown::Page(va),
                        1 => Shootdown::Range(va, 100),
                        2 => Shootdown::Write(va),
                        3 => Shootdown::Gfn(Gfn::new(page)),
                        4 => Shootdown::GfnWrite(Gfn::new(page)),
                        5 => Shootdown::HostWrite(host_of(frame)),
                        6 => Shootdown::FrameExecute(frame),
                        7 => Shootdown::Frames(va, 3),
                        8 => Shootdown::Frames(va, 600),
                        9 => Shootdown::GfnFrames(Gfn::new(page), 3),
                        10 => Shootdown::AllFrames,
                        _ => Shootdown::AllWrites,
                    };
                    tlb.shoot_down(what);
                    known.retain(|k| match kind {
                        0 | 3 => k.page != page,
                        1 => !(page..page + 100).contains(&k.page),
                        2 | 4 => k.page != page || k.access != Access::Store,
                        5 => k.frame != frame || k.access != Access::Store,
                        6 => k.frame != frame || k.access != Access::Fetch,
                        7 | 9 => !(page..page + 3).contains(&k.page),
                        8 => !(page..page + 600).contains(&k.page),
                        10 => false,
                        _ => k.access != Access::Store,
                    });
                    words.retain(|w| match kind {
                        0 | 3 => w.page != page,
                        1 => !(page..page + 100).contains(&w.page),
                        _ => true,
                    });
                }
                Step::Space { root, asid } => {
                    let satp = Satp { mode: Mode::Sv39, asid, root: Gfn::new(root) };
                    tlb.set_satp(satp);
                    // Sixty-four spaces are known; the oldest gives way.
                    if !spaces.contains(&satp) {
                        spaces.push(satp);
                        if spaces.len() > 64 {
                            let gone = spaces.remove(0);
                            words.retain(|word| word.satp != gone);
                        }
                    }
                }
                Step::Environment { user, sum, mxr } => {
                    let privilege = if user { Privilege::User } else { Privilege::Supervisor };
                    tlb.set_environment(Environment { privilege, sum: sum && !user, mxr });
                }
            }
            // The guest's word outlives whatever the host does.
            let (satp, environment) = (tlb.satp(), tlb.environment());
            for page in [0, 1, 2, 3, 512, 513, 1024, 1027, 0x7_ffff_ffff] {
                for access in [Access::Load, Access::Store, Access::Fetch] {
                    let fetch = access == Access::Fetch;
                    let word = words.iter().find(|w| {
                        (w.satp, w.environment, w.page, w.fetch) == (satp, environment, page, fetch)
                            && (access != Access::Store || w.writable)
                    });
                    let recalled = tlb.recall(Gva::new(page << 12), access);
                    prop_assert_eq!(
                        recalled.map(|known| known.gfn),
                        word.map(|word| Gfn::new(word.page)),
                        "a {:?} of page {:#x} after {:?}", access, page, step
                    );
                }
            }
            // Every hit is one that was filled for this space, this environment and this access.
            for page in [0, 1, 2, 3, 512, 513, 1024, 1027, 0x7_ffff_ffff] {
                for (access, size) in
                    [(Access::Load, 8), (Access::Store, 1), (Access::Fetch, 2), (Access::Load, 1)]
                {
                    let va = Gva::new(page << 12 | 0x10);
                    let hit = match access {
                        Access::Load => tlb.load(va, size).map(|host| host - 0x10),
                        Access::Store => tlb.store(va, size).map(|host| host - 0x10),
                        Access::Fetch => tlb.fetch(va).map(host_of),
                    };
                    let Some(host) = hit else { continue };
                    let filled = known.iter().any(|k| {
                        (k.satp, k.environment, k.page, k.access) == (satp, environment, page, access)
                            && host_of(k.frame) == host
                    });
                    prop_assert!(filled, "a {:?} of page {:#x} hits after {:?}", access, page, step);
                }
            }
        }
    }
}

#[test]
fn a_misaligned_access_never_hits() {
    let mut tlb = Tlb::new();
    let frame = FrameId::from_index(1);
    let to =
        Translation { gfn: Gfn::new(0), frame, rights: Rights::all(), flags: PageFlags::empty() };
    tlb.fill(Gva::new(0x1000), Access::Load, to, pool());
    for size in [1, 2, 4, 8] {
        for offset in 0..64 {
            let hit = tlb.load(Gva::new(0x1000 + offset), size);
            assert_eq!(hit.is_some(), offset % size == 0);
            assert_eq!(tlb.store(Gva::new(0x1000 + offset), size), hit);
        }
    }
}

/// An address in the TLB is of frames that it keeps: they outlive their owner, and go with others'.
#[test]
fn the_frames_of_a_hit_stay_mapped() {
    let mut tlb = Tlb::new();
    let fill = |tlb: &mut Tlb, page: u64, pool: &Arc<FramePool>| {
        let frame = FrameId::from_index(1);
        let rights = Rights::READ | Rights::WRITE;
        let to = Translation { gfn: Gfn::new(page), frame, rights, flags: PageFlags::empty() };
        tlb.fill(Gva::new(page << 12), Access::Load, to, pool);
    };
    let first = FramePool::new(Options::new(4)).unwrap();
    let gone = Arc::downgrade(&first);
    fill(&mut tlb, 1, &first);
    drop(first);
    assert!(gone.upgrade().is_some(), "a hit would go nowhere");
    assert!(tlb.load(Gva::new(0x1000), 8).is_some());

    let second = FramePool::new(Options::new(4)).unwrap();
    fill(&mut tlb, 2, &second);
    assert!(gone.upgrade().is_none());
    assert_eq!(tlb.load(Gva::new(0x1000), 8), None);
    assert_eq!(tlb.load(Gva::new(0x2000), 8), Some(second.address(FrameId::from_index(1))));
    // The guest's word is not the host's to forget.
    assert!(tlb.recall(Gva::new(0x1000), Access::Load).is_some());
}

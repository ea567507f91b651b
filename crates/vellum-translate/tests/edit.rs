//! Editing tables: random edits against a plain map from page to entry, and what the types promise
//! about frames.

mod common;

use common::Memory;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vellum_translate::edit::{
    AddressSpace, Attributes, Change, EditError, Flush, Format, Frames, Pool, Slot,
};
use vellum_translate::riscv::{Extensions, Mode, Pte, Satp, Sv, walk};
use vellum_translate::x86::{self, LongMode, Paging};
use vellum_translate::{Access, Environment, Gfn, Gva, Privilege, Rights, TableMemory, Words};

const FRAMES: u64 = 200;
const RW: Rights = Rights::READ.union(Rights::WRITE);

fn sv39() -> Sv {
    Sv::new(Mode::Sv39, Extensions { svnapot: true, ..Extensions::NONE }).expect("has tables")
}

fn four_level() -> LongMode {
    LongMode(Paging::four_level(Gfn::new(0)))
}

#[derive(Debug, Clone)]
enum Edit {
    Map { page: u64, pages: u64, to: u64, user: bool, largest: u8 },
    Unmap { page: u64, pages: u64 },
    Protect { page: u64, pages: u64, rights: Rights },
    Keep { page: u64, token: u64 },
    Merge { page: u64, pages: u64 },
}

/// Ranges that start and end at, or beside, the borders of large pages, around two of 1 GiB.
fn range() -> impl Strategy<Value = (u64, u64)> {
    let border = prop_oneof![Just(0_u64), Just(512), Just(1024), Just(1536), Just(512 * 512)];
    let near = (border, 0..4_u64).prop_map(|(border, off)| (border + off).saturating_sub(1));
    (near.clone(), near, 1..600_u64).prop_map(|(a, b, few)| match b.saturating_sub(a) {
        0 | 1025.. => (a, few),
        pages => (a, pages),
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let rights = prop_oneof![Just(RW), Just(Rights::READ), Just(Rights::READ | Rights::EXECUTE)];
    let to = prop_oneof![3 => Just(0_u64), 1 => 0..2000_u64];
    prop_oneof![
        4 => (range(), to, any::<bool>(), 0..3_u8).prop_map(|((page, pages), to, user, largest)| {
            // Targets that are aligned as the address is give large pages.
            Edit::Map { page, pages, to: (1 << 18) + page + to, user, largest }
        }),
        3 => range().prop_map(|(page, pages)| Edit::Unmap { page, pages }),
        2 => (range(), rights).prop_map(|((page, pages), rights)| Edit::Protect { page, pages, rights }),
        1 => (range(), 1..1_u64 << 62).prop_map(|((page, _), token)| Edit::Keep { page, token }),
        1 => range().prop_map(|(page, pages)| Edit::Merge { page, pages }),
    ]
}

/// What a page's entry is, plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    Page(u64, Rights, bool),
    Kept(u64),
}

type Model = BTreeMap<u64, Plain>;

/// Applies `edit` to the model; whether it can be made.
fn apply(model: &mut Model, edit: &Edit) -> bool {
    match *edit {
        Edit::Map { page, pages, to, user, .. } => {
            if model.range(page..page + pages).next().is_some() {
                return false;
            }
            model.extend((0..pages).map(|i| (page + i, Plain::Page(to + i, RW, user))));
        }
        Edit::Unmap { page, pages } => model.retain(|at, _| !(page..page + pages).contains(at)),
        Edit::Protect { page, pages, rights } => {
            for (_, plain) in model.range_mut(page..page + pages) {
                if let Plain::Page(_, old, _) = plain {
                    *old = rights;
                }
            }
        }
        Edit::Keep { page, token } => {
            if model.contains_key(&page) {
                return false;
            }
            model.insert(page, Plain::Kept(token));
        }
        Edit::Merge { .. } => {}
    }
    true
}

fn perform<F: Format, A: Frames>(
    space: &mut AddressSpace<F, Words<'_>, A>,
    edit: &Edit,
) -> Result<Flush, EditError> {
    let va = |page: u64| Gva::new(page << 12);
    match *edit {
        Edit::Map { page, pages, to, user, largest } => {
            let attributes = Attributes { user, ..Attributes::kernel(RW) };
            space.map(va(page), pages, Gfn::new(to), attributes, largest)
        }
        Edit::Unmap { page, pages } => space.unmap(va(page), pages),
        Edit::Protect { page, pages, rights } => {
            space.protect(va(page), pages, Change::rights(rights))
        }
        Edit::Keep { page, token } => space.keep(va(page), token).map(|()| Flush::default()),
        Edit::Merge { page, pages } => space.merge(va(page), pages),
    }
}

fn against_the_model<F: Format + Copy>(format: F, edits: &[Edit]) -> Result<(), TestCaseError> {
    let memory = Memory::pages(FRAMES as usize);
    let pool = Pool::new(Gfn::new(0), Gfn::new(FRAMES));
    let mut space = AddressSpace::new(format, memory.words(), pool).expect("a root");
    let mut model = Model::new();
    for edit in edits {
        let before = model.clone();
        let possible = apply(&mut model, edit);
        let mut gone = Vec::new();
        match perform(&mut space, edit) {
            Ok(flush) => {
                prop_assert!(possible, "{edit:?} overwrote what is used");
                let mut flushed = Vec::new();
                let released = flush.issue(|what| {
                    flushed.extend_from_slice(what.ranges());
                    assert!(!what.everything());
                });
                gone = space.reclaim(released).expect("memory");
                // Whatever processors may hold and is no longer so was flushed.
                for (page, old) in &before {
                    let covered = flushed
                        .iter()
                        .any(|(va, pages)| (va.page()..va.page() + pages).contains(page));
                    let same = model.get(page) == Some(old) || matches!(old, Plain::Kept(_));
                    prop_assert!(same || covered, "page {page:#x} was not flushed");
                }
            }
            Err(EditError::Used { .. }) => prop_assert!(!possible, "{edit:?} was refused"),
            Err(error) => prop_assert!(false, "{edit:?}: {error}"),
        }
        // What was unmapped is reported once, with its frame.
        let reported: BTreeMap<u64, u64> = gone
            .iter()
            .flat_map(|run| (0..run.pages).map(|i| (run.va.page() + i, run.to.get() + i)))
            .collect();
        let expected: BTreeMap<u64, u64> = before
            .iter()
            .filter(|(page, _)| !model.contains_key(page))
            .filter_map(|(&page, plain)| match plain {
                Plain::Page(to, ..) => Some((page, *to)),
                Plain::Kept(_) => None,
            })
            .collect();
        prop_assert_eq!(reported, expected);
        check_content(&mut space, &model)?;
    }
    // All tables come back.
    let all = Edit::Unmap { page: 0, pages: 1 << 19 };
    let released = perform(&mut space, &all).expect("unmaps").issue(|_| {});
    space.reclaim(released).expect("memory");
    prop_assert_eq!(space.frames().available(), FRAMES - 1);
    prop_assert!(memory.content()[..512].iter().all(|&entry| entry == 0));
    Ok(())
}

/// A cursor over everything finds what the model has, and nothing else.
fn check_content<F: Format, A: Frames>(
    space: &mut AddressSpace<F, Words<'_>, A>,
    model: &Model,
) -> Result<(), TestCaseError> {
    let mut found = Model::new();
    let mut cursor = space.cursor(Gva::new(0), 1 << 19).expect("within reach");
    while let Some(item) = cursor.next_used().expect("memory") {
        for i in 0..item.pages {
            let plain = match item.slot {
                Slot::Page(to, attributes) => {
                    Plain::Page(to.get() + i, attributes.rights, attributes.user)
                }
                Slot::Absent(bits) => Plain::Kept(bits >> 1),
                slot => return Err(TestCaseError::fail(format!("{slot:?}"))),
            };
            found.insert(item.va.page() + i, plain);
        }
    }
    prop_assert_eq!(&found, model);
    prop_assert!(cursor.finish().is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn edits_of_riscv_tables_are_those_of_a_plain_map(
        edits in prop::collection::vec(edit(), 1..12)
    ) {
        against_the_model(sv39(), &edits)?;
    }

    #[test]
    fn edits_of_x86_tables_are_those_of_a_plain_map(
        edits in prop::collection::vec(edit(), 1..12)
    ) {
        against_the_model(four_level(), &edits)?;
    }
}

/// A memory and a space of Sv39 tables in it.
fn with_space(test: impl FnOnce(&Memory, &mut AddressSpace<Sv, Words<'_>, Pool>)) {
    let memory = Memory::pages(FRAMES as usize);
    let pool = Pool::new(Gfn::new(0), Gfn::new(FRAMES));
    let mut space = AddressSpace::new(sv39(), memory.words(), pool).expect("a root");
    test(&memory, &mut space);
}

fn done(space: &mut AddressSpace<Sv, Words<'_>, Pool>, flush: Flush) {
    let released = flush.issue(|_| {});
    space.reclaim(released).expect("memory");
}

#[test]
fn a_walk_follows_what_was_mapped_in_both_formats() {
    let memory = Memory::pages(FRAMES as usize);
    let pool = Pool::new(Gfn::new(0), Gfn::new(FRAMES));
    let (va, to) = (Gva::new(0xffff_ffc0_0020_0000), Gfn::new(0x8_0200));
    let mut space = AddressSpace::new(sv39(), memory.words(), pool.clone()).expect("a root");
    let flush = space.map(va, 1024 + 3, to, Attributes::kernel(RW), u8::MAX).expect("maps");
    assert!(!flush.is_empty(), "RISC-V may remember that an entry was invalid");
    done(&mut space, flush);
    let satp = Satp { mode: Mode::Sv39, asid: 0, root: space.root() };
    for (page, level) in [(0, 1), (511, 1), (512, 1), (1024, 0), (1026, 0)] {
        let at = Gva::new(va.get() + (page << 12));
        let environment = Environment::SUPERVISOR;
        let leaf = walk(&memory, satp, environment, at, Access::Store, |_, _, _| {}).expect("maps");
        assert_eq!((leaf.gfn, leaf.level), (to.plus(page), level));
    }
    let memory = Memory::pages(FRAMES as usize);
    let mut space = AddressSpace::new(four_level(), memory.words(), pool).expect("a root");
    let va = Gva::new(0xffff_8000_0020_0000);
    let flush = space.map(va, 1024 + 3, to, Attributes::user(RW), u8::MAX).expect("maps");
    assert!(flush.is_empty(), "x86 does not");
    let released = flush.issue(|_| panic!("nothing to flush"));
    assert!(space.reclaim(released).expect("memory").is_empty());
    let paging = Paging { root: space.root(), ..Paging::four_level(Gfn::new(0)) };
    let store = x86::Access::new(Access::Store, Privilege::User);
    for (page, level) in [(0, 1), (1023, 1), (1024, 0)] {
        let at = Gva::new(va.get() + (page << 12));
        let leaf = x86::walk(&memory, &paging, at, store, |_, _, _| {}).expect("maps");
        assert_eq!((leaf.gfn, leaf.level, leaf.execute), (to.plus(page), level, false));
    }
}

#[test]
fn a_table_goes_back_to_its_pool_only_after_the_flush() {
    with_space(|_, space| {
        let before = space.frames().available();
        let attributes = Attributes::kernel(RW);
        let flush = space.map(Gva::new(0), 512, Gfn::new(0x1_0001), attributes, 2).expect("maps");
        done(space, flush);
        assert_eq!(space.frames().available(), before - 2);
        let flush = space.unmap(Gva::new(0), 512).expect("unmaps");
        assert_eq!(space.frames().available(), before - 2, "not before the flush");
        let mut flushed = false;
        let released = flush.issue(|what| {
            flushed = what.tables() && what.ranges() == [(Gva::new(0), 512)];
        });
        assert!(flushed);
        assert_eq!(space.frames().available(), before - 2, "nor by the flush alone");
        space.reclaim(released).expect("memory");
        assert_eq!(space.frames().available(), before);
    });
}

#[test]
fn discarded_tables_are_all_in_their_pool_again() {
    with_space(|_, space| {
        let before = space.frames().available();
        // Pieces of two tables, a whole one between them, and a large page beside.
        let attributes = Attributes::kernel(RW);
        let flush = space.map(Gva::new(0x1f_f000), 1200, Gfn::new(1 << 18), attributes, 0).unwrap();
        done(space, flush);
        let flush =
            space.map(Gva::new(0x8000_0000), 1 << 18, Gfn::new(1 << 18), attributes, 2).unwrap();
        done(space, flush);
        let used = before - space.frames().available();
        let mut flush = space.unmap(Gva::new(0x1f_f000), 1200).unwrap();
        flush.join(space.unmap(Gva::new(0x8000_0000), 1 << 18).unwrap());
        let released = flush.issue(|_| {});
        assert_eq!(space.discard(released).unwrap(), used);
        assert_eq!(space.frames().available(), before);
        assert_eq!(space.query(Gva::new(0x20_0000)).unwrap().slot, Slot::Unused);
    });
}

/// Runs are told apart where anything but the accessed bit differs, and where the frames do not follow
/// each other.
#[test]
fn runs_end_where_frames_or_dirty_bits_do() {
    with_space(|memory, space| {
        let attributes = Attributes { dirty: false, ..Attributes::kernel(RW) };
        let flush = space.map(Gva::new(0), 512, Gfn::new(1 << 18), attributes, 0).unwrap();
        done(space, flush);
        let leaf = |page: u64| {
            let mut table = space.root();
            for _ in 0..2 {
                table = Pte(memory.get(table.get(), 0)).gfn();
            }
            (table.get(), page)
        };
        let change = |page: u64, change: fn(u64) -> u64| {
            let (table, index) = leaf(page);
            memory.set(table, index, change(memory.get(table, index)));
        };
        change(3, |entry| entry & !Pte::A);
        change(5, |entry| entry | Pte::D);
        change(9, |entry| entry + (1 << 20));
        change(11, |_| 0);
        change(13, |entry| entry & !Pte::W);
        let flush = space.unmap(Gva::new(0), 512).unwrap();
        let released = flush.issue(|_| {});
        let runs = space.reclaim(released).unwrap();
        let found: Vec<_> = runs.iter().map(|run| (run.va.page(), run.pages, run.dirty)).collect();
        assert_eq!(
            found,
            [
                (0, 5, false),
                (5, 1, true),
                (6, 3, false),
                (9, 1, false),
                (10, 1, false),
                (12, 500, false)
            ]
        );
        assert_eq!(runs[3].to, Gfn::new((1 << 18) + 9 + (1 << 10)));
    });
}

#[test]
fn dirty_bits_that_a_processor_sets_until_the_flush_are_reported() {
    with_space(|memory, space| {
        let clean = Attributes { dirty: false, ..Attributes::kernel(RW) };
        let flush = space.map(Gva::new(0), 512, Gfn::new(0x1_0001), clean, 0).expect("maps");
        done(space, flush);
        let flush = space.unmap(Gva::new(0), 512).expect("unmaps");
        // A processor that still holds the table writes page 7.
        let table = (0..FRAMES).find(|&page| memory.get(page, 7) == 0x1_0008 << 10 | 0x47);
        memory.set(table.expect("the table"), 7, 0x1_0008 << 10 | 0xc7);
        let released = flush.issue(|_| {});
        let runs = space.reclaim(released).expect("memory");
        let dirty: Vec<_> = runs.iter().filter(|run| run.dirty).collect();
        assert_eq!((runs.len(), dirty.len()), (3, 1));
        assert_eq!((dirty[0].va, dirty[0].pages), (Gva::new(0x7000), 1));
    });
}

#[test]
fn an_edit_that_cannot_be_made_changes_nothing() {
    with_space(|memory, space| {
        let attributes = Attributes::kernel(RW);
        space.keep(Gva::new(0x40_0000), 77).expect("keeps");
        let before = (memory.content(), space.frames().available());
        // Not present is not unused.
        let refused = space.map(Gva::new(0), 2048, Gfn::new(1), attributes, 2);
        assert_eq!(refused.err(), Some(EditError::Used { va: Gva::new(0x40_0000), level: 0 }));
        let writable_only = Attributes::kernel(Rights::WRITE);
        let refused = space.map(Gva::new(0), 1, Gfn::new(1), writable_only, 2);
        assert!(matches!(refused, Err(EditError::Unrepresentable { .. })));
        for (va, pages) in [(1 << 38, 1), ((1 << 38) - 0x1000, 2), (0x10, 1), (u64::MAX << 12, 2)] {
            let refused = space.map(Gva::new(va), pages, Gfn::new(1), attributes, 2);
            assert!(matches!(refused, Err(EditError::OutOfReach { .. })), "{va:#x}");
        }
        let refused = space.map(Gva::new(0x1000), FRAMES * 512, Gfn::new(1 << 20), attributes, 0);
        assert_eq!(refused.err(), Some(EditError::Used { va: Gva::new(0x40_0000), level: 0 }));
        let refused = space.map(Gva::new(1 << 30), FRAMES * 512, Gfn::new(1 << 20), attributes, 0);
        assert!(matches!(refused, Err(EditError::OutOfFrames { .. })));
        assert_eq!(before, (memory.content(), space.frames().available()));
    });
}

#[test]
fn a_page_in_the_middle_of_a_large_one_is_changed_alone_and_merging_restores_it() {
    with_space(|_, space| {
        let attributes = Attributes::kernel(RW);
        let flush =
            space.map(Gva::new(0), 1 << 18, Gfn::new(1 << 18), attributes, 2).expect("maps");
        done(space, flush);
        assert_eq!(space.query(Gva::new(0)).expect("memory").level, 2);
        let available = space.frames().available();
        let middle = Gva::new(0x1234_5000);
        let flush = space.protect(middle, 1, Change::rights(Rights::READ)).expect("protects");
        done(space, flush);
        let rights = |space: &AddressSpace<_, _, _>, va| {
            let item = space.query(va).expect("memory");
            match item.slot {
                Slot::Page(to, attributes) => (to, attributes.rights, item.level),
                slot => panic!("{slot:?}"),
            }
        };
        assert_eq!(rights(space, middle), (Gfn::new((1 << 18) + 0x12345), Rights::READ, 0));
        let beside = Gva::new(0x1234_6000);
        assert_eq!(rights(space, beside), (Gfn::new((1 << 18) + 0x12346), RW, 0));
        assert_eq!(rights(space, Gva::new(0x3000_0000)).2, 1);
        assert_eq!(space.frames().available(), available - 2);
        // Not alike: nothing to merge but what is.
        let flush = space.merge(Gva::new(0), 1 << 18).expect("merges");
        assert!(flush.is_empty());
        done(space, flush);
        let flush = space.protect(middle, 1, Change::rights(RW)).expect("protects");
        done(space, flush);
        let flush = space.merge(Gva::new(0), 1 << 18).expect("merges");
        done(space, flush);
        assert_eq!(rights(space, middle).2, 2);
        assert_eq!(space.frames().available(), available);
    });
}

#[test]
fn a_napot_page_is_taken_apart_where_a_range_ends_inside_it() {
    with_space(|memory, space| {
        let flush = space
            .map(Gva::new(0), 32, Gfn::new(0x1_0000), Attributes::kernel(RW), 0)
            .expect("maps");
        done(space, flush);
        // Somebody made one page of 64 KiB of the first sixteen.
        let table = (0..FRAMES).find(|&page| memory.get(page, 1) == 0x1_0001 << 10 | 0xc7);
        let table = table.expect("the table");
        for index in 0..16 {
            memory.set(table, index, Pte::N | 0x1_0008 << 10 | 0xc7);
        }
        let flush = space.unmap(Gva::new(0x5000), 2).expect("unmaps");
        let mut covers = false;
        let released = flush.issue(|what| {
            covers = what.ranges().iter().any(|&(va, pages)| va.get() == 0 && pages == 16);
        });
        assert!(covers, "the whole page is forgotten");
        let runs = space.reclaim(released).expect("memory");
        assert_eq!((runs.len(), runs[0].to, runs[0].pages), (1, Gfn::new(0x1_0005), 2));
        assert_eq!(memory.get(table, 4), 0x1_0004 << 10 | 0xc7);
        assert_eq!(memory.get(table, 5), 0);
    });
}

#[test]
fn the_second_stage_has_a_root_of_four_pages() {
    let memory = Memory::pages(64);
    let format = Sv::new(Mode::Sv39, Extensions::NONE).expect("has tables").second_stage();
    let pool = Pool::new(Gfn::new(1), Gfn::new(64));
    let mut space = AddressSpace::new(format, memory.words(), pool).expect("a root");
    assert_eq!(space.root().get() % 4, 0);
    let top = Gva::new((1 << 41) - 0x1000);
    let flush = space.map(top, 1, Gfn::new(9), Attributes::user(RW), 0).expect("maps");
    let released = flush.issue(|_| {});
    space.reclaim(released).expect("memory");
    assert_ne!(memory.get(space.root().get() + 3, 511), 0);
    assert!(space.map(Gva::new(1 << 41), 1, Gfn::new(9), Attributes::user(RW), 0).is_err());
    assert!(space.map(Gva::new(0), 1, Gfn::new(9), Attributes::kernel(RW), 0).is_err());
}

#[test]
fn a_cursors_edits_need_one_flush() {
    with_space(|_, space| {
        let mut cursor = space.cursor(Gva::new(0), 100).expect("within reach");
        cursor.map(10, Gfn::new(0x1_0000), Attributes::kernel(RW), 0).expect("maps");
        assert_eq!(cursor.peek().expect("memory").expect("more").va, Gva::new(0xa000));
        cursor.map(200, Gfn::new(0x2_0000), Attributes::user(RW), 0).expect("maps");
        assert_eq!(cursor.peek(), Ok(None));
        let mut flushes = 0;
        let released = cursor.finish().issue(|what| {
            flushes += 1;
            assert_eq!(what.ranges(), [(Gva::new(0), 100)]);
        });
        assert_eq!(flushes, 1);
        space.reclaim(released).expect("memory");
    });
}

#[test]
fn tables_outside_memory_are_an_error() {
    with_space(|memory, space| {
        memory.set(space.root().get(), 0, Pte::table(Gfn::new(0xffff)).0);
        assert!(memory.load_entry(vellum_translate::Gpa::new(0xffff << 12)).is_none());
        let va = Gva::new(0x1000);
        let error = space.query(va).expect_err("no memory");
        assert!(matches!(error, EditError::NoMemory { .. }));
        assert!(space.unmap(va, 1).is_err());
        assert!(space.protect(va, 1, Change::rights(RW)).is_err());
        assert!(space.map(va, 1, Gfn::new(1), Attributes::kernel(RW), 0).is_err());
    });
}

/// Tables that were adopted may lead anywhere: to themselves, to the root, many times to one.
#[test]
fn unmapping_tables_that_lead_to_themselves_ends_and_gives_each_back_once() {
    for discard in [false, true] {
        let memory = Memory::pages(16);
        let root = Gfn::new(0);
        let table = |page| x86::Entry::new(Gfn::new(page), 0x27).0;
        memory.set(0, 1, table(1));
        // The first leads to itself, to another that leads back, and to the root.
        for index in 0..512 {
            memory.set(1, index, table([1, 2, 0][index as usize % 3]));
            memory.set(2, index, table([1, 2][index as usize % 2]));
        }
        let pool = Pool::new(Gfn::new(8), Gfn::new(8));
        let mut space = AddressSpace::adopt(four_level(), memory.words(), pool, root);
        let flush = space.unmap(Gva::new(1 << 39), 1 << 27).expect("unmaps");
        let released = flush.issue(|_| {});
        if discard {
            assert_eq!(space.discard(released), Ok(2));
        } else {
            // At the lowest level every entry is a page's: 512 in each of three tables at most.
            let pages = space.reclaim(released).expect("memory");
            let count: u64 = pages.iter().map(|run| run.pages).sum();
            assert!((1..=3 * 512).contains(&count), "{count}");
        }
        assert_eq!(space.frames().available(), 2, "the root stays, the others come back once");
        assert_eq!(memory.get(0, 1), 0);
    }
}

/// What leads to a table is what [`Format::decode`] says does.
#[test]
fn the_short_way_to_a_table_is_the_long_one() {
    let x86 = |nx, physical_bits| LongMode(Paging { nx, physical_bits, ..four_level().0 });
    let bits: Vec<u32> = (0..13).chain([20, 45, 51, 52, 54, 58, 59, 60, 61, 62, 63]).collect();
    let mut some = 0;
    for (i, j, k) in (0..bits.len()).flat_map(|i| (i..bits.len()).map(move |j| (i, j, j / 2))) {
        for valid in [0, 1] {
            let entry = 1 << bits[i] | 1 << bits[j] | (1 << bits[k] & 0x1ff) | valid;
            for level in 0..4 {
                let check = |format: &dyn Format| {
                    let table = match format.decode(level, 3, entry) {
                        Slot::Table(table) => Some(table),
                        _ => None,
                    };
                    assert_eq!(format.leads_to(level, 3, entry), table, "{level} {entry:#x}");
                    u64::from(table.is_some())
                };
                some += check(&sv39()) + check(&x86(true, 52)) + check(&x86(false, 40));
                let all = [true; 3];
                let [svnapot, svpbmt, svrsw60t59b] = all;
                let extensions = Extensions { svnapot, svpbmt, svrsw60t59b, ..Extensions::NONE };
                some += check(&Sv::new(Mode::Sv39, extensions).expect("has tables"));
            }
        }
    }
    assert!(some > 100, "{some}");
}

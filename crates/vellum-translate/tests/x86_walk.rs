//! The x86-64 walk against the plain reference: every kind of entry, a sample of all flags, random
//! tables; and the rules one by one, named by the manual's section.

mod common;

use common::Memory;
use proptest::prelude::*;
use std::cell::Cell;
use vellum_translate::x86::reference::{Verdict, translate};
use vellum_translate::x86::{
    Access, Entry, ErrorCode, Fault, FaultKind, Leaf, Paging, Registers, campaign, walk,
};
use vellum_translate::{Access as Kind, Gfn, Gpa, Gva, Privilege, Reference, Rights, TableMemory};

const PAGES: u64 = 7;

#[test]
fn a_sample_of_every_combination_of_flags_agrees_with_the_reference() {
    // A prime step visits every digit's values in every combination with its neighbours.
    for number in (0..campaign::COUNT).step_by(997) {
        campaign::check(&campaign::combination(number))
            .unwrap_or_else(|other| panic!("{other:#x?}"));
    }
}

fn entry() -> impl Strategy<Value = u64> {
    let gfn = prop_oneof![
        8 => 0..PAGES,
        1 => Just(1 << 9),
        1 => Just(1 << 18),
        1 => Just((1 << 18) + 1),
        1 => 0..1_u64 << 40
    ];
    let flags = prop_oneof![
        6 => Just(0x67_u64),
        2 => Just(0x07_u64),
        3 => any::<u16>().prop_map(|flags| u64::from(flags & 0xfff) | 1),
        1 => any::<u16>().prop_map(|flags| u64::from(flags & 0xfff))
    ];
    let high =
        prop_oneof![8 => Just(0_u64), 2 => any::<u16>().prop_map(|high| u64::from(high & 0xfff))];
    (gfn, flags, high).prop_map(|(gfn, flags, high)| high << 52 | gfn << 12 | flags)
}

fn paging() -> impl Strategy<Value = Paging> {
    (any::<[bool; 8]>(), any::<[u32; 2]>(), any::<[bool; 2]>(), 36..=52_u8).prop_map(
        |([five, wp, nx, smep, smap, ac, pke, pks], keys, [giant_pages, tight], bits)| Paging {
            levels: if five { 5 } else { 4 },
            wp,
            nx,
            smep,
            smap,
            ac,
            pkru: pke.then_some(keys[0]),
            pkrs: pks.then_some(keys[1]),
            physical_bits: if tight { bits } else { 52 },
            giant_pages,
            ..Paging::four_level(Gfn::new(0))
        },
    )
}

fn access() -> impl Strategy<Value = Access> {
    (common::access(), 0..3).prop_map(|(kind, who)| Access {
        kind,
        privilege: if who == 0 { Privilege::User } else { Privilege::Supervisor },
        implicit: who == 2,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_says_what_the_manual_says(
        entries in prop::collection::vec(entry(), 4 * PAGES as usize),
        indices in prop::collection::vec(0..4_u64, 5),
        paging in paging(), access in access(), offset in 0..4096_u64, spoil in any::<u64>(),
    ) {
        let memory = Memory::pages(PAGES as usize);
        for (i, entry) in entries.into_iter().enumerate() {
            memory.set(i as u64 / 4, i as u64 % 4, entry);
        }
        let va = indices[..usize::from(paging.levels)].iter().fold(0, |va, i| va << 9 | i) << 12;
        let va = Gva::new(if spoil % 16 == 0 { va ^ spoil } else { va | offset });
        let other = memory.clone();
        let said = translate(&other, &paging, va, access);
        let walked = walk(&memory, &paging, va, access, |_, _, _| {});
        match (said, walked) {
            (Verdict::Translated(at), Ok(leaf)) => {
                prop_assert_eq!(leaf.gfn, at.gfn());
                for kind in [Kind::Load, Kind::Store, Kind::Fetch] {
                    let granted = translate(&other.clone(), &paging, va, Access { kind, ..access });
                    let rights = leaf.allows(&paging, access.privilege, access.implicit);
                    prop_assert_eq!(rights.contains(kind.right()), granted == said);
                }
            }
            (Verdict::PageFault(code), Err(Fault { kind: FaultKind::Page(found), .. })) => {
                prop_assert_eq!(found.bits(), code);
            }
            (Verdict::NotCanonical, Err(Fault { kind: FaultKind::NotCanonical, .. })) => {}
            // A page whose tables are no memory reads as a bus error in both.
            (Verdict::Bus, Err(Fault { kind: FaultKind::Bus, .. })) => {}
            (said, walked) => prop_assert!(false, "the manual: {said:?}, the walk: {walked:?}"),
        }
        prop_assert_eq!(memory.content(), other.content(), "accessed and dirty bits");
    }
}

/// Pages 0 to 3 are a path of tables with all rights; the leaf is the last one's entry 0.
struct Path {
    memory: Memory,
    paging: Paging,
}

const ALL: u64 = Entry::P | Entry::W | Entry::U;
const USER_LOAD: Access = Access::new(Kind::Load, Privilege::User);
const LOAD: Access = Access::new(Kind::Load, Privilege::Supervisor);
const STORE: Access = Access::new(Kind::Store, Privilege::Supervisor);
const FETCH: Access = Access::new(Kind::Fetch, Privilege::Supervisor);

impl Path {
    fn new(leaf: u64) -> Path {
        let memory = Memory::pages(5);
        for page in 0..3 {
            memory.set(page, 0, Entry::new(Gfn::new(page + 1), ALL).0);
        }
        memory.set(3, 0, leaf);
        Path { memory, paging: Paging::four_level(Gfn::new(0)) }
    }

    fn walk(&self, access: Access) -> Result<Leaf, Fault> {
        walk(&self.memory, &self.paging, Gva::new(0x123), access, |_, _, _| {})
    }

    /// The error code of the page fault that this access gets, and the level.
    fn refused(&self, access: Access) -> (ErrorCode, u8) {
        match self.walk(access).expect_err("must be refused") {
            Fault { kind: FaultKind::Page(code), level, .. } => (code, level),
            fault => panic!("{fault}"),
        }
    }
}

fn page(flags: u64) -> u64 {
    Entry::new(Gfn::new(0x44), flags).0
}

// Rule: SDM 3A "Accessed and Dirty Flags"
#[test]
fn accessed_bits_are_set_on_the_whole_path_and_the_dirty_bit_only_by_a_store() {
    let path = Path::new(page(ALL));
    assert!(!path.walk(USER_LOAD).expect("allowed").dirty);
    for level in 0..4 {
        assert_eq!(path.memory.get(level, 0) & (Entry::A | Entry::D), Entry::A);
    }
    assert!(path.walk(STORE).expect("allowed").dirty);
    assert_eq!(path.memory.get(3, 0), page(ALL | Entry::A | Entry::D));
    assert_eq!(path.memory.get(2, 0) & Entry::D, 0);
    // A refused access leaves nothing behind.
    let path = Path::new(page(Entry::P));
    path.refused(USER_LOAD);
    assert!((0..4).all(|level| path.memory.get(level, 0) & Entry::A == 0));
}

// Rule: SDM 3A "Page-Fault Exceptions"
#[test]
fn not_present_outranks_reserved_and_reserved_outranks_rights() {
    let path = Path::new(0xffff_ffff_ffff_fffe);
    assert_eq!(path.refused(USER_LOAD), (ErrorCode::USER, 0));
    let mut path = Path::new(page(Entry::P) | 1 << 45);
    path.paging.physical_bits = 45;
    let reserved = ErrorCode::PRESENT | ErrorCode::RESERVED;
    assert_eq!(path.refused(USER_LOAD), (reserved | ErrorCode::USER, 0));
    assert_eq!(path.refused(FETCH), (reserved | ErrorCode::FETCH, 0));
    // The fetch flag needs NX or SMEP.
    path.paging.nx = false;
    assert_eq!(path.refused(FETCH), (reserved, 0));
    path.paging.smep = true;
    assert_eq!(path.refused(FETCH), (reserved | ErrorCode::FETCH, 0));
}

// Rule: SDM 3A "Reserved bits in paging-structure entries"
#[test]
fn reserved_bits_by_level_width_and_features() {
    // entry's level, bits, physical bits, NX, 1 GiB pages: reserved?
    let rows = [
        (3, Entry::PS, 52, true, true, true),
        (2, Entry::PS, 52, true, false, true),
        (2, Entry::PS, 52, true, true, false),
        (2, Entry::PS | 1 << 13, 52, true, true, true),
        (2, Entry::PS | 1 << 29, 52, true, true, true),
        (2, Entry::PS | 1 << 12, 52, true, true, false),
        (1, Entry::PS | 1 << 20, 52, true, true, true),
        (1, Entry::PS | 1 << 13, 52, true, true, true),
        (1, Entry::PS | 1 << 12, 52, true, true, false),
        (0, Entry::PAT, 52, true, true, false),
        (0, 1 << 51, 51, true, true, true),
        (0, 1 << 51, 52, true, true, false),
        (0, 1 << 52, 36, true, true, false),
        (0, Entry::NX, 52, false, true, true),
        (2, Entry::NX, 52, false, true, true),
        (0, Entry::NX, 52, true, true, false),
    ];
    for (level, bits, physical_bits, nx, giant_pages, reserved) in rows {
        let mut path = Path::new(page(ALL));
        let at = 3 - u64::from(level);
        let frame = if bits & Entry::PS != 0 && level > 0 { 0 } else { path.memory.get(at, 0) };
        path.memory.set(at, 0, frame | ALL | bits);
        path.paging = Paging { physical_bits, nx, giant_pages, ..path.paging };
        let walked = path.walk(USER_LOAD);
        if reserved {
            let code = ErrorCode::PRESENT | ErrorCode::RESERVED | ErrorCode::USER;
            assert_eq!(path.refused(USER_LOAD), (code, level), "{level} {bits:#x}");
        } else {
            assert!(walked.is_ok(), "{level} {bits:#x}: {walked:?}");
        }
    }
}

// Rule: SDM 3A "Determination of Access Rights"
#[test]
fn rights_are_what_every_entry_of_the_path_grants() {
    for level in 0..4 {
        let restricted = |clear: u64, set: u64| {
            let path = Path::new(page(ALL));
            let entry = path.memory.get(level, 0);
            path.memory.set(level, 0, entry & !clear | set);
            path
        };
        let (user, supervisor) = (Privilege::User, Privilege::Supervisor);
        let rights = |path: &Path, privilege| {
            path.walk(LOAD).expect("mapped").allows(&path.paging, privilege, false)
        };
        let all = Rights::all();
        let path = restricted(Entry::W, 0);
        assert_eq!(rights(&path, user), all - Rights::WRITE);
        assert_eq!(rights(&path, supervisor), all - Rights::WRITE);
        let path = restricted(Entry::U, 0);
        assert_eq!((rights(&path, user), rights(&path, supervisor)), (Rights::empty(), all));
        let path = restricted(0, Entry::NX);
        assert_eq!(rights(&path, user), all - Rights::EXECUTE);
    }
}

// Rule: SDM 3A "Protection Keys"
#[test]
fn keys_refuse_data_and_never_fetches_and_write_disable_heeds_wp() {
    let key = 9_u64;
    let mut path = Path::new(page(ALL) | key << Entry::KEY_SHIFT);
    let (disable_all, disable_write) = (1 << (2 * key), 2 << (2 * key));
    path.paging.pkru = Some(disable_all);
    let code = ErrorCode::PRESENT | ErrorCode::KEY;
    assert_eq!(path.refused(LOAD), (code, 0));
    assert_eq!(path.refused(USER_LOAD), (code | ErrorCode::USER, 0));
    assert!(path.walk(FETCH).is_ok());
    path.paging.pkru = Some(disable_write);
    assert!(path.walk(LOAD).is_ok());
    assert_eq!(path.refused(STORE), (code | ErrorCode::WRITE, 0));
    path.paging.wp = false;
    assert!(path.walk(STORE).is_ok());
    let user_store = Access::new(Kind::Store, Privilege::User);
    assert_eq!(path.refused(user_store), (code | ErrorCode::WRITE | ErrorCode::USER, 0));
    // A supervisor address answers to PKRS alone.
    let mut path = Path::new(page(ALL & !Entry::U) | key << Entry::KEY_SHIFT);
    path.paging.pkru = Some(u32::MAX);
    assert!(path.walk(STORE).is_ok());
    path.paging.pkrs = Some(disable_write);
    assert_eq!(path.refused(STORE), (code | ErrorCode::WRITE, 0));
}

// Rule: SDM 3A "Determination of Access Rights", SMEP and SMAP
#[test]
fn a_supervisor_keeps_off_user_pages_with_smep_and_smap() {
    let mut path = Path::new(page(ALL));
    path.paging.smap = true;
    assert_eq!(path.refused(LOAD), (ErrorCode::PRESENT, 0));
    assert!(path.walk(FETCH).is_ok());
    path.paging.ac = true;
    assert!(path.walk(STORE).is_ok());
    // AC has no say for the processor's own accesses.
    assert_eq!(path.refused(Access { implicit: true, ..LOAD }), (ErrorCode::PRESENT, 0));
    path.paging.smep = true;
    assert_eq!(path.refused(FETCH), (ErrorCode::PRESENT | ErrorCode::FETCH, 0));
}

// Rule: SDM 1 "Canonical Addressing"
#[test]
fn an_address_that_is_not_canonical_is_no_page_fault() {
    let mut path = Path::new(page(ALL));
    let walk_at =
        |path: &Path, va| walk(&path.memory, &path.paging, Gva::new(va), LOAD, |_, _, _| {});
    let fault = walk_at(&path, 1 << 47).expect_err("not canonical");
    assert_eq!((fault.vector(), fault.entry), (13, None));
    path.paging.levels = 5;
    assert_eq!(walk_at(&path, 1 << 47).expect_err("no entry").vector(), 14);
    assert_eq!(walk_at(&path, 1 << 56).expect_err("not canonical").vector(), 13);
}

#[test]
fn a_table_that_is_no_memory_is_a_bus_error() {
    let path = Path::new(page(ALL));
    path.memory.set(1, 0, Entry::new(Gfn::new(0xffff), ALL).0);
    let fault = path.walk(STORE).expect_err("no memory");
    assert_eq!((fault.kind, fault.vector(), fault.level), (FaultKind::Bus, 18, 1));
    assert_eq!((fault.entry, fault.reference), (Some(Gpa::new(0x0fff_f000)), Reference::EntryLoad));
}

/// Memory in which another processor stores to the leaf between the load and the update.
struct Contended<'a> {
    memory: &'a Memory,
    leaf: Gpa,
    stored: Cell<Option<u64>>,
}

impl TableMemory for Contended<'_> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.memory.load_entry(at)
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        if at == self.leaf
            && let Some(entry) = self.stored.take()
        {
            self.memory.set(at.get() >> 12, at.get() >> 3 & 511, entry);
        }
        self.memory.exchange_entry(at, current, new)
    }
}

#[test]
fn a_leaf_that_changes_during_its_update_is_walked_again() {
    let path = Path::new(page(ALL));
    let walk = |stored| {
        let leaf = Gpa::new(3 << 12);
        let memory = Contended { memory: &path.memory, leaf, stored: Cell::new(Some(stored)) };
        walk(&memory, &path.paging, Gva::new(0), STORE, |_, _, _| {})
    };
    let moved = Entry::new(Gfn::new(0x45), ALL).0;
    assert_eq!(walk(moved).expect("mapped").gfn, Gfn::new(0x45));
    assert_eq!(path.memory.get(3, 0), moved | Entry::A | Entry::D);
    path.memory.set(3, 0, page(ALL));
    let fault = walk(page(Entry::P)).expect_err("withdrawn");
    assert_eq!(fault.kind, FaultKind::Page(ErrorCode::PRESENT | ErrorCode::WRITE));
    assert_eq!(path.memory.get(3, 0), page(Entry::P));
}

#[test]
fn a_walk_ends_whatever_the_memory_does() {
    struct Restless;
    impl TableMemory for Restless {
        fn load_entry(&self, _: Gpa) -> Option<u64> {
            Some(ALL)
        }
        fn exchange_entry(&self, _: Gpa, _: u64, _: u64) -> Option<bool> {
            Some(false)
        }
    }
    let paging = Paging::four_level(Gfn::new(0));
    let walked = walk(&Restless, &paging, Gva::new(0), LOAD, |_, _, _| {});
    assert_eq!(walked.expect_err("gives up").vector(), 14);
}

#[test]
fn registers_select_the_mode() {
    let registers = Registers {
        cr0: Registers::CR0_PE | Registers::CR0_PG | Registers::CR0_WP,
        cr3: 0x1234_5000 | 0x7,
        cr4: Registers::CR4_PAE | Registers::CR4_LA57 | Registers::CR4_PCIDE | Registers::CR4_PKE,
        efer: Registers::EFER_LME | Registers::EFER_NXE,
        eflags: Registers::EFLAGS_AC,
        pkru: 0x55,
        pkrs: 0,
    };
    let paging = Paging::from_registers(&registers, 46, true).expect("five levels");
    assert_eq!((paging.levels, paging.root, paging.pcid), (5, Gfn::new(0x12345), 7));
    assert_eq!((paging.pkru, paging.pkrs, paging.wp, paging.ac), (Some(0x55), None, true, true));
    let plain = Registers { cr4: Registers::CR4_PAE, ..registers };
    let paging = Paging::from_registers(&plain, 46, true).expect("four levels");
    assert_eq!((paging.levels, paging.pcid, paging.pkru), (4, 0, None));
    for off in [
        Registers { cr0: Registers::CR0_PE, ..registers },
        Registers { cr4: 0, ..registers },
        Registers { efer: 0, ..registers },
    ] {
        assert!(Paging::from_registers(&off, 46, true).is_err());
    }
}

//! RISC-V's rules one by one. `// Rule:` names each as the ISA manual's list of normative rules
//! does; docs/src/translate.md has the table.

mod common;

use common::Memory;
use std::cell::Cell;
use vellum_translate::riscv::{
    Extensions, Hgatp, MemoryType, Mode, Pte, Satp, TwoStage, walk, walk_two_stage, walk_with,
};
use vellum_translate::{
    Access, Environment, Fault, FaultKind, Gfn, Gpa, Gva, Privilege, Reference, Rights, Stage,
    TableMemory,
};

const RWX: u64 = Pte::R | Pte::W | Pte::X;
const AD: u64 = Pte::A | Pte::D;
const ALL: [Access; 3] = [Access::Fetch, Access::Load, Access::Store];

/// One path of tables: page 0 is the root, page 1 the table at the next level, and so on; entry 0
/// in each. The leaf replaces the entry at `level`.
struct Path {
    memory: Memory,
    mode: Mode,
    extensions: Extensions,
    environment: Environment,
}

impl Path {
    fn new(mode: Mode) -> Path {
        let memory = Memory::pages(5);
        for page in 0..4 {
            memory.set(page, 0, Pte::table(Gfn::new(page + 1)).0);
        }
        let environment = Environment::SUPERVISOR;
        Path { memory, mode, extensions: Extensions::NONE, environment }
    }

    fn entry(self, level: u8, entry: u64) -> Path {
        self.memory.set(u64::from(self.mode.levels() - 1 - level), 0, entry);
        self
    }

    fn with(self, extensions: Extensions) -> Path {
        Path { extensions, ..self }
    }

    fn in_environment(self, environment: Environment) -> Path {
        Path { environment, ..self }
    }

    fn satp(&self) -> Satp {
        Satp { mode: self.mode, asid: 0, root: Gfn::new(0) }
    }

    fn walk(&self, va: u64, access: Access) -> Result<vellum_translate::riscv::Leaf, Fault> {
        let (satp, environment) = (self.satp(), self.environment);
        walk_with(
            &self.memory,
            self.extensions,
            satp,
            environment,
            Gva::new(va),
            access,
            |_, _, _| {},
        )
    }

    /// Which accesses go through.
    fn allowed(&self) -> Rights {
        ALL.into_iter()
            .filter(|&access| self.walk(0x10, access).is_ok())
            .fold(Rights::empty(), |rights, access| rights | access.right())
    }

    /// Every access is a page fault, at this level's entry.
    fn refuses_at(&self, level: u8) {
        for access in ALL {
            let fault = self.walk(0x10, access).expect_err("must be refused");
            let page = u64::from(self.mode.levels() - 1 - level);
            assert_eq!((fault.kind, fault.level), (FaultKind::Page, level));
            assert_eq!(fault.entry, Some(Gpa::new(page << 12)));
            assert_eq!((fault.stage, fault.reference), (Stage::First, Reference::Explicit));
        }
    }
}

const MODES: [Mode; 3] = [Mode::Sv39, Mode::Sv48, Mode::Sv57];

// Rule: Sv39_va_signext
// Rule: Sv48_va_signext
// Rule: Sv57_va_signext
#[test]
fn an_address_that_is_not_sign_extended_is_a_page_fault_before_any_entry_is_read() {
    for (mode, bits) in [(Mode::Sv39, 39), (Mode::Sv48, 48), (Mode::Sv57, 57)] {
        let path = Path::new(mode);
        for va in [1_u64 << (bits - 1), 1 << bits, u64::MAX << bits, 1 << 63] {
            let fault = path.walk(va, Access::Load).expect_err("not canonical");
            assert_eq!((fault.cause(), fault.entry), (13, None), "{mode:?} {va:#x}");
        }
        let high = u64::MAX << (bits - 1);
        assert!(path.walk(high, Access::Load).expect_err("no entry").entry.is_some());
    }
}

// Rule: Sv39_leaf_any_level
// Rule: Sv48_leaf_any_level
// Rule: Sv57_leaf_any_level
// Rule: Sv39_page_sizes
// Rule: Sv48_page_sizes
// Rule: Sv57_page_sizes
#[test]
fn any_level_may_hold_a_leaf_and_its_offset_is_the_rest_of_the_address() {
    for mode in MODES {
        for level in 0..mode.levels() {
            let base = Gfn::new(1 << (9 * u64::from(level)).max(4));
            let base = if level == 0 { Gfn::new(0x77) } else { base };
            let path = Path::new(mode).entry(level, Pte::leaf(base, RWX | AD).0);
            let inside = ((1_u64 << (9 * u64::from(level))) - 1) & 0x1_2345_6789;
            // Only the indices below the leaf are free; those above lead through entry 0.
            let leaf = path.walk(inside << 12 | 0xabc, Access::Load).expect("mapped");
            assert_eq!((leaf.gfn, leaf.level), (base.plus(inside), level));
        }
    }
}

// Rule: Sv39_superpage_align
// Rule: Sv39_superpage_align_fault
// Rule: Sv48_superpage_align_fault
// Rule: Sv57_superpage_align_fault
#[test]
fn a_misaligned_superpage_is_a_page_fault() {
    for mode in MODES {
        for level in 1..mode.levels() {
            for bit in 0..9 * u64::from(level) {
                let leaf = Pte::leaf(Gfn::new(1 << bit), RWX | AD);
                Path::new(mode).entry(level, leaf.0).refuses_at(level);
            }
        }
    }
}

// Rule: Sv39_pte_future_rsv
// Rule: Sv39_pte_svnapot_rsv
// Rule: Sv39_pte_svpbmt_rsv
#[test]
fn a_reserved_bit_is_a_page_fault_in_a_leaf_and_above() {
    for mode in MODES {
        for bit in 54..64 {
            let leaf = Pte::leaf(Gfn::new(8), RWX | AD).0 | 1 << bit;
            Path::new(mode).entry(0, leaf).refuses_at(0);
            let pointer = Pte::table(Gfn::new(2)).0 | 1 << bit;
            Path::new(mode).entry(1, pointer).refuses_at(1);
        }
    }
}

#[test]
fn an_entry_that_is_invalid_or_writable_only_or_a_pointer_too_far_is_a_page_fault() {
    for mode in MODES {
        for bad in [0, RWX | AD, Pte::V | Pte::W, Pte::V | Pte::W | Pte::X] {
            for level in 0..mode.levels() {
                Path::new(mode).entry(level, bad).refuses_at(level);
            }
        }
        Path::new(mode).entry(0, Pte::table(Gfn::new(1)).0).refuses_at(0);
        for flag in [Pte::A, Pte::D, Pte::U] {
            Path::new(mode).entry(1, Pte::table(Gfn::new(2)).0 | flag).refuses_at(1);
        }
    }
}

// Rule: sstatus_sum_op
// Rule: sstatus_mxr_op
#[test]
fn the_user_bit_sum_and_mxr_decide_who_may_do_what() {
    let (s, u) = (Privilege::Supervisor, Privilege::User);
    let rights = |letters: &str| {
        letters.chars().fold(Rights::empty(), |rights, letter| {
            rights
                | match letter {
                    'r' => Rights::READ,
                    'w' => Rights::WRITE,
                    _ => Rights::EXECUTE,
                }
        })
    };
    // privilege, SUM, MXR, flags, what is allowed
    let rows = [
        (s, false, false, RWX, "rwx"),
        (s, false, false, RWX | Pte::U, ""),
        (s, true, false, RWX | Pte::U, "rw"),
        (s, true, false, Pte::R | Pte::U, "r"),
        (s, true, false, Pte::X | Pte::U, ""),
        (s, true, true, Pte::X | Pte::U, "r"),
        (s, false, true, Pte::X | Pte::U, ""),
        (s, false, false, Pte::X, "x"),
        (s, false, true, Pte::X, "rx"),
        (s, true, false, Pte::R, "r"),
        (u, false, false, RWX, ""),
        (u, true, true, RWX, ""),
        (u, false, false, RWX | Pte::U, "rwx"),
        (u, false, false, Pte::X | Pte::U, "x"),
        (u, false, true, Pte::X | Pte::U, "rx"),
        (u, true, false, Pte::R | Pte::W | Pte::U, "rw"),
    ];
    for (privilege, sum, mxr, flags, expected) in rows {
        let leaf = Pte::leaf(Gfn::new(8), flags | AD).0;
        let environment = Environment { privilege, sum, mxr };
        let path = Path::new(Mode::Sv39).entry(0, leaf).in_environment(environment);
        assert_eq!(path.allowed(), rights(expected), "{environment:?} {flags:#x}");
    }
}

// Rule: svade_access_ad_bit_clear
// Rule: Svadu_disabled_hw_update_falls_back_to_svade
#[test]
fn without_svadu_a_clear_accessed_or_dirty_bit_is_a_page_fault() {
    let path = |flags| Path::new(Mode::Sv39).entry(0, Pte::leaf(Gfn::new(8), RWX | flags).0);
    assert_eq!(path(0).allowed(), Rights::empty());
    assert_eq!(path(Pte::D).allowed(), Rights::empty());
    assert_eq!(path(Pte::A).allowed(), Rights::READ | Rights::EXECUTE);
    assert_eq!(path(AD).allowed(), Rights::all());
    path(0).refuses_at(0);
}

// Rule: Svadu_hw_update_a_d_bits
#[test]
fn with_svadu_the_walk_sets_the_bits_and_only_when_the_access_is_allowed() {
    let svadu = Extensions { svadu: true, ..Extensions::NONE };
    let path = |flags| Path::new(Mode::Sv48).entry(0, Pte::leaf(Gfn::new(8), flags).0).with(svadu);
    for (access, set) in [(Access::Fetch, Pte::A), (Access::Load, Pte::A), (Access::Store, AD)] {
        let path = path(RWX);
        let leaf = path.walk(0, access).expect("allowed");
        assert_eq!(path.memory.get(3, 0), Pte::leaf(Gfn::new(8), RWX | set).0);
        // A store later must come here again, to set D.
        assert_eq!(leaf.rights.contains(Rights::WRITE), access == Access::Store);
    }
    let read_only = path(Pte::R);
    assert_eq!(read_only.walk(0, Access::Store).expect_err("no right").cause(), 15);
    assert_eq!(read_only.memory.get(3, 0), Pte::leaf(Gfn::new(8), Pte::R).0);
}

/// Memory in which somebody else stores to an entry between the walk's load and its update.
struct Contended<'a> {
    memory: &'a Memory,
    /// What the entry becomes, once.
    stored: Cell<Option<u64>>,
}

impl TableMemory for Contended<'_> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.memory.load_entry(at)
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        if let Some(entry) = self.stored.take() {
            self.memory.0[at.get() as usize / 8].store(entry, std::sync::atomic::Ordering::Release);
        }
        self.memory.exchange_entry(at, current, new)
    }
}

#[test]
fn an_entry_that_changes_during_its_update_is_read_again() {
    let svadu = Extensions { svadu: true, ..Extensions::NONE };
    let path = Path::new(Mode::Sv39).entry(0, Pte::leaf(Gfn::new(8), RWX).0);
    let walk = |stored: u64, seen: &mut Vec<u64>| {
        let memory = Contended { memory: &path.memory, stored: Cell::new(Some(stored)) };
        let (satp, environment) = (path.satp(), path.environment);
        walk_with(&memory, svadu, satp, environment, Gva::new(0), Access::Store, |_, _, pte| {
            seen.push(pte.0);
        })
    };
    // Another page: the walk leads there, and the update goes to the new entry.
    let mut seen = Vec::new();
    let moved = Pte::leaf(Gfn::new(9), RWX).0;
    assert_eq!(walk(moved, &mut seen).expect("mapped").gfn, Gfn::new(9));
    assert_eq!(path.memory.get(2, 0), moved | AD);
    assert_eq!(seen[2..], [Pte::leaf(Gfn::new(8), RWX).0, moved]);
    // The right to write is gone: nothing is set any more.
    path.memory.set(2, 0, Pte::leaf(Gfn::new(8), RWX).0);
    let withdrawn = Pte::leaf(Gfn::new(8), Pte::R).0;
    assert_eq!(walk(withdrawn, &mut seen).expect_err("withdrawn").cause(), 15);
    assert_eq!(path.memory.get(2, 0), withdrawn);
}

/// Memory whose entries never stay as they were.
struct Restless(Memory);

impl TableMemory for Restless {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.0.load_entry(at)
    }

    fn exchange_entry(&self, _: Gpa, _: u64, _: u64) -> Option<bool> {
        Some(false)
    }
}

#[test]
fn a_walk_ends_whatever_the_memory_does() {
    let path = Path::new(Mode::Sv39).entry(0, Pte::leaf(Gfn::new(8), RWX).0);
    let satp = path.satp();
    let svadu = Extensions { svadu: true, ..Extensions::NONE };
    let memory = Restless(path.memory);
    let (environment, va) = (Environment::SUPERVISOR, Gva::new(0));
    let walked = walk_with(&memory, svadu, satp, environment, va, Access::Load, |_, _, _| {});
    assert_eq!(walked.expect_err("gives up").cause(), 13);
    // A table that is its own entry 0 is read once a level.
    let looped = Memory::pages(1);
    looped.set(0, 0, Pte::table(Gfn::new(0)).0);
    for mode in MODES {
        let mut read = 0;
        let satp = Satp { mode, ..satp };
        let walked = walk(&looped, satp, environment, va, Access::Load, |_, _, _| read += 1);
        assert_eq!((walked.expect_err("no leaf").level, read), (0, mode.levels()));
    }
}

#[test]
fn tables_outside_memory_are_an_access_fault_of_the_walks_own_reference() {
    for level in 1..3 {
        let path = Path::new(Mode::Sv39).entry(level, Pte::table(Gfn::new(0xfffff)).0);
        for (access, cause) in ALL.into_iter().zip([1, 5, 7]) {
            let fault = path.walk(0x1000, access).expect_err("no memory");
            assert_eq!((fault.cause(), fault.level), (cause, level - 1));
            assert_eq!(fault.entry, Some(Gpa::new(0xffff_f000 + if level == 1 { 8 } else { 0 })));
            assert_eq!(fault.reference, Reference::EntryLoad);
        }
    }
    // Memory that may be read and not written: the update is what fails.
    struct ReadOnly(Memory);
    impl TableMemory for ReadOnly {
        fn load_entry(&self, at: Gpa) -> Option<u64> {
            self.0.load_entry(at)
        }
    }
    let path = Path::new(Mode::Sv39).entry(0, Pte::leaf(Gfn::new(8), RWX).0);
    let (satp, svadu) = (path.satp(), Extensions { svadu: true, ..Extensions::NONE });
    let memory = ReadOnly(path.memory);
    let environment = Environment::SUPERVISOR;
    let walked =
        walk_with(&memory, svadu, satp, environment, Gva::new(0), Access::Load, |_, _, _| {});
    let fault = walked.expect_err("cannot be updated");
    assert_eq!((fault.cause(), fault.reference), (5, Reference::EntryStore));
}

// Rule: Svnapot_pte_N
// Rule: Svnapot_valid_encoding
// Rule: Svnapot_implicit_read_ppn_subst
#[test]
fn a_napot_page_of_64_kib_takes_the_low_bits_from_the_address() {
    let svnapot = Extensions { svnapot: true, ..Extensions::NONE };
    let path = Path::new(Mode::Sv39).with(svnapot);
    for index in 0..16 {
        path.memory.set(2, index, Pte::leaf(Gfn::new(0x128), RWX | AD).0 | Pte::N);
    }
    for page in 0..16 {
        let leaf = path.walk(page << 12 | 0x34, Access::Load).expect("mapped");
        assert_eq!((leaf.gfn, leaf.napot, leaf.level), (Gfn::new(0x120 + page), true, 0));
    }
}

// Rule: Svnapot_reserved_encoding_fault
#[test]
fn a_reserved_napot_encoding_is_a_page_fault() {
    let svnapot = Extensions { svnapot: true, ..Extensions::NONE };
    for low in (0..16).filter(|&low| low != 8) {
        let leaf = Pte::leaf(Gfn::new(0x120 + low), RWX | AD).0 | Pte::N;
        Path::new(Mode::Sv39).with(svnapot).entry(0, leaf).refuses_at(0);
    }
    for level in 1..3 {
        let leaf = Pte::leaf(Gfn::new(1 << 18 | 8), RWX | AD).0 | Pte::N;
        Path::new(Mode::Sv39).with(svnapot).entry(level, leaf).refuses_at(level);
    }
    let pointer = Pte::table(Gfn::new(2)).0 | Pte::N;
    Path::new(Mode::Sv39).with(svnapot).entry(1, pointer).refuses_at(1);
}

// Rule: Svpbmt_leaf_pte_pbmt_reserved_3_fault
// Rule: Svpbmt_nonleaf_pte_pbmt_must_be_zero
#[test]
fn the_memory_type_is_reported_and_its_reserved_encodings_are_page_faults() {
    let svpbmt = Extensions { svpbmt: true, ..Extensions::NONE };
    let types = [MemoryType::Physical, MemoryType::NonCacheable, MemoryType::Io];
    for memory_type in types {
        let leaf = Pte::leaf(Gfn::new(8), RWX | AD).0 | memory_type.bits();
        let path = Path::new(Mode::Sv57).with(svpbmt).entry(0, leaf);
        assert_eq!(path.walk(0, Access::Load).expect("mapped").memory_type, memory_type);
        let pointer = Pte::table(Gfn::new(4)).0 | memory_type.bits();
        let path = Path::new(Mode::Sv57).with(svpbmt).entry(1, pointer).entry(0, leaf);
        assert_eq!(path.walk(0, Access::Load).is_ok(), memory_type == MemoryType::Physical);
    }
    let leaf = Pte::leaf(Gfn::new(8), RWX | AD).0 | 3 << 61;
    Path::new(Mode::Sv57).with(svpbmt).entry(0, leaf).refuses_at(0);
}

// Rule: Svrsw60t59b_reserved_bits_60_59
#[test]
fn bits_59_and_60_are_the_softwares_with_svrsw60t59b() {
    let rsw = Extensions { svrsw60t59b: true, ..Extensions::NONE };
    for bits in 1..4_u64 {
        let leaf = Pte::leaf(Gfn::new(8), RWX | AD).0 | bits << 59;
        let pointer = Pte::table(Gfn::new(2)).0 | bits << 59;
        let path = Path::new(Mode::Sv39).entry(1, pointer).entry(0, leaf);
        path.refuses_at(1);
        assert_eq!(path.with(rsw).allowed(), Rights::all());
    }
}

#[test]
fn global_is_inherited_from_a_table_above() {
    for (level, global) in [(0_u64, true), (1, true), (2, true), (3, false)] {
        let mut path = Path::new(Mode::Sv39).entry(0, Pte::leaf(Gfn::new(8), RWX | AD).0);
        if level < 3 {
            let page = 2 - level;
            path.memory.set(page, 0, path.memory.get(page, 0) | Pte::G);
            path = path.in_environment(Environment::SUPERVISOR);
        }
        assert_eq!(path.walk(0, Access::Load).expect("mapped").global, global);
    }
}

/// A guest with one level-0 page at 0x8000 under Sv39 over Sv39x4: first-stage tables in pages
/// 0, 1, 2; second-stage root in 16 to 19, then 20, 21.
fn guest() -> (Memory, TwoStage) {
    let memory = Memory::pages(24);
    memory.set(16, 0, Pte::table(Gfn::new(20)).0);
    memory.set(20, 0, Pte::table(Gfn::new(21)).0);
    for page in 0..10 {
        memory.set(21, page, Pte::leaf(Gfn::new(page), RWX | AD | Pte::U).0);
    }
    memory.set(0, 0, Pte::table(Gfn::new(1)).0);
    memory.set(1, 0, Pte::table(Gfn::new(2)).0);
    memory.set(2, 0, Pte::leaf(Gfn::new(8), RWX | AD).0);
    let state = TwoStage {
        vsatp: Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) },
        hgatp: Hgatp { mode: Mode::Sv39, vmid: 0, root: Gfn::new(16) },
        environment: Environment::SUPERVISOR,
        mxr: false,
        first: Extensions::NONE,
        second: Extensions::NONE,
    };
    (memory, state)
}

fn two_stage(memory: &Memory, state: &TwoStage, va: u64, access: Access) -> Result<u64, Fault> {
    let leaf = walk_two_stage(memory, state, Gva::new(va), access, |_| {})?;
    Ok(leaf.second.gfn.get())
}

// Rule: H_vm_twostage
// Rule: H_guest_page_fault
// Rule: htval_val
// Rule: htinst_val
#[test]
fn a_guest_page_fault_tells_page_from_entry_and_carries_the_guest_physical_address() {
    let (memory, state) = guest();
    assert_eq!(two_stage(&memory, &state, 0x123, Access::Store), Ok(8));
    // The page itself is refused.
    memory.set(21, 8, Pte::leaf(Gfn::new(8), Pte::R | AD | Pte::U).0);
    let fault = two_stage(&memory, &state, 0x123, Access::Store).expect_err("read only");
    assert_eq!((fault.cause(), fault.stage, fault.level), (23, Stage::Second, 0));
    assert_eq!((fault.gpa, fault.va), (Some(Gpa::new(0x8123)), Gva::new(0x123)));
    assert_eq!((fault.reference, fault.pseudoinstruction()), (Reference::Explicit, None));
    assert_eq!(fault.entry, Some(Gpa::new(0x15040)));
    // A table of the first stage is refused: the cause is the access's, the reference the walk's.
    memory.set(21, 1, 0);
    for (access, cause) in ALL.into_iter().zip([20, 21, 23]) {
        let fault = two_stage(&memory, &state, 0x123, access).expect_err("no table");
        assert_eq!((fault.cause(), fault.gpa), (cause, Some(Gpa::new(0x1000))));
        assert_eq!(fault.reference, Reference::EntryLoad);
        assert_eq!(fault.pseudoinstruction(), Some(0x3000));
    }
    // A first-stage refusal is an ordinary page fault.
    memory.set(0, 0, 0);
    assert_eq!(two_stage(&memory, &state, 0x123, Access::Load).expect_err("none").cause(), 13);
}

#[test]
fn an_update_of_a_first_stage_entry_is_a_store_to_the_second_stage() {
    let (memory, mut state) = guest();
    state.first.svadu = true;
    memory.set(2, 0, Pte::leaf(Gfn::new(8), RWX).0);
    memory.set(21, 2, Pte::leaf(Gfn::new(2), Pte::R | AD | Pte::U).0);
    let fault = two_stage(&memory, &state, 0, Access::Load).expect_err("entry is read only");
    assert_eq!((fault.cause(), fault.reference), (21, Reference::EntryStore));
    assert_eq!((fault.pseudoinstruction(), fault.gpa), (Some(0x3020), Some(Gpa::new(0x2000))));
    // With the right, the second stage's own D bit of the table's page is set on the way.
    state.second.svadu = true;
    memory.set(21, 2, Pte::leaf(Gfn::new(2), Pte::R | Pte::W | Pte::U).0);
    assert_eq!(two_stage(&memory, &state, 0, Access::Load), Ok(8));
    assert_eq!(memory.get(2, 0) & AD, Pte::A);
    assert_eq!(memory.get(21, 2) & AD, AD);
}

// Rule: H_vm_gpapriv
#[test]
fn the_second_stage_takes_every_access_for_a_users() {
    let (memory, state) = guest();
    memory.set(21, 8, Pte::leaf(Gfn::new(8), RWX | AD).0);
    assert_eq!(two_stage(&memory, &state, 0, Access::Load).expect_err("U clear").cause(), 21);
}

// Rule: H_vm_gpatrans
// Rule: hgatp_mode_sv39x4
// Rule: hgatp_mode_sv48x4
// Rule: hgatp_mode_sv57x4
#[test]
fn the_second_stage_takes_two_bits_more_and_refuses_the_rest() {
    for (mode, bits) in [(Mode::Sv39, 41), (Mode::Sv48, 50), (Mode::Sv57, 59)] {
        let memory = Memory::pages(20);
        // The root's last entry: a leaf as large as the root's entries are.
        let top = Pte::leaf(Gfn::new(0), RWX | AD | Pte::U);
        memory.set(19, 511, top.0);
        let (_, state) = guest();
        let hgatp = Hgatp { mode, ..state.hgatp };
        let state = TwoStage { hgatp, vsatp: Satp::BARE, ..state };
        let va = (1_u64 << bits) - 0x1000;
        let size = 1_u64 << (bits - 11);
        assert_eq!(two_stage(&memory, &state, va, Access::Load), Ok((va & (size - 1)) >> 12));
        let fault = two_stage(&memory, &state, 1 << bits, Access::Load).expect_err("too wide");
        assert_eq!((fault.cause(), fault.entry), (21, None));
        assert_eq!(fault.gpa, Some(Gpa::new(1 << bits)));
    }
}

// Rule: vsstatus_mxr_vm
// Rule: sstatus_mxr_vm
#[test]
fn mxr_of_the_guest_is_for_its_own_stage_and_mxr_of_the_hypervisor_for_both() {
    let (memory, mut state) = guest();
    memory.set(21, 8, Pte::leaf(Gfn::new(8), Pte::X | AD | Pte::U).0);
    state.environment.mxr = true;
    assert_eq!(two_stage(&memory, &state, 0, Access::Load).expect_err("x only").cause(), 21);
    state.environment.mxr = false;
    state.mxr = true;
    assert_eq!(two_stage(&memory, &state, 0, Access::Load), Ok(8));
    memory.set(2, 0, Pte::leaf(Gfn::new(8), Pte::X | AD).0);
    assert_eq!(two_stage(&memory, &state, 0, Access::Load), Ok(8));
    state.mxr = false;
    assert_eq!(two_stage(&memory, &state, 0, Access::Load).expect_err("x only").cause(), 13);
}

// Rule: Svpbmt_hgatp_stage_override_rule
// Rule: Svpbmt_vsatp_stage_override_rule
#[test]
fn the_guests_memory_type_overrides_the_hypervisors_unless_it_is_none() {
    let types = [MemoryType::Physical, MemoryType::NonCacheable, MemoryType::Io];
    for (of_guest, of_host) in types.into_iter().flat_map(|a| types.map(|b| (a, b))) {
        let (memory, mut state) = guest();
        state.first.svpbmt = true;
        state.second.svpbmt = true;
        memory.set(2, 0, memory.get(2, 0) | of_guest.bits());
        memory.set(21, 8, memory.get(21, 8) | of_host.bits());
        let leaf = walk_two_stage(&memory, &state, Gva::new(0), Access::Load, |_| {});
        let expected = if of_guest == MemoryType::Physical { of_host } else { of_guest };
        assert_eq!(leaf.expect("mapped").memory_type, expected);
    }
}

// Rule: hgatp_ppn_op
#[test]
fn hgatp_drops_the_two_low_bits_of_its_root() {
    let bits = 8 << 60 | 0x1234 << 44 | 0x8_0003;
    let hgatp = Hgatp::from_bits(bits).expect("Sv39x4");
    assert_eq!((hgatp.mode, hgatp.vmid, hgatp.root), (Mode::Sv39, 0x1234, Gfn::new(0x8_0000)));
    assert_eq!(hgatp.bits(), bits & !3);
    assert_eq!(Hgatp::from_bits(7 << 60), None);
}

//! The walk with extensions against the plain reference: random tables, rights, modes, and what is
//! left in memory.

mod common;

use common::{Memory, access, environment, extensions};
use proptest::prelude::*;
use vellum_translate::riscv::reference::{Verdict, translate_two_stage, translate_with};
use vellum_translate::riscv::{Hgatp, Leaf, Mode, Pte, Satp, TwoStage, walk_two_stage, walk_with};
use vellum_translate::{Access, Environment, Fault, FaultKind, Gfn, Gpa, Gva, Privilege, Stage};

const PAGES: u64 = 8;

/// Entries that point at each other, now and then at nothing; flags that are often sensible.
fn entry() -> impl Strategy<Value = u64> {
    let gfn = prop_oneof![
        8 => 0..PAGES,
        2 => Just(8 | 1 << 18),
        1 => Just(1 << 9),
        1 => Just(1 << 18),
        1 => 0..1_u64 << 44
    ];
    let flags = prop_oneof![
        5 => Just(Pte::V),
        3 => any::<u8>().prop_map(|flags| u64::from(flags) | Pte::V),
        1 => any::<u8>().prop_map(u64::from),
        4 => Just(0xdf_u64),
        2 => Just(0x1f_u64)
    ];
    let high = prop_oneof![
        12 => Just(0),
        2 => Just(0x200),
        2 => prop_oneof![Just(0x80), Just(0x100), Just(0x180)],
        1 => Just(0x20),
        1 => 0..1_u64 << 10
    ];
    (gfn, flags, high).prop_map(|(gfn, flags, high)| high << 54 | gfn << 10 | flags)
}

fn memory() -> impl Strategy<Value = Memory> {
    prop::collection::vec(entry(), 4 * PAGES as usize).prop_map(|entries| {
        let memory = Memory::pages(PAGES as usize);
        for (i, entry) in entries.into_iter().enumerate() {
            memory.set(i as u64 / 4, i as u64 % 4, entry);
        }
        memory
    })
}

fn address() -> impl Strategy<Value = Gva> {
    (prop::collection::vec(0..4_u64, 5), 0..4096_u64, any::<u64>()).prop_map(
        |(indices, offset, spoil)| {
            let va = indices.iter().fold(0, |va, i| va << 9 | i) << 12 | offset;
            // A fifth of the addresses keep only what the smallest mode can reach.
            let va = if spoil % 5 < 4 { va & ((1 << 38) - 1) } else { va & ((1 << 57) - 1) };
            Gva::new(if spoil % 16 == 0 { va ^ spoil } else { va })
        },
    )
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![4 => Just(Mode::Sv39), 1 => Just(Mode::Sv48), 1 => Just(Mode::Sv57), 1 => Just(Mode::Bare)]
}

/// What the walk said, in the reference's words.
fn verdict(walked: Result<Gpa, Fault>) -> Verdict {
    match walked {
        Ok(at) => Verdict::Translated(at),
        Err(Fault { kind: FaultKind::Access, .. }) => Verdict::AccessFault,
        Err(Fault { stage: Stage::First, .. }) => Verdict::PageFault,
        Err(fault) => Verdict::GuestPageFault(fault.gpa.expect("a guest-page fault has one")),
    }
}

fn place(leaf: &Leaf, va: u64) -> Gpa {
    Gpa::new(leaf.gfn.base().get() | va & 0xfff)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn one_stage_says_what_the_specification_says(
        memory in memory(), va in address(), mode in mode(), environment in environment(),
        access in access(), extensions in extensions(),
    ) {
        let satp = Satp { mode, asid: 0, root: Gfn::new(0) };
        let other = memory.clone();
        let said = translate_with(&other, extensions, satp, environment, va, access);
        let walked = walk_with(&memory, extensions, satp, environment, va, access, |_, _, _| {});
        prop_assert_eq!(verdict(walked.map(|leaf| place(&leaf, va.get()))), said);
        prop_assert_eq!(memory.content(), other.content(), "accessed and dirty bits");
        if let Ok(leaf) = walked {
            // Each right that it reports is one that the reference grants without an update.
            let still = vellum_translate::riscv::Extensions { svadu: false, ..extensions };
            for other in [Access::Load, Access::Store, Access::Fetch] {
                let granted = translate_with(&memory, still, satp, environment, va, other);
                prop_assert_eq!(leaf.rights.contains(other.right()), granted == said);
            }
        }
    }

    #[test]
    fn two_stages_say_what_the_specification_says(
        memory in memory(), va in address(), modes in (mode(), mode()),
        environment in environment(), mxr in any::<bool>(), access in access(),
        first in extensions(), second in extensions(),
    ) {
        let state = TwoStage {
            vsatp: Satp { mode: modes.0, asid: 0, root: Gfn::new(1) },
            hgatp: Hgatp { mode: modes.1, vmid: 0, root: Gfn::new(0) },
            environment, mxr, first, second,
        };
        // Most guest physical pages lie where they are, so that walks get anywhere.
        for index in 0..3 {
            memory.set(0, index, index << 28 | 0xdf);
        }
        let other = memory.clone();
        let said = translate_two_stage(&other, &state, va, access);
        let mut references = 0_u32;
        let walked = walk_two_stage(&memory, &state, va, access, |_| references += 1);
        let at = walked.map(|leaf| place(&leaf.second, va.get()));
        prop_assert_eq!(verdict(at), said);
        prop_assert_eq!(memory.content(), other.content(), "accessed and dirty bits");
        let levels = |mode: Mode| u32::from(mode.levels());
        let most = (levels(modes.0) + 1) * (levels(modes.1) + 1);
        // Updates read entries again, at most once an entry.
        prop_assert!(references < 2 * most.max(1));
        if let Err(fault) = walked {
            prop_assert_eq!((fault.va, fault.access), (va, access));
        }
    }
}

/// Counts the loads of a walk through `n` first-stage and `m` second-stage levels of 4 KiB pages.
fn references(first: Mode, second: Mode) -> u32 {
    // The second stage maps every page of the first 2 MiB to itself; page `p` of the first-stage
    // tables leads to `p + 1`.
    let memory = Memory::pages(40);
    let second_root = 16;
    for page in second_root..second_root + u64::from(second.levels()) - 1 {
        let next = if page == second_root { 20 } else { page + 4 };
        let table = if page == second_root { page } else { page + 3 };
        memory.set(table, 0, Pte::table(Gfn::new(next)).0);
    }
    let last = second_root + u64::from(second.levels()) + 2;
    for page in 0..512 {
        memory.set(last, page, Pte::leaf(Gfn::new(page), 0xdf).0);
    }
    for level in 0..u64::from(first.levels()) {
        let leaf = level + 1 == u64::from(first.levels());
        let entry =
            if leaf { Pte::leaf(Gfn::new(9), 0xcf) } else { Pte::table(Gfn::new(level + 1)) };
        memory.set(level, 0, entry.0);
    }
    let state = TwoStage {
        vsatp: Satp { mode: first, asid: 0, root: Gfn::new(0) },
        hgatp: Hgatp { mode: second, vmid: 0, root: Gfn::new(second_root) },
        environment: Environment { privilege: Privilege::Supervisor, sum: false, mxr: false },
        mxr: false,
        first: Default::default(),
        second: Default::default(),
    };
    let mut count = 0;
    let leaf = walk_two_stage(&memory, &state, Gva::new(0x123), Access::Load, |_| count += 1);
    assert_eq!(leaf.expect("all is mapped").second.gfn, Gfn::new(9));
    count
}

#[test]
fn a_nested_walk_makes_the_known_number_of_references() {
    assert_eq!(references(Mode::Sv39, Mode::Sv39), 15);
    assert_eq!(references(Mode::Sv48, Mode::Sv48), 24);
    assert_eq!(references(Mode::Sv57, Mode::Sv57), 35);
    assert_eq!(references(Mode::Sv39, Mode::Sv57), 23);
}

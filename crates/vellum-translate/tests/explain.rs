//! Explanations against the walks that they explain: over random tables, and what a reader finds in
//! them.

mod common;

use common::Memory;
use proptest::prelude::*;
use std::sync::Arc;
use vellum_frames::{FramePool, Options};
use vellum_translate::explain::{Explanation, Verdict, riscv_walk, two_stage_walk, x86_walk};
use vellum_translate::host::{HostEntry, HostTable};
use vellum_translate::riscv::{
    Extensions, Hgatp, Mode, Pte, Satp, TwoStage, walk_two_stage, walk_with,
};
use vellum_translate::x86::{self, Entry, Paging};
use vellum_translate::{
    Access, Environment, FaultKind, Gfn, Gpa, Gva, Privilege, Reference, Rights, Stage,
};

const PAGES: u64 = 8;

/// Entries of either family: pointers among few pages, leaves, and noise.
fn entries(shift: u32) -> impl Strategy<Value = Vec<u64>> {
    let gfn = prop_oneof![6 => 0..PAGES, 1 => Just(1 << 9), 1 => 0..1_u64 << 40];
    let flags = prop_oneof![
        4 => Just(1_u64), 2 => Just(7), 2 => Just(0x67), 2 => Just(0xdf), 3 => 0..1_u64 << 10
    ];
    let high = prop_oneof![9 => Just(0), 1 => 0..1_u64 << 10];
    let entry =
        (gfn, flags, high).prop_map(move |(gfn, flags, high)| high << 54 | gfn << shift | flags);
    prop::collection::vec(entry, 4 * PAGES as usize)
}

fn memory(entries: &[u64]) -> Memory {
    let memory = Memory::pages(PAGES as usize);
    for (i, &entry) in (0..).zip(entries) {
        memory.set(i / 4, i % 4, entry);
    }
    memory
}

fn address(indices: &[u64], offset: u64) -> Gva {
    Gva::new(indices.iter().fold(0, |va, i| va << 9 | i) << 12 | offset)
}

/// What holds of every explanation, whatever the format: it can be shown, and it says why.
fn check(shown: &Explanation, refused: bool) -> Result<(), TestCaseError> {
    prop_assert_eq!(shown.refused, refused, "{}", shown);
    let guest = &shown.columns[0];
    let ends = |verdict| {
        let steps = shown.columns.iter().flat_map(|column| column.cells.iter().flatten());
        steps.filter(move |step| step.verdict == verdict).count()
    };
    prop_assert_eq!(ends(Verdict::Refuses), usize::from(refused), "{}", shown);
    prop_assert!(guest.cells.iter().flatten().all(|step| !step.says.is_empty()), "{}", shown);
    let (text, svg) = (shown.to_string(), shown.svg());
    prop_assert!(text.lines().all(|line| line.chars().count() < 160), "{}", text);
    prop_assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    prop_assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn a_riscv_walk_is_explained_as_it_goes(
        entries in entries(10), indices in prop::collection::vec(0..4_u64, 5),
        mode in prop_oneof![Just(Mode::Sv39), Just(Mode::Sv48), Just(Mode::Sv57)],
        environment in common::environment(), access in common::access(),
        extensions in common::extensions(), offset in 0..4096_u64,
    ) {
        let memory = memory(&entries);
        let satp = Satp { mode, asid: 0, root: Gfn::new(0) };
        let va = address(&indices[..usize::from(mode.levels())], offset);
        let before = memory.content();
        let shown = riscv_walk(&memory, extensions, satp, environment, va, access);
        prop_assert_eq!(memory.content(), before, "an explanation changes nothing");
        let mut seen = Vec::new();
        let walked = walk_with(&memory, extensions, satp, environment, va, access, |l, at, pte| {
            seen.push((format!("{at}"), Some(pte.0), mode.levels() - 1 - l));
        });
        check(&shown, walked.is_err())?;
        let steps = shown.columns[0].cells.iter().zip(0..);
        let steps = steps.flat_map(|(cell, row)| cell.iter().map(move |step| (step, row)));
        let read: Vec<_> = steps
            .filter(|(step, _)| step.entry.is_some())
            .map(|(step, row)| (step.place.clone(), step.entry, row))
            .collect();
        prop_assert_eq!(read, seen);
        match walked {
            Ok(leaf) => prop_assert_eq!(shown.page(), Some(leaf.gfn)),
            Err(fault) => {
                let cause = format!("cause {}", fault.cause());
                prop_assert!(shown.outcome.starts_with(&cause), "{}", shown);
            }
        }
    }

    #[test]
    fn a_walk_of_two_stages_is_explained_as_it_goes(
        entries in entries(10), indices in prop::collection::vec(0..4_u64, 3),
        environment in common::environment(), access in common::access(),
        first in common::extensions(), second in common::extensions(), mxr in any::<bool>(),
        bare in 0..4,
    ) {
        let memory = memory(&entries);
        let mode = |bare| if bare { Mode::Bare } else { Mode::Sv39 };
        let state = TwoStage {
            vsatp: Satp { mode: mode(bare == 1), asid: 3, root: Gfn::new(0) },
            hgatp: Hgatp { mode: mode(bare == 2), vmid: 4, root: Gfn::new(4) },
            environment, mxr, first, second,
        };
        let va = address(&indices, 8);
        let shown = two_stage_walk(&memory, &state, va, access);
        let (mut count, mut seen) = ([0; 2], 0);
        let walked = walk_two_stage(&memory, &state, va, access, |(stage, ..)| {
            count[usize::from(stage == Stage::Second)] += 1;
            seen += 1;
        });
        prop_assert_eq!(shown.refused, walked.is_err(), "{}", shown);
        for (column, count) in shown.columns.iter().zip(count) {
            let steps = column.cells.iter().flatten();
            prop_assert_eq!(steps.filter(|step| step.entry.is_some()).count(), count, "{}", shown);
        }
        prop_assert!(shown.svg().ends_with("</svg>\n") && !shown.to_string().is_empty());
    }

    #[test]
    fn an_x86_walk_is_explained_as_it_goes(
        entries in entries(12), indices in prop::collection::vec(0..4_u64, 5),
        [five, wp, nx, smep, smap, ac, user] in any::<[bool; 7]>(), pkru in any::<Option<u32>>(),
        access in common::access(),
    ) {
        let memory = memory(&entries);
        let levels = if five { 5 } else { 4 };
        let paging =
            Paging { levels, wp, nx, smep, smap, ac, pkru, ..Paging::four_level(Gfn::new(0)) };
        let privilege = if user { Privilege::User } else { Privilege::Supervisor };
        let access = x86::Access::new(access, privilege);
        let va = address(&indices[..usize::from(levels)], 8);
        let before = memory.content();
        let shown = x86_walk(&memory, &paging, va, access);
        prop_assert_eq!(memory.content(), before, "an explanation changes nothing");
        let walked = x86::walk(&memory, &paging, va, access, |_, _, _| {});
        check(&shown, walked.is_err())?;
        prop_assert_eq!(shown.page(), walked.ok().map(|leaf| leaf.gfn));
    }
}

/// The rules of the specification's algorithm, each with the words that a reader gets for it.
#[test]
fn every_refusal_says_its_rule() {
    let leaf = |flags| Pte::leaf(Gfn::new(0x200), flags).0;
    let all = Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
    let (user, s) = (Environment::USER, Environment::SUPERVISOR);
    let rows = [
        (0, s, Access::Load, "not valid"),
        (leaf(Pte::W), s, Access::Load, "W without R"),
        (leaf(all | 1 << 54), s, Access::Load, "bit 54"),
        (leaf(all), user, Access::Load, "U is clear"),
        (leaf(all | Pte::U), s, Access::Load, "SUM is clear"),
        (leaf(all | Pte::U), s, Access::Fetch, "never fetches"),
        (leaf(Pte::R | Pte::A), s, Access::Store, "no right to store"),
        (leaf(Pte::X | Pte::A), s, Access::Load, "MXR is clear"),
        (leaf(Pte::R), s, Access::Load, "A is clear"),
        (leaf(Pte::R | Pte::W | Pte::A), s, Access::Store, "D is clear"),
        (Pte::table(Gfn::new(1)).0, s, Access::Load, "at the lowest level"),
    ];
    for (entry, environment, access, words) in rows {
        let memory = Memory::pages(3);
        memory.set(0, 0, Pte::table(Gfn::new(1)).0);
        memory.set(1, 0, Pte::table(Gfn::new(2)).0);
        memory.set(2, 0, entry);
        let satp = Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) };
        let shown =
            riscv_walk(&memory, Extensions::NONE, satp, environment, Gva::new(0x10), access);
        let last = &shown.columns[0].cells[2][0];
        assert!(last.says.contains(words), "{words}: {shown}");
        assert_eq!((last.verdict, last.entry), (Verdict::Refuses, Some(entry)), "{shown}");
    }
}

#[test]
fn a_table_outside_memory_has_a_step_of_its_own() {
    let memory = Memory::pages(1);
    memory.set(0, 0, Pte::table(Gfn::new(0x77)).0);
    let satp = Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) };
    let (va, s) = (Gva::new(0), Environment::SUPERVISOR);
    let shown = riscv_walk(&memory, Extensions::NONE, satp, s, va, Access::Load);
    let fault =
        walk_with(&memory, Extensions::NONE, satp, s, va, Access::Load, |_, _, _| {}).unwrap_err();
    assert_eq!((fault.kind, fault.reference), (FaultKind::Access, Reference::EntryLoad));
    let step = &shown.columns[0].cells[1][0];
    assert_eq!(step.place, format!("{}", Gpa::new(0x77000)));
    assert!(step.says.contains("no memory"), "{shown}");
}

/// The address is taken apart as the specification's figure has it.
#[test]
fn the_fields_put_together_are_the_address() {
    let memory = Memory::pages(1);
    let satp = Satp { mode: Mode::Sv48, asid: 0, root: Gfn::new(0) };
    let va = Gva::new(0xffff_9abc_def0_1234);
    let s = Environment::SUPERVISOR;
    let shown = riscv_walk(&memory, Extensions::NONE, satp, s, va, Access::Load);
    let again = shown.fields.iter().fold(0, |sum, field| sum | field.value << field.low);
    assert_eq!(again, va.get());
    let names: Vec<&str> = shown.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["above", "VPN[3]", "VPN[2]", "VPN[1]", "VPN[0]", "offset"]);
    let bits: Vec<_> = shown.fields.iter().map(|field| (field.high, field.low)).collect();
    assert_eq!(bits, [(63, 48), (47, 39), (38, 30), (29, 21), (20, 12), (11, 0)]);
}

/// Beside each of the guest's entries: the frame that its table lies in, and why rights are withheld.
#[test]
fn the_host_column_says_where_the_tables_are_and_what_is_withheld() {
    let memory = Memory::pages(3);
    memory.set(0, 0, Entry::new(Gfn::new(1), Entry::P | Entry::W | Entry::A).0);
    memory.set(1, 0, Entry::new(Gfn::new(2), Entry::P | Entry::W | Entry::A).0);
    let large = Entry::P | Entry::W | Entry::A | Entry::D | Entry::PS;
    memory.set(2, 0, Entry::new(Gfn::new(0), large).0);
    let pool = FramePool::new(Options { frames: 16, quota: 16 }).unwrap();
    let mut host = HostTable::new(8, Arc::<FramePool>::clone(&pool));
    let guard = host.register_guard(Rights::WRITE).unwrap();
    for page in 0..6 {
        let frame = pool.allocate().unwrap();
        let _ = host.replace(Gfn::new(page), HostEntry::Frame { frame, rights: Rights::all() });
    }
    host.add_guard(Gfn::new(5), guard);
    let store = x86::Access::new(Access::Store, Privilege::Supervisor);
    let paging = Paging::four_level(Gfn::new(0));
    let mut shown = x86_walk(&memory, &paging, Gva::new(0x5008), store);
    shown.add_host(&host, |_| "a watch".into());
    let column = &shown.columns[1];
    for (row, page) in [(0, 0), (1, 1), (2, 2), (4, 5)] {
        let step = &column.cells[row][0];
        let HostEntry::Frame { frame, .. } = host.get(Gfn::new(page)) else { panic!("no frame") };
        assert!(step.says.starts_with(&format!("{frame}")), "{shown}");
        let withheld = page == 5;
        assert_eq!(step.flags, if withheld { "r-x" } else { "rwx" }, "{shown}");
        assert_eq!(step.says.contains("guard 0: a watch"), withheld, "{shown}");
        assert_eq!(step.verdict == Verdict::Refuses, withheld, "{shown}");
    }
    // The large page ends the guest's walk a level early.
    assert!(column.cells[3].is_empty() && shown.columns[0].cells[3].is_empty());
    let svg = shown.svg();
    assert!(svg.contains("guard 0: a watch") && svg.contains("2 MiB"), "{svg}");
}

/// An accessed bit that the walk sets is a store to the entry, which the second stage takes for one; the
/// page itself is only loaded.
#[test]
fn the_second_stage_is_told_apart_for_the_entry_that_is_set_and_for_the_page() {
    let memory = Memory::pages(16);
    for level in 0..2 {
        memory.set(level, 0, Pte::table(Gfn::new(level + 1)).0);
    }
    // No A: the walk sets it. The first stage's tables and its page are where the second maps them.
    memory.set(2, 1, Pte::leaf(Gfn::new(9), Pte::R | Pte::W | Pte::U).0);
    memory.set(4, 0, Pte::table(Gfn::new(11)).0);
    memory.set(11, 0, Pte::table(Gfn::new(12)).0);
    for page in 0..16 {
        let flags = Pte::R | Pte::W | Pte::U | Pte::A;
        memory.set(12, page, Pte::leaf(Gfn::new(page), flags).0);
    }
    let svadu = Extensions { svadu: true, ..Extensions::NONE };
    let state = TwoStage {
        vsatp: Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) },
        hgatp: Hgatp { mode: Mode::Sv39, vmid: 0, root: Gfn::new(4) },
        environment: Environment::USER,
        mxr: false,
        first: svadu,
        second: svadu,
    };
    let shown = two_stage_walk(&memory, &state, Gva::new(0x1000), Access::Load);
    let says = |row: usize| -> Vec<String> {
        shown.columns[1].cells[row].iter().map(|step| step.says.clone()).collect()
    };
    // To the entry: three steps to load it, three to store A.
    let leaf = says(2);
    assert_eq!(leaf.len(), 6, "{shown}");
    assert!(!leaf[2].contains("sets") && leaf[5].contains("the walk sets D"), "{shown}");
    let page = says(3);
    assert_eq!(page.len(), 4, "three steps and the page: {shown}");
    assert!(page.iter().all(|says| !says.contains("sets")), "{shown}");
}

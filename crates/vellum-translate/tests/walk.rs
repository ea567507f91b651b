//! The walk against the plain reference, over random tables in every mode.

use proptest::prelude::*;
use vellum_translate::riscv::reference::{Verdict, translate};
use vellum_translate::riscv::{Mode, Pte, Satp, TableMemory, walk};
use vellum_translate::{Access, Environment, FaultKind, Gfn, Gpa, Gva, Privilege};

/// Tables of a guest with few pages: entries point at each other and now and then at nothing.
struct Tables(Vec<u64>);

impl TableMemory for Tables {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.0.get(usize::try_from(at.get()).ok()? / 8).copied()
    }
}

const PAGES: u64 = 6;

fn entry() -> impl Strategy<Value = u64> {
    let gfn =
        prop_oneof![6 => 0..PAGES, 1 => Just(1 << 9), 1 => Just(1 << 18), 1 => 0..1_u64 << 44];
    let flags =
        prop_oneof![4 => Just(Pte::V), 3 => any::<u8>().prop_map(u64::from), 2 => Just(0xdf_u64)];
    let high = prop_oneof![9 => Just(0), 1 => 0..1_u64 << 10];
    (gfn, flags, high).prop_map(|(gfn, flags, high)| high << 54 | gfn << 10 | flags)
}

fn environment() -> impl Strategy<Value = Environment> {
    any::<(bool, bool, bool)>().prop_map(|(user, sum, mxr)| Environment {
        privilege: if user { Privilege::User } else { Privilege::Supervisor },
        sum,
        mxr,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_says_what_the_specification_says(
        entries in prop::collection::vec(entry(), 8),
        choice in prop::collection::vec(0..8_usize, 4 * PAGES as usize),
        indices in prop::collection::vec(0..4_u64, 5),
        mode in prop_oneof![Just(Mode::Sv39), Just(Mode::Sv48), Just(Mode::Sv57), Just(Mode::Bare)],
        environment in environment(),
        access in prop_oneof![Just(Access::Load), Just(Access::Store), Just(Access::Fetch)],
        offset in 0..4096_u64,
        spoil in any::<u64>(),
    ) {
        let mut tables = Tables(vec![0; PAGES as usize * 512]);
        for page in 0..PAGES as usize {
            for index in 0..4 {
                tables.0[page * 512 + index] = entries[choice[page * 4 + index]];
            }
        }
        let mut va = indices.iter().fold(0, |va, i| va << 9 | i) << 12 | offset;
        va &= (1 << 57) - 1;
        if spoil % 16 == 0 {
            va ^= spoil;
        }
        let va = Gva::new(va);
        let satp = Satp { mode, asid: 0, root: Gfn::new(0) };
        let mut read = 0;
        let walked = walk(&tables, satp, environment, va, access, |_, _, _| read += 1);
        match (translate(&tables, satp, environment, va, access), walked) {
            (Verdict::Translated(at), Ok(leaf)) => {
                prop_assert_eq!(leaf.gfn, at.gfn());
                prop_assert!(leaf.rights.contains(access.right()));
                prop_assert_eq!(read, mode.levels().saturating_sub(leaf.level));
                // The rights it reports are those that the reference grants, each of them.
                for other in [Access::Load, Access::Store, Access::Fetch] {
                    let granted = translate(&tables, satp, environment, va, other);
                    prop_assert_eq!(
                        leaf.rights.contains(other.right()),
                        granted == Verdict::Translated(at),
                        "{:?}", other
                    );
                }
            }
            (Verdict::PageFault, Err(fault)) => {
                prop_assert_eq!(fault.kind, FaultKind::Page);
                prop_assert_eq!((fault.va, fault.access), (va, access));
            }
            (Verdict::AccessFault, Err(fault)) => {
                prop_assert_eq!(fault.kind, FaultKind::Access);
                prop_assert!(fault.entry.is_some());
            }
            (said, did) => prop_assert!(false, "the specification: {said:?}, the walk: {did:?}"),
        }
    }
}

#[test]
fn causes_are_the_architectural_ones() {
    let tables = Tables(vec![0; 512]);
    let satp = Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) };
    let far = Satp { root: Gfn::new(9), ..satp };
    let cause = |satp, access| {
        let va = Gva::new(0x1000);
        walk(&tables, satp, Environment::SUPERVISOR, va, access, |_, _, _| {}).unwrap_err().cause()
    };
    let all = [Access::Fetch, Access::Load, Access::Store];
    assert_eq!(all.map(|access| cause(satp, access)), [12, 13, 15]);
    assert_eq!(all.map(|access| cause(far, access)), [1, 5, 7]);
}

#[test]
fn satp_of_an_unknown_mode_is_none() {
    for mode in 0..16_u64 {
        let satp = Satp::from_bits(mode << 60 | 5 << 44 | 7);
        assert_eq!(satp.is_some(), [0, 8, 9, 10].contains(&mode));
        if let Some(satp) = satp {
            assert_eq!((satp.asid, satp.root), (5, Gfn::new(7)));
            assert_eq!(satp.bits(), mode << 60 | 5 << 44 | 7);
        }
    }
}

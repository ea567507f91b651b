//! A guest that means harm: random instructions, random page tables, random calls. The host reports
//! and goes on; it never panics, and its tables stay what they claim to be.

use proptest::prelude::*;
use vellum_machine::Paging;
use vellum_tests::PAGINGS;
use vellum_tests::hostile::{self, LOADED_AT, image, survive, with_tables};

/// Pages of the image that the guest's tables may use.
const PAGES: u64 = hostile::PAGES;

/// Words that are often instructions, and often the ones that reach the monitor.
fn word() -> impl Strategy<Value = u32> {
    // csrrw/csrrs over the supervisor's registers, sret, wfi, ecall, sfence.vma, fence.i, stores.
    let csr = (
        prop::sample::select(vec![
            0x100u32, 0x104, 0x105, 0x106, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x180, 0xc01,
        ]),
        0u32..32,
        0u32..32,
        1u32..8,
    )
        .prop_map(|(csr, rd, rs1, kind)| csr << 20 | rs1 << 15 | kind << 12 | rd << 7 | 0x73);
    let system = prop::sample::select(vec![
        0x1020_0073u32,
        0x1050_0073,
        0x0000_0073,
        0x1200_0073,
        0x0000_100f,
        0x0010_0073,
    ]);
    let upper = (1u32..32, any::<u32>()).prop_map(|(rd, imm)| imm & 0xffff_f000 | rd << 7 | 0x37);
    let add = (1u32..32, 0u32..32, 0u32..4096)
        .prop_map(|(rd, rs1, imm)| imm << 20 | rs1 << 15 | rd << 7 | 0x13);
    let store = (0u32..4, 0u32..32, 0u32..32)
        .prop_map(|(size, rs1, rs2)| rs2 << 20 | rs1 << 15 | size << 12 | 0x23);
    prop_oneof![4 => any::<u32>(), 3 => csr, 2 => system, 3 => upper, 4 => add, 3 => store]
}

/// Entries that often mean something: pointers into the image, leaves onto memory, or anything.
fn entry() -> impl Strategy<Value = u64> {
    let flags =
        prop::sample::select(vec![0x01u64, 0x0f, 0xcf, 0xdf, 0xc7, 0xcb, 0x47, 0x07, 0x03, 0x21]);
    let page = prop_oneof![
        4 => (0..PAGES).prop_map(|page| (LOADED_AT >> 12) + page),
        2 => Just(0x80000u64), 1 => Just(0x10000u64), 1 => any::<u64>().prop_map(|page| page >> 20),
    ];
    prop_oneof![
        6 => (page, flags).prop_map(|(page, flags)| page << 10 | flags),
        1 => any::<u64>(), 1 => Just(0),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn random_instructions(body in proptest::collection::vec(word(), 16..400), paging in 0usize..3, harts in 1u32..3) {
        survive(image(&body), PAGINGS[paging], harts);
    }

    #[test]
    fn random_tables(
        mode in prop::sample::select(vec![8u64, 9, 10]),
        entries in proptest::collection::vec(entry(), 512 * 3),
        body in proptest::collection::vec(word(), 16..200),
        paging in 0usize..3,
    ) {
        survive(with_tables(mode, &entries, &body), PAGINGS[paging], 1);
    }

    /// `a7` and `a6` name a call, `a0` to `a2` are anything.
    #[test]
    fn random_calls(
        calls in proptest::collection::vec(
            (prop::sample::select(vec![0x10u32, 0x5449_4d45, 0x73_5049, 0x5246_4e43, 0x48_534d, 0x5352_5354, 0x4442_434e, 0, 8]), 0u32..10, any::<[u32; 3]>()),
            1..40,
        ),
        harts in 1u32..4,
    ) {
        let mut body = Vec::new();
        let mut load = |register: u32, value: u32| {
            body.push((value.wrapping_add(0x800) & 0xffff_f000) | register << 7 | 0x37);
            body.push((value & 0xfff) << 20 | register << 15 | register << 7 | 0x1b);
        };
        for (extension, function, arguments) in calls {
            load(17, extension);
            load(16, function);
            (10..).zip(arguments).for_each(|(register, value)| load(register, value));
            // The call, between two loads: `ecall` is a load of x0's upper bits away.
            load(0, 0);
        }
        // Every `lui x0, 0; addiw x0, x0, 0` becomes `ecall; nop`.
        for word in &mut body {
            if *word == 0x37 {
                *word = 0x73;
            }
        }
        survive(image(&body), Paging::Shadow, harts);
    }
}

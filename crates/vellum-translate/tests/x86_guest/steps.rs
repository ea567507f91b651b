//! Random edits, registers and accesses on two processors, and what the host does meanwhile.

use super::{A, D, NX, PAGE, PS, TABLE, U, W, World, paging};
use proptest::prelude::*;
use vellum_translate::x86::{Access, Paging};
use vellum_translate::{Access as Kind, Gfn, Privilege};

/// What happens to a guest, its processors and its host.
#[derive(Debug, Clone)]
pub enum Step {
    Entry {
        table: u64,
        index: u64,
        to: u64,
        flags: u64,
    },
    Access {
        hart: usize,
        va: u64,
        access: Access,
        value: u64,
    },
    Registers {
        hart: usize,
        bits: u16,
        root: u64,
        pkru: Option<u32>,
    },
    Moved(u64),
    Watch(u64),
    Revoke,
    Drop(u64),
    /// The upper half of memory may be written unasked.
    Stamp,
    /// It moves to other frames.
    Exchange,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = || prop_oneof![4 => 0..3_u64, 1 => Just(256), 1 => Just(511)];
    let va = (index(), index(), index(), index(), 0..4096_u64, 0..20_u8).prop_map(
        |(a, b, c, d, offset, spoil)| {
            let va = a << 39 | b << 30 | c << 21 | d << 12 | offset & !7;
            let va = (va << 16) as i64 >> 16;
            if spoil == 0 { va as u64 ^ 1 << 55 } else { va as u64 }
        },
    );
    let page = || prop_oneof![12 => 0..12_u64, 1 => Just(512), 1 => Just(516), 1 => Just(2000)];
    let flags = prop_oneof![
        4 => Just(TABLE),
        4 => Just(PAGE),
        1 => Just(PAGE & !W),
        1 => Just(PAGE & !U),
        1 => Just(PAGE & !D),
        1 => Just(TABLE & !A),
        1 => Just(PAGE | NX),
        1 => Just(PAGE | PS),
        1 => Just(0),
        1 => (0..512_u64, 0..16_u64, any::<bool>(), any::<bool>()).prop_map(|(low, key, nx, high)| {
            low | key << 59 & !NX | if nx { NX } else { 0 } | if high { 1 << 45 } else { 0 }
        }),
    ];
    let kind = prop_oneof![Just(Kind::Load), Just(Kind::Store), Just(Kind::Fetch)];
    let access = (kind, any::<bool>(), 0..8_u8).prop_map(|(kind, user, implicit)| {
        let privilege = if user { Privilege::User } else { Privilege::Supervisor };
        Access { kind, privilege, implicit: !user && implicit == 0 && kind != Kind::Fetch }
    });
    let table = || 0..8_u64;
    let host_page = || prop_oneof![3 => 0..12_u64, 1 => 512..516_u64];
    let step = prop_oneof![
        6 => (table(), index(), page(), flags)
            .prop_map(|(table, index, to, flags)| Step::Entry { table, index, to, flags }),
        10 => (0..2_usize, va, access, any::<u64>())
            .prop_map(|(hart, va, access, value)| Step::Access { hart, va, access, value }),
        2 => (0..2_usize, any::<u16>(), 0..3_u64, prop::option::of(any::<u32>()))
            .prop_map(|(hart, bits, root, pkru)| Step::Registers { hart, bits, root, pkru }),
        1 => host_page().prop_map(Step::Moved),
        1 => host_page().prop_map(Step::Watch),
        1 => Just(Step::Revoke),
        1 => any::<u64>().prop_map(Step::Drop),
        1 => Just(Step::Stamp),
        1 => Just(Step::Exchange),
    ];
    prop::collection::vec(step, 1..150)
}

/// Tables that lead somewhere, some of them to themselves.
fn start(world: &mut World) {
    for (table, index, to) in [(0, 0, 1), (0, 1, 1), (0, 511, 1), (1, 0, 2), (1, 1, 2), (2, 0, 3)] {
        world.entry(table, index, to, TABLE);
    }
    world.entry(2, 1, 3, TABLE & !W);
    world.entry(2, 2, 512, PAGE | PS);
    for (index, to) in [(0, 3), (1, 2), (2, 9), (256, 10), (511, 11)] {
        world.entry(3, index, to, PAGE);
    }
}

/// Takes a guest through all steps; the audit follows each.
pub fn run(mut world: World, steps: &[Step]) -> World {
    start(&mut world);
    for step in steps {
        match *step {
            Step::Entry { table, index, to, flags } => world.entry(table, index, to, flags),
            Step::Access { hart, va, access, value } => {
                world.access(hart, va, access, value);
            }
            Step::Registers { hart, bits, root, pkru } => {
                let bit = |n: u16| bits >> n & 1 != 0;
                world.load(
                    hart,
                    Paging {
                        root: Gfn::new(if bit(0) && bit(1) { root } else { 0 }),
                        pcid: bits >> 14,
                        levels: if bit(2) && bit(3) && bit(4) { 5 } else { 4 },
                        wp: bit(5),
                        nx: bit(6) || bit(7),
                        smep: bit(8),
                        smap: bit(9),
                        ac: bit(10),
                        pkru: pkru.filter(|_| bit(11)),
                        pkrs: pkru.filter(|_| bit(12)),
                        ..paging()
                    },
                );
            }
            Step::Moved(page) => world.moved(page),
            Step::Watch(page) => world.watch(page),
            Step::Revoke => world.revoke(),
            Step::Drop(choice) => world.drop_some(choice),
            Step::Stamp => world.stamp(),
            Step::Exchange => world.exchange(),
        }
        world.audit();
    }
    world.check_memory();
    world
}

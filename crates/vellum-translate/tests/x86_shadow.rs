//! x86-64 on shadow tables: the cases that have broken shadow MMUs (each is a test of kvm-unit-tests'
//! `access.c` by what it is about), and random edits, registers and accesses on two processors, held
//! against the reference walker with an audit after each step.

mod x86_guest;

use proptest::prelude::*;
use vellum_translate::explain::x86_walk;
use vellum_translate::shadow::Tricks;
use vellum_translate::x86::reference::Verdict;
use vellum_translate::x86::{Access, Entry, ErrorCode};
use vellum_translate::{Access as Kind, Gfn, Gva, Privilege};
use x86_guest::steps::{run, steps};
use x86_guest::{D, Did, NX, PAGE, PS, Planted, TABLE, U, W, World, paging};

const P: u64 = Entry::P;

const TRICKS: [Tricks; 6] = [
    Tricks::NAIVE,
    Tricks::TRAP_UPDATE,
    Tricks::UPDATING,
    Tricks::UNSYNC_PLAIN,
    Tricks::UNSYNC,
    Tricks::UNSYNC.union(Tricks::LARGE),
];

fn user(kind: Kind) -> Access {
    Access::new(kind, Privilege::User)
}

fn kernel(kind: Kind) -> Access {
    Access::new(kind, Privilege::Supervisor)
}

fn fault(code: ErrorCode) -> Did {
    Did::Fault(Verdict::PageFault(code.bits()))
}

fn va(pdpt: u64, pd: u64, pt: u64) -> u64 {
    pdpt << 30 | pd << 21 | pt << 12
}

/// Pages 0 to 3 are tables of the four levels; page 4 is another of the lowest.
fn each(test: impl Fn(&mut World)) {
    for tricks in TRICKS {
        let mut world = World::new(tricks);
        for (table, below) in [(0, 1), (1, 2), (2, 3)] {
            world.entry(table, 0, below, TABLE);
        }
        test(&mut world);
        world.audit();
        world.check_memory();
    }
}

#[test]
fn two_parents_with_different_rights_to_one_table() {
    let denied = ErrorCode::PRESENT | ErrorCode::USER;
    each(|world| {
        world.entry(2, 1, 3, TABLE & !W);
        world.entry(2, 2, 3, TABLE & !U);
        world.entry(2, 3, 3, TABLE | NX);
        world.entry(3, 5, 20, PAGE);
        // In an order that would let the first one's rights stay: the widest first, and last again.
        for parent in [0, 1, 2, 3, 1, 0, 2] {
            let at = va(0, parent, 5);
            let store = world.access(0, at, user(Kind::Store), parent);
            let load = world.access(0, at, user(Kind::Load), 0);
            let fetch = world.access(0, at, user(Kind::Fetch), 0);
            match parent {
                0 => assert_eq!((store, fetch), (Did::Stored, Did::Fetched)),
                1 => assert_eq!(store, fault(denied | ErrorCode::WRITE)),
                2 => assert_eq!(load, fault(denied)),
                _ => assert_eq!(fetch, fault(denied | ErrorCode::FETCH)),
            }
            world.audit();
        }
        assert_eq!(world.access(1, va(0, 2, 5), kernel(Kind::Store), 9), Did::Stored);
        // All four are one table, in four roles.
        world.entry(3, 5, 21, PAGE);
        for parent in 0..4 {
            let loaded = world.access(0, va(0, parent, 5), kernel(Kind::Load), 0);
            assert_eq!(loaded, Did::Loaded(0), "the new page");
        }
    });
}

#[test]
fn wp_toggled_while_the_guest_runs() {
    let denied = fault(ErrorCode::PRESENT | ErrorCode::WRITE);
    each(|world| {
        world.entry(3, 5, 20, PAGE & !W);
        let at = va(0, 0, 5);
        for round in 0..3 {
            world.change(0, |paging| paging.wp = true);
            assert_eq!(world.access(0, at, kernel(Kind::Store), round), denied);
            world.change(0, |paging| paging.wp = false);
            assert_eq!(world.access(0, at, kernel(Kind::Store), round), Did::Stored);
            // Not for a user, and not for the processor whose WP is set.
            let code = ErrorCode::PRESENT | ErrorCode::WRITE | ErrorCode::USER;
            assert_eq!(world.access(0, at, user(Kind::Store), round), fault(code));
            assert_eq!(world.access(1, at, kernel(Kind::Store), round), denied);
            world.audit();
        }
        let fills = world.fills();
        world.change(0, |paging| paging.wp = true);
        assert_eq!(world.access(0, at, kernel(Kind::Store), 1), denied);
        world.change(0, |paging| paging.wp = false);
        assert_eq!(world.access(0, at, kernel(Kind::Store), 1), Did::Stored);
        assert_eq!(world.fills(), fills, "WP asks for no other tables");
    });
}

#[test]
fn a_huge_page_in_place_of_a_table_and_back() {
    each(|world| {
        let at = |page| va(0, 0, page);
        let entries = [
            Entry::new(Gfn::new(3), TABLE).0,
            Entry::new(Gfn::new(512), PAGE | PS).0,
            Entry::new(Gfn::new(0), PAGE | PS).0,
            0,
        ];
        (0..8).for_each(|page| world.entry(3, page, 40 + page, PAGE));
        for (round, &entry) in entries.iter().cycle().take(16).enumerate() {
            world.word(2, 0, entry);
            for page in [5, 6, 5] {
                // Pages 5 and 6 of the run at 0 are not tables.
                world.access(round % 2, at(page), kernel(Kind::Store), round as u64);
                world.access((round + 1) % 2, at(page), user(Kind::Load), 0);
            }
            world.moved(517);
            world.moved(45);
            world.access(0, at(5), kernel(Kind::Load), 0);
            world.audit();
        }
        // A huge page over the tables themselves: a store through it is a store to a table.
        world.word(2, 1, Entry::new(Gfn::new(0), PAGE | PS).0);
        world.word(2, 0, Entry::new(Gfn::new(3), TABLE).0);
        assert_eq!(
            world.access(0, at(5), user(Kind::Load), 0),
            world.access(1, at(5), user(Kind::Load), 0)
        );
        let leaf = va(0, 1, 3) + 5 * 8;
        let new = Entry::new(Gfn::new(50), PAGE).0;
        assert_eq!(world.access(0, leaf, kernel(Kind::Store), new), Did::Stored);
        assert_eq!(world.access(1, at(5), kernel(Kind::Store), 77), Did::Stored);
        assert_eq!(world.access(0, va(0, 1, 50), kernel(Kind::Load), 0), Did::Loaded(77));
    });
}

#[test]
fn the_dirty_bit_of_a_large_page_without_wp() {
    each(|world| {
        let at = va(0, 1, 7);
        world.entry(2, 1, 512, (PAGE | PS) & !(W | D));
        world.change(0, |paging| paging.wp = false);
        assert_eq!(world.access(0, at, kernel(Kind::Load), 0), Did::Loaded(0));
        let pde = |world: &mut World| match world.access(1, va(0, 0, 9) + 8, kernel(Kind::Load), 0)
        {
            Did::Loaded(pde) => Entry(pde),
            other => panic!("{other:?}"),
        };
        world.entry(3, 9, 2, PAGE);
        assert!(!pde(world).has(D), "a load leaves it");
        assert_eq!(world.access(0, at, kernel(Kind::Store), 1), Did::Stored);
        assert!(pde(world).has(D), "the first store sets it, though R/W is clear");
        // The guest clears it again, as one does that looks for dirty pages.
        world.entry(2, 1, 512, (PAGE | PS) & !(W | D));
        assert_eq!(world.access(0, at, kernel(Kind::Store), 2), Did::Stored);
        assert!(pde(world).has(D));
    });
}

#[test]
fn smep_with_wp_clear() {
    let code = ErrorCode::PRESENT | ErrorCode::FETCH;
    each(|world| {
        world.entry(3, 5, 20, PAGE & !W);
        let at = va(0, 0, 5);
        world.change(0, |paging| (paging.wp, paging.smep) = (false, true));
        // The store makes it a page that supervisors write; it stays a user's.
        assert_eq!(world.access(0, at, kernel(Kind::Store), 1), Did::Stored);
        assert_eq!(world.access(0, at, kernel(Kind::Fetch), 0), fault(code));
        assert_eq!(world.access(0, at, user(Kind::Fetch), 0), Did::Fetched);
        assert_eq!(world.access(0, at, user(Kind::Load), 0), Did::Loaded(1));
        assert_eq!(world.access(0, at, kernel(Kind::Fetch), 0), fault(code));
        world.change(0, |paging| paging.smep = false);
        assert_eq!(world.access(0, at, kernel(Kind::Fetch), 0), Did::Fetched);
        world.change(0, |paging| (paging.smep, paging.smap) = (true, true));
        assert_eq!(world.access(0, at, kernel(Kind::Load), 0), fault(ErrorCode::PRESENT));
        world.change(0, |paging| paging.ac = true);
        assert_eq!(world.access(0, at, kernel(Kind::Load), 0), Did::Loaded(1));
    });
}

#[test]
fn the_error_code_on_a_prefetched_entry() {
    let code = ErrorCode::PRESENT | ErrorCode::USER | ErrorCode::WRITE;
    each(|world| {
        world.entry(3, 8, 20, PAGE);
        world.entry(3, 9, 21, PAGE & !W);
        world.entry(3, 10, 22, PAGE & !U);
        // 11: not present, though everything else is set.
        world.entry(3, 11, 23, PAGE & !P);
        assert_eq!(world.access(0, va(0, 0, 8), user(Kind::Load), 0), Did::Loaded(0));
        // The first touch of each: whatever prefetch put there, the code says what the tables say.
        assert_eq!(world.access(0, va(0, 0, 9), user(Kind::Store), 0), fault(code));
        assert_eq!(world.access(0, va(0, 0, 10), user(Kind::Store), 0), fault(code));
        let absent = fault(ErrorCode::USER | ErrorCode::WRITE);
        assert_eq!(world.access(0, va(0, 0, 11), user(Kind::Store), 0), absent);
    });
}

#[test]
fn prefetch_fills_neighbours_in_their_role() {
    let mut world = World::new(Tricks::UPDATING);
    for (table, below) in [(0, 1), (1, 2), (2, 3)] {
        world.entry(table, 0, below, TABLE);
    }
    (0..8).for_each(|page| world.entry(3, page, 20 + page, PAGE));
    world.access(0, va(0, 0, 0), user(Kind::Load), 0);
    let counters = *world.mmu.counters();
    assert_eq!((counters.fills, counters.prefetched), (1, 7));
    world.access(0, va(0, 0, 7), user(Kind::Load), 0);
    assert_eq!(world.fills(), 1, "found where prefetch put it");
}

/// All roots whose shadow is still there are previous roots: however many others came between, coming
/// back to one walks no table of the guest's, and one that went out of memory is made anew.
#[test]
fn a_root_that_was_left_is_found_again() {
    each(|world| {
        let roots = 8..24;
        world.entry(3, 0, 30, PAGE);
        roots.clone().for_each(|root| world.entry(root, 0, 1, TABLE));
        let load = |world: &mut World, root| {
            world.change(0, |paging| paging.root = Gfn::new(root));
            world.access(0, va(0, 0, 0), user(Kind::Load), 0);
        };
        roots.clone().for_each(|root| load(world, root));
        let before = *world.mmu.counters();
        roots.clone().rev().for_each(|root| load(world, root));
        let after = *world.mmu.counters();
        assert_eq!(after.roots_found - before.roots_found, roots.end - roots.start);
        assert_eq!(after.roots_missed, before.roots_missed);
        assert_eq!(after.pages_made, before.pages_made, "the tables below are shared");
        assert_eq!(after.fills, before.fills, "and what is in them is found");
        // With room for 64 pages, a hundred roots more take the place of these.
        for root in 100..200 {
            world.entry(root, 0, 1, TABLE);
            load(world, root);
        }
        let missed = world.mmu.counters().roots_missed;
        load(world, roots.start);
        assert_eq!(world.mmu.counters().roots_missed, missed + 1);
        assert!(world.mmu.counters().pages <= 64);
    });
}

/// Beside a walk of the guest's tables: what the shadow tables keep for the address.
#[test]
fn what_is_kept_for_an_address_stands_beside_its_walk() {
    let mut world = World::new(Tricks::UPDATING);
    for (table, below) in [(0, 1), (1, 2), (2, 3)] {
        world.entry(table, 0, below, TABLE);
    }
    world.entry(3, 0, 20, PAGE & !W);
    let shown = |world: &World| {
        let va = Gva::new(va(0, 0, 0));
        let mut shown = x86_walk(&world.model, &paging(), va, user(Kind::Load));
        shown.add_shadow("updating", &world.mmu.trail(0, va, world.host.generation()));
        (shown.to_string(), shown.svg())
    };
    let (text, _) = shown(&world);
    assert!(text.contains("nothing is kept for this address"), "{text}");
    world.access(0, va(0, 0, 0), user(Kind::Load), 0);
    let (text, svg) = shown(&world);
    for says in ["shadow of gfn 0x3", "guest allows r-x, a user's"] {
        assert!(text.contains(says) && svg.contains(says), "{says}: {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn shadow_tables_do_what_the_manual_says(steps in steps()) {
        for tricks in TRICKS {
            run(World::new(tricks), &steps);
        }
    }
}

/// One processor changes an entry; from the moment the store is done, the other no longer goes the old
/// way, though it did so a moment ago and fences nothing.
fn changed_by_the_other(world: &mut World) {
    world.entry(3, 5, 20, PAGE);
    world.entry(3, 6, 3, PAGE);
    world.word(20, 0, 100);
    world.word(21, 0, 101);
    let (at, table) = (va(0, 0, 5), va(0, 0, 6));
    for (round, to) in [20_u64, 21].into_iter().cycle().take(12).enumerate() {
        let hart = round % 2;
        let leaf = Entry::new(Gfn::new(to), PAGE).0;
        assert_eq!(world.access(hart, table + 5 * 8, kernel(Kind::Store), leaf), Did::Stored);
        assert_eq!(world.access(1 - hart, at, user(Kind::Load), 0), Did::Loaded(80 + to));
        world.moved(to);
        world.audit();
    }
}

#[test]
fn what_one_processor_changes_the_other_sees() {
    each(changed_by_the_other);
}

/// Who breaks the contract is noticed: by what an access does, or by the audit.
#[test]
fn a_missed_shootdown_an_untold_store_and_a_silent_move_are_noticed() {
    for planted in [Planted::Deaf, Planted::Untold, Planted::MovedInSilence] {
        for tricks in [Tricks::NAIVE, Tricks::UPDATING] {
            let noticed = std::panic::catch_unwind(|| {
                let mut world = World::new(tricks);
                for (table, below) in [(0, 1), (1, 2), (2, 3)] {
                    world.entry(table, 0, below, TABLE);
                }
                world.planted = Some(planted);
                changed_by_the_other(&mut world);
            });
            assert!(noticed.is_err(), "{planted:?} under {tricks:?}");
        }
    }
}

//! What the table says against a plain look at all blocks.

use super::*;
use proptest::prelude::*;

#[test]
fn reads_are_told_about_when_they_should() {
    for (limit, least, most) in [(1, 10, 10), (100, 10, 10), (250, 10, 10), (3_000, 9, 11)] {
        let keep = Keep { bits: false, births: false, block_reads: limit };
        let mut blocks = Blocks::new(16, 16, keep);
        let told = (0..10 * limit).filter(|_| blocks.note_read(3)).count();
        assert!((least..=most).contains(&told), "limit {limit}: told {told} times");
    }
}

proptest! {
    #[test]
    fn searches_find_what_a_plain_look_finds(
        changes in proptest::collection::vec((0u32..90, 0u8..6, 0u32..9, 0u16..17), 1..300),
        gap in 0u32..7,
    ) {
        let mut blocks = Blocks::new(90, 16, Keep { bits: false, births: false, block_reads: 0 });
        for (block, role, erases, valid) in changes {
            blocks.set_erases(block, blocks.erases(block) + erases);
            blocks.valid[block as usize] = valid;
            let roles = [Role::Free, Role::Open, Role::Meta, Role::Bad];
            let data = Role::Data(Class::of(role));
            blocks.set_role(block, roles.get(usize::from(role)).copied().unwrap_or(data));

            let of = |kinds: fn(&Role) -> bool| -> Vec<u32> {
                let some = blocks.roles().filter(|(_, r)| kinds(r));
                some.map(|(b, _)| b).collect()
            };
            let closed = of(|r| matches!(r, Role::Data(_)));
            prop_assert!(blocks.empty().eq(of(|r| r.is_empty())));
            let used = of(|r| matches!(r, Role::Data(_) | Role::Free | Role::Open));
            let erases = |b: &u32| blocks.erases(*b);
            let least = closed.iter().map(erases).min();
            let most = used.iter().map(erases).max();
            let lags = least.filter(|l| most.is_some_and(|m| m - l >= gap));
            let valid = |b: &u32| blocks.valid[*b as usize];
            let emptiest = closed.iter().copied().min_by_key(|b| (valid(b), erases(b)));
            prop_assert_eq!(blocks.emptiest().map(|e| e.0), emptiest);
            prop_assert_eq!(blocks.laggard(gap), lags);
        }
    }
}

proptest! {
    #[test]
    fn valid_pages_are_found_in_order(
        some in proptest::collection::btree_set(0u32..300, 0..40),
        from in 0u32..300,
        count in 0u32..200,
    ) {
        let keep = Keep { bits: true, births: false, block_reads: 0 };
        let mut blocks = Blocks::new(30, 10, keep);
        some.iter().for_each(|&ppn| blocks.gain(ppn));
        let end = (from + count).min(300);
        let mut found = Vec::new();
        let mut at = blocks.next_valid(from, end);
        while at < end {
            found.push(at);
            at = blocks.next_valid(at + 1, end);
        }
        let plain: Vec<u32> = some.range(from..end).copied().collect();
        prop_assert_eq!(found, plain);
        let unknown = Blocks::new(30, 10, Keep { bits: false, ..keep });
        prop_assert_eq!(unknown.next_valid(from, end), from.min(end));
    }
}

#[test]
fn the_tally_follows_the_roles() {
    let keep = Keep { bits: true, births: true, block_reads: 0 };
    let mut blocks = Blocks::new(8, 16, keep);
    assert_eq!((blocks.free(), blocks.good()), ((8, 0), 8));
    blocks.set_role(1, Role::FreeLater);
    blocks.set_role(2, Role::Data(Class::Cold));
    blocks.set_role(3, Role::Bad);
    assert_eq!((blocks.free(), blocks.closed(), blocks.good()), ((5, 1), 1, 7));
    assert!(blocks.empty().eq([0, 1, 4, 5, 6, 7]));
    blocks.settle_free();
    assert!(blocks.empty().eq([0, 1, 4, 5, 6, 7]));
    assert_eq!((blocks.free(), blocks.role(1)), ((6, 0), Role::Free));
    assert!(!blocks.note_read(1));
}

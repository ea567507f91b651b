//! Against counts of all pages, which a sketch does without.

use super::*;
use crate::content::{Page, PageKey};
use crate::{Mode, Options, PageSet, Pages, Scavenger};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};

/// A page that looks like no other.
fn page(seed: u64) -> Page {
    let key = PageKey::new(seed, 0);
    let mut page = [0; PAGE_SIZE];
    for (at, word) in (0..).zip(page.chunks_exact_mut(8)) {
        word.copy_from_slice(&key.hash_word(at).to_le_bytes());
    }
    page
}

/// One of a family: the same but for a stretch.
fn relative(family: u64, number: u64) -> Page {
    let mut page = page(family);
    page[1000..1400].copy_from_slice(&self::page(family << 32 | number)[..400]);
    page
}

fn sketch<'a>(pages: impl IntoIterator<Item = &'a Page>) -> Sketch {
    let mut sketcher = Sketcher::new(1, Domain(0));
    pages.into_iter().for_each(|page| sketcher.add(page));
    sketcher.finish()
}

/// Contents by number, hashed once: property tests are over sets of numbers.
struct Guest {
    contents: BTreeSet<u64>,
    sketch: Sketch,
}

/// A sketch as one of pages with these hashes would be.
fn guest(numbers: impl Iterator<Item = u64>) -> Guest {
    let key = PageKey::new(7, 0);
    let contents: BTreeSet<u64> = numbers.map(|number| key.hash_word(number)).collect();
    let mut sketch = sketch([]);
    sketch.contents = contents.iter().copied().take(SAMPLE).collect();
    sketch.distinct = contents.len() as u64;
    sketch.pages = sketch.distinct;
    Guest { contents, sketch }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Five standard errors are missed once in two million times; below the sample's size all is exact.
    #[test]
    fn what_two_guests_share_is_told_to_within_its_error(
        sizes in (0_u64..20_000, 0_u64..20_000),
        overlap in 0.0_f64..=1.0,
        start in any::<u32>(),
    ) {
        let start = u64::from(start) << 20;
        let shared = (sizes.0.min(sizes.1) as f64 * overlap) as u64;
        let a = guest(start..start + sizes.0);
        let b = guest(start + sizes.0 - shared..start + sizes.0 - shared + sizes.1);
        prop_assert_eq!(a.contents.intersection(&b.contents).count() as u64, shared);
        let told = a.sketch.shared(&b.sketch).unwrap();
        prop_assert_eq!(told, b.sketch.shared(&a.sketch).unwrap());
        let off = (told.value - shared as f64).abs();
        prop_assert!(off <= 5.0 * told.error + 1e-9, "{shared} told as {told:?}");
        if sizes.0.max(sizes.1) < SAMPLE as u64 {
            prop_assert_eq!(told, Estimate { value: shared as f64, error: 0.0 });
        }
        // The bound says something.
        prop_assert!(told.error <= 0.016 * (sizes.0 + sizes.1) as f64);

        let both = a.sketch.merge(&b.sketch).unwrap();
        let all: Vec<u64> = a.contents.union(&b.contents).copied().take(SAMPLE).collect();
        prop_assert_eq!(&both.contents, &all, "the sample is that of all pages");
        let distinct = both.distinct() as f64 - (sizes.0 + sizes.1 - shared) as f64;
        prop_assert!(distinct.abs() <= 5.0 * told.error + 1.0);
    }

    #[test]
    fn bytes_come_back_and_no_damage_goes_unnoticed(
        numbers in prop::collection::vec(0_u64..200, 0..60),
        at in any::<prop::sample::Index>(),
        bit in 0_u32..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let pages: Vec<Page> = numbers.iter().map(|&n| relative(n / 4, n % 4)).collect();
        let sketch = sketch(&pages);
        let bytes = sketch.to_bytes();
        prop_assert!(bytes.len() <= Sketch::MAX_BYTES && Sketch::is_begun_by(&bytes));
        prop_assert_eq!(&Sketch::from_bytes(&bytes).unwrap(), &sketch);
        let mut damaged = bytes.clone();
        damaged[at.index(bytes.len())] ^= 1_u8 << bit;
        prop_assert!(Sketch::from_bytes(&damaged).is_err());
        prop_assert!(Sketch::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
    }

    /// Whoever writes sketches of their own may put what they like in: what is read can be compared.
    #[test]
    fn what_is_read_can_be_compared(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        lists in (0_u32..4, 0_u32..4),
    ) {
        let honest = sketch([]).to_bytes();
        let len = bytes.len();
        if len > 64 + 4 {
            bytes[..7].copy_from_slice(&honest[..7]);
            bytes[7] = 0;
            bytes[56..60].copy_from_slice(&lists.0.to_le_bytes());
            bytes[60..64].copy_from_slice(&lists.1.to_le_bytes());
            let checksum = crc32fast::hash(&bytes[..len - 4]).to_le_bytes();
            bytes[len - 4..].copy_from_slice(&checksum);
        }
        if let Ok(sketch) = Sketch::from_bytes(&bytes) {
            prop_assert_eq!(sketch.to_bytes(), bytes);
            let both = sketch.merge(&sketch).unwrap();
            prop_assert!(both.deltas() <= both.distinct());
        }
    }
}

/// Counts that fit no machine are refused, so that they can be added up.
#[test]
fn counts_have_a_limit() {
    let mut bytes = sketch([]).to_bytes();
    let len = bytes.len();
    for (pages, refused) in [(1_u64 << 52, false), ((1 << 52) + 1, true), (u64::MAX, true)] {
        for at in [16, 24] {
            bytes[at..at + 8].copy_from_slice(&pages.to_le_bytes());
        }
        let checksum = crc32fast::hash(&bytes[..len - 4]).to_le_bytes();
        bytes[len - 4..].copy_from_slice(&checksum);
        let read = Sketch::from_bytes(&bytes);
        assert_eq!(read.is_err(), refused, "{pages}: {read:?}");
        assert!(read.is_err() || read.unwrap().zeros() == pages);
    }
}

/// The samples of many pairs: two of three estimates are within one standard error.
#[test]
fn errors_are_as_large_as_they_say() {
    let (mut within, mut twice) = (0, 0);
    let rounds = 300;
    for round in 0..rounds {
        let start = round << 32;
        let (a, b) = (guest(start..start + 6000), guest(start + 4000..start + 12_000));
        let told = a.sketch.shared(&b.sketch).unwrap();
        let off = (told.value - 2000.0).abs();
        within += u64::from(off <= told.error);
        twice += u64::from(off <= 2.0 * told.error);
    }
    let share = |count: u64| count as f64 / rounds as f64;
    assert!((0.60..0.76).contains(&share(within)), "{within} of {rounds}");
    assert!((0.92..0.99).contains(&share(twice)), "{twice} of {rounds}");
}

/// Pages of families, half of each in one guest and half in the other: what would be told by a page of the
/// other guest is estimated, against a count over all features of all pages.
#[test]
fn pages_that_resemble_the_other_guests_are_foreseen() {
    let families = 3000;
    let of = |guest: u64| {
        let members = move |family| (0..2).map(move |n| relative(family, 2 * guest + n));
        // A guest has both members of each third family, and one of the others.
        let wanted = |&(family, n): &(u64, usize)| n == 0 || family % 3 == 0;
        let all = (0..families).flat_map(move |f| (0..2).map(move |n| (f, n)));
        all.filter(wanted).map(move |(f, n)| members(f).nth(n).unwrap()).collect::<Vec<Page>>()
    };
    let (a, b) = (of(0), of(1));
    let (one, two) = (sketch(&a), sketch(&b));
    assert_eq!(one.distinct(), families + families / 3);
    let both = one.merge(&two).unwrap();
    let exact = sketch(a.iter().chain(&b));
    // Some windows of noise look alike by chance.
    for alone in [one.similar, two.similar] {
        assert!((1000..1030).contains(&alone), "{alone} in each alone");
    }
    assert!(exact.similar > 5 * families / 3 - 20, "{}", exact.similar);
    let ratio = both.similar as f64 / exact.similar as f64;
    assert!((0.85..1.15).contains(&ratio), "{} for {}", both.similar, exact.similar);
    assert_eq!(both.features, exact.features, "the sample is that of all pages");
    // A guest beside its clone has nothing more in common than within itself.
    let cloned = one.merge(&one).unwrap();
    assert_eq!((cloned.distinct(), cloned.duplicates()), (one.distinct(), one.pages()));
    let ratio = cloned.similar as f64 / one.similar as f64;
    assert!((0.8..1.2).contains(&ratio), "{} for {}", cloned.similar, one.similar);
}

/// One content that thousands of pages resemble leaves room for the others in the sample.
#[test]
fn a_large_family_does_not_fill_the_sample() {
    let pages: Vec<Page> = (0..3000).map(|n| relative(1, n)).collect();
    let sketch = sketch(&pages);
    let mut of_a_feature: BTreeMap<u64, usize> = BTreeMap::new();
    for entry in &sketch.features {
        *of_a_feature.entry(entry >> 32).or_default() += 1;
    }
    assert!(of_a_feature.values().all(|&count| count <= ALIKE), "{of_a_feature:?}");
    assert!(sketch.similar > 2900, "they are counted all the same: {}", sketch.similar);
}

#[test]
fn sketches_of_two_keys_or_domains_are_not_compared() {
    let pages: Vec<Page> = (0..5).map(page).collect();
    let made = |key, domain| {
        let mut sketcher = Sketcher::new(key, Domain(domain));
        pages.iter().for_each(|page| sketcher.add(page));
        sketcher.finish()
    };
    let (one, key, domain) = (made(1, 0), made(2, 0), made(1, 1));
    assert_eq!(one.shared(&key), Err(SketchError::Keys));
    let refused = SketchError::Domains { this: Domain(0), other: Domain(1) };
    assert_eq!(one.merge(&domain), Err(refused));
    assert!(one.contents.iter().all(|hash| !domain.contents.contains(hash)));
    assert!(one.features.iter().all(|entry| !key.features.contains(entry)));
}

/// What is packed is sketched as it was, and stays packed.
#[test]
fn a_packed_guest_has_the_sketch_that_it_had() {
    let pool = FramePool::new(PoolOptions::new(100)).unwrap();
    let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
    let set = scavenger.add_set(60, Domain(3), Mode::Share).unwrap();
    let mut pages = Pages::new(Arc::clone(&pool), 60);
    for at in 0..50 {
        let text = format!("{} and nothing else. ", at % 40).repeat(200);
        pages.write(&mut scavenger, set, at, 0, &text.as_bytes()[..2000]).unwrap();
    }
    let before = scavenger.sketch(set, &pages).unwrap();
    assert_eq!((before.pages(), before.zeros()), (60, 10));
    assert_eq!((before.distinct(), before.duplicates()), (40, 10));
    for _ in 0..8 {
        scavenger.pass(&mut [(set, &mut pages as &mut dyn PageSet)]).unwrap();
    }
    assert_eq!(pool.counters().used, 0, "all is packed");
    assert_eq!(scavenger.sketch(set, &pages).unwrap(), before);
    assert_eq!((pool.counters().used, scavenger.counters().restored), (0, 0));
}

/// Sketches outlive the program that made them.
#[test]
fn other_hashes_are_another_version() {
    let sketch = sketch(&[page(1), relative(1, 2)]);
    let told = (sketch.key, sketch.contents[0], sketch.features[0]);
    let wanted = (0xe54a_1a7a_c435_5047, 0x1fee_f299_f2fa_83af, 0xe95f_f14f_f2fa_83af);
    assert_eq!(told, wanted, "whoever changes these numbers changes the version, too");
}

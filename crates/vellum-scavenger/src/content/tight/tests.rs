//! Pages there and back, noise, and what a pace promises.

use super::*;
use proptest::prelude::*;

/// Pages with runs of every distance, short ones and long, between stretches without; and the like with a
/// few changes.
fn pages() -> impl Strategy<Value = (Page, Page)> {
    let piece = (any::<[u8; 16]>(), 1..80_usize, 0..160_usize, any::<bool>());
    let edits = prop::collection::vec((0..PAGE_SIZE, any::<u8>()), 0..40);
    (prop::collection::vec(piece, 1..120), edits, 0..64_usize).prop_map(|(pieces, edits, shift)| {
        let mut bytes = Vec::new();
        for (seed, distance, len, fresh) in pieces {
            if fresh || bytes.len() < distance {
                bytes.extend_from_slice(&seed[..1 + len % 16]);
            } else {
                (0..len).for_each(|_| bytes.push(bytes[bytes.len() - distance]));
            }
        }
        let page: Page = core::array::from_fn(|at| bytes[at % bytes.len()]);
        let mut like: Page = core::array::from_fn(|at| page[(at + shift) % PAGE_SIZE]);
        edits.into_iter().for_each(|(at, byte)| like[at] = byte);
        (page, like)
    })
}

const PACES: [Pace; 3] = [Pace::ALONE, Pace::REFERENCE, Pace::DELTA];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn pages_come_back((page, like) in pages(), pace in 0..3_usize, with_base in any::<bool>()) {
        let mut tight = Tight::default();
        let base = with_base.then_some(&like);
        let mut out = vec![7];
        let Some(len) = tight.encode(&page, base, PACES[pace], PAGE_SIZE, &mut out) else {
            prop_assert_eq!(out, [7], "nothing is left of what was not taken");
            return Ok(());
        };
        prop_assert_eq!(len, out.len() - 1);
        let mut back = [1; PAGE_SIZE];
        tight.decode(&out[1..], base, &mut back).unwrap();
        prop_assert!(back == page);
    }

    /// Damage is refused or is another page; it never harms, and never leads out of a page.
    #[test]
    fn damage_never_harms(
        (page, like) in pages(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut tight = Tight::default();
        let mut out = Vec::new();
        if tight.encode(&page, Some(&like), Pace::DELTA, PAGE_SIZE, &mut out).is_some() {
            for (at, byte) in edits {
                let at = at.index(out.len());
                out[at] = byte;
            }
            let mut back = [0; PAGE_SIZE];
            let _damaged = tight.decode(&out, Some(&like), &mut back);
            let _damaged = tight.decode(&out, None, &mut back);
        }
    }

    #[test]
    fn noise_never_harms(noise in prop::collection::vec(any::<u8>(), 0..4200)) {
        let mut back = [0; PAGE_SIZE];
        let _noise = Tight::default().decode(&noise, Some(&[9; PAGE_SIZE]), &mut back);
    }
}

/// A quicker pace never costs more to read by what is reckoned, and what is over it is not made.
#[test]
fn a_pace_is_kept_or_nothing_is_made() {
    let mut state = 1_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    // Many short copies of what came before, and little else: what takes a decoder longest.
    let mut page = [0; PAGE_SIZE];
    for at in 0..PAGE_SIZE {
        let letter = b"etaoin shrdlu"[usize::from(draw()) % 13];
        page[at] = if at < 512 || at % 7 == 0 { letter } else { page[at - 300 - at / 7 % 5] };
    }
    let mut tight = Tight::default();
    let mut sizes = Vec::new();
    for most in [100_000, 7_000, 5_500, 300] {
        let mut out = Vec::new();
        let made = tight.encode(&page, None, Pace { most, thrift: 2 }, PAGE_SIZE, &mut out);
        sizes.push(made);
        if made.is_some() {
            let mut back = [0; PAGE_SIZE];
            tight.decode(&out, None, &mut back).unwrap();
            assert!(back == page, "{most}");
        }
    }
    assert!(sizes[0].is_some() && sizes[3].is_none(), "{sizes:?}");
    let made: Vec<usize> = sizes.into_iter().flatten().collect();
    assert!(made.is_sorted() && made.first() < made.last(), "haste takes room: {made:?}");
}

#[test]
fn models_are_whole_codes_or_refused() {
    assert!(Models::from_bytes(&[0; 16]).is_none());
    let pages: Vec<(Page, Option<Page>)> = (0..40_usize)
        .map(|seed| {
            let page: Page = core::array::from_fn(|at| (at * (seed + 3) / 7 % 50) as u8);
            (page, (seed % 2 == 0).then_some([seed as u8; PAGE_SIZE]))
        })
        .collect();
    let bytes = train(&pages);
    assert!(bytes == train(&pages), "the same pages, the same models");
    let mut trained = Tight::new(Arc::new(Models::from_bytes(&bytes).unwrap()));
    let (mut own, mut shipped) = (0, 0);
    for (page, base) in &pages {
        let mut out = Vec::new();
        let base = base.as_ref();
        own += trained.encode(page, base, Pace::ALONE, PAGE_SIZE, &mut out).unwrap();
        let mut back = [0; PAGE_SIZE];
        trained.decode(&out, base, &mut back).unwrap();
        assert!(back == *page);
        let mut usual = Tight::default();
        shipped += usual.encode(page, base, Pace::ALONE, PAGE_SIZE, &mut Vec::new()).unwrap();
    }
    assert!(
        own < shipped,
        "codes made for these pages say them shorter: {own} and {shipped} bytes"
    );
    let mut broken = bytes;
    broken[5] ^= 0x11;
    assert!(Models::from_bytes(&broken).is_none());
}

//! The code without a heap against the one with tables: the same bits, the same verdicts.

use proptest::prelude::*;
use vellum_ecc::{Bch, BchParams, Blank, Codec, EccError, FixedBch, remainder_words};

/// One whose tables are made by the compiler, as firmware has it.
static IN_ROM: FixedBch<{ 1 << 13 }, 4, { remainder_words(13, 4) }> =
    match FixedBch::new(512, Blank::Codeword) {
        Ok(code) => code,
        Err(_) => panic!("no such code"),
    };

/// Random bits wrong, from none to some more than the code corrects.
fn same<const N: usize, const T: usize, const W: usize>(
    fixed: &FixedBch<N, T, W>,
    blank: Blank,
    seed: &[u8; 64],
    places: &[usize],
) {
    let params = BchParams { blank, ..BchParams::new(N.ilog2(), T, fixed.data_len()) };
    let tables = Bch::new(params).unwrap();
    assert_eq!((tables.parity_len(), tables.strength()), (fixed.parity_len(), fixed.strength()));
    let mut data: Vec<u8> = (0..fixed.data_len()).map(|i| seed[i % 64] ^ (i / 64) as u8).collect();
    let mut parity = vec![0; fixed.parity_len()];
    fixed.encode(&data, &mut parity).unwrap();
    let mut expected = parity.clone();
    tables.encode(&data, &mut expected).unwrap();
    assert_eq!(parity, expected, "m {} t {T}", N.ilog2());
    for place in &places[..places.len().min(T + 2)] {
        let place = place % (8 * data.len() + tables.parity_bits());
        match place.checked_sub(8 * data.len()) {
            None => data[place / 8] ^= 0x80 >> (place % 8),
            Some(place) => parity[place / 8] ^= 0x80 >> (place % 8),
        }
    }
    let (mut other, mut other_parity) = (data.clone(), parity.clone());
    let found = fixed.decode(&mut data, &mut parity).unwrap();
    assert_eq!(found, tables.decode(&mut other, &mut other_parity).unwrap());
    assert!(data == other && parity == other_parity);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn it_encodes_and_decodes_as_the_code_with_tables(
        seed in any::<[u8; 64]>(),
        places in prop::collection::vec(any::<usize>(), 0..44),
        inverted in any::<bool>(),
    ) {
        let blank = if inverted { Blank::Codeword } else { Blank::Plain };
        macro_rules! each {
            ($($m:literal $t:literal $words:literal $len:literal),*) => {$(
                let code = FixedBch::<{ 1 << $m }, $t, $words>::new($len, blank).unwrap();
                same(&code, blank, &seed, &places);
            )*};
        }
        each!(5 1 1 2, 5 3 1 1, 8 3 1 20, 10 20 4 64, 13 4 1 512, 13 8 2 512, 14 8 2 1024, 14 40 9 1024, 15 3 1 100);
        if inverted {
            same(&IN_ROM, blank, &seed, &places);
        }
    }
}

#[test]
fn a_code_that_can_not_be_is_refused() {
    let none = |found| found == Err(EccError::FieldOrder { m: 4 });
    assert!(none(FixedBch::<16, 1, 1>::new(1, Blank::Plain).map(drop)));
    let found = FixedBch::<48, 1, 1>::new(1, Blank::Plain).map(drop);
    assert_eq!(found, Err(EccError::Fixed { what: "elements", found: 48, expected: 32 }));
    let found = FixedBch::<8192, 8, 3>::new(512, Blank::Plain).map(drop);
    assert_eq!(found, Err(EccError::Fixed { what: "words", found: 3, expected: 2 }));
    let found = FixedBch::<8192, 8, 1>::new(512, Blank::Plain).map(drop);
    assert_eq!(found, Err(EccError::Fixed { what: "words", found: 1, expected: 2 }));
    let found = FixedBch::<32, 7, 1>::new(1, Blank::Plain).map(drop);
    assert!(matches!(found, Err(EccError::Strength { t: 7, m: 5, .. })), "{found:?}");
    let found = FixedBch::<8192, 8, 2>::new(1024, Blank::Plain).map(drop);
    assert_eq!(found, Err(EccError::TooLong { data_len: 1024, parity_bits: 104, max_bits: 8191 }));
}

//! Binary BCH codes against brute force: every error pattern of small codes, any pattern of large
//! ones, and what happens beyond t.

use proptest::prelude::*;
use vellum_ecc::{Bch, BchParams, Checked, Codec, EccError, Kernels, Outcome};

/// Flips bit `place` of data and parity, most significant bits first.
fn flip(data: &mut [u8], parity: &mut [u8], place: usize) {
    match place.checked_sub(data.len() * 8) {
        None => data[place / 8] ^= 0x80 >> (place % 8),
        Some(place) => parity[place / 8] ^= 0x80 >> (place % 8),
    }
}

/// xorshift64 (Marsaglia, 2003).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Bits of a codeword.
fn bits(code: &Bch) -> usize {
    code.data_len() * 8 + code.parity_bits()
}

/// All sets of at most `most` places below `n`.
fn patterns(n: usize, most: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    let mut from = 0;
    for _ in 0..most {
        let until = all.len();
        for i in from..until {
            let first = all[i].last().map_or(0, |last| last + 1);
            for place in first..n {
                let mut longer: Vec<usize> = all[i].clone();
                longer.push(place);
                all.push(longer);
            }
        }
        from = until;
    }
    all
}

#[test]
fn small_codes_correct_every_pattern_up_to_t() {
    for (m, t, len) in [(5, 1, 3), (5, 2, 2), (5, 3, 2), (6, 2, 6), (6, 3, 5), (7, 2, 14)] {
        let code = Bch::new(BchParams::new(m, t, len)).unwrap();
        let data: Vec<u8> = (0..len).map(|i| (i * 77 + 13) as u8).collect();
        let mut parity = vec![0; code.parity_len()];
        code.encode(&data, &mut parity).unwrap();
        for pattern in patterns(bits(&code), t) {
            let (mut d, mut p) = (data.clone(), parity.clone());
            pattern.iter().for_each(|place| flip(&mut d, &mut p, *place));
            let outcome = code.decode(&mut d, &mut p).unwrap();
            let expected = Outcome::Corrected { bits: pattern.len() as u32 };
            assert_eq!(outcome, expected, "m {m} t {t} {pattern:?}");
            assert!(d == data && p == parity, "m {m} t {t} {pattern:?}");
        }
    }
}

/// With data fixed, the parity runs through every difference of remainders there is; what the
/// decoder should do with each is known from the patterns of at most t errors.
#[test]
fn small_codes_decide_every_remainder_as_brute_force_does() {
    for (m, t, len) in [(5, 2, 2), (5, 3, 1), (6, 2, 4), (7, 2, 9)] {
        let code = Bch::new(BchParams::new(m, t, len)).unwrap();
        let data = vec![0u8; len];
        let mut pattern_of = vec![None; 1 << code.parity_bits()];
        let value = |parity: &[u8]| {
            let all = parity.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
            all >> (parity.len() * 8 - code.parity_bits())
        };
        for pattern in patterns(bits(&code), t) {
            let (mut d, mut p) = (data.clone(), vec![0; code.parity_len()]);
            pattern.iter().for_each(|place| flip(&mut d, &mut p, *place));
            let mut computed = vec![0; code.parity_len()];
            code.encode(&d, &mut computed).unwrap();
            let slot = &mut pattern_of[value(&computed) ^ value(&p)];
            assert!(slot.is_none(), "two patterns of at most t errors look alike");
            *slot = Some(pattern);
        }
        for (remainder, pattern) in pattern_of.iter().enumerate() {
            let shifted = remainder << (code.parity_len() * 8 - code.parity_bits());
            let stored = &shifted.to_be_bytes()[size_of::<usize>() - code.parity_len()..];
            let (mut d, mut p) = (data.clone(), stored.to_vec());
            let outcome = code.decode(&mut d, &mut p).unwrap();
            let Some(pattern) = pattern else {
                assert_eq!(outcome, Outcome::Uncorrectable, "m {m} t {t} remainder {remainder:#x}");
                assert_eq!(
                    (d, &p[..]),
                    (data.clone(), stored),
                    "changed what it could not correct"
                );
                continue;
            };
            assert_eq!(outcome, Outcome::Corrected { bits: pattern.len() as u32 });
            pattern.iter().for_each(|place| flip(&mut d, &mut p, *place));
            assert_eq!((d, &p[..]), (data.clone(), stored), "m {m} t {t} {remainder:#x}");
        }
    }
}

/// Encodes with all kernels, and decodes with up to `errors` errors and no more than t.
fn all_kernels_correct(params: BchParams, seed: u64, errors: usize) -> Result<(), TestCaseError> {
    let mut state = seed;
    let data: Vec<u8> = (0..params.data_len).map(|_| random(&mut state) as u8).collect();
    let plain = Bch::with_kernels(params, Kernels::Compact).unwrap();
    let mut parity = vec![0; plain.parity_len()];
    plain.encode(&data, &mut parity).unwrap();
    let (mut wrong, mut wrong_parity) = (data.clone(), parity.clone());
    let mut places: Vec<usize> =
        (0..errors.min(params.t)).map(|_| random(&mut state) as usize % bits(&plain)).collect();
    places.sort_unstable();
    places.dedup();
    places.iter().for_each(|place| flip(&mut wrong, &mut wrong_parity, *place));
    let zeros: u32 = wrong.iter().chain(&wrong_parity).map(|byte| byte.count_zeros()).sum();
    prop_assume!(zeros as usize > params.t);
    for kernels in Kernels::available() {
        let code = Bch::with_kernels(params, kernels).unwrap();
        let mut again = vec![0xA5; code.parity_len()];
        code.encode(&data, &mut again).unwrap();
        prop_assert_eq!(&again, &parity);
        let (mut d, mut p) = (wrong.clone(), wrong_parity.clone());
        let outcome = code.decode(&mut d, &mut p).unwrap();
        prop_assert_eq!(outcome, Outcome::Corrected { bits: places.len() as u32 });
        prop_assert!(d == data && p == parity);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_code_corrects_t_errors_anywhere(
        m in 6u32..=15,
        t in 1usize..=70,
        len in 1usize..=1500,
        seed in 1u64..,
        errors in 0usize..=70,
        blank in any::<bool>(),
    ) {
        let field = (1usize << m) - 1;
        prop_assume!(m as usize * t < field);
        let len = len.min((field - m as usize * t) / 8);
        prop_assume!(len > 0);
        let params = if blank { BchParams::nand(m, t, len) } else { BchParams::new(m, t, len) };
        all_kernels_correct(params, seed, errors)?;
    }

    /// Remainders of eight and nine words, where data in whole groups of 512 bytes takes a way of its own.
    #[test]
    fn kernels_agree_on_long_remainders(
        code in prop::sample::select(vec![
            (14u32, 40usize, 512usize), (14, 40, 1024), (14, 40, 1536), (14, 40, 1032),
            (13, 40, 512), (14, 33, 1024), (14, 41, 1024), (15, 38, 2560),
        ]),
        seed in 1u64..,
        errors in 0usize..3,
        blank in any::<bool>(),
    ) {
        let (m, t, len) = code;
        let params = if blank { BchParams::nand(m, t, len) } else { BchParams::new(m, t, len) };
        all_kernels_correct(params, seed, errors)?;
    }

    /// Beyond t a decoder may refuse or find another codeword; all kernels must do the same.
    #[test]
    fn kernels_agree_beyond_t(
        code in prop::sample::select(vec![(8u32, 2usize, 20usize), (9, 3, 50), (13, 8, 512), (10, 6, 90)]),
        seed in 1u64..,
        errors in 1usize..40,
    ) {
        let (m, t, len) = code;
        let mut state = seed;
        let mut data: Vec<u8> = (0..len).map(|_| random(&mut state) as u8).collect();
        let plain = Bch::with_kernels(BchParams::new(m, t, len), Kernels::Portable).unwrap();
        let mut parity = vec![0; plain.parity_len()];
        plain.encode(&data, &mut parity).unwrap();
        for _ in 0..errors {
            let place = random(&mut state) as usize % bits(&plain);
            flip(&mut data, &mut parity, place);
        }
        let (mut d, mut p) = (data.clone(), parity.clone());
        let outcome = plain.decode(&mut d, &mut p).unwrap();
        if outcome == Outcome::Uncorrectable {
            prop_assert!(d == data && p == parity);
        } else {
            let mut again = vec![0; p.len()];
            plain.encode(&d, &mut again).unwrap();
            prop_assert_eq!(&again, &p);
        }
        for kernels in Kernels::available() {
            let code = Bch::with_kernels(BchParams::new(m, t, len), kernels).unwrap();
            let (mut d2, mut p2) = (data.clone(), parity.clone());
            prop_assert_eq!(code.decode(&mut d2, &mut p2).unwrap(), outcome);
            prop_assert!(d2 == d && p2 == p);
        }
    }
}

/// Words at random are taken for codewords as often as the share of words within t of one says, and
/// a CRC lets none of them through.
#[test]
fn miscorrection_is_as_rare_as_it_should_be_and_the_crc_catches_it() {
    for (m, t, len) in [(8, 2, 24), (9, 3, 54), (10, 4, 117)] {
        let code = Bch::new(BchParams::new(m, t, len)).unwrap();
        let guarded = Checked::new(code.clone());
        let (mut accepted, words) = (0u32, 40_000u32);
        let mut state = 0x5EED;
        for _ in 0..words {
            let mut data: Vec<u8> = (0..len).map(|_| random(&mut state) as u8).collect();
            let mut parity: Vec<u8> =
                (0..code.parity_len()).map(|_| random(&mut state) as u8).collect();
            let mut tail = data[len - 4..].to_vec();
            tail.extend(&parity);
            let mut front = data[..len - 4].to_vec();
            assert_eq!(guarded.decode(&mut front, &mut tail).unwrap(), Outcome::Uncorrectable);
            accepted += u32::from(code.decode(&mut data, &mut parity).unwrap().is_ok());
        }
        let (expected, found) = (code.miscorrection() * f64::from(words), f64::from(accepted));
        let slack = 4.0 * expected.sqrt();
        assert!((found - expected).abs() < slack, "m {m} t {t}: {found} for {expected}");
    }
}

#[test]
fn erased_pages_with_leaks() {
    for kernels in Kernels::available() {
        for params in [BchParams::nand(13, 8, 512), BchParams::new(14, 40, 1024)] {
            let code = Bch::with_kernels(params, kernels).unwrap();
            let mut parity = vec![0; code.parity_len()];
            code.encode(&vec![0xFF; params.data_len], &mut parity).unwrap();
            let all_ones = parity.iter().all(|byte| *byte == 0xFF);
            assert_eq!(all_ones, params == BchParams::nand(13, 8, 512));
            for leaks in 0..=params.t {
                let mut data = vec![0xFF; params.data_len];
                let mut parity = vec![0xFF; code.parity_len()];
                for i in 0..leaks {
                    flip(&mut data, &mut parity, i * 101);
                }
                let outcome = code.decode(&mut data, &mut parity).unwrap();
                assert_eq!(outcome, Outcome::Erased { bits: leaks as u32 });
                assert!(data.iter().chain(&parity).all(|byte| *byte == 0xFF));
            }
            let mut data = vec![0xFF; params.data_len];
            let mut parity = vec![0xFF; code.parity_len()];
            (0..=params.t).for_each(|i| flip(&mut data, &mut parity, i * 77));
            assert_eq!(code.decode(&mut data, &mut parity).unwrap(), Outcome::Uncorrectable);
        }
    }
}

/// Past what the vector kernels hold and what tables are built for.
#[test]
fn five_hundred_errors() {
    let code = Bch::new(BchParams::new(15, 500, 3000)).unwrap();
    let data: Vec<u8> = (0..3000).map(|i| (i * i) as u8).collect();
    let mut parity = vec![0; code.parity_len()];
    code.encode(&data, &mut parity).unwrap();
    let (mut d, mut p) = (data.clone(), parity.clone());
    for i in 0..500 {
        flip(&mut d, &mut p, i * 61 + i % 7);
    }
    assert_eq!(code.decode(&mut d, &mut p).unwrap(), Outcome::Corrected { bits: 500 });
    assert!(d == data && p == parity);
    for i in 0..501 {
        flip(&mut d, &mut p, i * 62);
    }
    assert_eq!(code.decode(&mut d, &mut p).unwrap(), Outcome::Uncorrectable);
}

#[test]
fn batches_are_their_codewords() {
    let code = Bch::new(BchParams::new(13, 4, 512)).unwrap();
    let mut data: Vec<u8> = (0..4 * 512).map(|i| (i * i / 3) as u8).collect();
    let mut parity = vec![0; 4 * code.parity_len()];
    code.encode_batch(&data, &mut parity).unwrap();
    let whole = data.clone();
    for i in 0..4 {
        for bit in 0..i + 2 {
            data[i * 512 + bit * 50] ^= 4;
        }
    }
    let mut outcomes = Vec::new();
    code.decode_batch(&mut data, &mut parity, &mut |i, outcome| outcomes.push((i, outcome)))
        .unwrap();
    let corrected = |bits| Outcome::Corrected { bits };
    let expected =
        [(0, corrected(2)), (1, corrected(3)), (2, corrected(4)), (3, Outcome::Uncorrectable)];
    assert_eq!(outcomes, expected);
    assert_eq!(data[..3 * 512], whole[..3 * 512]);
    let error = code.encode_batch(&data[..513], &mut parity).unwrap_err();
    let expected = EccError::BatchLength { data: 513, parity: 28, data_len: 512, parity_len: 7 };
    assert_eq!(error, expected);
}

#[test]
fn codes_that_cannot_be_are_errors() {
    let build = |params| Bch::new(params).map(|_| ()).unwrap_err();
    assert_eq!(build(BchParams::new(16, 4, 512)), EccError::FieldOrder { m: 16 });
    let strength = EccError::Strength { t: 0, m: 13, parity_bits: 0, field_bits: 8191 };
    assert_eq!(build(BchParams::new(13, 0, 512)), strength);
    let strength = EccError::Strength { t: 631, m: 13, parity_bits: 8203, field_bits: 8191 };
    assert_eq!(build(BchParams::new(13, 631, 1)), strength);
    let long = EccError::TooLong { data_len: 1024, parity_bits: 52, max_bits: 8191 };
    assert_eq!(build(BchParams::new(13, 4, 1024)), long);
    let params = BchParams { polynomial: Some(0x2003), ..BchParams::new(13, 4, 512) };
    assert_eq!(build(params), EccError::NotPrimitive { polynomial: 0x2003, m: 13 });
}

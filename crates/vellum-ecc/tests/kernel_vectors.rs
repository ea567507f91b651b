//! Bit compatibility with the Linux kernel's BCH library: shipped vectors, every code both ways.

use vellum_ecc::{Bch, BchParams, Blank, Codec, Kernels, Outcome};

fn data(seed: u32, len: usize) -> Vec<u8> {
    let mut x = seed;
    let mut next = || {
        x = x.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (x >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn parity_is_the_kernels() {
    for kernels in Kernels::available() {
        check(kernels);
    }
}

fn check(kernels: Kernels) {
    let lines = include_str!("vectors/kernel-bch.txt").lines().filter(|l| !l.starts_with('#'));
    let mut codes = 0;
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [m, t, polynomial, len, seed, parity] = fields[..] else { panic!("{line}") };
        let polynomial = u32::from_str_radix(polynomial.trim_start_matches("0x"), 16).unwrap();
        let params = BchParams {
            m: m.parse().unwrap(),
            t: t.parse().unwrap(),
            data_len: len.parse().unwrap(),
            polynomial: Some(polynomial),
            blank: Blank::Plain,
        };
        let code = Bch::with_kernels(params, kernels).unwrap();
        let data = data(seed.parse().unwrap(), params.data_len);
        let expected = unhex(parity);
        let mut parity = vec![0x55; code.parity_len()];
        code.encode(&data, &mut parity).unwrap();
        assert_eq!(parity, expected, "{kernels:?} {params:?}");

        // And t errors, spread over the codeword, are found in it.
        let bits = params.data_len * 8 + code.parity_bits();
        let (mut d, mut p) = (data.clone(), parity.clone());
        for i in 0..params.t {
            let place = i * bits / params.t;
            match place.checked_sub(data.len() * 8) {
                None => d[place / 8] ^= 0x80 >> (place % 8),
                Some(place) => p[place / 8] ^= 0x80 >> (place % 8),
            }
        }
        let outcome = code.decode(&mut d, &mut p).unwrap();
        assert_eq!(outcome, Outcome::Corrected { bits: params.t as u32 }, "{kernels:?} {params:?}");
        assert!(d == data && p == parity, "{kernels:?} {params:?}");
        codes += 1;
    }
    assert!(codes > 150, "{codes} vectors");
}

//! The LDPC codes: what they carry with hard and with soft decisions, on every kernel alike.

use vellum_ecc::{
    Bch, BchParams, Checked, Codec, EccError, Kernels, Ldpc, LdpcParams, Outcome,
    beliefs_from_reads,
};

/// xorshift64 (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Flips each bit with a chance of `millionths`; how many it were.
    fn noise(&mut self, bytes: &mut [u8], millionths: u64) -> u32 {
        let mut flipped = 0;
        for i in 0..bytes.len() * 8 {
            if self.next() % 1_000_000 < millionths {
                bytes[i / 8] ^= 1 << (i % 8);
                flipped += 1;
            }
        }
        flipped
    }

    /// What cells near the threshold read as at the usual voltage, a lower and a higher one: each of 2.4 % of the bits
    /// is uncertain, and half of them are wrong in the usual read.
    fn reads(&mut self, sent: &[u8]) -> [Vec<u8>; 3] {
        let mut near = vec![0; sent.len()];
        self.noise(&mut near, 24_000);
        let coin = self.bytes(sent.len());
        let usual = sent.iter().zip(near.iter().zip(&coin)).map(|(s, (n, c))| s ^ n & c).collect();
        let low = sent.iter().zip(&near).map(|(s, n)| s | n).collect();
        let high = sent.iter().zip(&near).map(|(s, n)| s & !n).collect();
        [usual, low, high]
    }
}

/// A codeword: data and parity in one piece.
fn word(code: &Ldpc, random: &mut Random) -> Vec<u8> {
    let data = random.bytes(code.data_len());
    let mut parity = vec![0; code.parity_len()];
    code.encode(&data, &mut parity).unwrap();
    [data, parity].concat()
}

#[test]
fn carries_half_a_percent() {
    for (params, words) in
        [(LdpcParams::KIB_1, 60), (LdpcParams::KIB_2, 30), (LdpcParams::KIB_4, 20)]
    {
        let code = Ldpc::new(params).unwrap();
        let rate = code.data_len() as f64 / (code.data_len() + code.parity_len()) as f64;
        assert!(rate > 0.88, "rate {rate}");
        let mut random = Random(7);
        let mut workspace = code.workspace();
        for _ in 0..words {
            let sent = word(&code, &mut random);
            let mut read = sent.clone();
            let bits = random.noise(&mut read, 5000);
            let (data, parity) = read.split_at_mut(code.data_len());
            let outcome = code.decode_hard(&mut workspace, data, parity).unwrap();
            assert_eq!(outcome, Outcome::Corrected { bits });
            assert!((1..=12).contains(&workspace.iterations()), "{}", workspace.iterations());
            assert!(read == sent);
            let (data, parity) = read.split_at_mut(code.data_len());
            let outcome = code.decode_hard(&mut workspace, data, parity).unwrap();
            assert_eq!((outcome, workspace.iterations()), (Outcome::Corrected { bits: 0 }, 0));
        }
    }
}

/// At an error rate that hard decisions no longer carry, beliefs from three reads do.
#[test]
fn soft_decisions_carry_more_than_hard_ones() {
    let code = Ldpc::new(LdpcParams::KIB_4).unwrap();
    let mut random = Random(11);
    let (mut hard, mut soft) = (0, 0);
    let mut workspace = code.workspace();
    for _ in 0..10 {
        let sent = word(&code, &mut random);
        let [usual, low, high] = random.reads(&sent);
        let mut read = usual.clone();
        let (data, parity) = read.split_at_mut(code.data_len());
        hard += u32::from(code.decode_hard(&mut workspace, data, parity).unwrap().is_ok());
        let mut beliefs = vec![0; code.bits()];
        beliefs_from_reads(&[&usual, &low, &high], &mut beliefs).unwrap();
        let mut read = usual.clone();
        let (data, parity) = read.split_at_mut(code.data_len());
        let outcome = code.decode_soft(&mut workspace, &beliefs, data, parity).unwrap();
        if outcome.is_ok() {
            assert!(read == sent);
            soft += 1;
        } else {
            assert!(read == usual, "changed what it could not correct");
        }
    }
    assert_eq!((hard, soft), (0, 10));
}

/// Reads of one codeword help each code in its way: a CRC around it changes nothing, and a code of hard decisions
/// takes the read that it can decode.
#[test]
fn reads_decode_what_one_of_them_does_not() {
    let ldpc = Checked::new(Ldpc::new(LdpcParams::KIB_1).unwrap());
    let bch = Bch::new(BchParams::nand(13, 4, 512)).unwrap();
    let mut random = Random(23);
    let data = random.bytes(ldpc.data_len());
    let mut parity = vec![0; ldpc.parity_len()];
    ldpc.encode(&data, &mut parity).unwrap();
    let sent = [&data[..], &parity].concat();
    let [usual, low, high] = random.reads(&sent);
    let wrong = usual.iter().zip(&sent).map(|(a, b)| (a ^ b).count_ones()).sum();
    let mut read = usual.clone();
    let (data, parity) = read.split_at_mut(ldpc.data_len());
    assert_eq!(ldpc.decode(data, parity).unwrap(), Outcome::Uncorrectable);
    let reads = [&usual[..], &low, &high];
    let outcome = ldpc.decode_reads(&reads, data, parity).unwrap();
    assert_eq!(outcome, Outcome::Corrected { bits: wrong });
    assert!(read == sent);

    let data = random.bytes(512);
    let mut parity = vec![0; bch.parity_len()];
    bch.encode(&data, &mut parity).unwrap();
    let sent = [&data[..], &parity].concat();
    let with = |bits: usize| {
        let mut read = sent.clone();
        (0..bits).for_each(|i| read[i * 50] ^= 1);
        read
    };
    let (many, few) = (with(6), with(3));
    let mut read = many.clone();
    let (data, parity) = read.split_at_mut(512);
    let outcome = bch.decode_reads(&[&many, &many], data, parity).unwrap();
    assert_eq!(outcome, Outcome::Uncorrectable);
    let outcome = bch.decode_reads(&[&many, &few], data, parity).unwrap();
    assert_eq!(outcome, Outcome::Corrected { bits: 6 });
    assert!(read == sent);
    let (data, parity) = read.split_at_mut(512);
    let error = bch.decode_reads(&[&many[1..]], data, parity).unwrap_err();
    assert_eq!(error, EccError::DataLength { found: 518, expected: 519 });
}

#[test]
fn every_kernel_decodes_to_the_same_bits() {
    let params = LdpcParams { iterations: 6, ..LdpcParams::KIB_1 };
    let codes: Vec<Ldpc> =
        Kernels::available().map(|k| Ldpc::with_kernels(params, k).unwrap()).collect();
    let mut random = Random(3);
    for noise in [0, 1000, 4000, 8000, 12_000] {
        for _ in 0..6 {
            let mut read = word(&codes[0], &mut random);
            random.noise(&mut read, noise);
            let results: Vec<_> = codes
                .iter()
                .map(|code| {
                    let mut read = read.clone();
                    let (data, parity) = read.split_at_mut(code.data_len());
                    (code.decode(data, parity).unwrap(), read)
                })
                .collect();
            assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "at {noise}");
        }
    }
}

#[test]
fn a_batch_tells_each_codeword_apart() {
    let code = Ldpc::new(LdpcParams::KIB_1).unwrap();
    let mut random = Random(5);
    let mut data = random.bytes(3 * 1024);
    let mut parity = vec![0; 3 * 128];
    code.encode_batch(&data, &mut parity).unwrap();
    let sent = data.clone();
    data[1024..2048].copy_from_slice(&random.bytes(1024));
    data[2048] ^= 0x11;
    let mut outcomes = Vec::new();
    code.decode_batch(&mut data, &mut parity, &mut |_, outcome| outcomes.push(outcome)).unwrap();
    let corrected = |bits| Outcome::Corrected { bits };
    assert_eq!(outcomes, [corrected(0), Outcome::Uncorrectable, corrected(2)]);
    assert!(data[..1024] == sent[..1024] && data[2048..] == sent[2048..]);
}

#[test]
fn erased_and_checked() {
    let code = Checked::new(Ldpc::new(LdpcParams::KIB_1).unwrap());
    assert_eq!((code.data_len(), code.parity_len()), (1020, 132));
    let (mut data, mut parity) = (vec![0xFF; 1020], vec![0xFF; 132]);
    data[5] = 0xEF;
    parity[100] = 0x7F;
    assert_eq!(code.decode(&mut data, &mut parity).unwrap(), Outcome::Erased { bits: 2 });
    // All-ones data is something else once it is programmed.
    code.encode(&data, &mut parity).unwrap();
    data[9] ^= 1;
    assert_eq!(code.decode(&mut data, &mut parity).unwrap(), Outcome::Corrected { bits: 1 });
    assert!(data.iter().all(|byte| *byte == 0xFF));
}

#[test]
fn wrong_lengths_are_errors() {
    let code = Ldpc::new(LdpcParams::KIB_1).unwrap();
    let mut workspace = Ldpc::new(LdpcParams::KIB_2).unwrap().workspace();
    let (mut data, mut parity) = (vec![0x12; 1024], vec![0; 128]);
    code.encode(&data, &mut parity).unwrap();
    // A workspace of another code is made to fit.
    data[0] ^= 1;
    let outcome = code.decode_hard(&mut workspace, &mut data, &mut parity).unwrap();
    assert_eq!(outcome, Outcome::Corrected { bits: 1 });
    let error = code.decode_soft(&mut workspace, &[1; 9215], &mut data, &mut parity).unwrap_err();
    assert_eq!(error, EccError::DataLength { found: 9215, expected: 9216 });
    let error = beliefs_from_reads(&[&[0; 3]], &mut [0; 16]).unwrap_err();
    assert_eq!(error, EccError::DataLength { found: 3, expected: 2 });
    let params = LdpcParams { circulant: 100, ..LdpcParams::KIB_1 };
    assert!(matches!(Ldpc::new(params), Err(EccError::Construction { circulant: 100, .. })));
}

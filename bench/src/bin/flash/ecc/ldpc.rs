//! LDPC decode of hard bits at half a percent of raw errors. The peer is `labrador-ldpc`, whose
//! highest rate is 0.8 (CCSDS TM5120, 512 bytes of data), with its eight-bit min-sum.

use super::{Args, Row};
use crate::measure::seconds_a_call;
use anyhow::{Result, ensure};
use labrador_ldpc::LDPCCode;
use serde::Serialize;
use std::hint::black_box;
use vellum_ecc::{Codec, Kernels, Ldpc, LdpcParams, Outcome};

/// The share of wrong bits.
const RAW: f64 = 0.005;

/// Different noise in a row, so that no run of luck is timed.
const WORDS: usize = 16;

const CODES: [(&str, LdpcParams); 3] =
    [("1 KiB", LdpcParams::KIB_1), ("2 KiB", LdpcParams::KIB_2), ("4 KiB", LdpcParams::KIB_4)];

/// How many frames were lost in a run.
#[derive(Debug, Serialize)]
pub struct Frames {
    pub code: String,
    pub raw: f64,
    pub frames: u32,
    pub lost: u32,
}

pub fn run(args: &Args) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, params) in CODES {
        let codes = [Kernels::Portable, Kernels::detect()].map(|k| Ldpc::with_kernels(params, k));
        let [portable, best] = codes;
        let codes = [portable?, best?];
        let mut rounds = vec![("labrador 512 B".to_string(), Vec::new())];
        rounds.extend(codes.iter().map(|c| (format!("{:?}", c.kernels()).to_lowercase(), vec![])));
        for _ in 0..args.rounds {
            rounds[0].1.push(512.0 / peer(args.seconds)? / 1e6);
            for (code, round) in codes.iter().zip(&mut rounds[1..]) {
                round.1.push(code.data_len() as f64 / decode(code, args.seconds)? / 1e6);
            }
        }
        rows.push(Row::new(format!("LDPC 8/9 {name}, decode, 0.5 % wrong"), true, rounds));
        let mut rounds: Vec<(String, Vec<f64>)> = vec![("labrador 512 B".to_string(), Vec::new())];
        rounds.extend(codes.iter().map(|c| (format!("{:?}", c.kernels()).to_lowercase(), vec![])));
        for _ in 0..args.rounds {
            rounds[0].1.push(512.0 / peer_encode(args.seconds) / 1e6);
            for (code, round) in codes.iter().zip(&mut rounds[1..]) {
                round.1.push(code.data_len() as f64 / encode(code, args.seconds)? / 1e6);
            }
        }
        rows.push(Row::new(format!("LDPC 8/9 {name}, encode"), true, rounds));
    }
    Ok(rows)
}

/// Counts lost frames at several error rates.
pub fn frame_errors(frames: u32) -> Result<Vec<Frames>> {
    let mut results = Vec::new();
    for (name, params) in CODES {
        let code = Ldpc::new(params)?;
        let mut workspace = code.workspace();
        let mut noise = Noise::new(1);
        let (data, parity) = codeword(&code)?;
        let mut lost = 0;
        for _ in 0..frames {
            let (mut d, mut p) = (data.clone(), parity.clone());
            noise.flip(&mut d, &mut p);
            let outcome = code.decode_hard(&mut workspace, &mut d, &mut p)?;
            lost += u32::from(outcome == Outcome::Uncorrectable || d != data);
        }
        results.push(Frames { code: format!("LDPC 8/9 {name}"), raw: RAW, frames, lost });
    }
    Ok(results)
}

/// Flips each bit with the chance [`RAW`], by the gaps between flips.
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn flip(&mut self, data: &mut [u8], parity: &mut [u8]) {
        let bits = (data.len() + parity.len()) * 8;
        let mut at = 0usize;
        loop {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let unit = ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            at += (unit.ln() / (1.0 - RAW).ln()) as usize;
            if at >= bits {
                return;
            }
            match at.checked_sub(data.len() * 8) {
                None => data[at / 8] ^= 1 << (at % 8),
                Some(at) => parity[at / 8] ^= 1 << (at % 8),
            }
            at += 1;
        }
    }
}

/// Some data and its parity.
fn codeword(code: &Ldpc) -> Result<(Vec<u8>, Vec<u8>)> {
    let data: Vec<u8> = (0..code.data_len()).map(|i| (i * i * 7 + i / 3) as u8).collect();
    let mut parity = vec![0; code.parity_len()];
    code.encode(&data, &mut parity)?;
    Ok((data, parity))
}

/// CPU seconds of one decode, the copy of the word included.
fn decode(code: &Ldpc, seconds: f64) -> Result<f64> {
    let (data, parity) = codeword(code)?;
    let mut noise = Noise::new(2);
    let words: Vec<_> = (0..WORDS)
        .map(|_| {
            let (mut d, mut p) = (data.clone(), parity.clone());
            noise.flip(&mut d, &mut p);
            (d, p)
        })
        .collect();
    let mut workspace = code.workspace();
    let (mut d, mut p) = words[0].clone();
    for word in &words {
        (d, p) = word.clone();
        let outcome = code.decode_hard(&mut workspace, &mut d, &mut p)?;
        ensure!(outcome.is_ok() && d == data, "a word of the measurement is lost");
    }
    let mut next = words.iter().cycle();
    Ok(seconds_a_call(seconds, || {
        if let Some((from, from_parity)) = next.next() {
            d.copy_from_slice(from);
            p.copy_from_slice(from_parity);
        }
        let _ = black_box(code.decode_hard(&mut workspace, black_box(&mut d), &mut p));
    }))
}

fn encode(code: &Ldpc, seconds: f64) -> Result<f64> {
    let (data, mut parity) = codeword(code)?;
    Ok(seconds_a_call(seconds, || {
        let _ = black_box(code.encode(black_box(&data), black_box(&mut parity)));
    }))
}

const PEER: LDPCCode = LDPCCode::TM5120;

/// CPU seconds of one decode by the peer, its turning of bits into beliefs included.
fn peer(seconds: f64) -> Result<f64> {
    let data: Vec<u8> = (0..512).map(|i| (i * i * 7 + i / 3) as u8).collect();
    let mut word = vec![0u8; PEER.n() / 8];
    PEER.copy_encode(&data, &mut word);
    let mut noise = Noise::new(3);
    let words: Vec<Vec<u8>> = (0..WORDS)
        .map(|_| {
            let mut word = word.clone();
            noise.flip(&mut word, &mut []);
            word
        })
        .collect();
    let mut beliefs = vec![0i8; PEER.n()];
    let mut output = vec![0u8; PEER.output_len()];
    let mut working = vec![0i8; PEER.decode_ms_working_len()];
    let mut working_u8 = vec![0u8; PEER.decode_ms_working_u8_len()];
    let mut one = |word: &[u8]| {
        PEER.hard_to_llrs(word, &mut beliefs);
        let (ok, _) = PEER.decode_ms(&beliefs, &mut output, &mut working, &mut working_u8, 30);
        ok && output[..512] == data[..]
    };
    for word in &words {
        ensure!(one(word), "the peer lost a word");
    }
    let mut next = words.iter().cycle();
    Ok(seconds_a_call(seconds, || {
        if let Some(word) = next.next() {
            black_box(one(black_box(word)));
        }
    }))
}

fn peer_encode(seconds: f64) -> f64 {
    let data: Vec<u8> = (0..512).map(|i| (i * i * 7 + i / 3) as u8).collect();
    let mut word = vec![0u8; PEER.n() / 8];
    seconds_a_call(seconds, || {
        PEER.copy_encode(black_box(&data), black_box(&mut word));
    })
}

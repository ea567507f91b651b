//! BCH encode and decode: each set of kernels and the peer, round by round.

use super::peer::Bchlib;
use super::{Args, Row};
use crate::measure::seconds_a_call;
use anyhow::{Result, ensure};
use std::hint::black_box;
use vellum_ecc::{Bch, BchParams, Codec, Kernels, Outcome};

/// (m, t, data bytes).
const CODES: [(u32, usize, usize); 5] =
    [(13, 4, 512), (13, 8, 512), (14, 8, 1024), (14, 24, 1024), (14, 40, 1024)];

/// What is timed.
#[derive(Debug, Clone, Copy)]
enum Work {
    Encode,
    Decode { errors: usize },
}

pub fn run(args: &Args) -> Result<Vec<Row>> {
    let mut peer = match Bchlib::start() {
        Ok(peer) => Some(peer),
        Err(why) => {
            eprintln!("skipped: the peer: {why:#}");
            None
        }
    };
    let mut rows = Vec::new();
    for (m, t, len) in CODES {
        for work in [
            Work::Encode,
            Work::Decode { errors: 0 },
            Work::Decode { errors: 1 },
            Work::Decode { errors: t / 2 },
            Work::Decode { errors: t },
            Work::Decode { errors: 2 * t },
        ] {
            rows.push(row(args, peer.as_mut(), (m, t, len), work)?);
        }
    }
    Ok(rows)
}

fn row(
    args: &Args,
    mut peer: Option<&mut Bchlib>,
    (m, t, len): (u32, usize, usize),
    work: Work,
) -> Result<Row> {
    let codes = Kernels::available()
        .map(|k| Bch::with_kernels(BchParams::new(m, t, len), k))
        .collect::<Result<Vec<_>, _>>()?;
    let (name, request) = match work {
        Work::Encode => ("encode".to_string(), format!("encode {m} {t} {len} 0")),
        Work::Decode { errors } => {
            let beyond = if errors > t { ", too many" } else { "" };
            (format!("decode, {errors} errors{beyond}"), format!("decode {m} {t} {len} {errors}"))
        }
    };
    let mut theirs = Vec::new();
    let mut ours = vec![Vec::new(); codes.len()];
    for _ in 0..args.rounds {
        if let Some(peer) = peer.as_deref_mut() {
            let seconds = peer.seconds(&format!("{request} {}", args.seconds))?;
            theirs.push(len as f64 / seconds / 1e6);
        }
        for (code, values) in codes.iter().zip(&mut ours) {
            values.push(len as f64 / time(code, work, args.seconds)? / 1e6);
        }
    }
    let has_peer = peer.is_some();
    let mut rounds = Vec::new();
    if has_peer {
        rounds.push(("bchlib".to_string(), theirs));
    }
    rounds.extend(codes.iter().map(|c| format!("{:?}", c.kernels()).to_lowercase()).zip(ours));
    Ok(Row::new(format!("BCH m{m} t{t} {len} B, {name}"), has_peer, rounds))
}

/// The data that the peer takes too.
fn sample(len: usize) -> Vec<u8> {
    let mut x = 1u32;
    let mut next = || {
        x = x.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (x >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// CPU seconds of one call. A decode is of a fresh copy each time: the copy is part of it.
fn time(code: &Bch, work: Work, seconds: f64) -> Result<f64> {
    let data = sample(code.data_len());
    let mut parity = vec![0; code.parity_len()];
    code.encode(&data, &mut parity)?;
    let errors = match work {
        Work::Encode => {
            return Ok(seconds_a_call(seconds, || {
                let _ = black_box(code.encode(black_box(&data), black_box(&mut parity)));
            }));
        }
        Work::Decode { errors } => errors,
    };
    let mut wrong = data.clone();
    for i in 0..errors {
        let place = (2 * i + 1) * data.len() * 4 / errors;
        wrong[place / 8] ^= 0x80 >> (place % 8);
    }
    let (mut d, mut p) = (wrong.clone(), parity.clone());
    let outcome = code.decode(&mut d, &mut p)?;
    let expected = match errors <= code.strength() {
        true => Outcome::Corrected { bits: errors as u32 },
        false => Outcome::Uncorrectable,
    };
    ensure!(outcome == expected, "decoded to {outcome:?}");
    ensure!(d == data || !outcome.is_ok(), "decoded to other data");
    Ok(seconds_a_call(seconds, || {
        if errors > 0 {
            d.copy_from_slice(&wrong);
        }
        let _ = black_box(code.decode(black_box(&mut d), black_box(&mut p)));
    }))
}

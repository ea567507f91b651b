//! The codes' own figures: what the LDPC codes carry and in how many iterations, and what more errors
//! than a BCH code corrects are taken for.

use crate::table::Table;
use anyhow::Result;
use serde_json::Value;
use vellum_block::Rng;
use vellum_ecc::{Bch, BchParams, Checked, Codec, Ldpc, LdpcParams};

/// Codewords a row of the LDPC table.
const FRAMES: u32 = 400;
/// Words a row of the BCH table.
const WORDS: u32 = 50_000;
/// Wrong bits in a million.
const RATES: [u32; 6] = [3_000, 5_000, 7_000, 8_000, 9_000, 10_000];

pub fn run() -> Result<Vec<Table>> {
    Ok(vec![carried()?, miscorrected()?])
}

/// Flips each bit with the chance `rate`, by drawing the gaps between flips.
fn wear(rng: &mut Rng, bytes: &mut [u8], rate: f64) {
    let mut at = 0.0;
    loop {
        let unit = ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        at += (unit.ln() / (1.0 - rate).ln()).floor();
        let Some(byte) = bytes.get_mut(at as usize / 8) else { return };
        *byte ^= 1 << (at as usize % 8);
        at += 1.0;
    }
}

fn carried() -> Result<Table> {
    let mut table = Table::new(
        "LDPC, rate 8/9, hard decisions",
        &["data bytes", "wrong bits %", "frames", "lost", "iterations", "most"],
    );
    for params in [LdpcParams::KIB_1, LdpcParams::KIB_2, LdpcParams::KIB_4] {
        let code = Ldpc::new(params)?;
        let mut workspace = code.workspace();
        for rate in RATES {
            let mut rng = Rng::new(u64::from(rate));
            let (mut lost, mut iterations, mut most) = (0, 0, 0);
            for _ in 0..FRAMES {
                let sent: Vec<u8> = (0..code.data_len()).map(|_| rng.next_u64() as u8).collect();
                let (mut data, mut parity) = (sent.clone(), vec![0; code.parity_len()]);
                code.encode(&data, &mut parity)?;
                let rate = f64::from(rate) / 1e6;
                wear(&mut rng, &mut data, rate);
                wear(&mut rng, &mut parity, rate);
                let outcome = code.decode_hard(&mut workspace, &mut data, &mut parity)?;
                lost += u32::from(!outcome.is_ok() || data != sent);
                iterations += workspace.iterations();
                most = most.max(workspace.iterations());
            }
            let mean = (f64::from(iterations) / f64::from(FRAMES) * 100.0).round() / 100.0;
            table.row([
                Value::from(code.data_len()),
                Value::from(f64::from(rate) / 1e4),
                Value::from(FRAMES),
                Value::from(lost),
                Value::from(mean),
                Value::from(most),
            ]);
        }
    }
    Ok(table)
}

fn miscorrected() -> Result<Table> {
    let mut table = Table::new(
        "BCH, words at random: taken for codewords",
        &["code", "words", "expected", "taken", "with a CRC"],
    );
    for (m, t, len) in [(8, 2, 29), (10, 3, 124), (13, 4, 512), (13, 5, 1015)] {
        let code = Bch::new(BchParams::new(m, t, len))?;
        let checked = Checked::new(code.clone());
        let mut rng = Rng::new(u64::from(m) * 100 + t as u64);
        let (mut taken, mut passed) = (0, 0);
        for _ in 0..WORDS {
            let word: Vec<u8> =
                (0..len + code.parity_len()).map(|_| rng.next_u64() as u8).collect();
            let (mut data, mut parity) = (word[..len].to_vec(), word[len..].to_vec());
            taken += u32::from(code.decode(&mut data, &mut parity)?.is_ok());
            let (mut data, mut parity) = (word[..len - 4].to_vec(), word[len - 4..].to_vec());
            passed += u32::from(checked.decode(&mut data, &mut parity)?.is_ok());
        }
        table.row([
            Value::from(format!("m{m} t{t}, {len} B")),
            Value::from(WORDS),
            Value::from((code.miscorrection() * f64::from(WORDS)).round()),
            Value::from(taken),
            Value::from(passed),
        ]);
    }
    Ok(table)
}

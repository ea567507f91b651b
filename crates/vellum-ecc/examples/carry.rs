//! What each code carries: 4 KiB of data behind every code of this crate, at raw bit error rates
//! from those of a new SLC chip to those of a worn TLC one.
//!
//! `cargo run --release -p vellum-ecc --example carry [PAGES]` prints, for each rate and code, the
//! share of pages that came back whole, of 200 or as many as given.

use std::error::Error;
use vellum_ecc::{
    Bch, BchParams, Checked, Codec, Hamming, HammingOrder, HammingStep, Ldpc, LdpcParams,
};

const PAGE: usize = 4096;

/// xorshift64 (Marsaglia, 2003): the same pages and errors each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Flips each bit with chance `rate`, by drawing the gaps between flips.
    fn wear(&mut self, bytes: &mut [u8], rate: f64) {
        let mut at = 0.0;
        loop {
            let unit = ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            at += (unit.ln() / (1.0 - rate).ln()).floor();
            let Some(byte) = bytes.get_mut(at as usize / 8) else { return };
            *byte ^= 1 << (at as usize % 8);
            at += 1.0;
        }
    }
}

/// The share of `pages` that survive `rate`.
fn whole(code: &dyn Codec, rate: f64, pages: u32) -> Result<f64, Box<dyn Error>> {
    let mut random = Random(1);
    let words = PAGE / code.data_len();
    let mut survived = 0;
    for _ in 0..pages {
        let sent: Vec<u8> = (0..words * code.data_len()).map(|_| random.next() as u8).collect();
        let (mut data, mut parity) = (sent.clone(), vec![0; words * code.parity_len()]);
        code.encode_batch(&data, &mut parity)?;
        random.wear(&mut data, rate);
        random.wear(&mut parity, rate);
        code.decode_batch(&mut data, &mut parity, &mut |_, _| ())?;
        survived += u32::from(data == sent);
    }
    Ok(f64::from(survived) / f64::from(pages))
}

fn main() -> Result<(), Box<dyn Error>> {
    let pages = std::env::args().nth(1).map_or(Ok(200), |n| n.parse())?;
    let codes: [(&str, Box<dyn Codec>); 6] = [
        ("Hamming/256", Box::new(Hamming::new(HammingStep::Bytes256, HammingOrder::Linux))),
        ("BCH-4/512", Box::new(Bch::new(BchParams::nand(13, 4, 512))?)),
        ("BCH-8/512", Box::new(Bch::new(BchParams::nand(13, 8, 512))?)),
        ("BCH-40/1024", Box::new(Bch::new(BchParams::nand(14, 40, 1024))?)),
        ("BCH-72/1020+CRC", Box::new(Checked::new(Bch::new(BchParams::nand(14, 72, 1024))?))),
        ("LDPC/4096", Box::new(Ldpc::new(LdpcParams::KIB_4)?)),
    ];
    print!("{:>10}", "raw errors");
    codes.iter().for_each(|(name, _)| print!("{name:>17}"));
    print!("\n{:>10}", "parity");
    for (_, code) in &codes {
        let share = code.parity_len() as f64 / code.data_len() as f64;
        print!("{:>17}", format!("{:.1} %", 100.0 * share));
    }
    println!();
    for rate in [1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 2e-3, 4e-3, 6e-3, 8e-3, 1e-2] {
        print!("{rate:>10.0e}");
        for (_, code) in &codes {
            let share = 100.0 * whole(code.as_ref(), rate, pages)?;
            print!("{:>17}", format!("{share:.1} %"));
        }
        println!();
    }
    Ok(())
}

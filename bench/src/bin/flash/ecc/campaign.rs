//! Bit compatibility with the Linux kernel's BCH code: random codes, data and errors through both,
//! with every set of kernels of ours.

use super::peer::Bchlib;
use anyhow::{Context, Result, bail, ensure};
use vellum_ecc::{Bch, BchParams, Codec, Kernels, Outcome};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Random cases
    #[arg(long, default_value_t = 500)]
    cases: u32,
    /// Seed of the cases
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Beside the usual polynomials, other primitive ones of some degrees.
const OTHERS: [(u32, u32); 5] = [(8, 0x187), (11, 0x82B), (13, 0x25AF), (14, 0x4443), (15, 0x8011)];

/// xorshift64 (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }
}

pub fn run(args: &Args) -> Result<()> {
    let mut peer = match Bchlib::start() {
        Ok(peer) => peer,
        Err(why) => {
            println!("skipped: {why:#}");
            return Ok(());
        }
    };
    let mut random = Random(args.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut corrected, mut refused, mut without) = (0u32, 0u32, 0u32);
    for case in 0..args.cases {
        match one(&mut peer, &mut random).with_context(|| format!("case {case}"))? {
            Some(true) => corrected += 1,
            Some(false) => refused += 1,
            None => without += 1,
        }
    }
    println!(
        "{} cases, the same bits in each: {corrected} corrected, {refused} refused by both; \
         {without} codes that the peer does not build",
        args.cases
    );
    Ok(())
}

/// A code at random: parameters of something that exists.
fn draw(random: &mut Random) -> BchParams {
    let (m, polynomial) = if random.below(4) == 0 {
        let (m, polynomial) = OTHERS[random.below(OTHERS.len())];
        (m, Some(polynomial))
    } else {
        (5 + random.below(11) as u32, None)
    };
    let field = (1usize << m) - 1;
    let most = ((field - 8) / m as usize).min(64);
    let t = 1 + random.below(most);
    let room = (field - m as usize * t) / 8;
    BchParams { polynomial, ..BchParams::new(m, t, 1 + random.below(room.clamp(1, 1500))) }
}

/// One case: whether both corrected it (or both refused), or `None` if the peer lacks the code.
fn one(peer: &mut Bchlib, random: &mut Random) -> Result<Option<bool>> {
    let params = draw(random);
    let BchParams { t, data_len, .. } = params;
    let data: Vec<u8> = (0..data_len).map(|_| random.below(256) as u8).collect();
    let plain = Bch::with_kernels(params, Kernels::Portable)?;
    let bits = data_len * 8 + plain.parity_bits();
    let mut places: Vec<usize> = (0..1 + random.below(t + 3)).map(|_| random.below(bits)).collect();
    places.sort_unstable();
    places.dedup();
    let list: Vec<String> = places.iter().map(usize::to_string).collect();
    let polynomial = plain.params().polynomial.context("the code has a polynomial")?;
    let request =
        format!("check {} {t} {polynomial:#x} {} {}", params.m, hex(&data), list.join(","));
    let answer = peer.ask(&request)?;
    if answer.trim() == "refused" {
        return Ok(None);
    }
    let parts: Vec<&str> = answer.split_whitespace().collect();
    let [parity, found, decoded] = parts[..] else { bail!("the peer ended at `{request}`") };
    let found: i64 = found.parse()?;
    for kernels in Kernels::available() {
        let code = Bch::with_kernels(params, kernels)?;
        let mut ours = vec![0; code.parity_len()];
        code.encode(&data, &mut ours)?;
        ensure!(hex(&ours) == parity, "{kernels:?} {params:?}: parity {} and {parity}", hex(&ours));
        let (mut wrong, mut wrong_parity) = (data.clone(), ours);
        for place in &places {
            match place.checked_sub(data_len * 8) {
                None => wrong[place / 8] ^= 0x80 >> (place % 8),
                Some(place) => wrong_parity[place / 8] ^= 0x80 >> (place % 8),
            }
        }
        let outcome = code.decode(&mut wrong, &mut wrong_parity)?;
        let agrees = match outcome {
            Outcome::Corrected { bits } => i64::from(bits) == found && hex(&wrong) == decoded,
            // Short data may be nearly all ones; the peer knows no erased pages.
            Outcome::Erased { .. } => true,
            Outcome::Uncorrectable => found < 0,
        };
        ensure!(agrees, "{kernels:?} {params:?} {places:?}: {outcome:?}, the peer found {found}");
    }
    Ok(Some(found >= 0))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

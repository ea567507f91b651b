//! Misses of each eviction policy on four kinds of traffic that it can be right or wrong about.

use crate::table::Table;
use anyhow::{Context, Result};
use serde_json::Value;
use vellum_block::Rng;
use vellum_pager::policy::{Belady, NAMES, by_name};
use vellum_pager::simulate::simulate;

/// Pages that are referenced, pages that fit, references.
const PAGES: u32 = 10_000;
const FIT: u32 = 1_000;
const REFERENCES: usize = 400_000;

pub fn run() -> Result<Vec<Table>> {
    let traffic = [
        ("skewed", skewed()),
        ("skewed, scanned", scanned()),
        ("loop", looped()),
        ("moving", moving()),
    ];
    let mut head = vec!["policy"];
    head.extend(traffic.iter().map(|(name, _)| *name));
    let title = "misses in % of 400 000 references to 10 000 pages, of which 1 000 fit";
    let mut table = Table::new(title, &head);
    for name in NAMES.iter().copied().chain(["belady"]) {
        let mut row = vec![Value::from(name)];
        for (_, references) in &traffic {
            let score = if name == "belady" {
                simulate(&mut Belady::new(references, PAGES, FIT), references)
            } else {
                let mut policy = by_name(name, PAGES, FIT).context("a policy that there is")?;
                simulate(&mut *policy, references)
            };
            row.push(format!("{:.2}", score.miss_ratio() * 100.0).into());
        }
        table.row(row);
    }
    Ok(vec![table])
}

/// A page by Zipf's law with exponent 1: a rank is as likely to lie in 1–10 as in 10–100.
fn zipf(rng: &mut Rng) -> u32 {
    let unit = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    (f64::from(PAGES).powf(unit) as u32 - 1).min(PAGES - 1)
}

fn skewed() -> Vec<u32> {
    let mut rng = Rng::new(1);
    (0..REFERENCES).map(|_| zipf(&mut rng)).collect()
}

/// The same, and once in a while all pages are read in order.
fn scanned() -> Vec<u32> {
    let mut rng = Rng::new(2);
    let period = 8 * PAGES;
    (0..REFERENCES as u32)
        .map(|at| if at % period < PAGES { at % period } else { zipf(&mut rng) })
        .collect()
}

/// A tenth more than fits, in a circle.
fn looped() -> Vec<u32> {
    (0..REFERENCES as u32).map(|at| at % (FIT + FIT / 10)).collect()
}

/// Half as much as fits, at random; every so often another half.
fn moving() -> Vec<u32> {
    let mut rng = Rng::new(4);
    (0..REFERENCES as u32)
        .map(|at| (at / 10_000 * (FIT / 4) + rng.below(u64::from(FIT / 2)) as u32) % PAGES)
        .collect()
}

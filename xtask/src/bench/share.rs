//! Memory of known content, in how few bytes it fits: what each kind of page comes to.

use crate::table::Table;
use anyhow::Result;
use serde_json::Value;
use std::sync::Arc;
use vellum::frames::{FramePool, Options as PoolOptions, PAGE_SIZE};
use vellum::scavenger::{Class, Domain, Mode, Options, Pages, Report, Scavenger};
use vellum_block::Rng;

/// Pages a kind.
const PAGES: u64 = 10_000;
/// Passes after which memory that nobody uses has come to rest.
const PASSES: u32 = 10;

type Fill = fn(u64, &mut Rng, &mut [u8]);

/// A kind of page: its name, and the content of page `number`.
const KINDS: [(&str, Fill); 6] = [
    ("zeros", |_, _, page| page.fill(0)),
    ("one byte over and over", |number, _, page| page.fill(number as u8 | 1)),
    ("ten contents", |number, _, page| random(number % 10, page)),
    ("like one of ten, 64 bytes apart", |number, rng, page| {
        random(number % 10, page);
        let at = rng.below(PAGE_SIZE as u64 - 64) as usize;
        random(1000 + number, &mut page[at..at + 64]);
    }),
    ("text", |_, rng, page| {
        let words: [&[u8]; 8] =
            [b"page ", b"frame ", b"guest ", b"host ", b"table ", b"walk ", b"fault ", b"entry "];
        let mut at = 0;
        while at < page.len() {
            let word = words[rng.below(8) as usize];
            let length = word.len().min(page.len() - at);
            page[at..at + length].copy_from_slice(&word[..length]);
            at += length;
        }
    }),
    ("noise", |number, _, page| random(1_000_000 + number, page)),
];

/// The same noise for the same seed.
fn random(seed: u64, bytes: &mut [u8]) {
    let mut rng = Rng::new(seed);
    bytes.iter_mut().for_each(|byte| *byte = rng.next_u64() as u8);
}

pub fn run() -> Result<Vec<Table>> {
    let head = ["content", "pages", "became", "bytes a page", "of it metadata"];
    let mut table = Table::new("10 000 pages of a kind, left alone for ten passes", &head);
    for (name, fill) in KINDS {
        let report = rest(fill)?;
        let classes: Vec<String> = Class::ALL
            .into_iter()
            .filter(|&class| report.tally[class] > 0)
            .map(|class| format!("{} {}", report.tally[class], class.name()))
            .collect();
        let each = |bytes: u64| Value::from(format!("{:.1}", bytes as f64 / PAGES as f64));
        table.row([
            name.into(),
            PAGES.into(),
            classes.join(", ").into(),
            each(report.bytes()),
            each(report.metadata.total()),
        ]);
    }
    Ok(vec![table])
}

fn rest(fill: Fill) -> Result<Report> {
    let pool = FramePool::new(PoolOptions::new(PAGES + 256))?;
    let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
    let set = scavenger.add_set(PAGES, Domain(0), Mode::Share)?;
    let mut pages = Pages::new(pool, PAGES as usize);
    let (mut rng, mut page) = (Rng::new(1), vec![0; PAGE_SIZE]);
    for number in 0..PAGES {
        fill(number, &mut rng, &mut page);
        pages.write(&mut scavenger, set, number, 0, &page)?;
    }
    for _ in 0..PASSES {
        scavenger.pass(&mut [(set, &mut pages)])?;
    }
    Ok(scavenger.report())
}

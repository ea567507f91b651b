//! Codes from pages: each page goes to the code that says it shortest, each code becomes the best one of
//! its pages, and so on (Lloyd's algorithm, with bits as the distance). Literals and the rest apart.

use super::codes::lengths;
use super::model::{COMMANDS, Counts, HIGHS, Models, SHAPES, Sets, TEXTS, WIDTHS, bytes};
use super::parse::Parser;
use super::write::Plan;
use super::{Distance, LONG, MANY, SHORTEST, symbol};
use crate::content::Page;

/// Rounds of assignment; before those that `PARSED` divides, pages are parsed anew.
const ROUNDS: usize = 20;
const PARSED: usize = 5;
/// What a command must save while parsing: between the paces that pages are told at.
const THRIFT: u32 = 2;

/// Makes models from pages, some with a reference. Their bytes are for [`Models::from_bytes`]. Of equal
/// pages they are equal. Takes some milliseconds a page.
pub fn train(pages: &[(Page, Option<Page>)]) -> Vec<u8> {
    let mut parser = Parser::default();
    let mut sets = start();
    let mut counted: Vec<Counts> = Vec::new();
    for round in 0..ROUNDS {
        let models = Models::from_bytes(&sets).expect("complete codes");
        if round % PARSED == 0 {
            let before = core::mem::take(&mut counted);
            counted.extend(pages.iter().enumerate().map(|(at, (page, base))| {
                let model = match before.get(at) {
                    Some(counts) => models.get(models.cheapest(counts)).expect("one of them"),
                    None => models.usual(),
                };
                parser.load(base.as_ref(), page);
                Plan::new(page, &parser.parse(model, THRIFT), base.is_some()).count()
            }));
        }
        let chosen: Vec<Sets> = counted
            .iter()
            .enumerate()
            .map(|(at, counts)| match round {
                // At first by what is in them, in rough classes.
                0 => Sets { text: (class(counts) % TEXTS) as u8, shape: (at % SHAPES) as u8 },
                _ => models.cheapest(counts),
            })
            .collect();
        let seeds = round > 0 && round < ROUNDS * 3 / 5;
        let texts = cluster(&counted, TEXTS, seeds, |at| chosen[at].text.into());
        let shapes = cluster(&counted, SHAPES, seeds, |at| chosen[at].shape.into());
        sets = texts.iter().flat_map(|counts| bytes(&[(lengths(&counts.literal), 256)])).collect();
        sets.extend(shapes.iter().flat_map(shape));
    }
    sets
}

/// What each of so many classes has, the largest class first; with `seeds`, what nobody needs is begun anew
/// from some pages.
fn cluster(
    counted: &[Counts],
    classes: usize,
    seeds: bool,
    class: impl Fn(usize) -> usize,
) -> Vec<Counts> {
    let mut sums = vec![(0_usize, Counts::default()); classes];
    let add = |to: &mut (usize, Counts), counts: &Counts| {
        to.0 += 1;
        to.1.add(counts);
    };
    for (at, counts) in counted.iter().enumerate() {
        add(&mut sums[class(at)], counts);
    }
    if seeds {
        for counts in counted.iter().step_by(97) {
            let least = (0..classes).min_by_key(|&class| sums[class].0).unwrap_or(0);
            if sums[least].0 < counted.len() / (8 * classes) {
                add(&mut sums[least], counts);
            }
        }
    }
    sums.sort_by_key(|(size, _)| core::cmp::Reverse(*size));
    sums.into_iter().map(|(_, counts)| counts).collect()
}

/// A class by a page's literals: how many there are, how many of them are zeros, and how many are text.
fn class(counts: &Counts) -> usize {
    let sum = |bytes: core::ops::Range<usize>| counts.literal[bytes].iter().sum::<u32>() as usize;
    let all = sum(0..256) + 1;
    16 * (all / 800).min(3) + 4 * (4 * sum(0x20..0x7f) / all).min(3) + (16 * sum(0..1) / all).min(3)
}

/// Codes that favour what is short and near, to begin with.
fn start() -> Vec<u8> {
    let mut counts = Counts::default();
    for (kind, weight) in [(Distance::Last, 16), (Distance::Before, 4), (Distance::New, 4)] {
        for literals in 0..=MANY {
            for copied in SHORTEST..=SHORTEST + LONG {
                let length = (literals + 1) * (copied - SHORTEST + 2);
                counts.command[symbol(kind, literals, copied)] = (1000 * weight / length) as u32;
            }
        }
    }
    for low in (0..256).step_by(8) {
        counts.low[0][low] = 10;
        counts.low[1][low] = 10;
    }
    (counts.high[0], counts.high[16]) = (20, 10);
    let texts = (0..TEXTS).flat_map(|_| bytes(&[(lengths(&counts.literal), 256)]));
    texts.chain((0..SHAPES).flat_map(|_| shape(&counts))).collect()
}

/// A set's bytes from what was counted.
fn shape(counts: &Counts) -> Vec<u8> {
    let [low, other] = &counts.low;
    let alphabets: [(&[u32; 256], usize); 5] = [
        (&counts.command, COMMANDS),
        (&counts.more, 256),
        (&counts.high, HIGHS),
        (low, 256),
        (other, 256),
    ];
    let lengths = alphabets.iter().map(|(counts, symbols)| lengths(&counts[..*symbols]));
    bytes(&lengths.zip(WIDTHS).collect::<Vec<_>>())
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        let add = |to: &mut [u32; 256], from: &[u32; 256]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        add(&mut self.literal, &other.literal);
        add(&mut self.command, &other.command);
        add(&mut self.more, &other.more);
        add(&mut self.high, &other.high);
        add(&mut self.low[0], &other.low[0]);
        add(&mut self.low[1], &other.low[1]);
    }
}

const _: () = assert!(COMMANDS <= 256);

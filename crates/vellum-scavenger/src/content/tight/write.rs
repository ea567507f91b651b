//! A page's commands, and the record that says them.

use super::bits::{Writer, join};
use super::codes::Codes;
use super::model::{Counts, Models, Sets, Shape};
use super::{Command, Distance, LONG, MANY, PLAIN, Recent, SHORTEST, more_of, symbol};
use crate::content::Page;

/// What a page is said with: all symbols, by kind.
#[derive(Debug)]
pub(super) struct Plan {
    commands: Vec<u8>,
    /// New distances.
    highs: Vec<u8>,
    lows: Vec<u8>,
    /// What runs of literals have more, and then what copies have: first symbols, then second ones.
    more: Vec<u8>,
    more_lows: Vec<u8>,
    literals: Vec<u8>,
}

impl Plan {
    pub(super) fn new(page: &Page, commands: &[Command], with_base: bool) -> Self {
        let mut plan = Plan {
            commands: Vec::with_capacity(commands.len()),
            highs: Vec::new(),
            lows: Vec::new(),
            more: Vec::new(),
            more_lows: Vec::new(),
            literals: Vec::new(),
        };
        let mut recent = Recent::new(with_base);
        let mut at = 0;
        for command in commands {
            let (literals, copied) = (usize::from(command.literals), usize::from(command.copied));
            let kind = recent.kind(command.distance);
            recent = recent.then(command.distance);
            plan.commands.push(symbol(kind, literals, copied) as u8);
            if kind == Distance::New {
                plan.highs.push((command.distance >> 8) as u8);
                plan.lows.push(command.distance as u8);
            }
            plan.literals.extend_from_slice(&page[at..at + literals]);
            at += literals + copied;
        }
        plan.literals.extend_from_slice(&page[at..]);
        let lengths = commands.iter().filter_map(|c| usize::from(c.literals).checked_sub(MANY));
        let copies = commands.iter();
        let copies = copies.filter_map(|c| usize::from(c.copied).checked_sub(SHORTEST + LONG));
        for more in lengths.chain(copies) {
            let (first, second) = more_of(more);
            plan.more.push(first);
            plan.more_lows.extend(second);
        }
        plan
    }

    /// Each symbol of a kind, counted.
    pub(super) fn count(&self) -> Counts {
        let mut counts = Counts::default();
        let add = |to: &mut [u32; 256], from: &[u8]| {
            from.iter().for_each(|&symbol| to[usize::from(symbol)] += 1);
        };
        add(&mut counts.literal, &self.literals);
        add(&mut counts.command, &self.commands);
        add(&mut counts.more, &self.more);
        add(&mut counts.more, &self.more_lows);
        add(&mut counts.high, &self.highs);
        for (&high, &low) in self.highs.iter().zip(&self.lows) {
            counts.low[usize::from(high != 0)][usize::from(low)] += 1;
        }
        counts
    }

    /// The codes that say it shortest.
    pub(super) fn cheapest(&self, models: &Models) -> Sets {
        models.cheapest(&self.count())
    }

    /// Nanoseconds that a decoder takes, as reckoned from what there is to do.
    pub(super) fn nanos(&self, coded: bool) -> u32 {
        /// Tenths of a nanosecond: for any page, for each command, for each half of a distance, for each
        /// length that has more, for each literal. From least squares over the pages of two guests.
        const FIXED: u32 = 8_000;
        const COMMAND: u32 = 105;
        const HALF: u32 = 22;
        const LONGER: u32 = 45;
        const LITERAL: u32 = 10;
        let literals = if coded { self.literals.len() } else { self.literals.len() / 20 };
        let tenths = FIXED
            + self.commands.len() as u32 * COMMAND
            + 2 * self.highs.len() as u32 * HALF
            + self.more.len() as u32 * LONGER
            + literals as u32 * LITERAL;
        tenths / 10
    }

    /// Appends the record; literals as they are, or `coded`.
    pub(super) fn write<'a>(&self, models: &'a Models, sets: Sets, coded: bool, out: &mut Vec<u8>) {
        let model = models.get(sets).expect("chosen among them");
        let head = out.len();
        out.extend_from_slice(&[0; super::HEAD]);
        let start = out.len();
        let mut first = <[Writer; 2]>::default();
        let mut put = |symbols: &[u8], code: &dyn Fn(usize) -> &'a Codes| {
            for (at, &symbol) in symbols.iter().enumerate() {
                first[at % 2].put(code(at).code(symbol.into()));
            }
        };
        let shape: &'a Shape = model.shape;
        put(&self.commands, &|_| &shape.command);
        put(&self.highs, &|_| &shape.high);
        put(&self.lows, &|at| &shape.low[usize::from(self.highs[at] != 0)]);
        put(&self.more, &|_| &shape.more);
        put(&self.more_lows, &|_| &shape.more);
        join(first, out);
        let one = out.len() - start;
        let mut two = 0;
        if coded {
            let mut streams = <[Writer; 4]>::default();
            for (at, &literal) in self.literals.iter().enumerate() {
                streams[at % 4].put(model.text.code(literal.into()));
            }
            let [a, b, c, d] = streams;
            join([a, b], out);
            two = out.len() - start - one;
            join([c, d], out);
        } else {
            out.extend_from_slice(&self.literals);
        }
        let text = if coded { sets.text } else { PLAIN };
        // Of parts that are longer than this has room for, the record is longer than a page, and not kept.
        let word = self.commands.len() as u64
            | (one as u64) << 11
            | (two as u64) << 23
            | u64::from(text) << 35
            | u64::from(sets.shape) << 43;
        out[head..start].copy_from_slice(&word.to_le_bytes()[..super::HEAD]);
    }
}

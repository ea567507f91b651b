//! The dense codec of pages at rest: LZ77 over the page and its reference, under prefix codes that are
//! known beforehand, and in a time that has a bound.
//!
//! A page is short: a compressor that describes its codes in each frame, as zstd does, spends a tenth of
//! the frame on that, and most of the time to read one back on building tables. Here the codes are ones
//! that were made from the memory of guests ([`train`]): one of `TEXTS` in `model.rs` for a page's literals, one
//! set of `SHAPES` there for the rest. Their tables are built once a process.
//!
//! What takes a decoder longest is to wait: for one symbol's length before it can look for the next, and
//! for the right way after it guessed wrong. So symbols lie in two or four streams that are read at once,
//! and all of them are read before the first byte is copied; then a command is two copies of fixed length,
//! and only longer ones a branch.
//!
//! ```text
//! 6 bytes  commands (11 bits) | bytes of the first part (12) | bytes of the second (12)
//!          | literals' code (8; 255: none, they stand as they are) | set of the others (4)
//! part     all commands, then the upper halves of new distances, then their lower halves, then what
//!          runs of literals have more, then what copies have
//! part     literals 0, 4, 8… and 1, 5, 9…
//! part     literals 2, 6, 10… and 3, 7, 11…
//!
//! command  literals (0–4; 5: more), copied bytes less 3 (0–12; 13: more), and the distance: the last
//!          one, the one before, or a new one; one symbol
//! distance u16: the upper bits a symbol, the lower eight another, whose code depends on whether the
//!          upper are 0. From 1 up to two pages: the reference stands before the page
//! more     below 224 a symbol; from there on the rest less 224 in 13 bits, the upper first; the lower
//!          ones come after all the others
//! ```
//! A part is two streams of bits, the lowest first: one from its start, one from its end backwards; symbols
//! of a kind go to them in turn. After the last command literals follow up to the page's end.
//!
//! What a record takes to read is reckoned by the encoder from what is in it ([`Pace`]); one that would
//! take longer than it may is made with fewer, longer copies, or with literals as they are.
//!
//! Sources: Ziv & Lempel (1977) with the parse that is shortest under the codes at hand (Storer &
//! Szymanski, 1982); streams apart, as in Collet's zstd (RFC 8878) and Skibiński's Lizard.

mod bits;
mod codes;
mod model;
mod parse;
mod read;
mod train;
mod window;
mod write;

pub use model::Models;
pub use train::train;

use super::Page;
use parse::Parser;
use std::sync::{Arc, LazyLock};
use vellum_frames::PAGE_SIZE;
use write::Plan;

/// Bytes before the parts.
const HEAD: usize = 6;
/// The shortest copy.
const SHORTEST: usize = 3;
/// Literals of a command that need more.
const MANY: usize = 5;
/// Copied bytes, less the shortest, that need more.
const LONG: usize = 13;
/// What a length has more from here on takes two symbols.
const WIDE: usize = 224;
/// Distances that come before there were any.
const FIRST: [u16; 2] = [8, 16];
/// Instead of a literals' code: there is none.
const PLAIN: u8 = u8::MAX;

/// A copy, after some literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Command {
    literals: u16,
    copied: u16,
    distance: u16,
}

/// Which of a command's distances is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distance {
    Last = 0,
    Before = 1,
    New = 2,
}

/// The two distances that need no telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recent([u16; 2]);

impl Recent {
    /// At a page's start. With a reference, what stands there at the same place is the likeliest.
    fn new(with_base: bool) -> Self {
        if with_base { Recent([PAGE_SIZE as u16, FIRST[0]]) } else { Recent(FIRST) }
    }

    fn kind(self, distance: u16) -> Distance {
        match self.0.iter().position(|&recent| recent == distance) {
            Some(0) => Distance::Last,
            Some(_) => Distance::Before,
            None => Distance::New,
        }
    }

    fn then(self, distance: u16) -> Self {
        let Recent([last, _]) = self;
        if distance == last { self } else { Recent([distance, last]) }
    }
}

/// A command's symbol.
const fn symbol(distance: Distance, literals: usize, copied: usize) -> usize {
    let literals = if literals < MANY { literals } else { MANY };
    let copied = copied - SHORTEST;
    let copied = if copied < LONG { copied } else { LONG };
    (distance as usize * (MANY + 1) + literals) * (LONG + 1) + copied
}

/// The symbols of what a length has more.
fn more_of(more: usize) -> (u8, Option<u8>) {
    match more.checked_sub(WIDE) {
        None => (more as u8, None),
        Some(rest) => ((WIDE + (rest >> 8)) as u8, Some(rest as u8)),
    }
}

/// What a decoder may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Nanoseconds, as reckoned for the machine that the project's figures are from.
    pub most: u32,
    /// Bits that a copy must save beside what it takes to say it.
    pub thrift: u32,
}

impl Pace {
    /// For a page that is told alone.
    pub const ALONE: Pace = Pace { most: 9_000, thrift: 2 };
    /// For one that others are told by, and that is read for each of them.
    pub const REFERENCE: Pace = Pace { most: 5_100, thrift: 14 };
    /// For one that is told by another.
    pub const DELTA: Pace = Pace { most: 4_000, thrift: 8 };
    /// What a copy must save at least where a page would take too long otherwise, and where it still does.
    const THRIFTY: u32 = 36;
    const THRIFTIEST: u32 = 100;
}

static SHIPPED: LazyLock<Arc<Models>> = LazyLock::new(|| Arc::new(Models::shipped()));

/// Encodes and decodes pages; owns the buffers that this takes (some 200 KiB).
pub struct Tight {
    models: Arc<Models>,
    parser: Parser,
    room: Box<read::Room>,
}

impl core::fmt::Debug for Tight {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Tight")
    }
}

impl Default for Tight {
    fn default() -> Self {
        Tight::new(Arc::clone(&SHIPPED))
    }
}

impl Tight {
    /// A coder under other models than the ones that come with the crate. Only under the same models
    /// are its bytes read back.
    pub fn new(models: Arc<Models>) -> Self {
        Tight { models, parser: Parser::default(), room: read::room() }
    }

    /// Appends `page` to `out`; the bytes it took, or `None` when that would be more than `limit`, or it
    /// can't be read back at this pace (`out` is then as it was). About 200 µs.
    pub fn encode(
        &mut self,
        page: &Page,
        base: Option<&Page>,
        pace: Pace,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        self.parser.load(base, page);
        let with_base = base.is_some();
        let sketch = Plan::new(page, &self.parser.sketch(pace.thrift), with_base);
        let mut sets = sketch.cheapest(&self.models);
        // What takes too long as a sketch takes about as long when it is told as short as may be.
        let hasty = sketch.nanos(true) > pace.most;
        let mut thrift = if hasty { pace.thrift.max(Pace::THRIFTY) } else { pace.thrift };
        let (plan, coded) = loop {
            let commands = self.parser.parse(self.models.get(sets)?, thrift);
            let plan = Plan::new(page, &commands, with_base);
            sets = plan.cheapest(&self.models);
            let coded = plan.nanos(true) <= pace.most;
            if coded || thrift >= Pace::THRIFTIEST {
                break (plan, coded);
            }
            thrift = if thrift < Pace::THRIFTY { Pace::THRIFTY } else { Pace::THRIFTIEST };
        };
        if !coded && plan.nanos(false) > pace.most {
            return None;
        }
        let start = out.len();
        plan.write(&self.models, sets, coded, out);
        if out.len() - start > limit.min(PAGE_SIZE) {
            out.truncate(start);
            return None;
        }
        Some(out.len() - start)
    }

    /// Rebuilds a page; `None` when the bytes are not one.
    pub fn decode(&mut self, bytes: &[u8], base: Option<&Page>, page: &mut Page) -> Option<()> {
        self.room.decode(&self.models, bytes, base, page)
    }
}

const _: () = {
    assert!(PAGE_SIZE / SHORTEST < 1 << 11, "commands of a page are counted");
    assert!(model::TEXTS <= PLAIN as usize && model::SHAPES <= 16, "codes are numbered");
    assert!((PAGE_SIZE - WIDE) >> 8 < 256 - WIDE, "every length can be told");
    assert!(symbol(Distance::New, MANY, LONG + SHORTEST) < 256, "commands are symbols");
};

#[cfg(test)]
mod tests;

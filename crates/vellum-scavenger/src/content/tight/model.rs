//! Sets of codes, made beforehand, and the choice among them.

use super::codes::Codes;

/// Codes for literals.
pub(super) const TEXTS: usize = 64;
/// Sets of codes for commands, distances and lengths.
pub(super) const SHAPES: usize = 16;
/// Upper halves of distances: up to two pages.
pub(super) const HIGHS: usize = 33;
/// Commands that there are.
pub(super) const COMMANDS: usize = 3 * (super::MANY + 1) * (super::LONG + 1);
/// Symbols of each code of a set, in the order of [`Shape`]'s fields, filled up to whole bytes.
pub(super) const WIDTHS: [usize; 5] = [256, 256, 64, 256, 256];
/// Bytes: half a byte a symbol.
const TEXT_BYTES: usize = 256 / 2;
const SHAPE_BYTES: usize = (WIDTHS[0] + WIDTHS[1] + WIDTHS[2] + WIDTHS[3] + WIDTHS[4]) / 2;
const BYTES: usize = TEXTS * TEXT_BYTES + SHAPES * SHAPE_BYTES;

/// The sets that come with the crate. `cargo run --release -p vellum-scavenger --example train` makes
/// such a file.
static SHIPPED: &[u8; BYTES] = include_bytes!("models.bin");

/// Codes for what is no literal.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) command: Codes,
    pub(super) more: Codes,
    /// Upper half of a distance.
    pub(super) high: Codes,
    /// The lower half: of a distance below 256, and of others.
    pub(super) low: [Codes; 2],
}

/// Which codes a page is said in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sets {
    pub(super) text: u8,
    pub(super) shape: u8,
}

/// The codes that a page is said in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model<'a> {
    pub(super) text: &'a Codes,
    pub(super) shape: &'a Shape,
}

impl Model<'_> {
    /// Has what a decoder needs come near.
    pub(super) fn fetch(&self) {
        let Shape { command, more, high, low: [low, other] } = self.shape;
        [self.text, command, more, high, low, other].into_iter().for_each(Codes::fetch);
    }

    /// What a new distance costs, in bits.
    #[inline]
    pub(super) fn distance_cost(&self, distance: u16) -> u32 {
        let (high, low) = (usize::from(distance >> 8), usize::from(distance & 0xff));
        self.shape.high.cost(high) + self.shape.low[usize::from(high != 0)].cost(low)
    }

    /// What the rest of a length costs, in bits.
    pub(super) fn more_cost(&self, more: usize) -> u32 {
        let (first, second) = super::more_of(more);
        let cost = |symbol: u8| self.shape.more.cost(symbol.into());
        cost(first) + second.map_or(0, cost)
    }
}

/// Symbols counted.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub(super) literal: [u32; 256],
    pub(super) command: [u32; 256],
    pub(super) more: [u32; 256],
    pub(super) high: [u32; 256],
    pub(super) low: [[u32; 256]; 2],
}

impl Default for Counts {
    fn default() -> Self {
        let none = [0; 256];
        Counts { literal: none, command: none, more: none, high: none, low: [none; 2] }
    }
}

impl Counts {
    /// What all but the literals cost, in bits.
    pub(super) fn cost(&self, shape: &Shape) -> u64 {
        shape.command.total(&self.command)
            + shape.more.total(&self.more)
            + shape.high.total(&self.high)
            + shape.low[0].total(&self.low[0])
            + shape.low[1].total(&self.low[1])
    }
}

/// All sets.
#[derive(Debug, Clone)]
pub struct Models {
    texts: Vec<Codes>,
    shapes: Vec<Shape>,
}

impl Models {
    /// The ones that come with the crate.
    pub(super) fn shipped() -> Self {
        Models::from_bytes(SHIPPED).expect("the crate's own file, which a test reads")
    }

    /// Reads models from bytes, as [`train`](super::train) makes them; `None` when they are not
    /// complete prefix codes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (texts, shapes) = bytes.split_at_checked(TEXTS * TEXT_BYTES)?;
        let texts = texts.chunks_exact(TEXT_BYTES).map(|text| {
            let mut halves = text.iter().flat_map(|&byte| [byte & 15, byte >> 4]);
            read(&mut halves, 256)
        });
        let texts = texts.collect::<Option<Vec<_>>>()?;
        let (sets, []) = shapes.as_chunks::<SHAPE_BYTES>() else { return None };
        let shapes = sets.iter().map(shape).collect::<Option<Vec<_>>>()?;
        (shapes.len() == SHAPES).then_some(Models { texts, shapes })
    }

    /// The codes with these numbers.
    #[inline]
    pub(super) fn get(&self, sets: Sets) -> Option<Model<'_>> {
        let text = self.texts.get(usize::from(sets.text))?;
        Some(Model { text, shape: self.shapes.get(usize::from(sets.shape))? })
    }

    /// The ones to begin with, where nothing is known of a page.
    pub(super) fn usual(&self) -> Model<'_> {
        Model { text: &self.texts[0], shape: &self.shapes[0] }
    }

    /// Those under which a page's symbols cost least.
    pub(super) fn cheapest(&self, counts: &Counts) -> Sets {
        let seen: Vec<(usize, u32)> = (0..256)
            .filter_map(|symbol| Some((symbol, counts.literal[symbol])).filter(|&(_, n)| n > 0))
            .collect();
        let cost = |codes: &Codes| -> u32 {
            seen.iter().map(|&(symbol, count)| count * codes.cost(symbol)).sum()
        };
        let text = (0..self.texts.len()).min_by_key(|&at| cost(&self.texts[at]));
        let shape = (0..self.shapes.len()).min_by_key(|&at| counts.cost(&self.shapes[at]));
        Sets { text: text.unwrap_or(0) as u8, shape: shape.unwrap_or(0) as u8 }
    }
}

fn read(halves: &mut impl Iterator<Item = u8>, symbols: usize) -> Option<Codes> {
    let mut lengths = [0; 256];
    lengths[..symbols].iter_mut().zip(halves).for_each(|(to, from)| *to = from);
    Codes::new(&lengths)
}

fn shape(bytes: &[u8; SHAPE_BYTES]) -> Option<Shape> {
    let mut halves = bytes.iter().flat_map(|&byte| [byte & 15, byte >> 4]);
    let [command, more, high, low, other] = WIDTHS.map(|symbols| {
        // Not `zip` with the widths, whose first look past its end would take a half more.
        let lengths: Vec<u8> = halves.by_ref().take(symbols).collect();
        read(&mut lengths.into_iter(), symbols)
    });
    Some(Shape { command: command?, more: more?, high: high?, low: [low?, other?] })
}

/// The bytes of these lengths, each alphabet as wide as said.
pub(super) fn bytes(alphabets: &[([u8; 256], usize)]) -> Vec<u8> {
    let halves = alphabets.iter().flat_map(|(lengths, width)| &lengths[..*width]);
    let halves: Vec<u8> = halves.copied().collect();
    halves.as_chunks::<2>().0.iter().map(|[low, high]| low | high << 4).collect()
}

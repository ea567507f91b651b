//! The way back: every symbol first, from streams that are read at once, and then bytes.
//!
//! Records are read from a buffer, and bytes written to a window, that are longer than a page on every
//! side that is read or written over. Lengths and distances are checked before use, places by masks: noise
//! is refused, and never costs more than a page of work.

use super::bits::{Buffer, MARGIN, Reader, SHOWN};
use super::codes::{Codes, Entry, LONGEST};
use super::model::{Model, Models, Sets};
use super::window::{END, STRIDE, Window, copy};
use super::{Distance, HEAD, LONG, MANY, PLAIN, Recent, SHORTEST, WIDE, symbol};
use crate::content::Page;
use vellum_frames::PAGE_SIZE;

/// Bytes of literals copied at once.
const STEP: usize = 16;
/// Symbols that a look shows in any case.
const AT_ONCE: usize = (SHOWN / LONGEST) as usize;
/// Commands that there is room for: more than a page can have. A power of two, for masks.
const MOST: usize = PAGE_SIZE / 2;
const _: () = assert!(SHORTEST > 2);

/// What a command's symbol says: its copied bytes (5 bits), its literals (3), whether they have more, whether
/// the copy has, its kind of distance (2). Small, so that few lines of it have to come near.
const MEANINGS: [u16; 256] = {
    let mut all = [SHORTEST as u16; 256];
    let kinds = [Distance::Last, Distance::Before, Distance::New];
    let mut kind = 0;
    while kind < kinds.len() {
        let mut literals = 0;
        while literals <= MANY {
            let mut copied = SHORTEST;
            while copied <= SHORTEST + LONG {
                let (run, copy) = (literals == MANY, copied == SHORTEST + LONG);
                all[symbol(kinds[kind], literals, copied)] = copied as u16
                    | (literals as u16) << 5
                    | (run as u16) << 8
                    | (copy as u16) << 9
                    | (kind as u16) << 10;
                copied += 1;
            }
            literals += 1;
        }
        kind += 1;
    }
    all
};
const _: () = assert!(SHORTEST + LONG < 32 && MANY < 8, "a meaning's fields are wide enough");

/// One of a meaning's fields.
#[inline]
const fn field(meaning: u16, from: u32, bits: u32) -> usize {
    (meaning >> from) as usize % (1 << bits)
}

/// Buffers of a decoder; what is in them does not matter.
pub(super) struct Room {
    record: Buffer,
    symbols: [u8; MOST],
    highs: [u8; MOST],
    lows: [u8; MOST],
    /// New distances.
    distances: [u16; MOST],
    /// What lengths have more: two a command at most.
    firsts: [u8; 2 * MOST],
    seconds: [u8; 2 * MOST],
    more: [u16; 2 * MOST],
    literals: [u8; PAGE_SIZE + STRIDE],
    window: Window,
}

pub(super) fn room() -> Box<Room> {
    Box::new(Room {
        record: [0; 2 * PAGE_SIZE + MARGIN],
        symbols: [0; MOST],
        highs: [0; MOST],
        lows: [0; MOST],
        distances: [0; MOST],
        firsts: [0; 2 * MOST],
        seconds: [0; 2 * MOST],
        more: [0; 2 * MOST],
        literals: [0; PAGE_SIZE + STRIDE],
        window: [0; END + 2 * STRIDE],
    })
}

/// Two streams of one part, from either end.
struct Pair {
    front: Reader<false>,
    back: Reader<true>,
}

impl Pair {
    fn new(start: usize, end: usize) -> Self {
        Pair { front: Reader::new(start), back: Reader::new(end) }
    }

    fn bytes(&self) -> usize {
        self.front.bytes() + self.back.bytes()
    }

    /// Fills `to` with symbols, from both streams in turn; `read` says what some bits begin with, for the
    /// symbol at a place.
    #[inline]
    fn read(&mut self, record: &Buffer, to: &mut [u8], read: impl Fn(usize, u64) -> Entry) {
        let (whole, rest) = to.as_chunks_mut::<{ 2 * AT_ONCE }>();
        let done = whole.len() * 2 * AT_ONCE;
        for (chunk, to) in whole.iter_mut().enumerate() {
            let first = chunk * 2 * AT_ONCE;
            let (mut a, mut b) = (self.front.look(record), self.back.look(record));
            for at in 0..AT_ONCE {
                let (one, two) = (read(first + 2 * at, a), read(first + 2 * at + 1, b));
                (a, b) = (a >> one.len(), b >> two.len());
                (to[2 * at], to[2 * at + 1]) = (one.symbol(), two.symbol());
            }
            self.front.skip(a);
            self.back.skip(b);
        }
        let mut bits = [self.front.look(record), self.back.look(record)];
        for (at, to) in rest.iter_mut().enumerate() {
            let entry = read(done + at, bits[at % 2]);
            bits[at % 2] >>= entry.len();
            *to = entry.symbol();
        }
        self.front.skip(bits[0]);
        self.back.skip(bits[1]);
    }
}

/// How much there is of what.
struct Sizes {
    commands: usize,
    new: usize,
    /// Runs of literals that have more; what comes after is of copies.
    runs: usize,
    literals: usize,
}

impl Room {
    /// Rebuilds the page that `bytes` hold; `None` when they hold none.
    pub(super) fn decode(
        &mut self,
        models: &Models,
        bytes: &[u8],
        base: Option<&Page>,
        page: &mut Page,
    ) -> Option<()> {
        let &[a, b, c, d, e, f] = bytes.first_chunk::<HEAD>()?;
        let word = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        let field = |from: u32, bits: u32| (word >> from) as usize % (1 << bits);
        let (commands, one, two) = (field(0, 11), field(11, 12), field(23, 12));
        let (text, shape) = (field(35, 8) as u8, field(43, 4) as u8);
        let plain = text == PLAIN;
        let model = models.get(Sets { text: if plain { 0 } else { text }, shape })?;
        model.fetch();
        let end = MARGIN + bytes.len();
        self.record.get_mut(MARGIN..end)?.copy_from_slice(bytes);
        let literals_at = MARGIN + HEAD + one;
        if literals_at + two > end {
            return None;
        }
        let mut pair = Pair::new(MARGIN + HEAD, literals_at);
        let sizes = self.read_commands(model, &mut pair, commands)?;
        if pair.bytes() != one {
            return None;
        }
        if plain {
            let from = self.record.get(literals_at..end)?;
            self.literals.get_mut(..sizes.literals)?.copy_from_slice(from);
        } else {
            let parts = [literals_at, literals_at + two, end];
            self.read_literals(model.text, sizes.literals, parts)?;
        }
        if let Some(base) = base {
            self.window[..PAGE_SIZE].copy_from_slice(base);
        }
        self.rebuild(&sizes, base.is_some())?;
        *page = *self.window[PAGE_SIZE..].first_chunk()?;
        Some(())
    }

    /// The symbols of the first part.
    fn read_commands(
        &mut self,
        model: Model<'_>,
        pair: &mut Pair,
        commands: usize,
    ) -> Option<Sizes> {
        let (record, shape) = (&self.record, model.shape);
        let symbols = self.symbols.get_mut(..commands)?;
        pair.read(record, symbols, |_, bits| shape.command.read(bits));
        let (mut copied, mut new, mut runs, mut longer) = (0, 0, 0, 0);
        for &symbol in &*symbols {
            let meaning = MEANINGS[usize::from(symbol)];
            copied += field(meaning, 0, 5);
            new += field(meaning, 11, 1);
            runs += field(meaning, 8, 1);
            longer += field(meaning, 8, 1) + field(meaning, 9, 1);
        }
        let highs = self.highs.get_mut(..new)?;
        pair.read(record, highs, |_, bits| shape.high.read(bits));
        let (highs, lows) = (&*highs, self.lows.get_mut(..new)?);
        pair.read(record, lows, |at, bits| shape.low[usize::from(highs[at] != 0)].read(bits));
        for ((to, &low), &high) in self.distances.iter_mut().zip(&*lows).zip(highs) {
            *to = u16::from_le_bytes([low, high]);
        }
        let firsts = self.firsts.get_mut(..longer)?;
        pair.read(record, firsts, |_, bits| shape.more.read(bits));
        let wide = firsts.iter().filter(|&&first| usize::from(first) >= WIDE).count();
        let seconds = self.seconds.get_mut(..wide)?;
        pair.read(record, seconds, |_, bits| shape.more.read(bits));
        let mut seconds = seconds.iter();
        for (to, &first) in self.more.iter_mut().zip(&*firsts) {
            *to = first.into();
            if usize::from(first) >= WIDE {
                let upper = usize::from(first) - WIDE;
                *to = (WIDE + (upper << 8 | usize::from(*seconds.next()?))) as u16;
            }
        }
        copied += self.more[runs..longer].iter().map(|&more| usize::from(more)).sum::<usize>();
        let literals = PAGE_SIZE.checked_sub(copied)?;
        Some(Sizes { commands, new, runs, literals })
    }

    /// The literals, from four streams in turn.
    fn read_literals(&mut self, text: &Codes, count: usize, parts: [usize; 3]) -> Option<()> {
        let record = &self.record;
        let [start, middle, end] = parts;
        let (mut one, mut two) = (Pair::new(start, middle), Pair::new(middle, end));
        for to in self.literals.get_mut(..count)?.chunks_mut(4 * AT_ONCE) {
            let mut bits = [
                one.front.look(record),
                one.back.look(record),
                two.front.look(record),
                two.back.look(record),
            ];
            let (whole, rest) = to.as_chunks_mut::<4>();
            for to in whole {
                for stream in 0..4 {
                    let entry = text.read(bits[stream]);
                    bits[stream] >>= entry.len();
                    to[stream] = entry.symbol();
                }
            }
            for (stream, to) in rest.iter_mut().enumerate() {
                let entry = text.read(bits[stream]);
                bits[stream] >>= entry.len();
                *to = entry.symbol();
            }
            one.front.skip(bits[0]);
            one.back.skip(bits[1]);
            two.front.skip(bits[2]);
            two.back.skip(bits[3]);
        }
        (one.bytes() == middle - start && two.bytes() == end - middle).then_some(())
    }

    /// Bytes from symbols.
    fn rebuild(&mut self, sizes: &Sizes, with_base: bool) -> Option<()> {
        let start = if with_base { 0 } else { PAGE_SIZE };
        let Recent([mut last, mut other]) = Recent::new(with_base);
        let (mut from, mut to) = (0, PAGE_SIZE);
        let (mut new, mut run_at, mut copy_at) = (0, 0, sizes.runs);
        let (literals, more, distances) = (&self.literals, &self.more, &self.distances);
        let window = &mut self.window;
        for &command in self.symbols.get(..sizes.commands)? {
            let meaning = MEANINGS[usize::from(command)];
            let (run_longer, copy_longer) = (field(meaning, 8, 1), field(meaning, 9, 1));
            // What lengths have more, or nothing: no branch, since hard to foresee.
            let more =
                |at: usize, has: usize| usize::from(more[at % (2 * MOST)]) & has.wrapping_neg();
            let run = field(meaning, 5, 3) + more(run_at, run_longer);
            let copied = field(meaning, 0, 5) + more(copy_at, copy_longer);
            (run_at, copy_at) = (run_at + run_longer, copy_at + copy_longer);
            let rough: [u8; STEP] = *literals.get(from..)?.first_chunk()?;
            *window.get_mut(to..)?.first_chunk_mut()? = rough;
            if run > STEP {
                for done in (STEP..run).step_by(STRIDE) {
                    let rough: [u8; STRIDE] = *literals.get(from + done..)?.first_chunk()?;
                    *window.get_mut(to + done..)?.first_chunk_mut()? = rough;
                }
            }
            (from, to) = (from + run, to + run);
            let kind = field(meaning, 10, 2);
            let told = distances[new % MOST];
            let is_new = kind == Distance::New as usize;
            new += usize::from(is_new);
            let recent = if kind == Distance::Last as usize { last } else { other };
            let distance = if is_new { told } else { recent };
            other = if distance == last { other } else { last };
            last = distance;
            let distance = usize::from(distance);
            if distance == 0 || distance + start > to || to + copied > END {
                return None;
            }
            copy(window, to, distance, copied)?;
            to += copied;
        }
        debug_assert!(new == sizes.new, "they were counted");
        let rest = END - to;
        let run = self.literals.get(from..)?.get(..rest)?;
        self.window.get_mut(to..)?.get_mut(..rest)?.copy_from_slice(run);
        (from + rest == sizes.literals).then_some(())
    }
}

//! The commands that say a page in fewest bits under a model.
//!
//! Every position has the cheapest way there that is known, and hands on what is one symbol farther: a
//! literal, or a copy of any length up to the longest at each distance worth a look. A copy that is long
//! enough is taken as it is, since what could be gained there is little beside what it takes to look.

use super::model::Model;
use super::{Command, Distance, LONG, MANY, Recent, SHORTEST, symbol};
use crate::content::Page;
use vellum_frames::PAGE_SIZE;

/// Slots of the table of places by their first bytes.
const SLOTS: usize = 1 << 12;
/// Places with the same first bytes that are looked at.
const DEPTH: usize = 4;
/// A copy of this or more is taken.
const ENOUGH: usize = 40;
/// Beside one of this from a recent distance, no new distance is looked for.
const FAIR: usize = 16;
/// About what a sketch takes a command to cost, at a distance that needs no telling and at a new one.
const RECENT_BITS: u32 = 6;
const NEW_BITS: u32 = 20;
const NONE: u16 = u16::MAX;

/// The cheapest way to a position.
#[derive(Debug, Clone, Copy)]
struct Step {
    cost: u32,
    /// The command that ends here; no copied bytes: a literal does.
    copied: u16,
    distance: u16,
    /// Literals since the last copy.
    literals: u16,
    recent: Recent,
}

const FAR: Step =
    Step { cost: u32::MAX, copied: 0, distance: 0, literals: 0, recent: Recent([0; 2]) };

/// Finds commands; owns what that takes (some 90 KiB).
pub(super) struct Parser {
    /// The reference, then the page.
    window: Box<[u8; 2 * PAGE_SIZE]>,
    /// The last place before by the first bytes, and each place's next.
    last: Box<[u16; SLOTS]>,
    next: Box<[u16; 2 * PAGE_SIZE]>,
    steps: Box<[Step; PAGE_SIZE + 1]>,
    with_base: bool,
    /// Bits that a command must save beside its own.
    thrift: u32,
}

impl Default for Parser {
    fn default() -> Self {
        Parser {
            window: Box::new([0; 2 * PAGE_SIZE]),
            last: Box::new([NONE; SLOTS]),
            next: Box::new([NONE; 2 * PAGE_SIZE]),
            steps: Box::new([FAR; PAGE_SIZE + 1]),
            with_base: false,
            thrift: 0,
        }
    }
}

fn slot(bytes: [u8; 4]) -> usize {
    let first = u32::from_le_bytes(bytes) << 8;
    (first.wrapping_mul(0x9e37_79b1) >> (32 - SLOTS.ilog2())) as usize
}

impl Parser {
    /// Takes a page and its reference.
    pub(super) fn load(&mut self, base: Option<&Page>, page: &Page) {
        let (front, back) = self.window.split_at_mut(PAGE_SIZE);
        if let Some(base) = base {
            front.copy_from_slice(base);
        }
        back.copy_from_slice(page);
        self.with_base = base.is_some();
    }

    /// The first place that can be copied from.
    fn start(&self) -> usize {
        if self.with_base { 0 } else { PAGE_SIZE }
    }

    fn note(&mut self, at: usize) {
        let Some(&bytes) = self.window[at..].first_chunk() else { return };
        let slot = slot(bytes);
        self.next[at] = core::mem::replace(&mut self.last[slot], at as u16);
    }

    /// Bytes at `at` that are as those `distance` before.
    #[inline]
    fn agree(&self, at: usize, distance: usize) -> usize {
        let Some(from) = at.checked_sub(distance).filter(|&from| from >= self.start()) else {
            return 0;
        };
        let first = |at: usize| self.window[at..].first_chunk().map(|b| u32::from_le_bytes(*b));
        if let (Some(here), Some(there)) = (first(at), first(from))
            && (here ^ there) << 8 != 0
        {
            // Too short for a copy.
            return 0;
        }
        let here = &self.window[at..];
        let there = &self.window[from..][..here.len()];
        let (words, others) = (here.as_chunks::<8>().0, there.as_chunks::<8>().0);
        let mut len = 0;
        for (word, other) in words.iter().zip(others) {
            let differ = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
            if differ != 0 {
                return len + differ.trailing_zeros() as usize / 8;
            }
            len += 8;
        }
        len + here[len..].iter().zip(&there[len..]).take_while(|(a, b)| a == b).count()
    }

    /// Commands in little time, to choose codes by: at each place the copy that seems to save most.
    pub(super) fn sketch(&mut self, thrift: u32) -> Vec<Command> {
        self.begin();
        let (mut commands, mut literals) = (Vec::new(), 0);
        let mut recent = Recent::new(self.with_base);
        let mut to = 0;
        while to < PAGE_SIZE {
            let at = PAGE_SIZE + to;
            let saved = |len: usize, bits: u32| 7 * len as i32 - (bits + thrift) as i32;
            let mut best = (0, 0, 0);
            for distance in recent.0 {
                let len = self.agree(at, distance.into());
                best = best.max((saved(len, RECENT_BITS), len, distance));
            }
            if let Some(&bytes) = self.window[at..].first_chunk()
                && best.1 < FAIR
            {
                let place = self.last[slot(bytes)];
                if place != NONE {
                    let distance = at - usize::from(place);
                    let len = self.agree(at, distance);
                    best = best.max((saved(len, NEW_BITS), len, distance as u16));
                }
            }
            let (_, len, distance) = best;
            let taken = if len >= SHORTEST { len } else { 1 };
            if len >= SHORTEST {
                commands.push(Command { literals, copied: len as u16, distance });
                (literals, recent) = (0, recent.then(distance));
            } else {
                literals += 1;
            }
            (to..to + taken).for_each(|at| self.note(PAGE_SIZE + at));
            to += taken;
        }
        commands
    }

    fn begin(&mut self) {
        self.last.fill(NONE);
        (self.start()..PAGE_SIZE).for_each(|at| self.note(at));
    }

    /// The commands, each of which saves `thrift` bits beside what it takes to say it.
    pub(super) fn parse(&mut self, model: Model<'_>, thrift: u32) -> Vec<Command> {
        self.thrift = thrift;
        self.begin();
        self.steps.fill(FAR);
        self.steps[0] = Step { cost: 0, recent: Recent::new(self.with_base), ..FAR };
        let mut to = 0;
        while to < PAGE_SIZE {
            let taken = self.go_on(to, model);
            for at in to..to + taken {
                self.note(PAGE_SIZE + at);
            }
            to += taken;
        }
        self.way()
    }

    /// Hands on what is one symbol farther than `to`; how many positions that leads.
    fn go_on(&mut self, to: usize, model: Model<'_>) -> usize {
        let step = self.steps[to];
        let at = PAGE_SIZE + to;
        let byte = self.window[at];
        let literal = Step {
            cost: step.cost + model.text.cost(byte.into()),
            copied: 0,
            distance: 0,
            literals: step.literals + 1,
            recent: step.recent,
        };
        if literal.cost < self.steps[to + 1].cost {
            self.steps[to + 1] = literal;
        }
        let many = usize::from(step.literals).checked_sub(MANY);
        let before = step.cost + many.map_or(0, |more| model.more_cost(more));
        let Recent([last, other]) = step.recent;
        let mut longest = 0;
        for (kind, distance) in [(Distance::Last, last), (Distance::Before, other)] {
            let len = self.agree(at, distance.into());
            self.copies(to, (before, kind, distance), SHORTEST..=len, model);
            longest = longest.max(len);
        }
        if longest < FAIR
            && let Some(&bytes) = self.window[at..].first_chunk()
        {
            let mut best = SHORTEST - 1;
            let mut place = self.last[slot(bytes)];
            for _ in 0..DEPTH {
                if place == NONE {
                    break;
                }
                let distance = at - usize::from(place);
                let end = at + best;
                // Only one that is longer than all before is worth a symbol more.
                if end < 2 * PAGE_SIZE && self.window[end - distance] == self.window[end] {
                    let len = self.agree(at, distance);
                    if len > best {
                        let cost = before + model.distance_cost(distance as u16);
                        let how = (cost, Distance::New, distance as u16);
                        self.copies(to, how, best + 1..=len, model);
                        best = len;
                    }
                    if len >= ENOUGH {
                        break;
                    }
                }
                place = self.next[usize::from(place)];
            }
            longest = longest.max(best);
        }
        if longest >= ENOUGH { longest } else { 1 }
    }

    /// Hands on copies of these lengths.
    #[inline]
    fn copies(
        &mut self,
        to: usize,
        (before, kind, distance): (u32, Distance, u16),
        lengths: core::ops::RangeInclusive<usize>,
        model: Model<'_>,
    ) {
        let (shortest, longest) = (*lengths.start(), *lengths.end());
        if longest < shortest {
            return;
        }
        let from = self.steps[to];
        let recent = from.recent.then(distance);
        let before = before + self.thrift;
        let first = symbol(kind, from.literals.into(), SHORTEST);
        let mut hand_on = |copied: usize, cost: u32| {
            let there = &mut self.steps[to + copied];
            if cost < there.cost {
                *there = Step { cost, copied: copied as u16, distance, literals: 0, recent };
            }
        };
        let short = longest.min(SHORTEST + LONG - 1);
        for copied in shortest..=short {
            hand_on(copied, before + model.shape.command.cost(first + copied - SHORTEST));
        }
        if longest > short {
            let more = model.more_cost(longest - SHORTEST - LONG);
            hand_on(longest, before + model.shape.command.cost(first + LONG) + more);
        }
    }

    /// The cheapest way to the end.
    fn way(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut at = PAGE_SIZE;
        at -= usize::from(self.steps[at].literals);
        while at > 0 {
            let Step { copied, distance, .. } = self.steps[at];
            at -= usize::from(copied);
            let literals = self.steps[at].literals;
            commands.push(Command { literals, copied, distance });
            at -= usize::from(literals);
        }
        commands.reverse();
        commands
    }
}

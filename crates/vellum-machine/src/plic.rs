//! The interrupt controller: *RISC-V Platform-Level Interrupt Controller Specification* 1.0, with
//! the register offsets and context numbers of QEMU's `virt` board.
//!
//! Context `2h` is hart `h`'s machine mode, which does not exist here: its registers can be read and
//! written and have no effect. Context `2h + 1` is its supervisor mode. All sources are levels.

use vellum_state::{Error, Reader, State, Writer};

use crate::bus::{MmioDevice, Width};
use crate::clock::Instant;

/// Highest source number. Source 0 means "none".
pub const SOURCES: u32 = 95;
/// Highest priority; 0 means "never".
pub const MAX_PRIORITY: u32 = 7;
/// Most harts whose contexts fit the device's range.
pub const MAX_HARTS: u32 = 256;

const WORDS: usize = (SOURCES as usize + 1).div_ceil(32);
type Bits = [u32; WORDS];

const PENDING: u64 = 0x1000;
const ENABLE: u64 = 0x2000;
const ENABLE_STRIDE: u64 = 0x80;
const CONTEXT: u64 = 0x20_0000;
const CONTEXT_STRIDE: u64 = 0x1000;
const _: () = assert!(
    CONTEXT + 2 * MAX_HARTS as u64 * CONTEXT_STRIDE <= crate::memory_map::PLIC.length
        && ENABLE + 2 * MAX_HARTS as u64 * ENABLE_STRIDE <= CONTEXT
);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Context {
    enable: Bits,
    threshold: u32,
}

/// The interrupt controller of a machine with some harts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plic {
    priority: [u32; SOURCES as usize + 1],
    /// What the devices' lines say.
    level: Bits,
    /// Requests that wait to be claimed.
    pending: Bits,
    /// Claimed and not completed: the gateway lets nothing through.
    claimed: Bits,
    contexts: Vec<Context>,
}

fn has(bits: &Bits, source: u32) -> bool {
    bits[source as usize / 32] >> (source % 32) & 1 == 1
}

fn set(bits: &mut Bits, source: u32, on: bool) {
    let (word, bit) = (&mut bits[source as usize / 32], 1 << (source % 32));
    *word = if on { *word | bit } else { *word & !bit };
}

/// The bits of an enable word that stand for sources there are.
fn real(word: usize) -> u32 {
    (0..32).filter(|b| (1..=SOURCES).contains(&(word as u32 * 32 + b))).fold(0, |m, b| m | 1 << b)
}

/// The context of a hart's supervisor mode.
pub const fn supervisor(hart: u32) -> u32 {
    2 * hart + 1
}

impl Plic {
    /// A controller for `harts` harts, at most [`MAX_HARTS`]; all priorities and enables are zero.
    pub fn new(harts: u32) -> Self {
        Plic {
            priority: [0; SOURCES as usize + 1],
            level: Bits::default(),
            pending: Bits::default(),
            claimed: Bits::default(),
            contexts: vec![Context::default(); 2 * harts.min(MAX_HARTS) as usize],
        }
    }

    /// What the line of `source` says. A source that is not there is ignored.
    pub fn set_level(&mut self, source: u32, on: bool) {
        if (1..=SOURCES).contains(&source) {
            set(&mut self.level, source, on);
            self.gate(source);
        }
    }

    /// A gateway: a level makes a request unless one waits or is being served. A request stays even
    /// if the line falls again (specification, "Interrupt Gateways").
    fn gate(&mut self, source: u32) {
        if has(&self.level, source) && !has(&self.claimed, source) {
            set(&mut self.pending, source, true);
        }
    }

    /// The pending, enabled source of the highest priority above `threshold`; of equal ones the
    /// lowest number.
    fn best(&self, context: &Context, threshold: u32) -> Option<u32> {
        let mut best = None;
        let mut above = threshold;
        for word in 0..WORDS {
            let mut wanted = self.pending[word] & context.enable[word];
            while wanted != 0 {
                let source = word as u32 * 32 + wanted.trailing_zeros();
                if self.priority[source as usize] > above {
                    (best, above) = (Some(source), self.priority[source as usize]);
                }
                wanted &= wanted - 1;
            }
        }
        best
    }

    /// Whether the external interrupt of hart `hart`'s supervisor mode is raised.
    pub fn raised(&self, hart: u32) -> bool {
        self.pending != Bits::default()
            && self
                .contexts
                .get(supervisor(hart) as usize)
                .is_some_and(|c| self.best(c, c.threshold).is_some())
    }

    /// Claims the best request whatever the threshold (specification, "Interrupt Claim Process"); 0 if there is none.
    fn claim(&mut self, context: usize) -> u32 {
        let source = self.best(&self.contexts[context], 0).unwrap_or(0);
        if source != 0 {
            set(&mut self.pending, source, false);
            set(&mut self.claimed, source, true);
        }
        source
    }

    /// Completes a source; ignored unless the source is enabled for the context.
    fn complete(&mut self, context: usize, source: u32) {
        if (1..=SOURCES).contains(&source) && has(&self.contexts[context].enable, source) {
            set(&mut self.claimed, source, false);
            self.gate(source);
        }
    }

    fn register(&self, offset: u64) -> Register {
        let index = |base: u64, stride: u64| {
            let context = ((offset - base) / stride) as usize;
            (context < self.contexts.len()).then_some((context, (offset - base) % stride / 4))
        };
        let word = offset / 4;
        match offset {
            ..PENDING if (1..=u64::from(SOURCES)).contains(&word) => {
                Register::Priority(word as usize)
            }
            PENDING..ENABLE if (offset - PENDING) / 4 < WORDS as u64 => {
                Register::Pending(((offset - PENDING) / 4) as usize)
            }
            ENABLE..CONTEXT => match index(ENABLE, ENABLE_STRIDE) {
                Some((c, word)) if word < WORDS as u64 => Register::Enable(c, word as usize),
                _ => Register::None,
            },
            CONTEXT.. => match index(CONTEXT, CONTEXT_STRIDE) {
                Some((c, 0)) => Register::Threshold(c),
                Some((c, 1)) => Register::Claim(c),
                _ => Register::None,
            },
            _ => Register::None,
        }
    }
}

enum Register {
    Priority(usize),
    Pending(usize),
    Enable(usize, usize),
    Threshold(usize),
    Claim(usize),
    None,
}

/// All registers are 32 bits wide; other widths read zero and write nothing.
impl MmioDevice for Plic {
    fn read(&mut self, _now: Instant, offset: u64, width: Width) -> u64 {
        if width != Width::Word {
            return 0;
        }
        u64::from(match self.register(offset) {
            Register::Priority(source) => self.priority[source],
            Register::Pending(word) => self.pending[word],
            Register::Enable(context, word) => self.contexts[context].enable[word],
            Register::Threshold(context) => self.contexts[context].threshold,
            Register::Claim(context) => self.claim(context),
            Register::None => 0,
        })
    }

    fn write(&mut self, _now: Instant, offset: u64, width: Width, value: u64) {
        if width != Width::Word {
            return;
        }
        let value = value as u32;
        match self.register(offset) {
            Register::Priority(source) => self.priority[source] = value & MAX_PRIORITY,
            Register::Enable(context, word) => {
                self.contexts[context].enable[word] = value & real(word);
            }
            Register::Threshold(context) => self.contexts[context].threshold = value & MAX_PRIORITY,
            Register::Claim(context) => self.complete(context, value),
            Register::Pending(_) | Register::None => {}
        }
    }
}

impl State for Plic {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"PLIC", 1, |w| {
            self.priority.iter().for_each(|&p| w.u32(p));
            for bits in [&self.level, &self.pending, &self.claimed] {
                bits.iter().for_each(|&b| w.u32(b));
            }
            w.u32(self.contexts.len() as u32);
            for c in &self.contexts {
                c.enable.iter().for_each(|&b| w.u32(b));
                w.u32(c.threshold);
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"PLIC", 1, |r| {
            for p in &mut self.priority {
                *p = r.u32()? & MAX_PRIORITY;
            }
            for bits in [&mut self.level, &mut self.pending, &mut self.claimed] {
                for (word, b) in bits.iter_mut().enumerate() {
                    *b = r.u32()? & real(word);
                }
            }
            let count = r.u32()?;
            if count as usize != self.contexts.len() {
                let why = "the machine has another number of harts";
                return Err(Error::Value { field: "contexts", value: count.into(), why });
            }
            for c in &mut self.contexts {
                for (word, b) in c.enable.iter_mut().enumerate() {
                    *b = r.u32()? & real(word);
                }
                c.threshold = r.u32()? & MAX_PRIORITY;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
#[path = "plic_tests.rs"]
mod tests;

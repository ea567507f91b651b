//! The device: banks, rows, cells that wear.
//!
//! Modelled: a timeline for each bank, one open row a bank, pulses by the bits that change, energy
//! by bits, blocks larger than a line, wear by line with a seeded limit for each. Not modelled:
//! drift, disturbance between neighbours, temperature.

use crate::gap::StartGap;
use crate::profiles::Profile;
use vellum_block::{Instant, Rng};

/// Bytes of a line.
pub const LINE: usize = 64;
/// 64-bit words of a line.
const WORDS: usize = LINE / 8;
/// Most lines of a device: 64 GiB.
const LINES_LIMIT: u64 = 1 << 30;

/// Why an access failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NvmError {
    /// No such line.
    #[error("line {line} of a device of {lines} lines")]
    PastEnd {
        /// The line asked for.
        line: u64,
        /// What there is.
        lines: u64,
    },
    /// The line has been written more often than its cells stand.
    #[error("line {line} is worn out after {writes} writes")]
    Worn {
        /// The line.
        line: u64,
        /// Writes to its cells.
        writes: u64,
    },
    /// A device that can't be.
    #[error("a device of {lines} lines: {why}")]
    Size {
        /// Lines asked for.
        lines: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// What an access took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// When it ended.
    pub end: Instant,
    /// Energy in femtojoules.
    pub energy_fj: u64,
    /// Bits whose cells changed.
    pub flips: u32,
    /// Whether the row was open.
    pub row_hit: bool,
}

/// What a device did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Lines read.
    pub reads: u64,
    /// Lines written.
    pub writes: u64,
    /// Accesses to an open row.
    pub row_hits: u64,
    /// Bits that changed.
    pub flips: u64,
    /// Words stored inverted.
    pub inverted: u64,
    /// Lines that the medium read or wrote beyond those asked for.
    pub extra_lines: u64,
    /// Lines that wear levelling copied.
    pub moved: u64,
    /// Energy in femtojoules.
    pub energy_fj: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bank {
    pub free: u64,
    /// Number of the open row plus one.
    pub open: u64,
}

/// A non-volatile memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvm {
    pub(crate) profile: Profile,
    pub(crate) lines: u64,
    pub(crate) cells: Vec<[u64; WORDS]>,
    /// A bit a word: stored inverted.
    pub(crate) inverted: Vec<u8>,
    pub(crate) wear: Vec<u32>,
    pub(crate) limits: u64,
    pub(crate) banks: Vec<Bank>,
    pub(crate) gap: StartGap,
    pub(crate) since_move: u32,
    pub(crate) counters: Counters,
}

impl Nvm {
    /// A device of `lines` lines, all zeros; `seed` decides how much each line stands.
    ///
    /// # Errors
    /// When the size is not possible.
    pub fn new(profile: Profile, lines: u64, seed: u64) -> Result<Nvm, NvmError> {
        if !(2..=LINES_LIMIT).contains(&lines) {
            return Err(NvmError::Size { lines, why: "2 to 2^30 lines are possible" });
        }
        let all = lines as usize + 1;
        Ok(Nvm {
            profile,
            lines,
            cells: vec![[0; WORDS]; all],
            inverted: vec![0; all],
            wear: vec![0; all],
            limits: seed,
            banks: vec![Bank::default(); profile.banks as usize],
            gap: StartGap::new(lines, seed),
            since_move: 0,
            counters: Counters::default(),
        })
    }

    /// The device's figures.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Lines.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// What it did so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn place(&self, line: u64) -> Result<u64, NvmError> {
        if line >= self.lines {
            return Err(NvmError::PastEnd { line, lines: self.lines });
        }
        Ok(if self.profile.gap_interval == 0 { line } else { self.gap.physical(line) })
    }

    /// Starts an access to a physical line: opens its row; (bank, start, row was open).
    fn open(&mut self, now: Instant, physical: u64) -> (usize, u64, bool) {
        let p = &self.profile;
        let row = physical / u64::from(p.row_lines);
        let bank = (row % u64::from(p.banks)) as usize;
        let hit = self.banks[bank].open == row + 1;
        let start = now.as_ps().max(self.banks[bank].free);
        self.banks[bank].open = row + 1;
        self.counters.row_hits += u64::from(hit);
        (bank, start + if hit { 0 } else { p.row_read.as_ps() }, hit)
    }

    /// Reads a line at `now`.
    ///
    /// # Errors
    /// When there is no such line.
    pub fn read(
        &mut self,
        now: Instant,
        line: u64,
        out: &mut [u8; LINE],
    ) -> Result<Access, NvmError> {
        let physical = self.place(line)?;
        let (bank, start, row_hit) = self.open(now, physical);
        let end = start + self.profile.line_read.as_ps();
        self.banks[bank].free = end;
        out.copy_from_slice(&self.content(physical));
        let energy_fj = if row_hit { 0 } else { self.profile.read_fj * 8 * LINE as u64 };
        self.counters.reads += 1;
        self.counters.energy_fj += u128::from(energy_fj);
        Ok(Access { end: Instant::from_ps(end), energy_fj, flips: 0, row_hit })
    }

    /// What a line holds, at once and for nothing.
    ///
    /// # Errors
    /// When there is no such line.
    pub fn peek(&self, line: u64) -> Result<[u8; LINE], NvmError> {
        Ok(self.content(self.place(line)?))
    }

    /// Writes a line at `now`.
    ///
    /// # Errors
    /// When there is no such line, or its cells are worn out; the content is as before then.
    pub fn write(
        &mut self,
        now: Instant,
        line: u64,
        data: &[u8; LINE],
    ) -> Result<Access, NvmError> {
        let physical = self.place(line)?;
        let writes = u64::from(self.wear[physical as usize]);
        // Most lines are far from their limit, which takes some arithmetic to know.
        if writes >= self.profile.endurance / 4 && writes >= self.limit(physical) {
            return Err(NvmError::Worn { line, writes });
        }
        let (bank, start, row_hit) = self.open(now, physical);
        let (set, reset) = self.program(physical, data);
        let mut busy = self.pulses(set, reset);
        let p = &self.profile;
        let mut energy_fj = u64::from(set) * p.set_fj + u64::from(reset) * p.reset_fj;
        if p.block_lines > 1 {
            // The rest of the block is read and written back.
            let rest = u64::from(p.block_lines - 1);
            energy_fj += rest * 8 * LINE as u64 * (p.read_fj + p.set_fj.max(p.reset_fj));
            busy += p.set.as_ps().max(p.reset.as_ps());
            self.counters.extra_lines += rest;
        }
        let end = start + busy;
        self.banks[bank].free = end;
        self.wear[physical as usize] = self.wear[physical as usize].saturating_add(1);
        let flips = set + reset;
        self.counters.writes += 1;
        self.counters.flips += u64::from(flips);
        self.counters.energy_fj += u128::from(energy_fj);
        self.level(bank);
        Ok(Access { end: Instant::from_ps(end), energy_fj, flips, row_hit })
    }
}

/// Reads and writes `n` random lines, half and half, one after the other; returns how many.
///
/// # Errors
/// When a line wears out.
pub fn random_lines(nvm: &mut Nvm, n: u64, seed: u64) -> Result<u64, NvmError> {
    let mut rng = Rng::new(seed);
    let (mut now, mut line) = (Instant::ZERO, [0u8; LINE]);
    for _ in 0..n {
        let at = rng.below(nvm.lines());
        let bits = rng.next_u64();
        let done = if bits & 1 == 0 {
            nvm.read(now, at, &mut line)?
        } else {
            line[(bits >> 8) as usize % LINE] = (bits >> 16) as u8;
            nvm.write(now, at, &line)?
        };
        now = done.end;
    }
    Ok(n)
}

#[cfg(test)]
mod tests;

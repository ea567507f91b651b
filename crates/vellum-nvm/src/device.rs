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

    /// Writes to the cells of each physical line.
    pub fn wear(&self) -> &[u32] {
        &self.wear
    }

    /// Writes that a physical line stands: about normal, from the seed (sum of eight uniform parts).
    pub fn limit(&self, physical: u64) -> u64 {
        let mut rng = Rng::new(self.limits ^ physical.wrapping_mul(0xd134_2543_de82_ef95));
        let deviation = self.profile.endurance / 1000 * u64::from(self.profile.spread);
        // Eight uniforms on 0..2a have mean 8a and deviation a·√(8/3).
        let a = deviation * 1000 / 1633;
        let sum: u64 = (0..8).map(|_| rng.below(2 * a + 1)).sum();
        (self.profile.endurance + sum).saturating_sub(8 * a).max(1)
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

    fn content(&self, physical: u64) -> [u8; LINE] {
        let (cells, flags) = (&self.cells[physical as usize], self.inverted[physical as usize]);
        let mut out = [0; LINE];
        for (i, (bytes, &cell)) in out.chunks_exact_mut(8).zip(cells).enumerate() {
            let word = if flags >> i & 1 == 1 { !cell } else { cell };
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        out
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

    /// Time of the pulses for so many bits.
    fn pulses(&self, set: u32, reset: u32) -> u64 {
        let p = &self.profile;
        let rounds = |bits: u32| u64::from(bits.div_ceil(p.parallel_bits.max(1)));
        // Sets and resets of a round go on side by side; the slower one counts.
        (rounds(set) * p.set.as_ps()).max(rounds(reset) * p.reset.as_ps())
    }

    /// Puts data into cells; returns how many were set and reset.
    fn program(&mut self, physical: u64, data: &[u8; LINE]) -> (u32, u32) {
        let (mut set, mut reset) = (0, 0);
        let at = physical as usize;
        for (i, bytes) in data.chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
            let old = self.cells[at][i];
            let was = self.inverted[at] >> i & 1;
            // Storing the inverse also changes the flag.
            let plain = (old ^ word).count_ones() + u32::from(was == 1);
            let inverse = (old ^ !word).count_ones() + u32::from(was == 0);
            let flip = self.profile.flip && inverse < plain;
            let new = if flip { !word } else { word };
            self.counters.inverted += u64::from(flip);
            self.inverted[at] = self.inverted[at] & !(1 << i) | u8::from(flip) << i;
            let flag = u32::from(flip) != u32::from(was);
            if self.profile.compare {
                set += (new & !old).count_ones() + u32::from(flag && flip);
                reset += (old & !new).count_ones() + u32::from(flag && !flip);
            } else {
                set += new.count_ones();
                reset += new.count_zeros();
            }
            self.cells[at][i] = new;
        }
        (set, reset)
    }

    /// Moves Start-Gap's gap when it is time.
    fn level(&mut self, bank: usize) {
        if self.profile.gap_interval == 0 {
            return;
        }
        self.since_move += 1;
        if self.since_move < self.profile.gap_interval {
            return;
        }
        self.since_move = 0;
        let (from, to) = self.gap.advance();
        let data = self.content(from);
        let (set, reset) = self.program(to, &data);
        self.wear[to as usize] = self.wear[to as usize].saturating_add(1);
        self.counters.moved += 1;
        self.counters.flips += u64::from(set + reset);
        self.banks[bank].free += self.pulses(set, reset) + self.profile.row_read.as_ps();
    }

    /// Writes to the cells of all lines together, those of wear levelling among them.
    pub fn wear_total(&self) -> u64 {
        self.wear.iter().map(|&w| u64::from(w)).sum()
    }

    /// Writes to the cells of the line that has most.
    pub fn wear_most(&self) -> u32 {
        self.wear.iter().copied().max().unwrap_or(0)
    }

    /// Mean writes a line, in percent of the most worn line's: 100 is ideal levelling.
    pub fn levelling(&self) -> u64 {
        let most = u64::from(self.wear_most());
        (self.wear_total() * 100).checked_div(most * self.wear.len() as u64).unwrap_or(100)
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
mod tests {
    use super::*;
    use crate::profiles;
    use proptest::prelude::*;

    fn nvm(name: &str, lines: u64) -> Nvm {
        Nvm::new(profiles::find(name).unwrap(), lines, 9).unwrap()
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_array_holds(
            ops in prop::collection::vec((0u64..40, any::<[u8; 8]>()), 1..300), which in 0usize..5
        ) {
            let mut nvm = nvm(profiles::NAMES[which], 40);
            let mut plain = vec![[0u8; LINE]; 40];
            let mut now = Instant::ZERO;
            for (line, bytes) in ops {
                let mut data = plain[line as usize];
                data[..8].copy_from_slice(&bytes);
                data[56..].copy_from_slice(&bytes);
                let done = nvm.write(now, line, &data).unwrap();
                prop_assert!(done.end > now || done.flips == 0);
                // Flip-N-Write bounds the flips of a word and its flag to half of 65.
                if nvm.profile().flip {
                    prop_assert!(done.flips <= 8 * 33, "{}", done.flips);
                }
                now = done.end;
                plain[line as usize] = data;
            }
            for line in 0..40 {
                let mut out = [0; LINE];
                now = nvm.read(now, line, &mut out).unwrap().end;
                prop_assert_eq!(out, plain[line as usize]);
            }
        }
    }

    #[test]
    fn optane_reads_take_305_ns_at_random_and_about_half_in_sequence() {
        let mut nvm = nvm("optane", 4096);
        nvm.profile.gap_interval = 0;
        let mut line = [0; LINE];
        let far = nvm.read(Instant::ZERO, 1000, &mut line).unwrap();
        assert_eq!(far.end, Instant::from_ns(305));
        let (mut now, start) = (Instant::from_ns(1000), Instant::from_ns(1000));
        for line_no in 0..64 {
            now = nvm.read(now, line_no, &mut line).unwrap().end;
        }
        let mean = now.since(start).as_ns() / 64;
        assert!((120..=180).contains(&mean), "{mean}");
    }

    #[test]
    fn a_small_write_to_a_large_block_is_amplified() {
        let mut nvm = nvm("optane", 64);
        nvm.write(Instant::ZERO, 5, &[1; LINE]).unwrap();
        let c = nvm.counters();
        assert_eq!((c.writes, c.extra_lines), (1, 3), "64 bytes make 256");
    }

    #[test]
    fn start_gap_saves_a_line_that_is_written_over_and_over() {
        let run = |interval: u32| {
            let mut profile = profiles::find("pcm").unwrap();
            profile.gap_interval = interval;
            let mut nvm = Nvm::new(profile, 64, 3).unwrap();
            (0..400_000u32).for_each(|i| {
                let _ = nvm.write(Instant::ZERO, 7, &[i as u8; LINE]);
            });
            nvm.levelling()
        };
        assert!(run(0) <= 2, "without levelling one line takes it all");
        assert!(run(10) >= 90, "{}", run(10));
    }

    #[test]
    fn a_worn_line_says_so_and_keeps_its_content() {
        let mut profile = profiles::find("rram").unwrap();
        (profile.endurance, profile.gap_interval) = (100, 0);
        let mut nvm = Nvm::new(profile, 4, 1).unwrap();
        let worn = (0..1000u32).find_map(|i| nvm.write(Instant::ZERO, 0, &[i as u8; LINE]).err());
        let Some(NvmError::Worn { line: 0, writes }) = worn else { panic!("{worn:?}") };
        assert!((60..=140).contains(&writes), "{writes}");
        let before = nvm.peek(0).unwrap();
        assert!(nvm.write(Instant::ZERO, 0, &[0xee; LINE]).is_err());
        assert_eq!(nvm.peek(0).unwrap(), before);
        assert!(matches!(nvm.peek(4), Err(NvmError::PastEnd { line: 4, lines: 4 })));
        assert!(Nvm::new(profile, 1, 0).is_err());
    }

    #[test]
    fn setting_is_slower_than_resetting_and_an_equal_write_costs_nothing() {
        let mut nvm = nvm("pcm", 16);
        nvm.profile.flip = false;
        let set = nvm.write(Instant::ZERO, 1, &[0xff; LINE]).unwrap();
        let start = Instant::from_ns(10_000);
        let reset = nvm.write(start, 1, &[0; LINE]).unwrap();
        assert!(set.end.since(Instant::ZERO) > reset.end.since(start));
        assert_eq!((set.flips, reset.flips), (512, 512));
        let same = nvm.write(Instant::from_ns(20_000), 1, &[0; LINE]).unwrap();
        assert_eq!((same.flips, same.energy_fj), (0, 0));
    }
}

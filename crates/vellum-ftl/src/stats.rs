//! What the layer did, by cause: the SMART log of the device.

/// Why a page was programmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Host,
    Collect,
    Wear,
    Refresh,
    Rescue,
    Recover,
    Snapshot,
}

/// Counters since formatting or mounting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Pages that the host wrote.
    pub host_writes: u64,
    /// Pages that the host read.
    pub host_reads: u64,
    /// Logical pages that the host discarded.
    pub host_trims: u64,
    /// Flushes.
    pub flushes: u64,
    /// Page reads from the chip while serving host reads, map slices included.
    pub read_reads: u64,
    /// All page reads from the chip.
    pub chip_reads: u64,
    /// Programs of host data.
    pub programs_host: u64,
    /// Programs that moved data to free a block.
    pub programs_collect: u64,
    /// Programs that moved data to even out wear.
    pub programs_wear: u64,
    /// Programs that moved data to keep it readable.
    pub programs_refresh: u64,
    /// Programs that moved data out of a failing block.
    pub programs_rescue: u64,
    /// Programs that secured pages after a loss of power.
    pub programs_recover: u64,
    /// Programs that kept a page for a snapshot before it changed.
    pub programs_snapshot: u64,
    /// Programs of metadata, parity and anchors.
    pub programs_meta: u64,
    /// Programs of padding, where cells are shared between pages.
    pub programs_pad: u64,
    /// Erases.
    pub erases: u64,
    /// Programs that failed.
    pub program_fails: u64,
    /// Erases that failed.
    pub erase_fails: u64,
    /// Blocks retired since the formatting, beyond the factory's.
    pub grown_bad: u32,
    /// Failing blocks that passed the torture test.
    pub forgiven: u32,
    /// Pages read by climbing the read-retry ladder.
    pub retried: u64,
    /// Pages whose content is lost.
    pub lost: u64,
    /// Blocks opened that should have stayed free for recovery, because an erase or program failed.
    pub last_resorts: u32,
    /// Metadata pages that were unreadable and came from parity, an older copy, or the out-of-band
    /// records.
    pub meta_rebuilt: u32,
    /// Page reads of the last mount, until a request could be served.
    pub mount_reads: u64,
    /// Most page moves for one host write; of a batch, for each of its pages.
    pub worst_moves: u32,
    /// Host operations by page moves they waited for: 0, 1, 2–3, 4–7, 8–15, …
    pub moves: [u64; 12],
}

impl Stats {
    /// All programs.
    pub fn programs(&self) -> u64 {
        self.programs_host
            + self.programs_collect
            + self.programs_wear
            + self.programs_refresh
            + self.programs_rescue
            + self.programs_recover
            + self.programs_snapshot
            + self.programs_meta
            + self.programs_pad
    }

    /// Write amplification so far: programs a host write, in thousandths.
    pub fn waf_milli(&self) -> u64 {
        (self.programs() * 1000).checked_div(self.host_writes).unwrap_or(0)
    }

    #[inline]
    pub(crate) fn count(&mut self, cause: Cause) {
        *match cause {
            Cause::Host => &mut self.programs_host,
            Cause::Collect => &mut self.programs_collect,
            Cause::Wear => &mut self.programs_wear,
            Cause::Refresh => &mut self.programs_refresh,
            Cause::Rescue => &mut self.programs_rescue,
            Cause::Recover => &mut self.programs_recover,
            Cause::Snapshot => &mut self.programs_snapshot,
        } += 1;
    }

    #[inline]
    pub(crate) fn waited(&mut self, moves: u32, pages: u32) {
        self.worst_moves = self.worst_moves.max(moves.div_ceil(pages.max(1)));
        let class = (32 - moves.leading_zeros()) as usize;
        self.moves[class.min(11)] += 1;
    }
}

/// The state of health, in the sense of a SMART log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Blocks on the chip.
    pub blocks: u32,
    /// Blocks that are not bad.
    pub good: u32,
    /// Good blocks that may still fail before the device becomes read-only.
    pub spares: u32,
    /// Erases of the least worn data block.
    pub erases_least: u32,
    /// Mean.
    pub erases_mean: u32,
    /// Of the most worn one.
    pub erases_most: u32,
    /// Whether the device only reads.
    pub read_only: bool,
    /// Bytes of RAM in use.
    pub ram_bytes: usize,
}

//! One device's life, and what it owes the host.

use super::chip::Chip;
use super::subject::Subject;
use super::{Broken, Campaign, Tally};
use crate::{FtlError, Layer, Lpn};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use vellum_block::Rng;
use vellum_nand::{Cut, NandError};

/// What the host is owed: for each page the versions that it may show, the last one latest; 0 is
/// zeros.
#[derive(Debug, Clone)]
pub(super) struct Owed {
    pub campaign: Campaign,
    allowed: BTreeMap<u32, Vec<u32>>,
    /// The batch in flight: pages and versions.
    batch: Vec<(u32, u32)>,
    version: u32,
    day: u16,
    snapshot: Snapshot,
    pub rng: Rng,
    pub tally: Tally,
    pub name: String,
}

/// What the host knows of the snapshot.
#[derive(Debug, Clone, Default)]
struct Snapshot {
    /// There is one, or may be.
    may: bool,
    /// There may be none: it is being taken or dropped.
    may_not: bool,
    /// The versions that it shows.
    versions: Vec<u32>,
    /// Pages that changed since.
    changed: BTreeSet<u32>,
}

/// Why something stopped.
pub(super) enum Stop {
    /// The power went.
    Cut,
    Broken(Broken),
}

/// The content of a version: no two words of it are alike, and none is blank.
fn content(lpn: u32, version: u32, bytes: usize) -> Vec<u8> {
    let first = Rng::new(u64::from(lpn) << 32 | u64::from(version)).next_u64();
    let words =
        (0..bytes as u64 / 8).map(|i| first.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut page = Vec::with_capacity(bytes);
    words.for_each(|w| page.extend_from_slice(&w.to_le_bytes()));
    page.resize(bytes, 0x5a);
    page[..4].copy_from_slice(&version.to_le_bytes());
    page
}

impl Owed {
    /// A formatted device, written once all over and flushed.
    pub fn new<L: Subject>(campaign: Campaign, seed: u64) -> Result<(Owed, L), Broken> {
        let mut owed = Owed {
            campaign,
            allowed: BTreeMap::new(),
            batch: Vec::new(),
            version: 0,
            day: 0,
            snapshot: Snapshot { may_not: true, ..Snapshot::default() },
            rng: Rng::new(seed),
            tally: Tally::default(),
            name: alloc::format!("seed {seed}, formatting"),
        };
        let start = |owed: &mut Owed| -> Result<L, FtlError> {
            let chip = L::Chip::fresh(&campaign, seed)?;
            let mut ftl = L::format(chip, campaign.config)?;
            for lpn in 0..campaign.config.logical_pages {
                owed.write(&mut ftl, lpn)?;
            }
            owed.flush(&mut ftl)?;
            Ok(ftl)
        };
        let ftl = start(&mut owed).map_err(|e| owed.failed(e))?;
        Ok((owed, ftl))
    }

    pub fn failed(&self, error: FtlError) -> Broken {
        Broken::Failed { error, life: self.name.clone() }
    }

    fn stop(&self, error: FtlError) -> Stop {
        match error {
            FtlError::Nand(NandError::PowerLost) => Stop::Cut,
            error => Stop::Broken(self.failed(error)),
        }
    }

    fn write<L: Subject>(&mut self, ftl: &mut L, lpn: u32) -> Result<(), FtlError> {
        self.version += 1;
        self.allowed.entry(lpn).or_default().push(self.version);
        self.snapshot.changed.insert(lpn);
        ftl.write(Lpn(lpn), &content(lpn, self.version, ftl.page_bytes()))
    }

    fn flush<L: Subject>(&mut self, ftl: &mut L) -> Result<(), FtlError> {
        ftl.flush()?;
        for allowed in self.allowed.values_mut() {
            allowed.drain(..allowed.len() - 1);
        }
        Ok(())
    }

    /// One host operation, by chance.
    pub fn step<L: Subject>(&mut self, ftl: &mut L) -> Result<(), Stop> {
        let resorts = ftl.stats().last_resorts;
        let pages = u64::from(self.campaign.config.logical_pages);
        let any = self.rng.below(pages) as u32;
        let done = match self.rng.below(100) {
            0..=44 => self.write(ftl, any),
            45..=84 => self.write(ftl, any % 24),
            85..=89 => {
                let count = 1 + self.rng.below(6).min(pages - 1 - u64::from(any)) as u32;
                for lpn in any..any + count {
                    self.allowed.entry(lpn).or_default().push(0);
                    self.snapshot.changed.insert(lpn);
                }
                ftl.trim(Lpn(any), count)
            }
            90..=93 if ftl.batch_limit() > 0 => self.write_batch(ftl),
            94..=95 if self.campaign.config.snapshot_pages > 0 => self.take_or_drop(ftl),
            96 if self.campaign.config.scrub.retention_days > 0 => self.pass_days(ftl, any),
            _ => self.flush(ftl),
        };
        self.tally.last_resorts += u64::from(ftl.stats().last_resorts - resorts);
        done.map_err(|e| self.stop(e))?;
        // A batch's pages each may keep one for a snapshot.
        let most =
            if self.campaign.config.snapshot_pages > 0 { u32::MAX } else { ftl.most_moves() };
        let moves = ftl.stats().worst_moves;
        self.tally.moves = self.tally.moves.max((moves, most));
        if moves > most {
            return Err(Stop::Broken(Broken::Latency { moves, most, life: self.name.clone() }));
        }
        self.check_snapshot(ftl, false)
    }

    /// Some days pass, and the host scrubs a little from `any` on.
    fn pass_days<L: Subject>(&mut self, ftl: &mut L, any: u32) -> Result<(), FtlError> {
        self.day += self.rng.below(4) as u16;
        ftl.set_day(self.day)?;
        ftl.scrub(Lpn(any), 8).map(drop)
    }

    /// Takes a snapshot, or drops the one that there is.
    fn take_or_drop<L: Subject>(&mut self, ftl: &mut L) -> Result<(), FtlError> {
        if ftl.has_snapshot() {
            self.snapshot.may_not = true;
            ftl.drop_snapshot()?;
            self.snapshot.may = false;
        } else {
            let latest = |lpn| self.allowed.get(&lpn).and_then(|v| v.last()).copied().unwrap_or(0);
            let versions = (0..self.campaign.config.logical_pages).map(latest).collect();
            self.snapshot = Snapshot { may: true, may_not: true, versions, ..Snapshot::default() };
            ftl.take_snapshot()?;
            self.snapshot.may_not = false;
        }
        Ok(())
    }

    /// Whether there is a snapshot as it must be, and, if asked for, what it shows.
    fn check_snapshot<L: Subject>(&mut self, ftl: &mut L, pages: bool) -> Result<(), Stop> {
        let there = ftl.has_snapshot();
        let full = self.snapshot.changed.len() > self.campaign.config.snapshot_pages as usize;
        let missing = !(there || self.snapshot.may_not || full);
        if missing || (there && !self.snapshot.may) {
            return Err(Stop::Broken(Broken::Snapshot { there, life: self.name.clone() }));
        }
        (self.snapshot.may, self.snapshot.may_not) = (there, !there);
        if !(there && pages) {
            return Ok(());
        }
        self.tally.snapshots += 1;
        let bytes = ftl.page_bytes();
        let mut page = vec![0; bytes];
        for (lpn, &version) in (0..).zip(&self.snapshot.versions) {
            ftl.read_snapshot(Lpn(lpn), &mut page).map_err(|e| self.stop(e))?;
            let expected = if version == 0 { vec![0; bytes] } else { content(lpn, version, bytes) };
            if page != expected {
                let found = u32::from_le_bytes([page[0], page[1], page[2], page[3]]);
                let (allowed, life) = (vec![version], format!("{}, in its snapshot", self.name));
                return Err(Stop::Broken(Broken::Content { lpn, found, allowed, life }));
            }
            self.tally.checked += 1;
        }
        Ok(())
    }

    fn write_batch<L: Subject>(&mut self, ftl: &mut L) -> Result<(), FtlError> {
        let count = 2 + self.rng.below(ftl.batch_limit().saturating_sub(1).clamp(1, 4) as u64);
        let pages = self.campaign.config.logical_pages;
        let first = self.rng.below(pages.into()) as u32;
        let mut data = Vec::new();
        for i in 0..count as u32 {
            self.version += 1;
            let lpn = (first + i * 7) % pages;
            self.batch.push((lpn, self.version));
            self.allowed.entry(lpn).or_default().push(self.version);
            self.snapshot.changed.insert(lpn);
            data.push((Lpn(lpn), content(lpn, self.version, ftl.page_bytes())));
        }
        let batch: Vec<(Lpn, &[u8])> = data.iter().map(|d| (d.0, &d.1[..])).collect();
        ftl.write_batch(&batch)?;
        self.batch.clear();
        Ok(())
    }

    /// Mounts after a cut, reads every page, and flushes; `cut` may fall on it.
    pub fn recover<L: Subject>(
        &mut self,
        chip: L::Chip,
        cut: Option<Cut>,
    ) -> (L::Chip, Result<(), Stop>) {
        let mut chip = match chip.clone().restart(cut) {
            Ok(chip) => chip,
            Err(error) => return (chip, Err(self.stop(error))),
        };
        let mut ftl = match L::mount(chip.clone(), self.campaign.config) {
            Ok(ftl) => ftl,
            // The mount took the chip with it: do the same again by reference.
            Err(_) => {
                let again = L::Over::<&mut L::Chip>::mount(&mut chip, self.campaign.config);
                let error = again.map(drop).err();
                let stop = error.map_or(Ok(()), |e| Err(self.stop(e)));
                return (chip, stop);
            }
        };
        self.tally.mount_reads = self.tally.mount_reads.max(ftl.stats().mount_reads);
        self.tally.meta_rebuilt += u64::from(ftl.stats().meta_rebuilt);
        let result = self.check(&mut ftl);
        let mut chip = ftl.into_nand();
        chip.model_mut().disarm();
        (chip, result)
    }

    /// Reads every page, then flushes. What is seen must stay.
    fn check<L: Subject>(&mut self, ftl: &mut L) -> Result<(), Stop> {
        let bytes = ftl.page_bytes();
        let mut page = vec![0; bytes];
        let mut there = Vec::new();
        for lpn in 0..self.campaign.config.logical_pages {
            ftl.read(Lpn(lpn), &mut page).map_err(|e| self.stop(e))?;
            let found = u32::from_le_bytes([page[0], page[1], page[2], page[3]]);
            let whole = if found == 0 {
                page.iter().all(|&b| b == 0)
            } else {
                page == content(lpn, found, bytes)
            };
            let allowed = self.allowed.entry(lpn).or_insert(vec![0]);
            if !whole || !allowed.contains(&found) {
                let (allowed, life) = (allowed.clone(), self.name.clone());
                return Err(Stop::Broken(Broken::Content { lpn, found, allowed, life }));
            }
            *allowed = vec![found];
            self.tally.checked += 1;
            there.push(found);
        }
        let found = self.batch.iter().filter(|b| there[b.0 as usize] == b.1).count();
        if found != 0 && found != self.batch.len() {
            let (pages, life) = (self.batch.len(), self.name.clone());
            return Err(Stop::Broken(Broken::Batch { pages, found, life }));
        }
        self.batch.clear();
        self.check_snapshot(ftl, true)?;
        ftl.flush().map_err(|e| self.stop(e))
    }

    /// Recovers with the power going again during the first attempts, and once in peace.
    pub fn recover_through<L: Subject>(
        &mut self,
        mut chip: L::Chip,
        nested: &[Cut],
    ) -> Result<L::Chip, Broken> {
        for &cut in nested {
            let (after, result) = self.recover::<L>(chip, Some(cut));
            chip = after;
            match result {
                Ok(()) => return Ok(chip),
                Err(Stop::Cut) => {
                    self.tally.count(cut.mode);
                    self.tally.nested += 1;
                }
                Err(Stop::Broken(broken)) => return Err(broken),
            }
        }
        match self.recover::<L>(chip, None) {
            (chip, Ok(())) => Ok(chip),
            (_, Err(Stop::Broken(broken))) => Err(broken),
            (_, Err(Stop::Cut)) => Err(self.failed(NandError::PowerLost.into())),
        }
    }
}

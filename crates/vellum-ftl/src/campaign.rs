//! The power-cut campaign: a random life of a small device, cut at any program or erase, in any of
//! the model's five modes, also while it recovers; and what is promised, checked after each mount.
//!
//! Promised: a page that was flushed reads as it was at the flush, or as something that the host
//! wrote to it later; an atomic batch is there whole or not at all; nothing that the host never wrote
//! is served; a discard that was flushed stays. Tests run a short campaign, `cargo xtask powercut
//! --device flash` a long one.

use crate::{Config, Ftl, FtlError, Lpn, MapMode, Stats};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use vellum_block::Rng;
use vellum_nand::{CellKind, Cut, CutMode, Geometry, Model, ModelConfig, NandError};

/// What a campaign runs on.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// The chip.
    pub chip: ModelConfig,
    /// The layer.
    pub config: Config,
    /// Cuts that may fall on the recovery after a cut, one after the other.
    pub nested: u32,
}

impl Campaign {
    /// A small device: 40 blocks of 16 pages of 512 B, 60 % full.
    pub fn small(cell: CellKind, map: MapMode) -> Campaign {
        let chip = ModelConfig::perfect(Geometry::tiny(40, 16).with_cell(cell));
        let config = Config { map, ..Config::new(if cell == CellKind::Slc { 380 } else { 300 }) };
        Campaign { chip, config, nested: 2 }
    }
}

/// What a campaign came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Cuts, nested ones included.
    pub cuts: u64,
    /// Cuts by mode, in the order of [`CutMode::ALL`].
    pub by_mode: [u64; 5],
    /// Cuts that fell on a recovery.
    pub nested: u64,
    /// Pages read back and compared.
    pub checked: u64,
    /// Most page reads of a mount.
    pub mount_reads: u64,
    /// Metadata pages rebuilt.
    pub meta_rebuilt: u64,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// Another content than any that was allowed.
    #[error("page {lpn} reads as version {found}, allowed were {allowed:?}; {life}")]
    Content {
        /// The page.
        lpn: u32,
        /// The version that was found; 0 is zeros.
        found: u32,
        /// Versions that would have been right.
        allowed: Vec<u32>,
        /// How to get there again.
        life: String,
    },
    /// A batch was there in part.
    #[error("batch of {pages} pages is there in part: {found}; {life}")]
    Batch {
        /// Its pages.
        pages: usize,
        /// Those of them that are there.
        found: usize,
        /// How to get there again.
        life: String,
    },
    /// The layer failed.
    #[error("{error}; {life}")]
    Failed {
        /// Its error.
        error: FtlError,
        /// How to get there again.
        life: String,
    },
}

/// Versions that a page may show: the last flushed one, and all since.
#[derive(Debug, Clone, Default)]
struct Allowed(Vec<u32>);

/// A device in the middle of its life, and what it owes.
#[derive(Debug)]
struct Life {
    campaign: Campaign,
    chip: Option<Model>,
    allowed: BTreeMap<u32, Allowed>,
    /// The batch in flight: pages and versions.
    batch: Vec<(u32, u32)>,
    version: u32,
    rng: Rng,
    tally: Tally,
    name: String,
}

fn content(lpn: u32, version: u32, bytes: usize) -> Vec<u8> {
    let mut rng = Rng::new(u64::from(lpn) << 32 | u64::from(version));
    let mut page: Vec<u8> = Vec::with_capacity(bytes);
    while page.len() < bytes {
        page.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    page[..4].copy_from_slice(&version.to_le_bytes());
    page
}

impl Life {
    fn new(campaign: Campaign, seed: u64) -> Result<Life, Broken> {
        let name = alloc::format!("life of seed {seed}");
        let fail = |error| Broken::Failed { error, life: name.clone() };
        let chip = Model::new(ModelConfig { seed, ..campaign.chip }).map_err(|e| fail(e.into()))?;
        let ftl = Ftl::format(chip, campaign.config).map_err(fail)?;
        let mut life = Life {
            campaign,
            chip: None,
            allowed: BTreeMap::new(),
            batch: Vec::new(),
            version: 0,
            rng: Rng::new(seed),
            tally: Tally::default(),
            name: String::new(),
        };
        let mut ftl = ftl;
        for lpn in 0..campaign.config.logical_pages {
            life.write(&mut ftl, lpn).map_err(fail)?;
        }
        life.flushed(&mut ftl).map_err(fail)?;
        life.chip = Some(ftl.into_nand());
        life.name = name;
        Ok(life)
    }

    fn write(&mut self, ftl: &mut Ftl<Model>, lpn: u32) -> Result<(), FtlError> {
        self.version += 1;
        self.allowed.entry(lpn).or_default().0.push(self.version);
        ftl.write(Lpn(lpn), &content(lpn, self.version, ftl.page_bytes()))
    }

    fn flushed(&mut self, ftl: &mut Ftl<Model>) -> Result<(), FtlError> {
        ftl.flush()?;
        for allowed in self.allowed.values_mut() {
            allowed.0.drain(..allowed.0.len() - 1);
        }
        Ok(())
    }

    /// One host operation.
    fn step(&mut self, ftl: &mut Ftl<Model>) -> Result<(), FtlError> {
        let pages = u64::from(self.campaign.config.logical_pages);
        let any = self.rng.below(pages) as u32;
        match self.rng.below(100) {
            0..=44 => self.write(ftl, any),
            45..=84 => self.write(ftl, any % 24),
            85..=89 => {
                let count = 1 + self.rng.below(6).min(pages - 1 - u64::from(any)) as u32;
                for lpn in any..any + count {
                    self.allowed.entry(lpn).or_default().0.push(0);
                }
                ftl.trim(Lpn(any), count)
            }
            90..=93 => self.write_batch(ftl),
            _ => self.flushed(ftl),
        }
    }

    fn write_batch(&mut self, ftl: &mut Ftl<Model>) -> Result<(), FtlError> {
        let count = 2 + self.rng.below(ftl.batch_limit().saturating_sub(1).clamp(1, 4) as u64);
        let pages = self.campaign.config.logical_pages;
        let first = self.rng.below(pages.into()) as u32;
        let mut data = Vec::new();
        for i in 0..count as u32 {
            self.version += 1;
            let lpn = (first + i * 7) % pages;
            self.batch.push((lpn, self.version));
            data.push((Lpn(lpn), content(lpn, self.version, ftl.page_bytes())));
        }
        let batch: Vec<(Lpn, &[u8])> = data.iter().map(|d| (d.0, &d.1[..])).collect();
        // While it is in flight its pages may show either content.
        let mut either = self.allowed.clone();
        for &(lpn, version) in &self.batch {
            either.entry(lpn).or_default().0.push(version);
        }
        self.allowed = either;
        ftl.write_batch(&batch)?;
        self.batch.clear();
        Ok(())
    }

    /// Lives until the cut, recovers through `nested` more, and checks.
    fn round(&mut self, after: u64, mode: CutMode, nested: &[Cut]) -> Result<(), Broken> {
        let Some(mut chip) = self.chip.take() else { return Ok(()) };
        chip.disarm();
        chip.power_on();
        let mut ftl = self.mount(chip, &mut [].iter())?;
        ftl.nand_mut().arm(Cut { after, mode, seed: self.rng.next_u64() });
        let error = loop {
            if let Err(error) = self.step(&mut ftl) {
                break error;
            }
        };
        if error != FtlError::Nand(NandError::PowerLost) {
            return Err(self.failed(error));
        }
        self.count(mode);
        let ftl = self.mount(ftl.into_nand(), &mut nested.iter())?;
        self.check(ftl)
    }

    fn count(&mut self, mode: CutMode) {
        self.tally.cuts += 1;
        let at = CutMode::ALL.iter().position(|&m| m == mode).unwrap_or(0);
        self.tally.by_mode[at] += 1;
    }

    /// Mounts, with the power going again during the first attempts.
    fn mount(
        &mut self,
        mut chip: Model,
        nested: &mut dyn Iterator<Item = &Cut>,
    ) -> Result<Ftl<Model>, Broken> {
        for cut in nested {
            chip.power_on();
            chip.arm(*cut);
            match Ftl::mount(&mut chip, self.campaign.config) {
                Ok(_) => break,
                Err(FtlError::Nand(NandError::PowerLost)) => {
                    self.count(cut.mode);
                    self.tally.nested += 1;
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        chip.disarm();
        chip.power_on();
        let ftl = Ftl::mount(chip, self.campaign.config).map_err(|e| self.failed(e))?;
        let stats: Stats = ftl.stats();
        self.tally.mount_reads = self.tally.mount_reads.max(stats.mount_reads);
        self.tally.meta_rebuilt += u64::from(stats.meta_rebuilt);
        Ok(ftl)
    }

    fn failed(&self, error: FtlError) -> Broken {
        Broken::Failed { error, life: self.name.clone() }
    }

    /// Reads every page. What is seen now must stay.
    fn check(&mut self, mut ftl: Ftl<Model>) -> Result<(), Broken> {
        let bytes = ftl.page_bytes();
        let mut page = vec![0; bytes];
        let batch = core::mem::take(&mut self.batch);
        let mut there = Vec::new();
        for lpn in 0..self.campaign.config.logical_pages {
            let read = ftl.read(Lpn(lpn), &mut page);
            read.map_err(|e| self.failed(e))?;
            let found = u32::from_le_bytes([page[0], page[1], page[2], page[3]]);
            let whole = if found == 0 {
                page.iter().all(|&b| b == 0)
            } else {
                page == content(lpn, found, bytes)
            };
            let allowed = self.allowed.entry(lpn).or_insert(Allowed(vec![0]));
            if !whole || !allowed.0.contains(&found) {
                let (allowed, life) = (allowed.0.clone(), self.name.clone());
                return Err(Broken::Content { lpn, found, allowed, life });
            }
            allowed.0 = vec![found];
            self.tally.checked += 1;
            there.push(found);
        }
        let found = batch.iter().filter(|b| there[b.0 as usize] == b.1).count();
        if found != 0 && found != batch.len() {
            let (pages, life) = (batch.len(), self.name.clone());
            return Err(Broken::Batch { pages, found, life });
        }
        self.chip = Some(ftl.into_nand());
        Ok(())
    }
}

/// Random cuts: `lives` devices, `rounds` cuts each, with recoveries cut short too.
///
/// # Errors
/// The first broken promise, with the seed that leads to it.
pub fn random(
    campaign: Campaign,
    seed: u64,
    rounds: u32,
    mut progress: impl FnMut(u64),
) -> Result<Tally, Broken> {
    let mut life = Life::new(campaign, seed)?;
    for round in 0..rounds {
        let rng = &mut life.rng;
        let reach = if rng.one_in(4) { 12 } else { 160 };
        let after = rng.below(reach);
        let mode = CutMode::ALL[rng.below(5) as usize];
        let nested: Vec<Cut> = (0..rng.below(u64::from(campaign.nested) + 1))
            .map(|_| Cut {
                after: rng.below(6),
                mode: CutMode::ALL[rng.below(5) as usize],
                seed: rng.next_u64(),
            })
            .collect();
        life.name = alloc::format!("seed {seed}, round {round}, {} after {after}", mode.name());
        life.round(after, mode, &nested)?;
        progress(life.tally.cuts);
    }
    Ok(life.tally)
}

/// Every operation: from one starting point, cuts at each of the next `operations` programs and
/// erases, in each mode, and for each of them at each of the first `nested` operations of the
/// recovery in each mode.
///
/// # Errors
/// The first broken promise.
pub fn exhaustive(
    campaign: Campaign,
    seed: u64,
    operations: u64,
    nested: u64,
    mut progress: impl FnMut(u64),
) -> Result<Tally, Broken> {
    let start = Life::new(campaign, seed)?;
    let mut tally = Tally::default();
    for after in 0..operations {
        for mode in CutMode::ALL {
            let inner = (0..nested).flat_map(|a| CutMode::ALL.map(|m| Some((a, m))));
            for second in core::iter::once(None).chain(inner) {
                let mut life = Life {
                    campaign,
                    chip: start.chip.clone(),
                    allowed: start.allowed.clone(),
                    batch: Vec::new(),
                    version: start.version,
                    rng: Rng::new(seed ^ after),
                    tally: Tally::default(),
                    name: alloc::format!(
                        "seed {seed}, {} after {after}, then {second:?}",
                        mode.name()
                    ),
                };
                let seed = life.rng.next_u64();
                let cut = second.map(|(after, mode)| Cut { after, mode, seed });
                let nested: Vec<Cut> = cut.into_iter().collect();
                life.round(after, mode, &nested)?;
                merge(&mut tally, &life.tally);
                progress(tally.cuts);
            }
        }
    }
    Ok(tally)
}

/// Adds `more` to `all`.
pub fn merge(all: &mut Tally, more: &Tally) {
    all.cuts += more.cuts;
    all.nested += more.nested;
    all.checked += more.checked;
    all.meta_rebuilt += more.meta_rebuilt;
    all.mount_reads = all.mount_reads.max(more.mount_reads);
    all.by_mode.iter_mut().zip(more.by_mode).for_each(|(a, b)| *a += b);
}

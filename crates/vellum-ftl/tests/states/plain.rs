//! What the host knows of a device: plain vectors.

use crate::{Step, Subject, fresh};
use std::collections::BTreeSet;
use std::fmt;
use vellum_ftl::campaign::Campaign;

/// What a snapshot shows, and the pages that changed since it was taken: surely, or perhaps too, for they show
/// zeros and may be pages of zeros or none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) versions: Vec<u32>,
    pub(crate) surely: BTreeSet<u32>,
    pub(crate) perhaps: BTreeSet<u32>,
}

/// What the host knows.
#[derive(Clone)]
pub(crate) struct Plain {
    pub(crate) campaign: Campaign,
    /// Whether writes name streams.
    pub(crate) streams: bool,
    /// Pages of a batch at most; 0: there are none.
    pub(crate) batch_limit: usize,
    /// Writes, and discards, are durable when the call returns.
    pub(crate) durable: (bool, bool),
    /// For each page what a cut may bring back, what it shows last.
    pub(crate) pages: Vec<Vec<u32>>,
    /// Batches since the last promise: pages and versions.
    pub(crate) recent: Vec<Vec<(u32, u32)>>,
    pub(crate) snapshot: Option<Snapshot>,
    /// The last step may have ended the snapshot, or not: it is to be dropped.
    pub(crate) perhaps_ended: bool,
    pub(crate) version: u32,
    /// What holds if the power goes within the last step.
    pub(crate) torn: Option<Box<Torn>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Torn {
    /// What each page may show if the step was cut, and if it was over.
    pub(crate) within: Plain,
    pub(crate) after: Plain,
    /// The snapshot before the step.
    pub(crate) snapshot: Option<Snapshot>,
}

/// What a sequence starts from; the rest follows from its steps.
impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.campaign, self.streams).fmt(f)
    }
}

impl Plain {
    pub(crate) fn new<L: Subject>((campaign, filled, streams): (Campaign, bool, bool)) -> Plain {
        let mut layer: L = fresh(&campaign);
        let tables = layer.tables().map(|ftl| ftl.batch_limit());
        let count = campaign.config.logical_pages;
        let first = |lpn| vec![if filled { lpn + 1 } else { 0 }];
        Plain {
            campaign,
            streams,
            batch_limit: tables.unwrap_or(0),
            durable: L::durable(&campaign),
            pages: (0..count).map(first).collect(),
            recent: Vec::new(),
            snapshot: None,
            perhaps_ended: false,
            version: count,
            torn: None,
        }
    }

    pub(crate) fn now(&self, lpn: u32) -> u32 {
        *self.pages[lpn as usize].last().unwrap()
    }

    pub(crate) fn lpn(&self, number: u32) -> u32 {
        number % self.pages.len() as u32
    }

    pub(crate) fn range(&self, first: u32, count: u32) -> (u32, u32) {
        let first = self.lpn(first);
        (first, count.min(self.pages.len() as u32 - first))
    }

    pub(crate) fn lpns(&self, numbers: &[u32]) -> Vec<u32> {
        numbers.iter().map(|&n| self.lpn(n)).collect()
    }

    pub(crate) fn change(&mut self, lpn: u32, version: u32) {
        let zeros = version == 0 && self.now(lpn) == 0;
        self.pages[lpn as usize].push(version);
        let Some(snapshot) = &mut self.snapshot else { return };
        if !zeros {
            snapshot.surely.insert(lpn);
        }
        snapshot.perhaps.insert(lpn);
        let room = self.campaign.config.snapshot_pages as usize;
        if snapshot.perhaps.len() > room {
            self.perhaps_ended |= snapshot.surely.len() <= room;
            self.snapshot = None;
        }
    }

    pub(crate) fn promise(&mut self) {
        for versions in &mut self.pages {
            versions.drain(..versions.len() - 1);
        }
        self.recent.clear();
    }

    pub(crate) fn run(&mut self, step: &Step, promises: bool) {
        let durable = match step {
            Step::Write(numbers) => {
                for &n in numbers {
                    self.version += 1;
                    self.change(self.lpn(n), self.version);
                }
                self.durable.0.then(|| numbers.iter().map(|&n| self.lpn(n)).collect())
            }
            &Step::Trim(first, count) => {
                let (first, count) = self.range(first, count);
                (first..first + count).for_each(|lpn| self.change(lpn, 0));
                self.durable.1.then(|| (first..first + count).collect())
            }
            Step::Batch(numbers) => {
                let mut batch = Vec::new();
                for lpn in self.lpns(numbers) {
                    self.version += 1;
                    self.change(lpn, self.version);
                    batch.push((lpn, self.version));
                }
                self.recent.push(batch);
                None
            }
            Step::Take if self.snapshot.is_none() => {
                let versions = (0..self.pages.len() as u32).map(|lpn| self.now(lpn)).collect();
                self.snapshot = Some(Snapshot { versions, ..Snapshot::default() });
                Some(Vec::new())
            }
            Step::Drop => {
                self.snapshot = None;
                None
            }
            Step::RollBack => match self.snapshot.take() {
                Some(snapshot) => {
                    for (lpn, &version) in (0..).zip(&snapshot.versions) {
                        self.pages[lpn].push(version);
                    }
                    Some(Vec::new())
                }
                None => None,
            },
            Step::Flush | Step::Remount { .. } => Some(Vec::new()),
            Step::Take | Step::Scrub(_) => None,
            Step::Cut { step, .. } => {
                let snapshot = self.snapshot.clone();
                let (mut within, mut after) = (self.clone(), self.clone());
                within.run(step, false);
                after.run(step, true);
                self.run(step, true);
                self.torn = Some(Box::new(Torn { within, after, snapshot }));
                Some(Vec::new())
            }
        };
        match durable {
            _ if !promises => {}
            None => {}
            Some(lpns) if lpns.is_empty() => self.promise(),
            Some(lpns) => {
                for lpn in lpns {
                    let versions = &mut self.pages[lpn as usize];
                    versions.drain(..versions.len() - 1);
                }
            }
        }
    }
}

//! Looking ahead: several pages are told from zeros and hashed in a row, and then what the index says
//! of them is fetched, before the first of them is dealt with. Memory's latencies overlap that way;
//! what is done to the pages, and in which order, is the same as one by one.

use super::Scavenger;
use super::visit::LOOKED;
use crate::Mode;
use crate::index::Target;
use crate::policy::work;
use crate::set::{Look, PageSet};
use vellum_frames::FrameId;

/// Pages at once: 64 KiB, which a second-level cache holds.
const BATCH: usize = 16;

/// What a page's content came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashed {
    Zeros,
    Hash(u64),
}

/// Pages that were hashed and not yet dealt with. Nothing writes them while their set is held.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pages: Vec<(u64, FrameId, Hashed)>,
    next: usize,
    /// The first page that was not looked at.
    end: u64,
}

impl Ahead {
    pub(super) fn clear(&mut self) {
        self.pages.clear();
        (self.next, self.end) = (0, 0);
    }

    /// What was found of a page, if it was looked at; those before it are dealt with.
    fn take(&mut self, page: u64, frame: FrameId) -> Option<Hashed> {
        let left = self.pages.get(self.next..)?;
        self.next += left.iter().position(|&(of, ..)| of >= page).unwrap_or(left.len());
        let &(of, there, hashed) = self.pages.get(self.next)?;
        (of == page && there == frame).then_some(hashed)
    }
}

impl Scavenger {
    /// Zeros, or the hash under the key of a set's domain.
    pub(super) fn hashed(&mut self, at: usize, page: u64, frame: FrameId) -> Hashed {
        let hashed =
            self.ahead.take(page, frame).unwrap_or_else(|| self.hash_page(at, frame, frame));
        match hashed {
            Hashed::Zeros => self.counters.work += work::COMPARE,
            Hashed::Hash(_) => {
                self.counters.hashed += 1;
                self.counters.work += work::HASH;
            }
        }
        hashed
    }

    /// `next` is the frame that is wanted after this one.
    fn hash_page(&self, at: usize, frame: FrameId, next: FrameId) -> Hashed {
        let pool = &self.vault.pool;
        if pool.lines_before(frame, next).all(|line| line == [0; 8]) {
            return Hashed::Zeros;
        }
        let domain = self.sets[at].as_ref().expect("its number was checked").domain;
        Hashed::Hash(self.keys[&domain].hash_frame_before(pool, frame, next))
    }

    /// The frame of a page that the next look will search the like of.
    fn will_be_detected(&self, at: usize, pages: &dyn PageSet, page: u64) -> Option<FrameId> {
        let set = self.sets[at].as_ref()?;
        let marks = set.marks.get(page as usize)?;
        let Look::Frame { frame, written } = pages.look(page) else { return None };
        let settled = written >= set.epoch || (marks.is(LOOKED) && written < set.before);
        (!settled && !marks.skips() && !frame.is_zero_frame()).then_some(frame)
    }

    /// Hashes the pages from `from` on that will be wanted, as far as `work` model nanoseconds reach.
    pub(super) fn look_ahead(&mut self, at: usize, pages: &dyn PageSet, from: u64, work: u64) {
        let Some(set) = self.sets[at].as_ref() else { return };
        if from < self.ahead.end || set.mode != Mode::Share {
            return;
        }
        self.ahead.clear();
        let afford = usize::try_from(work / work::HASH).unwrap_or(BATCH).min(BATCH);
        let to = from.saturating_add(afford as u64).min(set.marks.len() as u64).min(pages.pages());
        self.ahead.end = to;
        let (mut wanted, mut count) = ([(0, FrameId::ZERO); BATCH], 0);
        for page in from..to {
            if let Some(frame) = self.will_be_detected(at, pages, page) {
                wanted[count] = (page, frame);
                count += 1;
            }
        }
        for now in 0..count {
            let (page, frame) = wanted[now];
            let next = wanted[..count].get(now + 1).map_or(frame, |&(_, next)| next);
            let hashed = self.hash_page(at, frame, next);
            self.ahead.pages.push((page, frame, hashed));
        }
        // What they will be compared with, in two rounds: the index, then where it leads.
        let mut targets = [None; BATCH];
        for (target, &(.., hashed)) in targets.iter_mut().zip(&self.ahead.pages) {
            if let Hashed::Hash(hash) = hashed {
                *target = self.index.peek(hash);
            }
        }
        for target in targets.into_iter().flatten() {
            if let Some(frame) = self.frame_of(at, pages, target) {
                self.vault.pool.prefetch(frame);
            }
        }
    }

    fn frame_of(&self, at: usize, pages: &dyn PageSet, target: Target) -> Option<FrameId> {
        match target {
            Target::Object(number) => self.vault.frame(number),
            Target::Page(other) => {
                let set = self.sets[at].as_ref()?;
                let page = u64::from(other.checked_sub(set.first)?);
                let here = page < (set.marks.len() as u64).min(pages.pages());
                match here.then(|| pages.look(page))? {
                    Look::Frame { frame, .. } => Some(frame),
                    _ => None,
                }
            }
        }
    }
}

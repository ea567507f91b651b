//! Looking ahead: several pages are told from zeros and sampled in a row, and then what the index says
//! of them is fetched, before the first of them is dealt with. Memory's latencies overlap that way;
//! what is done to the pages, and in which order, is the same as one by one.

use super::Scavenger;
use super::visit::LOOKED;
use crate::index::Target;
use crate::policy::work;
use crate::set::{Look, PageSet};
use crate::{Domain, Mode};
use vellum_frames::FrameId;

/// Pages at once: 64 KiB, which a second-level cache holds.
const BATCH: usize = 16;

/// Lines at a page's beginning that come while the page before is read: the processor sees for itself that a
/// page is read from line to line, but not from page to page.
const BEGINNING: usize = 8;

/// What a page's content came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampled {
    Zeros,
    Sample(u64),
}

/// Pages that were sampled and not yet dealt with. Nothing writes them while their set is held.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pages: Vec<(u64, FrameId, Sampled)>,
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
    fn take(&mut self, page: u64, frame: FrameId) -> Option<Sampled> {
        let left = self.pages.get(self.next..)?;
        self.next += left.iter().position(|&(of, ..)| of == page)?;
        let &(_, there, sampled) = self.pages.get(self.next)?;
        self.next += 1;
        (there == frame).then_some(sampled)
    }

    fn is_spent(&self) -> bool {
        self.next >= self.pages.len()
    }
}

impl Scavenger {
    /// Zeros, or the sample under the key of a set's domain.
    pub(super) fn sampled(&mut self, at: usize, page: u64, frame: FrameId) -> Sampled {
        let sampled = self.ahead.take(page, frame).unwrap_or_else(|| self.sample_page(at, frame));
        self.counters.sampled += 1;
        self.counters.work += match sampled {
            Sampled::Zeros => work::COMPARE,
            Sampled::Sample(_) => work::SAMPLE,
        };
        sampled
    }

    fn sample_page(&self, at: usize, frame: FrameId) -> Sampled {
        let pool = &self.vault.pool;
        let domain = self.sets[at].as_ref().expect("its number was checked").domain;
        let (zeros, sample) = self.keys[&domain].sample_frame(pool, frame);
        // Most pages with zeros at all those places have nothing else.
        if zeros && pool.is_all_zero(frame) { Sampled::Zeros } else { Sampled::Sample(sample) }
    }

    /// The same of several pages: their samples first, for which few lines are read, then those that may be
    /// zeros from end to end, while the beginning of the next one comes.
    fn sample_pages(&mut self, domain: Domain, wanted: &[(u64, FrameId)]) {
        let (key, pool) = (&self.keys[&domain], &self.vault.pool);
        wanted.iter().for_each(|&(_, frame)| key.prefetch_sample(pool, frame));
        let (mut perhaps, mut count) = ([(0, FrameId::ZERO); BATCH], 0);
        for (at, &(page, frame)) in (self.ahead.pages.len()..).zip(wanted) {
            let (zeros, sample) = key.sample_frame(pool, frame);
            if zeros {
                perhaps[count] = (at, frame);
                count += 1;
            }
            self.ahead.pages.push((page, frame, Sampled::Sample(sample)));
        }
        let mut next = perhaps[..count].iter().skip(1);
        for &(at, frame) in &perhaps[..count] {
            if let Some(&(_, next)) = next.next() {
                (0..BEGINNING).for_each(|line| pool.prefetch_line(next, line));
            }
            if pool.is_all_zero(frame) {
                self.ahead.pages[at].2 = Sampled::Zeros;
            }
        }
    }

    /// The frame of a page that the next look will search the like of.
    fn will_be_detected(&self, at: usize, pages: &dyn PageSet, page: u64) -> Option<FrameId> {
        let set = self.sets[at].as_ref()?;
        let marks = set.marks.get(page as usize)?;
        let Look::Frame { frame, written } = pages.look(page) else { return None };
        let settled = written >= set.epoch || (marks.is(LOOKED) && written < set.before);
        (!settled && !marks.skips() && !frame.is_zero_frame()).then_some(frame)
    }

    /// The next page of a set that a look was asked for. Those after it are sampled with it.
    pub(super) fn next_hint(&mut self, at: usize, pages: &dyn PageSet) -> Option<u64> {
        let set = self.sets[at].as_ref()?;
        if self.ahead.is_spent() && set.mode == Mode::Share && set.hints.len() > 1 {
            let mut asked = [0; BATCH];
            let count = asked.len().min(set.hints.len());
            asked.iter_mut().zip(&set.hints).for_each(|(asked, &hint)| *asked = u64::from(hint));
            self.ahead.clear();
            self.sample_ahead(at, pages, asked.into_iter().take(count));
        }
        let page = u64::from(*self.set(at).hints.front()?);
        if !pages.at_hand(page) {
            return None;
        }
        self.set(at).hints.pop_front();
        self.counters.hints += 1;
        Some(page)
    }

    /// Samples the pages from `from` on that will be wanted, as far as `work` model nanoseconds reach.
    pub(super) fn look_ahead(&mut self, at: usize, pages: &dyn PageSet, from: u64, work: u64) {
        let Some(set) = self.sets[at].as_ref() else { return };
        if from < self.ahead.end || set.mode != Mode::Share {
            return;
        }
        let afford = usize::try_from(work / work::SAMPLE).unwrap_or(BATCH).min(BATCH);
        let to = from.saturating_add(afford as u64).min(set.marks.len() as u64);
        self.ahead.clear();
        self.ahead.end = to;
        self.sample_ahead(at, pages, from..to);
    }

    /// Samples those of at most [`BATCH`] pages that will be wanted.
    fn sample_ahead(
        &mut self,
        at: usize,
        pages: &dyn PageSet,
        candidates: impl Iterator<Item = u64>,
    ) {
        let Some(set) = self.sets[at].as_ref() else { return };
        let (mut wanted, mut count) = ([(0, FrameId::ZERO); BATCH], 0);
        for page in candidates.take(BATCH).filter(|&page| page < pages.pages()) {
            if let Some(frame) = self.will_be_detected(at, pages, page) {
                wanted[count] = (page, frame);
                count += 1;
            }
        }
        let wanted = &wanted[..count];
        self.sample_pages(set.domain, wanted);
        // What they will be compared with, in two rounds: the index, then where it leads.
        let mut targets = [None; BATCH];
        for (target, &(.., sampled)) in targets.iter_mut().zip(&self.ahead.pages) {
            if let Sampled::Sample(sample) = sampled {
                *target = self.index.peek(sample);
            }
        }
        for (target, &(_, frame, _)) in targets.into_iter().zip(&self.ahead.pages) {
            let Some(target) = target else { continue };
            self.vault.pool.prefetch(frame);
            if let Some(frame) = self.frame_of(at, pages, target) {
                self.vault.pool.prefetch(frame);
            }
        }
    }

    /// The frame that holds what an entry leads to, if there is one at hand.
    pub(super) fn frame_of(
        &self,
        at: usize,
        pages: &dyn PageSet,
        target: Target,
    ) -> Option<FrameId> {
        match target {
            Target::Several => None,
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

//! The sets of pages: handed over, hinted at, forgotten.

use super::visit::Marks;
use super::{Mode, Scavenger};
use crate::content::PageKey;
use crate::index::Target;
use crate::refaults::{Control, Refaults};
use crate::report::{Class, Tally};
use crate::{Domain, Error, SetId};
use std::collections::VecDeque;

/// Hints that wait at most; more are dropped, since the pages are looked at anyway.
const HINTS: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Set {
    pub(super) domain: Domain,
    pub(super) mode: Mode,
    /// The first page's number among all sets'.
    pub(super) first: u32,
    pub(super) marks: Vec<Marks>,
    /// The next page of the pass; `None` between passes.
    pub(super) cursor: Option<u64>,
    /// The write epochs opened by this pass and the one before.
    pub(super) epoch: u64,
    pub(super) before: u64,
    pub(super) hints: VecDeque<u32>,
    pub(super) tally: Tally,
    pub(super) last: Tally,
    /// How old pages must be to be packed, where there is a target of refaults.
    pub(super) control: Option<Control>,
}

impl Set {
    /// Pages that are in use, as of the last whole pass: those that are not zeros and not packed.
    fn working(&self) -> u64 {
        const IDLE: [Class; 7] = [
            Class::Zero,
            Class::Delta,
            Class::Compressed,
            Class::Concealed,
            Class::Spilled,
            Class::Elsewhere,
            Class::Hole,
        ];
        self.last.pages() - IDLE.map(|class| self.last[class]).iter().sum::<u64>()
    }

    /// Whether a page of this age grows older in the pass at hand.
    pub(super) fn grows(&self, age: u8) -> bool {
        self.control.as_ref().is_none_or(|control| control.grows(age))
    }
}

impl Scavenger {
    /// Adds a set of `pages` pages. From here on every one of them has a frame of the pool's quota or
    /// room in the spill target, so that giving all of them different content can't fail.
    ///
    /// # Errors
    /// When the sets together would want more than that, or have more than 2³¹ pages, or the domain's
    /// other sets are treated otherwise.
    pub fn add_set(&mut self, pages: u64, domain: Domain, mode: Mode) -> Result<SetId, Error> {
        let first = self.sets.iter().flatten().map(|s| u64::from(s.first) + s.marks.len() as u64);
        let first = first.max().unwrap_or(0);
        let limit = u64::from(Target::MAX);
        if first.saturating_add(pages) > limit {
            return Err(Error::Limit { what: "pages", value: first.saturating_add(pages), limit });
        }
        let conceals = mode == Mode::Conceal
            || self.sets.iter().flatten().any(|set| set.mode == Mode::Conceal);
        let spares = if conceals { self.lottery_size } else { 0 };
        let promised = self.pages() + pages + spares;
        let frames = self.vault.pool.quota();
        let spill = self.vault.spill.as_ref().map_or(0, |spill| spill.capacity());
        if promised > frames.saturating_add(spill) {
            return Err(Error::Overcommit { promised, frames, spill });
        }
        let before = self.modes.entry(domain).or_insert(mode);
        if *before != mode {
            return Err(Error::Mode { domain });
        }
        self.keys.entry(domain).or_insert_with(|| PageKey::new(self.key, domain.0.into()));
        let id = SetId(self.sets.len() as u32);
        self.sets.push(Some(Set {
            domain,
            mode,
            first: first as u32,
            marks: vec![Marks::default(); pages as usize],
            cursor: None,
            epoch: 0,
            before: 0,
            hints: VecDeque::new(),
            tally: Tally::default(),
            last: Tally::default(),
            control: self.policy.control(),
        }));
        let deltas = self.policy.delta_after < self.policy.compress_after;
        let entries = if deltas { self.pages() as f64 * self.similar_per_page } else { 0.0 };
        self.similar.resize(entries as usize);
        Ok(id)
    }

    /// Forgets a set. Its owner gives back the references of packed pages with
    /// [`Scavenger::release`]; objects that nobody holds any more go at once.
    ///
    /// # Errors
    /// When there is no such set.
    pub fn remove_set(&mut self, set: SetId) -> Result<(), Error> {
        let at = self.set_at(set)?;
        self.sets[at] = None;
        for number in 0..self.vault.objects.end() {
            self.vault.drop_if_unused(number);
        }
        Ok(())
    }

    /// Pages of all sets.
    pub fn pages(&self) -> u64 {
        self.sets.iter().flatten().map(|set| set.marks.len() as u64).sum()
    }

    pub(super) fn set_at(&self, set: SetId) -> Result<usize, Error> {
        let at = set.0 as usize;
        if self.sets.get(at).is_some_and(Option::is_some) { Ok(at) } else { Err(Error::NoSet(set)) }
    }

    pub(super) fn set(&mut self, at: usize) -> &mut Set {
        self.sets[at].as_mut().expect("its number was checked")
    }

    /// Asks for a look at a page before others: it was just filled, from a disk for instance, and so
    /// likely with what another page has too (Miłoś et al., *Satori*, 2009).
    ///
    /// # Errors
    /// When there is no such set.
    pub fn hint(&mut self, set: SetId, page: u64) -> Result<(), Error> {
        let at = self.set_at(set)?;
        let set = self.set(at);
        if page < set.marks.len() as u64 && set.hints.len() < HINTS {
            set.marks[page as usize].forget();
            set.hints.push_back(page as u32);
        }
        Ok(())
    }

    /// The pages of a set that [`Scavenger::step`] will look at next, at most `count`: those that were
    /// hinted at, half of them at most, which may be there twice, then those of the pass, or of the next
    /// one. For an owner who has only a part of the set at hand.
    ///
    /// # Errors
    /// When there is no such set.
    pub fn upcoming(&self, set: SetId, count: usize) -> Result<Vec<u64>, Error> {
        let set = self.sets[self.set_at(set)?].as_ref().expect("its number was checked");
        let hinted = set.hints.iter().map(|&page| u64::from(page));
        let pass = set.cursor.unwrap_or(0)..set.marks.len() as u64;
        Ok(hinted.take(count / 2).chain(pass).take(count).collect())
    }

    /// Whether the next step of a set begins a pass, and so opens a write epoch.
    ///
    /// # Errors
    /// When there is no such set.
    pub fn is_between_passes(&self, set: SetId) -> Result<bool, Error> {
        Ok(self.sets[self.set_at(set)?].as_ref().is_some_and(|set| set.cursor.is_none()))
    }

    /// Tells a set's time, which its pages grow older by where the policy has a target of refaults
    /// ([`Policy::refaults`](crate::Policy::refaults)): nanoseconds from any start, of the guest's time rather
    /// than the host's, so that a run repeats. To be told once a second at least. Nothing without a target.
    ///
    /// # Errors
    /// When there is no such set.
    pub fn tell_time(&mut self, set: SetId, nanos: u64) -> Result<(), Error> {
        let at = self.set_at(set)?;
        let set = self.set(at);
        let working = set.working();
        if let Some(control) = &mut set.control {
            control.tell(nanos, working);
        }
        Ok(())
    }

    /// What a set's target of refaults came to, if there is one.
    ///
    /// # Errors
    /// When there is no such set.
    pub fn refaults(&self, set: SetId) -> Result<Option<Refaults>, Error> {
        let set = self.sets[self.set_at(set)?].as_ref().expect("its number was checked");
        Ok(set.control.as_ref().map(Control::report))
    }
}

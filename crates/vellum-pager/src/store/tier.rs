//! Two stores as one: a fast, small one in front of a slow, large one. Nest them for more.

use super::{Answer, Get, PageStore, Put, Traffic};
use crate::policy::{Clock, Policy};
use crate::{PAGE, Page, PageNo, StoreError};

/// How a [`Tiered`] store divides its pages.
#[derive(Debug, Clone, Copy)]
pub struct TierOptions {
    /// Pages below this number may be kept.
    pub pages: u32,
    /// Pages that the fast store is given at most.
    pub fast: u32,
    /// Pages that move down in one batch when the fast store is full.
    pub batch: u32,
}

/// New pages go to the fast store; when that is full, the pages that were not asked for the longest
/// (by [`Clock`]) move to the slow one. A page that is asked for stays where it is: it will be put
/// again when it was written, and is dropped here when not.
#[derive(Debug)]
pub struct Tiered<F, S> {
    fast: F,
    slow: S,
    in_fast: Clock,
    in_slow: Box<[bool]>,
    batch: u32,
    name: String,
    traffic: Traffic,
    moved: u64,
}

impl<F: PageStore, S: PageStore> Tiered<F, S> {
    /// Joins two stores that are empty.
    pub fn new(fast: F, slow: S, options: TierOptions) -> Self {
        let name = format!("{} over {}", fast.name(), slow.name());
        Tiered {
            fast,
            slow,
            in_fast: Clock::new(options.pages, options.fast.max(1)),
            in_slow: vec![false; options.pages as usize].into(),
            batch: options.batch.clamp(1, options.fast.max(1)),
            name,
            traffic: Traffic::default(),
            moved: 0,
        }
    }

    /// The fast store.
    pub fn fast(&self) -> &F {
        &self.fast
    }

    /// The slow store.
    pub fn slow(&self) -> &S {
        &self.slow
    }

    /// Pages that moved from fast to slow.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    fn check(&self, page: PageNo) -> Result<(), StoreError> {
        let limit = self.in_slow.len() as u64;
        if u64::from(page.get()) < limit {
            return Ok(());
        }
        Err(StoreError::PastEnd { store: self.name.clone(), page, limit })
    }

    /// Moves a batch of pages down. They leave the fast store only when the slow one has them.
    fn move_down(&mut self) -> Result<bool, StoreError> {
        let mut pages = Vec::new();
        while pages.len() < self.batch as usize {
            let Some(page) = self.in_fast.victim(None, &mut crate::policy::keep_nothing) else {
                break;
            };
            pages.push(PageNo::new(page));
        }
        let moved = self.copy_down(&pages);
        if moved.is_err() {
            pages.iter().for_each(|page| self.in_fast.admit(page.get()));
        }
        moved.map(|()| !pages.is_empty())
    }

    fn copy_down(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        let mut buffers = vec![[0; PAGE]; pages.len()];
        let mut gets: Vec<Get<'_>> =
            pages.iter().zip(&mut buffers).map(|(&page, into)| Get::new(page, into)).collect();
        self.fast.get(&mut gets);
        for get in gets {
            match get.answer {
                Answer::Found => {}
                Answer::Failed(error) => return Err(error),
                Answer::Missing => {
                    let store = self.fast.name().into();
                    return Err(StoreError::Lost { store, page: get.page });
                }
            }
        }
        let put = |(&page, content): (&PageNo, _)| Put { page, content, lines: crate::Lines::ALL };
        let puts: Vec<Put<'_>> = pages.iter().zip(&buffers).map(put).collect();
        self.slow.put(&puts)?;
        pages.iter().for_each(|page| self.in_slow[page.index()] = true);
        self.moved += pages.len() as u64;
        self.fast.discard(pages)
    }

    fn put_fast(&mut self, put: &Put<'_>) -> Result<(), StoreError> {
        let page = put.page.get();
        if self.in_fast.contains(page) {
            self.in_fast.touch(page);
        } else {
            while self.in_fast.len() >= self.in_fast.capacity() {
                self.move_down()?;
            }
        }
        // The fast store may have a budget of its own, in bytes.
        loop {
            match self.fast.put(&[*put]) {
                Ok(()) => break,
                Err(StoreError::Full { .. }) if self.in_fast.len() > 0 => {
                    self.move_down()?;
                }
                Err(error) => return Err(error),
            }
        }
        if !self.in_fast.contains(page) {
            self.in_fast.admit(page);
        }
        if std::mem::take(&mut self.in_slow[put.page.index()]) {
            self.slow.discard(&[put.page])?;
        }
        Ok(())
    }
}

impl<F: PageStore, S: PageStore> PageStore for Tiered<F, S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        for get in batch {
            let page = get.page.get();
            if let Err(error) = self.check(get.page) {
                get.answer = Answer::Failed(error);
            } else if self.in_fast.contains(page) {
                self.in_fast.touch(page);
                fast.push(again(get));
            } else if self.in_slow[get.page.index()] {
                slow.push(again(get));
            }
        }
        // Each store sees one batch; the answers go back to where they were asked.
        for (asked, store) in [
            (&mut fast, &mut self.fast as &mut dyn PageStore),
            (&mut slow, &mut self.slow as &mut dyn PageStore),
        ] {
            if asked.is_empty() {
                continue;
            }
            let (mut gets, answers): (Vec<Get<'_>>, Vec<&mut Answer>) =
                asked.drain(..).map(|(page, into, answer)| (Get::new(page, into), answer)).unzip();
            store.get(&mut gets);
            for (get, answer) in gets.into_iter().zip(answers) {
                self.traffic.pages_got += u64::from(get.answer == Answer::Found);
                *answer = get.answer;
            }
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.traffic.put_batches += 1;
        for put in batch {
            self.check(put.page)?;
            // A page that is only in the slow store is whole in the fast one.
            let known = self.in_fast.contains(put.page.get());
            let lines = if known { put.lines } else { crate::Lines::ALL };
            self.put_fast(&Put { lines, ..*put })?;
            self.traffic.pages_put += 1;
            self.traffic.bytes_put += PAGE as u64;
        }
        Ok(())
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        for &page in pages {
            self.check(page)?;
            if self.in_fast.contains(page.get()) {
                self.in_fast.forget(page.get());
                self.fast.discard(&[page])?;
            }
            if std::mem::take(&mut self.in_slow[page.index()]) {
                self.slow.discard(&[page])?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.fast.flush()?;
        self.slow.flush()
    }

    fn traffic(&self) -> Traffic {
        let (fast, slow) = (self.fast.traffic(), self.slow.traffic());
        Traffic { model_ps: fast.model_ps + slow.model_ps, ..self.traffic }
    }
}

/// The parts of a request, to ask another store with.
fn again<'a>(get: &'a mut Get<'_>) -> (PageNo, &'a mut Page, &'a mut Answer) {
    (get.page, &mut *get.into, &mut get.answer)
}

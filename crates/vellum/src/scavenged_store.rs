//! The scavenger's store as a store of pages: what a pager evicts is shared with its like, told as a
//! difference, compressed and compressed better the longer nobody asks for it. The first tier of a machine
//! whose memory is small, in front of a file or a server.

use std::sync::Arc;
use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};
use vellum_pager::store::{Answer, Get, PageStore, Put, Traffic};
use vellum_pager::{PageNo, StoreError};
use vellum_scavenger::{
    Domain, Error, Look, Mode, Options, PageSet, Pages, Report, Scavenger, SetId,
};

/// Model nanoseconds of scavenging for each page that is put: enough to find its like, to look for a
/// similar one and to compress it, so that the store keeps up with what comes.
const WORK: u64 = 60_000;
/// What a store's name is.
const NAME: &str = "scavenged memory";

/// Keeps pages in as few bytes as the scavenger finds. It works when pages are put, as a function of what
/// was put alone, so two runs are one run.
#[derive(Debug)]
pub struct ScavengedStore {
    pool: Arc<FramePool>,
    scavenger: Scavenger,
    set: SetId,
    pages: Pages,
    /// What was put and not discarded since.
    held: Box<[bool]>,
    traffic: Traffic,
}

fn failed(what: &'static str, page: PageNo) -> impl Fn(Error) -> StoreError {
    move |error| StoreError::Failed { store: NAME.into(), what, page, why: error.to_string() }
}

impl ScavengedStore {
    /// A store for pages below `pages`, with a scavenger of its own.
    ///
    /// # Errors
    /// When there is no memory for their bookkeeping, or there are too many.
    pub fn new(pages: u32, options: Options) -> Result<Self, Error> {
        // Every page may differ from all others: then each has a frame.
        let pool = FramePool::new(PoolOptions::new(u64::from(pages).max(1)))?;
        let mut scavenger = Scavenger::new(Arc::clone(&pool), options);
        let set = scavenger.add_set(pages.into(), Domain(0), Mode::Share)?;
        Ok(ScavengedStore {
            pages: Pages::new(Arc::clone(&pool), pages as usize),
            held: vec![false; pages as usize].into(),
            pool,
            scavenger,
            set,
            traffic: Traffic::default(),
        })
    }

    /// What is kept how.
    pub fn report(&self) -> Report {
        self.scavenger.report()
    }

    fn holds(&self, page: PageNo) -> bool {
        self.held.get(page.get() as usize).copied().unwrap_or(false)
    }

    /// Whoever reads a page does not bring it: it stays as it is kept.
    fn read(&mut self, get: &mut Get<'_>) -> Result<(), Error> {
        match self.pages.look(get.page.get().into()) {
            Look::Packed(object) => self.scavenger.peek(object, get.into),
            Look::Frame { frame, .. } => {
                self.pool.read(frame, 0, get.into);
                Ok(())
            }
            Look::Busy(_) => {
                Err(Error::Limit { what: "page", value: get.page.get().into(), limit: 0 })
            }
        }
    }

    fn scavenge(&mut self, put: usize) -> Result<(), Error> {
        let work = WORK * put as u64;
        self.scavenger.step(self.set, &mut self.pages, work)?;
        self.scavenger.tidy(work);
        Ok(())
    }
}

impl PageStore for ScavengedStore {
    fn name(&self) -> &str {
        NAME
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        for get in batch {
            if !self.holds(get.page) {
                get.answer = Answer::Missing;
                continue;
            }
            let (page, read) = (get.page, self.read(get));
            get.answer = match read {
                Ok(()) => {
                    self.traffic.pages_got += 1;
                    Answer::Found
                }
                Err(error) => Answer::Failed(failed("reading", page)(error)),
            };
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.traffic.put_batches += 1;
        let limit = self.held.len() as u64;
        for put in batch {
            let page = put.page;
            let Some(held) = self.held.get_mut(page.get() as usize) else {
                return Err(StoreError::PastEnd { store: NAME.into(), page, limit });
            };
            self.pages
                .write(&mut self.scavenger, self.set, page.get().into(), 0, put.content)
                .map_err(failed("writing", page))?;
            *held = true;
            self.traffic.pages_put += 1;
            self.traffic.bytes_put += put.content.len() as u64;
        }
        if let Some(last) = batch.last() {
            self.scavenge(batch.len()).map_err(failed("scavenging", last.page))?;
        }
        Ok(())
    }

    /// Zeros take no memory once they are found.
    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        for &page in pages.iter() {
            if self.holds(page) {
                self.pages
                    .write(&mut self.scavenger, self.set, page.get().into(), 0, &[0; PAGE_SIZE])
                    .map_err(failed("discarding", page))?;
                self.held[page.get() as usize] = false;
            }
        }
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

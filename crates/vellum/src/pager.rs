//! A pager behind a machine's memory: RAM that does not fit the host's frames.
//!
//! An absent page names the pager's owner number; a page that is as it was stored has a guard on the
//! right to write it, so that the first store tells the pager. References are what the harts' TLBs
//! miss. None of it costs guest time, and a page reads what was last written to it, so a run is the
//! same with a pager and without.

use crate::{Error, Paging, VmMemory};
use parking_lot::Mutex;
use std::io::Write;
use std::sync::Arc;
use vellum_frames::{FrameId, PAGE_SIZE};
use vellum_pager::space::{Changed, HostSpace};
use vellum_pager::store::{CompressedPool, PageStore};
use vellum_pager::trace::Recorder;
use vellum_pager::{Counters, Error as PagerError, History, Names, Page, PageNo, Pager, Stands};
use vellum_translate::host::{Guard, HostEntry, HostTable, OwnerId};
use vellum_translate::{Access, Gfn, Rights};

/// The owner number of pages that the pager has; [`VmMemory::register_source`] gives out the others.
pub(crate) const PAGER: OwnerId = OwnerId(u8::MAX);

/// Where references are written to.
type Sink = Box<dyn Write + Send>;

/// The pager, and what the machine knows of it.
pub(crate) struct GuestPager {
    pager: Mutex<Pager>,
    pub(crate) clean: Guard,
    recorder: Option<Recorder<Sink>>,
    /// The first failure to write the trace.
    failed: Option<std::io::Error>,
}

impl GuestPager {
    /// The content of an absent page, by its number from RAM's start; false when it is zeros.
    pub(crate) fn peek(&self, page: u64, into: &mut Page) -> Result<bool, PagerError> {
        self.pager.lock().peek(PageNo::new(page as u32), into)
    }
}

impl core::fmt::Debug for GuestPager {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("GuestPager").field("pager", &self.pager).finish_non_exhaustive()
    }
}

/// Pages whose entries changed in one call of the pager.
#[derive(Debug, Default)]
struct Moved(Vec<(Gfn, Option<FrameId>)>);

impl Changed for &mut Moved {
    fn changed(&mut self, _: &mut HostTable, page: Gfn, was: Option<FrameId>) {
        self.0.push((page, was));
    }
}

impl VmMemory {
    /// From now on, at most as many pages of RAM have frames as the pager's quota says; it takes
    /// the others to its store. Pages that have frames already count. What kept roots need of pages
    /// that have changed since is compressed in the host's memory, in as many bytes as RAM has.
    ///
    /// # Errors
    /// When memory is flat or has a pager or a scavenger, the pager is of another size, or it may hold
    /// more than the machine may have frames.
    pub fn attach_pager(&mut self, pager: Pager) -> Result<(), Error> {
        let limit = (self.ram.end - self.ram.start) * PAGE_SIZE as u64;
        self.attach_pager_with(pager, Box::new(CompressedPool::new(limit)))
    }

    /// As [`VmMemory::attach_pager`], and what kept roots need of pages that have changed since is put
    /// into `kept`. While that takes nothing more, such a page can't leave its frame.
    ///
    /// # Errors
    /// As there.
    pub fn attach_pager_with(
        &mut self,
        pager: Pager,
        kept: Box<dyn PageStore>,
    ) -> Result<(), Error> {
        let wrong = |field, value: u64, why| Err(Error::Builder { field, value, why });
        let pages = self.ram.end - self.ram.start;
        if self.paging == Paging::Flat || self.pager.is_some() {
            return wrong("pager", 1, "flat memory has no absent pages, and one pager is all");
        }
        if self.scavenging.is_some() {
            return wrong("pager", 1, "a scavenger has its pages");
        }
        if u64::from(pager.pages()) != pages {
            return wrong("pager's pages", pager.pages().into(), "not those of RAM");
        }
        if u64::from(pager.quota()) > self.pool.quota() {
            return wrong("pager's quota", pager.quota().into(), "more than the machine's frames");
        }
        let guard = self.host.register_guard(Rights::WRITE);
        let clean = guard.ok_or(Error::Exhausted { what: "guard", limit: Guard::MAX })?;
        let names = Names::new(PAGER, kept);
        self.holders.name(Arc::clone(&names));
        let pager = Mutex::new(pager.with_names(names));
        self.pager = Some(Box::new(GuestPager { pager, clean, recorder: None, failed: None }));
        for page in self.ram.clone().map(Gfn::new) {
            if let HostEntry::Frame { frame, .. } = self.host.get(page)
                && !frame.is_zero_frame()
            {
                self.with_pager(|pager, space| pager.make_room(space, 1, None))
                    .map_err(|error| source(page, &error))?;
                self.used(page, frame);
            }
        }
        self.broadcast();
        Ok(())
    }

    /// What the pager did, if there is one.
    pub fn pager_counters(&self) -> Option<Counters> {
        self.pager.as_ref().map(|guest| guest.pager.lock().counters())
    }

    /// Looks at what its faults were like, if there is a pager that keeps that.
    pub fn pager_history<T>(&self, look: impl FnOnce(&History) -> T) -> Option<T> {
        self.pager.as_ref().and_then(|guest| guest.pager.lock().history().map(look))
    }

    /// Runs `work` with the pager, if there is one: to change its quota, to look at its pressure.
    pub fn pager<T>(
        &mut self,
        work: impl FnOnce(&mut Pager, &mut dyn vellum_pager::space::Space) -> T,
    ) -> Option<T> {
        self.pager.is_some().then(|| {
            let out = self.with_pager(work);
            self.broadcast();
            out
        })
    }

    /// Records the page of every TLB miss, as a number from RAM's start, until
    /// [`VmMemory::stop_page_trace`]. Needs a pager, whose quota may be all of RAM.
    ///
    /// # Errors
    /// When there is none.
    pub fn record_pages(&mut self, to: Box<dyn Write + Send>) -> Result<(), Error> {
        let Some(guest) = &mut self.pager else {
            return Err(Error::Builder { field: "pager", value: 0, why: "a trace needs one" });
        };
        guest.recorder = Some(Recorder::new(to));
        Ok(())
    }

    /// Ends the recording; how many references were written.
    ///
    /// # Errors
    /// When not all of them could be.
    pub fn stop_page_trace(&mut self) -> std::io::Result<u64> {
        let Some(guest) = &mut self.pager else { return Ok(0) };
        if let Some(error) = guest.failed.take() {
            return Err(error);
        }
        let Some(recorder) = guest.recorder.take() else { return Ok(0) };
        let written = recorder.written();
        recorder.finish().map(|_| written)
    }

    /// Calls the pager, and lets go of what was derived from the entries that it changed.
    fn with_pager<T>(
        &mut self,
        work: impl FnOnce(&mut Pager, &mut dyn vellum_pager::space::Space) -> T,
    ) -> T {
        let guest = self.pager.as_mut().expect("whoever calls has looked");
        let mut moved = Moved::default();
        let mut space = HostSpace {
            host: &mut self.host,
            pool: &self.pool,
            first: Gfn::new(self.ram.start),
            owner: PAGER,
            names: self.holders.names(),
            clean: guest.clean,
            changed: &mut moved,
        };
        let out = work(guest.pager.get_mut(), &mut space);
        for (page, was) in moved.0 {
            self.page_changed(page, was);
        }
        out
    }

    /// A kept root holds frames beside those that the machine may have.
    pub(crate) fn root_fits(&self) -> bool {
        let Some(guest) = &self.pager else { return true };
        let quota = u64::from(guest.pager.lock().quota());
        self.pool.counters().used.saturating_add(quota) <= self.pool.quota()
    }

    /// The host table went back to a kept root: the pager's books follow it.
    ///
    /// # Errors
    /// When the root has more pages than the quota, and those over it can't go.
    pub(crate) fn pager_went_back(&mut self) -> Result<(), Error> {
        if self.pager.is_none() {
            return Ok(());
        }
        for page in self.ram.clone().map(Gfn::new) {
            let stands = match self.host.get(page) {
                HostEntry::Frame { frame, .. } if frame.is_zero_frame() => Stands::Zeros,
                HostEntry::Frame { .. } => Stands::Present,
                HostEntry::Absent { owner: PAGER, token } => Stands::Absent(token),
                HostEntry::Absent { .. } | HostEntry::Hole => continue,
            };
            let number = self.page_no(page);
            let guest = self.pager.as_mut().expect("looked at above");
            self.host.remove_guard(page, guest.clean);
            let told = guest.pager.get_mut().went_back(number, stands);
            told.map_err(|error| source(page, &error))?;
        }
        self.with_pager(|pager, space| pager.make_room(space, 0, None))
            .map_err(|error| source(Gfn::new(self.ram.start), &error))
    }

    fn page_no(&self, page: Gfn) -> PageNo {
        PageNo::new((page.get() - self.ram.start) as u32)
    }

    /// The host grants an access to a page.
    #[inline]
    pub(crate) fn used(&mut self, page: Gfn, frame: FrameId) {
        if self.pager.is_some() && self.ram.contains(&page.get()) {
            self.note_use(page, frame);
        }
    }

    fn note_use(&mut self, page: Gfn, frame: FrameId) {
        let number = self.page_no(page);
        let Some(guest) = &mut self.pager else { return };
        if let Some(recorder) = &mut guest.recorder
            && let Err(error) = recorder.reference(number.get())
        {
            guest.failed.get_or_insert(error);
            guest.recorder = None;
        }
        if !frame.is_zero_frame() {
            guest.pager.get_mut().adopt(number);
        }
    }

    /// A page of the pager's is accessed.
    pub(crate) fn page_in(&mut self, page: Gfn, access: Access) -> Result<(), Error> {
        self.make_room(page)?;
        let number = self.page_no(page);
        let brought = self.with_pager(|pager, space| pager.fault(space, number, access));
        brought.map_err(|error| source(page, &error))?;
        self.counters.pages_brought += 1;
        Ok(())
    }

    /// The first store to a page that is as the pager stored it; whether it may go on.
    pub(crate) fn page_written(&mut self, page: Gfn) -> bool {
        let number = self.page_no(page);
        let allowed = self.with_pager(|pager, space| pager.fault(space, number, Access::Store));
        allowed.is_ok()
    }

    /// A frame is about to be allocated for a page: sees to it that there is one.
    pub(crate) fn make_room(&mut self, page: Gfn) -> Result<(), Error> {
        if self.pager.is_none() {
            return Ok(());
        }
        let number = self.page_no(page);
        let (quota, pool) = (self.pool.quota(), Arc::clone(&self.pool));
        let made = self.with_pager(|pager, space| {
            let incoming = (!pager.is_present(number)).then_some(number);
            pager.make_room(space, 1, incoming)?;
            // Frames that others use count as well.
            while pool.counters().used >= quota && pager.present() > 0 {
                let spare = pager.quota() - pager.present().min(pager.quota());
                pager.make_room(space, spare + 1, incoming)?;
            }
            Ok(())
        });
        made.map_err(|error: PagerError| source(page, &error))
    }

    /// The content of an absent page of the pager's, without bringing it: what a save needs. False
    /// when it is zeros.
    pub(crate) fn stored_page(&self, page: Gfn, into: &mut Page) -> Result<bool, PagerError> {
        match &self.pager {
            Some(guest) => guest.peek(page.get() - self.ram.start, into),
            None => Ok(false),
        }
    }
}

fn source(page: Gfn, error: &PagerError) -> Error {
    Error::Source { owner: "the pager".into(), at: page.base(), why: error.to_string() }
}

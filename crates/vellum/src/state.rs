//! The state of a machine's memory: what its pages hold. Tables, shadows and TLBs are derived, so
//! the same memory has the same state whatever the paging.

use crate::VmMemory;
use crate::pager::PAGER;
use vellum_state::{Error, Reader, State, Writer};
use vellum_translate::host::HostEntry;
use vellum_translate::{Gfn, PAGE_SIZE};

/// Stands for a page that its pager could not give: no page number, so that no restore takes it.
const UNREADABLE: u64 = u64::MAX - 1;

impl VmMemory {
    /// The content of a page; whether it is not all zeros. Absent pages are read
    /// where they are, without being brought, if their owner can do that.
    fn content(&self, page: u64, bytes: &mut [u8; PAGE_SIZE]) -> Result<bool, vellum_pager::Error> {
        let page = Gfn::new(page);
        match self.host.get(page) {
            HostEntry::Frame { frame, .. }
                if !frame.is_zero_frame() && !self.pool.is_all_zero(frame) =>
            {
                self.pool.read(frame, 0, bytes);
                Ok(true)
            }
            HostEntry::Absent { owner: PAGER, .. } => {
                Ok(self.stored_page(page, bytes)? && bytes.iter().any(|&byte| byte != 0))
            }
            HostEntry::Absent { owner, token } => {
                let source =
                    usize::from(owner.0).checked_sub(1).and_then(|at| self.sources.get(at));
                let read = source.is_some_and(|source| source.peek(page, token, bytes));
                Ok(read && bytes.iter().any(|&byte| byte != 0))
            }
            _ => Ok(false),
        }
    }

    /// Pages whose content is with another owner than the pager: they must be brought before a save.
    fn absent_pages(&self) -> Vec<u64> {
        let absent = |&page: &u64| matches!(self.host.get(Gfn::new(page)), HostEntry::Absent { owner, .. } if owner != PAGER);
        self.ram.clone().filter(absent).collect()
    }

    /// Brings every absent page but the pager's, which are saved from where they are, so that [`State::save`] saves everything.
    ///
    /// # Errors
    /// When an owner can't bring a page.
    pub fn bring_all(&mut self) -> Result<(), crate::Error> {
        for page in self.absent_pages() {
            let at = Gfn::new(page).base();
            self.device_frame(at, PAGE_SIZE as u64, vellum_translate::Rights::READ)?;
        }
        Ok(())
    }
}

impl State for VmMemory {
    /// Pages that are all zeros are left out, whether they have a frame or not.
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"VMEM", 1, |w| {
            w.u64(self.ram.start);
            w.u64(self.ram.end);
            let mut bytes = [0; PAGE_SIZE];
            for page in self.ram.clone() {
                match self.content(page, &mut bytes) {
                    Ok(true) => {
                        w.u64(page);
                        w.raw(&bytes);
                    }
                    Ok(false) => {}
                    // What can't be read can't be saved: the restore must see it, never zeros.
                    Err(_) => w.u64(UNREADABLE),
                }
            }
            w.u64(u64::MAX);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"VMEM", 1, |r| {
            for (field, ours) in [("ram.start", self.ram.start), ("ram.end", self.ram.end)] {
                let saved = r.u64()?;
                if saved != ours {
                    let why = "the machine has other memory";
                    return Err(Error::Value { field, value: saved, why });
                }
            }
            self.end_lends();
            self.drop_shadow();
            let mut bytes = [0; PAGE_SIZE];
            let zeros = [0; PAGE_SIZE];
            let mut next = self.ram.start;
            loop {
                let page = r.u64()?;
                let end = if page == u64::MAX { self.ram.end } else { page };
                if end < next || end > self.ram.end || (page != u64::MAX && end == self.ram.end) {
                    let why = "pages are out of order, or outside RAM";
                    return Err(Error::Value { field: "page", value: page, why });
                }
                for gap in next..end {
                    // Only pages that hold something now need to be cleared.
                    let at = Gfn::new(gap);
                    if !matches!(self.host.get(at), HostEntry::Frame { frame, .. } if frame.is_zero_frame())
                    {
                        self.write(at.base(), &zeros).map_err(|_| no_frame(gap))?;
                    }
                }
                if page == u64::MAX {
                    return Ok(());
                }
                r.raw(&mut bytes)?;
                self.write(Gfn::new(page).base(), &bytes).map_err(|_| no_frame(page))?;
                next = page + 1;
            }
        })
    }
}

fn no_frame(page: u64) -> Error {
    Error::Value { field: "page", value: page, why: "the host has no frame for it" }
}

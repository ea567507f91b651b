//! The state of a machine's memory: what its pages hold. Tables, shadows and TLBs are derived, so
//! the same memory has the same state whatever the paging.

use crate::VmMemory;
use vellum_state::{Error, Reader, State, Writer};
use vellum_translate::host::HostEntry;
use vellum_translate::{Gfn, PAGE_SIZE};

impl VmMemory {
    /// The pages that are not all zeros, with their frames. Absent pages are not brought.
    fn written_pages(&self) -> impl Iterator<Item = (u64, vellum_frames::FrameId)> {
        self.ram.clone().filter_map(|page| match self.host.get(Gfn::new(page)) {
            HostEntry::Frame { frame, .. }
                if !frame.is_zero_frame() && !self.pool.is_all_zero(frame) =>
            {
                Some((page, frame))
            }
            _ => None,
        })
    }

    /// Pages whose content is with an owner: they must be brought before a save.
    fn absent_pages(&self) -> Vec<u64> {
        let absent =
            |&page: &u64| matches!(self.host.get(Gfn::new(page)), HostEntry::Absent { .. });
        self.ram.clone().filter(absent).collect()
    }

    /// Brings every absent page, so that [`State::save`] saves everything.
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
            for (page, frame) in self.written_pages() {
                w.u64(page);
                self.pool.read(frame, 0, &mut bytes);
                w.raw(&bytes);
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

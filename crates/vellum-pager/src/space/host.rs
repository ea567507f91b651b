//! The host table of a virtual machine as a space: a missing page is an absent entry, and a fault on
//! it costs no trap of the operating system at all.

use super::{Filled, Save, Space, Write, save_copies};
use crate::{Error, Names, Page, PageNo};
use vellum_frames::{FrameId, FramePool};
use vellum_translate::host::{Guard, HostEntry, HostTable, OwnerId, Token};
use vellum_translate::{Gfn, Rights};

/// Hears of every page whose rights were lowered or whose frame went: derived tables and TLBs must
/// forget it before a hart runs on.
pub trait Changed {
    /// `page`'s entry changed; the frame that was behind it, if it is not any more.
    fn changed(&mut self, host: &mut HostTable, page: Gfn, was: Option<FrameId>);
}

/// Nobody derived anything.
impl Changed for () {
    fn changed(&mut self, _: &mut HostTable, _: Gfn, _: Option<FrameId>) {}
}

/// Pages of a host table, from `first` on. No hart runs while it lives.
#[derive(Debug)]
pub struct HostSpace<'a, C> {
    /// The table.
    pub host: &'a mut HostTable,
    /// The frames behind it.
    pub pool: &'a FramePool,
    /// The page of the table that is page 0 here.
    pub first: Gfn,
    /// The owner that absent pages name; their token is the page's number here, or what `names` says.
    pub owner: OwnerId,
    /// Where roots of the table are kept: the names of absent pages, which the pager and the table have
    /// as well.
    pub names: Option<&'a Names>,
    /// Withholds the right to write a page that is as it was stored.
    pub clean: Guard,
    /// Who hears of changes.
    pub changed: C,
}

impl<C: Changed> HostSpace<'_, C> {
    fn gfn(&self, page: PageNo) -> Gfn {
        self.first.plus(u64::from(page.get()))
    }

    fn frame(&self, page: PageNo, what: &'static str) -> Result<FrameId, Error> {
        match self.host.get(self.gfn(page)) {
            HostEntry::Frame { frame, .. } => Ok(frame),
            entry => Err(Error::Space { what, page, why: format!("its entry is {entry:?}") }),
        }
    }

    /// An entry that was there is there no more.
    fn unname(&self, entry: HostEntry) {
        if let Some(names) = self.names {
            names.release(entry);
        }
    }

    /// Puts an entry where the page was absent. The guard is the page's, not the frame's: a page of
    /// zeros that is written gets a frame of its own first, and is then found to be clean.
    fn place(&mut self, page: PageNo, entry: HostEntry, writable: bool) {
        let gfn = self.gfn(page);
        let absent = self.host.replace(gfn, entry);
        self.unname(absent);
        if writable {
            self.host.remove_guard(gfn, self.clean);
        } else {
            self.host.add_guard(gfn, self.clean);
        }
    }

    fn remove(&mut self, page: PageNo, what: &'static str) -> Result<(), Error> {
        let gfn = self.gfn(page);
        let absent = match self.names {
            Some(names) => names.entry(page),
            None => HostEntry::Absent { owner: self.owner, token: token(page) },
        };
        match self.host.replace(gfn, absent) {
            HostEntry::Frame { frame, .. } => {
                self.host.remove_guard(gfn, self.clean);
                self.changed.changed(self.host, gfn, Some(frame));
                self.pool.release(frame);
                Ok(())
            }
            entry => {
                let absent = self.host.replace(gfn, entry);
                self.unname(absent);
                Err(Error::Space { what, page, why: format!("its entry is {entry:?}") })
            }
        }
    }
}

fn token(page: PageNo) -> Token {
    Token::new(page.get().into()).expect("32 bits fit in 48")
}

fn no_frame(page: PageNo) -> impl Fn(vellum_frames::Error) -> Error {
    move |error| Error::Space { what: "filling", page, why: error.to_string() }
}

impl<C: Changed> Space for HostSpace<'_, C> {
    fn fill(&mut self, page: PageNo, writable: bool, write: Write<'_>) -> Result<Filled, Error> {
        if matches!(self.host.get(self.gfn(page)), HostEntry::Frame { .. }) {
            return Ok(Filled::Already);
        }
        let frame =
            self.pool.allocate_filled(|content| write(content)).map_err(no_frame(page))??;
        self.place(page, HostEntry::Frame { frame, rights: Rights::all() }, writable);
        Ok(Filled::Done)
    }

    /// The shared frame of zeros: it costs no frame until it is written, whoever writes it.
    fn fill_zero(&mut self, page: PageNo, writable: bool) -> Result<Filled, Error> {
        if matches!(self.host.get(self.gfn(page)), HostEntry::Frame { .. }) {
            return Ok(Filled::Already);
        }
        self.place(page, HostEntry::ZERO, writable);
        Ok(Filled::Done)
    }

    fn allow_writes(&mut self, page: PageNo) -> Result<(), Error> {
        self.host.remove_guard(self.gfn(page), self.clean);
        Ok(())
    }

    fn forbid_writes(&mut self, page: PageNo) -> Result<(), Error> {
        let gfn = self.gfn(page);
        if self.host.add_guard(gfn, self.clean) {
            self.changed.changed(self.host, gfn, None);
        }
        Ok(())
    }

    fn read(&mut self, page: PageNo, into: &mut Page) -> Result<(), Error> {
        let frame = self.frame(page, "reading")?;
        self.pool.read(frame, 0, into);
        Ok(())
    }

    fn take(
        &mut self,
        pages: &[PageNo],
        room: &mut Vec<Page>,
        save: Save<'_>,
    ) -> Result<(), Error> {
        save_copies(pages, room, save, |page, copy| self.read(page, copy))?;
        for &page in pages {
            self.remove(page, "taking")?;
        }
        Ok(())
    }

    fn discard(&mut self, page: PageNo) -> Result<(), Error> {
        self.remove(page, "discarding")
    }

    /// Pinned by a device. A page whose frame a kept root has as well may go: that frame stays, but the
    /// running machine has one page fewer.
    fn is_held(&self, page: PageNo) -> bool {
        let gfn = self.gfn(page);
        self.host.is_pinned(gfn) || !matches!(self.host.get(gfn), HostEntry::Frame { .. })
    }
}

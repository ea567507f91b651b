//! The host table of a virtual machine as a space: a missing page is an absent entry, and a fault on
//! it costs no trap of the operating system at all.

use super::{Filled, Save, Space, Write};
use crate::{Error, Names, PAGE, Page, PageNo};
use vellum_frames::{FrameId, FramePool, Withdrawn};
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

impl<'a, C: Changed> HostSpace<'a, C> {
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

    /// What stands for a page that is in the store, as it is there now.
    fn absent(&self, page: PageNo) -> HostEntry {
        match self.names {
            Some(names) => names.entry(page),
            None => HostEntry::Absent { owner: self.owner, token: token(page) },
        }
    }

    /// Puts `instead` where a present page was; its frame, whose reference is the caller's now, its rights,
    /// and whether writes to it were withheld as to a clean page.
    fn remove(
        &mut self,
        page: PageNo,
        instead: HostEntry,
        what: &'static str,
    ) -> Result<(FrameId, Rights, bool), Error> {
        let gfn = self.gfn(page);
        match self.host.replace(gfn, instead) {
            HostEntry::Frame { frame, rights } => {
                let clean = self.host.remove_guard(gfn, self.clean);
                self.changed.changed(self.host, gfn, Some(frame));
                Ok((frame, rights, clean))
            }
            entry => {
                let instead = self.host.replace(gfn, entry);
                self.unname(instead);
                Err(Error::Space { what, page, why: format!("its entry is {entry:?}") })
            }
        }
    }

    /// Lifts a present page out of the table: a hole is there until it is gone or back. Where its frame
    /// can't be looked at where it is, `copy` has its content.
    fn lift(
        &mut self,
        page: PageNo,
        copy: impl FnOnce(&FramePool, FrameId),
    ) -> Result<Lifted<'a>, Error> {
        let (frame, rights, clean) = self.remove(page, HostEntry::Hole, "taking")?;
        let pool = self.pool;
        let frame = pool.withdraw(frame).ok_or(frame);
        if let Err(frame) = frame {
            copy(pool, frame);
        }
        Ok(Lifted { frame, rights, clean })
    }

    /// The usual fault takes one page: nothing is allocated for it.
    fn take_one(
        &mut self,
        page: PageNo,
        room: &mut Vec<Page>,
        save: Save<'_>,
    ) -> Result<(), Error> {
        let one = self.lift(page, |pool, frame| {
            if room.is_empty() {
                room.push([0; PAGE]);
            }
            pool.read(frame, 0, &mut room[0]);
        })?;
        let content = one.frame.as_ref().map_or_else(|_| &room[0], Withdrawn::bytes);
        match save(&[(page, content)]) {
            Ok(()) => {
                self.drop_lifted(page, one);
                Ok(())
            }
            Err(error) => {
                self.put_back(page, one);
                Err(error.into())
            }
        }
    }

    /// A lifted page is in the store.
    fn drop_lifted(&mut self, page: PageNo, lifted: Lifted<'_>) {
        let absent = self.absent(page);
        let _hole = self.host.replace(self.gfn(page), absent);
        if let Err(frame) = lifted.frame {
            self.pool.release(frame);
        }
    }

    /// A lifted page stays after all.
    fn put_back(&mut self, page: PageNo, lifted: Lifted<'_>) {
        let gfn = self.gfn(page);
        let frame = lifted.frame.map_or_else(|frame| frame, Withdrawn::keep);
        let _hole = self.host.replace(gfn, HostEntry::Frame { frame, rights: lifted.rights });
        if lifted.clean {
            self.host.add_guard(gfn, self.clean);
        }
    }
}

/// A page on its way out: its frame, to be looked at where it is, or by its number alone.
#[derive(Debug)]
struct Lifted<'a> {
    frame: Result<Withdrawn<'a>, FrameId>,
    rights: Rights,
    clean: bool,
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
        if let [page] = *pages {
            return self.take_one(page, room, save);
        }
        let mut lifted = Vec::with_capacity(pages.len());
        let mut result = Ok(());
        for (at, &page) in pages.iter().enumerate() {
            let one = self.lift(page, |pool, frame| {
                if room.len() <= at {
                    room.resize(at + 1, [0; PAGE]);
                }
                pool.read(frame, 0, &mut room[at]);
            });
            match one {
                Ok(one) => lifted.push(one),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if result.is_ok() {
            let look =
                |at: usize| lifted[at].frame.as_ref().map_or_else(|_| &room[at], Withdrawn::bytes);
            let views = pages.iter().enumerate().map(|(at, &page)| (page, look(at)));
            result = save(&views.collect::<Vec<_>>()).map_err(Error::from);
        }
        for (&page, one) in pages.iter().zip(lifted) {
            match result {
                Ok(()) => self.drop_lifted(page, one),
                Err(_) => self.put_back(page, one),
            }
        }
        result
    }

    fn discard(&mut self, page: PageNo) -> Result<(), Error> {
        let absent = self.absent(page);
        let (frame, ..) = self.remove(page, absent, "discarding")?;
        // The next page that comes gets it.
        self.pool.prefetch_to_write(frame);
        self.pool.release(frame);
        Ok(())
    }

    /// Pinned by a device. A page whose frame a kept root has as well may go: that frame stays, but the
    /// running machine has one page fewer.
    fn is_held(&self, page: PageNo) -> bool {
        let gfn = self.gfn(page);
        self.host.is_pinned(gfn) || !matches!(self.host.get(gfn), HostEntry::Frame { .. })
    }
}

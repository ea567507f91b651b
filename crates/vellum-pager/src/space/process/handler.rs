//! The thread that answers faults.

use super::map::Map;
use super::order::{catch_up, removals};
use super::sys::Uffd;
use super::{PAGE, PageNo, ProcessSpace, Right};
use crate::{Error, Pager};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::ops::Range;
use std::sync::Arc;

/// Times that one access is started again, because pages were removed meanwhile.
const TRIES: u32 = 10_000;

/// What the thread and the program share.
pub(super) struct Shared {
    pub(super) paged: Mutex<(Pager, Box<dyn ProcessSpace>)>,
    uffd: Arc<Uffd>,
    pub(super) stop: OwnedFd,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("uffd", &self.uffd).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(
        pager: Pager,
        space: Box<dyn ProcessSpace>,
        uffd: Arc<Uffd>,
        stop: OwnedFd,
    ) -> Self {
        Shared { paged: Mutex::new((pager, space)), uffd, stop }
    }

    /// Answers until it is told to stop.
    pub(super) fn run(&self) {
        let mut messages = Vec::new();
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.uffd.fd(), PollFlags::IN),
                PollFd::new(&self.stop, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            if !fds[1].revents().is_empty() {
                return;
            }
            if self.uffd.read(|message| messages.push(message)).is_err() {
                return;
            }
            let mut paged = self.paged.lock();
            let (pager, space) = &mut *paged;
            space.waiting().append(&mut messages);
            catch_up(pager, &mut **space);
            // Off the way of whoever waited; what fails here fails again where somebody waits.
            let _ = pager.balance(&mut **space);
            catch_up(pager, &mut **space);
        }
    }

    /// Makes a page present, with the right to `access`, and does `work` while it is.
    pub(super) fn reach(
        &self,
        page: PageNo,
        access: Right,
        work: impl FnOnce(&dyn ProcessSpace),
    ) -> Result<(), Error> {
        let mut paged = self.paged.lock();
        let (pager, space) = &mut *paged;
        let mut result = Err(Error::Interrupted { page });
        for _ in 0..TRIES {
            removals(pager, &mut **space);
            if pager.is_lost(page) {
                let why = "an access to it has failed, and it was not discarded since".into();
                result = Err(Error::Lost { page, why });
                break;
            }
            if pager.may(page, access) {
                pager.touch(page);
                result = Ok(());
                break;
            }
            match pager.fault(&mut **space, page, access) {
                Ok(_) | Err(Error::Interrupted { .. }) => {}
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if result.is_ok() {
            work(&**space);
        }
        catch_up(pager, &mut **space);
        result
    }

    /// Drops pages without a message: they are moved away. One that was poisoned can only be dropped
    /// by the kernel, whose message the other thread reads.
    pub(super) fn discard(&self, map: &Map, pages: Range<u32>) -> Result<(), Error> {
        let all = (map.len() / PAGE) as u32;
        if pages.start > pages.end || pages.end > all {
            return Err(Error::Outside { page: PageNo::new(pages.end), pages: all });
        }
        let mut poisoned = Vec::new();
        let mut paged = self.paged.lock();
        let (pager, space) = &mut *paged;
        let mut result = Ok(());
        for page in pages.map(PageNo::new) {
            if pager.is_lost(page) {
                poisoned.push(page);
            } else if pager.is_present(page) {
                result = result.and(space.discard(page));
            }
            result = result.and(pager.removed(page.get()..page.get() + 1));
        }
        catch_up(pager, &mut **space);
        drop(paged);
        for page in poisoned {
            let dropped = map.drop_pages(page.get(), 1);
            result = result.and(dropped.map_err(super::refused("dropping", page)));
        }
        result
    }
}

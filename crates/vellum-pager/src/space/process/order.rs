//! The order in which messages are handled.
//!
//! A removal is announced by a message and takes effect after that was read; until then nothing can
//! be placed (`EAGAIN`). But the kernel hands out faults before removals, so a fault that was there
//! first, or that came while the other waited, may be read before the removal that concerns its page.
//! So removals at hand are carried out before faults at hand; a fault that finds another removal
//! announced in the midst reads that first, and starts again with what the pages are then. What this
//! module does holds under every interleaving that `interleavings.rs` tries.

use super::sys::Message;
use super::{PAGE, PageNo, ProcessSpace, Right};
use crate::space::Filled;
use crate::{Error, Pager, Resolved};

/// Times that one fault is started again before it counts as failed.
const TRIES: u32 = 10_000;

/// Handles all messages at hand, removals first.
pub(super) fn catch_up(pager: &mut Pager, space: &mut dyn ProcessSpace) {
    while !space.waiting().is_empty() {
        removals(pager, space);
        let waiting = space.waiting();
        let Some(at) = waiting.iter().position(|m| matches!(m, Message::Fault { .. })) else {
            waiting.clear();
            return;
        };
        if let Message::Fault { address, write, protected } = waiting.remove(at) {
            let page = (address.saturating_sub(space.base()) / PAGE as u64) as u32;
            let access = if write { Right::Store } else { Right::Load };
            answer(pager, space, PageNo::new(page), access, protected);
        }
    }
}

/// Carries out the removals at hand.
///
/// The kernel drops the pages some time after their message was read. Whoever faults in between must
/// not find the old content, nor may it be evicted into the store: so it goes here and now.
pub(super) fn removals(pager: &mut Pager, space: &mut dyn ProcessSpace) {
    let base = space.base();
    let page = |at: u64| (at.saturating_sub(base) / PAGE as u64) as u32;
    let mut ranges = Vec::new();
    space.waiting().retain(|message| {
        let Message::Remove { start, end } = *message else { return true };
        ranges.push(page(start)..page(end).min(pager.pages()));
        false
    });
    for range in ranges {
        for page in range.clone().map(PageNo::new).filter(|&page| pager.is_present(page)) {
            // What can't be dropped here, the kernel drops.
            let _ = space.discard(page);
        }
        // A store that can't be told keeps pages that nobody will ask for.
        let _ = pager.removed(range);
    }
}

/// Answers one fault: whoever waits goes on, or gets an error.
fn answer(
    pager: &mut Pager,
    space: &mut dyn ProcessSpace,
    page: PageNo,
    access: Right,
    protected: bool,
) {
    for _ in 0..TRIES {
        match try_answer(pager, space, page, access, protected) {
            Err(Error::Interrupted { .. }) => removals(pager, space),
            Ok(()) => return,
            Err(_) => break,
        }
    }
    // The reader hears of it, as of memory that fails. Where the kernel can't tell it so, or the page
    // is there and only must not be written, it goes on waiting: never a page of zeros.
    for _ in 0..TRIES {
        match space.poison(page) {
            Err(Error::Interrupted { .. }) => removals(pager, space),
            Ok(true) if !pager.is_present(page) => {
                pager.mark_lost(page);
                let _ = space.wake(page);
                return;
            }
            _ => return,
        }
    }
}

fn try_answer(
    pager: &mut Pager,
    space: &mut dyn ProcessSpace,
    page: PageNo,
    access: Right,
    protected: bool,
) -> Result<(), Error> {
    if pager.is_lost(page) {
        return space.wake(page);
    }
    if pager.is_present(page) && !protected {
        // Either a second thread waited for the page that was brought for a first one, or somebody
        // dropped it without a message.
        let writable = pager.may(page, Right::Store);
        if space.confirm(page, writable)? == Filled::Done {
            // Zeros are there now, and whoever waited may have written them already: from here on the
            // pager knows the page, in the same step, so that a removal announced next drops it. A
            // store that can't be told keeps a page that nobody will ask for.
            let _ = pager.removed(page.get()..page.get() + 1);
            pager.adopt(page);
            return Ok(());
        }
    }
    if pager.fault(&mut *space, page, access)? == Resolved::Present {
        space.wake(page)?;
    }
    Ok(())
}

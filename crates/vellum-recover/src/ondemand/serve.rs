//! The thread that answers faults: who waits comes first, then the working set, then the rest.

use super::{Fetch, PageSource, Shared, SourceError};
use crate::memory::PAGE;
use crate::store::{describe, lock};
use crate::uffd::{Uffd, wait};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(super) fn run(uffd: &Uffd, shared: &Shared, mut source: impl PageSource, fetch: Fetch) {
    let served = catch_unwind(AssertUnwindSafe(|| serve(uffd, shared, &mut source, fetch)));
    let why = match served {
        Ok(Ok(())) => return,
        Ok(Err(error)) => describe(&*error),
        Err(_) => "the source of pages panicked".to_owned(),
    };
    // The reason first: whoever is woken looks for it.
    let mut board = lock(&shared.board);
    board.failed = Some(why);
    let missing: Vec<u64> =
        (0..board.there.len()).filter(|page| !board.there[*page]).map(|page| page as u64).collect();
    drop(board);
    shared.changed.notify_all();
    for page in missing {
        // There is nobody left to tell when this fails; closing the descriptor wakes the rest.
        let _ = uffd.poison(page);
    }
}

/// Until all pages are there, or the memory is dropped.
fn serve(
    uffd: &Uffd,
    shared: &Shared,
    source: &mut impl PageSource,
    fetch: Fetch,
) -> Result<(), SourceError> {
    let mut first = fetch.first.into_iter();
    let mut rest = 0..if fetch.rest { lock(&shared.board).there.len() as u64 } else { 0 };
    let mut bytes = vec![0; PAGE];
    loop {
        let faulted = uffd.next()?;
        let (page, touched) = {
            let mut board = lock(&shared.board);
            if board.missing == 0 && faulted.is_none() {
                drop(board);
                // The memory is whole, whatever the source says to that.
                let _ = source.done();
                return Ok(());
            }
            if board.stop {
                return Ok(());
            }
            match faulted.or_else(|| board.wanted.pop_front()) {
                Some(page) => (Some(page), true),
                None => (first.next().or_else(|| rest.next()), false),
            }
        };
        let Some(page) = page else {
            wait(uffd, &shared.bell)?;
            continue;
        };
        bring(uffd, shared, source, page, touched, &mut bytes)?;
    }
}

fn bring(
    uffd: &Uffd,
    shared: &Shared,
    source: &mut impl PageSource,
    page: u64,
    touched: bool,
    bytes: &mut [u8],
) -> Result<(), SourceError> {
    {
        let mut board = lock(&shared.board);
        match board.there.get(page as usize) {
            None => return Ok(()),
            // Two touched it at once; the second still waits.
            Some(true) => return Ok(uffd.wake(page..page + 1)?),
            Some(false) => {}
        }
        // Before it is there: whoever touched it may look at the set next.
        if touched {
            board.touched.push(page);
        }
    }
    source.read_page(page, bytes)?;
    uffd.fill(page, bytes)?;
    let mut board = lock(&shared.board);
    board.there[page as usize] = true;
    board.missing -= 1;
    drop(board);
    shared.changed.notify_all();
    Ok(())
}

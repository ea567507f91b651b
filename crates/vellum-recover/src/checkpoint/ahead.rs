//! Increments with a short pause: what was written is copied ahead, while the owner writes on, and
//! the pause copies what was written since. This is the pre-copy of live migration (Clark et al.,
//! NSDI 2005) with an image for a receiver.
//!
//! 1. *Pass*: list the written pages and protect them again, then copy them, by way of the kernel. In
//!    this order: a page that is written during the copy, or after it, is in the next list. So what a
//!    pass copies may be old or torn, but then somebody knows.
//! 2. *Pause*: the owner stands still. List what was written since the last pass, and copy it.
//! 3. Behind the pause the pages that it listed are protected again, which is dearer than listing them:
//!    what differs from its copy by then was written in between, and the next increment has it.
//! 4. The later copies take the place of the earlier ones: the memory as it was in the pause.

use super::Captured;
use crate::error::Error;
use crate::stats::micros;
use crate::track::{Shared, Tracked};
use std::io;
use std::ops::DerefMut;
use std::sync::Arc;

/// How an increment is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncrementOptions {
    /// Passes ahead of the pause; 0 copies everything in the pause.
    pub passes: u32,
}

impl Default for IncrementOptions {
    /// One pass.
    fn default() -> Self {
        Self { passes: 1 }
    }
}

/// What an increment took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IncrementReport {
    /// Pages copied ahead of the pause.
    pub ahead: u64,
    /// Pages copied in the pause.
    pub in_pause: u64,
    /// Of these, pages that had been copied ahead and were written again.
    pub again: u64,
    /// The pause, in microseconds: from when the owner stood still until it was let go.
    pub pause_us: u64,
}

/// Takes increments of a [`Tracked`] memory, from any thread, while its owner writes.
///
/// It lists pages that it takes from [`Tracked::take_dirty`]: use one or the other. With
/// [`Capture::Hash`](crate::Capture::Hash) nothing can be copied ahead, and all is done in the pause.
///
/// ```
/// use std::sync::{Mutex, PoisonError};
/// use vellum_recover::{Tracked, checkpoint::{IncrementOptions, Increments}};
///
/// let memory = Mutex::new(Tracked::new(1 << 20, None)?);
/// let hold = || memory.lock().unwrap_or_else(PoisonError::into_inner);
/// let mut increments = Increments::of(&hold(), IncrementOptions::default());
/// hold().bytes_mut()[5000] = 1;
/// // The owner may go on; it stands still while somebody else has the lock.
/// let (captured, (), report) = increments.take(|| (hold(), ()))?;
/// assert_eq!((captured.len(), report.ahead + report.in_pause - report.again), (1, 1));
/// # Ok::<(), vellum_recover::Error>(())
/// ```
#[derive(Debug)]
pub struct Increments {
    shared: Arc<Shared>,
    options: IncrementOptions,
    /// What was copied ahead.
    captured: Captured,
    /// What the pause copies: kept, so that its memory need not be faulted in during a pause.
    late: Captured,
    /// `captured` was handed out: the next pass begins anew.
    taken: bool,
    ahead: u64,
}

impl Increments {
    /// Of this memory. Memory: a copy of the pages written since the last increment, and one of those
    /// written between a pass and the pause.
    pub fn of(memory: &Tracked, options: IncrementOptions) -> Self {
        let shared = memory.shared().clone();
        let (captured, late) = (Captured::default(), Captured::default());
        Self { shared, options, captured, late, taken: true, ahead: 0 }
    }

    /// One pass ahead: copies what was written, while the owner writes. [`Increments::take`] does as
    /// many as the options say; more of them leave less to the pause. Gives the pages copied.
    ///
    /// # Errors
    /// When the kernel refuses; nothing is lost, the next pass or the pause copies it.
    pub fn pass(&mut self) -> Result<u64, Error> {
        self.begin();
        let dirty = self.shared.take_dirty()?;
        let pages: Vec<u64> = dirty.iter().cloned().flatten().collect();
        let first = self.captured.is_empty();
        let target = if first { &mut self.captured } else { &mut self.late };
        let shared = &self.shared;
        let copied = target.refill(&pages, |out| shared.read_pages(&pages, out));
        if let Err(error) = copied {
            target.clear(self.shared.pages());
            self.shared.owe(dirty);
            return Err(error);
        }
        if !first {
            self.captured.put(&pages, self.late.bytes());
        }
        self.ahead += pages.len() as u64;
        Ok(pages.len() as u64)
    }

    /// Takes the pages written since the last increment, as they are in the pause: `stop` makes the
    /// owner stand still and gives its memory (a lock's guard, or the owner's own handle) and whatever
    /// else has to fit. The owner is let go when what it gave is dropped, before this returns.
    ///
    /// # Errors
    /// When the kernel refuses, or `stop` gives another memory. What was listed stays owed: the next
    /// call copies it.
    pub fn take<G: DerefMut<Target = Tracked>, T>(
        &mut self,
        stop: impl FnOnce() -> (G, T),
    ) -> Result<(&Captured, T, IncrementReport), Error> {
        self.begin();
        for _ in 0..self.options.passes {
            self.pass()?;
        }
        let (owner, value) = stop();
        let mut outcome = Ok(true);
        let pause_us = micros(|| outcome = self.pause(owner));
        if !outcome? {
            self.shared.arm_after(self.late.pages(), self.late.bytes());
        }
        let late = self.late.pages().iter();
        let known = self.captured.pages();
        let again = late.filter(|page| known.binary_search(page).is_ok()).count() as u64;
        let in_pause = self.late.len() as u64;
        self.taken = true;
        let report = IncrementReport { ahead: self.ahead, in_pause, again, pause_us };
        if self.captured.is_empty() {
            return Ok((&self.late, value, report));
        }
        self.captured.put(self.late.pages(), self.late.bytes());
        Ok((&self.captured, value, report))
    }

    fn begin(&mut self) {
        if std::mem::take(&mut self.taken) {
            self.captured.clear(self.shared.pages());
            self.ahead = 0;
        }
    }

    /// All that the owner waits for; it goes on when `owner` is dropped, at the end. Gives whether
    /// tracking has begun anew.
    fn pause(&mut self, mut owner: impl DerefMut<Target = Tracked>) -> Result<bool, Error> {
        if !Arc::ptr_eq(owner.shared(), &self.shared) {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is another memory");
            return Err(Error::Memory { what: "an increment", source });
        }
        let dirty = owner.list_in_pause()?;
        self.late.take_again(&*owner, &dirty.runs);
        Ok(dirty.armed)
    }
}

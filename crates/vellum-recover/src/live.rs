//! Memory whose owner writes as it likes, and knows nothing of the snapshots that are taken of it.
//!
//! A snapshot beside a running owner, as QEMU's background snapshot takes it (userfaultfd, write
//! protection, synchronous), with a pause that depends on what the owner writes and not on how much
//! memory there is:
//!
//! 1. *Arm*: the right to write is taken from all pages, a few at a time, while the owner runs. Whoever
//!    writes faults, gets the right back at once, and the page counts as *open*.
//! 2. *Rounds*: the open pages are closed again, until there are few.
//! 3. *Cut*: no fault is answered while the last open pages are closed. Now no page can change: this
//!    instant is what the snapshot shows. The pause is this step.
//! 4. *Copy*: a write to a closed page first saves the page (copy on write of pre-images); a thread
//!    saves the others, and opens them.
//!
//! Pages are read by the kernel (`process_vm_readv`), because to this program they are the owner's.

#![expect(unsafe_code, reason = "the owner's slice of its mapping")]

mod take;

use crate::checkpoint::Snapshot;
use crate::error::Error;
use crate::memory::{Mapping, PAGE};
use crate::store::lock;
use crate::uffd::{self, FEATURE_WP, FEATURE_WP_UNPOPULATED, Mode, Uffd};
use rustix::fd::OwnedFd;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
pub use take::{LiveSnapshots, SnapshotReport};

/// The owner's side: bytes to read and to write at any time.
#[derive(Debug)]
pub struct LiveMemory {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    memory: Arc<Mapping>,
    uffd: Uffd,
    state: Mutex<State>,
    /// One snapshot at a time.
    taking: Mutex<()>,
    bell: OwnedFd,
}

#[derive(Debug)]
struct State {
    /// Whether the owner may write to a page without a fault.
    open: Vec<bool>,
    /// Pages opened by a fault since they were last counted.
    opened: Vec<u64>,
    /// The snapshot that is being taken, behind its cut.
    snapshot: Option<Snapshot>,
    /// A page could not be saved before it was opened.
    failed: Option<io::Error>,
    stop: bool,
}

impl LiveMemory {
    /// Maps `len` bytes (rounded up to pages) of zeros, and gives what takes snapshots of them.
    ///
    /// # Errors
    /// When memory or a thread can't be had, or the kernel has no userfaultfd with write protection
    /// (Linux 6.4 for pages that don't exist yet).
    pub fn new(len: usize) -> Result<(Self, LiveSnapshots), Error> {
        let failed = |source| Error::Memory { what: "memory for live snapshots", source };
        let memory = Arc::new(Mapping::new(len).map_err(failed)?);
        let features = FEATURE_WP | FEATURE_WP_UNPOPULATED;
        let uffd = Uffd::new(&memory, features, Mode::WriteProtect).map_err(failed)?;
        let state = State {
            open: vec![true; memory.len() / PAGE],
            opened: Vec::new(),
            snapshot: None,
            failed: None,
            stop: false,
        };
        let bell = uffd::bell().map_err(failed)?;
        let (state, taking) = (Mutex::new(state), Mutex::new(()));
        let shared = Arc::new(Shared { memory, uffd, state, taking, bell });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("vellum-live".to_owned())
            .spawn(move || answer(&theirs))
            .map_err(failed)?;
        let snapshots = LiveSnapshots { shared: shared.clone() };
        Ok((Self { shared, thread: Some(thread) }, snapshots))
    }
}

impl Deref for LiveMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: this is the only handle that reads or writes the memory by its address, and
        // writing takes `&mut self`.
        unsafe { self.shared.memory.slice(0..self.shared.memory.len()) }
    }
}

impl DerefMut for LiveMemory {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed for writing. Snapshots read through the kernel.
        unsafe { self.shared.memory.slice_mut(0..self.shared.memory.len()) }
    }
}

impl Drop for LiveMemory {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        uffd::ring(&self.shared.bell);
        if let Some(thread) = self.thread.take() {
            // It panics only when the kernel takes back what it had granted.
            let _ = thread.join();
        }
    }
}

/// Answers the owner's faults until the owner is gone.
fn answer(shared: &Shared) {
    let mut bytes = vec![0; PAGE];
    loop {
        let page = match shared.uffd.next() {
            Ok(Some(page)) => page,
            Ok(None) => {
                if lock(&shared.state).stop || uffd::wait(&shared.uffd, &shared.bell).is_err() {
                    return;
                }
                continue;
            }
            Err(_) => return,
        };
        shared.let_through(&mut lock(&shared.state), page, &mut bytes);
    }
}

impl Shared {
    /// Saves a page if need be, and lets the owner write to it.
    fn let_through(&self, state: &mut State, page: u64, bytes: &mut [u8]) {
        self.save(state, page, bytes);
        // A refusal would leave the owner waiting; there is none for a page of the mapping.
        if let Err(error) = self.uffd.protect(&(page..page + 1), false) {
            state.failed.get_or_insert(error);
        }
        if !std::mem::replace(&mut state.open[page as usize], true) {
            state.opened.push(page);
        }
    }

    /// Lets all through who wait now: whoever takes a snapshot calls it between two steps, because
    /// the thread that does nothing else may not get a turn in time.
    fn let_all_through(&self, state: &mut State, bytes: &mut [u8]) -> io::Result<()> {
        while let Some(page) = self.uffd.next()? {
            self.let_through(state, page, bytes);
        }
        Ok(())
    }

    /// Saves a closed page before it is opened, if a snapshot wants it.
    fn save(&self, state: &mut State, page: u64, bytes: &mut [u8]) {
        let State { snapshot: Some(snapshot), failed, .. } = state else { return };
        if snapshot.is_safe(page) {
            return;
        }
        match self.memory.copy_out(page as usize * PAGE, bytes) {
            Ok(()) => snapshot.before_write(page, bytes),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
}

//! The crash double: a storage that keeps *live* and *durable* apart, so that power can be cut at
//! every operation and everything that the cut may leave behind can be tried.
//!
//! A program runs over a [`CrashDisk`], which records what it did. [`CrashDisk::cuts`] then goes
//! through the record; at each point [`Cut::images`] gives the states that a power cut there may
//! leave, each a fresh [`CrashDisk`] to recover from. The model of the medium (see [`crate::storage`]):
//!
//! - every 512-byte sector that was written since its file's last sync holds any one of the
//!   contents it has had since then, independently of every other sector: this is every subset,
//!   every reordering and every tear of the writes, and nothing that isn't one of those;
//! - a file's length is any it has had since its last sync;
//! - every creation, rename and removal since the last sync of the directory happened or not,
//!   independently, each atomically.
//!
//! Errors can be planted too ([`Fault`]). After a failed sync the sectors are *clean but not
//! durable*, as Linux leaves them: a later sync that succeeds does not write them.

mod image;
mod model;

use crate::storage::{File, LockGuard, SECTOR, Storage};
pub use image::{Cut, Cuts, Images};
use model::{Ino, Medium, Op};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An error to plant: the `at`-th operation (counted from 0 over writes, syncs and changes of
/// names) fails with `kind`, and with `forever` so do all after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operation.
    pub at: u64,
    /// What it fails with: `StorageFull`, `PermissionDenied`, `Other` (an I/O error)…
    pub kind: io::ErrorKind,
    /// Whether later operations fail as well.
    pub forever: bool,
}

#[derive(Debug, Default)]
struct Shared {
    medium: Medium,
    /// What was done, for [`CrashDisk::cuts`]; the state before is `start`.
    ops: Vec<Op>,
    start: Medium,
    fault: Option<Fault>,
    full: bool,
    done: u64,
    locked: bool,
}

/// A storage in memory that can lose what was not synced. Clones share the same medium.
#[derive(Debug, Clone, Default)]
pub struct CrashDisk {
    shared: Arc<Mutex<Shared>>,
}

impl CrashDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(medium: Medium) -> Self {
        let shared = Shared { start: medium.clone(), medium, ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plants an error, in place of any planted before.
    pub fn plant(&self, fault: Option<Fault>) {
        self.shared().fault = fault;
    }

    /// Whether the disk has no room: then files are neither made nor grown (`StorageFull`), and the
    /// bytes that they have can be overwritten.
    pub fn fill(&self, full: bool) {
        self.shared().full = full;
    }

    /// Operations that changed or synced something so far: the number of points to cut power at.
    pub fn operations(&self) -> u64 {
        self.shared().done
    }

    /// All points at which power can be cut, in order, from before the first recorded operation to
    /// after the last.
    pub fn cuts(&self) -> Cuts {
        let shared = self.shared();
        Cuts::new(shared.start.clone(), shared.ops.clone())
    }

    /// Forgets the record so far: the state now, live as it is, becomes the start of [`Self::cuts`].
    pub fn forget_record(&self) {
        let mut shared = self.shared();
        shared.start = shared.medium.clone();
        shared.ops.clear();
    }

    /// A disk as it would be if nothing was lost: everything live is durable. The record is empty.
    pub fn settled(&self) -> Self {
        Self::with(self.shared().medium.settled())
    }

    /// The bytes of a file as a reader sees them now.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let shared = self.shared();
        let ino = shared.medium.names.get(name)?;
        Some(shared.medium.files[ino].live.clone())
    }

    /// Overwrites bytes of a file beneath the user of the disk, durably: damage, not a write.
    pub fn damage(&self, name: &str, offset: usize, change: impl FnOnce(&mut [u8])) {
        let mut shared = self.shared();
        let Some(ino) = shared.medium.names.get(name).copied() else { return };
        shared.medium.damage(ino, offset, change);
        shared.start = shared.medium.clone();
        shared.ops.clear();
    }

    fn apply(&self, op: Op) -> io::Result<()> {
        let mut shared = self.shared();
        let at = shared.done;
        shared.done += 1;
        if shared.full && shared.medium.grows(&op) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(fault) = shared.fault
            && (fault.at == at || (fault.forever && at > fault.at))
        {
            if let Op::Sync(ino) = op {
                shared.medium.apply(&Op::LostSync(ino));
                shared.ops.push(Op::LostSync(ino));
            }
            return Err(fault.kind.into());
        }
        shared.medium.apply(&op);
        shared.ops.push(op);
        Ok(())
    }
}

#[derive(Debug)]
struct CrashFile {
    disk: CrashDisk,
    ino: Ino,
}

#[derive(Debug)]
struct CrashLock(CrashDisk);

impl LockGuard for CrashLock {}

impl Drop for CrashLock {
    fn drop(&mut self) {
        self.0.shared().locked = false;
    }
}

impl Storage for CrashDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let ino = {
            let shared = self.shared();
            if shared.medium.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            shared.medium.next_ino()
        };
        self.apply(Op::Create(name.to_owned(), ino))?;
        Ok(Arc::new(CrashFile { disk: self.clone(), ino }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let ino = self.shared().medium.names.get(name).copied();
        let ino = ino.ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(CrashFile { disk: self.clone(), ino }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if !self.shared().medium.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.apply(Op::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.shared().medium.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.apply(Op::Remove(name.to_owned()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.shared().medium.names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.apply(Op::SyncDir)
    }

    fn lock(&self) -> io::Result<Box<dyn LockGuard>> {
        let mut shared = self.shared();
        if shared.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        shared.locked = true;
        Ok(Box::new(CrashLock(self.clone())))
    }

    fn place(&self) -> String {
        "crash disk".to_owned()
    }
}

impl File for CrashFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.shared().medium.files[&self.ino].live.len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let shared = self.disk.shared();
        let live = &shared.medium.files[&self.ino].live;
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let to = from.checked_add(buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(live.get(from..to).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.apply(Op::Write(self.ino, offset, bytes.to_vec()))
    }

    fn unit(&self) -> usize {
        SECTOR
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.apply(Op::SetLen(self.ino, len))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.apply(Op::Sync(self.ino))
    }
}

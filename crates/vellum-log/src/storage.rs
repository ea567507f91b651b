//! The storage seam: a flat directory of named files, in the few operations that a log needs.
//!
//! [`Storage`] has two implementations here: [`crate::DirStorage`], a real directory, and
//! [`crate::CrashDisk`], the double that keeps what is *live* apart from what is *durable*.
//!
//! What callers may count on, and nothing more:
//! - a write is durable after [`File::sync`] returns `Ok`;
//! - a name (created, renamed, removed) is durable after [`Storage::sync_dir`] returns `Ok`;
//! - a rename replaces its target atomically;
//! - a 512-byte sector is written whole or not at all; between syncs sectors may reach the medium
//!   in any order;
//! - after a failed `sync` nothing is known of what was written since the last good one.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Unit in which a medium writes without tearing, in bytes.
pub const SECTOR: usize = 512;

/// A flat directory of files.
pub trait Storage: Send + Sync + Debug {
    /// Creates an empty file; it is an error if the name is taken.
    ///
    /// # Errors
    /// What the medium says; `AlreadyExists` when the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// What the medium says; `NotFound` when there is no such file.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Renames a file, replacing the target if there is one.
    ///
    /// # Errors
    /// What the medium says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// What the medium says.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names of all files, in ascending order.
    ///
    /// # Errors
    /// What the medium says.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// What the medium says.
    fn sync_dir(&self) -> io::Result<()>;
    /// Takes the directory for this process alone until the guard is dropped. Writes nothing.
    ///
    /// # Errors
    /// `WouldBlock` when another holder has it.
    fn lock(&self) -> io::Result<Box<dyn LockGuard>>;
    /// Where this is, for messages.
    fn place(&self) -> String;
}

/// Held while a [`Storage`] is in use; dropping it lets the next one in.
pub trait LockGuard: Send + Sync + Debug {}

/// An open file. All operations are positioned, so it can be shared between threads.
#[expect(clippy::len_without_is_empty, reason = "a length in bytes that can fail, not a container")]
pub trait File: Send + Sync + Debug {
    /// Length in bytes.
    ///
    /// # Errors
    /// What the medium says.
    fn len(&self) -> io::Result<u64>;
    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before `buf` is full.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file if needed.
    ///
    /// # Errors
    /// What the medium says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// [`File::write_at`], and these bytes (not others that were written before) are durable when it
    /// returns. For a file whose length doesn't change this can cost less than the two apart.
    ///
    /// # Errors
    /// As [`File::write_at`] and [`File::sync`]; do not retry.
    fn write_durably_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, bytes)?;
        self.sync()
    }
    /// The unit of durable writes, in bytes: [`File::write_durably_at`] costs least where offset and
    /// length are multiples of it. 1 where that makes no difference. Cost: nothing after the first
    /// call.
    fn unit(&self) -> usize {
        1
    }
    /// Cuts or extends (with zeros) to `len` bytes.
    ///
    /// # Errors
    /// What the medium says.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes everything written so far durable, the length included.
    ///
    /// # Errors
    /// What the medium says. Do not retry: the kernel may have dropped the dirty pages.
    fn sync(&self) -> io::Result<()>;
}

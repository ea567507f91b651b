//! Writes of whole blocks past the page cache.
//!
//! A durable write through the page cache copies the bytes into a page, finds the page again among
//! the dirty ones, and writes it back; past it (`O_DIRECT`, with `O_DSYNC`'s promise by `RWF_DSYNC`)
//! the same block goes to the device by the same two commands with a tenth less time. Reads go on
//! through the page cache, which the kernel keeps in step.
//!
//! Which file systems take such writes, and at which alignment, is theirs to say: whoever refuses is
//! written to the ordinary way.

use rustix::fs::{Advice, Mode, OFlags, fadvise, open};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// Bytes of a block: what the page cache would write as well.
pub(super) const BLOCK: usize = 4096;

/// Most bytes of such a write: more of them gain nothing, and they may have to be copied.
const MOST: usize = 1 << 16;

/// Whether a write is for [`Direct::write`].
pub(super) fn fits(offset: u64, len: usize) -> bool {
    len <= MOST && len.is_multiple_of(BLOCK) && offset.is_multiple_of(BLOCK as u64)
}

/// A second descriptor of a file, for writing past the page cache.
#[derive(Debug)]
pub(super) struct Direct {
    fd: OwnedFd,
    /// Where bytes are put into alignment that aren't.
    room: Mutex<Vec<u8>>,
}

impl Direct {
    /// `None` when the file system doesn't know such writes.
    pub(super) fn of(file: &File) -> Option<Self> {
        // By its descriptor, because the name changes in the life of a file.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty()).ok()?;
        Self::uncache(file);
        Some(Self { fd, room: Mutex::default() })
    }

    /// Has the kernel give up what it has cached of a file, which writes that meet it would do block
    /// by block. Advice: what happens to it changes no result.
    pub(super) fn uncache(file: &File) {
        let _ = fadvise(file, 0, None, Advice::DontNeed);
    }

    /// Writes whole blocks durably. `false` when the file system refuses, having written nothing.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        if bytes.as_ptr().align_offset(BLOCK) == 0 {
            return self.write_aligned(offset, bytes);
        }
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        if room.len() < bytes.len() + BLOCK {
            room.resize(bytes.len() + BLOCK, 0);
        }
        let skip = room.as_ptr().align_offset(BLOCK);
        let Some(aligned) = room.get_mut(skip..).and_then(|room| room.get_mut(..bytes.len()))
        else {
            return Ok(false);
        };
        aligned.copy_from_slice(bytes);
        self.write_aligned(offset, aligned)
    }

    fn write_aligned(&self, mut offset: u64, bytes: &[u8]) -> io::Result<bool> {
        let mut left = bytes;
        while !left.is_empty() {
            match pwritev2(&self.fd, &[io::IoSlice::new(left)], offset, ReadWriteFlags::DSYNC) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                // Parts are whole blocks; what isn't one is refused by the next call, and an error
                // there is an error of the whole.
                Ok(count) => {
                    left = left.get(count..).unwrap_or_default();
                    offset += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(Errno::INVAL | Errno::OPNOTSUPP) if left.len() == bytes.len() => {
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

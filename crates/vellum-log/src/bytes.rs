//! [`ByteStorage`]: files on byte-addressable non-volatile memory, with flush and fence in place of
//! `fsync`.
//!
//! [`ByteMemory`] is what is asked of the memory: a persistent-memory model, a mapping of a DAX file
//! and the like answer it. The layout (`docs/src/formats/byte-memory.md`) is two directories, of
//! which the newer whole one counts, and units of 4 KiB that files own in runs:
//!
//! ```text
//! ├─ directory 0: 64 KiB ─┼─ directory 1: 64 KiB ─┼─ unit 0 ─┼─ unit 1 ─┼ …
//! ```
//!
//! A write goes to its place. `sync` flushes the lines that were written since the last one, and
//! fences; when the file has grown, the directory that is older is written anew, flushed and fenced.
//! A unit that a file gives up is not used again before a directory without that file is durable.
//! What is torn is torn at 8 bytes, finer than [`SECTOR`](crate::SECTOR): nothing in this workspace's
//! logs counts on more than checksums, and the tests cut power at each word.

mod directory;
mod file;
mod space;

use crate::storage::{File, LockGuard, Storage};
use directory::Record;
use file::Handle;
use space::{Run, Space};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that a file grows by.
const UNIT: u64 = 4096;
/// Bytes of one of the two directories.
const DIRECTORY: u64 = 1 << 16;
const DATA: u64 = 2 * DIRECTORY;

/// Byte-addressable memory that keeps what was flushed and fenced. 8 aligned bytes are written
/// whole or not at all; nothing else is promised.
pub trait ByteMemory: Send + Sync + Debug {
    /// Bytes of it.
    fn size(&self) -> u64;
    /// Loads bytes; a range past the end is an error.
    ///
    /// # Errors
    /// What the memory says.
    fn load(&self, at: u64, out: &mut [u8]) -> io::Result<()>;
    /// Stores bytes: seen by every load at once, durable after a flush of their range and a fence,
    /// and perhaps before.
    ///
    /// # Errors
    /// What the memory says.
    fn store(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Begins to write a range back.
    ///
    /// # Errors
    /// What the memory says.
    fn flush(&self, range: Range<u64>) -> io::Result<()>;
    /// Waits until everything flushed before is durable.
    ///
    /// # Errors
    /// What the memory says. Nothing is known of what was flushed then.
    fn fence(&self) -> io::Result<()>;
    /// Where this is, for messages.
    fn place(&self) -> String;
}

/// A file, which may outlive its name.
#[derive(Debug)]
struct Node {
    state: Mutex<NodeState>,
    /// Where its units go when the last handle is gone.
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct NodeState {
    len: u64,
    runs: Vec<Run>,
    /// What the durable directory says, or will say.
    durable_len: u64,
    /// Written since the last sync.
    dirty: Vec<Range<u64>>,
}

#[derive(Debug)]
struct Shared {
    memory: Arc<dyn ByteMemory>,
    space: Mutex<Space>,
}

#[derive(Debug)]
struct Names {
    nodes: BTreeMap<String, Arc<Node>>,
    /// Number of the newest directory.
    turn: u64,
    locked: bool,
}

/// A flat directory of files in a [`ByteMemory`]. Clones are the same.
#[derive(Debug, Clone)]
pub struct ByteStorage {
    shared: Arc<Shared>,
    names: Arc<Mutex<Names>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ByteStorage {
    /// Opens the files in `memory`; memory of zeros holds none. Cost: a read of the directories.
    ///
    /// # Errors
    /// When the memory is too small, holds something else, or another version, or neither directory
    /// is whole. Nothing is written.
    pub fn open(memory: Arc<dyn ByteMemory>) -> io::Result<Self> {
        let (turn, records) = directory::read(&*memory)?;
        let space = Space::new((memory.size() - DATA) / UNIT, &records);
        let space = space.ok_or_else(|| directory::bad(&*memory, "units with two owners"))?;
        let shared = Arc::new(Shared { memory, space: Mutex::new(space) });
        let node = |record: Record| {
            let (len, runs, dirty) = (record.len, record.runs, Vec::new());
            let state = Mutex::new(NodeState { len, runs, durable_len: len, dirty });
            (record.name, Arc::new(Node { state, shared: shared.clone() }))
        };
        let nodes = records.into_iter().map(node).collect();
        let names = Arc::new(Mutex::new(Names { nodes, turn, locked: false }));
        Ok(Self { shared, names })
    }

    /// Writes the directory as it is now, durably.
    fn commit(&self, names: &mut Names) -> io::Result<()> {
        let records: Vec<Record> = names
            .nodes
            .iter()
            .map(|(name, node)| {
                let state = lock(&node.state);
                let (name, len) = (name.clone(), state.durable_len.min(state.len));
                Record { name, len, runs: space::first(&state.runs, len.div_ceil(UNIT)) }
            })
            .collect();
        // What was given up before this directory was made is free once it is durable.
        let given_up = lock(&self.shared.space).take_given_up();
        let written = directory::write(&*self.shared.memory, names.turn + 1, &records);
        match written {
            Ok(()) => {
                names.turn += 1;
                lock(&self.shared.space).free(given_up);
                Ok(())
            }
            Err(error) => {
                lock(&self.shared.space).give_up(given_up);
                Err(error)
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let runs = std::mem::take(&mut lock(&self.state).runs);
        lock(&self.shared.space).give_up(runs);
    }
}

impl Storage for ByteStorage {
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut names = lock(&self.names);
        if names.nodes.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if name.len() > directory::NAME_MAX {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let node = Arc::new(Node { state: Mutex::default(), shared: self.shared.clone() });
        names.nodes.insert(name.to_owned(), node.clone());
        Ok(Arc::new(Handle { node, storage: self.clone() }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let node = lock(&self.names).nodes.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Handle { node, storage: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if to.len() > directory::NAME_MAX {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let mut names = lock(&self.names);
        let node = names.nodes.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.nodes.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = lock(&self.names).nodes.remove(name);
        removed.map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.names).nodes.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.commit(&mut lock(&self.names))
    }

    fn lock(&self) -> io::Result<Box<dyn LockGuard>> {
        let mut names = lock(&self.names);
        if std::mem::replace(&mut names.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held(self.clone())))
    }

    fn place(&self) -> String {
        self.shared.memory.place()
    }
}

/// Held while the files are in use.
#[derive(Debug)]
struct Held(ByteStorage);

impl LockGuard for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.0.names).locked = false;
    }
}

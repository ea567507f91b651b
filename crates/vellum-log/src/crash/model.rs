//! The medium beneath the crash double: files with a live and a durable content, and names.

use crate::storage::SECTOR;
use std::collections::BTreeMap;

/// A file's identity, which renames don't change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ino(u64);

/// One thing that was done to the medium.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Write(Ino, u64, Vec<u8>),
    SetLen(Ino, u64),
    Sync(Ino),
    /// A sync that failed: what was dirty is clean now, and was not written.
    LostSync(Ino),
    Create(String, Ino),
    Rename(String, String),
    Remove(String),
    SyncDir,
}

pub(super) type Sector = [u8; SECTOR];

#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) live: Vec<u8>,
    /// What survives for certain.
    pub(super) durable: Vec<u8>,
    /// Contents that a sector has had since the last sync, oldest first.
    pub(super) pending: BTreeMap<usize, Vec<Sector>>,
    /// Lengths that the file has had since the last sync, oldest first.
    pub(super) lengths: Vec<usize>,
}

/// A change of a name that is not durable yet.
#[derive(Debug, Clone)]
pub(super) enum Naming {
    Link(String, Ino),
    Move(String, String, Ino),
    Unlink(String),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Medium {
    pub(super) files: BTreeMap<Ino, Inode>,
    pub(super) names: BTreeMap<String, Ino>,
    pub(super) durable_names: BTreeMap<String, Ino>,
    pub(super) naming: Vec<Naming>,
}

/// The bytes of sector `index` of `content`, zeros past its end.
fn sector(content: &[u8], index: usize) -> Sector {
    let mut out = [0; SECTOR];
    let from = (index * SECTOR).min(content.len());
    let to = (from + SECTOR).min(content.len());
    out[..to - from].copy_from_slice(&content[from..to]);
    out
}

/// Puts a sector into `content`, growing it if needed.
pub(super) fn put(content: &mut Vec<u8>, index: usize, bytes: &Sector) {
    let end = (index + 1) * SECTOR;
    if content.len() < end {
        content.resize(end, 0);
    }
    content[end - SECTOR..end].copy_from_slice(bytes);
}

impl Inode {
    fn note(&mut self, sectors: std::ops::Range<usize>) {
        for index in sectors {
            let now = sector(&self.live, index);
            // What is written as it is durable already leaves nothing open.
            if !self.pending.contains_key(&index) && now == sector(&self.durable, index) {
                continue;
            }
            let versions = self.pending.entry(index).or_default();
            if versions.last() != Some(&now) {
                versions.push(now);
            }
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.live.len() < end {
            self.live.resize(end, 0);
            self.lengths.push(end);
        }
        self.live[offset..end].copy_from_slice(bytes);
        self.note(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn set_len(&mut self, len: usize) {
        let old = self.live.len();
        self.live.resize(len, 0);
        self.lengths.push(len);
        if len < old {
            self.note(len / SECTOR..old.div_ceil(SECTOR));
        }
    }

    fn sync(&mut self) {
        for (index, versions) in std::mem::take(&mut self.pending) {
            if let Some(newest) = versions.last() {
                put(&mut self.durable, index, newest);
            }
        }
        self.lengths.clear();
        self.durable.resize(self.live.len(), 0);
    }

    pub(super) fn settled(content: Vec<u8>) -> Self {
        Self { durable: content.clone(), live: content, ..Self::default() }
    }
}

impl Medium {
    pub(super) fn next_ino(&self) -> Ino {
        Ino(self.files.keys().next_back().map_or(0, |ino| ino.0 + 1))
    }

    /// Whether an operation needs room that the files don't have yet.
    pub(super) fn grows(&self, op: &Op) -> bool {
        let len = |ino: &Ino| self.files.get(ino).map_or(0, |file| file.live.len() as u64);
        match op {
            Op::Create(..) => true,
            Op::Write(ino, offset, bytes) => offset.saturating_add(bytes.len() as u64) > len(ino),
            Op::SetLen(ino, to) => *to > len(ino),
            _ => false,
        }
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Write(ino, offset, bytes) => {
                let offset = usize::try_from(*offset).unwrap_or(usize::MAX / 2);
                self.files.entry(*ino).or_default().write(offset, bytes);
            }
            Op::SetLen(ino, len) => {
                let len = usize::try_from(*len).unwrap_or(usize::MAX / 2);
                self.files.entry(*ino).or_default().set_len(len);
            }
            Op::Sync(ino) => self.files.entry(*ino).or_default().sync(),
            Op::LostSync(ino) => {
                let file = self.files.entry(*ino).or_default();
                file.pending.clear();
                file.lengths.clear();
            }
            Op::Create(name, ino) => {
                self.files.insert(*ino, Inode::default());
                self.names.insert(name.clone(), *ino);
                self.naming.push(Naming::Link(name.clone(), *ino));
            }
            Op::Rename(from, to) => {
                if let Some(ino) = self.names.remove(from) {
                    self.names.insert(to.clone(), ino);
                    self.naming.push(Naming::Move(from.clone(), to.clone(), ino));
                }
            }
            Op::Remove(name) => {
                self.names.remove(name);
                self.naming.push(Naming::Unlink(name.clone()));
            }
            Op::SyncDir => {
                self.naming.clear();
                self.durable_names = self.names.clone();
            }
        }
    }

    pub(super) fn damage(&mut self, ino: Ino, offset: usize, change: impl FnOnce(&mut [u8])) {
        if let Some(file) = self.files.get_mut(&ino) {
            let mut content = std::mem::take(&mut file.live);
            let at = offset.min(content.len());
            change(&mut content[at..]);
            *file = Inode::settled(content);
        }
    }

    /// Everything live made durable.
    pub(super) fn settled(&self) -> Self {
        let mut out = Self::default();
        for (name, ino) in &self.names {
            out.files.insert(*ino, Inode::settled(self.files[ino].live.clone()));
            out.names.insert(name.clone(), *ino);
        }
        out.durable_names = out.names.clone();
        out
    }
}

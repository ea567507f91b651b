//! What a power cut may leave: every choice of sectors, lengths and names, or a seeded sample.

use super::CrashDisk;
use super::model::{Ino, Inode, Medium, Naming, Op, put};

/// Up to this many combinations at one cut, all are tried; beyond, a sample is.
pub const EXHAUSTIVE_LIMIT: u64 = 1 << 12;

/// Goes through the points at which power can be cut.
#[derive(Debug)]
pub struct Cuts {
    medium: Medium,
    ops: std::vec::IntoIter<Op>,
    index: usize,
    ended: bool,
}

impl Cuts {
    pub(super) fn new(medium: Medium, ops: Vec<Op>) -> Self {
        Self { medium, ops: ops.into_iter(), index: 0, ended: false }
    }
}

impl Iterator for Cuts {
    type Item = Cut;

    fn next(&mut self) -> Option<Cut> {
        if self.ended {
            return None;
        }
        let cut = Cut { medium: self.medium.clone(), index: self.index };
        match self.ops.next() {
            Some(op) => self.medium.apply(&op),
            None => self.ended = true,
        }
        self.index += 1;
        Some(cut)
    }
}

/// One point at which power is cut.
#[derive(Debug)]
pub struct Cut {
    medium: Medium,
    /// Recorded operations that had returned before the cut.
    pub index: usize,
}

/// One thing that a cut leaves open, with its number of outcomes.
#[derive(Debug)]
enum Choice {
    Sector(Ino, usize),
    Length(Ino),
    Name(usize),
}

impl Cut {
    /// The states that the cut may leave: all of them when there are at most
    /// `EXHAUSTIVE_LIMIT`, else `sample` of them drawn with `seed` (the one that loses most and
    /// the one that loses nothing are always among them).
    pub fn images(&self, sample: u64, seed: u64) -> Images<'_> {
        let mut choices = Vec::new();
        for (ino, file) in &self.medium.files {
            for (index, versions) in &file.pending {
                choices.push((Choice::Sector(*ino, *index), versions.len() as u64 + 1));
            }
            if !file.lengths.is_empty() {
                choices.push((Choice::Length(*ino), file.lengths.len() as u64 + 1));
            }
        }
        for index in 0..self.medium.naming.len() {
            choices.push((Choice::Name(index), 2));
        }
        let total = choices.iter().try_fold(1_u64, |all, (_, n)| all.checked_mul(*n));
        let exhaustive = total.filter(|n| *n <= EXHAUSTIVE_LIMIT.min(sample.max(1)));
        let left = exhaustive.unwrap_or(sample);
        let seed = seed ^ (self.index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Images { cut: self, choices, exhaustive: exhaustive.is_some(), next: 0, left, seed }
    }

    fn build(&self, choices: &[(Choice, u64)], outcome: &[u64]) -> CrashDisk {
        let mut files: std::collections::BTreeMap<Ino, Inode> = self
            .medium
            .files
            .iter()
            .map(|(ino, file)| (*ino, Inode { durable: file.durable.clone(), ..Inode::default() }))
            .collect();
        let mut lengths: Vec<(Ino, usize)> =
            self.medium.files.iter().map(|(ino, file)| (*ino, file.durable.len())).collect();
        let mut names = self.medium.durable_names.clone();
        for ((choice, _), picked) in choices.iter().zip(outcome) {
            let Some(version) = usize::try_from(*picked).ok().and_then(|n| n.checked_sub(1)) else {
                continue;
            };
            match choice {
                Choice::Sector(ino, index) => {
                    let bytes = &self.medium.files[ino].pending[index][version];
                    if let Some(file) = files.get_mut(ino) {
                        put(&mut file.durable, *index, bytes);
                    }
                }
                Choice::Length(ino) => {
                    let length = self.medium.files[ino].lengths[version];
                    lengths.iter_mut().filter(|l| l.0 == *ino).for_each(|l| l.1 = length);
                }
                Choice::Name(index) => match &self.medium.naming[*index] {
                    Naming::Link(name, ino) => {
                        names.insert(name.clone(), *ino);
                    }
                    Naming::Move(from, to, ino) => {
                        names.remove(from);
                        names.insert(to.clone(), *ino);
                    }
                    Naming::Unlink(name) => {
                        names.remove(name);
                    }
                },
            }
        }
        for (ino, length) in lengths {
            if let Some(file) = files.get_mut(&ino) {
                let mut content = std::mem::take(&mut file.durable);
                content.resize(length, 0);
                *file = Inode::settled(content);
            }
        }
        let durable_names = names.clone();
        CrashDisk::with(Medium { files, names, durable_names, naming: Vec::new() })
    }
}

/// The states that one cut may leave.
#[derive(Debug)]
pub struct Images<'a> {
    cut: &'a Cut,
    choices: Vec<(Choice, u64)>,
    exhaustive: bool,
    next: u64,
    left: u64,
    seed: u64,
}

impl Images<'_> {
    /// Whether every state is tried, or a sample of them.
    pub fn is_exhaustive(&self) -> bool {
        self.exhaustive
    }

    /// SplitMix64 (Steele, Lea, Flood 2014), enough to spread choices.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn outcome(&mut self) -> Vec<u64> {
        let radixes: Vec<u64> = self.choices.iter().map(|(_, n)| *n).collect();
        if self.exhaustive {
            let mut rest = self.next;
            return radixes
                .iter()
                .map(|n| {
                    let digit = rest % n;
                    rest /= n;
                    digit
                })
                .collect();
        }
        match self.next {
            0 => vec![0; radixes.len()],
            1 => radixes.iter().map(|n| n - 1).collect(),
            // Few losses and few survivors find more than fair coins do.
            turn => {
                let bias = [2, 8, 32][(turn % 3) as usize];
                let keep = self.random().is_multiple_of(2);
                radixes
                    .iter()
                    .map(|n| {
                        let (draw, other) = (self.random(), self.random());
                        let usual = if keep { n - 1 } else { 0 };
                        if draw.is_multiple_of(bias) { other % n } else { usual }
                    })
                    .collect()
            }
        }
    }
}

impl Iterator for Images<'_> {
    type Item = CrashDisk;

    fn next(&mut self) -> Option<CrashDisk> {
        if self.left == 0 {
            return None;
        }
        let outcome = self.outcome();
        self.left -= 1;
        self.next += 1;
        Some(self.cut.build(&self.choices, &outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{File, SECTOR, Storage};
    use std::collections::BTreeSet;
    use std::sync::Arc;

    fn contents_after(disk: &CrashDisk) -> BTreeSet<Option<Vec<u8>>> {
        let cut = disk.cuts().last().unwrap();
        let images = cut.images(4096, 1);
        assert!(images.is_exhaustive());
        images.map(|image| image.contents("f")).collect()
    }

    /// A disk with the file `f`, durable in name and content, and the file.
    fn disk_with(content: &[u8]) -> (CrashDisk, Arc<dyn File>) {
        let disk = CrashDisk::new();
        let file = disk.create("f").unwrap();
        file.write_at(0, content).unwrap();
        file.sync().unwrap();
        disk.sync_dir().unwrap();
        (disk, file)
    }

    #[test]
    fn unsynced_sectors_are_lost_independently_and_synced_ones_never() {
        let (disk, file) = disk_with(&[1; 3 * SECTOR]);
        file.write_at(0, &[2; 2 * SECTOR]).unwrap();
        let seen = contents_after(&disk);
        assert_eq!(seen.len(), 4, "two sectors, each old or new");
        for image in seen {
            let image = image.unwrap();
            assert_eq!(image.len(), 3 * SECTOR);
            assert!(image[2 * SECTOR..].iter().all(|b| *b == 1));
        }
    }

    #[test]
    fn a_sector_holds_any_content_it_has_had_since_the_sync() {
        let (disk, file) = disk_with(b"a");
        file.write_at(0, b"b").unwrap();
        file.write_at(0, b"c").unwrap();
        let seen = contents_after(&disk);
        let letters: Vec<u8> = seen.into_iter().map(|i| i.unwrap()[0]).collect();
        assert_eq!(letters, b"abc");
    }

    #[test]
    fn names_need_a_sync_of_the_directory() {
        let disk = CrashDisk::new();
        let file = disk.create("f").unwrap();
        file.write_at(0, b"x").unwrap();
        file.sync().unwrap();
        assert!(contents_after(&disk).contains(&None), "the name may be lost");
        disk.sync_dir().unwrap();
        assert!(!contents_after(&disk).contains(&None));
        disk.create("g").unwrap().sync().unwrap();
        disk.sync_dir().unwrap();
        disk.rename("g", "f").unwrap();
        assert_eq!(contents_after(&disk).len(), 2, "the old file or the new one, never none");
    }

    #[test]
    fn a_failed_sync_loses_the_bytes_for_good() {
        let (disk, file) = disk_with(b"a");
        file.write_at(0, b"b").unwrap();
        let fault = super::super::Fault {
            at: disk.operations(),
            kind: std::io::ErrorKind::Other,
            forever: false,
        };
        disk.plant(Some(fault));
        file.sync().unwrap_err();
        file.sync().unwrap();
        let mut live = [0];
        file.read_at(0, &mut live).unwrap();
        assert_eq!(&live, b"b", "a reader still sees it");
        let seen = contents_after(&disk);
        assert_eq!(seen.into_iter().next().unwrap().unwrap(), b"a", "the medium never got it");
    }
}

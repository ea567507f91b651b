//! Copy-on-write: a medium whose changes lie beside a base that is never written, and can be
//! exported as a difference.
//!
//! The format of a difference, little endian: magic `VELLUMDF`, version u32, bytes of a sector u32,
//! sectors of the base u64, number of extents u64; then for each extent, ascending and apart: first
//! sector u64, sectors u32, kind u32 (0 zeros, 1 data), and for data the bytes; then CRC-32 of all
//! before it.

use crate::{Lba, Media, MediaError};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::io::{Read, Write};

const MAGIC: &[u8; 8] = b"VELLUMDF";
const VERSION: u32 = 1;
/// Most sectors of an extent.
const EXTENT: u32 = 2048;

/// A medium over another one.
#[derive(Debug)]
pub struct Overlay<B> {
    base: B,
    /// Changed sectors; `None` for zeros.
    changed: BTreeMap<u64, Option<Box<[u8]>>>,
}

impl<B: Media> Overlay<B> {
    /// An overlay that shows the base as it is.
    pub fn new(base: B) -> Self {
        Overlay { base, changed: BTreeMap::new() }
    }

    /// Sectors that differ from the base, or were written.
    pub fn changed_sectors(&self) -> u64 {
        self.changed.len() as u64
    }

    /// The base.
    pub fn into_base(self) -> B {
        self.base
    }

    /// Runs of changed sectors of one kind: first, count, whether they hold data.
    fn extents(&self) -> Vec<(u64, u32, bool)> {
        let mut out: Vec<(u64, u32, bool)> = Vec::new();
        for (&at, data) in &self.changed {
            match out.last_mut() {
                Some((first, n, kind))
                    if *first + u64::from(*n) == at && *kind == data.is_some() && *n < EXTENT =>
                {
                    *n += 1;
                }
                _ => out.push((at, 1, data.is_some())),
            }
        }
        out
    }

    /// Writes the difference to the base.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn export(&self, out: &mut dyn Write) -> Result<(), MediaError> {
        let mut crc = crc32fast::Hasher::new();
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            crc.update(bytes);
            at += bytes.len() as u64;
            out.write_all(bytes).map_err(|source| MediaError::Io {
                what: "write a difference",
                offset: at,
                source,
            })
        };
        let extents = self.extents();
        put(MAGIC)?;
        put(&VERSION.to_le_bytes())?;
        put(&self.base.sector_bytes().to_le_bytes())?;
        put(&self.base.sectors().to_le_bytes())?;
        put(&(extents.len() as u64).to_le_bytes())?;
        for (first, n, data) in extents {
            put(&first.to_le_bytes())?;
            put(&n.to_le_bytes())?;
            put(&u32::from(data).to_le_bytes())?;
            if data {
                for bytes in
                    self.changed.range(first..first + u64::from(n)).filter_map(|c| c.1.as_deref())
                {
                    put(bytes)?;
                }
            }
        }
        let sum = crc.finalize();
        out.write_all(&sum.to_le_bytes()).map_err(|source| MediaError::Io {
            what: "write a difference",
            offset: 0,
            source,
        })
    }

    /// An overlay with the changes that a difference holds.
    ///
    /// # Errors
    /// When the difference is damaged or belongs to a medium of another size. Nothing is allocated
    /// on the word of a damaged file beyond an extent of 2048 sectors.
    pub fn import(base: B, input: &mut dyn Read) -> Result<Self, MediaError> {
        let mut overlay = Overlay::new(base);
        let mut r = Difference { input, crc: crc32fast::Hasher::new(), at: 0 };
        let size = overlay.base.sector_bytes();
        r.expect(MAGIC, "not a difference")?;
        r.expect(&VERSION.to_le_bytes(), "a version that is not known")?;
        r.expect(&size.to_le_bytes(), "another size of sectors")?;
        r.expect(&overlay.base.sectors().to_le_bytes(), "a base of another size")?;
        let extents = r.u64()?;
        let mut next = 0;
        for _ in 0..extents {
            let (first, n, kind) = (r.u64()?, r.u32()?, r.u32()?);
            let fits = first >= next && n > 0 && n <= EXTENT && kind <= 1;
            if !fits || overlay.base.check_sectors(Lba::new(first), n.into()).is_err() {
                return Err(r.bad("an extent that is not possible"));
            }
            for sector in first..first + u64::from(n) {
                let data = if kind == 1 {
                    let mut bytes = vec![0; size as usize].into_boxed_slice();
                    r.fill(&mut bytes)?;
                    Some(bytes)
                } else {
                    None
                };
                overlay.changed.insert(sector, data);
            }
            next = first + u64::from(n);
        }
        let sum = r.crc.clone().finalize();
        r.expect(&sum.to_le_bytes(), "the checksum does not fit")?;
        Ok(overlay)
    }
}

struct Difference<'a> {
    input: &'a mut dyn Read,
    crc: crc32fast::Hasher,
    at: u64,
}

impl Difference<'_> {
    fn bad(&self, why: &'static str) -> MediaError {
        MediaError::Diff { at: self.at, why }
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), MediaError> {
        self.input.read_exact(out).map_err(|_| self.bad("cut off"))?;
        self.crc.update(out);
        self.at += out.len() as u64;
        Ok(())
    }

    fn expect(&mut self, wanted: &[u8], why: &'static str) -> Result<(), MediaError> {
        let mut found = [0; 8];
        let found = &mut found[..wanted.len()];
        self.fill(found)?;
        if found == wanted { Ok(()) } else { Err(self.bad(why)) }
    }

    fn u64(&mut self) -> Result<u64, MediaError> {
        let mut b = [0; 8];
        self.fill(&mut b)?;
        Ok(u64::from_le_bytes(b))
    }

    fn u32(&mut self) -> Result<u32, MediaError> {
        let mut b = [0; 4];
        self.fill(&mut b)?;
        Ok(u32::from_le_bytes(b))
    }
}

impl<B: Media> Media for Overlay<B> {
    fn sector_bytes(&self) -> u32 {
        self.base.sector_bytes()
    }

    fn sectors(&self) -> u64 {
        self.base.sectors()
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        let sectors = self.check(lba, out.len())?;
        self.base.read(lba, out)?;
        let size = self.sector_bytes() as usize;
        for (&at, data) in self.changed.range(lba.get()..lba.get() + sectors) {
            let to = (at - lba.get()) as usize * size;
            match data {
                Some(data) => out[to..to + size].copy_from_slice(data),
                None => out[to..to + size].fill(0),
            }
        }
        Ok(())
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        self.check(lba, data.len())?;
        let size = self.sector_bytes() as usize;
        for (i, sector) in data.chunks_exact(size).enumerate() {
            self.changed.insert(lba.get() + i as u64, Some(sector.into()));
        }
        Ok(())
    }

    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.check_sectors(lba, sectors)?;
        (lba.get()..lba.get() + sectors).for_each(|at| {
            self.changed.insert(at, None);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ram, Rng};

    fn changed() -> Overlay<Ram> {
        let mut base = Ram::new(256, 512).unwrap();
        base.write(Lba::new(3), &[9; 512 * 4]).unwrap();
        let mut over = Overlay::new(base);
        over.write(Lba::new(4), &[1; 1024]).unwrap();
        over.discard(Lba::new(6), 1).unwrap();
        over.write(Lba::new(200), &[2; 512]).unwrap();
        over
    }

    fn all(m: &mut impl Media) -> Vec<u8> {
        let mut out = vec![0; 256 * 512];
        m.read(Lba::new(0), &mut out).unwrap();
        out
    }

    #[test]
    fn a_difference_carries_a_clone_to_another_base() {
        let mut over = changed();
        let mut bytes = Vec::new();
        over.export(&mut bytes).unwrap();
        let seen = all(&mut over);
        let base = over.into_base();
        assert_eq!(all(&mut base.clone())[4 * 512], 9, "the base is as it was");
        let mut again = Overlay::import(base, &mut &bytes[..]).unwrap();
        assert_eq!(all(&mut again), seen);
        assert_eq!(again.changed_sectors(), 4);
    }

    #[test]
    fn a_damaged_difference_is_an_error_wherever_it_is_damaged() {
        let mut bytes = Vec::new();
        changed().export(&mut bytes).unwrap();
        let base = || Ram::new(256, 512).unwrap();
        let mut rng = Rng::new(4);
        for _ in 0..300 {
            let mut bad = bytes.clone();
            let at = rng.below(bad.len() as u64) as usize;
            bad[at] ^= 1 << rng.below(8);
            assert!(Overlay::import(base(), &mut &bad[..]).is_err(), "byte {at}");
            bad.truncate(at);
            assert!(Overlay::import(base(), &mut &bad[..]).is_err(), "cut at {at}");
        }
        let other = Ram::new(255, 512).unwrap();
        assert!(matches!(Overlay::import(other, &mut &bytes[..]), Err(MediaError::Diff { .. })));
    }
}

//! The working set of an image: the pages that were touched first after an earlier restore, kept in
//! an object beside the image, so that the next restore fetches them first.
//!
//! ```text
//! magic (8) · version (4) · count (4) · page numbers (8 each), in the order of their touch · CRC-32
//! ```

use super::image::{ImageId, PAGES_MAX, limit};
use super::{CheckpointError, Checkpoints, Restored};
use crate::ondemand::{Arriving, Fetch, LazyMemory};

const MAGIC: [u8; 8] = *b"VELLUMWS";
const VERSION: u32 = 1;
const HEADER: usize = 16;
/// Most pages of a working set (4 GiB of memory).
const SET_MAX: usize = 1 << 20;

pub(super) const PREFIX: &str = "set-";

fn name(id: &ImageId) -> String {
    format!("{PREFIX}{id}")
}

fn encode(set: &[u64]) -> Vec<u8> {
    let set = &set[..set.len().min(SET_MAX)];
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(set.len() as u32).to_le_bytes());
    set.iter().for_each(|page| out.extend_from_slice(&page.to_le_bytes()));
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<Vec<u64>> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    let header = body.get(..HEADER)?;
    let pages = &body[HEADER..];
    let sound = header[..8] == MAGIC
        && header[8..12] == VERSION.to_le_bytes()
        && pages.len() % 8 == 0
        && header[12..16] == u32::try_from(pages.len() / 8).ok()?.to_le_bytes()
        && crc32fast::hash(body).to_le_bytes() == *crc;
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    sound.then(|| pages.chunks_exact(8).map(word).collect())
}

impl Checkpoints {
    /// Keeps `set` as the working set of image `id`, unless it has one already. Pages beyond the
    /// first million are left out.
    ///
    /// # Errors
    /// When the store fails.
    pub fn record_working_set(&self, id: &ImageId, set: &[u64]) -> Result<(), CheckpointError> {
        self.objects.put_if_absent(&name(id), &encode(set))?;
        Ok(())
    }

    /// The working set that was recorded for image `id`; empty when there is none.
    ///
    /// # Errors
    /// When the store fails, or the bytes are not those that were written.
    pub fn working_set(&self, id: &ImageId) -> Result<Vec<u64>, CheckpointError> {
        let name = name(id);
        if !self.objects.list(&name)?.contains(&name) {
            return Ok(Vec::new());
        }
        let longest = HEADER + SET_MAX * 8 + 4;
        let bytes = self.objects.get_range(&name, 0..longest as u64 + 1)?;
        limit("bytes of a working set", bytes.len() as u64, longest as u64)?;
        let what = "a working set";
        decode(&bytes).ok_or(CheckpointError::Damaged { name, what, offset: 0 })
    }

    /// The memory of head `name`, page by page as it is touched, the recorded working set first
    /// and, with `rest`, everything else in between. The second value is the state.
    ///
    /// # Errors
    /// As [`Checkpoints::restore`]; also when this kernel has no userfaultfd.
    pub fn restore_lazily(
        &self,
        name: &str,
        rest: bool,
    ) -> Result<(LazyMemory, Vec<u8>), CheckpointError> {
        let id = self.head(name)?;
        let id = id.ok_or_else(|| CheckpointError::NoHead { name: name.to_owned() })?;
        let first = self.working_set(&id)?;
        let restored = Restored::open(self.objects.clone(), id)?;
        limit("pages", restored.pages(), PAGES_MAX)?;
        let state = restored.state().to_vec();
        let memory = Arriving::new(restored.pages())?.serve(restored, Fetch { first, rest })?;
        Ok((memory, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_comes_back_and_no_changed_bit_goes_unnoticed() {
        let set = [7, 3, u64::MAX, 0];
        let bytes = encode(&set);
        assert_eq!(decode(&bytes), Some(set.to_vec()));
        assert_eq!(decode(&encode(&[])), Some(Vec::new()));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad), None, "bit {bit}");
        }
        (0..bytes.len()).for_each(|len| assert_eq!(decode(&bytes[..len]), None));
    }
}

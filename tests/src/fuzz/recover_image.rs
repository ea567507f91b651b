//! Any bytes as the image of a checkpoint. Input: an image; its hashes are made to fit as far as the
//! name and the leaves go, so that what is behind them is reached.

use std::sync::Arc;
use vellum_recover::PAGE;
use vellum_recover::checkpoint::{
    Captured, Compression, DirObjects, ImageId, Objects, Pages, Restored,
};
use vellum_recover::log::CrashDisk;

const HEADER: usize = 128;
const ENTRY: usize = 56;
const LEAF_ENTRY: u64 = 60;

fn word(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..at + 8).and_then(|bytes| bytes.first_chunk().copied());
    found.map_or(0, u64::from_le_bytes)
}

/// The bytes with hashes that fit, and the name that they have then.
fn mend(data: &[u8]) -> (Vec<u8>, ImageId) {
    let mut image = data.to_vec();
    let room = image.len().saturating_sub(HEADER);
    let leaves = (word(data, 24) as usize).min(room / ENTRY);
    for leaf in 0..leaves {
        let entry = HEADER + leaf * ENTRY;
        let (count, offset) = (word(data, entry + 8), word(data, entry + 16));
        let end = count.checked_mul(LEAF_ENTRY).and_then(|size| offset.checked_add(size));
        let hash = end.and_then(|end| {
            let range = usize::try_from(offset).ok()?..usize::try_from(end).ok()?;
            Some(*blake3::hash(image.get(range)?).as_bytes())
        });
        if let Some(hash) = hash {
            image[entry + 24..entry + ENTRY].copy_from_slice(&hash);
        }
    }
    let state = (word(data, 32) as usize).min(room - leaves * ENTRY);
    let end = (HEADER + leaves * ENTRY + state).min(image.len());
    let id = ImageId(*blake3::hash(&image[..end]).as_bytes());
    (image, id)
}

fn restored(data: &[u8]) -> Option<Restored> {
    let (image, id) = mend(data);
    let objects = DirObjects::in_storage(Arc::new(CrashDisk::new())).ok()?;
    objects.put_if_absent(&format!("image-{id}"), &image).ok()?;
    Restored::open(Arc::new(objects), id).ok()
}

/// Runs one.
///
/// # Panics
/// When a reader of pages does.
pub fn run(data: &[u8]) {
    let Some(mut restored) = restored(data) else { return };
    let mut page = vec![0; PAGE];
    for number in [0, 1, 17, 1024, restored.pages() - restored.pages().min(1), restored.pages()] {
        // An error or a page; a page past the end is always an error.
        let read = restored.read_page(number, &mut page);
        assert!(read.is_err() || number < restored.pages());
    }
    if restored.pages() < 10_000 {
        let _ = restored.read_all(|number, _| assert!(number < 10_000));
    }
}

/// Ten pages, some equal, some zero.
struct Ten;

impl Pages for Ten {
    fn pages(&self) -> u64 {
        10
    }

    fn read_page(&self, page: u64, out: &mut [u8]) {
        out.fill(page as u8 / 3);
    }

    fn take_dirty(&mut self) -> Result<Vec<std::ops::Range<u64>>, vellum_recover::Error> {
        Ok(Vec::new())
    }
}

/// Small images, packed and not.
pub fn seeds() -> Vec<Vec<u8>> {
    let captured = Captured::take(&Ten, &[0..4, 6..10]);
    [Compression::None, Compression::Lz4]
        .into_iter()
        .filter_map(|way| Some(captured.encode(None, b"state", way).ok()?.1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_images() {
        for seed in seeds() {
            let mut restored = restored(&seed).unwrap();
            let mut page = vec![0; PAGE];
            restored.read_page(9, &mut page).unwrap();
            assert_eq!((page[5], restored.state()), (3, &b"state"[..]));
        }
    }
}

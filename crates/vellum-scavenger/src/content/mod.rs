//! What a page holds, and in how few bytes it can be said: classes, hashes, deltas, codecs.

mod codec;
mod copy;
mod delta;
mod features;
mod hash;
mod lz4;
pub mod tight;

pub use codec::{Codec, Coder};
pub use delta::{Delta, DeltaError};
pub use features::{FEATURES, Features};
pub use hash::PageKey;

use vellum_frames::PAGE_SIZE;

/// The bytes of a page.
pub type Page = [u8; PAGE_SIZE];

/// The 8 bytes that a page repeats from end to end, as zswap's "same-filled" pages do; `None` for
/// any other page. A page of zeros repeats 0. Stops at the first word that differs.
pub fn same_filled(page: &Page) -> Option<u64> {
    let (first, rest) = page.split_first_chunk::<8>()?;
    rest.chunks_exact(8).all(|word| word == first).then(|| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_one_pattern_is_told_from_its_neighbours() {
        let mut page = [0xcc; PAGE_SIZE];
        assert_eq!(same_filled(&page), Some(0xcccc_cccc_cccc_cccc));
        page[4095] = 0;
        assert_eq!(same_filled(&page), None);
        assert_eq!(same_filled(&[0; PAGE_SIZE]), Some(0));
        let counting: Page = core::array::from_fn(|at| (at % 8) as u8);
        assert_eq!(same_filled(&counting), Some(0x0706_0504_0302_0100));
        let shifted: Page = core::array::from_fn(|at| (at % 9) as u8);
        assert_eq!(same_filled(&shifted), None);
    }
}

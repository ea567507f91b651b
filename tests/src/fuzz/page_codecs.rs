//! The codecs of packed pages: any bytes are a page in each, or an error.

use super::Input;
use vellum::scavenger::content::{Codec, Coder, Page};

/// A page that others are told by.
fn base() -> Page {
    core::array::from_fn(|at| (at / 7 * (at % 11)) as u8)
}

/// Takes the first byte for a codec, and the rest for a record of a page.
///
/// # Panics
/// When a page that was read does not come back from what it is encoded as.
pub fn run(data: &[u8]) {
    let Some((&first, record)) = data.split_first() else { return };
    let codec = Codec::ALL[usize::from(first) % Codec::ALL.len()];
    let (base, mut coder) = (base(), Coder::new(1));
    let mut page = [0; 4096];
    if coder.decode(codec, record, Some(&base), &mut page).is_err() {
        // No page: take the bytes for the beginning of one instead.
        page = Input::new(record).take();
    }
    let mut again = Vec::new();
    if coder.encode(codec, &page, Some(&base), 4096, &mut again).is_some() {
        let mut back = [1; 4096];
        coder.decode(codec, &again, Some(&base), &mut back).expect("what was encoded");
        assert!(back == page, "{codec}");
    }
}

/// A page in each codec.
pub fn seeds() -> Vec<Vec<u8>> {
    let (base, mut coder) = (base(), Coder::new(1));
    let mut page = base;
    page[100..180].fill(3);
    page[2000..2100].copy_from_slice(&base[..100]);
    let each = (0..).zip(Codec::ALL).filter_map(|(number, codec)| {
        let page = if codec == Codec::Same { &[9; 4096] } else { &page };
        let mut seed = vec![number];
        coder.encode(codec, page, Some(&base), 4096, &mut seed)?;
        Some(seed)
    });
    each.collect()
}

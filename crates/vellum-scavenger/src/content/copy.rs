//! Copies into a page, for the delta decoder: sixteen bytes at a time, over the end of what is asked for
//! where there is room. What stands behind is written later, or was no part of the page yet.

use super::Page;
use vellum_frames::PAGE_SIZE;

const STEP: usize = 16;

/// Copies `len` bytes from `from[at..]` to `page[to..]`; `None` when either side has not that many.
#[inline]
pub(super) fn copy(from: &[u8], at: usize, page: &mut Page, to: usize, len: usize) -> Option<()> {
    let (rough, end) = (len.next_multiple_of(STEP), to.checked_add(len)?);
    if to + rough <= PAGE_SIZE && at + rough <= from.len() {
        for step in (0..rough).step_by(STEP) {
            let chunk: [u8; STEP] = *from[at + step..].first_chunk()?;
            *page[to + step..].first_chunk_mut()? = chunk;
        }
        return Some(());
    }
    page.get_mut(to..end)?.copy_from_slice(from.get(at..at.checked_add(len)?)?);
    Some(())
}

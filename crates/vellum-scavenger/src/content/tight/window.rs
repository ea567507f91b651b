//! Copies inside the window that a page is rebuilt in: a few bytes more than asked for, of fixed length, since
//! what stands behind is written later.

use vellum_frames::PAGE_SIZE;

/// Bytes copied at once where there are many.
pub(super) const STRIDE: usize = 32;
/// And where there are few.
const WORD: usize = 8;
/// Where the page ends.
pub(super) const END: usize = 2 * PAGE_SIZE;

/// The reference, the page, and room for copies over its end.
pub(super) type Window = [u8; END + 2 * STRIDE];

#[inline]
fn word(window: &mut Window, to: usize, from: usize) -> Option<()> {
    let bytes: [u8; WORD] = *window.get(from..)?.first_chunk()?;
    *window.get_mut(to..)?.first_chunk_mut()? = bytes;
    Some(())
}

/// Copies `len` bytes from `distance` before `to`, and some more.
#[inline]
pub(super) fn copy(window: &mut Window, to: usize, distance: usize, len: usize) -> Option<()> {
    if distance < WORD {
        return spread(window, to, distance, len);
    }
    let from = to - distance;
    word(window, to, from)?;
    word(window, to + WORD, from + WORD)?;
    if len <= 2 * WORD {
        return Some(());
    }
    if distance >= STRIDE {
        for done in (2 * WORD..len).step_by(STRIDE) {
            let bytes: [u8; STRIDE] = *window.get(from + done..)?.first_chunk()?;
            *window.get_mut(to + done..)?.first_chunk_mut()? = bytes;
        }
        return Some(());
    }
    let (mut done, mut back) = (2 * WORD, distance);
    while done < len {
        // What repeats at a distance repeats at twice that: farther back, nothing is still on its way to
        // memory.
        if 2 * back <= done + distance {
            back *= 2;
        }
        word(window, to + done, to + done - back)?;
        done += WORD;
    }
    Some(())
}

/// Repeats the last `distance` bytes before `to`, fewer than a word.
fn spread(window: &mut Window, to: usize, distance: usize, len: usize) -> Option<()> {
    let seen = u64::from_le_bytes(*window.get(to - distance..)?.first_chunk()?);
    let (mut pattern, mut bits) = (seen & (u64::MAX >> (64 - 8 * distance)), 8 * distance);
    while bits < 64 {
        pattern |= pattern << bits;
        bits *= 2;
    }
    let whole = WORD / distance * distance;
    for done in (0..len).step_by(whole) {
        *window.get_mut(to + done..)?.first_chunk_mut()? = pattern.to_le_bytes();
    }
    Some(())
}

//! LZ4 blocks of one page: decoded in a time that has a bound, because they were made so.
//!
//! `lz4_flex` makes the blocks. What a page of one costs to decode is its number of sequences, each a
//! run of literals and a copy (LZ4 block format, 1.6): a processor guesses wrong about once in each.
//! So a block that has too many is *thinned*: its shortest copies, which save least, become literals.
//! It stays a block that any decoder reads.
//!
//! The decoder here is for whole pages. It copies 32 bytes where fewer are asked for, into a buffer
//! that is longer than a page, reads one more byte of a length whether there is one or not, and spreads
//! short patterns out, so that what is left to guess is seldom wrong. Lengths and distances are checked
//! before use: noise is refused, and never costs more than a page of work.

use super::Page;
use vellum_frames::PAGE_SIZE;

/// Bytes copied at once, of which one step is half.
const ROUGH: usize = 32;
const STEP: usize = 16;
/// The shortest copy that the format has.
const SHORTEST: usize = 4;
/// A length of this or more goes on in the next byte.
const LONG: usize = 15;
/// The longest pattern that is spread out.
const PATTERN: usize = STEP - 1;

/// Room for a page and for copies over its end.
pub(super) type Room = [u8; PAGE_SIZE + 2 * ROUGH];

/// Room for [`decode`].
pub(super) fn room() -> Box<Room> {
    Box::new([0; PAGE_SIZE + 2 * ROUGH])
}

/// Rebuilds the page that a block holds; `None` when it holds none. `room` may hold anything.
pub(super) fn decode(block: &[u8], room: &mut Room, page: &mut Page) -> Option<()> {
    let (mut at, mut to) = (0, 0);
    loop {
        let token = usize::from(*block.get(at)?);
        at += 1;
        if at == block.len() {
            // The last literals are none.
            break;
        }
        let literals = length(block, &mut at, token >> 4)?;
        if literals <= ROUGH && at + ROUGH <= block.len() {
            *room.get_mut(to..)?.first_chunk_mut::<ROUGH>()? = *block[at..].first_chunk()?;
        } else {
            let from = block.get(at..)?.get(..literals)?;
            room.get_mut(to..PAGE_SIZE)?.get_mut(..literals)?.copy_from_slice(from);
        }
        (at, to) = (at + literals, to + literals);
        if at >= block.len() {
            break;
        }
        let distance = usize::from(u16::from_le_bytes(*block[at..].first_chunk()?));
        at += 2;
        let copied = length(block, &mut at, token & LONG)? + SHORTEST;
        if distance == 0 || distance > to || to + copied > PAGE_SIZE {
            return None;
        }
        if distance > PATTERN {
            copy(room, to, distance, copied)?;
        } else {
            spread(room, to, distance, copied)?;
        }
        to += copied;
    }
    *page = *room.first_chunk()?;
    (to == PAGE_SIZE && at == block.len()).then_some(())
}

/// A length that begins with `short`: whether another byte follows is no branch, but for two of them.
#[inline]
fn length(block: &[u8], at: &mut usize, short: usize) -> Option<usize> {
    let more = usize::from(short == LONG);
    let byte = usize::from(*block.get(*at)?) & more.wrapping_neg();
    *at += more;
    let mut length = short + byte;
    let mut last = byte;
    while last == 255 && length <= PAGE_SIZE {
        last = usize::from(*block.get(*at)?);
        *at += 1;
        length += last;
    }
    Some(length)
}

#[inline]
fn step(room: &mut Room, to: usize, from: usize) -> Option<()> {
    let bytes: [u8; STEP] = *room.get(from..)?.first_chunk()?;
    *room.get_mut(to..)?.first_chunk_mut()? = bytes;
    Some(())
}

/// Copies `len` bytes from `distance`, at least a step, before `to`; up to a page's end.
#[inline]
fn copy(room: &mut Room, to: usize, distance: usize, len: usize) -> Option<()> {
    step(room, to, to - distance)?;
    step(room, to + STEP, to + STEP - distance)?;
    let (mut done, mut back) = (ROUGH, distance);
    while done < len {
        // What repeats at a distance repeats at twice that: farther back, nothing is still on its way to
        // memory.
        if 2 * back <= done + distance {
            back *= 2;
        }
        step(room, to + done, to + done - back)?;
        done += STEP;
    }
    Some(())
}

/// Repeats the last `distance` bytes before `to`, fewer than a step.
fn spread(room: &mut Room, to: usize, distance: usize, len: usize) -> Option<()> {
    let seen = u128::from_le_bytes(*room.get(to - distance..)?.first_chunk()?);
    let (mut pattern, mut bits) = (seen & (u128::MAX >> (128 - 8 * distance)), 8 * distance);
    while bits < 128 {
        pattern |= pattern << bits;
        bits *= 2;
    }
    let whole = STEP / distance * distance;
    for done in (0..len).step_by(whole) {
        *room.get_mut(to + done..)?.first_chunk_mut()? = pattern.to_le_bytes();
    }
    Some(())
}

/// A copy of a block, and the literals before it.
#[derive(Debug, Clone, Copy)]
struct Sequence {
    literals: usize,
    distance: u16,
    copied: usize,
}

/// Appends `page`'s block to `out`, made from `block`, with at most `most` copies.
pub(super) fn thin(page: &Page, block: &[u8], most: usize, out: &mut Vec<u8>) -> Option<()> {
    let sequences = sequences(block)?;
    if sequences.len() <= most {
        out.extend_from_slice(block);
        return Some(());
    }
    let mut by_length: Vec<usize> = sequences.iter().map(|sequence| sequence.copied).collect();
    by_length.sort_unstable_by(|a, b| b.cmp(a));
    let shortest = by_length.get(most).copied()?;
    // Of those as long as the shortest that may stay, the first ones do.
    let mut equals = by_length[..most].iter().filter(|&&copied| copied == shortest).count();
    let (mut at, mut literals) = (0, 0);
    for sequence in sequences {
        literals += sequence.literals;
        let last = sequence.copied == shortest && equals > 0;
        equals -= usize::from(last);
        if sequence.copied > shortest || last {
            let more = sequence.copied - SHORTEST;
            out.push((literals.min(LONG) << 4 | more.min(LONG)) as u8);
            push_length(out, literals);
            out.extend_from_slice(page.get(at..)?.get(..literals)?);
            out.extend_from_slice(&sequence.distance.to_le_bytes());
            push_length(out, more);
            at += literals + sequence.copied;
            literals = 0;
        } else {
            literals += sequence.copied;
        }
    }
    let rest = page.get(at..)?;
    out.push((rest.len().min(LONG) << 4) as u8);
    push_length(out, rest.len());
    out.extend_from_slice(rest);
    Some(())
}

/// What a length is beyond its token.
fn push_length(out: &mut Vec<u8>, length: usize) {
    if let Some(mut rest) = length.checked_sub(LONG) {
        while rest >= 255 {
            out.push(255);
            rest -= 255;
        }
        out.push(rest as u8);
    }
}

fn sequences(block: &[u8]) -> Option<Vec<Sequence>> {
    let mut sequences = Vec::new();
    let mut at = 0;
    loop {
        let token = usize::from(*block.get(at)?);
        at += 1;
        if at == block.len() {
            return Some(sequences);
        }
        let literals = length(block, &mut at, token >> 4)?;
        at += literals;
        if at >= block.len() {
            return Some(sequences);
        }
        let distance = u16::from_le_bytes(*block[at..].first_chunk()?);
        at += 2;
        let copied = length(block, &mut at, token & LONG)? + SHORTEST;
        sequences.push(Sequence { literals, distance, copied });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flex(block: &[u8]) -> Option<Page> {
        let mut page = [0; PAGE_SIZE];
        let len = lz4_flex::block::decompress_into(block, &mut page).ok()?;
        (len == PAGE_SIZE).then_some(page)
    }

    fn own(block: &[u8]) -> Option<Page> {
        let mut page = [0; PAGE_SIZE];
        // What was in the room before does not matter.
        let mut room = Box::new([0xee; PAGE_SIZE + 2 * ROUGH]);
        decode(block, &mut room, &mut page).map(|()| page)
    }

    fn thinned(page: &Page, block: &[u8], most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        thin(page, block, most, &mut out).expect("a block that was just made");
        out
    }

    /// Pages with runs of every distance, short ones and long, between stretches without.
    fn pages() -> impl Strategy<Value = Page> {
        let piece = (any::<[u8; 16]>(), 1..80_usize, 0..160_usize, any::<bool>());
        prop::collection::vec(piece, 1..120).prop_map(|pieces| {
            let mut bytes = Vec::new();
            for (seed, distance, len, fresh) in pieces {
                if fresh || bytes.len() < distance {
                    bytes.extend_from_slice(&seed[..1 + len % 16]);
                } else {
                    (0..len).for_each(|_| bytes.push(bytes[bytes.len() - distance]));
                }
            }
            core::array::from_fn(|at| bytes[at % bytes.len()])
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn both_decoders_read_what_was_made_and_what_was_thinned(page in pages(), most in 0..300_usize) {
            let block = lz4_flex::block::compress(&page);
            prop_assert!(own(&block) == Some(page));
            let thin = thinned(&page, &block, most);
            prop_assert!(sequences(&thin).unwrap().len() <= most);
            prop_assert!(own(&thin) == Some(page) && flex(&thin) == Some(page));
        }

        /// Damage is refused, or what comes of it is what the other decoder makes of it.
        #[test]
        fn damage_is_refused_or_read_alike(
            page in pages(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
            shorten in any::<bool>(),
        ) {
            let mut block = lz4_flex::block::compress(&page);
            for (at, byte) in edits {
                let at = at.index(block.len());
                block[at] = byte;
            }
            if shorten {
                block.truncate(cut.index(block.len()));
            }
            if let Some(read) = own(&block) {
                prop_assert!(flex(&block) == Some(read));
            }
        }
    }

    #[test]
    fn thinning_keeps_the_longest_copies() {
        let mut page: Page =
            core::array::from_fn(|at| (at as u32).wrapping_mul(0x9e37_79b1).to_be_bytes()[1]);
        page.copy_within(0..40, 1000);
        page.copy_within(100..300, 2000);
        page.copy_within(500..520, 3000);
        let block = lz4_flex::block::compress(&page);
        let copied = |block: &[u8]| -> Vec<usize> {
            sequences(block).unwrap().iter().map(|sequence| sequence.copied).collect()
        };
        let thin = thinned(&page, &block, 2);
        let mut longest = copied(&block);
        longest.sort_unstable_by(|a, b| b.cmp(a));
        let mut kept = copied(&thin);
        kept.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(kept, longest[..2]);
        assert!(thin.len() >= block.len());
        assert!(own(&thinned(&page, &block, 0)) == Some(page), "literals alone");
    }
}

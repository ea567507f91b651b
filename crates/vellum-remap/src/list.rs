//! Scatter-gather lists, taken apart into whole pages and what stands before and behind them.

use crate::{Error, PAGE};

/// A piece of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Its first byte.
    pub at: u64,
    /// Its bytes.
    pub bytes: u64,
}

impl Buffer {
    /// `bytes` bytes from `at` on.
    pub const fn new(at: u64, bytes: u64) -> Self {
        Buffer { at, bytes }
    }
}

/// A part of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte.
    pub at: u64,
    /// Its bytes.
    pub bytes: usize,
    /// Where it stands in the whole list's bytes.
    pub offset: u64,
    /// Whether it is whole pages; only a buffer's first and last piece may not be.
    pub whole: bool,
}

impl Piece {
    /// Its first page.
    pub const fn page(self) -> u64 {
        self.at / PAGE as u64
    }

    /// Its pages, if it is whole ones.
    pub const fn pages(self) -> usize {
        self.bytes / PAGE
    }
}

/// The pieces of a list, in order: of each buffer its head up to a page's start, its whole pages, its
/// tail; what is empty is left out.
///
/// # Errors
/// When a buffer wraps around the address space, or all of them have more than `limit` bytes.
pub fn pieces(list: &[Buffer], limit: u64) -> Result<Vec<Piece>, Error> {
    let page = PAGE as u64;
    let mut out = Vec::new();
    let mut offset = 0;
    for &Buffer { at, bytes } in list {
        let end = at.checked_add(bytes).ok_or(Error::Wraps { at, bytes })?;
        let Some(total) = bytes.checked_add(offset).filter(|&total| total <= limit) else {
            return Err(Error::TooLarge { bytes: bytes.saturating_add(offset), limit });
        };
        let first = at.checked_next_multiple_of(page).map_or(end, |first| first.min(end));
        let last = if end / page * page >= first { end / page * page } else { first };
        for (from, to, whole) in [(at, first, false), (first, last, true), (last, end, false)] {
            if to > from {
                let bytes = (to - from) as usize;
                out.push(Piece { at: from, bytes, offset: offset + (from - at), whole });
            }
        }
        offset = total;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(list: &[(u64, u64)], want: &[(u64, usize, u64, bool)]) {
        let list: Vec<Buffer> = list.iter().map(|&(at, bytes)| Buffer::new(at, bytes)).collect();
        let got: Vec<_> = pieces(&list, 1 << 40)
            .unwrap()
            .iter()
            .map(|p| (p.at, p.bytes, p.offset, p.whole))
            .collect();
        assert_eq!(got, want, "{list:?}");
    }

    #[test]
    fn only_first_and_last_are_not_whole() {
        check(&[(0, 4096)], &[(0, 4096, 0, true)]);
        check(&[(1, 4095)], &[(1, 4095, 0, false)]);
        check(&[(100, 200)], &[(100, 200, 0, false)]);
        check(&[(4095, 2)], &[(4095, 1, 0, false), (4096, 1, 1, false)]);
        check(
            &[(4000, 9000), (0, 0), (8192, 8192)],
            &[
                (4000, 96, 0, false),
                (4096, 8192, 96, true),
                (12288, 712, 8288, false),
                (8192, 8192, 9000, true),
            ],
        );
    }

    #[test]
    fn a_list_that_cannot_be_is_refused() {
        assert!(matches!(pieces(&[Buffer::new(u64::MAX, 2)], 10), Err(Error::Wraps { .. })));
        let list = [Buffer::new(0, 6), Buffer::new(9, 6)];
        assert_eq!(pieces(&list, 10), Err(Error::TooLarge { bytes: 12, limit: 10 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Against the plain definition: byte by byte, in order, each once.
        #[test]
        fn pieces_are_the_list_cut_at_pages(
            list in prop::collection::vec(
                (
                    prop_oneof![0..20_000_u64, (u64::MAX - 9000)..=u64::MAX, any::<u64>()],
                    prop_oneof![0..20_000_u64, any::<u64>()],
                ),
                0..6,
            ),
            limit in prop_oneof![0..50_000_u64, Just(u64::MAX)],
        ) {
            let buffers: Vec<Buffer> = list.iter().map(|&(at, bytes)| Buffer::new(at, bytes)).collect();
            let total: u128 = list.iter().map(|&(_, bytes)| u128::from(bytes)).sum();
            let wraps = list.iter().any(|&(at, bytes)| at.checked_add(bytes).is_none());
            let cut = match pieces(&buffers, limit) {
                Ok(cut) => cut,
                Err(Error::Wraps { at, bytes }) => {
                    prop_assert!(at.checked_add(bytes).is_none());
                    return Ok(());
                }
                Err(Error::TooLarge { bytes, limit: of }) => {
                    prop_assert!(total > u128::from(limit) && of == limit);
                    prop_assert!(bytes > limit || bytes == u64::MAX);
                    return Ok(());
                }
                Err(other) => return Err(TestCaseError::fail(format!("{other}"))),
            };
            prop_assert!(!wraps && total <= u128::from(limit));
            let mut cut = cut.into_iter();
            let mut offset = 0;
            for buffer in buffers {
                let (mut at, end) = (buffer.at, buffer.at + buffer.bytes);
                while at < end {
                    let piece = cut.next().expect("every byte is in a piece");
                    prop_assert_eq!((piece.at, piece.offset), (at, offset));
                    let last = piece.at + piece.bytes as u64;
                    prop_assert!(piece.bytes > 0 && last <= end);
                    let aligned = |at: u64| at.is_multiple_of(PAGE as u64);
                    prop_assert_eq!(piece.whole, aligned(piece.at) && aligned(last));
                    // What is not whole holds no whole page.
                    let first = piece.at.checked_next_multiple_of(PAGE as u64).unwrap_or(u64::MAX);
                    prop_assert!(piece.whole || last.saturating_sub(first) < PAGE as u64);
                    (at, offset) = (last, offset + piece.bytes as u64);
                }
            }
            prop_assert!(cut.next().is_none());
        }
    }
}

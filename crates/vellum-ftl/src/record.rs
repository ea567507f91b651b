//! Records of what happened, in the order in which it happened, and the frontiers' heads that they
//! move.

use crate::layout::{FRONTIERS, KIND_BITS, NONE};

/// Where a frontier writes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub block: u32,
    pub next: u32,
}

impl Head {
    pub const CLOSED: Head = Head { block: NONE, next: 0 };
}

/// What happened. Kept as `kind | payload << 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// The next page of a frontier holds this logical page.
    Write(u8, u32),
    /// A frontier opened a block; [`NONE`]: it has none now.
    Open(u8, u32),
    /// A logical page was discarded.
    Trim(u32),
    /// So many more after it.
    TrimMore(u32),
    /// The next so many pages of a frontier hold nothing.
    Skip(u8, u32),
}

const OPEN: u32 = 4;
const TRIM: u32 = 5;
const TRIM_MORE: u32 = 6;
const SKIP: u32 = 7;
const _: () = assert!(FRONTIERS == 4);

impl Record {
    /// Most pages that one skip passes over.
    pub const MOST_SKIP: u32 = 100;

    #[inline]
    pub fn pack(self) -> u32 {
        match self {
            Record::Write(f, lpn) => u32::from(f & 3) | lpn << KIND_BITS,
            // Block 0 never holds data, so it can stand for none.
            Record::Open(f, NONE) => OPEN | u32::from(f & 3) << KIND_BITS,
            Record::Open(f, block) => OPEN | (block << 2 | u32::from(f & 3)) << KIND_BITS,
            Record::Trim(lpn) => TRIM | lpn << KIND_BITS,
            Record::TrimMore(n) => TRIM_MORE | n << KIND_BITS,
            Record::Skip(f, n) => SKIP | (n << 2 | u32::from(f & 3)) << KIND_BITS,
        }
    }

    pub fn unpack(word: u32) -> Record {
        let payload = word >> KIND_BITS;
        let (f, rest) = ((payload & 3) as u8, payload >> 2);
        match word & 7 {
            f @ 0..=3 => Record::Write(f as u8, payload),
            OPEN => Record::Open(f, if rest == 0 { NONE } else { rest }),
            TRIM => Record::Trim(payload),
            TRIM_MORE => Record::TrimMore(payload),
            _ => Record::Skip(f, rest),
        }
    }
}

/// Moves the heads over a record; the page that a write went to.
#[inline]
pub(crate) fn advance(heads: &mut [Head; FRONTIERS], word: u32) -> Option<Head> {
    match Record::unpack(word) {
        Record::Write(f, _) => {
            let head = &mut heads[f as usize];
            let page = *head;
            head.next += 1;
            Some(page)
        }
        Record::Skip(f, n) => {
            heads[f as usize].next += n;
            None
        }
        Record::Open(f, block) => {
            heads[f as usize] = Head { block, next: 0 };
            None
        }
        Record::Trim(_) | Record::TrimMore(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_pack_and_move_heads() {
        let story = [
            Record::Open(2, 17),
            Record::Write(2, 1000),
            Record::Skip(2, 3),
            Record::Trim(5),
            Record::TrimMore(9),
            Record::Write(2, 0),
            Record::Open(2, NONE),
        ];
        let mut heads = [Head::CLOSED; FRONTIERS];
        let mut pages = Vec::new();
        for record in story {
            assert_eq!(Record::unpack(record.pack()), record);
            pages.extend(advance(&mut heads, record.pack()));
        }
        assert_eq!(pages, [Head { block: 17, next: 0 }, Head { block: 17, next: 4 }]);
        assert_eq!(heads[2], Head::CLOSED);
    }
}

//! A batch: the new values of one or more transactions, gathered to become one record of the log.
//!
//! Later values of a byte win, so overlapping ranges of one transaction or of several cost their
//! bytes once (the paper's intra- and inter-transaction optimisations). A record is an *index*
//! (which ranges) and a *body* (their bytes, in the index's order):
//!
//! ```text
//! index: { region, ranges, { gap since the last range's end, length }* }*   all LEB128
//! ```

/// One range of new values; its bytes stand in the batch's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) region: u32,
    pub(crate) start: u64,
    pub(crate) len: usize,
    at: usize,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.len as u64
    }
}

/// New values on their way to the log.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pieces: Vec<Piece>,
    arena: Vec<u8>,
    /// Bytes that transactions handed in, before overlaps were taken out.
    pub(crate) offered: u64,
    /// Transactions in it.
    pub(crate) commits: u64,
    /// Bytes of the log that are promised to it.
    pub(crate) promised: u64,
}

impl Batch {
    /// Adds the new bytes of a range.
    pub(crate) fn add(&mut self, region: u32, start: u64, bytes: &[u8]) {
        self.pieces.push(Piece { region, start, len: bytes.len(), at: self.arena.len() });
        self.arena.extend_from_slice(bytes);
        self.offered += bytes.len() as u64;
    }

    /// Bytes of memory in use.
    pub(crate) fn weight(&self) -> usize {
        self.arena.len() + self.pieces.len() * size_of::<Piece>()
    }

    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.arena.clear();
        (self.offered, self.commits, self.promised) = (0, 0, 0);
    }

    pub(crate) fn bytes(&self, piece: &Piece) -> &[u8] {
        &self.arena[piece.at..piece.at + piece.len]
    }

    /// Sorts the ranges and takes overlaps out; returns the bytes that are left.
    pub(crate) fn coalesce(&mut self) -> u64 {
        let sorted = |pieces: &[Piece]| {
            pieces
                .windows(2)
                .all(|two| (two[0].region, two[0].end()) <= (two[1].region, two[1].start))
        };
        if !sorted(&self.pieces) {
            self.pieces.sort_unstable_by_key(|piece| (piece.region, piece.start));
            if !sorted(&self.pieces) {
                // The arena is in the order of arrival.
                self.pieces.sort_unstable_by_key(|piece| std::cmp::Reverse(piece.at));
                self.pieces = disjoint(&self.pieces);
            }
        }
        self.pieces.iter().map(|piece| piece.len as u64).sum()
    }

    /// Coalesces and gives back the memory of what was overwritten.
    pub(crate) fn compact(&mut self) {
        self.coalesce();
        let mut arena = Vec::with_capacity(self.pieces.iter().map(|piece| piece.len).sum());
        for piece in &mut self.pieces {
            let at = arena.len();
            arena.extend_from_slice(&self.arena[piece.at..piece.at + piece.len]);
            piece.at = at;
        }
        self.arena = arena;
    }

    /// Its ranges, and their bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.pieces.len(), self.pieces.iter().map(|piece| piece.len as u64).sum())
    }

    /// Splits the coalesced batch into frames of at most `limit` bytes and hands index, bodies and
    /// whether more follow to `emit`.
    pub(crate) fn frames<E>(
        &self,
        limit: usize,
        mut emit: impl FnMut(&[u8], &[&[u8]], bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut frame = Vec::new();
        let (mut bytes, mut rest) = (0, self.pieces.iter().copied().peekable());
        let mut current = rest.next();
        while let Some(piece) = current {
            // An index entry has at most 4 LEB128 numbers, of 25 bytes together.
            let room = limit.saturating_sub(bytes + (frame.len() + 1) * 25).max(1);
            let mut head = piece;
            head.len = piece.len.min(room);
            bytes += head.len;
            frame.push(head);
            current = if head.len < piece.len {
                let (start, at) = (piece.start + head.len as u64, piece.at + head.len);
                Some(Piece { start, at, len: piece.len - head.len, ..piece })
            } else {
                rest.next()
            };
            let full = bytes + (frame.len() + 1) * 25 >= limit || frame.len() >= 2000;
            if full || current.is_none() {
                let bodies: Vec<&[u8]> = frame.iter().map(|piece| self.bytes(piece)).collect();
                emit(&encode_index(&frame), &bodies, current.is_some())?;
                frame.clear();
                bytes = 0;
            }
        }
        Ok(())
    }
}

/// The parts of `newest_first` that nothing newer covers, sorted.
fn disjoint(newest_first: &[Piece]) -> Vec<Piece> {
    let mut kept: std::collections::BTreeMap<(u32, u64), Piece> = std::collections::BTreeMap::new();
    for piece in newest_first {
        let mut parts = Vec::new();
        let (mut start, end) = (piece.start, piece.end());
        let before = kept.range(..=(piece.region, start)).next_back().map(|(_, held)| *held);
        if let Some(held) = before.filter(|held| held.region == piece.region) {
            start = start.max(held.end()).min(end);
        }
        for (_, held) in kept.range((piece.region, start)..(piece.region, end)) {
            parts.push(start..held.start);
            start = held.end().min(end).max(start);
        }
        parts.push(start..end);
        for part in parts.into_iter().filter(|part| part.start < part.end) {
            let at = piece.at + (part.start - piece.start) as usize;
            let len = (part.end - part.start) as usize;
            let part = Piece { region: piece.region, start: part.start, len, at };
            kept.insert((part.region, part.start), part);
        }
    }
    kept.into_values().collect()
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift == 63 && *byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The index of sorted, disjoint pieces; neighbours that touch become one entry.
fn encode_index(pieces: &[Piece]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pieces.len() * 6 + 2);
    for group in pieces.chunk_by(|one, two| one.region == two.region) {
        let touching: Vec<&[Piece]> = group.chunk_by(|one, two| one.end() == two.start).collect();
        put(&mut out, u64::from(group[0].region));
        put(&mut out, touching.len() as u64);
        let mut end = 0;
        for run in touching {
            let len: u64 = run.iter().map(|piece| piece.len as u64).sum();
            put(&mut out, run[0].start - end);
            put(&mut out, len);
            end = run[0].start + len;
        }
    }
    out
}

/// Hands the ranges of an index (region, start, length) to `each`, in the body's order; `false`
/// when the bytes are no index. Allocates nothing.
pub(crate) fn decode_index(mut bytes: &[u8], mut each: impl FnMut(u32, u64, u64)) -> bool {
    let bytes = &mut bytes;
    while !bytes.is_empty() {
        let group =
            take(bytes).and_then(|region| Some((u32::try_from(region).ok()?, take(bytes)?)));
        let Some((region, count)) = group else { return false };
        let mut end = 0_u64;
        for _ in 0..count {
            let entry = take(bytes).zip(take(bytes));
            let Some((gap, len)) = entry else { return false };
            let start = end.checked_add(gap);
            let Some((start, stop)) = start.and_then(|s| Some((s, s.checked_add(len)?))) else {
                return false;
            };
            each(region, start, len);
            end = stop;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The bytes of all regions after replaying the frames of a batch.
    fn replay(batch: &Batch, limit: usize) -> Vec<(u32, u64, u8)> {
        let mut out: Vec<(u32, u64, u8)> = Vec::new();
        let mut open = true;
        batch
            .frames(limit, |index, bodies, more| {
                assert!(open, "nothing follows the last frame");
                open = more;
                let body = bodies.concat();
                assert!(index.len() + body.len() <= limit, "{} + {}", index.len(), body.len());
                let mut at = 0;
                let whole = decode_index(index, |region, start, len| {
                    let bytes = &body[at..at + len as usize];
                    out.extend(bytes.iter().zip(start..).map(|(byte, at)| (region, at, *byte)));
                    at += len as usize;
                });
                assert!(whole && at == body.len());
                Ok::<(), ()>(())
            })
            .unwrap();
        out
    }

    proptest! {
        #[test]
        fn what_comes_out_is_the_newest_of_what_went_in(
            writes in prop::collection::vec((0_u32..3, 0_u64..200, 1_usize..40, any::<u8>()), 1..30),
            limit in 100_usize..400,
            compact in any::<bool>(),
        ) {
            let mut batch = Batch::default();
            let mut model = std::collections::BTreeMap::new();
            for (region, start, len, value) in writes {
                batch.add(region, start, &vec![value; len]);
                for at in 0..len as u64 {
                    model.insert((region, start + at), value);
                }
            }
            if compact {
                batch.compact();
            }
            prop_assert_eq!(batch.coalesce(), model.len() as u64);
            let expected: Vec<_> = model.into_iter().map(|((r, a), v)| (r, a, v)).collect();
            prop_assert_eq!(replay(&batch, limit), expected);
        }

        #[test]
        fn arbitrary_indexes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut ranges = 0;
            let whole = decode_index(&bytes, |_, start, len| {
                assert!(start.checked_add(len).is_some());
                ranges += 1;
            });
            prop_assert!(ranges <= bytes.len());
            prop_assert!(whole || !bytes.is_empty());
        }
    }

    #[test]
    fn touching_ranges_take_one_entry() {
        let mut batch = Batch::default();
        batch.add(1, 10, b"abc");
        batch.add(1, 13, b"def");
        batch.coalesce();
        let mut indexes = Vec::new();
        batch
            .frames(1000, |index, _, _| {
                indexes.push(index.to_vec());
                Ok::<(), ()>(())
            })
            .unwrap();
        assert_eq!(indexes, [vec![1, 1, 10, 6]]);
    }
}

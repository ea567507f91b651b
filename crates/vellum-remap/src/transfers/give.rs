//! Giving: bytes move from one space to another, whole pages by exchanging frames.

use super::{Completion, Transfers};
use crate::{Buffer, Error, PAGE, Piece, Run, Space, pieces};

impl<R: Run> Transfers<R> {
    /// Moves the bytes of one list to another space: whole pages that stand at the same place in
    /// both lists change frames, so the giver has the taker's old pages afterwards; heads and tails
    /// are copied to the taker, and the giver keeps them.
    ///
    /// # Errors
    /// When the lists differ in length, or a space refuses; the pages up to there have moved.
    pub fn give<S: Space<Run = R>>(
        &mut self,
        from: &mut S,
        list: &[Buffer],
        to: &mut S,
        target: &[Buffer],
    ) -> Result<Completion, Error> {
        let limit = self.policy.limit_bytes;
        let (ours, theirs) = (pieces(list, limit)?, pieces(target, limit)?);
        let total = |list: &[Buffer]| list.iter().map(|buffer| buffer.bytes).sum::<u64>();
        if total(list) != total(target) {
            return Err(Error::Lengths { from: total(list), to: total(target) });
        }
        let remap = from.can_remap() && to.can_remap();
        let token = self.name();
        let mut end = Completion { token, remapped: 0, copied: 0 };
        let moved = together(&ours, &theirs).into_iter().try_for_each(|(a, b, bytes, whole)| {
            let whole = whole && remap && bytes / PAGE >= self.policy.threshold_pages;
            let (mut at, mut left) = ((a, b), bytes);
            if whole {
                swap(from, to, (a / PAGE as u64, b / PAGE as u64), bytes / PAGE)?;
                end.remapped += bytes as u64;
                return Ok(());
            }
            let mut copy = [0; PAGE];
            while left > 0 {
                let n = left.min(PAGE);
                from.read(at.0, &mut copy[..n])?;
                to.write(at.1, &copy[..n])?;
                (at, left) = ((at.0 + n as u64, at.1 + n as u64), left - n);
                end.copied += n as u64;
            }
            Ok::<(), Error>(())
        });
        if end.remapped > 0 {
            from.publish();
            to.publish();
            self.counters.published += 2;
        }
        self.counters.begun += 1;
        let end = self.end(end);
        moved.map(|()| end)
    }
}

/// Cuts two lists of the same length into pieces that both have: address there and here, bytes, and
/// whether they are whole pages on both sides.
fn together(ours: &[Piece], theirs: &[Piece]) -> Vec<(u64, u64, usize, bool)> {
    let mut out = Vec::new();
    let (mut a, mut b) = (ours.iter().copied(), theirs.iter().copied());
    let (mut x, mut y) = (a.next(), b.next());
    while let (Some(p), Some(q)) = (x, y) {
        let n = p.bytes.min(q.bytes);
        let whole = p.whole
            && q.whole
            && n.is_multiple_of(PAGE)
            && p.at.is_multiple_of(PAGE as u64)
            && q.at.is_multiple_of(PAGE as u64);
        out.push((p.at, q.at, n, whole));
        let rest = |p: Piece| {
            (p.bytes > n).then_some(Piece { at: p.at + n as u64, bytes: p.bytes - n, ..p })
        };
        x = rest(p).or_else(|| a.next());
        y = rest(q).or_else(|| b.next());
    }
    out
}

/// Lets the frames of two runs of pages change places; on an error everything is as before.
fn swap<S: Space>(from: &mut S, to: &mut S, (a, b): (u64, u64), count: usize) -> Result<(), Error> {
    let mut run = from.zeros(count);
    from.exchange(a, &mut run)?;
    if let Err(error) = to.exchange(b, &mut run) {
        from.exchange(a, &mut run)?;
        return Err(error.into());
    }
    Ok(from.exchange(a, &mut run)?)
}

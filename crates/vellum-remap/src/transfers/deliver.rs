//! Receiving: data for buffers that were posted.

use super::{Completion, Flight, Token, Transfers};
use crate::{Data, Error, PAGE, Part, Piece, Run, Space, SpaceError};

impl<R: Run> Transfers<R> {
    /// Data for posted buffers, which fills them from the first on. Where held pages meet whole
    /// pages of a buffer, the frames change places; the rest is copied. Returns the frames that the
    /// pages had: they are the device's now.
    ///
    /// # Errors
    /// When no such buffers are posted; or when the space refuses a piece: those before it are
    /// filled, and the buffers are not posted any more.
    pub fn deliver<S: Space<Run = R>>(
        &mut self,
        space: &mut S,
        token: Token,
        data: &Data<R>,
    ) -> Result<(Completion, Vec<R>), Error> {
        let Some(Flight::Posted { .. }) = self.flights.get(&token) else {
            return Err(Error::Unknown(token));
        };
        let Some(Flight::Posted { pieces, pages, remap }) = self.flights.remove(&token) else {
            return Err(Error::Unknown(token));
        };
        self.flying -= pages;
        let mut back = Vec::new();
        let mut end = Completion { token, remapped: 0, copied: 0 };
        let filled = pieces
            .iter()
            .try_for_each(|&piece| self.fill(space, piece, remap, data, &mut back, &mut end));
        if !back.is_empty() {
            space.publish();
            self.counters.published += 1;
        }
        let end = self.end(end);
        filled.map(|()| (end, back))
    }

    /// As [`Transfers::deliver`], for one run of frames that the device does not keep: where the
    /// buffers are one run of pages of that length, nothing is held twice, and the frames that the
    /// pages had are exclusively the device's.
    ///
    /// # Errors
    /// As for [`Transfers::deliver`].
    pub fn deliver_owned<S: Space<Run = R>>(
        &mut self,
        space: &mut S,
        token: Token,
        mut run: R,
    ) -> Result<(Completion, Vec<R>), Error> {
        let alone = match self.flights.get(&token) {
            Some(Flight::Posted { pieces, remap: true, .. }) => match pieces[..] {
                [piece] if self.is_worth_it(piece) && piece.pages() == run.pages() => Some(piece),
                _ => None,
            },
            _ => None,
        };
        let Some(piece) = alone else { return self.deliver_all(space, token, run) };
        let mut end = Completion { token, remapped: 0, copied: 0 };
        let exchanged = space.exchange(piece.page(), &mut run);
        if matches!(exchanged, Err(SpaceError::Pinned { .. } | SpaceError::Foreign { .. })) {
            // Page by page then: what can't become another page is written like any other.
            return self.deliver_all(space, token, run);
        }
        self.flights.remove(&token);
        self.flying -= piece.pages();
        if exchanged.is_ok() {
            end.remapped = piece.bytes as u64;
            space.publish();
            self.counters.published += 1;
        }
        let end = self.end(end);
        exchanged?;
        Ok((end, vec![run]))
    }

    fn deliver_all<S: Space<Run = R>>(
        &mut self,
        space: &mut S,
        token: Token,
        run: R,
    ) -> Result<(Completion, Vec<R>), Error> {
        let mut data = Data::new();
        data.push(Part::Pages(run));
        self.deliver(space, token, &data)
    }

    /// Fills one piece of a posted buffer.
    fn fill<S: Space<Run = R>>(
        &self,
        space: &mut S,
        piece: Piece,
        remap: bool,
        data: &Data<R>,
        back: &mut Vec<R>,
        end: &mut Completion,
    ) -> Result<(), Error> {
        let from = piece.offset as usize;
        let bytes = piece.bytes.min(data.len().saturating_sub(from));
        let mut done = 0;
        // What comes before this is copied: its frames are from elsewhere, or its page is pinned.
        let mut stays = 0;
        while done < bytes {
            let at = piece.at + done as u64;
            let may = remap && done >= stays && self.is_worth_it(piece) && bytes - done >= PAGE;
            if may && let Some(mut run) = data.pages_at(from + done, (bytes - done) / PAGE) {
                match exchange_before_pinned(space, at / PAGE as u64, &mut run) {
                    Ok(ended) => {
                        let moved = run.pages() * PAGE;
                        (done, end.remapped) = (done + moved, end.remapped + moved as u64);
                        if ended == Ended::BeforePinned {
                            stays = done + PAGE;
                        }
                        back.push(run);
                        continue;
                    }
                    // A pinned frame is never replaced, and one from elsewhere never put in its place;
                    // the page is written like any other.
                    Err(SpaceError::Pinned { .. }) => {}
                    Err(SpaceError::Foreign { .. }) => stays = done + run.pages() * PAGE,
                    Err(error) => return Err(error.into()),
                }
            }
            // Up to the end of the page: there the next pages may stand.
            let n = (PAGE - at as usize % PAGE).min(bytes - done);
            let mut copy = vec![0; n];
            data.read(from + done, &mut copy);
            space.write(at, &copy)?;
            (done, end.copied) = (done + n, end.copied + n as u64);
        }
        Ok(())
    }
}

/// How far an exchange went.
#[derive(PartialEq, Eq)]
enum Ended {
    AfterAll,
    BeforePinned,
}

/// Exchanges the pages of a run, or those before the first that is pinned, which are in `run` then.
fn exchange_before_pinned<S: Space>(
    space: &mut S,
    first: u64,
    run: &mut S::Run,
) -> Result<Ended, SpaceError> {
    match space.exchange(first, run) {
        Err(SpaceError::Pinned { at }) if at / PAGE as u64 > first => {
            *run = run.part(0..(at / PAGE as u64 - first) as usize);
            space.exchange(first, run).map(|()| Ended::BeforePinned)
        }
        other => other.map(|()| Ended::AfterAll),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Buffer, Heap, HeapRun};

    /// A space some of whose pages are pinned, or all of whose exchanges are refused, and which counts.
    struct Strict {
        heap: Heap,
        pinned: Vec<u64>,
        foreign: bool,
        asked: u32,
    }

    impl Space for Strict {
        type Run = HeapRun;

        fn lend(&mut self, first: u64, count: usize) -> Result<HeapRun, SpaceError> {
            self.heap.lend(first, count)
        }

        fn settle(&mut self, first: u64, run: &HeapRun) {
            self.heap.settle(first, run);
        }

        fn exchange(&mut self, first: u64, run: &mut HeapRun) -> Result<(), SpaceError> {
            self.asked += 1;
            let pages = first..first + run.pages() as u64;
            if self.foreign {
                return Err(SpaceError::Foreign { at: first * PAGE as u64 });
            }
            match self.pinned.iter().find(|page| pages.contains(page)) {
                Some(page) => Err(SpaceError::Pinned { at: page * PAGE as u64 }),
                None => self.heap.exchange(first, run),
            }
        }

        fn zeros(&mut self, count: usize) -> HeapRun {
            self.heap.zeros(count)
        }

        fn publish(&mut self) {}

        fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), SpaceError> {
            self.heap.read(at, out)
        }

        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), SpaceError> {
            self.heap.write(at, bytes)
        }
    }

    /// Delivers 100 pages: bytes that were remapped, and how often the space was asked.
    fn deliver(pinned: &[u64], foreign: bool) -> (u64, u32) {
        const PAGES: usize = 100;
        let mut source = Heap::new(PAGES);
        let bytes: Vec<u8> = (0..PAGES * PAGE).map(|at| (at / PAGE * 7 + at % 5) as u8).collect();
        source.write(0, &bytes).unwrap();
        let mut data = Data::new();
        data.push(Part::Pages(source.lend(0, PAGES).unwrap()));
        let mut space =
            Strict { heap: Heap::new(PAGES), pinned: pinned.to_vec(), foreign, asked: 0 };
        let mut transfers = Transfers::default();
        let list = [Buffer::new(0, bytes.len() as u64)];
        let token = transfers.post(&space, &list).unwrap();
        let (end, _) = transfers.deliver(&mut space, token, &data).unwrap();
        let mut out = vec![0; bytes.len()];
        space.read(0, &mut out).unwrap();
        assert!(out == bytes, "pinned {pinned:?}, foreign {foreign}");
        assert_eq!(end.remapped + end.copied, bytes.len() as u64);
        (end.remapped / PAGE as u64, space.asked)
    }

    #[test]
    fn what_must_stay_is_copied_and_nothing_beside_it() {
        assert_eq!(deliver(&[], false), (100, 1));
        assert_eq!(deliver(&[40], false), (99, 3));
        assert_eq!(deliver(&[0, 40, 41, 99], false).0, 96);
    }

    #[test]
    fn frames_from_elsewhere_are_offered_once_and_not_once_a_page() {
        assert_eq!(deliver(&[], true), (0, 1));
    }
}

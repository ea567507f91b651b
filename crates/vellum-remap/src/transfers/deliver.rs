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
        while done < bytes {
            let at = piece.at + done as u64;
            if remap && self.is_worth_it(piece) && (bytes - done) >= PAGE {
                let wanted = (bytes - done) / PAGE;
                if let Some(mut run) = data.pages_at(from + done, wanted) {
                    let moved = run.pages() * PAGE;
                    match space.exchange(at / PAGE as u64, &mut run) {
                        Ok(()) => {
                            (done, end.remapped) = (done + moved, end.remapped + moved as u64);
                            back.push(run);
                            continue;
                        }
                        // A pinned frame is never replaced, and one from elsewhere never put in its
                        // place; the page is written like any other.
                        Err(SpaceError::Pinned { .. } | SpaceError::Foreign { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
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

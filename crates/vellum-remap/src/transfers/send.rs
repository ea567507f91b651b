//! Sending: buffers are lent to a device until it has read them.

use super::{Completion, Flight, Token, Transfers};
use crate::{Buffer, Data, Error, PAGE, Part, Run, Space, pieces};

impl<R: Run> Transfers<R> {
    /// Lends buffers to a device, until [`Transfers::complete`]: their bytes as they are now, whatever
    /// anyone writes to them afterwards. Whole pages are held and read-only meanwhile; heads and
    /// tails, and runs of pages under the threshold, are copied.
    ///
    /// # Errors
    /// When a buffer is not memory, the list is too long, or the quota refuses. Nothing is in flight
    /// then.
    pub fn send<S: Space<Run = R>>(
        &mut self,
        space: &mut S,
        list: &[Buffer],
    ) -> Result<Token, Error> {
        let pieces = pieces(list, self.policy.limit_bytes)?;
        let remap = space.can_lend() && self.reserve(space, &pieces)?;
        let mut lent = Vec::new();
        let mut data = Data::new();
        let mut copied = 0;
        for &piece in &pieces {
            let part = if remap && self.is_worth_it(piece) {
                space.lend(piece.page(), piece.pages()).map(|run| {
                    lent.push(piece.page());
                    Part::Pages(run)
                })
            } else {
                let mut bytes = vec![0; piece.bytes];
                copied += piece.bytes as u64;
                space.read(piece.at, &mut bytes).map(|()| Part::Bytes(bytes))
            };
            match part {
                Ok(part) => data.push(part),
                Err(error) => {
                    settle(space, &lent, &data);
                    return Err(error.into());
                }
            }
        }
        if !lent.is_empty() {
            // Before anyone reads: from here on no processor can write what was lent.
            space.publish();
            self.counters.published += 1;
        }
        self.flying += data.paged() / PAGE;
        Ok(self.begin(Flight::Sent { lent, data, copied }))
    }

    /// The data of a transfer that was sent.
    pub fn data(&self, token: Token) -> Option<&Data<R>> {
        match self.flights.get(&token)? {
            Flight::Sent { data, .. } => Some(data),
            Flight::Posted { .. } => None,
        }
    }

    /// The device has read everything: the pages may be written again, where nothing else withholds
    /// it. Whoever cloned the data keeps it.
    ///
    /// # Errors
    /// When no such transfer was sent.
    pub fn complete<S: Space<Run = R>>(
        &mut self,
        space: &mut S,
        token: Token,
    ) -> Result<Completion, Error> {
        let Some(Flight::Sent { .. }) = self.flights.get(&token) else {
            return Err(Error::Unknown(token));
        };
        let Some(Flight::Sent { lent, data, copied }) = self.flights.remove(&token) else {
            return Err(Error::Unknown(token));
        };
        self.flying -= data.paged() / PAGE;
        settle(space, &lent, &data);
        let remapped = data.len() as u64 - copied;
        Ok(self.end(Completion { token, remapped, copied }))
    }
}

/// Ends the lends of `data`, whose lent parts begin at these pages.
pub(super) fn settle<S: Space>(space: &mut S, lent: &[u64], data: &Data<S::Run>) {
    let runs = data.parts().iter().filter_map(|part| match part {
        Part::Pages(run) => Some(run),
        Part::Bytes(_) => None,
    });
    lent.iter().zip(runs).for_each(|(&first, run)| space.settle(first, run));
}

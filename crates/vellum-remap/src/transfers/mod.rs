//! Transfers in flight: begun, ended, given up.
//!
//! What a caller may rely on, for every transfer, in the words of the README: value semantics, the
//! writer gets the fresh frame, holds are counted, receiving never touches a shared frame, only heads
//! and tails are copied, nothing is lost when either side goes, and every end says what was copied.

mod deliver;
mod give;
mod send;
mod verdict;

pub use verdict::{Completed, Completion, Counters, Token};

use crate::policy::OverQuota;
use crate::{Buffer, Data, Error, PAGE, Piece, Policy, Run, Space, pieces};
use send::settle;
use std::collections::{BTreeMap, VecDeque};

/// One transfer.
#[derive(Debug)]
enum Flight<R> {
    /// The data that the device reads; for each of its parts that is lent pages, the first one's
    /// number.
    Sent { lent: Vec<u64>, data: Data<R>, copied: u64 },
    /// Buffers that wait for data.
    Posted { pieces: Vec<Piece>, pages: usize, remap: bool },
}

/// Transfers of one space, in flight and ended. Dropping it drops every hold.
#[derive(Debug)]
pub struct Transfers<R> {
    policy: Policy,
    next: u64,
    flights: BTreeMap<Token, Flight<R>>,
    flying: usize,
    ended: VecDeque<Completed>,
    /// What happened.
    pub counters: Counters,
}

impl<R: Run> Default for Transfers<R> {
    fn default() -> Self {
        Transfers::new(Policy::default())
    }
}

impl<R: Run> Transfers<R> {
    /// None yet.
    pub fn new(policy: Policy) -> Self {
        Transfers {
            policy,
            next: 0,
            flights: BTreeMap::new(),
            flying: 0,
            ended: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// The limits.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Other limits, for transfers from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Pages in flight.
    pub fn pages_in_flight(&self) -> usize {
        self.flying
    }

    /// Posts buffers for data to come, until [`Transfers::deliver`].
    ///
    /// # Errors
    /// When a buffer can't be, the list is too long, or the quota refuses.
    pub fn post<S: Space<Run = R>>(&mut self, space: &S, list: &[Buffer]) -> Result<Token, Error> {
        let pieces = pieces(list, self.policy.limit_bytes)?;
        let remap = self.reserve(space, &pieces)?;
        let worth = pieces.iter().filter(|&&piece| remap && self.is_worth_it(piece));
        let pages = worth.map(|piece| piece.pages()).sum();
        self.flying += pages;
        Ok(self.begin(Flight::Posted { pieces, pages, remap }))
    }

    /// The device of a transfer is gone: its holds end, its buffers are not posted any more.
    ///
    /// # Errors
    /// When it is not in flight.
    pub fn give_up<S: Space<Run = R>>(&mut self, space: &mut S, token: Token) -> Result<(), Error> {
        let flight = self.flights.remove(&token).ok_or(Error::Unknown(token))?;
        self.counters.given_up += 1;
        match flight {
            Flight::Sent { lent, data, copied } => {
                self.flying -= data.paged() / PAGE;
                settle(space, &lent, &data);
                self.end(Completion { token, remapped: data.len() as u64 - copied, copied });
            }
            Flight::Posted { pages, .. } => {
                self.flying -= pages;
                self.end(Completion { token, remapped: 0, copied: 0 });
            }
        }
        Ok(())
    }

    /// Gives all of them up.
    pub fn give_all_up<S: Space<Run = R>>(&mut self, space: &mut S) {
        let tokens: Vec<Token> = self.flights.keys().copied().collect();
        for token in tokens {
            // It is in flight: nobody else ends it here.
            let _ = self.give_up(space, token);
        }
    }

    /// The space itself is gone: every hold is dropped, and what they held goes back where it came
    /// from.
    pub fn forget(&mut self) {
        let flights = core::mem::take(&mut self.flights);
        self.counters.given_up += flights.len() as u64;
        self.counters.ended += flights.len() as u64;
        self.flying = 0;
    }

    /// The next transfers that ended, neighbours with the same verdict as one.
    pub fn next_completed(&mut self) -> Option<Completed> {
        self.ended.pop_front()
    }

    fn is_worth_it(&self, piece: Piece) -> bool {
        piece.whole && piece.pages() >= self.policy.threshold_pages.max(1)
    }

    /// Whether the pieces may be remapped, as to the space and the quota.
    fn reserve<S: Space<Run = R>>(&mut self, space: &S, pieces: &[Piece]) -> Result<bool, Error> {
        if !space.can_remap() {
            return Ok(false);
        }
        let worth = pieces.iter().filter(|&&piece| self.is_worth_it(piece));
        let pages: usize = worth.map(|piece| piece.pages()).sum();
        let (flying, quota) = (self.flying, self.policy.quota_pages);
        if flying + pages <= quota {
            return Ok(true);
        }
        match self.policy.over_quota {
            OverQuota::Refuse => Err(Error::Quota { pages, flying, quota }),
            OverQuota::Copy => {
                self.counters.over_quota += 1;
                Ok(false)
            }
        }
    }

    fn name(&mut self) -> Token {
        self.next += 1;
        Token(self.next - 1)
    }

    fn begin(&mut self, flight: Flight<R>) -> Token {
        let token = self.name();
        self.flights.insert(token, flight);
        self.counters.begun += 1;
        token
    }

    fn end(&mut self, end: Completion) -> Completion {
        self.counters.ended += 1;
        self.counters.remapped += end.remapped;
        self.counters.copied += end.copied;
        let (token, copied) = (end.token, end.was_copied());
        match self.ended.back_mut() {
            Some(before) if before.last.0 + 1 == token.0 && before.copied == copied => {
                before.last = token;
            }
            _ => self.ended.push_back(Completed { first: token, last: token, copied }),
        }
        // Who never asks loses the oldest, not memory.
        if self.ended.len() > ENDED_LIMIT {
            self.ended.pop_front();
        }
        end
    }
}

/// Ranges of completions kept for whoever asks.
const ENDED_LIMIT: usize = 1024;

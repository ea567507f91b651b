//! Which page goes when room is needed.
//!
//! Pages are small dense numbers, so a policy is a byte a page and a few queues through one array of
//! links (`queue.rs`): nothing is hashed, and nothing is allocated after it was made. A policy knows
//! pages only; what they hold, and where it goes, is the [`Pager`](crate::Pager)'s business.

mod arc;
mod belady;
mod core;
mod one_queue;
mod queue;
mod random;
mod selector;
mod slru;
mod small_main;
mod two_q;

pub use arc::Arc;
pub use belady::Belady;
pub(crate) use belady::{NEVER, Upcoming, next_uses};
pub use core::Alone;
use core::Core;
pub use one_queue::{Clock, Lru, OneQueue, Sieve};
pub use random::Random;
pub use selector::Selector;
pub use slru::Slru;
pub use small_main::{Clock2QPlus, S3Fifo, SmallMain};
pub use two_q::TwoQ;

use std::fmt::Debug;

/// Says that a page must stay: it is pinned, or in transfer.
pub type Keep<'a> = &'a mut dyn FnMut(u32) -> bool;

/// Nothing must stay.
pub fn keep_nothing(_: u32) -> bool {
    false
}

/// Chooses victims.
///
/// The order of calls: a page that is not [held](Policy::contains) is [admitted](Policy::admit),
/// after [`Policy::victim`] has made room where the policy is full; a page that is held is
/// [touched](Policy::touch) when it is referenced and [forgotten](Policy::forget) when somebody
/// else takes it away. Pages are below the number that the policy was made for.
pub trait Policy: Debug + Send {
    /// Its name, as commands and reports spell it.
    fn name(&self) -> &'static str;

    /// Pages that it holds.
    fn len(&self) -> u32;

    /// Whether it holds none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pages that it should hold at most; queues inside are sized by it.
    fn capacity(&self) -> u32;

    /// Changes the capacity. Holding more than that now is no error: the caller asks for victims.
    fn set_capacity(&mut self, pages: u32);

    /// Whether it holds `page`.
    fn contains(&self, page: u32) -> bool;

    /// Whether a page is held and another reference to it changes nothing, as it is marked as often as
    /// references count. A policy may always say no.
    fn is_settled(&self, page: u32) -> bool {
        let _ = page;
        false
    }

    /// A held page is referenced.
    fn touch(&mut self, page: u32);

    /// A page that was not held is now.
    fn admit(&mut self, page: u32);

    /// Chooses a page, takes it out and remembers it as one that was evicted. `incoming` is the page
    /// that needs the room, if that is known. `None` when everything must stay.
    fn victim(&mut self, incoming: Option<u32>, keep: Keep<'_>) -> Option<u32>;

    /// Takes a held page out, without any memory of it.
    fn forget(&mut self, page: u32);
}

/// One reference, as a simulation makes it: a hit is touched; on a miss a victim makes room and the
/// page comes in. Whether it was a hit.
#[inline]
pub fn reference<P: Policy + ?Sized>(policy: &mut P, page: u32) -> bool {
    if policy.contains(page) {
        policy.touch(page);
        return true;
    }
    miss(policy, page);
    false
}

#[cold]
fn miss<P: Policy + ?Sized>(policy: &mut P, page: u32) {
    while policy.len() >= policy.capacity().max(1) {
        if policy.victim(Some(page), &mut keep_nothing).is_none() {
            break;
        }
    }
    policy.admit(page);
}

/// The names that [`by_name`] knows, the default first.
pub const NAMES: [&str; 10] =
    ["selector", "lru", "clock", "2q", "arc", "slru", "s3-fifo", "clock2q+", "sieve", "random"];

/// A policy by its name, for `pages` pages of which `capacity` are held.
pub fn by_name(name: &str, pages: u32, capacity: u32) -> Option<Box<dyn Policy>> {
    Some(match name {
        "selector" => Box::new(Selector::new(pages, capacity)),
        "lru" => Box::new(Lru::new(pages, capacity)),
        "clock" => Box::new(Clock::new(pages, capacity)),
        "2q" => Box::new(TwoQ::new(pages, capacity)),
        "arc" => Box::new(Arc::new(pages, capacity)),
        "slru" => Box::new(Slru::new(pages, capacity)),
        "s3-fifo" => Box::new(S3Fifo::new(pages, capacity)),
        "clock2q+" => Box::new(Clock2QPlus::new(pages, capacity)),
        "sieve" => Box::new(Sieve::new(pages, capacity)),
        "random" => Box::new(Random::new(pages, capacity, 1)),
        _ => return None,
    })
}

/// A share of the capacity in percent, at least one page.
fn share(capacity: u32, percent: u32) -> u32 {
    (u64::from(capacity) * u64::from(percent) / 100).max(1) as u32
}

#[cfg(test)]
mod tests;

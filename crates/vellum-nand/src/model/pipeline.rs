//! When operations begin and end: what waits for the bus, for a register, for the array.

use super::Model;
use crate::EraseBlock;
use vellum_block::{Duration, Instant};

/// What a call that programs or erases waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pipeline {
    /// Until the array is done.
    #[default]
    Waits,
    /// Until its bytes are over the bus, so that other units can work meanwhile.
    Overlapped,
    /// The same, and a page's bytes go into a second register while the array programs the page before (ONFI's
    /// *page cache program*).
    Cached,
}

impl Model {
    /// A read on a block's unit: the array, then the bus. It waits for what the unit does, or suspends it.
    #[inline]
    pub(super) fn spend_read(&mut self, block: EraseBlock, bus: Duration, array: Duration) {
        let busy = &mut self.busy[self.config.geometry.unit_of(block) as usize];
        let suspended = match self.config.suspend {
            Some(each) if *busy > self.now => Some((each, busy.since(self.now))),
            _ => None,
        };
        let Some((each, left)) = suspended else {
            *busy = self.now.max(*busy) + bus + array;
            self.now = *busy;
            return;
        };
        self.now = self.now + each + array + bus;
        *busy = self.now + each + left;
    }

    /// A program on a block's unit: the bus, then the array.
    #[inline]
    pub(super) fn spend_program(&mut self, block: EraseBlock, bus: Duration, array: Duration) {
        if self.config.pipeline != Pipeline::Cached {
            return self.spend_change(block, bus, array);
        }
        let unit = self.config.geometry.unit_of(block) as usize;
        let loaded = self.now.max(self.register[unit]) + bus;
        // The bytes move on to the array's own register when it begins with them.
        let begins = loaded.max(self.busy[unit]);
        self.register[unit] = begins;
        self.busy[unit] = begins + array;
        self.now = loaded;
    }

    /// An erase, or a program where there is one register.
    #[inline]
    pub(super) fn spend_change(&mut self, block: EraseBlock, bus: Duration, array: Duration) {
        let busy = &mut self.busy[self.config.geometry.unit_of(block) as usize];
        let over = self.now.max(*busy) + bus;
        *busy = over + array;
        self.now = if self.config.pipeline == Pipeline::Waits { *busy } else { over };
    }

    /// Waits until every unit is idle; the time then.
    pub fn settle(&mut self) -> Instant {
        let last = self.busy.iter().copied().max().unwrap_or(self.now);
        self.now = self.now.max(last);
        self.now
    }
}

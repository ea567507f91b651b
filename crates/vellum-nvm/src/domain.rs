//! What a program sees: stores that stay in the processor's cache until they are flushed, and a
//! fence that waits until what was flushed is durable.
//!
//! When the power goes, every store before the last fence whose line was flushed is there. Of the
//! others, any 8-byte word may be there or not: caches write lines back when they like, and the
//! memory takes 8 bytes at once.

use crate::device::{Access, LINE, Nvm, NvmError};
use std::collections::BTreeMap;
use vellum_block::{Instant, Rng};

/// A volatile line: its content, and for each word whether it differs from what is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cached {
    data: [u8; LINE],
    flushed: bool,
}

/// A persistence domain over an [`Nvm`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    nvm: Nvm,
    cache: BTreeMap<u64, Cached>,
    now: Instant,
    /// When the last flushed line will be durable.
    pending: Instant,
}

impl Domain {
    /// A domain over a device, with an empty cache.
    pub fn new(nvm: Nvm) -> Domain {
        Domain { nvm, cache: BTreeMap::new(), now: Instant::ZERO, pending: Instant::ZERO }
    }

    /// The device.
    pub fn nvm(&self) -> &Nvm {
        &self.nvm
    }

    /// The program's time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lines that are not durable.
    pub fn volatile_lines(&self) -> usize {
        self.cache.len()
    }

    fn line(&mut self, line: u64) -> Result<[u8; LINE], NvmError> {
        if let Some(c) = self.cache.get(&line) {
            return Ok(c.data);
        }
        let mut data = [0; LINE];
        self.now = self.nvm.read(self.now, line, &mut data)?.end;
        Ok(data)
    }

    /// Reads 8 bytes at a byte address, rounded down to a multiple of 8.
    ///
    /// # Errors
    /// When the address is past the end.
    pub fn load(&mut self, address: u64) -> Result<u64, NvmError> {
        let data = self.line(address / LINE as u64)?;
        let at = address as usize % LINE / 8 * 8;
        Ok(u64::from_le_bytes(data[at..at + 8].try_into().expect("8 bytes")))
    }

    /// Stores 8 bytes at a byte address, rounded down to a multiple of 8, into the cache.
    ///
    /// # Errors
    /// When the address is past the end.
    pub fn store(&mut self, address: u64, value: u64) -> Result<(), NvmError> {
        let line = address / LINE as u64;
        let mut data = self.line(line)?;
        let at = address as usize % LINE / 8 * 8;
        data[at..at + 8].copy_from_slice(&value.to_le_bytes());
        // A store after a flush needs another flush.
        self.cache.insert(line, Cached { data, flushed: false });
        Ok(())
    }

    /// Starts to write a line back, if it is in the cache; a fence waits for it.
    pub fn flush(&mut self, address: u64) {
        if let Some(c) = self.cache.get_mut(&(address / LINE as u64)) {
            c.flushed = true;
        }
    }

    /// Waits until all flushed lines are durable.
    ///
    /// # Errors
    /// When a line is worn out; it stays in the cache.
    pub fn fence(&mut self) -> Result<(), NvmError> {
        let flushed: Vec<u64> = self.cache.iter().filter(|c| c.1.flushed).map(|c| *c.0).collect();
        for line in flushed {
            let data = self.cache[&line].data;
            let Access { end, .. } = self.nvm.write(self.now, line, &data)?;
            self.pending = self.pending.max(end);
            self.cache.remove(&line);
        }
        self.now = self.now.max(self.pending);
        Ok(())
    }

    /// Words (line, word) of the cache that differ from what is durable.
    fn torn_words(&self) -> Result<Vec<(u64, usize)>, NvmError> {
        let mut out = Vec::new();
        for (&line, c) in &self.cache {
            let old = self.nvm.peek(line)?;
            let differs = |w: &usize| old[w * 8..w * 8 + 8] != c.data[w * 8..w * 8 + 8];
            out.extend((0..LINE / 8).filter(differs).map(|w| (line, w)));
        }
        Ok(out)
    }

    /// The device after a loss of power at which the words that `survives` picks had got through.
    ///
    /// # Errors
    /// When a line is worn out.
    pub fn power_loss(&self, mut survives: impl FnMut(usize) -> bool) -> Result<Nvm, NvmError> {
        let mut nvm = self.nvm.clone();
        let words = self.torn_words()?;
        for (i, (line, word)) in words.into_iter().enumerate() {
            if survives(i) {
                let mut data = nvm.peek(line)?;
                let range = word * 8..word * 8 + 8;
                data[range.clone()].copy_from_slice(&self.cache[&line].data[range]);
                nvm.write(self.now, line, &data)?;
            }
        }
        Ok(nvm)
    }

    /// All states that a loss of power now may leave, if there are at most `limit`; otherwise
    /// `limit` of them, seeded, with none and all of the words among them.
    ///
    /// # Errors
    /// When a line is worn out.
    pub fn crash_states(&self, limit: usize, seed: u64) -> Result<Vec<Nvm>, NvmError> {
        let words = self.torn_words()?.len();
        if words < 20 && 1usize << words <= limit {
            return (0..1usize << words)
                .map(|set| self.power_loss(|i| set >> i & 1 == 1))
                .collect();
        }
        let mut rng = Rng::new(seed);
        let mut out = vec![self.power_loss(|_| false)?, self.power_loss(|_| true)?];
        while out.len() < limit {
            out.push(self.power_loss(|_| rng.one_in(2))?);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles;

    fn domain() -> Domain {
        Domain::new(Nvm::new(profiles::find("pcm").unwrap(), 64, 1).unwrap())
    }

    fn word(nvm: &Nvm, address: u64) -> u64 {
        let line = nvm.peek(address / 64).unwrap();
        let at = address as usize % 64;
        u64::from_le_bytes(line[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn flushed_and_fenced_stores_survive_every_crash_and_others_may_not() {
        let mut d = domain();
        d.store(0, 1).unwrap();
        d.flush(0);
        d.fence().unwrap();
        d.store(64, 2).unwrap();
        d.store(72, 3).unwrap();
        d.flush(64);
        let states = d.crash_states(100, 0).unwrap();
        assert_eq!(states.len(), 4, "two words, each there or not");
        assert!(states.iter().all(|s| word(s, 0) == 1));
        let seen: Vec<_> = states.iter().map(|s| (word(s, 64), word(s, 72))).collect();
        for want in [(0, 0), (2, 0), (0, 3), (2, 3)] {
            assert!(seen.contains(&want), "{want:?}");
        }
    }

    /// A record and a flag that says that the record is there.
    fn publish(d: &mut Domain, fenced: bool) -> bool {
        d.store(128, 77).unwrap();
        d.flush(128);
        if fenced {
            d.fence().unwrap();
        }
        d.store(256, 1).unwrap();
        d.flush(256);
        d.crash_states(64, 0).unwrap().iter().all(|s| word(s, 256) == 0 || word(s, 128) == 77)
    }

    #[test]
    fn a_missing_fence_is_found() {
        assert!(publish(&mut domain(), true));
        assert!(!publish(&mut domain(), false), "the planted bug");
    }

    #[test]
    fn a_store_after_the_flush_is_not_covered_by_the_fence() {
        let mut d = domain();
        d.store(0, 1).unwrap();
        d.flush(0);
        d.store(0, 2).unwrap();
        d.fence().unwrap();
        assert_eq!(d.volatile_lines(), 1);
        assert_eq!(d.load(0).unwrap(), 2);
        assert_eq!(word(d.nvm(), 0), 0);
    }
}

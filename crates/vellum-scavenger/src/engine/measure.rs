//! What codecs take on this machine, on what the store holds: the pages of the guests at hand.

use super::Scavenger;
use super::objects::Home;
use crate::Costs;
use crate::content::Codec;

/// Records of a codec that are timed at most, and how few say nothing.
const MOST: usize = 400;
const FEWEST: usize = 50;

impl Scavenger {
    /// What codecs take on this machine: timed on the store's own records, spread over all of it, and
    /// where a codec has too few of them, on made-up pages. Some 100 ms.
    ///
    /// A run that must replay takes its costs from its configuration instead: measure once, and keep
    /// them.
    pub fn measured_costs(&mut self) -> Costs {
        let end = self.vault.objects.end();
        let mut times: [Vec<u32>; Codec::ALL.len()] = Default::default();
        // A step without a common factor with most tables' lengths comes by everywhere.
        for number in (0..end).map(|at| (u64::from(at) * 7919 % u64::from(end)) as u32) {
            let Some(object) = self.vault.objects.find(number) else { continue };
            let Home::Record { codec, place } = object.home else { continue };
            let of = &mut times[codec as usize - 1];
            if of.len() >= MOST {
                continue;
            }
            let base = match object.base.map(|base| self.vault.content(base, &mut self.other)) {
                Some(Err(_)) => continue,
                Some(Ok(())) => Some(&*self.other),
                None => None,
            };
            let vault = &mut self.vault;
            if let Ok(record) = vault.store.get(number, place) {
                of.push(Costs::time(&mut vault.coder, codec, record, base));
            }
        }
        let (mut costs, mut few) = (Costs::default(), Vec::new());
        for (codec, mut times) in Codec::ALL.into_iter().zip(times) {
            if times.len() >= FEWEST {
                costs.take(codec, &mut times);
            } else {
                few.push(codec);
            }
        }
        costs.measure(self.policy.level, &few);
        costs
    }

    /// Holds the restore budget against other costs from here on. What is packed already stays as it is.
    pub fn set_costs(&mut self, costs: Costs) {
        self.policy.costs = costs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Look, Mode, Options, PageSet, Pages};
    use std::sync::Arc;
    use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};

    #[test]
    fn the_stores_own_records_are_measured_and_stay_as_they_are() {
        const COUNT: u64 = 80;
        let pool = FramePool::new(PoolOptions::new(2 * COUNT)).unwrap();
        let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
        let set = scavenger.add_set(COUNT, Domain(0), Mode::Share).unwrap();
        let mut pages = Pages::new(Arc::clone(&pool), COUNT as usize);
        let content = |page: u64| {
            let mut content = [0; PAGE_SIZE];
            for (at, byte) in content.iter_mut().enumerate().take(600) {
                *byte = (page * 131 + at as u64 * (page % 7 + 3) / 5) as u8;
            }
            content
        };
        for page in 0..COUNT {
            pages.write(&mut scavenger, set, page, 0, &content(page)).unwrap();
        }
        for _ in 0..6 {
            scavenger.pass(&mut [(set, &mut pages)]).unwrap();
        }
        let before = scavenger.report().store;
        assert!(before.records as usize >= FEWEST, "{before:?}");
        let costs = scavenger.measured_costs();
        assert!(Codec::ALL.into_iter().all(|codec| costs[codec] > 0));
        assert_eq!(scavenger.report().store, before);
        scavenger.set_costs(costs);
        assert_eq!(scavenger.policy().costs, costs);
        for page in 0..COUNT {
            assert!(matches!(pages.look(page), Look::Packed(_)), "{page}");
            let mut out = [0; PAGE_SIZE];
            pages.read(&mut scavenger, set, page, &mut out).unwrap();
            assert_eq!(out, content(page), "{page}");
        }
    }
}

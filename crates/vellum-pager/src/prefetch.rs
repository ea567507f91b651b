//! Which pages to bring before they are asked for.

use crate::PageNo;
use std::fmt::Debug;

/// Guesses what comes next from what was missing.
pub trait Prefetch: Debug + Send {
    /// Its name.
    fn name(&self) -> &'static str;

    /// `page` was missing; adds the pages that should come with it to `wanted`. Those that are there,
    /// or nowhere, are left out by the pager.
    fn missing(&mut self, page: PageNo, wanted: &mut Vec<PageNo>);

    /// A page that was brought before it was asked for has now been used.
    fn used(&mut self, page: PageNo) {
        let _ = page;
    }
}

/// Nothing is prefetched.
impl Prefetch for () {
    fn name(&self) -> &'static str {
        "none"
    }

    fn missing(&mut self, _: PageNo, _: &mut Vec<PageNo>) {}
}

/// The next pages, more of them the longer faults go on in order; as readahead of file systems does.
#[derive(Debug, Clone)]
pub struct Sequential {
    most: u32,
    window: u32,
    /// The page whose fault would go on in order: after the last window, or just after the last.
    next: Option<u32>,
}

impl Sequential {
    /// At most `most` pages at once.
    pub fn new(most: u32) -> Self {
        Sequential { most, window: 0, next: None }
    }
}

impl Prefetch for Sequential {
    fn name(&self) -> &'static str {
        "sequential"
    }

    fn missing(&mut self, page: PageNo, wanted: &mut Vec<PageNo>) {
        let page = page.get();
        let on = self.next.is_some_and(|next| page == next);
        self.window = if on { (self.window * 2).clamp(2, self.most) } else { 0 };
        wanted.extend((1..=self.window).filter_map(|at| page.checked_add(at)).map(PageNo::new));
        self.next = page.checked_add(self.window + 1);
    }
}

/// The majority trend of Al Maruf & Chowdhury, *Effectively Prefetching Remote Memory with Leap*
/// (ATC 2020): the stride that more than half of the last faults had, found in windows of growing
/// size by Boyer and Moore's vote.
#[derive(Debug, Clone)]
pub struct MajorityTrend {
    /// Strides between faults, newest last.
    history: std::collections::VecDeque<i64>,
    last: Option<u32>,
    most: u32,
    size: u32,
    /// Prefetched pages used since the last fault.
    hits: u32,
}

/// The paper's size of the history, and the part that the first window is.
const HISTORY: usize = 32;
const SPLIT: usize = 4;

impl MajorityTrend {
    /// At most `most` pages at once; the paper takes 8.
    pub fn new(most: u32) -> Self {
        let history = std::collections::VecDeque::with_capacity(HISTORY);
        MajorityTrend { history, last: None, most, size: 0, hits: 0 }
    }

    fn trend(&self) -> Option<i64> {
        let mut window = HISTORY / SPLIT;
        loop {
            let recent = self.history.iter().rev().take(window);
            let (mut candidate, mut votes) = (0, 0_u32);
            for &stride in recent.clone() {
                match votes {
                    0 => (candidate, votes) = (stride, 1),
                    _ if stride == candidate => votes += 1,
                    _ => votes -= 1,
                }
            }
            let seen = recent.clone().count();
            if recent.filter(|&&stride| stride == candidate).count() > seen / 2 && candidate != 0 {
                return Some(candidate);
            }
            window *= 2;
            if window > HISTORY || seen == self.history.len() {
                return None;
            }
        }
    }
}

impl Prefetch for MajorityTrend {
    fn name(&self) -> &'static str {
        "majority trend"
    }

    fn missing(&mut self, page: PageNo, wanted: &mut Vec<PageNo>) {
        let stride = self.last.map(|last| i64::from(page.get()) - i64::from(last));
        self.last = Some(page.get());
        if let Some(stride) = stride {
            if self.history.len() == HISTORY {
                self.history.pop_front();
            }
            self.history.push_back(stride);
        }
        let trend = self.trend();
        // Hits make the window grow; without any it shrinks by halves, and a fault that follows the
        // trend keeps it open.
        let follows = stride.is_some() && stride == trend;
        let grown = match self.hits {
            0 => u32::from(follows),
            hits => (hits + 1).next_power_of_two(),
        };
        self.size = grown.max(self.size / 2).min(self.most);
        self.hits = 0;
        let Some(stride) = trend else { return };
        let next = |at| i64::from(page.get()) + stride * i64::from(at);
        wanted
            .extend((1..=self.size).map_while(|at| u32::try_from(next(at)).ok()).map(PageNo::new));
    }

    fn used(&mut self, _: PageNo) {
        self.hits += 1;
    }
}

/// Record and prefetch (Ustiugov et al., *Benchmarking, Analysis, and Optimization of Serverless
/// Function Snapshots*, ASPLOS 2021): the missing pages of one run, in order, are brought ahead of
/// time in the next. On a replayed run it is exact: a page that was missing several times is found at
/// its next place in the order.
#[derive(Debug, Clone)]
pub struct Recorded {
    order: Vec<PageNo>,
    /// Pages with their places in the order.
    places: std::collections::BTreeSet<(u32, u32)>,
    /// The place that the run has come to.
    at: u32,
    ahead: u32,
}

impl Recorded {
    /// Follows `order`, the missing pages of an earlier run, `ahead` pages ahead.
    pub fn new(order: Vec<PageNo>, ahead: u32) -> Self {
        let places = (0..).zip(&order).map(|(at, page)| (page.get(), at)).collect();
        Recorded { order, places, at: 0, ahead }
    }
}

impl Prefetch for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn missing(&mut self, page: PageNo, wanted: &mut Vec<PageNo>) {
        // Where the run is, or where it begins anew.
        let page = page.get();
        let from = |at: u32| self.places.range((page, at)..=(page, u32::MAX)).next();
        let Some(&(_, at)) = from(self.at).or_else(|| from(0)) else { return };
        self.at = at + 1;
        wanted.extend(self.order.iter().skip(self.at as usize).take(self.ahead as usize));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(prefetch: &mut dyn Prefetch, page: u32) -> Vec<u32> {
        let mut wanted = Vec::new();
        prefetch.missing(PageNo::new(page), &mut wanted);
        wanted.iter().map(|page| page.get()).collect()
    }

    #[test]
    fn readahead_grows_while_faults_go_on_in_order() {
        let mut sequential = Sequential::new(8);
        assert_eq!(ask(&mut sequential, 10), []);
        assert_eq!(ask(&mut sequential, 11), [12, 13]);
        assert_eq!(ask(&mut sequential, 14), [15, 16, 17, 18]);
        assert_eq!(ask(&mut sequential, 19).len(), 8);
        assert_eq!(ask(&mut sequential, 28).len(), 8);
        assert_eq!(ask(&mut sequential, 99), []);
    }

    #[test]
    fn a_stride_is_found_among_other_faults() {
        let mut leap = MajorityTrend::new(8);
        // Every seventh page, with a stray fault now and then.
        let mut page = 0;
        for round in 0..20 {
            page += 7;
            ask(&mut leap, page);
            (0..3).for_each(|_| leap.used(PageNo::new(0)));
            if round % 6 == 5 {
                ask(&mut leap, 100_000);
            }
        }
        // Four of the last pages were used: the window opens to eight.
        leap.used(PageNo::new(0));
        let next: Vec<u32> = (2..10).map(|at| page + 7 * at).collect();
        assert_eq!(ask(&mut leap, page + 7), next);
        // Downwards, it ends at page 0.
        let mut leap = MajorityTrend::new(8);
        for at in (2..12).rev() {
            ask(&mut leap, at);
            (0..7).for_each(|_| leap.used(PageNo::new(0)));
        }
        assert_eq!(ask(&mut leap, 1), [0]);
    }

    #[test]
    fn a_recorded_order_is_followed_from_wherever_it_is_entered() {
        let order = [5, 9, 2, 7, 1].map(PageNo::new).to_vec();
        let mut recorded = Recorded::new(order, 2);
        assert_eq!(ask(&mut recorded, 9), [2, 7]);
        assert_eq!(ask(&mut recorded, 1), []);
        assert_eq!(ask(&mut recorded, 100), []);
    }

    #[test]
    fn a_page_that_was_missing_twice_is_found_where_the_run_is() {
        let order = [5, 9, 2, 5, 7, 1].map(PageNo::new).to_vec();
        let mut recorded = Recorded::new(order, 2);
        assert_eq!(ask(&mut recorded, 5), [9, 2]);
        assert_eq!(ask(&mut recorded, 5), [7, 1]);
        // From the beginning again.
        assert_eq!(ask(&mut recorded, 9), [2, 5]);
    }
}

//! The peer: copying.

use crate::{COLD, MOVED, timed};

const PAGE: usize = 4096;

/// Two areas to copy between.
pub struct Copies {
    from: Vec<u8>,
    to: Vec<u8>,
    next: usize,
}

impl Copies {
    pub fn new() -> Self {
        Copies { from: vec![1; COLD * PAGE], to: vec![2; COLD * PAGE], next: 0 }
    }

    fn copy(&mut self, pages: usize, next: impl Fn(&mut usize) -> usize) -> f64 {
        let mut at = self.next;
        let time = timed((MOVED / pages).max(1), |_| {
            let range = next(&mut at) * PAGE..;
            let range = range.start..range.start + pages * PAGE;
            self.to[range.clone()].copy_from_slice(&self.from[range.clone()]);
            // The receiver reads what it got, as it does where pages are remapped.
            let touched = self.to[range].iter().step_by(PAGE).fold(0u8, |sum, &byte| sum ^ byte);
            std::hint::black_box(touched);
            Ok(())
        });
        self.next = at;
        time.unwrap_or(f64::NAN)
    }

    /// The same buffers again and again.
    pub fn hot(&mut self, pages: usize) -> f64 {
        self.copy(pages, |_| 0)
    }

    /// Buffers that were last touched a whole area ago.
    pub fn cold(&mut self, pages: usize) -> f64 {
        self.copy(pages, |at| {
            *at = (*at + pages) % (COLD - pages);
            *at
        })
    }
}

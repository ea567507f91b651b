//! Any page: what a policy must at least beat, and the only one that nobody can steer.

use super::{Keep, Policy};
use vellum_block::Rng;

const NOWHERE: u32 = u32::MAX;
/// Draws before the choice becomes a search.
const DRAWS: u32 = 64;

/// A page by chance, from a seed: two runs make the same choices.
#[derive(Debug, Clone)]
pub struct Random {
    place: Box<[u32]>,
    held: Vec<u32>,
    rng: Rng,
    capacity: u32,
}

impl Random {
    /// For pages below `pages`, `capacity` of them held. Memory: 4 bytes a page, 4 a held one.
    pub fn new(pages: u32, capacity: u32, seed: u64) -> Self {
        let place = vec![NOWHERE; pages as usize].into();
        Random { place, held: Vec::new(), rng: Rng::new(seed), capacity }
    }
}

impl Policy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn len(&self) -> u32 {
        self.held.len() as u32
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.place[page as usize] != NOWHERE
    }

    #[inline]
    fn touch(&mut self, _: u32) {}

    fn admit(&mut self, page: u32) {
        self.place[page as usize] = self.held.len() as u32;
        self.held.push(page);
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        if self.held.is_empty() {
            return None;
        }
        for _ in 0..DRAWS {
            let page = self.held[self.rng.below(self.held.len() as u64) as usize];
            if !keep(page) {
                self.forget(page);
                return Some(page);
            }
        }
        let page = self.held.iter().copied().find(|&page| !keep(page))?;
        self.forget(page);
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        let place = std::mem::replace(&mut self.place[page as usize], NOWHERE);
        self.held.swap_remove(place as usize);
        if let Some(&moved) = self.held.get(place as usize) {
            self.place[moved as usize] = place;
        }
    }
}

//! What the differential runs draw their cases from: each adds what it needs to it.

use vellum_replay::Generator;

/// A seeded source of cases.
pub struct Random(pub Generator);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(Generator::new(seed))
    }

    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.word() % limit
    }
}

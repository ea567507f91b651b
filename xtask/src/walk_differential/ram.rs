//! The memory of a case, as our walk sees it.

use std::cell::Cell;
use vellum_translate::{Gpa, TableMemory};

/// The emulator's memory: every word holds its own address, but for those of the case.
pub struct Ram {
    range: std::ops::Range<u64>,
    words: Vec<(u64, Cell<u64>)>,
}

impl Ram {
    pub fn new(range: std::ops::Range<u64>, words: &[(u64, u64)]) -> Ram {
        Ram { range, words: words.iter().map(|&(at, word)| (at, Cell::new(word))).collect() }
    }

    pub fn left(&self) -> Vec<u64> {
        self.words.iter().map(|(_, word)| word.get()).collect()
    }

    fn word(&self, at: Gpa) -> Option<&Cell<u64>> {
        self.words.iter().rev().find(|(place, _)| *place == at.get()).map(|(_, word)| word)
    }
}

impl TableMemory for Ram {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        let there = self.range.contains(&at.get());
        there.then(|| self.word(at).map_or(at.get(), Cell::get))
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let word = self.word(at)?;
        let same = word.get() == current;
        if same {
            word.set(new);
        }
        Some(same)
    }
}

//! All blocks of a chip, shared with its copies until one of them writes.
//!
//! Programs come to one block many times over, and asking each time whether a copy of the chip shares it
//! costs more than the rest of a program. So the block that was written last stands apart, unshared, in the
//! place of nothing; another one that is written changes places with it.

use super::block::Block;
use std::sync::Arc;

/// No block stands apart.
const NONE: u32 = u32::MAX;

/// The blocks by number.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    /// The one that stands apart is empty here.
    shared: Vec<Arc<Block>>,
    number: u32,
    apart: Block,
}

impl Cells {
    /// So many blocks that never differed; they share one until they are written.
    pub fn new(blocks: u32, each: Block) -> Cells {
        let plain = Arc::new(each);
        Cells::of(vec![plain; blocks as usize])
    }

    fn of(shared: Vec<Arc<Block>>) -> Cells {
        Cells { shared, number: NONE, apart: Block::new(0, 0, 0) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shared.len()
    }

    /// A block to look at.
    #[inline]
    pub fn get(&self, block: u32) -> &Block {
        if block == self.number { &self.apart } else { &self.shared[block as usize] }
    }

    /// A block to write.
    #[inline]
    pub fn get_mut(&mut self, block: u32) -> &mut Block {
        if block != self.number {
            self.set_apart(block);
        }
        &mut self.apart
    }

    #[cold]
    fn set_apart(&mut self, block: u32) {
        if let Some(home) = self.shared.get_mut(self.number as usize) {
            core::mem::swap(Arc::make_mut(home), &mut self.apart);
        }
        core::mem::swap(Arc::make_mut(&mut self.shared[block as usize]), &mut self.apart);
        self.number = block;
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        (0..self.shared.len() as u32).map(|block| self.get(block))
    }
}

impl FromIterator<Block> for Cells {
    fn from_iter<I: IntoIterator<Item = Block>>(blocks: I) -> Cells {
        Cells::of(blocks.into_iter().map(Arc::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erases(cells: &Cells) -> Vec<u32> {
        cells.iter().map(|b| b.erases).collect()
    }

    #[test]
    fn copies_part_where_one_writes() {
        let mut cells = Cells::new(3, Block::new(4, 2, 9));
        cells.get_mut(1).erases = 5;
        let mut copy = cells.clone();
        // In the block that stood apart, in the one that shared its content with all, and back.
        copy.get_mut(1).erases += 1;
        copy.get_mut(2).erases = 7;
        copy.get_mut(1).erases += 1;
        cells.get_mut(0).erases = 3;
        assert_eq!((erases(&cells), erases(&copy)), (vec![3, 5, 0], vec![0, 7, 7]));
        assert!(cells.iter().chain(copy.iter()).all(|b| b.pages.len() == 4 && b.endurance == 9));
    }
}

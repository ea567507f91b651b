//! Formatting, and what a chip was formatted for.

use crate::anchor::{self, Anchor};
use crate::bits;
use crate::blocks::Role;
use crate::board;
use crate::copies::Copies;
use crate::ftl::Ftl;
use crate::layout::{Layout, NONE, SPAN};
use crate::{Config, FtlError, MapMode};
use alloc::vec;
use vellum_nand::{EraseBlock, Nand, NandError};

impl<N: Nand> Ftl<N> {
    /// Makes an empty device of a chip. Everything on it is lost.
    ///
    /// # Errors
    /// When the chip's shape can't carry the layer, or its good blocks so many logical pages.
    pub fn format(mut nand: N, config: Config) -> Result<Ftl<N>, FtlError> {
        let g = *nand.geometry();
        let l = Layout::new(&g, &config)?;
        let mut bad = vec![0u8; g.blocks.div_ceil(8) as usize];
        for block in 0..g.blocks {
            if nand.is_marked_bad(EraseBlock(block))? {
                bits::insert(&mut bad, block);
            }
        }
        board::take(&mut nand, config.bad_block_table, &mut vec![0; l.page_bytes()], &mut bad)?;
        let good = g.blocks - bad.iter().map(|b| b.count_ones()).sum::<u32>();
        let most = l.capacity(good);
        if u64::from(l.held) > most {
            return Err(FtlError::Capacity { logical: l.held.into(), good, most });
        }
        let is_bad = |b: &u32| bits::has(&bad, *b);
        let mut first = (0..SPAN.min(g.blocks)).filter(|b| !is_bad(b));
        let (Some(a), Some(b)) = (first.next(), first.next()) else {
            let what = "good blocks among the first eight";
            return Err(FtlError::Geometry { what, found: 1, needed: 2 });
        };
        let rest = (1..g.blocks).filter(|x| !is_bad(x) && *x != a && *x != b);
        let ring = rest.take(l.ring() as usize).collect();
        let interval = config.meta_interval;
        let logical = config.logical_pages;
        let snapshot = config.snapshot_pages;
        let anchor = Anchor {
            number: 0,
            logical,
            interval,
            snapshot,
            twin: NONE,
            blocks: [a, b],
            ring,
            bad,
        };
        let mut ftl = Ftl::bare(nand, l, config, anchor);
        ftl.set_roles();
        for slice in 0..l.slices {
            ftl.load_slice(slice)?;
        }
        ftl.counted = true;
        // An older layer's anchors must not be found.
        for block in 0..SPAN.min(g.blocks) {
            if !ftl.anchor.is_bad(block) && !ftl.erase(block)? {
                return Err(NandError::EraseFailed { block: EraseBlock(block) }.into());
            }
        }
        ftl.copies = Copies::EMPTY;
        ftl.write_anchor()?;
        ftl.write_meta(true)?;
        Ok(ftl)
    }

    /// Roles that the anchor tells. Block 0 never holds data, so page 0 can stand for "nowhere".
    pub(crate) fn set_roles(&mut self) {
        for block in 0..self.l.g.blocks {
            if self.anchor.is_bad(block) {
                self.blocks.set_role(block, Role::Bad);
            }
        }
        for (blocks, role) in
            [(&self.anchor.blocks[..], Role::Anchor), (&self.anchor.ring, Role::Meta)]
        {
            for &block in blocks {
                if self.blocks.role(block) != Role::Bad {
                    self.blocks.set_role(block, role);
                }
            }
        }
    }

    /// What a chip was formatted for, without mounting it.
    ///
    /// # Errors
    /// As for mounting.
    pub fn probe(nand: &mut N) -> Result<Config, FtlError> {
        let g = *nand.geometry();
        let mut reads = 0;
        let found = anchor::find(nand, &g, &mut reads)?;
        let best = found.first().ok_or(FtlError::NotFormatted { probed: SPAN.min(g.blocks) })?;
        Ok(best.anchor.config(MapMode::Flat))
    }
}

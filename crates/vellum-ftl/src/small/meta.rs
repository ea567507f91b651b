//! The metadata of a group: its pages' entries, the root of the tree, where the log begins, the bad blocks.

use super::shape::HEADER;
use super::{Small, VERSION};
use crate::FtlError;
use crate::anchor::numbers;
use crate::layout::safe_pages;
use crate::meta::{get, put};
use crate::oob::{Kind, Oob};
use vellum_nand::{Geometry, Nand};

const MAGIC: u32 = u32::from_le_bytes(*b"VLS1");

/// What a metadata page says.
pub(super) struct Meta {
    pub logical: u32,
    root: u32,
    tail: u32,
    turns: u32,
}

/// Reads a metadata page's header.
fn decode(g: &Geometry, page: &[u8]) -> Result<Option<Meta>, FtlError> {
    let end = page.len() - 4;
    let mut at = 0;
    let mut next = |n: usize| get(page, &mut at, n);
    if next(4) != MAGIC.into() || crc32fast::hash(&page[..end]).to_le_bytes() != page[end..] {
        return Ok(None);
    }
    let found = next(4) as u32;
    if found != VERSION {
        return Err(FtlError::Version { found, known: VERSION });
    }
    for (field, expected) in numbers(g) {
        let (found, expected) = (next(4), u64::from(expected));
        if found != expected {
            return Err(FtlError::OtherGeometry { field, found, expected });
        }
    }
    let (logical, root, tail, turns) =
        (next(4) as u32, next(4) as u32, next(4) as u32, next(4) as u32);
    let slots = g.blocks * safe_pages(g);
    Ok((root < slots && tail < slots).then_some(Meta { logical, root, tail, turns }))
}

impl<N: Nand> Small<N> {
    /// A metadata page, if it is one; it is left in the page's buffer.
    pub(super) fn read_meta(&mut self, slot: u32) -> Result<Option<Meta>, FtlError> {
        let record = self.peek(slot)?.1;
        if record.is_none_or(|r| r.kind != Kind::Meta) || self.content(slot)?.is_none() {
            return Ok(None);
        }
        decode(&self.shape.g, &self.page)
    }

    /// Takes the state that a metadata page tells; whether it is one.
    pub(super) fn resume(&mut self, slot: u32) -> Result<bool, FtlError> {
        let Some(meta) = self.read_meta(slot)? else { return Ok(false) };
        (self.root, self.tail, self.turns) = (meta.root, meta.tail, meta.turns);
        self.kept = meta.tail;
        self.block = self.shape.block_of(slot);
        let table = self.shape.table();
        self.bad.copy_from_slice(&self.page[HEADER..HEADER + table]);
        Ok(meta.logical == self.shape.logical)
    }

    /// Writes the metadata of the group that ends here, and its copy. Pages of other groups whose metadata
    /// is missing were copied before.
    pub(super) fn write_meta(&mut self) -> Result<(), FtlError> {
        let shape = self.shape;
        let group = self.next_slot() / shape.group;
        let within = move |slot: u32| slot / shape.group == group;
        let page = &mut self.page[..];
        page.fill(0);
        let mut at = 0;
        put(page, &mut at, MAGIC.into(), 4);
        put(page, &mut at, VERSION.into(), 4);
        for (_, v) in numbers(&shape.g) {
            put(page, &mut at, v.into(), 4);
        }
        put(page, &mut at, shape.logical.into(), 4);
        put(page, &mut at, self.root.into(), 4);
        put(page, &mut at, self.tail.into(), 4);
        put(page, &mut at, self.turns.into(), 4);
        debug_assert!(at <= HEADER);
        page[HEADER..HEADER + shape.table()].copy_from_slice(&self.bad);
        for (slot, entry) in self.recent.all().filter(|e| within(e.0)) {
            page[shape.entry_at(slot)..][..entry.len()].copy_from_slice(entry);
        }
        let end = page.len() - 4;
        let crc = crc32fast::hash(&page[..end]);
        page[end..].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(page);
        let mut whole = true;
        while whole && self.next < shape.per_block && shape.is_meta(self.next_slot()) {
            let record = Oob::plain(Kind::Meta, 0, self.seq, crc);
            whole = self.program_buffer(&record)?;
            self.stats.programs_meta += 1;
        }
        if whole {
            // Pages of groups that never got theirs stay until they were copied.
            self.recent.retain(|slot| !within(slot));
            self.kept = self.tail;
        }
        Ok(())
    }
}

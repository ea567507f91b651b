//! Saving, restoring and hashing a chip, by the idiom of `vellum-state`.

use super::block::{Block, Flaw};
use super::cells::Cells;
use super::frames::Frames;
use super::{Counters, Cut, CutMode, Model, READ_OFFSETS, RETRY_LEVELS};
use crate::Geometry;
use vellum_block::{Instant, Rng};
use vellum_state::{Error, Reader, State, Writer};

/// Bits of the read-retry level, below the offset of the references.
const RETRY_BITS: u32 = 3;
const _: () = assert!(RETRY_LEVELS < 1 << RETRY_BITS && READ_OFFSETS <= 0x7f >> RETRY_BITS);

impl State for Model {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"NAND", 1, |w| {
            save_geometry(&self.config.geometry, w);
            w.u64(self.rng.state());
            w.u64(self.now.as_ps());
            w.u64(self.aged);
            w.u8(self.retry | self.offset.cast_unsigned() << RETRY_BITS);
            w.u32(self.open);
            w.bool(self.powered);
            save_cut(self.cut, w);
            self.busy.iter().chain(&self.register).for_each(|t| w.u64(t.as_ps()));
            self.disturb.iter().for_each(|&n| w.u32(n));
            fields(&self.counters).iter().for_each(|&n| w.u64(n));
            self.cells.iter().for_each(|b| save_block(b, &self.frames, w));
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"NAND", 1, |r| {
            let g = self.config.geometry;
            check_geometry(&g, r)?;
            self.rng = Rng::new(r.u64()?);
            self.now = Instant::from_ps(r.u64()?);
            self.aged = r.u64()?;
            let settings = r.u8()?;
            self.retry = settings & ((1 << RETRY_BITS) - 1);
            self.offset = settings.cast_signed() >> RETRY_BITS;
            self.open = r.u32()?;
            self.powered = r.bool()?;
            self.cut = load_cut(r)?;
            for t in self.busy.iter_mut().chain(&mut self.register) {
                *t = Instant::from_ps(r.u64()?);
            }
            for n in &mut self.disturb {
                *n = r.u32()?;
            }
            let mut all = [0; 9];
            for n in &mut all {
                *n = r.u64()?;
            }
            self.counters = counters(all);
            // Blocks and the frames that they name change together, or not at all.
            let mut frames = Frames::default();
            let cells: Result<Cells, Error> =
                (0..self.cells.count()).map(|_| load_block(&g, &mut frames, r)).collect();
            (self.cells, self.frames) = (cells?, frames);
            Ok(())
        })
    }
}

fn save_geometry(g: &Geometry, w: &mut Writer<'_>) {
    for n in numbers(g) {
        w.u32(n);
    }
}

/// The geometry's fields in the order in which they are saved.
pub(super) fn numbers(g: &Geometry) -> [u32; 11] {
    [
        g.blocks,
        g.pages_per_block,
        g.page_bytes,
        g.oob_bytes,
        g.planes.into(),
        g.units.into(),
        g.cell.bits(),
        g.programs_per_page.into(),
        g.ecc.codeword_bytes,
        g.ecc.correctable.into(),
        g.ecc.parity_bytes.into(),
    ]
}

fn check_geometry(g: &Geometry, r: &mut Reader<'_>) -> Result<(), Error> {
    for expected in numbers(g) {
        let found = r.u32()?;
        if found != expected {
            let why = "the saved chip has another geometry";
            return Err(Error::Value { field: "geometry", value: found.into(), why });
        }
    }
    Ok(())
}

fn save_cut(cut: Option<Cut>, w: &mut Writer<'_>) {
    w.bool(cut.is_some());
    if let Some(cut) = cut {
        w.u64(cut.after);
        w.u8(CutMode::ALL.iter().position(|&m| m == cut.mode).unwrap_or(0) as u8);
        w.u64(cut.seed);
    }
}

fn load_cut(r: &mut Reader<'_>) -> Result<Option<Cut>, Error> {
    if !r.bool()? {
        return Ok(None);
    }
    let (after, mode, seed) = (r.u64()?, r.u8()?, r.u64()?);
    let field = "cut mode";
    let why = "no such mode";
    let mode = *CutMode::ALL.get(usize::from(mode)).ok_or(Error::Value {
        field,
        value: mode.into(),
        why,
    })?;
    Ok(Some(Cut { after, mode, seed }))
}

fn fields(c: &Counters) -> [u64; 9] {
    [
        c.reads,
        c.programs,
        c.copies,
        c.erases,
        c.program_fails,
        c.erase_fails,
        c.corrected_bits,
        c.uncorrectable,
        c.bus_bytes,
    ]
}

fn counters(n: [u64; 9]) -> Counters {
    let [reads, programs, copies, erases, program_fails, erase_fails, bits, uncorrectable, bus] = n;
    Counters {
        reads,
        programs,
        copies,
        erases,
        program_fails,
        erase_fails,
        corrected_bits: bits,
        uncorrectable,
        bus_bytes: bus,
    }
}

fn save_block(b: &Block, frames: &Frames, w: &mut Writer<'_>) {
    w.u32(b.erases);
    w.u32(b.endurance);
    w.u32(b.next);
    w.u8(u8::from(b.marked) | u8::from(b.weak) << 1);
    // A page that was never touched takes one byte.
    for (i, page) in b.pages.iter().enumerate() {
        let (code, n) = page.flaw.code();
        let held = page.frame.is_some();
        w.u8(code | u8::from(held) << 7);
        if code != 0 || held {
            w.u8(n);
            w.u8(page.programs);
            w.u64(b.born(i as u32));
        }
        if let Some(bytes) = page.frame.map(|frame| frames.get(frame)) {
            w.raw(bytes);
            w.raw(b.oob_of(i as u32));
        }
    }
}

fn load_block(g: &Geometry, frames: &mut Frames, r: &mut Reader<'_>) -> Result<Block, Error> {
    let mut b = Block::new(g.pages_per_block, g.user_oob_bytes(), 0);
    b.erases = r.u32()?;
    b.endurance = r.u32()?;
    b.next = r.u32()?;
    let field = "next page";
    if b.next > g.pages_per_block {
        return Err(Error::Value { field, value: b.next.into(), why: "past the block's end" });
    }
    let flags = r.u8()?;
    (b.marked, b.weak) = (flags & 1 != 0, flags & 2 != 0);
    for page in 0..g.pages_per_block {
        let code = r.u8()?;
        let held = code & 0x80 != 0;
        if code == 0 {
            continue;
        }
        let n = r.u8()?;
        let why = "no such flaw";
        let flaw = Flaw::from_code(code & 0x7f, n);
        let slot = &mut b.pages[page as usize];
        slot.flaw = flaw.ok_or(Error::Value { field: "flaw", value: code.into(), why })?;
        slot.programs = r.u8()?;
        let born = r.u64()?;
        if held {
            let mut data = vec![0; g.page_bytes as usize];
            r.raw(&mut data)?;
            slot.frame = Some(frames.put(&data));
            r.raw(b.oob_of_mut(page))?;
        }
        b.set_born(page, born);
    }
    Ok(b)
}

//! Saved state of a device: cells, flags, wear, banks, registers.

use crate::device::{Bank, Nvm};
use vellum_state::{Error, Reader, State, Writer};

impl State for Nvm {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"NVMD", 1, |w| {
            w.u64(self.lines);
            for cells in &self.cells {
                cells.iter().for_each(|&c| w.u64(c));
            }
            w.raw(&self.inverted);
            self.wear.iter().for_each(|&n| w.u32(n));
            for b in &self.banks {
                w.u64(b.free);
                w.u64(b.open);
            }
            let (start, gap) = self.gap.registers();
            w.u64(start);
            w.u64(gap);
            w.u64(self.limits);
            w.u32(self.since_move);
            let c = &self.counters;
            let numbers =
                [c.reads, c.writes, c.row_hits, c.flips, c.inverted, c.extra_lines, c.moved];
            numbers.into_iter().for_each(|n| w.u64(n));
            w.raw(&c.energy_fj.to_le_bytes());
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"NVMD", 1, |r| {
            let value = r.u64()?;
            if value != self.lines {
                return Err(Error::Value { field: "lines", value, why: "another device's state" });
            }
            for cells in &mut self.cells {
                for c in cells {
                    *c = r.u64()?;
                }
            }
            r.raw(&mut self.inverted)?;
            for n in &mut self.wear {
                *n = r.u32()?;
            }
            for b in &mut self.banks {
                *b = Bank { free: r.u64()?, open: r.u64()? };
            }
            let (start, gap) = (r.u64()?, r.u64()?);
            if !self.gap.set_registers(start, gap) {
                return Err(Error::Value { field: "gap", value: gap, why: "outside the device" });
            }
            self.limits = r.u64()?;
            self.since_move = r.u32()?;
            let c = &mut self.counters;
            for n in [
                &mut c.reads,
                &mut c.writes,
                &mut c.row_hits,
                &mut c.flips,
                &mut c.inverted,
                &mut c.extra_lines,
                &mut c.moved,
            ] {
                *n = r.u64()?;
            }
            let mut energy = [0; 16];
            r.raw(&mut energy)?;
            c.energy_fj = u128::from_le_bytes(energy);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Nvm, profiles, random_lines};
    use vellum_state::{from_bytes, state_hash, to_bytes};

    #[test]
    fn a_restored_device_goes_on_as_if_nothing_had_been() {
        let mut a = Nvm::new(profiles::find("pcm").unwrap(), 128, 5).unwrap();
        random_lines(&mut a, 3000, 1).unwrap();
        let mut b = Nvm::new(profiles::find("pcm").unwrap(), 128, 5).unwrap();
        from_bytes(&mut b, &to_bytes(&a)).unwrap();
        random_lines(&mut a, 3000, 2).unwrap();
        random_lines(&mut b, 3000, 2).unwrap();
        assert_eq!(state_hash(&a), state_hash(&b));
        assert_eq!(a, b);
    }
}

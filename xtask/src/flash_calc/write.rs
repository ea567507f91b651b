//! The time of writing one page, by two formulas from the textbook (Anderson and Dahlin, *Operating
//! Systems: Principles and Practice*, on flash storage) and by the chip model.
//!
//! In place, a write reads the whole erase block, erases it and programs it again:
//! pages · (read + program) + erase. Remapped to a block that is already erased, it costs one program
//! and its share of an erase: program + erase / pages.

use super::{Args, significant};
use crate::table::Table;
use anyhow::{Context, Result};
use serde_json::Value;
use vellum_block::Duration;
use vellum_nand::model::{Bus, Timing};
use vellum_nand::{CellKind, EccSpec, EraseBlock, Geometry, Model, ModelConfig, Nand, Ppa};

/// Classes of chips, by their cells.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Class {
    Slc,
    Mlc,
    Tlc,
    Qlc,
}

impl Class {
    fn cell(self) -> CellKind {
        match self {
            Self::Slc => CellKind::Slc,
            Self::Mlc => CellKind::Mlc,
            Self::Tlc => CellKind::Tlc,
            Self::Qlc => CellKind::Qlc,
        }
    }
}

/// The times of one operation each, in microseconds: the bus included, the program's averaged over
/// the pages of a block.
pub struct Times {
    pub read: f64,
    pub program: f64,
    pub erase: f64,
}

/// Blocks of the modelled chip.
const BLOCKS: u32 = 4;

/// Writes in place that the model averages over; times of the model do not vary, so few will do.
const IN_PLACE: u32 = 3;

fn micros(time: Duration) -> f64 {
    time.as_ps() as f64 / 1e6
}

/// The chip that the arguments describe.
fn chip(args: &Args) -> ModelConfig {
    let cell = args.class.map_or(CellKind::Slc, Class::cell);
    let geometry = Geometry {
        blocks: BLOCKS,
        pages_per_block: args.pages,
        page_bytes: args.page_bytes,
        oob_bytes: args.page_bytes.div_ceil(512).saturating_mul(16).max(16),
        planes: 1,
        units: 1,
        cell,
        programs_per_page: 1,
        row: 1,
        ecc: EccSpec { codeword_bytes: args.page_bytes.min(512), correctable: 4, parity_bytes: 7 },
    };
    let timing = match args.class {
        Some(class) => Timing::class(class.cell(), Bus::NvDdr2),
        None => Timing {
            read: Duration::from_us(args.read_us),
            program: [Duration::from_us(args.program_us); 2],
            erase: Duration::from_us(args.erase_us),
            command: Duration::from_ps(0),
            byte: Duration::from_ps(0),
        },
    };
    ModelConfig { timing, ..ModelConfig::perfect(geometry) }
}

/// The times of one operation each.
pub fn times(args: &Args) -> Times {
    let ModelConfig { geometry, timing, .. } = chip(args);
    let bus = timing.transfer(geometry.page_bytes as usize);
    let program: f64 =
        (0..geometry.pages_per_block).map(|page| micros(timing.program_of(&geometry, page))).sum();
    Times {
        read: micros(timing.read + bus),
        program: program / f64::from(geometry.pages_per_block) + micros(bus),
        erase: micros(timing.erase + timing.command),
    }
}

/// Both formulas beside the model, and whether they agree to a millionth.
pub fn table(args: &Args) -> Result<(Table, bool)> {
    let Times { read, program, erase } = times(args);
    let pages = f64::from(args.pages);
    let mut table = Table::new(
        &format!(
            "one write of {} bytes, {} pages a block (read {read:.1}, program {program:.1}, erase \
             {erase:.1} µs)",
            args.page_bytes, args.pages
        ),
        &["write", "formula", "µs", "model µs"],
    );
    let rows = [
        ("in place", "pages·(read + program) + erase", pages * (read + program) + erase, {
            in_place(args).context("the model, writing in place")?
        }),
        ("remapped", "program + erase/pages", program + erase / pages, {
            remapped(args).context("the model, remapping")?
        }),
    ];
    let mut agrees = true;
    for (name, formula, calculated, modelled) in rows {
        // Not as a quotient: a chip that takes no time agrees, too.
        agrees &= (modelled - calculated).abs() <= calculated * 1e-6;
        let cells = [calculated, modelled].map(significant);
        table.row([Value::from(name), Value::from(formula)].into_iter().chain(cells));
    }
    Ok((table, agrees))
}

/// Reads a full block, erases it and programs it again, for one changed page.
fn in_place(args: &Args) -> Result<f64> {
    let mut chip = Model::new(chip(args))?;
    let page = vec![0x5A; args.page_bytes as usize];
    let pages = u64::from(args.pages);
    chip.erase(EraseBlock(0))?;
    for at in 0..pages {
        chip.program(Ppa(at), &page, &[])?;
    }
    let start = chip.settle();
    for write in 0..IN_PLACE {
        let mut block = vec![vec![0; page.len()]; args.pages as usize];
        for (at, page) in (0..).zip(&mut block) {
            chip.read(Ppa(at), 0, page, &mut [])?;
        }
        block[write as usize % args.pages as usize][0] ^= 1;
        chip.erase(EraseBlock(0))?;
        for (at, page) in (0..).zip(&block) {
            chip.program(Ppa(at), page, &[])?;
        }
    }
    Ok(micros(chip.settle().since(start)) / f64::from(IN_PLACE))
}

/// Writes to the next free page, erasing the block ahead whenever one is full.
fn remapped(args: &Args) -> Result<f64> {
    let mut chip = Model::new(chip(args))?;
    let page = vec![0xA5; args.page_bytes as usize];
    let pages = u64::from(args.pages);
    let writes = pages * u64::from(BLOCKS) * 2;
    let start = chip.settle();
    for write in 0..writes {
        let at = write % (pages * u64::from(BLOCKS));
        if at.is_multiple_of(pages) {
            chip.erase(EraseBlock((at / pages) as u32))?;
        }
        chip.program(Ppa(at), &page, &[])?;
    }
    Ok(micros(chip.settle().since(start)) / writes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn rows(arguments: &[&str]) -> (Vec<f64>, bool) {
        let cli = Cli::parse_from(std::iter::once(&"flash-calc").chain(arguments));
        let (table, agrees) = table(&cli.args).unwrap();
        let json = table.json();
        let rows = json["rows"].as_array().unwrap().clone();
        (rows.iter().map(|row| row["µs"].as_f64().unwrap()).collect(), agrees)
    }

    #[test]
    fn the_textbooks_example() {
        // 128 pages, 50 µs to read or write one, 3 ms to erase: 15.8 ms and 73.4 µs.
        let (times, agrees) = rows(&[]);
        assert!(agrees);
        assert_eq!(times, [15_800.0, 73.44]);
    }

    #[test]
    fn the_model_agrees_for_every_class() {
        for class in ["slc", "mlc", "tlc", "qlc"] {
            let (times, agrees) = rows(&["--class", class, "--pages", "64"]);
            assert!(agrees && times[0] > 30.0 * times[1], "{class}: {times:?}");
        }
    }

    #[test]
    fn a_chip_that_takes_no_time_agrees() {
        let (times, agrees) =
            rows(&["--read-us", "0", "--program-us", "0", "--erase-us", "0", "--pages", "2"]);
        assert!(agrees && times == [0.0, 0.0], "{times:?}");
    }

    #[test]
    fn a_geometry_that_cannot_be_is_an_error() {
        let cli = Cli::parse_from(["flash-calc", "--pages", "0"]);
        assert!(table(&cli.args).is_err());
    }
}

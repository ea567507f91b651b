//! How a chip's bit errors grow with wear, age and heat, what read retry does about it, and how long two codes of
//! the same parity go on reading it: BCH, and LDPC with one, three and five reads of what does not decode.
//!
//! `cargo run --release -p vellum-nand --features ecc --example aging`

use std::error::Error;
use vellum_ecc::Codec;
use vellum_nand::model::{PowerLaw, Reliability, Stress, Voltage, arrhenius};
use vellum_nand::{
    CellKind, Codeword, Corrected, EccSpec, EraseBlock, Geometry, Model, ModelConfig, Nand,
};

/// Pages that the codes are tried on, of four codewords each.
const PAGES: u32 = 256;

fn main() -> Result<(), Box<dyn Error>> {
    raw_errors();
    println!();
    println!("voltages, TLC, 90 days at 30 °C: codewords of 1 KiB that are lost, of {}", PAGES * 4);
    println!(
        "{:>8}{:>12}{:>14}{:>10}{:>10}{:>10}",
        "erases", "raw errors", "BCH, t = 72", "LDPC", "3 reads", "5 reads"
    );
    for erases in [0, 200, 400, 600, 800, 1_000, 1_200, 1_400] {
        let stress = Stress { erases, hours: 90.0 * 24.0, ..Stress::default() };
        let rate = Reliability::Voltage(Voltage::TLC).rber(&stress);
        let bch = lost(&mut Corrected::bch(worn(erases)?, 1024, 14, 72)?)?;
        let mut ldpc = Corrected::ldpc(worn(erases)?, 1024)?;
        let mut row = format!("{erases:>8}{rate:>12.1e}{bch:>14}");
        for pairs in 0..=2 {
            ldpc.set_soft_reads(pairs);
            row += &format!("{:>10}", lost(&mut ldpc)?);
        }
        println!("{row}");
    }
    Ok(())
}

/// The table of both models' raw errors.
fn raw_errors() {
    let models = [
        ("power law, TLC", Reliability::PowerLaw(PowerLaw::TLC_72)),
        ("power law, SLC", Reliability::PowerLaw(PowerLaw::SLC)),
        ("voltages, TLC", Reliability::Voltage(Voltage::TLC)),
    ];
    println!("{:<16}{:>8}{:>8}{:>12}{:>12}", "model", "erases", "days", "at 30 °C", "at 55 °C");
    for (name, model) in models {
        for erases in [1, 1_000, 3_000] {
            for days in [1.0, 90.0] {
                let rber = |celsius: f64| {
                    let hours = days * 24.0 * arrhenius(celsius);
                    model.rber(&Stress { erases, hours, ..Stress::default() })
                };
                println!(
                    "{name:<16}{erases:>8}{days:>8}{:>12.2e}{:>12.2e}",
                    rber(30.0),
                    rber(55.0)
                );
            }
        }
    }
}

/// A bare chip whose blocks were erased so often.
fn worn(erases: u32) -> Result<Model, Box<dyn Error>> {
    let geometry = Geometry {
        page_bytes: 4096,
        oob_bytes: 640,
        ecc: EccSpec { codeword_bytes: 1024, correctable: 0, parity_bytes: 0 },
        ..Geometry::tiny(5, 64).with_cell(CellKind::Tlc)
    };
    let reliability = Reliability::Voltage(Voltage::TLC);
    let mut chip = Model::new(ModelConfig { reliability, ..ModelConfig::perfect(geometry) })?;
    for _ in 0..erases {
        for block in 1..5 {
            chip.erase(EraseBlock(block))?;
        }
    }
    Ok(chip)
}

/// Codewords that can't be read after 90 days. The pages are written when the chip is asked the first time.
fn lost<C: Codec>(nand: &mut Corrected<Model, C>) -> Result<usize, Box<dyn Error>> {
    let geometry = *nand.geometry();
    let mut data = vec![0; geometry.page_bytes as usize];
    if nand.chip().counters().programs == 0 {
        for page in 0..PAGES {
            let content = vec![page as u8; data.len()];
            nand.program(geometry.ppa(EraseBlock(1 + page / 64), page % 64), &content, &[])?;
        }
        nand.chip().age(90.0 * 24.0, 30.0);
    }
    let mut lost = 0;
    for page in 0..PAGES {
        let ppa = geometry.ppa(EraseBlock(1 + page / 64), page % 64);
        let status = nand.read(ppa, 0, &mut data, &mut [])?;
        lost += status.codewords().filter(|&word| word == Codeword::Uncorrectable).count();
    }
    Ok(lost)
}

//! How a chip's bit errors grow with wear, age and heat, and what read retry does about it.

use vellum_nand::model::{PowerLaw, Reliability, Stress, Voltage, arrhenius};

fn main() {
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
                    model.rber(&Stress { erases, hours, reads: 0, retry: 0 })
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

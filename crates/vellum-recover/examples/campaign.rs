//! The power-cut campaign: images of many seeded workloads, until as many as asked for are checked.
//!
//! `cargo run --release -p vellum-recover --example campaign -- [IMAGES]` (100,000 by default)

mod support;

#[path = "../tests/common/campaign.rs"]
mod common;

use vellum_recover::log::Cipher;

fn main() -> std::process::ExitCode {
    support::say(run())
}

fn run() -> support::Outcome {
    let args = support::arguments("usage: campaign [IMAGES]")?;
    let wanted: u64 = args.first().map_or(Ok(100_000), |text| text.parse())?;
    let (mut images, mut seed) = (0, 1000);
    while images < wanted {
        let cipher = if seed % 2 == 0 { Cipher::Aes256Gcm } else { Cipher::None };
        images += common::campaign(seed, cipher, None, 100)?;
        seed += 1;
    }
    println!("{images} images of {} workloads: 0 lost commits, 0 half transactions", seed - 1000);
    Ok(())
}

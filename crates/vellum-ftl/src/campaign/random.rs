//! Random cuts, one after the other, of one device.

use super::chip::Chip;
use super::life::{Owed, Stop};
use super::subject::Subject;
use super::{Broken, Campaign, Kind, Nested, Tally};
use crate::{Cached, Ftl, Small};
use alloc::vec::Vec;
use vellum_block::Rng;
use vellum_nand::{Cut, CutMode, Model, Superblocks};

/// Random cuts: one device, `rounds` cuts, with recoveries cut short too.
///
/// # Errors
/// The first broken promise, with the seed that leads to it.
pub fn random(
    campaign: Campaign,
    seed: u64,
    rounds: u32,
    progress: impl FnMut(u64),
) -> Result<Tally, Broken> {
    let run = match (campaign.layer, campaign.superblock) {
        (Kind::Tables, 0) => random_on::<Cached<Ftl<Model>>, _>,
        (Kind::Tables, _) => random_on::<Cached<Ftl<Superblocks<Model>>>, _>,
        (Kind::Small, 0) => random_on::<Cached<Small<Model>>, _>,
        (Kind::Small, _) => random_on::<Cached<Small<Superblocks<Model>>>, _>,
    };
    run(campaign, seed, rounds, progress)
}

fn random_on<L: Subject, P: FnMut(u64)>(
    campaign: Campaign,
    seed: u64,
    rounds: u32,
    mut progress: P,
) -> Result<Tally, Broken> {
    let (mut owed, mut ftl) = Owed::new::<L>(campaign, seed)?;
    for round in 0..rounds {
        let rng = &mut owed.rng;
        let reach = if rng.one_in(4) { 12 } else { 160 };
        let after = rng.below(reach);
        let mode = CutMode::ALL[rng.below(5) as usize];
        let cut = Cut { after, mode, seed: rng.next_u64() };
        let nested = cuts_of_recoveries(campaign.nested, rng);
        owed.name = alloc::format!("seed {seed}, round {round}, {} after {after}", mode.name());
        ftl.nand_mut().model_mut().arm(cut);
        loop {
            match owed.step(&mut ftl) {
                Ok(()) => {}
                Err(Stop::Cut) => break,
                Err(Stop::Broken(broken)) => return Err(broken),
            }
        }
        owed.tally.count(mode);
        let chip = owed.recover_through::<L>(ftl.into_nand(), &nested)?;
        ftl = L::mount(chip, campaign.config).map_err(|e| owed.failed(e))?;
        progress(owed.tally.cuts);
    }
    Ok(owed.tally)
}

fn cuts_of_recoveries(nested: Nested, rng: &mut Rng) -> Vec<Cut> {
    let count = match nested {
        Nested::UpTo(most) => rng.below(u64::from(most) + 1),
        Nested::Pairs => 6,
    };
    (0..count)
        .map(|i| {
            let reach = match nested {
                Nested::Pairs if i % 2 == 1 => 2,
                _ if rng.one_in(2) => 6,
                _ => 40,
            };
            let after = rng.below(reach);
            let mode = CutMode::ALL[rng.below(5) as usize];
            Cut { after, mode, seed: rng.next_u64() }
        })
        .collect()
}

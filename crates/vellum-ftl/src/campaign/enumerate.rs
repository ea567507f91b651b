//! Everything that a cut can do to one life: each program and erase of each host operation, in each
//! mode, and on each of these each program and erase of the recovery, in each mode.

use super::chip::Chip;
use super::life::{Owed, Stop};
use super::subject::Subject;
use super::{Broken, Campaign, Kind, Tally};
use crate::{Cached, Ftl, Small};
use vellum_nand::{Cut, CutMode, Model, Superblocks};

/// Lives one life of `steps` host operations, and beside each of them all that a cut could have made
/// of it; `nested` tells whether recoveries are cut as well.
///
/// # Errors
/// The first broken promise.
pub fn exhaustive(
    campaign: Campaign,
    seed: u64,
    steps: u32,
    nested: bool,
    progress: impl FnMut(u32, &Tally),
) -> Result<Tally, Broken> {
    let run = match (campaign.layer, campaign.superblock) {
        (Kind::Tables, 0) => exhaustive_on::<Cached<Ftl<Model>>, _>,
        (Kind::Tables, _) => exhaustive_on::<Cached<Ftl<Superblocks<Model>>>, _>,
        (Kind::Small, 0) => exhaustive_on::<Cached<Small<Model>>, _>,
        (Kind::Small, _) => exhaustive_on::<Cached<Small<Superblocks<Model>>>, _>,
    };
    run(campaign, seed, steps, nested, progress)
}

fn exhaustive_on<L: Subject, P: FnMut(u32, &Tally)>(
    campaign: Campaign,
    seed: u64,
    steps: u32,
    nested: bool,
    mut progress: P,
) -> Result<Tally, Broken> {
    let (mut owed, mut ftl) = Owed::new::<L>(campaign, seed)?;
    let mut tally = Tally::default();
    for step in 0..steps {
        let (before, chip) = (owed.clone(), ftl.clone());
        let operations = ftl.nand().operations();
        if let Err(Stop::Broken(broken)) = owed.step(&mut ftl) {
            return Err(broken);
        }
        let operations = ftl.nand().operations() - operations;
        for after in 0..operations {
            for mode in CutMode::ALL {
                let mut case = before.clone();
                case.tally = Tally::default();
                case.name = alloc::format!("seed {seed}, step {step}, {} at {after}", mode.name());
                let cut = Cut { after, mode, seed: case.rng.next_u64() ^ after };
                cut_step(&mut case, before.rng, chip.clone(), cut, nested)?;
                tally.merge(&case.tally);
            }
        }
        tally.moves = tally.moves.max(owed.tally.moves);
        progress(step, &tally);
    }
    Ok(tally)
}

fn cut_step<L: Subject>(
    case: &mut Owed,
    rng: vellum_block::Rng,
    mut ftl: L,
    cut: Cut,
    nested: bool,
) -> Result<(), Broken> {
    case.rng = rng;
    ftl.nand_mut().model_mut().arm(cut);
    match case.step(&mut ftl) {
        Ok(()) => {}
        Err(Stop::Cut) => case.tally.count(cut.mode),
        Err(Stop::Broken(broken)) => return Err(broken),
    }
    let chip = ftl.into_nand();
    let before = chip.operations();
    let mut whole = case.clone();
    let after = whole.recover_through::<L>(chip.clone(), &[])?;
    let operations = after.operations() - before;
    // And the state that it left recovers to itself.
    whole.recover_through::<L>(after, &[])?;
    if nested {
        for after in 0..operations {
            for mode in CutMode::ALL {
                let mut again = case.clone();
                again.name.push_str(&alloc::format!(", then {} at {after}", mode.name()));
                again.tally = Tally::default();
                let second = Cut { after, mode, seed: cut.seed.rotate_left(after as u32 + 7) };
                again.recover_through::<L>(chip.clone(), &[second])?;
                case.tally.merge(&again.tally);
            }
        }
    }
    case.tally.merge(&Tally {
        checked: whole.tally.checked,
        snapshots: whole.tally.snapshots,
        ..Tally::default()
    });
    Ok(())
}

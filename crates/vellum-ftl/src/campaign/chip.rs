//! What a campaign cuts: the chip model, bare or as superblocks.

use super::Campaign;
use crate::FtlError;
use vellum_nand::{Cut, Model, ModelConfig, Nand, Superblocks};

/// A chip with the model below.
pub(super) trait Chip: Nand + Clone {
    /// One fresh from the factory.
    fn fresh(campaign: &Campaign, seed: u64) -> Result<Self, FtlError>;
    fn model(&self) -> &Model;
    fn model_mut(&mut self) -> &mut Model;

    /// Power back on; what a controller held in RAM is gone.
    fn restart(self, cut: Option<Cut>) -> Result<Self, FtlError>;

    /// Programs and erases so far.
    fn operations(&self) -> u64 {
        let c = self.model().counters();
        c.programs + c.erases + c.erase_fails
    }
}

fn model(campaign: &Campaign, seed: u64) -> Result<Model, FtlError> {
    Ok(Model::new(ModelConfig { seed, ..campaign.chip })?)
}

fn power_on(mut chip: Model, cut: Option<Cut>) -> Model {
    chip.disarm();
    chip.power_on();
    if let Some(cut) = cut {
        chip.arm(cut);
    }
    chip
}

impl Chip for Model {
    fn fresh(campaign: &Campaign, seed: u64) -> Result<Model, FtlError> {
        model(campaign, seed)
    }
    fn model(&self) -> &Model {
        self
    }
    fn model_mut(&mut self) -> &mut Model {
        self
    }
    fn restart(self, cut: Option<Cut>) -> Result<Model, FtlError> {
        Ok(power_on(self, cut))
    }
}

impl Chip for Superblocks<Model> {
    fn fresh(campaign: &Campaign, seed: u64) -> Result<Self, FtlError> {
        Ok(Superblocks::new(model(campaign, seed)?, campaign.superblock)?)
    }
    fn model(&self) -> &Model {
        self.chip()
    }
    fn model_mut(&mut self) -> &mut Model {
        self.chip_mut()
    }
    fn restart(self, cut: Option<Cut>) -> Result<Self, FtlError> {
        let width = self.width();
        Ok(Superblocks::new(power_on(self.into_chip(), cut), width)?)
    }
}

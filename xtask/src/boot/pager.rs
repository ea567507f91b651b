//! What takes a guest's pages when its frames are few, and the trace of its references.

use super::options::{Args, PagerKind};
use super::remote;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::BufWriter;
use vellum::ScavengedStore;
use vellum::vellum_pager::store::{
    CompressedPool, FileStore, NvmStore, PageStore, RamStore, VolumeStore,
};
use vellum::vellum_pager::{Options, Pager};
use vellum_block::{Device, SparseFile, Volume};
use vellum_disk::{Disk, Policy, profiles};
use vellum_ftl::{Config, FlashDevice, Ftl};
use vellum_machine::Machine;
use vellum_nand::{Geometry, Model, ModelConfig};
use vellum_nvm::Nvm;

/// The fewest pages that a guest is paged in: what a hart needs at once for one instruction (up to five
/// tables, its code, both ends of an access), twice.
const LEAST: u32 = 16;
/// The drive that a pager's disk is a model of.
const DRIVE: &str = "desktop7200";
/// The non-volatile memory that a pager's is a model of.
const MEMORY: &str = "pcm";

/// The pager that was asked for.
pub fn make(args: &Args) -> Result<Option<Pager>> {
    let pages = u32::try_from(args.memory >> 12).context("too much memory for a pager")?;
    let quota = args.quota.map_or(pages, |bytes| u32::try_from(bytes >> 12).unwrap_or(pages));
    if args.pager.is_some() && quota < LEAST {
        bail!("a quota of {quota} pages is too little to run in: a pager needs at least {LEAST}");
    }
    let store: Box<dyn PageStore> = match args.pager {
        // A trace is taken by a pager that never has to do anything.
        None if args.page_trace.is_some() => Box::new(RamStore::new(0)),
        None => return Ok(None),
        Some(PagerKind::Memory) => Box::new(RamStore::new(pages.into())),
        Some(PagerKind::Pool) => Box::new(CompressedPool::new(args.memory)),
        Some(PagerKind::Scavenged) => Box::new(ScavengedStore::new(pages, Default::default())?),
        Some(PagerKind::File) => {
            Box::new(FileStore::new(tempfile::tempfile()?, "temporary file", pages.into()))
        }
        Some(PagerKind::Disk) => disk()?,
        Some(PagerKind::Flash) => flash(args.memory)?,
        Some(PagerKind::Nvm) => {
            let profile = vellum_nvm::profiles::find(MEMORY).context("its profile is missing")?;
            let lines = args.memory / vellum_nvm::LINE as u64;
            Box::new(NvmStore::new(Nvm::new(profile, lines, 1)?, MEMORY))
        }
        Some(PagerKind::Redis) => remote::redis(&args.pager_at)?,
        Some(PagerKind::Object) => remote::objects(&args.pager_at)?,
    };
    let options = Options {
        policy: args.evict.clone(),
        history: args.pager.is_some(),
        ..Options::new(pages, quota.min(pages))
    };
    let pager = Pager::new(options, store);
    Ok(Some(pager.with_context(|| format!("a pager by `{}` can't be had", args.evict))?))
}

fn disk() -> Result<Box<dyn PageStore>> {
    let profile = profiles::find(DRIVE).context("the drive's profile is missing")?;
    on(Disk::new(&profile, Policy::Sptf)?, DRIVE)
}

/// A flash chip that has room for `memory` bytes and a quarter more, which is what its translation layer
/// collects in.
fn flash(memory: u64) -> Result<Box<dyn PageStore>> {
    let chip = Geometry::slc_1gbit();
    let block = u64::from(chip.pages_per_block) * u64::from(chip.page_bytes);
    let blocks = u32::try_from((memory * 5 / 4).div_ceil(block)).context("too much memory")?;
    let geometry = Geometry { blocks: blocks.max(chip.blocks), ..chip };
    let pages = u32::try_from(memory / u64::from(chip.page_bytes)).context("too much memory")?;
    let chip = Model::new(ModelConfig::perfect(geometry))?;
    on(FlashDevice::new(Ftl::format(chip, Config::new(pages))?), "flash")
}

/// A model's time, and a temporary file for what it holds.
fn on<D: Device + Send + std::fmt::Debug + 'static>(
    device: D,
    name: &str,
) -> Result<Box<dyn PageStore>> {
    let (folder, shape) = (tempfile::tempdir()?, device.shape());
    let media =
        SparseFile::create(&folder.path().join("pages"), shape.sectors, shape.sector_bytes)?;
    Ok(Box::new(VolumeStore::new(Volume::new(device, media)?, name)?))
}

/// Begins the trace.
pub fn record(args: &Args, machine: &mut Machine) -> Result<()> {
    let Some(path) = &args.page_trace else { return Ok(()) };
    let file = File::create(path).with_context(|| path.display().to_string())?;
    machine.memory_mut().record_pages(Box::new(BufWriter::new(file)))?;
    Ok(())
}

/// Ends the trace.
pub fn finish(args: &Args, machine: &mut Machine) -> Result<()> {
    let Some(path) = &args.page_trace else { return Ok(()) };
    let written = machine.memory_mut().stop_page_trace();
    let written = written.with_context(|| path.display().to_string())?;
    eprintln!("\nwrote {}: {} references", path.display(), crate::table::grouped(written));
    Ok(())
}

//! What takes a guest's pages when its frames are few, and the trace of its references.

use super::options::{Args, PagerKind};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::BufWriter;
use vellum::vellum_pager::store::{CompressedPool, FileStore, PageStore, RamStore, VolumeStore};
use vellum::vellum_pager::{Options, Pager};
use vellum_block::{Device, SparseFile, Volume};
use vellum_disk::{Disk, Policy, profiles};
use vellum_machine::Machine;

/// The fewest pages that a guest is paged in: what a hart needs at once for one instruction (its tables,
/// its code, both ends of an access), and some for it to get ahead.
const LEAST: u32 = 64;
/// The drive that a pager's disk is a model of.
const DRIVE: &str = "desktop7200";

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
        Some(PagerKind::File) => {
            Box::new(FileStore::new(tempfile::tempfile()?, "temporary file", pages.into()))
        }
        Some(PagerKind::Disk) => disk()?,
    };
    let options = Options { policy: args.evict.clone(), ..Options::new(pages, quota.min(pages)) };
    let pager = Pager::new(options, store);
    Ok(Some(pager.with_context(|| format!("a pager by `{}` can't be had", args.evict))?))
}

fn disk() -> Result<Box<dyn PageStore>> {
    let profile = profiles::find(DRIVE).context("the drive's profile is missing")?;
    let disk = Disk::new(&profile, Policy::Sptf)?;
    let (folder, shape) = (tempfile::tempdir()?, disk.shape());
    let media = SparseFile::create(&folder.path().join("disk"), shape.sectors, shape.sector_bytes)?;
    Ok(Box::new(VolumeStore::new(Volume::new(disk, media)?, DRIVE)?))
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

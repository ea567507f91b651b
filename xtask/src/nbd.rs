//! `cargo xtask nbd`: a modelled disk, or flash, as a network block device, for `qemu-img`, `nbdcopy`
//! and `fio`.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vellum_block::nbd::{NbdConfig, NbdServer};
use vellum_block::{Device, Duration, Instant, Media, Overlay, Ram, Serial, SparseFile, Volume};
use vellum_disk::{Disk, Policy};
use vellum_ftl::Ftl;
use vellum_nand::{Geometry, Model, ModelConfig};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A drive: hp97560, enterprise15k, desktop7200, a .drive file, or a DiskSim .parv/.diskspecs file;
    /// or flash: the translation layer over a modelled 1 Gbit chip
    #[arg(long, default_value = "hp97560")]
    device: String,
    /// Keep the content in this sparse file (for flash: the chip's image, saved when a connection
    /// ends); without it, in memory
    #[arg(long)]
    file: Option<PathBuf>,
    /// Leave `--file` as it is and keep what is changed in this difference to it, saved when a
    /// connection ends: copies of an image that share it
    #[arg(long, requires = "file", conflicts_with = "read_only")]
    diff: Option<PathBuf>,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:10809")]
    address: SocketAddr,
    /// Refuse writes
    #[arg(long)]
    read_only: bool,
    /// Microseconds that the host leaves between two requests, in the model's time
    #[arg(long, default_value_t = 0)]
    think: u64,
    /// End after this many connections
    #[arg(long)]
    connections: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.device == "flash" {
        if args.diff.is_some() {
            bail!("--diff is for disks; flash keeps an image of the whole chip");
        }
        return flash(args);
    }
    let disk = Disk::new(&crate::trace::device(&args.device)?, Policy::Sptf)?;
    let shape = disk.shape();
    if let (Some(file), Some(diff)) = (&args.file, &args.diff) {
        return difference(args, disk, file, diff);
    }
    let media: Box<dyn Media> = match &args.file {
        None => Box::new(Ram::new(shape.sectors, shape.sector_bytes)?),
        Some(path) => Box::new(
            if path.exists() {
                SparseFile::open(path, shape.sector_bytes, !args.read_only)
            } else {
                SparseFile::create(path, shape.sectors, shape.sector_bytes)
            }
            .with_context(|| path.display().to_string())?,
        ),
    };
    let mut serial = Serial::new(Volume::new(disk, media)?);
    serial.think(Duration::from_us(args.think));
    let server = bind(args, shape.bytes())?;
    let most = args.connections.unwrap_or(u64::MAX);
    server.serve(&mut serial, |served| served >= most)?;
    told(args, &serial)
}

fn bind(args: &Args, bytes: u64) -> Result<NbdServer> {
    let config =
        NbdConfig { address: args.address, read_only: args.read_only, ..Default::default() };
    let server = NbdServer::bind(config).with_context(|| args.address.to_string())?;
    eprintln!("nbd://{}/vellum ({bytes} bytes); Ctrl-C ends", server.address()?);
    Ok(server)
}

/// Serves an image that stays as it is, under what was changed.
fn difference(args: &Args, disk: Disk, file: &Path, diff: &Path) -> Result<ExitCode> {
    let shape = disk.shape();
    let base = SparseFile::open(file, shape.sector_bytes, false)
        .with_context(|| file.display().to_string())?;
    let at = || diff.display().to_string();
    let overlay = if diff.exists() {
        Overlay::import(base, &mut BufReader::new(File::open(diff).with_context(at)?))
            .with_context(at)?
    } else {
        Overlay::new(base)
    };
    let mut serial = Serial::new(Volume::new(disk, overlay)?);
    serial.think(Duration::from_us(args.think));
    let server = bind(args, shape.bytes())?;
    for _ in 0..args.connections.unwrap_or(u64::MAX) {
        if let Err(error) = server.serve_one(&mut serial) {
            eprintln!("connection ended: {error}");
        }
        serial.flush()?;
        // The old difference stays until the new one is whole.
        let new = diff.with_extension("new");
        let mut out = BufWriter::new(File::create(&new).with_context(at)?);
        let overlay = serial.volume_mut().media_mut();
        overlay.export(&mut out)?;
        out.into_inner().map_err(|e| e.into_error())?.sync_all()?;
        std::fs::rename(&new, diff).with_context(at)?;
        eprintln!("{}: {} sectors differ", diff.display(), overlay.changed_sectors());
    }
    told(args, &serial)
}

/// Tells how much of the drive's time was used.
fn told<M: Media>(args: &Args, serial: &Serial<Disk, M>) -> Result<ExitCode> {
    let s = serial.statistics();
    let busy = serial.now().since(Instant::ZERO);
    if args.json {
        let json = serde_json::json!({
            "requests": s.response.count(),
            "virtual_ms": busy.as_ms_f64(),
            "mean_ms": s.response.mean().as_ms_f64(),
            "max_ms": s.response.max().as_ms_f64(),
        });
        println!("{}", serde_json::to_string_pretty(&json)?);
    } else {
        let (n, mean) = (s.response.count(), s.response.mean());
        println!("{n} requests in {busy} of the drive's time, {mean} each");
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves the translation layer over a chip's image.
fn flash(args: &Args) -> Result<ExitCode> {
    // What a data sheet allows: two blocks in a hundred leave the factory bad.
    let chip =
        ModelConfig { factory_bad_permille: 20, ..ModelConfig::perfect(Geometry::slc_1gbit()) };
    let config = vellum_ftl::Config::new((Geometry::slc_1gbit().pages() * 8 / 10) as u32);
    let at = |path: &PathBuf| path.display().to_string();
    let mut ftl = match &args.file {
        Some(path) if path.exists() => {
            let image = std::fs::read(path).with_context(|| at(path))?;
            let chip = Model::from_image(chip, &image).with_context(|| at(path))?;
            Ftl::mount(chip, config).with_context(|| at(path))?
        }
        _ => Ftl::format(Model::new(chip)?, config)?,
    };
    let net = NbdConfig { address: args.address, read_only: args.read_only, ..Default::default() };
    let server = NbdServer::bind(net).with_context(|| args.address.to_string())?;
    let bytes = u64::from(ftl.pages()) * ftl.page_bytes() as u64;
    eprintln!("nbd://{}/vellum ({bytes} bytes); Ctrl-C ends", server.address()?);
    let most = args.connections.unwrap_or(u64::MAX);
    let mut served = 0;
    while served < most {
        if let Err(error) = server.serve_one(&mut ftl) {
            eprintln!("connection ended: {error}");
        }
        served += 1;
        if let Some(path) = &args.file {
            ftl.flush()?;
            let new = path.with_extension("new");
            std::fs::write(&new, ftl.nand().to_image()).with_context(|| at(&new))?;
            std::fs::rename(&new, path).with_context(|| at(path))?;
        }
    }
    let (s, health) = (ftl.stats(), ftl.health());
    let busy = ftl.nand_mut().settle().since(Instant::ZERO);
    if args.json {
        let json = serde_json::json!({
            "host_writes": s.host_writes, "host_reads": s.host_reads, "trims": s.host_trims,
            "programs": s.programs(), "erases": s.erases, "bad_blocks": health.blocks - health.good,
            "virtual_ms": busy.as_ms_f64(),
        });
        println!("{}", serde_json::to_string_pretty(&json)?);
    } else {
        println!(
            "{} pages written and {} read in {busy} of the chip's time; {} programs, {} erases, {} bad \
             blocks",
            s.host_writes,
            s.host_reads,
            s.programs(),
            s.erases,
            health.blocks - health.good
        );
    }
    Ok(ExitCode::SUCCESS)
}

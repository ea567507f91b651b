//! `cargo xtask nbd`: a modelled disk, or flash, as a network block device, for `qemu-img`, `nbdcopy`
//! and `fio`.

mod flash;

use crate::replace::replace;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vellum_block::nbd::{NbdConfig, NbdServer};
use vellum_block::{Device, Duration, Instant, Media, Overlay, Ram, Serial, SparseFile, Volume};
use vellum_disk::{Disk, Policy};
use vellum_ftl::{Cached, Ftl, Small};
use vellum_nand::Model;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A drive: hp97560, enterprise15k, desktop7200, a .drive file, or a DiskSim .parv/.diskspecs file;
    /// or flash: the translation layer over a modelled 1 Gbit chip
    #[arg(long, default_value = "hp97560")]
    device: String,
    /// For flash, the translation layer: `tables` in RAM, or `small`, for 4 KiB of RAM. An image keeps the one that
    /// it was made with
    #[arg(long, value_enum, default_value = "tables")]
    layer: crate::powercut::Layer,
    /// Keep the content in this sparse file (for flash: the chip's image, saved when a connection
    /// ends); without it, in memory
    #[arg(long)]
    file: Option<PathBuf>,
    /// Leave `--file` as it is and keep what is changed in this difference to it, saved when a
    /// connection ends: copies of an image that share it
    #[arg(long, requires = "file", conflicts_with = "read_only")]
    diff: Option<PathBuf>,
    /// For flash, pages of a write cache: a kill then loses what was not flushed
    #[arg(long, value_name = "PAGES", default_value_t = 0)]
    cache: u32,
    /// For flash, write down every request in this file, which `flash-replay` and fio (`--read_iolog`) run again
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
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
        return match args.layer {
            crate::powercut::Layer::Tables => flash::serve::<Cached<Ftl<Model>>>(args),
            crate::powercut::Layer::Small => flash::serve::<Cached<Small<Model>>>(args),
        };
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
    let config = NbdConfig {
        address: args.address,
        read_only: args.read_only,
        rotational: true,
        ..Default::default()
    };
    let server = NbdServer::bind(config).with_context(|| args.address.to_string())?;
    eprintln!("nbd://{}/vellum ({bytes} bytes); Ctrl-C ends", server.address()?);
    Ok(server)
}

/// Serves an image that stays as it is, under what was changed.
fn difference(args: &Args, disk: Disk, file: &Path, diff: &Path) -> Result<ExitCode> {
    let shape = disk.shape();
    let media = image_and_difference(file, diff, shape.sector_bytes)?;
    let mut serial = Serial::new(Volume::new(disk, media)?);
    serial.think(Duration::from_us(args.think));
    let server = bind(args, shape.bytes())?;
    serve_and_keep(&server, &mut serial, diff, args.connections.unwrap_or(u64::MAX))?;
    told(args, &serial)
}

/// An image under what was changed so far.
fn image_and_difference(file: &Path, diff: &Path, bytes: u32) -> Result<Overlay<SparseFile>> {
    let base = SparseFile::open(file, bytes, false).with_context(|| file.display().to_string())?;
    if !diff.exists() {
        return Ok(Overlay::new(base));
    }
    let at = || diff.display().to_string();
    let saved = File::open(diff).with_context(at)?;
    Overlay::import(base, &mut BufReader::new(saved)).with_context(at)
}

/// Serves connections and saves what differs after each.
fn serve_and_keep(
    server: &NbdServer,
    serial: &mut Serial<Disk, Overlay<SparseFile>>,
    diff: &Path,
    connections: u64,
) -> Result<()> {
    for _ in 0..connections {
        if let Err(error) = server.serve_one(serial) {
            eprintln!("connection ended: {error}");
        }
        serial.flush()?;
        let overlay = serial.volume_mut().media_mut();
        replace(diff, |out| Ok(overlay.export(out)?))
            .with_context(|| diff.display().to_string())?;
        eprintln!("{}: {} sectors differ", diff.display(), overlay.changed_sectors());
    }
    Ok(())
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

#[cfg(test)]
mod tests;

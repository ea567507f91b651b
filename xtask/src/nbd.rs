//! `cargo xtask nbd`: a modelled disk as a network block device, for `qemu-img`, `nbdcopy` and `fio`.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use vellum_block::nbd::{NbdConfig, NbdServer};
use vellum_block::{Device, Duration, Instant, Media, Ram, Serial, SparseFile, Volume};
use vellum_disk::{Disk, Policy};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A drive: hp97560, enterprise15k, desktop7200, a .drive file, or a DiskSim .parv/.diskspecs file
    #[arg(long, default_value = "hp97560")]
    device: String,
    /// Keep the content in this sparse file; without it, in memory
    #[arg(long)]
    file: Option<PathBuf>,
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
    let disk = Disk::new(&crate::trace::device(&args.device)?, Policy::Sptf)?;
    let shape = disk.shape();
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
    let config =
        NbdConfig { address: args.address, read_only: args.read_only, ..Default::default() };
    let server = NbdServer::bind(config).with_context(|| args.address.to_string())?;
    eprintln!("nbd://{}/vellum ({} bytes); Ctrl-C ends", server.address()?, shape.bytes());
    let most = args.connections.unwrap_or(u64::MAX);
    server.serve(&mut serial, |served| served >= most)?;
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

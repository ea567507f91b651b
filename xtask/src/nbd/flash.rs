//! The translation layer over a chip's image, served.

use super::Args;
use crate::replace::replace;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use vellum_block::nbd::{NbdConfig, NbdServer};
use vellum_block::trace::Recorder;
use vellum_block::{Instant, Media};
use vellum_ftl::{Config, Layer};
use vellum_nand::{Geometry, Model, ModelConfig};

/// Serves the translation layer over a chip's image.
pub(super) fn serve<L: Layer<Chip = Model> + Media>(args: &Args) -> Result<ExitCode> {
    // What a data sheet allows: two blocks in a hundred leave the factory bad.
    let chip =
        ModelConfig { factory_bad_permille: 20, ..ModelConfig::perfect(Geometry::slc_1gbit()) };
    let mut config = Config::new((Geometry::slc_1gbit().pages() * 8 / 10) as u32);
    config.cached_pages = args.cache;
    let at = |path: &PathBuf| path.display().to_string();
    let ftl = match &args.file {
        Some(path) if path.exists() => {
            let image = std::fs::read(path).with_context(|| at(path))?;
            let chip = Model::from_image(chip, &image).with_context(|| at(path))?;
            L::mount(chip, config).with_context(|| at(path))?
        }
        _ => L::format(Model::new(chip)?, config)?,
    };
    let net = NbdConfig { address: args.address, read_only: args.read_only, ..Default::default() };
    let server = NbdServer::bind(net).with_context(|| args.address.to_string())?;
    let bytes = u64::from(ftl.pages()) * ftl.page_bytes() as u64;
    eprintln!("nbd://{}/vellum ({bytes} bytes); Ctrl-C ends", server.address()?);
    let log: Box<dyn Write> = match &args.log {
        Some(path) => Box::new(BufWriter::new(File::create(path).with_context(|| at(path))?)),
        None => Box::new(std::io::sink()),
    };
    let mut recorder = Recorder::new(ftl, log);
    for _ in 0..args.connections.unwrap_or(u64::MAX) {
        if let Err(error) = server.serve_one(&mut recorder) {
            eprintln!("connection ended: {error}");
        }
        recorder.flush_log().context("the log of requests")?;
        let ftl = recorder.media();
        if let Some(path) = &args.file {
            Layer::flush(ftl)?;
            let image = ftl.nand().to_image();
            replace(path, |out| Ok(out.write_all(&image)?)).with_context(|| at(path))?;
        }
    }
    let (mut ftl, _) = recorder.finish().context("the log of requests")?;
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

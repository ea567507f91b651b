//! `cargo xtask nbd`: a modelled disk, or flash, as a network block device, for `qemu-img`, `nbdcopy`
//! and `fio`.

use crate::replace::replace;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vellum_block::nbd::{NbdConfig, NbdServer};
use vellum_block::trace::Recorder;
use vellum_block::{Device, Duration, Instant, Media, Overlay, Ram, Serial, SparseFile, Volume};
use vellum_disk::{Disk, Policy};
use vellum_ftl::{Cached, Ftl, Layer, Small};
use vellum_nand::{Geometry, Model, ModelConfig};

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
            crate::powercut::Layer::Tables => flash::<Cached<Ftl<Model>>>(args),
            crate::powercut::Layer::Small => flash::<Cached<Small<Model>>>(args),
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

/// Serves the translation layer over a chip's image.
fn flash<L: Layer<Chip = Model> + Media>(args: &Args) -> Result<ExitCode> {
    // What a data sheet allows: two blocks in a hundred leave the factory bad.
    let chip =
        ModelConfig { factory_bad_permille: 20, ..ModelConfig::perfect(Geometry::slc_1gbit()) };
    let mut config = vellum_ftl::Config::new((Geometry::slc_1gbit().pages() * 8 / 10) as u32);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::net::TcpStream;
    use vellum_block::Lba;

    /// A client, as `EXPORT_NAME` and simple replies have it.
    struct Client(TcpStream);

    const READ: u16 = 0;
    const WRITE: u16 = 1;
    const DISCONNECT: u16 = 2;
    const FLUSH: u16 = 3;
    const TRIM: u16 = 4;

    impl Client {
        fn new(address: SocketAddr) -> Client {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut hello = [0; 18];
            stream.read_exact(&mut hello).unwrap();
            // Fixed newstyle, no zeros after the export; then option 1 with the empty name.
            let option = [&3u32.to_be_bytes()[..], b"IHAVEOPT", &[0, 0, 0, 1, 0, 0, 0, 0]].concat();
            stream.write_all(&option).unwrap();
            let mut export = [0; 10];
            stream.read_exact(&mut export).unwrap();
            Client(stream)
        }

        fn send(&mut self, kind: u16, at: u64, len: u32, data: &[u8]) {
            let (magic, flags) = (0x2560_9513u32.to_be_bytes(), [0; 2]);
            let (handle, at, len) = (7u64.to_be_bytes(), at.to_be_bytes(), len.to_be_bytes());
            let head = [&magic[..], &flags, &kind.to_be_bytes(), &handle, &at, &len].concat();
            self.0.write_all(&head).unwrap();
            self.0.write_all(data).unwrap();
        }

        /// A request of `len` bytes at `at`, and what comes back of data.
        fn ask(&mut self, kind: u16, at: u64, len: u32, data: &[u8]) -> Vec<u8> {
            self.send(kind, at, len, data);
            let mut reply = [0; 16];
            self.0.read_exact(&mut reply).unwrap();
            assert_eq!(reply[4..8], [0; 4], "an error came back");
            let mut back = vec![0; if kind == READ { len as usize } else { 0 }];
            self.0.read_exact(&mut back).unwrap();
            back
        }

        fn close(mut self) {
            self.send(DISCONNECT, 0, 0, &[]);
        }
    }

    fn write_sector(address: SocketAddr, lba: u64, data: &[u8; 512]) {
        let mut client = Client::new(address);
        client.ask(WRITE, lba * 512, 512, data);
        client.close();
    }

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    /// What a session does: writes, one of them over another, a discard, a flush; and what is there then.
    fn session(address: SocketAddr, seed: u8) {
        let mut client = Client::new(address);
        let bytes: Vec<u8> = (0..16_384u32).map(|i| (i / 7) as u8 ^ seed).collect();
        client.ask(WRITE, 1 << 20, 16_384, &bytes);
        client.ask(WRITE, (1 << 20) + 2048, 2048, &[seed; 2048]);
        client.ask(TRIM, (1 << 20) + 8192, 4096, &[]);
        client.ask(FLUSH, 0, 0, &[]);
        client.close();
        expect(address, seed);
    }

    fn expect(address: SocketAddr, seed: u8) {
        let mut expected: Vec<u8> = (0..16_384u32).map(|i| (i / 7) as u8 ^ seed).collect();
        expected[2048..4096].fill(seed);
        expected[8192..12_288].fill(0);
        let mut client = Client::new(address);
        assert!(client.ask(READ, 1 << 20, 16_384, &[]) == expected);
        assert!(client.ask(READ, 0, 6144, &[]) == [0; 6144]);
        client.close();
    }

    /// Both layers, each with a cache and without, over the protocol: what a client wrote is in the image that the
    /// next run serves, and its requests are in a log that does the same to another device.
    #[test]
    fn flash_is_served_kept_in_its_image_and_its_log_runs_again() {
        use clap::Parser;
        for (layer, cache) in [("tables", "0"), ("small", "0"), ("tables", "32"), ("small", "32")] {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name).display().to_string();
            let serve = |connections: &str, log: &str, client: Box<dyn Fn(SocketAddr) + Send>| {
                // A port that was free a moment ago.
                let address =
                    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
                let client = std::thread::spawn(move || {
                    while TcpStream::connect(address).is_err() {
                        std::thread::yield_now();
                    }
                    client(address);
                });
                let (at, file, log) = (address.to_string(), path("chip"), path(log));
                let line =
                    ["nbd", "--device", "flash", "--layer", layer, "--cache", cache, "--file"];
                let rest = [&file, "--log", &log, "--address", &at, "--connections", connections];
                let args = Cli::parse_from(line.into_iter().chain(rest)).args;
                run(&args).unwrap();
                client.join().unwrap();
            };
            // Each client begins with a connection that only looks whether anybody is there.
            serve("3", "first", Box::new(|address| session(address, 0x5a)));
            serve("2", "second", Box::new(|address| expect(address, 0x5a)));
            let log = fs::read_to_string(path("first")).unwrap();
            assert!(
                log.starts_with("fio version 2 iolog\n") && log.contains(" trim 1056768 "),
                "{log}"
            );
            let replayed = crate::flash_replay::counts(&path("first"), layer);
            // Eight pages, one of them again; two discarded.
            assert_eq!(replayed, (9, 2));
        }
    }

    /// What clients changed, one after the other, is in the difference; the image is as it was.
    #[test]
    fn each_connection_s_changes_are_in_the_difference_and_come_back_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let (image, diff) = (folder.path().join("image"), folder.path().join("d.diff"));
        let disk = || Disk::new(&crate::trace::device("hp97560").unwrap(), Policy::Sptf).unwrap();
        let shape = disk().shape();
        drop(SparseFile::create(&image, shape.sectors, shape.sector_bytes).unwrap());
        // The second run takes up what the first one left.
        for lba in [7u64, 900] {
            let media = image_and_difference(&image, &diff, shape.sector_bytes).unwrap();
            let mut serial = Serial::new(Volume::new(disk(), media).unwrap());
            let server = NbdServer::bind(NbdConfig::default()).unwrap();
            let address = server.address().unwrap();
            let client = std::thread::spawn(move || write_sector(address, lba, &[lba as u8; 512]));
            serve_and_keep(&server, &mut serial, &diff, 1).unwrap();
            client.join().unwrap();
        }
        let mut overlay = image_and_difference(&image, &diff, shape.sector_bytes).unwrap();
        let mut plain = SparseFile::open(&image, shape.sector_bytes, false).unwrap();
        assert_eq!(overlay.changed_sectors(), 2);
        for lba in [7u64, 900] {
            let mut sector = [0; 512];
            overlay.read(Lba::new(lba), &mut sector).unwrap();
            assert_eq!(sector, [lba as u8; 512]);
            plain.read(Lba::new(lba), &mut sector).unwrap();
            assert_eq!(sector, [0; 512], "the image has changed");
        }
    }
}

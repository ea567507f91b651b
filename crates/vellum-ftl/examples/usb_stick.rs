//! A tiny USB stick: a chip's image in a file, a translation layer over it, and sectors above.
//!
//! `cargo run --example usb_stick -- IMAGE COMMAND`; `--help` lists the commands.
//!
//! Everything but `format` and `health` goes through [`vellum_block::Media`], as a file system or the
//! NBD server would.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use vellum_block::{Lba, Media};
use vellum_ftl::{Config, Ftl, FtlError, Layer, Small};
use vellum_nand::{Geometry, Model, ModelConfig};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const HELP: &str = "A tiny USB stick: a flash chip of 1 Gbit in the file IMAGE.

usage: usb_stick IMAGE COMMAND

  format [small]            make the file: an empty stick (small: with the layer for 4 KiB of RAM)
  put SECTOR FILE           write a file's content from a sector on, the rest of the last sector zeros
  get SECTOR COUNT FILE     read sectors into a file
  erase SECTOR COUNT        discard sectors: they read as zeros
  health                    what the chip went through

A sector has 2,048 bytes; the stick has 52,428.";

/// Sectors: 80 % of the chip's pages.
const CONFIG: Config = Config::new(52_428);

/// Two blocks in a hundred are bad from the factory, which a data sheet allows.
fn chip() -> ModelConfig {
    ModelConfig { factory_bad_permille: 20, ..ModelConfig::perfect(Geometry::slc_1gbit()) }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        [path, "format"] => format::<Ftl<Model>>(path),
        [path, "format", "small"] => format::<Small<Model>>(path),
        [path, command, ..] => use_it(path, command, &args[2..]),
        _ => Err("an image and a command are needed; see --help".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn format<L: Layer<Chip = Model> + Media>(path: &str) -> Result<()> {
    let stick = L::format(Model::new(chip())?, CONFIG)?;
    println!("{} sectors of {} bytes", stick.sectors(), stick.sector_bytes());
    save(path, stick)
}

/// Takes up the image with the layer that it was formatted for.
fn use_it(path: &str, command: &str, rest: &[&str]) -> Result<()> {
    let image = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    let model = || Model::from_image(chip(), &image).map_err(|e| format!("{path}: {e}"));
    match Ftl::mount(model()?, CONFIG) {
        Ok(stick) => serve(path, stick, command, rest),
        Err(FtlError::NotFormatted { .. }) => {
            let stick = Small::mount(model()?, CONFIG).map_err(|e| format!("{path}: {e}"))?;
            serve(path, stick, command, rest)
        }
        Err(error) => Err(format!("{path}: {error}").into()),
    }
}

fn serve<L: Layer<Chip = Model> + Media>(
    path: &str,
    mut stick: L,
    command: &str,
    rest: &[&str],
) -> Result<()> {
    match (command, rest) {
        ("health", []) => println!("{:#?}\n{:#?}", stick.health(), stick.stats()),
        _ => sectors(&mut stick, command, rest)?,
    }
    save(path, stick)
}

/// Puts the image in the file's place, so that after a crash it is the old one or the new one.
fn save<L: Layer<Chip = Model>>(path: &str, stick: L) -> Result<()> {
    let new = format!("{path}.new");
    let write = || {
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&stick.shut_down().map_err(std::io::Error::other)?.to_image())?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    write().map_err(|e| format!("{path}: {e}").into())
}

fn number<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|e| format!("{text} is no number of sectors: {e}").into())
}

fn sectors(stick: &mut dyn Media, command: &str, rest: &[&str]) -> Result<()> {
    let bytes = stick.sector_bytes() as usize;
    match (command, rest) {
        ("put", [sector, file]) => {
            let mut data = std::fs::read(file).map_err(|e| format!("{file}: {e}"))?;
            data.resize(data.len().next_multiple_of(bytes), 0);
            stick.write(Lba::new(number(sector)?), &data)?;
            stick.flush()?;
            println!("{} sectors", data.len() / bytes);
        }
        ("get", [sector, count, file]) => {
            let (first, count) = (number::<u64>(sector)?, number::<u64>(count)?);
            let all = stick.sectors();
            if first > all || count > all - first {
                return Err(format!("{count} sectors from {first} on: there are {all}").into());
            }
            let mut data = vec![0; count as usize * bytes];
            stick.read(Lba::new(first), &mut data)?;
            std::fs::write(file, data).map_err(|e| format!("{file}: {e}"))?;
        }
        ("erase", [sector, count]) => {
            stick.discard(Lba::new(number(sector)?), number(count)?)?;
            stick.flush()?;
        }
        _ => {
            let shown = [&[command], rest].concat().join(" ");
            return Err(format!("no such command: {shown}; see --help").into());
        }
    }
    Ok(())
}

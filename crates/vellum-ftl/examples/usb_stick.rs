//! A tiny USB stick: a chip's image in a file, the layer over it, and sectors above.
//!
//! `cargo run --example usb_stick -- IMAGE format|put SECTOR FILE|get SECTOR COUNT FILE|erase SECTOR COUNT|health`
//!
//! Everything but `format` and `health` goes through [`vellum_block::Media`], as a file system or the
//! NBD server would.

use std::error::Error;
use vellum_block::{Lba, Media};
use vellum_ftl::{Config, Ftl};
use vellum_nand::{Geometry, Model, ModelConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let chip =
        ModelConfig { factory_bad_permille: 20, ..ModelConfig::perfect(Geometry::slc_1gbit()) };
    let config = Config::new(52_428);
    let (path, mut stick) = match args[..] {
        [path, "format"] => (path, Ftl::format(Model::new(chip)?, config)?),
        [path, ..] if args.len() > 1 => {
            (path, Ftl::mount(Model::from_image(chip, &std::fs::read(path)?)?, config)?)
        }
        _ => {
            println!(
                "usage: usb_stick IMAGE format | put SECTOR FILE | get SECTOR COUNT FILE | \
                 erase SECTOR COUNT | health"
            );
            return Ok(());
        }
    };
    match args[1..] {
        ["format"] => println!("{} sectors of {} bytes", stick.sectors(), stick.sector_bytes()),
        ["health"] => println!("{:#?}\n{:#?}", stick.health(), stick.stats()),
        _ => sectors(&mut stick, &args[1..])?,
    }
    let new = format!("{path}.new");
    std::fs::write(&new, stick.shut_down()?.to_image())?;
    Ok(std::fs::rename(new, path)?)
}

fn sectors(stick: &mut dyn Media, args: &[&str]) -> Result<(), Box<dyn Error>> {
    let bytes = stick.sector_bytes() as usize;
    match args {
        ["put", sector, file] => {
            let mut data = std::fs::read(file)?;
            data.resize(data.len().next_multiple_of(bytes), 0);
            stick.write(Lba::new(sector.parse()?), &data)?;
            stick.flush()?;
            println!("{} sectors", data.len() / bytes);
        }
        ["get", sector, count, file] => {
            let count: usize = count.parse()?;
            let all = stick.sectors() as usize;
            let mut data = vec![0; count.min(all) * bytes];
            stick.read(Lba::new(sector.parse()?), &mut data)?;
            std::fs::write(file, data)?;
        }
        ["erase", sector, count] => {
            stick.discard(Lba::new(sector.parse()?), count.parse()?)?;
            stick.flush()?;
        }
        _ => return Err("no such command: try without arguments".into()),
    }
    Ok(())
}

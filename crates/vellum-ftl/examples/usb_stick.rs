//! A tiny USB stick: the layer over a chip's image in a file.
//!
//! `cargo run --example usb_stick -- IMAGE format|write PAGE TEXT|read PAGE|health`

use std::error::Error;
use vellum_ftl::{Config, Ftl, Lpn};
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
            println!("usage: usb_stick IMAGE format|write PAGE TEXT|read PAGE|health");
            return Ok(());
        }
    };
    let mut page = vec![0; stick.page_bytes()];
    match args[1..] {
        ["format"] => println!("{} pages of {} bytes", stick.pages(), stick.page_bytes()),
        ["write", lpn, text] => {
            let n = text.len().min(page.len());
            page[..n].copy_from_slice(&text.as_bytes()[..n]);
            stick.write(Lpn(lpn.parse()?), &page)?;
        }
        ["read", lpn] => {
            stick.read(Lpn(lpn.parse()?), &mut page)?;
            let end = page.iter().position(|&b| b == 0).unwrap_or(page.len());
            println!("{}", String::from_utf8_lossy(&page[..end]));
        }
        ["health"] => println!("{:#?}\n{:#?}", stick.health(), stick.stats()),
        _ => return Err("no such command".into()),
    }
    let new = format!("{path}.new");
    std::fs::write(&new, stick.shut_down()?.to_image())?;
    Ok(std::fs::rename(new, path)?)
}

//! `cargo xtask share --sketch OUT` and `--estimate`: what guests would share, told from a few kilobytes of
//! each, before they are put on one host.

use super::each_page;
use crate::table::{Table, grouped};
use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use vellum::scavenger::{Domain, Options, Sketch, Sketcher};

#[derive(Debug, clap::Args)]
#[group(id = "sketching")]
pub struct Args {
    /// Write a sketch of the images' pages together to this file, 16 KiB at most, and do nothing else
    #[arg(long, value_name = "OUT", conflicts_with_all = ALONE)]
    sketch: Option<PathBuf>,
    /// Estimate from sketches what guests would share if they were put on one host. Each FILE is a guest's
    /// sketch, or its image, of which one is made
    #[arg(long, conflicts_with_all = ALONE, conflicts_with = "sketch")]
    estimate: bool,
    /// The key of the sketches' hashes, in hexadecimal. Whoever knows it can tell from a sketch whether the
    /// guest is likely to hold a page that he has, too. Sketches of one key are compared
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    key: Option<u64>,
}

/// What has no meaning where only sketches are made.
const ALONE: [&str; 6] = ["sharing_only", "mode", "domains", "measure", "passes", "plot"];

fn hexadecimal(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|error| format!("not 16 hexadecimal digits: {error}"))
}

/// Makes a sketch or compares some, if that is asked for; whether it was.
pub fn run(args: &Args, files: &[PathBuf], json: bool) -> Result<bool> {
    let key = args.key.unwrap_or(Options::default().key);
    if let Some(out) = &args.sketch {
        let sketch = of_images(files, key)?;
        let bytes = sketch.to_bytes();
        std::fs::write(out, &bytes)
            .with_context(|| format!("{} can't be written", out.display()))?;
        if json {
            let told = row(out.display().to_string(), &sketch);
            println!("{}", serde_json::to_string_pretty(&told)?);
        } else {
            let pages = grouped(sketch.pages());
            println!("{}: {} bytes for {pages} pages", out.display(), bytes.len());
        }
        return Ok(true);
    }
    if args.estimate {
        estimate(files, key, json)?;
        return Ok(true);
    }
    ensure!(args.key.is_none(), "--key is for --sketch and --estimate");
    Ok(false)
}

fn of_images(paths: &[PathBuf], key: u64) -> Result<Sketch> {
    let mut sketcher = Sketcher::new(key, Domain(0));
    let bar = ProgressBar::hidden();
    for path in paths {
        let count = super::pages_in(path)?;
        each_page(path, count, &bar, |_, page| {
            sketcher.add(page);
            Ok(())
        })?;
    }
    Ok(sketcher.finish())
}

/// A file's sketch: the one that it is, or one of the image that it is.
fn of_file(path: &Path, key: u64) -> Result<Sketch> {
    let named = || path.display().to_string();
    let mut begin = Vec::new();
    let file = File::open(path).with_context(named)?;
    file.take(Sketch::MAX_BYTES as u64 + 1).read_to_end(&mut begin).with_context(named)?;
    if Sketch::is_begun_by(&begin) {
        return Sketch::from_bytes(&begin).with_context(named);
    }
    of_images(&[path.to_owned()], key)
}

fn row(name: String, sketch: &Sketch) -> Value {
    json!({
        "guest": name, "pages": sketch.pages(), "zeros": sketch.zeros(),
        "duplicates": sketch.duplicates(), "distinct": sketch.distinct(), "deltas": sketch.deltas(),
    })
}

fn estimate(files: &[PathBuf], key: u64, json: bool) -> Result<()> {
    ensure!(files.len() > 1, "--estimate compares two guests or more");
    let mut guests = Vec::new();
    for path in files {
        guests.push((path.display().to_string(), of_file(path, key)?));
    }
    let mut together = guests[0].1.clone();
    let (mut shared, mut variance) = (0.0, 0.0);
    for (name, guest) in &guests[1..] {
        let told = together.shared(guest).with_context(|| name.clone())?;
        (shared, variance) = (shared + told.value, variance + told.error * told.error);
        together = together.merge(guest)?;
    }
    let error = f64::sqrt(variance);
    guests.push(("together".into(), together));
    if json {
        let rows: Vec<Value> = guests.iter().map(|(name, g)| row(name.clone(), g)).collect();
        let told = json!({
            "guests": rows, "shared_pages": shared, "shared_pages_error": error,
            "shared_bytes": shared * 4096.0, "shared_bytes_error": error * 4096.0,
        });
        println!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(());
    }
    let head = ["guest", "pages", "zeros", "duplicates", "distinct", "told as deltas"];
    let mut table = Table::new("", &head);
    for (name, g) in &guests {
        let counts = [g.pages(), g.zeros(), g.duplicates(), g.distinct(), g.deltas()];
        table.row(std::iter::once(Value::from(name.as_str())).chain(counts.map(Value::from)));
    }
    print!("{}", table.text());
    println!(
        "saved by being together: {:.0} ± {:.0} frames, {:.1} ± {:.1} MB",
        shared,
        error,
        shared * 4096.0 / 1e6,
        error * 4096.0 / 1e6
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_sketch_or_an_image_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let pages: Vec<u8> =
            (0..40_u32).flat_map(|n| (n / 2 + 1).to_le_bytes().repeat(1024)).collect();
        std::fs::write(at("image"), &pages).unwrap();
        let sketch = of_file(&at("image"), 1).unwrap();
        assert_eq!((sketch.pages(), sketch.distinct(), sketch.duplicates()), (40, 20, 20));
        let args = Args { sketch: Some(at("sketch")), estimate: false, key: Some(1) };
        assert!(run(&args, &[at("image"), at("image")], false).unwrap());
        let twice = of_file(&at("sketch"), 7).unwrap();
        assert_eq!((twice.pages(), twice.distinct()), (80, 20), "its key is its own");
        assert_eq!(sketch.shared(&twice).unwrap().value, 20.0);

        let mut bytes = twice.to_bytes();
        bytes[100] ^= 1;
        std::fs::write(at("damaged"), bytes).unwrap();
        let said = format!("{:#}", of_file(&at("damaged"), 1).unwrap_err());
        assert!(said.contains("damaged") && said.contains("checksum"), "{said}");
        let args = Args { sketch: None, estimate: true, key: Some(2) };
        let said = format!("{:#}", run(&args, &[at("image"), at("sketch")], true).unwrap_err());
        assert!(said.contains("sketch: ") && said.contains("two different keys"), "{said}");
        let said = format!("{:#}", run(&args, &[at("image")], true).unwrap_err());
        assert!(said.contains("two guests or more"), "{said}");
        let args = Args { sketch: None, estimate: false, key: None };
        assert!(!run(&args, &[], false).unwrap(), "nothing of the sort was asked for");
    }
}

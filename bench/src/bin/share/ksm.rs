//! The kernel's samepage merging on the same pages, in the same run: `/sys/kernel/mm/ksm`, which
//! takes root. Its settings are put back however the measurement ends.

#![expect(unsafe_code, reason = "a mapping that the kernel may merge")]

use anyhow::{Context, Result, ensure};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const ROOT: &str = "/sys/kernel/mm/ksm";
/// Settings that a measurement changes, with what it sets them to: as fast as it goes.
const FULL_SPEED: [(&str, &str); 4] =
    [("pages_to_scan", "20000"), ("sleep_millisecs", "0"), ("use_zero_pages", "1"), ("run", "1")];

/// What KSM found, and what it took.
#[derive(Debug)]
pub struct Found {
    /// Pages that share another's frame.
    pub duplicates: u64,
    /// Pages on the kernel's zero page.
    pub zeros: u64,
    /// CPU seconds of `ksmd` until everything was merged: two scans.
    pub merging: f64,
    /// CPU seconds of the scan that merged.
    pub second: f64,
    /// CPU seconds a scan when nothing is left to merge.
    pub steady: f64,
}

/// Whether there is a KSM that this process may steer.
pub fn available() -> bool {
    rustix::process::geteuid().is_root() && Path::new(ROOT).join("run").exists()
}

fn read(name: &str) -> Result<String> {
    let path = Path::new(ROOT).join(name);
    let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn write(name: &str, value: &str) -> Result<()> {
    let path = Path::new(ROOT).join(name);
    fs::write(&path, value).with_context(|| format!("{}", path.display()))
}

fn number(name: &str) -> Result<u64> {
    Ok(read(name)?.parse()?)
}

/// Puts the settings back when it is dropped.
struct Settings(Vec<(&'static str, String)>);

impl Settings {
    fn full_speed() -> Result<Self> {
        let names = FULL_SPEED.map(|(name, _)| name);
        let old = names.into_iter().map(|name| Ok((name, read(name)?))).collect::<Result<_>>()?;
        let settings = Settings(old);
        for (name, value) in FULL_SPEED {
            write(name, value)?;
        }
        Ok(settings)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // Unmerge what is ours first, so that the counters are zero for whoever comes next.
        for (name, value) in self.0.iter().rev() {
            if let Err(error) = write(name, value) {
                eprintln!("{name} could not be set back to {value}: {error}");
            }
        }
    }
}

/// CPU seconds that the kernel's thread has used.
fn ksmd() -> Result<f64> {
    let tick = rustix::param::clock_ticks_per_second() as f64;
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        if fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "ksmd") {
            let stat = fs::read_to_string(path.join("stat"))?;
            let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            let fields: Vec<&str> = rest.split_whitespace().collect();
            // `utime` and `stime` are fields 14 and 15, of which the first two are cut off.
            let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
            return Ok(ticks as f64 / tick);
        }
    }
    anyhow::bail!("there is no ksmd")
}

fn scans(until: u64) -> Result<()> {
    while number("full_scans")? < until {
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Has KSM merge `images`, laid one after the other into one mapping.
pub fn merge(images: &[&[u8]]) -> Result<Found> {
    let bytes: usize = images.iter().map(|image| image.len()).sum();
    ensure!(number("pages_sharing")? == 0, "somebody else's pages are merged: run this alone");
    // SAFETY: a new private mapping at a place of the kernel's choice overlaps nothing.
    let map = unsafe {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        rustix::mm::mmap_anonymous(
            std::ptr::null_mut(),
            bytes,
            ProtFlags::READ | ProtFlags::WRITE,
            flags,
        )
    }?;
    let result = merge_in(map.cast(), images);
    // SAFETY: the mapping made above, of which no reference is left.
    unsafe { rustix::mm::munmap(map, bytes) }?;
    result
}

fn merge_in(map: *mut u8, images: &[&[u8]]) -> Result<Found> {
    let bytes: usize = images.iter().map(|image| image.len()).sum();
    let mut at = 0;
    for image in images {
        // SAFETY: `at + image.len() <= bytes`, the mapping's length; the two do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(image.as_ptr(), map.add(at), image.len()) };
        at += image.len();
    }
    // SAFETY: the mapping is ours; the advice changes no content.
    unsafe { rustix::mm::madvise(map.cast(), bytes, Advice::LinuxMergeable) }?;
    let zeros = number("ksm_zero_pages")?;
    let start = ksmd()?;
    let first = number("full_scans")?;
    let settings = Settings::full_speed()?;
    scans(first + 1)?;
    let one = ksmd()?;
    scans(first + 2)?;
    let two = ksmd()?;
    let found = (number("pages_sharing")?, number("ksm_zero_pages")? - zeros);
    scans(first + 4)?;
    let four = ksmd()?;
    write("run", "2")?;
    drop(settings);
    Ok(Found {
        duplicates: found.0,
        zeros: found.1,
        merging: two - start,
        second: two - one,
        steady: (four - two) / 2.0,
    })
}

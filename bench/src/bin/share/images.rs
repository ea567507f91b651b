//! Memory images, unpacked once to a folder outside the repository.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The two guests that are measured.
pub const NAMES: [&str; 2] = ["rv-py-a", "rv-py-b"];

/// Unpacks the images with the script that lies beside them, and reads them. They stay in the
/// system's folder for temporary files, for the next run.
pub fn load(data: &Path) -> Result<Vec<Vec<u8>>> {
    let folder = std::env::temp_dir().join("vellum-share-images");
    let path = |name: &str| -> PathBuf { folder.join(format!("{name}.img")) };
    if !NAMES.iter().all(|name| path(name).exists()) {
        let script = data.join("memory/unpack.py");
        ensure!(script.exists(), "{} is not there; name the data with --data", script.display());
        eprintln!("unpacking to {}", folder.display());
        let status = Command::new("python3").arg(&script).arg(&folder).args(NAMES).status();
        ensure!(status.context("could not start python3")?.success(), "unpack.py failed");
    }
    NAMES
        .iter()
        .map(|name| fs::read(path(name)).with_context(|| path(name).display().to_string()))
        .collect()
}

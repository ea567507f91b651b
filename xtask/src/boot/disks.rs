//! The guest's disks, from what `--disk` says.

use anyhow::{Context, Result, bail};
use std::path::Path;
use vellum_machine::disk::{Disk, in_file, over_file};

/// Bytes of a virtio disk's sector.
const SECTOR: u64 = 512;

/// `FILE`, `FILE,ro`, `FILE,overlay`.
pub fn open(text: &str) -> Result<Box<dyn Disk>> {
    let mut words = text.split(',');
    let path = Path::new(words.next().unwrap_or_default());
    let (mut read_only, mut overlay) = (false, false);
    for word in words {
        match word {
            "ro" => read_only = true,
            "overlay" => overlay = true,
            other => bail!("--disk {text}: `{other}` is neither `ro` nor `overlay`"),
        }
    }
    if !path.is_file() {
        bail!("--disk {text}: there is no file {}", path.display());
    }
    let bytes = std::fs::metadata(path)?.len();
    if bytes == 0 || bytes % SECTOR != 0 {
        let whole = bytes.next_multiple_of(SECTOR).max(SECTOR);
        bail!(
            "--disk {text}: {} has {bytes} bytes, which is not one or more whole sectors of {SECTOR}: \
             make it so, as `truncate -s {whole} {}` does",
            path.display(),
            path.display()
        );
    }
    let failed = || format!("the disk {} can't be used", path.display());
    if overlay {
        return Ok(Box::new(over_file(path).with_context(failed)?));
    }
    Ok(Box::new(in_file(path, !read_only).with_context(failed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_a_file_and_two_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, vec![0; 4096]).unwrap();
        for words in ["", ",ro", ",overlay"] {
            assert!(open(&format!("{}{words}", path.display())).is_ok(), "{words}");
        }
        let odd = folder.path().join("odd");
        std::fs::write(&odd, vec![0; 1000]).unwrap();
        let error = open(odd.to_str().unwrap()).map(drop).unwrap_err().to_string();
        assert!(error.contains("truncate -s 1024"), "{error}");
        for (text, want) in [("/nowhere/disk", "no file"), ("x,rw", "neither")] {
            let error = format!("{:#}", open(text).unwrap_err());
            assert!(error.contains(want), "{error}");
        }
    }
}

//! Debian's RISC-V kernel and busybox, through the machine's own package manager.
//!
//! Nothing of the installed system changes: `apt` runs with a state folder of its own, on the
//! installed source lists with the suite's name replaced ([`sources`]). What it fetches is checked
//! by apt against the installed keyring, unpacked by `dpkg-deb`, and kept under `target/linux/`.

mod apt;
mod cpio;
mod elf;
mod initramfs;
mod modules;
mod sources;

use crate::shell::target_dir;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

use initramfs::Initramfs;

/// What is kept of one fetch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The suite that the packages come from.
    pub suite: String,
    /// Package and version, in the order in which they were fetched.
    pub packages: Vec<(String, String)>,
    /// The kernel's release, as `uname -r` prints it.
    pub release: String,
    /// Modules in an order in which they can be inserted.
    pub modules: Vec<String>,
    /// Why a suite that comes before this one could not be used.
    pub passed_over: Vec<String>,
}

/// A kernel, a static busybox and the modules that a virtio root needs, unpacked.
#[derive(Debug, Clone)]
pub struct Linux {
    folder: PathBuf,
    pub manifest: Manifest,
}

/// What decides which packages are taken.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Take this suite and no other.
    pub suite: Option<String>,
    /// Fetch again even where an earlier fetch is at hand.
    pub refresh: bool,
}

/// Finds an earlier fetch or makes one. The error says what is missing on this machine.
pub fn ensure(options: &Options) -> Result<Linux> {
    let cache = target_dir().join("linux");
    if !options.refresh
        && let Some(found) = Linux::cached(&cache, options.suite.as_deref())
    {
        return Ok(found);
    }
    fs::create_dir_all(&cache).with_context(|| format!("could not make {}", cache.display()))?;
    let folder = apt::fetch(&cache, options.suite.as_deref())?;
    Linux::open(&folder)
}

impl Linux {
    fn open(folder: &Path) -> Result<Self> {
        let text = fs::read_to_string(folder.join("manifest.json"))?;
        let manifest = serde_json::from_str(&text)?;
        let linux = Self { folder: folder.to_path_buf(), manifest };
        for path in [linux.kernel_path(), linux.folder.join("busybox")] {
            if !path.is_file() {
                bail!("{} is missing; --refresh fetches it again", path.display());
            }
        }
        Ok(linux)
    }

    fn cached(cache: &Path, suite: Option<&str>) -> Option<Self> {
        let wanted: Vec<String> = match suite {
            Some(suite) => vec![suite.to_owned()],
            None => {
                fs::read_to_string(cache.join("current")).ok()?.lines().map(Into::into).collect()
            }
        };
        wanted.iter().find_map(|suite| Self::open(&cache.join(suite)).ok())
    }

    /// The kernel's flat `Image`.
    pub fn kernel_path(&self) -> PathBuf {
        self.folder.join("Image")
    }

    /// Reads the kernel.
    pub fn kernel(&self) -> Result<Vec<u8>> {
        let path = self.kernel_path();
        fs::read(&path).with_context(|| format!("could not read {}", path.display()))
    }

    /// Builds an initramfs; `exec` is run in place of a shell.
    pub fn initramfs(&self, exec: Option<&str>) -> Result<Vec<u8>> {
        let busybox = fs::read(self.folder.join("busybox")).context("could not read busybox")?;
        let mut image = Initramfs::new(&busybox);
        for name in &self.manifest.modules {
            let path = self.folder.join("modules").join(format!("{name}.ko"));
            let bytes =
                fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
            image.module(name, &bytes);
        }
        if let Some(command) = exec {
            image.exec(command);
        }
        Ok(image.finish())
    }

    /// One line for people: which kernel, from where.
    pub fn describe(&self) -> String {
        format!("Debian {} riscv64, Linux {}", self.manifest.suite, self.manifest.release)
    }
}

//! What is booted: kernel, initial RAM disk and command line.

use super::options::{Args, ModeKind};
use super::size;
use crate::linux;
use crate::shell::root;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use vellum_machine::loader::is_archive;

/// Debian's kernel speaks on the 16550, does without self-tests of its ciphers, which are as long as
/// the rest of the boot, and restarts when it panics, so that a run ends.
const LINUX_WORDS: &str = "console=ttyS0 quiet cryptomgr.notests=1 panic=-1";
/// Makes our `/init` load the virtio modules.
const VIRTIO_WORD: &str = "vellum.virtio";
/// With less memory Debian's kernel panics before its console is up, or finds no room for the files of
/// the initial RAM disk.
const LINUX_MEMORY: u64 = 104 << 20;
/// The largest file that is read as kernel or initial RAM disk.
const FILE_LIMIT: u64 = 1 << 30;
/// Words that the small guest keeps of a command to run.
const SMALL_RUN_LIMIT: usize = 100;

/// A guest, ready to be loaded.
#[derive(Debug)]
pub struct Guest {
    /// For people: what it is.
    pub name: String,
    /// For file names: equal for guests that can be compared.
    pub key: String,
    pub kernel: Vec<u8>,
    pub initrd: Option<Vec<u8>>,
    pub cmdline: String,
}

impl Guest {
    pub fn new(args: &Args) -> Result<Self> {
        let mut guest = match (args.linux, &args.kernel) {
            (true, _) => Self::linux(args)?,
            (false, None) => Self::small(args)?,
            (false, Some(_)) => {
                if args.exec.is_some() {
                    bail!("--exec needs a guest that takes commands: the small one, or --linux");
                }
                Self {
                    name: String::new(),
                    key: String::new(),
                    kernel: Vec::new(),
                    initrd: None,
                    cmdline: String::new(),
                }
            }
        };
        if let Some(path) = &args.kernel {
            guest.kernel = read(path, "kernel")?;
            guest.name = format!("{}", path.display());
            guest.key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
        if let Some(path) = &args.initrd {
            let initrd = read(path, "initial RAM disk")?;
            if !initrd.is_empty() && !is_archive(&initrd) {
                let what = format!(
                    "{} starts with {:02x?}, which is no cpio archive, plain or packed, as Linux unpacks it",
                    path.display(),
                    &initrd[..initrd.len().min(6)]
                );
                if args.linux {
                    bail!("{what}: give --initrd an initramfs");
                }
                eprintln!("note: {what}");
            }
            guest.initrd = Some(initrd);
        }
        if let Some(words) = &args.append {
            guest.cmdline = format!("{} {words}", guest.cmdline).trim().to_owned();
        }
        Ok(guest)
    }

    /// The guest that ships.
    fn small(args: &Args) -> Result<Self> {
        let path = root().join("guests/small.img");
        let mut words = Vec::new();
        if args.mode != ModeKind::Sv57 {
            words.push(args.mode.name().to_owned());
        }
        if let Some(command) = &args.exec {
            if command.contains('"') || command.len() > SMALL_RUN_LIMIT {
                bail!(
                    "the small guest takes a command of at most {SMALL_RUN_LIMIT} bytes without \""
                );
            }
            words.push(format!("run=\"{command}\""));
        }
        Ok(Self {
            name: "the small guest".into(),
            key: "small".into(),
            kernel: read(&path, "small guest")?,
            initrd: None,
            cmdline: words.join(" "),
        })
    }

    fn linux(args: &Args) -> Result<Self> {
        if args.memory < LINUX_MEMORY {
            let (needed, found) = (size::show(LINUX_MEMORY), size::show(args.memory));
            if args.kernel.is_none() && args.initrd.is_none() {
                bail!(
                    "Debian's kernel needs {needed} of memory, the machine has {found}: give it more with --memory"
                );
            }
            eprintln!(
                "note: Debian's kernel needs {needed} of memory, the machine has {found}; where \
                 nothing is shown, --append earlycon=sbi tells why"
            );
        }
        let options = linux::Options { suite: args.suite.clone(), refresh: args.refresh };
        let linux = linux::ensure(&options).context(
            "Debian's kernel can't be had here; --kernel and --initrd take files of your own",
        )?;
        let virtio = if args.disk.is_empty() { "" } else { VIRTIO_WORD };
        Ok(Self {
            name: linux.describe(),
            key: format!("linux-{}", linux.manifest.suite),
            kernel: linux.kernel()?,
            initrd: Some(linux.initramfs(args.exec.as_deref())?),
            cmdline: format!("{LINUX_WORDS} {virtio}").trim().to_owned(),
        })
    }
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    let shown = path.display();
    let size = fs::metadata(path).with_context(|| format!("there is no {what} at {shown}"))?.len();
    if size > FILE_LIMIT {
        bail!("{shown} has {size} bytes; a {what} has at most {FILE_LIMIT}");
    }
    fs::read(path).with_context(|| format!("{shown} can't be read"))
}

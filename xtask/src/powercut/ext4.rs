//! ext4 on a loop device, whose power can be cut by an ioctl.

use crate::shell::run;
use anyhow::{Context, Result, ensure};
use rustix::fd::AsFd;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `EXT4_IOC_SHUTDOWN` of `fs/ext4/ext4.h`, and its flag not to write the journal out first.
const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587D;
const NO_LOG_FLUSH: u32 = 2;

/// A file system that is made, mounted, cut and mounted again.
pub struct Disk {
    image: PathBuf,
    mount_point: PathBuf,
}

impl Disk {
    /// Makes the file system below `home`.
    pub fn new(home: &Path) -> Result<Self> {
        ensure!(rustix::process::getuid().is_root(), "mounting needs root");
        let (image, mount_point) = (home.join("disk"), home.join("mnt"));
        File::create(&image)?.set_len(64 << 20)?;
        std::fs::create_dir(&mount_point)?;
        let mut make = Command::new("mkfs.ext4");
        make.arg("-q").arg(&image).stderr(Stdio::null());
        run(&mut make).context("no ext4 can be made here")?;
        let disk = Self { image, mount_point };
        disk.mount().context("no loop device can be mounted here")?;
        disk.unmount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// Mounts it.
    pub fn mount(&self) -> Result<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount_point))
    }

    /// Unmounts it.
    pub fn unmount(&self) -> Result<()> {
        run(Command::new("umount").arg(&self.mount_point))
    }

    /// Stops all writes to the medium from now on, those under way included.
    pub fn cut(&self) -> Result<()> {
        let dir = File::open(&self.mount_point)?;
        let mut flag = NO_LOG_FLUSH;
        // SAFETY: the ioctl takes a pointer to a `u32` of flags, which `flag` is.
        #[expect(unsafe_code, reason = "there is no other way to cut a file system's power")]
        unsafe {
            let ask = rustix::ioctl::Updater::<SHUTDOWN, u32>::new(&mut flag);
            rustix::ioctl::ioctl(dir.as_fd(), ask)
        }
        .context("the file system can't be shut down")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Only mounted still when something failed.
        let _ = Command::new("umount").arg(&self.mount_point).stderr(Stdio::null()).status();
    }
}

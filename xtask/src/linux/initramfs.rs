//! The initramfs: busybox, a few kernel modules, and an `/init` that mounts, runs and powers off.

use super::cpio::Archive;

/// What `/init` runs in place of a shell, where it is there.
const EXEC: &str = "vellum/exec";
/// The folder of modules, and the order in which they are inserted.
const MODULES: &str = "vellum/modules";
/// `/init` itself.
const INIT: &str = include_str!("init.sh");

/// An initramfs under construction.
#[derive(Debug)]
pub struct Initramfs {
    archive: Archive,
    order: String,
}

impl Initramfs {
    /// Folders, busybox, `/init` and the console's device node.
    pub fn new(busybox: &[u8]) -> Self {
        let mut archive = Archive::default();
        for name in
            ["bin", "dev", "etc", "mnt", "disk", "proc", "run", "sys", "tmp", "vellum", MODULES]
        {
            archive.folder(name);
        }
        archive.character("dev/console", (5, 1));
        archive.file("bin/busybox", 0o755, busybox);
        archive.link("bin/sh", "busybox");
        archive.file("init", 0o755, INIT.as_bytes());
        archive.file("etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\n");
        archive.file("etc/group", 0o644, b"root:x:0:\n");
        Self { archive, order: String::new() }
    }

    /// Adds a module; those added first are inserted first.
    pub fn module(&mut self, name: &str, bytes: &[u8]) {
        self.archive.file(&format!("{MODULES}/{name}.ko"), 0o644, bytes);
        self.order += &format!("{name}\n");
    }

    /// Runs `command` with `sh -c`, then powers off with its exit code.
    pub fn exec(&mut self, command: &str) {
        self.archive.file(EXEC, 0o755, format!("{command}\n").as_bytes());
    }

    /// The archive's bytes, not compressed: an emulated processor unpacks more slowly than a host
    /// reads.
    pub fn finish(mut self) -> Vec<u8> {
        self.archive.file(&format!("{MODULES}/order"), 0o644, self.order.as_bytes());
        self.archive.finish()
    }
}

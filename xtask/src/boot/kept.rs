//! What `--save` keeps and `--restore` goes on from: the machine, and how far its outside has got.

use super::door::Door;
use anyhow::{Context, Result};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, io};
use tempfile::NamedTempFile;
use vellum_machine::Machine;
use vellum_state::{Error, Reader, State, Writer};

/// A run, as it is kept: `MACH`, then `DOOR`.
struct Kept<'a> {
    machine: &'a mut Machine,
    door: Door,
}

impl State for Kept<'_> {
    fn save(&self, w: &mut Writer<'_>) {
        State::save(self.machine, w);
        self.door.save(w);
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        State::restore(self.machine, r)?;
        self.door.restore(r)
    }
}

/// Sees that `path` can be written, before a long run whose state would have no place. What is there
/// already stays as it is.
pub fn check(path: &Path) -> Result<()> {
    beside(path)
        .map(drop)
        .with_context(|| format!("--save {}: it can't be written", path.display()))
}

/// Writes the run to `path`: whole, or not at all, so that a full disk doesn't take the run that was kept
/// there before.
pub fn save(path: &Path, machine: &mut Machine, door: &Door) -> Result<()> {
    let kept = Kept { machine, door: door.clone() };
    write(path, &vellum_state::to_bytes(&kept))
        .with_context(|| format!("{} can't be written", path.display()))
}

/// A new file that can take the place of `path`'s: in its folder, so on its file system.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A pipe or a device is written to: nothing may take its place.
    if path.exists() && !path.is_file() {
        return fs::write(path, bytes);
    }
    // A link stays one, and what it names is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut file = beside(&path)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let _file: fs::File = file.persist(path)?;
    Ok(())
}

/// Takes over the run in `path`.
pub fn restore(path: &Path, machine: &mut Machine, door: &Door) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    let mut kept = Kept { machine, door: door.clone() };
    vellum_state::from_bytes(&mut kept, &bytes)
        .with_context(|| format!("{} can't be restored", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_stays_until_the_new_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&path, b"first").unwrap();
        check(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first", "looking changes nothing");
        let old = fs::File::open(&path).unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(io::read_to_string(old).unwrap(), "first", "the old file was not written over");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(check(folder.path()).is_err());
        assert!(check(&folder.path().join("nowhere/state")).is_err());
    }
}

//! A file in another's place: after a crash or on a full disk it is the old one or the new one, whole.

use anyhow::Result;
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::NamedTempFile;

/// Whether `path` can be replaced, asked before a long run whose outcome would have no place. What is
/// there already stays as it is.
///
/// # Errors
/// When no file can be made there.
pub fn check(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    beside(path).map(drop)
}

/// Replaces a file: the new one is written beside it under a name that nothing has, and takes its place,
/// and its permissions, once it is on the disk. A link stays one: what it names is replaced. A pipe or a
/// device is written to, as nothing may take its place.
///
/// # Errors
/// When `write` fails or a file can't be made or renamed there; what was there is there still.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    if path.exists() && !path.is_file() {
        return write(&mut File::options().write(true).open(path)?);
    }
    let path = if path.exists() { path.canonicalize()? } else { path.to_path_buf() };
    let new = beside(&path)?;
    let mut out = BufWriter::new(new.as_file());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    new.as_file().sync_all()?;
    let _file: File = new.persist(&path)?;
    File::open(folder(&path))?.sync_all()?;
    Ok(())
}

/// A new file in the folder of `path`, so on its file system.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mode = match path.metadata() {
        Ok(old) => old.permissions(),
        // What the process's mask leaves of it.
        Err(_) => Permissions::from_mode(0o666),
    };
    tempfile::Builder::new().prefix(".vellum-").permissions(mode).tempfile_in(folder(path))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use std::fs;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all_and_no_other_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (path, neighbour) = (folder.path().join("clone.diff"), folder.path().join("clone.new"));
        fs::write(&neighbour, "mine").unwrap();
        let put =
            |text: &'static str| replace(&path, move |out| Ok(out.write_all(text.as_bytes())?));
        put("one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let old = File::open(&path).unwrap();
        put("two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(io::read_to_string(old).unwrap(), "one", "the old file was not written over");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        let failed = replace(&path, |out| {
            out.write_all(b"thr")?;
            bail!("the power went")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        // Through a link, what it points to.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, |out| Ok(out.write_all(b"four")?)).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "four");
        assert_eq!(fs::read_to_string(&neighbour).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left behind");
        replace(Path::new("/dev/null"), |out| Ok(out.write_all(b"five")?)).unwrap();
    }

    #[test]
    fn looking_whether_a_file_can_be_replaced_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        check(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "first").unwrap();
        check(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(check(folder.path()).is_err());
        assert!(check(&folder.path().join("nowhere/state")).is_err());
    }
}

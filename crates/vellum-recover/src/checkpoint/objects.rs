//! Where images go: a store of objects that are written once.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use vellum_log::{DirStorage, LockGuard, Storage};

/// An object store refused.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what} object `{name}` failed")]
pub struct ObjectError {
    /// The store.
    pub place: String,
    /// What was asked.
    pub what: &'static str,
    /// The object.
    pub name: String,
    /// What the store said.
    #[source]
    pub source: io::Error,
}

/// Objects by name, each written once. Names have letters, digits, `-` and `.` alone.
pub trait Objects: Debug + Send + Sync {
    /// Writes an object, durably and as a whole; `false` when there is one of that name already,
    /// which stays as it is.
    ///
    /// # Errors
    /// What the store says.
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, ObjectError>;
    /// The bytes of `range`; fewer when the object ends before.
    ///
    /// # Errors
    /// What the store says; `NotFound` when there is no such object.
    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError>;
    /// The names that begin with `prefix`, ascending.
    ///
    /// # Errors
    /// What the store says.
    fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError>;
    /// Removes an object.
    ///
    /// # Errors
    /// What the store says.
    fn delete(&self, name: &str) -> Result<(), ObjectError>;
}

/// Objects as files of one directory (or of any [`Storage`]), published by writing under another
/// name, syncing, renaming, and syncing the directory. One process at a time.
#[derive(Debug)]
pub struct DirObjects {
    storage: Arc<dyn Storage>,
    _lock: Box<dyn LockGuard>,
}

const NEW: &str = "new.";

impl DirObjects {
    /// Uses the directory at `path`, making it when it is missing.
    ///
    /// # Errors
    /// When it can't be opened, or another process has it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ObjectError> {
        let place = path.as_ref().display().to_string();
        let failed = |source| ObjectError {
            place,
            what: "opening the place of",
            name: ".".to_owned(),
            source,
        };
        Self::in_storage(Arc::new(DirStorage::new(path).map_err(failed)?))
    }

    /// Uses any storage.
    ///
    /// # Errors
    /// When another has it.
    pub fn in_storage(storage: Arc<dyn Storage>) -> Result<Self, ObjectError> {
        let place = storage.place();
        let lock = storage.lock().map_err(|source| {
            let name = ".".to_owned();
            ObjectError { place, what: "locking the place of", name, source }
        })?;
        Ok(Self { storage, _lock: lock })
    }

    fn failed<'a>(
        &'a self,
        what: &'static str,
        name: &'a str,
    ) -> impl Fn(io::Error) -> ObjectError + 'a {
        move |source| ObjectError {
            place: self.storage.place(),
            what,
            name: name.to_owned(),
            source,
        }
    }

    fn publish(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{NEW}{name}");
        if self.storage.open(&new).is_ok() {
            self.storage.remove(&new)?;
        }
        let file = self.storage.create(&new)?;
        file.write_at(0, bytes)?;
        file.sync()?;
        self.storage.rename(&new, name)?;
        self.storage.sync_dir()
    }
}

impl Objects for DirObjects {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, ObjectError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if name.is_empty()
            || name.starts_with(NEW)
            || name.starts_with('.')
            || !name.chars().all(plain)
        {
            return Err(self.failed("naming", name)(io::ErrorKind::InvalidInput.into()));
        }
        if self.storage.open(name).is_ok() {
            return Ok(false);
        }
        self.publish(name, bytes).map_err(self.failed("writing", name))?;
        Ok(true)
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        let read = || {
            let file = self.storage.open(name)?;
            let end = range.end.min(file.len()?);
            let mut out = vec![0; end.saturating_sub(range.start) as usize];
            file.read_at(range.start, &mut out)?;
            Ok(out)
        };
        read().map_err(self.failed("reading", name))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError> {
        let mut names = self.storage.list().map_err(self.failed("listing", prefix))?;
        names.retain(|name| name.starts_with(prefix) && !name.starts_with(NEW));
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let removed = self.storage.remove(name).and_then(|()| self.storage.sync_dir());
        removed.map_err(self.failed("deleting", name))
    }
}

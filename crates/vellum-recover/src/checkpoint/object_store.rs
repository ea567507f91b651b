//! Images in an object store: S3, Google's, Azure's, a directory, memory; whatever the
//! [`object_store`] crate reaches.

use super::{ObjectError, Objects};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};

/// Objects below one prefix of an object store. Safe for many writers: an object is written once,
/// by a conditional put (`If-None-Match: *` on S3), and heads are moved by that alone.
///
/// Calls wait; they must not be made on a thread that runs an asynchronous runtime (they say so).
#[derive(Debug)]
pub struct StoreObjects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Runtime,
}

impl StoreObjects {
    /// Uses the objects of `store` below `prefix`.
    ///
    /// # Errors
    /// When no runtime can be made.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, ObjectError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| ObjectError {
            place: store.to_string(),
            what: "making a runtime for",
            name: prefix.to_owned(),
            source,
        })?;
        Ok(Self { store, prefix: Path::from(prefix), runtime })
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// Waits for an answer.
    fn ask<T>(
        &self,
        what: &'static str,
        name: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ObjectError> {
        let place = format!("{}/{}", self.store, self.prefix);
        let failed = |source| ObjectError { place, what, name: name.to_owned(), source };
        if Handle::try_current().is_ok() {
            let why = "a thread of an asynchronous runtime can't wait; use a thread of its own";
            return Err(failed(io::Error::new(io::ErrorKind::WouldBlock, why)));
        }
        self.runtime.block_on(answer).map_err(|error| {
            let kind = match &error {
                Error::NotFound { .. } => io::ErrorKind::NotFound,
                Error::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
                Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                    io::ErrorKind::PermissionDenied
                }
                Error::NotSupported { .. } | Error::NotImplemented { .. } => {
                    io::ErrorKind::Unsupported
                }
                _ => io::ErrorKind::Other,
            };
            failed(io::Error::new(kind, error))
        })
    }
}

impl Objects for StoreObjects {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<bool, ObjectError> {
        let path = self.path(name);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let payload = PutPayload::from(bytes.to_vec());
        match self.ask("writing", name, self.store.put_opts(&path, payload, options)) {
            Ok(_) => Ok(true),
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        let path = self.path(name);
        let read = async {
            // A range that begins at the object's end is an error there, and no bytes here.
            let size = self.store.head(&path).await?.size;
            let range = range.start.min(size)..range.end.min(size);
            if range.is_empty() {
                return Ok(Vec::new());
            }
            let options =
                GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
            let bytes = self.store.get_opts(&path, options).await?.bytes().await?;
            Ok(bytes.to_vec())
        };
        self.ask("reading", name, read)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError> {
        // A prefix there is whole parts of a path, so all names come, and are looked through here.
        // What lies deeper is another's.
        let all = self.store.list_with_delimiter(Some(&self.prefix));
        let all = self.ask("listing", prefix, all)?.objects;
        let name = |path: &Path| path.filename().map(str::to_owned);
        let mut names: Vec<String> = all.iter().filter_map(|found| name(&found.location)).collect();
        names.retain(|name| name.starts_with(prefix));
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let path = self.path(name);
        self.ask("deleting", name, self.store.delete(&path))
    }
}

//! Opening a store and its regions.

use super::{Shared, Store, background, lock};
use crate::batch::Batch;
use crate::catalog::{self, Catalog, Entry, NAME_MAX, REGION_MAX, REGIONS_MAX};
use crate::error::{Error, io_error};
use crate::group::Group;
use crate::lazy::{CHUNK, Recovered};
use crate::options::{Background, Load, Options};
use crate::region::{Inner, Region};
use crate::stats::Stats;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};
use vellum_log::{DirStorage, Found, Log, Report, Storage};

/// What was found when a store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The store did not exist before.
    pub created: bool,
    /// What was in the log.
    pub log: Report,
}

impl Store {
    /// Opens the store in the directory at `path`, making it where there is none. The directory
    /// is this process's alone until the store is dropped. Cost: a read of the log; the regions'
    /// bytes are read when they are used.
    ///
    /// # Errors
    /// When the directory holds something else, another version, or damaged files; when another
    /// process has it; when the medium fails. Nothing is written in any of these cases.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let storage = DirStorage::new(path).map_err(io_error("open", &place, "."))?;
        Self::open_in(Arc::new(storage), options)
    }

    /// As [`Store::open`], in any storage.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_in(storage: Arc<dyn Storage>, options: Options) -> Result<Self, Error> {
        let place = storage.place();
        let guard = storage.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => {
                Error::Log(vellum_log::Error::InUse { place: place.clone() })
            }
            _ => io_error("lock", &place, ".")(error),
        })?;
        let known = Catalog::read(&*storage)?;
        let mut recovered = Recovered::default();
        let (log, report) = Log::open_locked(
            storage.clone(),
            guard,
            options.log.clone(),
            &mut |found| match found {
                Found::Frame { segment, offset, index, body, more } => {
                    recovered.frame(segment, offset, index, body, more);
                }
                Found::Drop => recovered.drop_unfinished(),
            },
        )?;
        if let Some(offset) = recovered.bad {
            let why = format!("the frame at byte {offset} of a segment has no sound index");
            return Err(Error::Damaged { place, name: "log".to_owned(), why });
        }
        let created = known.is_none();
        let catalog = match known {
            Some(catalog) if catalog.id == log.id() => catalog,
            Some(_) => {
                let why = "the catalog belongs to another log".to_owned();
                return Err(Error::Damaged { place, name: catalog::CATALOG.to_owned(), why });
            }
            None => {
                let catalog = Catalog { id: log.id(), entries: Vec::new() };
                catalog.publish(&*storage, options.log.planted)?;
                catalog
            }
        };
        let (background, truncate_at) = (options.background, options.truncate_at);
        let inherited = log.newest_generation();
        let shared = Arc::new(Shared {
            storage,
            place,
            options,
            log: Mutex::new(log),
            group: Group::<Batch>::new(),
            catalog: Mutex::new(catalog),
            regions: Mutex::new(BTreeMap::new()),
            recovered: Arc::new(RwLock::new(recovered)),
            gate: RwLock::new(()),
            due: AtomicBool::new(false),
            truncation: AtomicBool::new(false),
            truncating: Mutex::new(()),
            truncate_from: AtomicU64::new(truncate_at),
            stats: Mutex::new(Stats::default()),
            room: Mutex::default(),
            inherited,
            audit: Mutex::default(),
        });
        let worker = match background {
            Background::Thread => Some(background::Worker::start(&shared)?),
            Background::Caller => None,
        };
        let opened = Opened { created, log: report };
        Ok(Self { shared, next_owner: AtomicU64::new(1), worker, opened })
    }

    /// Opens region `name`, making it (with zeros) where there is none.
    ///
    /// # Errors
    /// When it exists with another length, the name or length is outside the limits, its file is
    /// damaged, or the medium fails.
    pub fn region(&self, name: &str, len: u64) -> Result<Region, Error> {
        self.alive()?;
        let mut catalog = lock(&self.shared.catalog);
        let limit = |must| Error::RegionLimit { region: name.to_owned(), asked: len, must };
        if let Some(entry) = catalog.entries.iter().find(|entry| entry.name == name) {
            if entry.len != len {
                let (place, region) = (self.shared.place.clone(), name.to_owned());
                return Err(Error::RegionLength { place, region, found: entry.len, asked: len });
            }
            return self.shared.map_region(&catalog.id, entry);
        }
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(limit("a name has 1 to 255 bytes"));
        }
        if !(1..=REGION_MAX).contains(&len) || usize::try_from(len).is_err() {
            return Err(limit("a region has 1 byte to 4 TiB"));
        }
        if catalog.entries.len() >= REGIONS_MAX {
            return Err(limit("a store has at most 4096 regions"));
        }
        let id = catalog.entries.iter().map(|entry| entry.id + 1).max().unwrap_or(0);
        let entry = Entry { id, len, name: name.to_owned() };
        catalog::create_region(&*self.shared.storage, &catalog.id, &entry)?;
        let mut next = catalog.clone();
        next.entries.push(entry.clone());
        next.publish(&*self.shared.storage, self.shared.options.log.planted)?;
        *catalog = next;
        self.shared.map_region(&catalog.id, &entry)
    }

    /// Opens an existing region.
    ///
    /// # Errors
    /// [`Error::NoRegion`] when there is none; otherwise as [`Store::region`].
    pub fn open_region(&self, name: &str) -> Result<Region, Error> {
        let catalog = lock(&self.shared.catalog);
        match catalog.entries.iter().find(|entry| entry.name == name) {
            Some(entry) => self.shared.map_region(&catalog.id, entry),
            None => {
                let (place, region) = (self.shared.place.clone(), name.to_owned());
                Err(Error::NoRegion { place, region })
            }
        }
    }
}

impl Shared {
    fn map_region(&self, store: &[u8; 16], entry: &Entry) -> Result<Region, Error> {
        let mut regions = lock(&self.regions);
        if let Some(inner) = regions.get(&entry.id) {
            return Ok(Region(inner.clone()));
        }
        let file = catalog::open_region(&*self.storage, store, entry)?;
        let inner =
            Arc::new(Inner::new(entry.clone(), self.place.clone(), file, self.recovered.clone())?);
        if self.options.load == Load::Eager || self.options.audit {
            for chunk in 0..entry.len.div_ceil(CHUNK) {
                inner.load(&(chunk * CHUNK..(chunk * CHUNK + 1)))?;
            }
        }
        if self.options.audit {
            lock(&self.audit).add(&inner);
        }
        regions.insert(entry.id, inner.clone());
        Ok(Region(inner))
    }
}

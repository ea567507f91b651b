//! The catalog (which regions there are) and the header of a region's file.
//!
//! The catalog is replaced as a whole: written under another name, synced, renamed, the directory
//! synced. The bytes are in `docs/src/formats/segment.md`.

use crate::error::{Error, io_error};
use std::sync::Arc;
use vellum_log::{Bug, File, Storage, is_planted};

/// Name of the catalog.
pub(crate) const CATALOG: &str = "store";
const CATALOG_NEW: &str = "store.new";
const MAGIC: [u8; 8] = *b"VELLUMRS";
const REGION_MAGIC: [u8; 8] = *b"VELLUMRG";
const VERSION: u32 = 1;
/// Bytes of a region's file before its data.
pub(crate) const REGION_HEADER: u64 = 4096;
/// Longest region, in bytes.
pub const REGION_MAX: u64 = 1 << 42;
/// Longest name of a region, in bytes.
pub const NAME_MAX: usize = 255;
/// Most regions of a store.
pub const REGIONS_MAX: usize = 4096;
const FIXED: usize = 32;

/// One region's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) len: u64,
    pub(crate) name: String,
}

/// The regions of a store.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    /// The log's id.
    pub(crate) id: [u8; 16],
    pub(crate) entries: Vec<Entry>,
}

/// Name of the file of region `id`.
pub(crate) fn region_file(id: u32) -> String {
    format!("region-{id:08x}")
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

impl Catalog {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.id);
        for entry in &self.entries {
            out.extend_from_slice(&entry.id.to_le_bytes());
            out.extend_from_slice(&entry.len.to_le_bytes());
            out.push(entry.name.len() as u8);
            out.extend_from_slice(entry.name.as_bytes());
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8], place: &str) -> Result<Self, Error> {
        let (place, name) = (place.to_owned(), CATALOG.to_owned());
        if bytes.len() < FIXED + 4 || bytes[..8] != MAGIC {
            let found = format!("`{CATALOG}` begins with {:02x?}", &bytes[..bytes.len().min(8)]);
            return Err(Error::NotAStore { place, found });
        }
        let found = array(bytes, 8).map_or(0, u32::from_le_bytes);
        if found != VERSION {
            return Err(Error::Version { place, name, found, known: VERSION });
        }
        let (body, crc) = bytes.split_at(bytes.len() - 4);
        if crc32fast::hash(body).to_le_bytes() != *crc {
            return Err(Error::Damaged { place, name, why: "its checksum doesn't fit".to_owned() });
        }
        Self::entries(body).ok_or_else(|| Error::Damaged {
            place,
            name,
            why: "its entries don't fit its length".to_owned(),
        })
    }

    fn entries(body: &[u8]) -> Option<Self> {
        let count = u32::from_le_bytes(array(body, 12)?) as usize;
        let id = array(body, 16)?;
        let (mut entries, mut at) = (Vec::new(), FIXED);
        for _ in 0..count {
            let (id, len) =
                (u32::from_le_bytes(array(body, at)?), u64::from_le_bytes(array(body, at + 4)?));
            let size = usize::from(*body.get(at + 12)?);
            let name = body.get(at + 13..at + 13 + size)?;
            let name = std::str::from_utf8(name).ok()?.to_owned();
            if len > REGION_MAX || entries.len() >= REGIONS_MAX {
                return None;
            }
            entries.push(Entry { id, len, name });
            at += 13 + size;
        }
        (at == body.len()).then_some(Self { id, entries })
    }

    /// Reads the catalog; `None` where no store has been made yet.
    pub(crate) fn read(storage: &dyn Storage) -> Result<Option<Self>, Error> {
        let place = storage.place();
        let names = storage.list().map_err(io_error("list", &place, "."))?;
        if !names.iter().any(|name| name == CATALOG) {
            // What a creation that was cut short leaves is no obstacle; anything else is.
            let ours = ["log-head", "log-head.new", CATALOG_NEW];
            return match names.iter().find(|name| !ours.contains(&name.as_str())) {
                Some(other) => {
                    let found = format!("there is no `{CATALOG}`, but there is `{other}`");
                    Err(Error::NotAStore { place, found })
                }
                None => Ok(None),
            };
        }
        let failed = |what| io_error(what, &place, CATALOG);
        let file = storage.open(CATALOG).map_err(failed("open"))?;
        // The catalog was synced before it was renamed; its name may be in the cache alone.
        storage.sync_dir().map_err(failed("sync the directory of"))?;
        let len = file.len().map_err(failed("measure"))?;
        let limit = (FIXED + REGIONS_MAX * (13 + NAME_MAX) + 4) as u64;
        if len > limit {
            let why = format!("it has {len} bytes, at most {limit} are possible");
            return Err(Error::Damaged { place, name: CATALOG.to_owned(), why });
        }
        let mut bytes = vec![0; len as usize];
        file.read_at(0, &mut bytes).map_err(failed("read"))?;
        Self::decode(&bytes, &place).map(Some)
    }

    /// Puts this catalog in the place of the old one, durably.
    pub(crate) fn publish(&self, storage: &dyn Storage, planted: Option<Bug>) -> Result<(), Error> {
        let place = storage.place();
        let failed = |what| io_error(what, &place, CATALOG);
        if storage.open(CATALOG_NEW).is_ok() {
            storage.remove(CATALOG_NEW).map_err(failed("remove"))?;
        }
        let file = storage.create(CATALOG_NEW).map_err(failed("create"))?;
        file.write_at(0, &self.encode()).map_err(failed("write"))?;
        if !is_planted(planted, Bug::SkipCatalogSync) {
            file.sync().map_err(failed("sync"))?;
        }
        storage.rename(CATALOG_NEW, CATALOG).map_err(failed("rename"))?;
        storage.sync_dir().map_err(failed("sync the directory of"))
    }
}

fn region_header(store: &[u8; 16], entry: &Entry) -> Vec<u8> {
    let mut out = vec![0; REGION_HEADER as usize];
    out[0..8].copy_from_slice(&REGION_MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&entry.id.to_le_bytes());
    out[16..32].copy_from_slice(store);
    out[32..40].copy_from_slice(&entry.len.to_le_bytes());
    let crc = crc32fast::hash(&out[..40]);
    out[40..44].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Makes a region's file, durably; its bytes are zero.
pub(crate) fn create_region(
    storage: &dyn Storage,
    store: &[u8; 16],
    entry: &Entry,
) -> Result<Arc<dyn File>, Error> {
    let (place, name) = (storage.place(), region_file(entry.id));
    let failed = |what| io_error(what, &place, &name);
    if storage.open(&name).is_ok() {
        // Left by a creation that didn't reach the catalog.
        storage.remove(&name).map_err(failed("remove"))?;
    }
    let file = storage.create(&name).map_err(failed("create"))?;
    let made = file
        .set_len(REGION_HEADER + entry.len)
        .and_then(|()| file.write_at(0, &region_header(store, entry)))
        .and_then(|()| file.sync())
        .and_then(|()| storage.sync_dir());
    if let Err(error) = made {
        // What can't be removed either is no obstacle to the next who makes it.
        let _ = storage.remove(&name);
        return Err(failed("write")(error));
    }
    Ok(file)
}

/// Opens a region's file and checks that it is what the catalog says.
pub(crate) fn open_region(
    storage: &dyn Storage,
    store: &[u8; 16],
    entry: &Entry,
) -> Result<Arc<dyn File>, Error> {
    let (place, name) = (storage.place(), region_file(entry.id));
    let failed = |what| io_error(what, &place, &name);
    let file = storage.open(&name).map_err(failed("open"))?;
    let len = file.len().map_err(failed("measure"))?;
    let damaged = |why: String| Error::Damaged { place: place.clone(), name: name.clone(), why };
    if len != REGION_HEADER + entry.len {
        let want = REGION_HEADER + entry.len;
        return Err(damaged(format!("it has {len} bytes, the catalog says {want}")));
    }
    let mut header = vec![0; REGION_HEADER as usize];
    file.read_at(0, &mut header).map_err(failed("read"))?;
    if header[..44] != region_header(store, entry)[..44] {
        return Err(damaged("its header is not that of this store's region".to_owned()));
    }
    Ok(file)
}

//! Reading an image and its parents: one page, a working set, or everything.

use super::image::{
    Compression, FRAME_PAGES, HEADER, INDEX_ENTRY, ImageId, LEAF_ENTRY, LEAF_PAGES, MAGIC,
    PAGES_MAX, STATE_MAX, VERSION, ZERO, limit,
};
use super::{CheckpointError, Objects, chain};
use crate::memory::PAGE;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most images in a chain.
pub(super) const CHAIN_MAX: usize = 4096;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn hash_at(bytes: &[u8], at: usize) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(&bytes[at..at + 32]);
    hash
}

/// Where a page is in an image.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: u64,
    len: u32,
    crc: u32,
    slot: u32,
    hash: [u8; 32],
}

/// One image of a chain: header and index in memory, leaves as they are needed.
#[derive(Debug)]
pub(super) struct Image {
    name: String,
    compression: Compression,
    pub(super) pages: u64,
    pub(super) parent: Option<ImageId>,
    pub(super) state: Vec<u8>,
    /// Leaf number → entries, offset, hash.
    index: BTreeMap<u64, (u64, u64, [u8; 32])>,
    leaves: BTreeMap<u64, BTreeMap<u64, Place>>,
}

impl Image {
    /// Reads and checks header, index and state. Nothing is allocated before its size was checked.
    pub(super) fn open(objects: &dyn Objects, id: &ImageId) -> Result<Self, CheckpointError> {
        let name = chain::image_name(id);
        let not = |why: String| CheckpointError::NotAnImage { name: name.clone(), why };
        let header = objects.get_range(&name, 0..HEADER as u64)?;
        if header.len() < HEADER || header[..8] != MAGIC {
            return Err(not(format!("it begins with {:02x?}", &header[..header.len().min(8)])));
        }
        if u32_at(&header, 8) != VERSION {
            return Err(not(format!("version {} is not {VERSION}", u32_at(&header, 8))));
        }
        let compression = Compression::from_code(u32_at(&header, 12)).map_err(not)?;
        let (pages, leaves) = (u64_at(&header, 16), u64_at(&header, 24));
        let (state, total) = (u64_at(&header, 32), u64_at(&header, 40));
        limit("pages", pages, PAGES_MAX)?;
        limit("leaves", leaves, pages.div_ceil(LEAF_PAGES))?;
        limit("state bytes", state, STATE_MAX)?;
        let table = leaves * INDEX_ENTRY as u64 + state;
        limit("index bytes", HEADER as u64 + table, total)?;
        let rest = objects.get_range(&name, HEADER as u64..HEADER as u64 + table)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header).update(&rest);
        if rest.len() as u64 != table || *hasher.finalize().as_bytes() != id.0 {
            let what = "header, index or state are not what the name says";
            return Err(CheckpointError::Damaged { name, what, offset: 0 });
        }
        let (entries, state) = rest.split_at(leaves as usize * INDEX_ENTRY);
        let index = entries.chunks_exact(INDEX_ENTRY).map(|entry| {
            (u64_at(entry, 0), (u64_at(entry, 8), u64_at(entry, 16), hash_at(entry, 24)))
        });
        let index: BTreeMap<_, _> = index.collect();
        if index.values().any(|(count, _, _)| *count > LEAF_PAGES) {
            return Err(not("a leaf has more entries than pages".to_owned()));
        }
        let parent = Some(ImageId(hash_at(&header, 48))).filter(|parent| parent.0 != [0; 32]);
        let (state, leaves) = (state.to_vec(), BTreeMap::new());
        Ok(Self { name, compression, pages, parent, state, index, leaves })
    }

    fn leaf(&mut self, objects: &dyn Objects, number: u64) -> Result<(), CheckpointError> {
        let Some((count, offset, hash)) = self.index.get(&number).copied() else { return Ok(()) };
        if self.leaves.contains_key(&number) {
            return Ok(());
        }
        let size = count * LEAF_ENTRY as u64;
        let bytes = objects.get_range(&self.name, offset..offset.saturating_add(size))?;
        if *blake3::hash(&bytes).as_bytes() != hash {
            let (name, what) = (self.name.clone(), "a leaf");
            return Err(CheckpointError::Damaged { name, what, offset });
        }
        let places = bytes.chunks_exact(LEAF_ENTRY).map(|entry| {
            let (at, len, crc) = (u64_at(entry, 8), u32_at(entry, 16), u32_at(entry, 20));
            let place = Place { at, len, crc, slot: u32_at(entry, 24), hash: hash_at(entry, 28) };
            (u64_at(entry, 0), place)
        });
        self.leaves.insert(number, places.collect());
        Ok(())
    }

    fn place(
        &mut self,
        objects: &dyn Objects,
        page: u64,
    ) -> Result<Option<Place>, CheckpointError> {
        let number = page / LEAF_PAGES;
        self.leaf(objects, number)?;
        Ok(self.leaves.get(&number).and_then(|leaf| leaf.get(&page)).copied())
    }

    /// The pages that this image itself has.
    fn own_pages(&mut self, objects: &dyn Objects) -> Result<Vec<u64>, CheckpointError> {
        let numbers: Vec<u64> = self.index.keys().copied().collect();
        for number in numbers {
            self.leaf(objects, number)?;
        }
        Ok(self.leaves.values().flat_map(|leaf| leaf.keys().copied()).collect())
    }
}

/// A checkpoint that is being read. Pages are fetched and checked when they are asked for; when
/// the store fails, the reader gets the error.
#[derive(Debug)]
pub struct Restored {
    objects: Arc<dyn Objects>,
    /// Newest first.
    chain: Vec<Image>,
    /// The frame unpacked last: image, offset, bytes.
    frame: Option<(usize, u64, Vec<u8>)>,
    touched: Vec<u64>,
}

impl Restored {
    /// Opens an image and its parents. Cost: header and index of each; no pages are read.
    ///
    /// # Errors
    /// When an image is missing, damaged, or over a limit.
    pub fn open(objects: Arc<dyn Objects>, id: ImageId) -> Result<Self, CheckpointError> {
        let mut chain = vec![Image::open(&*objects, &id)?];
        while let Some(parent) = chain.last().and_then(|image| image.parent) {
            limit("images in a chain", chain.len() as u64 + 1, CHAIN_MAX as u64)?;
            chain.push(Image::open(&*objects, &parent)?);
        }
        Ok(Self { objects, chain, frame: None, touched: Vec::new() })
    }

    /// Pages of the memory.
    pub fn pages(&self) -> u64 {
        self.chain[0].pages
    }

    /// The state that was stored with the pages.
    pub fn state(&self) -> &[u8] {
        &self.chain[0].state
    }

    /// Images that it is made of.
    pub fn depth(&self) -> usize {
        self.chain.len()
    }

    /// Copies one page into `out` (a page long). Cost: at most a leaf and a frame of each image.
    ///
    /// # Errors
    /// When the store fails, or the bytes are not those that were written.
    pub fn read_page(&mut self, page: u64, out: &mut [u8]) -> Result<(), CheckpointError> {
        if page >= self.pages() {
            return Err(CheckpointError::NoPage { page, pages: self.pages() });
        }
        self.touched.push(page);
        for at in 0..self.chain.len() {
            // The memory was smaller then: what an older image has there was gone by then.
            if page >= self.chain[at].pages {
                break;
            }
            let Some(place) = self.chain[at].place(&*self.objects, page)? else { continue };
            if place.slot == ZERO {
                out.fill(0);
            } else {
                self.fill_frame(at, &place)?;
                let slot = place.slot as usize * PAGE;
                let bytes =
                    self.frame.as_ref().and_then(|(_, _, frame)| frame.get(slot..slot + PAGE));
                out.copy_from_slice(
                    bytes.ok_or_else(|| self.damaged(at, "a frame's length", &place))?,
                );
            }
            if *blake3::hash(out).as_bytes() != place.hash {
                return Err(self.damaged(at, "a page", &place));
            }
            return Ok(());
        }
        out.fill(0);
        Ok(())
    }

    fn damaged(&self, image: usize, what: &'static str, place: &Place) -> CheckpointError {
        let name = self.chain[image].name.clone();
        CheckpointError::Damaged { name, what, offset: place.at }
    }

    fn fill_frame(&mut self, image: usize, place: &Place) -> Result<(), CheckpointError> {
        let held = self.frame.as_ref().is_some_and(|(i, at, _)| (*i, *at) == (image, place.at));
        if held {
            return Ok(());
        }
        let whole = FRAME_PAGES * PAGE;
        // LZ4 makes incompressible bytes longer by a 255th at most, Zstandard by less.
        limit("frame bytes", u64::from(place.len), (whole + whole / 255 + 16) as u64)?;
        let end = place.at.saturating_add(u64::from(place.len));
        let packed = self.objects.get_range(&self.chain[image].name, place.at..end)?;
        if crc32fast::hash(&packed) != place.crc {
            return Err(self.damaged(image, "a frame", place));
        }
        let mut raw = vec![0; whole];
        let len = self.chain[image].compression.unpack(&packed, &mut raw);
        raw.truncate(len.ok_or_else(|| self.damaged(image, "a compressed frame", place))?);
        self.frame = Some((image, place.at, raw));
        Ok(())
    }

    /// The pages read so far, in the order of their first reading: the working set, to be fetched
    /// first next time.
    pub fn working_set(&self) -> Vec<u64> {
        let mut seen = std::collections::BTreeSet::new();
        self.touched.iter().copied().filter(|page| seen.insert(*page)).collect()
    }

    /// Hands the pages of `set` to `put`, in its order; pages that don't exist are passed over.
    ///
    /// # Errors
    /// As [`Restored::read_page`].
    pub fn prefetch(
        &mut self,
        set: &[u64],
        mut put: impl FnMut(u64, &[u8]),
    ) -> Result<(), CheckpointError> {
        let mut bytes = vec![0; PAGE];
        let pages = self.pages();
        for page in set.iter().copied().filter(|page| *page < pages) {
            self.read_page(page, &mut bytes)?;
            put(page, &bytes);
        }
        Ok(())
    }

    /// Hands every page that isn't known to be zero to `put`.
    ///
    /// # Errors
    /// As [`Restored::read_page`].
    pub fn read_all(&mut self, put: impl FnMut(u64, &[u8])) -> Result<(), CheckpointError> {
        let set = self.stored_pages()?;
        self.prefetch(&set, put)
    }

    /// The pages that some image of the chain has and that have not been cut off since.
    pub(super) fn stored_pages(&mut self) -> Result<Vec<u64>, CheckpointError> {
        let (mut set, mut end) = (std::collections::BTreeSet::new(), u64::MAX);
        for image in &mut self.chain {
            end = end.min(image.pages);
            let own = image.own_pages(&*self.objects)?.into_iter();
            set.extend(own.filter(|page| *page < end));
        }
        Ok(set.into_iter().collect())
    }
}

//! Pages in an object store: S3, Google's, Azure's, a folder; whatever `object_store` speaks to.
//!
//! An object costs a round trip of milliseconds whatever its size, so pages travel in *packs*: a batch
//! that is put becomes one immutable object. A pack says itself what is in it (`docs/src/formats/
//! page-pack.md`), so a store that is opened again finds its pages. A pack goes when its last page is
//! replaced or discarded.

use super::pack::MOST;
use super::{Answer, Get, Pack, PageStore, Put, Traffic, failed};
use crate::{PAGE, Page, PageNo, StoreError};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStoreExt, PutPayload};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// A page's place: its pack, and its number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    pack: u64,
    at: u32,
}

/// Keeps pages under a prefix of an object store.
#[derive(Debug)]
pub struct ObjectStore {
    store: Arc<dyn object_store::ObjectStore>,
    prefix: Path,
    runtime: Runtime,
    places: BTreeMap<u32, Place>,
    /// By pack: its pages in all, and how many are still wanted.
    packs: BTreeMap<u64, (u32, u32)>,
    next: u64,
    name: String,
    traffic: Traffic,
    deletion: bool,
}

impl ObjectStore {
    /// Opens what is under `prefix`: nothing, or the packs of an earlier store.
    ///
    /// # Errors
    /// When the store can't be reached, or an object under the prefix is no pack.
    pub fn open(
        store: Arc<dyn object_store::ObjectStore>,
        prefix: &str,
    ) -> Result<Self, StoreError> {
        let name = format!("objects {prefix}");
        let error = |why: String| failed(&name, "opening", PageNo::new(0), why);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| error(e.to_string()))?;
        let prefix = Path::from(prefix);
        let listed = runtime
            .block_on(store.list_with_delimiter(Some(&prefix)))
            .map_err(|e| error(e.to_string()))?;
        let mut opened = ObjectStore {
            store,
            prefix,
            runtime,
            places: BTreeMap::new(),
            packs: BTreeMap::new(),
            next: 0,
            name: name.clone(),
            traffic: Traffic::default(),
            deletion: false,
        };
        let mut packs = Vec::new();
        for object in listed.objects {
            let most = Pack::table(MOST) as u64;
            let bytes = opened.read(&object.location, 0..object.size.min(most));
            let bytes = bytes.map_err(|e| error(format!("{}: {e}", object.location)))?;
            let pack =
                Pack::parse(&bytes).map_err(|e| error(format!("{}: {e}", object.location)))?;
            packs.push(pack);
        }
        packs.sort_by_key(|pack| pack.sequence);
        for pack in packs {
            opened.next = opened.next.max(pack.sequence.saturating_add(1));
            opened.adopt(pack.sequence, pack.pages.iter().copied());
        }
        Ok(opened)
    }

    /// Its packs go with it: nobody will open it again. What can't be deleted then is left.
    pub fn with_deletion(mut self) -> Self {
        self.deletion = true;
        self
    }

    /// Objects that it keeps now.
    pub fn packs(&self) -> usize {
        self.packs.len()
    }

    fn path(&self, pack: u64) -> Path {
        self.prefix.clone().join(format!("{pack:016x}.pack"))
    }

    fn read(&self, path: &Path, range: Range<u64>) -> Result<Vec<u8>, object_store::Error> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        self.runtime.block_on(async {
            let bytes = self.store.get_opts(path, options).await?.bytes().await?;
            Ok(bytes.to_vec())
        })
    }

    /// The pack's pages are these, and newer than all before; packs that nobody wants any more.
    fn adopt(&mut self, pack: u64, pages: impl Iterator<Item = PageNo>) -> Vec<u64> {
        let mut unwanted = Vec::new();
        let mut count = 0;
        for (page, at) in pages.zip(0..) {
            count += 1;
            if let Some(old) = self.places.insert(page.get(), Place { pack, at }) {
                unwanted.extend(self.unwant(old.pack));
            }
        }
        self.packs.insert(pack, (count, count));
        unwanted
    }

    /// One page of a pack is not wanted any more; the pack, if it was the last.
    fn unwant(&mut self, pack: u64) -> Option<u64> {
        let (_, wanted) = self.packs.get_mut(&pack)?;
        *wanted -= 1;
        if *wanted > 0 {
            return None;
        }
        self.packs.remove(&pack);
        Some(pack)
    }

    fn delete(&self, packs: &[u64], page: PageNo) -> Result<(), StoreError> {
        for &pack in packs {
            let path = self.path(pack);
            let deleted = self.runtime.block_on(self.store.delete(&path));
            deleted.map_err(|error| failed(&self.name, "deleting the pack", page, error))?;
        }
        Ok(())
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        if self.deletion {
            for &pack in self.packs.keys() {
                // Nobody is left to tell.
                let _ = self.runtime.block_on(self.store.delete(&self.path(pack)));
            }
        }
    }
}

impl PageStore for ObjectStore {
    fn name(&self) -> &str {
        &self.name
    }

    /// One request for each run of pages that stand together in a pack.
    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        let mut wanted: Vec<(Place, usize)> = batch
            .iter()
            .enumerate()
            .filter_map(|(at, get)| Some((*self.places.get(&get.page.get())?, at)))
            .collect();
        wanted.sort_by_key(|(place, _)| (place.pack, place.at));
        let runs = wanted.chunk_by(|(a, _), (b, _)| a.pack == b.pack && a.at + 1 == b.at);
        for run in runs {
            let (first, last) = (run[0].0, run[run.len() - 1].0);
            let count = self.packs.get(&first.pack).map_or(0, |(count, _)| *count as usize);
            let start = (Pack::table(count) + first.at as usize * PAGE) as u64;
            let end = (Pack::table(count) + (last.at as usize + 1) * PAGE) as u64;
            let read = self.read(&self.path(first.pack), start..end);
            for (number, (_, at)) in run.iter().enumerate() {
                let get = &mut batch[*at];
                get.answer = match &read {
                    Ok(bytes) if bytes.len() as u64 == end - start => {
                        get.into.copy_from_slice(&bytes[number * PAGE..(number + 1) * PAGE]);
                        self.traffic.pages_got += 1;
                        Answer::Found
                    }
                    Ok(bytes) => {
                        let why = format!("{} of {} bytes came", bytes.len(), end - start);
                        Answer::Failed(failed(&self.name, "reading", get.page, why))
                    }
                    Err(error) => Answer::Failed(failed(&self.name, "reading", get.page, error)),
                };
            }
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        for chunk in batch.chunks(MOST) {
            let sequence = self.next;
            let pages: Vec<(PageNo, &Page)> =
                chunk.iter().map(|put| (put.page, put.content)).collect();
            let bytes = Pack::build(sequence, &pages);
            self.traffic.put_batches += 1;
            self.traffic.bytes_put += bytes.len() as u64;
            let path = self.path(sequence);
            let put = self.runtime.block_on(self.store.put(&path, PutPayload::from(bytes)));
            put.map_err(|error| failed(&self.name, "writing", chunk[0].page, error))?;
            self.next += 1;
            let unwanted = self.adopt(sequence, pages.iter().map(|(page, _)| *page));
            self.traffic.pages_put += chunk.len() as u64;
            self.delete(&unwanted, chunk[0].page)?;
        }
        Ok(())
    }

    /// A page's pack goes with its last page; until then a store that is opened again has the page.
    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        for &page in pages {
            if let Some(place) = self.places.remove(&page.get())
                && let Some(pack) = self.unwant(place.pack)
            {
                self.delete(&[pack], page)?;
            }
        }
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lines;
    use object_store::memory::InMemory;

    fn put(store: &mut ObjectStore, pages: Range<u32>, fill: u8) {
        let content = [fill; PAGE];
        let puts: Vec<Put<'_>> = pages
            .map(|page| Put { page: PageNo::new(page), content: &content, lines: Lines::ALL })
            .collect();
        store.put(&puts).unwrap();
    }

    fn first_bytes(store: &mut ObjectStore, pages: Range<u32>) -> Vec<Option<u8>> {
        let mut buffers = vec![[0; PAGE]; pages.len()];
        let mut gets: Vec<Get<'_>> =
            pages.zip(&mut buffers).map(|(page, into)| Get::new(PageNo::new(page), into)).collect();
        store.get(&mut gets);
        gets.iter().map(|get| (get.answer == Answer::Found).then(|| get.into[0])).collect()
    }

    #[test]
    fn packs_are_found_again_and_go_with_their_last_page() {
        let objects: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
        let mut store = ObjectStore::open(objects.clone(), "vm/1").unwrap();
        put(&mut store, 0..10, 1);
        put(&mut store, 5..8, 2);
        assert_eq!(store.packs(), 2);
        let want = [1, 1, 1, 1, 1, 2, 2, 2, 1, 1].map(Some);
        assert_eq!(first_bytes(&mut store, 0..10), want);
        let mut again = ObjectStore::open(objects.clone(), "vm/1").unwrap();
        assert_eq!(first_bytes(&mut again, 0..11)[..10], want);
        assert_eq!(first_bytes(&mut again, 10..11), [None]);
        put(&mut again, 0..10, 3);
        assert_eq!(again.packs(), 1, "what is replaced is deleted");
        assert_eq!(first_bytes(&mut again, 4..6), [Some(3); 2]);
        let last = ObjectStore::open(objects.clone(), "vm/1").unwrap();
        assert_eq!(last.packs(), 1);
        drop(last.with_deletion());
        assert_eq!(ObjectStore::open(objects, "vm/1").unwrap().packs(), 0);
    }
}

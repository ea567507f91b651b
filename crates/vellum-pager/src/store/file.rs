//! Pages in a local file: page `n` at byte `4096·n`, and nothing else in it. The file is sparse, and
//! any file may be paged from, since it has no header.

use super::{Answer, Get, PageStore, Put, Traffic, failed};
use crate::{PAGE, PageNo, StoreError};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Keeps pages in a file. Written lines alone are written; neighbours in one batch in one call.
#[derive(Debug)]
pub struct FileStore {
    file: File,
    name: String,
    pages: u64,
    traffic: Traffic,
}

impl FileStore {
    /// Over an open file, for pages below `pages`. Bytes that it has not are [`Answer::Missing`],
    /// which a pager reads as zeros.
    pub fn new(file: File, name: impl Into<String>, pages: u64) -> Self {
        FileStore { file, name: name.into(), pages, traffic: Traffic::default() }
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    fn check(&self, page: PageNo) -> Result<(), StoreError> {
        if u64::from(page.get()) < self.pages {
            return Ok(());
        }
        Err(StoreError::PastEnd { store: self.name.clone(), page, limit: self.pages })
    }

    fn read(&self, get: &mut Get<'_>) -> Result<Answer, StoreError> {
        self.check(get.page)?;
        let mut done = 0;
        while done < PAGE {
            let at = get.page.offset() + done as u64;
            match self.file.read_at(&mut get.into[done..], at) {
                Ok(0) if done == 0 => return Ok(Answer::Missing),
                // A file that ends within a page goes on with zeros.
                Ok(0) => {
                    get.into[done..].fill(0);
                    break;
                }
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&self.name, "reading", get.page, error)),
            }
        }
        Ok(Answer::Found)
    }
}

impl PageStore for FileStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        for get in batch {
            get.answer = self.read(get).unwrap_or_else(Answer::Failed);
            self.traffic.pages_got += u64::from(get.answer == Answer::Found);
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.traffic.put_batches += 1;
        for put in batch {
            self.check(put.page)?;
            for run in put.lines.runs() {
                let at = put.page.offset() + run.start as u64;
                let bytes = &put.content[run];
                self.file
                    .write_all_at(bytes, at)
                    .map_err(|error| failed(&self.name, "writing", put.page, error))?;
                self.traffic.bytes_put += bytes.len() as u64;
            }
            self.traffic.pages_put += 1;
        }
        Ok(())
    }

    /// Punches holes, so that the file gives its space back; where the file system can't, zeros are
    /// written.
    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        use rustix::fs::{FallocateFlags, fallocate};
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        for &page in pages {
            self.check(page)?;
            if fallocate(&self.file, flags, page.offset(), PAGE as u64).is_err() {
                self.file
                    .write_all_at(&[0; PAGE], page.offset())
                    .map_err(|error| failed(&self.name, "discarding", page, error))?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let synced = self.file.sync_data();
        synced.map_err(|error| failed(&self.name, "flushing", PageNo::new(0), error))
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

//! The receiver's side.

use super::MigrateError;
use super::missing::Missing;
use super::wire::{Kind, VERSION, Wire, number};
use crate::memory::PAGE;
use crate::ondemand::{Arriving, Fetch, LazyMemory, PageSource, SourceError};
use crate::store::describe;
use std::cell::RefCell;
use std::io::{Read, Write};

/// What has arrived when the owner can go on here.
#[derive(Debug)]
pub struct Arrived {
    /// The owner's state.
    pub state: Vec<u8>,
    /// Pages of the memory.
    pub pages: u64,
}

/// The pages that are still at the source.
pub struct Pending<T> {
    wire: Wire<T>,
    missing: Missing,
    pages: u64,
}

impl<T> std::fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("missing", &self.missing.len()).finish_non_exhaustive()
    }
}

/// Receives memory over `link`: `prepare` is told how many pages there will be (and may refuse),
/// `put` gets every page as it comes, some more than once, the newest last. Returns when the owner
/// can go on here; the pages that are missing then can be had from [`Pending`].
///
/// # Errors
/// When the link fails, the source gives up or breaks the protocol, or `prepare` refuses.
pub fn receive<T: Read + Write>(
    link: T,
    prepare: impl FnOnce(u64) -> Result<(), String>,
    put: &mut dyn FnMut(u64, &[u8]),
) -> Result<(Arrived, Pending<T>), MigrateError> {
    let mut wire = Wire::new(link);
    match begin(&mut wire, prepare, put) {
        Ok((arrived, missing)) => {
            let pages = arrived.pages;
            Ok((arrived, Pending { wire, missing, pages }))
        }
        Err(error) => {
            if matches!(error, MigrateError::Protocol { .. }) {
                wire.abort(&error.to_string());
            }
            Err(error)
        }
    }
}

fn begin<T: Read + Write>(
    wire: &mut Wire<T>,
    prepare: impl FnOnce(u64) -> Result<(), String>,
    put: &mut dyn FnMut(u64, &[u8]),
) -> Result<(Arrived, Missing), MigrateError> {
    let hello = wire.expect(Kind::Hello)?;
    let version = hello.first_chunk().map(|word| u32::from_le_bytes(*word));
    if version != Some(VERSION) {
        return Err(wire.wrong(format!("version {version:?} is not {VERSION}")));
    }
    let pages = number(&hello, 4).ok_or_else(|| wire.wrong("a short greeting"))?;
    prepare(pages).map_err(|why| wire.wrong(why))?;
    let mut bytes = vec![0; PAGE];
    loop {
        let (kind, payload) = wire.get()?;
        match kind {
            Kind::Page => {
                let page = unpack(wire, &payload, pages, &mut bytes)?;
                put(page, &bytes);
            }
            Kind::Round => {
                wire.put(Kind::Round, &[])?;
                wire.flush()?;
            }
            Kind::Switch => {
                let (state, missing) = switch(&payload, pages)
                    .ok_or_else(|| wire.wrong("a switch with lengths that don't fit"))?;
                wire.put(Kind::Ready, &[])?;
                wire.flush()?;
                return Ok((Arrived { state, pages }, missing));
            }
            other => return Err(wire.wrong(format!("{other:?} is out of place"))),
        }
    }
}

/// State and missing pages of a switch. Runs have to ascend, so no page is there twice.
fn switch(payload: &[u8], pages: u64) -> Option<(Vec<u8>, Missing)> {
    let length = usize::try_from(number(payload, 0)?).ok()?;
    let rest = payload.get(8..)?;
    let (state, runs) = (rest.get(..length)?, rest.get(length..)?);
    let (mut missing, mut last) = (Missing::default(), 0);
    for run in runs.chunks(16) {
        let (start, end) = (number(run, 0)?, number(run, 8)?);
        if start < last || end < start || end > pages {
            return None;
        }
        missing.push(start..end);
        last = end;
    }
    Some((state.to_vec(), missing))
}

fn unpack<T: Read + Write>(
    wire: &Wire<T>,
    payload: &[u8],
    pages: u64,
    out: &mut [u8],
) -> Result<u64, MigrateError> {
    let page = number(payload, 0).filter(|page| *page < pages);
    let page = page.ok_or_else(|| wire.wrong(format!("a page past the end of {pages}")))?;
    if payload.len() == 8 {
        out.fill(0);
        return Ok(page);
    }
    match lz4_flex::block::decompress_into(&payload[8..], out) {
        Ok(PAGE) => Ok(page),
        _ => Err(wire.wrong(format!("page {page} doesn't unpack to a page"))),
    }
}

/// As [`receive`], into memory of its own, whose missing pages come from the source when they are
/// touched (and, with [`Fetch::rest`], in between). Refuses more than `pages_max` pages.
///
/// # Errors
/// As [`receive`]; also when this kernel has no userfaultfd.
pub fn receive_lazily<T: Read + Write + Send + 'static>(
    link: T,
    pages_max: u64,
    fetch: Fetch,
) -> Result<(Arrived, LazyMemory), MigrateError> {
    let memory = RefCell::new(None::<Arriving>);
    let prepare = |pages: u64| {
        if pages > pages_max {
            return Err(format!("{pages} pages, at most {pages_max} are taken"));
        }
        let made = Arriving::new(pages).map_err(|error| describe(&error))?;
        *memory.borrow_mut() = Some(made);
        Ok(())
    };
    let mut put = |page: u64, bytes: &[u8]| {
        memory.borrow_mut().iter_mut().for_each(|memory| memory.put(page, bytes));
    };
    let (arrived, pending) = receive(link, prepare, &mut put)?;
    let mut memory = match memory.into_inner() {
        Some(memory) => memory,
        None => Arriving::new(arrived.pages)?,
    };
    // What came in a round and was written to since.
    pending.missing.iter().for_each(|page| memory.forget(page));
    Ok((arrived, memory.serve(pending, fetch)?))
}

impl<T: Read + Write> Pending<T> {
    /// Whether `page` is still at the source.
    pub fn is_missing(&self, page: u64) -> bool {
        self.missing.contains(page)
    }

    /// Pages that are still at the source.
    pub fn missing(&self) -> u64 {
        self.missing.len()
    }

    /// Fetches `page` into `out` (a page long) if it is still at the source.
    ///
    /// # Errors
    /// When the source is gone: an error, never a hang (if the link reports it).
    pub fn fetch(&mut self, page: u64, out: &mut [u8]) -> Result<bool, MigrateError> {
        if !self.missing.contains(page) {
            return Ok(false);
        }
        self.wire.put(Kind::Want, &[&page.to_le_bytes()])?;
        self.wire.flush()?;
        let payload = self.wire.expect(Kind::Page)?;
        let found = unpack(&self.wire, &payload, self.pages, out)?;
        if found != page {
            return Err(self.wire.wrong(format!("page {found} instead of {page}")));
        }
        self.missing.remove(page);
        Ok(true)
    }

    /// Fetches all that is missing, then lets the source go.
    ///
    /// # Errors
    /// As [`Pending::fetch`].
    pub fn finish(mut self, put: &mut dyn FnMut(u64, &[u8])) -> Result<(), MigrateError> {
        let mut bytes = vec![0; PAGE];
        while let Some(page) = self.missing.first() {
            self.fetch(page, &mut bytes)?;
            put(page, &bytes);
        }
        self.wire.put(Kind::Done, &[])?;
        self.wire.flush()
    }
}

/// What is missing comes when it is touched: post-copy by page faults.
impl<T: Read + Write + Send> PageSource for Pending<T> {
    fn read_page(&mut self, page: u64, out: &mut [u8]) -> Result<(), SourceError> {
        // What is not at the source was never anything but zeros.
        if !self.fetch(page, out)? {
            out.fill(0);
        }
        Ok(())
    }

    fn done(&mut self) -> Result<(), SourceError> {
        self.wire.put(Kind::Done, &[])?;
        Ok(self.wire.flush()?)
    }
}

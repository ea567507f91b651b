//! Pages on a block device: a model of a disk, of flash or of non-volatile memory, or a real one.

use super::{Answer, Get, PageStore, Put, Traffic, failed};
use crate::{PAGE, PageNo, StoreError};
use vellum_block::{Device, Instant, Lba, Media, Op, Request, Status, Tag, Volume};

/// Keeps page `n` in the sectors from `n · 4096 / sector size` on. Time is the device's own, virtual
/// one: a batch is submitted at once, so that the device may schedule it, and is over when its last
/// request is.
#[derive(Debug)]
pub struct VolumeStore<D, M> {
    volume: Volume<D, M>,
    now: Instant,
    /// Pages that were put: a device has no notion of sectors that were never written.
    put: Vec<bool>,
    sectors: u32,
    name: String,
    traffic: Traffic,
}

impl<D: Device, M: Media> VolumeStore<D, M> {
    /// Over a volume, as many pages as it has room for.
    ///
    /// # Errors
    /// When a page is no whole number of its sectors.
    pub fn new(volume: Volume<D, M>, name: impl Into<String>) -> Result<Self, StoreError> {
        let (name, shape) = (name.into(), volume.device().shape());
        let size = shape.sector_bytes as usize;
        if size == 0 || !PAGE.is_multiple_of(size) {
            let why = format!("a page is no whole number of its sectors of {size} bytes");
            return Err(failed(&name, "opening", PageNo::new(0), why));
        }
        let sectors = (PAGE / size) as u32;
        let pages = (shape.sectors / u64::from(sectors)).min(u64::from(u32::MAX)) as usize;
        let put = vec![false; pages];
        let traffic = Traffic::default();
        Ok(VolumeStore { volume, now: Instant::ZERO, put, sectors, name, traffic })
    }

    /// The volume.
    pub fn volume(&self) -> &Volume<D, M> {
        &self.volume
    }

    /// The device's time.
    pub fn now(&self) -> Instant {
        self.now
    }

    fn check(&self, page: PageNo) -> Result<(), StoreError> {
        let limit = self.put.len() as u64;
        if u64::from(page.get()) < limit {
            return Ok(());
        }
        Err(StoreError::PastEnd { store: self.name.clone(), page, limit })
    }

    fn lba(&self, page: PageNo) -> Lba {
        Lba::new(u64::from(page.get()) * u64::from(self.sectors))
    }

    /// Runs requests to their end, as many at a time as the device holds; what each gave.
    fn run(
        &mut self,
        requests: &[(Request, &[u8])],
        what: &'static str,
        page: PageNo,
        each: &mut dyn FnMut(usize, Status, Option<Vec<u8>>),
    ) -> Result<(), StoreError> {
        let depth = self.volume.device().shape().queue_depth.max(1) as usize;
        let start = self.now;
        for (number, chunk) in requests.chunks(depth).enumerate() {
            for (at, (request, data)) in chunk.iter().enumerate() {
                let request = Request { tag: Tag((number * depth + at) as u64), ..*request };
                let taken = self.volume.submit(self.now, request, data);
                taken.map_err(|error| failed(&self.name, what, page, error))?;
            }
            while self.volume.device().in_flight() > 0 {
                let Some(next) = self.volume.device().next_event() else {
                    return Err(failed(&self.name, what, page, "the device does nothing more"));
                };
                self.now = self.now.max(next);
                let done = self.volume.advance(self.now, &mut |completion, data| {
                    each(completion.tag().0 as usize, completion.status, data);
                });
                done.map_err(|error| failed(&self.name, what, page, error))?;
            }
        }
        self.traffic.model_ps += self.now.since(start).as_ps();
        Ok(())
    }
}

impl<D, M> PageStore for VolumeStore<D, M>
where
    D: Device + std::fmt::Debug + Send,
    M: Media + std::fmt::Debug + Send,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        let mut wanted = Vec::new();
        for (at, get) in batch.iter_mut().enumerate() {
            match self.check(get.page) {
                Err(error) => get.answer = Answer::Failed(error),
                Ok(()) if self.put[get.page.index()] => wanted.push(at),
                Ok(()) => {}
            }
        }
        let Some(&first) = wanted.first() else { return };
        let requests: Vec<(Request, &[u8])> = wanted
            .iter()
            .map(|&at| (Request::read(Tag(0), self.lba(batch[at].page), self.sectors), &[][..]))
            .collect();
        let page = batch[first].page;
        let name = self.name.clone();
        let lost = |page, status: Status| failed(&name, "reading", page, format!("{status:?}"));
        let mut answers: Vec<Option<Vec<u8>>> = vec![None; wanted.len()];
        let mut errors: Vec<Option<StoreError>> = vec![None; wanted.len()];
        let ran = self.run(&requests, "reading", page, &mut |at, status, data| match status {
            status if status.is_ok() => answers[at] = data,
            status => errors[at] = Some(lost(batch[wanted[at]].page, status)),
        });
        for ((at, answer), error) in wanted.into_iter().zip(answers).zip(errors) {
            let get = &mut batch[at];
            get.answer = match (answer, error, &ran) {
                (_, Some(error), _) => Answer::Failed(error),
                (_, None, Err(error)) => Answer::Failed(error.clone()),
                (Some(data), None, Ok(())) if data.len() == PAGE => {
                    get.into.copy_from_slice(&data);
                    self.traffic.pages_got += 1;
                    Answer::Found
                }
                _ => Answer::Failed(failed(&name, "reading", get.page, "no data came")),
            };
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.traffic.put_batches += 1;
        let Some(first) = batch.first() else { return Ok(()) };
        for put in batch {
            self.check(put.page)?;
        }
        let size = PAGE / self.sectors as usize;
        let mut requests: Vec<(Request, &[u8])> = Vec::new();
        for put in batch {
            let whole = !self.put[put.page.index()];
            let lines = if whole { crate::Lines::ALL } else { put.lines };
            // Lines are rounded out to sectors.
            let mut from = 0;
            for run in lines.runs() {
                let start = (run.start / size).max(from);
                let end = run.end.div_ceil(size);
                if start < end {
                    let lba = Lba::new(self.lba(put.page).get() + start as u64);
                    let request = Request::write(Tag(0), lba, (end - start) as u32);
                    requests.push((request, &put.content[start * size..end * size]));
                    from = end;
                }
            }
        }
        let mut error = None;
        let name = self.name.clone();
        self.run(&requests, "writing", first.page, &mut |_, status, _| {
            if !status.is_ok() {
                error = Some(failed(&name, "writing", first.page, format!("{status:?}")));
            }
        })?;
        if let Some(error) = error {
            return Err(error);
        }
        self.traffic.bytes_put += requests.iter().map(|(_, data)| data.len() as u64).sum::<u64>();
        self.traffic.pages_put += batch.len() as u64;
        batch.iter().for_each(|put| self.put[put.page.index()] = true);
        Ok(())
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        let mut requests: Vec<(Request, &[u8])> = Vec::new();
        for &page in pages {
            self.check(page)?;
            self.put[page.index()] = false;
            if self.volume.device().supports(Op::Discard) {
                let op = Op::Discard;
                let read = Request::read(Tag(0), self.lba(page), self.sectors);
                requests.push((Request { op, ..read }, &[]));
            }
        }
        match pages.first() {
            Some(&page) => self.run(&requests, "discarding", page, &mut |_, _, _| ()),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let (mut error, name) = (None, self.name.clone());
        let flush = [(Request::flush(Tag(0)), &[][..])];
        self.run(&flush, "flushing", PageNo::new(0), &mut |_, status, _| {
            if !status.is_ok() {
                error = Some(failed(&name, "flushing", PageNo::new(0), format!("{status:?}")));
            }
        })?;
        error.map_or(Ok(()), Err)
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

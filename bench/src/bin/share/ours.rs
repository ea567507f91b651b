//! The scavenger on the images: what it finds, what it takes, what is left.

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::Arc;
use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};
use vellum_scavenger::content::{Codec, Coder, Page, PageKey, same_filled};
use vellum_scavenger::{
    Backing, Domain, Look, Mode, ObjectId, Options, PageSet, Pages, Policy, Report, Scavenger,
    SetId, Withhold,
};

/// Passes after which nothing changes any more on memory that nobody uses.
const SETTLED: usize = 12;
/// Pages of each kind whose way back is timed, and how often each.
const SAMPLES: usize = 4000;
const TIMES: usize = 7;

/// How a page is kept: its codec, and that of its reference.
type Kind = (Codec, Option<Codec>);

/// CPU seconds of this thread.
pub fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Guests' memory in one pool, with a scavenger that has not looked yet.
pub struct Guests {
    pub pool: Arc<FramePool>,
    pub scavenger: Scavenger,
    pub ids: Vec<SetId>,
    pub sets: Vec<Pages>,
}

impl Guests {
    pub fn new(images: &[Vec<u8>], policy: Policy) -> Result<Self> {
        let pages: usize = images.iter().map(|image| image.len() / PAGE_SIZE).sum();
        let pool = FramePool::new(PoolOptions::new(pages as u64 + 1024))?;
        let options = Options { policy, ..Options::default() };
        let mut scavenger = Scavenger::new(Arc::clone(&pool), options);
        let (mut ids, mut sets) = (Vec::new(), Vec::new());
        for image in images {
            let count = image.len() / PAGE_SIZE;
            let id = scavenger.add_set(count as u64, Domain(0), Mode::Share)?;
            let mut set = Pages::new(Arc::clone(&pool), count);
            for (page, bytes) in image.chunks_exact(PAGE_SIZE).enumerate() {
                set.write(&mut scavenger, id, page as u64, 0, bytes)?;
            }
            ids.push(id);
            sets.push(set);
        }
        Ok(Guests { pool, scavenger, ids, sets })
    }

    pub fn pass(&mut self) -> Result<()> {
        let sets = self.sets.iter_mut().map(|set| set as &mut dyn PageSet);
        let mut sets: Vec<_> = self.ids.iter().copied().zip(sets).collect();
        Ok(self.scavenger.pass(&mut sets)?)
    }
}

/// A set whose pages are never replaced: what detection costs by itself.
struct Untouched<'a>(&'a mut Pages);

impl PageSet for Untouched<'_> {
    fn pages(&self) -> u64 {
        self.0.pages()
    }

    fn open_epoch(&mut self) -> u64 {
        self.0.open_epoch()
    }

    fn look(&self, page: u64) -> Look {
        self.0.look(page)
    }

    fn withhold(&mut self, _: u64, _: Withhold) {}

    fn replace(&mut self, _: u64, with: Backing) -> Backing {
        with
    }
}

/// CPU seconds to find everything, of a pass that replaces nothing.
pub fn detect(images: &[Vec<u8>]) -> Result<f64> {
    let mut guests = Guests::new(images, Policy::sharing_only())?;
    let start = cpu();
    let mut sets: Vec<_> = guests.sets.iter_mut().map(Untouched).collect();
    let sets = sets.iter_mut().map(|set| set as &mut dyn PageSet);
    let mut sets: Vec<_> = guests.ids.iter().copied().zip(sets).collect();
    guests.scavenger.pass(&mut sets)?;
    Ok(cpu() - start)
}

/// A pass that shares, and one after it over memory that was not written.
#[derive(Debug)]
pub struct Shared {
    pub duplicates: u64,
    pub zeros: u64,
    pub first: f64,
    pub steady: f64,
    pub metadata: u64,
}

pub fn share(images: &[Vec<u8>]) -> Result<Shared> {
    let mut guests = Guests::new(images, Policy::sharing_only())?;
    let pages = guests.pool.counters().used;
    let start = cpu();
    guests.pass()?;
    let first = cpu() - start;
    let report = guests.scavenger.report();
    let start = cpu();
    guests.pass()?;
    let steady = cpu() - start;
    let zeros = report.counters.zeroed;
    let duplicates = pages - report.frames - zeros;
    Ok(Shared { duplicates, zeros, first, steady, metadata: report.metadata.total() })
}

/// Memory that nobody used for long.
pub struct Rest {
    pub report: Report,
    /// Pages of all guests.
    pub pages: u64,
    /// Bytes of the distinct pages' records, and of those that stayed in frames.
    pub payload: u64,
    /// The same pages in zstd alone, at the same level.
    pub alone: u64,
    /// Nanoseconds to read a page back, by codec and the codec of the reference: median and 99th
    /// percentile of each page's best of seven.
    pub restore: BTreeMap<Kind, (u64, u64)>,
    /// CPU seconds for all of it.
    pub cpu: f64,
}

pub fn rest(images: &[Vec<u8>], policy: Policy) -> Result<Rest> {
    let mut guests = Guests::new(images, policy)?;
    let mut times: BTreeMap<Kind, Vec<u64>> = BTreeMap::new();
    let mut spent = 0.0;
    for _ in 0..SETTLED {
        let start = cpu();
        guests.pass()?;
        spent += cpu() - start;
        time_restores(&mut guests, &mut times);
    }
    let report = guests.scavenger.report();
    let heads = 10 * report.store.records;
    let restore = times.into_iter().map(|(kind, mut times)| {
        times.sort_unstable();
        (kind, (times[times.len() / 2], times[times.len() * 99 / 100]))
    });
    Ok(Rest {
        pages: images.iter().map(|image| (image.len() / PAGE_SIZE) as u64).sum(),
        payload: report.store.live - heads + report.frames * PAGE_SIZE as u64,
        alone: alone(images, policy.level),
        restore: restore.collect(),
        cpu: spent,
        report,
    })
}

/// Times the way back of pages of each kind, spread over memory: in sweeps over all of them, so that
/// what else the machine does hits no page each time.
fn time_restores(guests: &mut Guests, times: &mut BTreeMap<Kind, Vec<u64>>) {
    let mut samples: BTreeMap<Kind, Vec<(ObjectId, u64)>> = BTreeMap::new();
    for set in &guests.sets {
        for page in (0..set.pages()).map(|n| n * 7919 % set.pages()) {
            let Look::Packed(object) = set.look(page) else { continue };
            let Some(kept) = guests.scavenger.kept(object) else { continue };
            let kind = samples.entry((kept.codec, kept.base)).or_default();
            let before = times.get(&(kept.codec, kept.base)).map_or(0, Vec::len);
            if before + kind.len() < SAMPLES {
                kind.push((object, u64::MAX));
            }
        }
    }
    let mut out = [0; PAGE_SIZE];
    for _ in 0..TIMES {
        for (object, best) in samples.values_mut().flatten() {
            #[expect(clippy::disallowed_methods, reason = "this measures real time")]
            let start = std::time::Instant::now();
            if guests.scavenger.peek(*object, &mut out).is_ok() {
                *best = (*best).min(start.elapsed().as_nanos() as u64);
            }
        }
    }
    for (kind, measured) in samples {
        times.entry(kind).or_default().extend(measured.into_iter().map(|(_, best)| best));
    }
}

/// Bytes of every distinct page that does not repeat one pattern, in zstd, each at most a page.
fn alone(images: &[Vec<u8>], level: i32) -> u64 {
    let key = PageKey::new(1, 0);
    let mut hashes: Vec<(u64, &Page)> = images
        .iter()
        .flat_map(|image| image.as_chunks::<PAGE_SIZE>().0)
        .filter(|page| same_filled(page).is_none())
        .map(|page| (key.hash(page), page))
        .collect();
    hashes.sort_unstable_by_key(|(hash, _)| *hash);
    hashes.dedup_by_key(|(hash, _)| *hash);
    let mut coder = Coder::new(level);
    let mut out = Vec::new();
    let bytes = hashes.iter().map(|(_, page)| {
        out.clear();
        coder.encode(Codec::Zstd, page, None, PAGE_SIZE, &mut out).unwrap_or(PAGE_SIZE) as u64
    });
    bytes.sum()
}

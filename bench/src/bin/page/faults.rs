//! A fault on the host table: no trap of the operating system, so all of it is the pager's own.

use super::cpu_ns;
use anyhow::{Context, Result};
use std::hint::black_box;
use std::sync::Arc;
use vellum_bench::{Contestant, Table, interleave};
use vellum_frames::{FramePool, Options as PoolOptions};
use vellum_pager::space::HostSpace;
use vellum_pager::store::{Get, PageStore, Put, RamStore};
use vellum_pager::{Access, Lines, Options, PAGE, PageNo, Pager};
use vellum_translate::host::{Guard, HostEntry, HostTable, OwnerId, Token};
use vellum_translate::{Gfn, Rights};

/// Pages of the spaces: one whose pages stay in the processor's caches, so that what is measured is
/// the pager's work, and one whose pages don't, so that it waits for memory as well.
const SIZES: [u32; 2] = [128, 2048];
/// References of a round.
const REFERENCES: u32 = 200_000;
const OWNER: OwnerId = OwnerId(1);

/// All pages once, in an order without trend.
fn sweep(pages: u32) -> impl Iterator<Item = PageNo> {
    (0..pages).map(move |at| PageNo::new(at * 1237 % pages))
}

fn stored(pages: u32) -> Result<RamStore> {
    let mut store = RamStore::new(pages.into());
    for page in 0..pages {
        let content = [page as u8; PAGE];
        store.put(&[Put { page: PageNo::new(page), content: &content, lines: Lines::ALL }])?;
    }
    Ok(store)
}

struct Machine {
    host: HostTable,
    pool: Arc<FramePool>,
    clean: Guard,
    pager: Pager,
}

impl Machine {
    fn new(policy: &str, pages: u32, quota: u32) -> Result<Self> {
        let pool = FramePool::new(PoolOptions::new(pages.into()))?;
        let mut host = HostTable::new(pages.into(), Arc::<FramePool>::clone(&pool));
        for page in 0..pages {
            let token = Token::new(page.into()).context("a page's number fits")?;
            let _hole =
                host.replace(Gfn::new(page.into()), HostEntry::Absent { owner: OWNER, token });
        }
        let clean = host.register_guard(Rights::WRITE).context("the first guard")?;
        let options =
            Options { policy: policy.into(), existing: true, ..Options::new(pages, quota) };
        Ok(Machine { host, pool, clean, pager: Pager::new(options, Box::new(stored(pages)?))? })
    }

    /// CPU time a fault. Where all pages fit, they are evicted before each sweep, untimed.
    fn run(&mut self) -> Result<f64> {
        let Machine { host, pool, clean, pager } = self;
        let (first, owner, clean) = (Gfn::new(0), OWNER, *clean);
        let mut space = HostSpace { host, pool, first, owner, names: None, clean, changed: () };
        let before = pager.counters().missing;
        let mut spent = 0.0;
        let pages = pager.pages();
        for _ in 0..REFERENCES / pages {
            if pager.quota() == pages {
                for page in sweep(pages).filter(|&page| pager.is_present(page)).collect::<Vec<_>>()
                {
                    pager.evict(&mut space, page)?;
                }
            }
            let start = cpu_ns();
            for page in sweep(pages) {
                if !pager.is_present(page) {
                    pager.fault(&mut space, page, Access::Load)?;
                } else {
                    pager.touch(page);
                }
            }
            spent += cpu_ns() - start;
        }
        Ok(spent / (pager.counters().missing - before).max(1) as f64)
    }
}

/// A buffer like a frame.
#[repr(align(4096))]
struct Buffer([u8; PAGE]);

/// What the store itself takes: to copy the same pages in the same order to `places` places in turn.
fn copies(store: &mut RamStore, pages: u32, places: &mut [Buffer]) -> Result<f64> {
    let start = cpu_ns();
    for _ in 0..REFERENCES / pages {
        for (page, at) in sweep(pages).zip(0..) {
            let into = &mut places[at % places.len()].0;
            store.get(&mut [Get::new(page, &mut *into)]);
            black_box(&into);
        }
    }
    Ok((cpu_ns() - start) / f64::from(REFERENCES / pages * pages))
}

/// CPU time a fault, with and without what the store itself takes for the page. Where a page must go
/// for each that comes, its place is one that was used as long ago as the page that goes.
pub fn measure(rounds: u32, table: &mut Table) -> Result<()> {
    SIZES.into_iter().try_for_each(|pages| measure_size(pages, rounds, table))
}

fn measure_size(pages: u32, rounds: u32, table: &mut Table) -> Result<()> {
    let half = pages / 2;
    let mut roomy = Machine::new("selector", pages, pages)?;
    let mut selector = Machine::new("selector", pages, half)?;
    let mut clock = Machine::new("clock", pages, half)?;
    let (mut store, mut other) = (stored(pages)?, stored(pages)?);
    let buffers = |count| (0..count).map(|_| Buffer([0; PAGE])).collect::<Vec<_>>();
    let (mut all, mut some) = (buffers(pages), buffers(half));
    let mut contestants: [Contestant<'_>; 5] = [
        ("selector", Box::new(|| roomy.run())),
        ("selector, evicting", Box::new(|| selector.run())),
        ("clock, evicting", Box::new(|| clock.run())),
        ("store", Box::new(|| copies(&mut store, pages, &mut all))),
        ("store to half as many", Box::new(|| copies(&mut other, pages, &mut some))),
    ];
    let series_of = interleave(rounds, &mut contestants)?;
    let rows = [("selector", 3), ("selector, evicting", 4), ("clock, evicting", 4)];
    for ((what, store), series) in rows.into_iter().zip(&series_of) {
        let store = series_of[store].median();
        table.row(&[
            format!(
                "fault on the host table, {pages} pages, {what}, CPU ns, the store's copy left out"
            ),
            format!("{:.0} (with it {series:.0})", series.median() - store),
            format!("the store's copy alone: {store:.0}"),
            String::new(),
            "≤ 500 ns".into(),
        ]);
    }
    Ok(())
}

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

/// Pages of the space, of which half may be present; faults of a round.
const PAGES: u32 = 2048;
const FAULTS: u32 = 200_000;
const OWNER: OwnerId = OwnerId(1);

/// Pages in an order without trend; every page once before any comes again.
fn order() -> impl Iterator<Item = PageNo> {
    (0..FAULTS).map(|at| PageNo::new(at.wrapping_mul(1237) % PAGES))
}

fn stored() -> Result<RamStore> {
    let mut store = RamStore::new(PAGES.into());
    for page in 0..PAGES {
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
    fn new(policy: &str) -> Result<Self> {
        let pool = FramePool::new(PoolOptions::new(u64::from(PAGES)))?;
        let mut host = HostTable::new(PAGES.into(), Arc::<FramePool>::clone(&pool));
        for page in 0..PAGES {
            let token = Token::new(page.into()).context("a page's number fits")?;
            let _hole =
                host.replace(Gfn::new(page.into()), HostEntry::Absent { owner: OWNER, token });
        }
        let clean = host.register_guard(Rights::WRITE).context("the first guard")?;
        let options =
            Options { policy: policy.into(), existing: true, ..Options::new(PAGES, PAGES / 2) };
        Ok(Machine { host, pool, clean, pager: Pager::new(options, Box::new(stored()?))? })
    }

    fn run(&mut self) -> Result<f64> {
        let Machine { host, pool, clean, pager } = self;
        let first = Gfn::new(0);
        let mut space = HostSpace { host, pool, first, owner: OWNER, clean: *clean, changed: () };
        let before = pager.counters().missing;
        let start = cpu_ns();
        for page in order() {
            if !pager.is_present(page) {
                pager.fault(&mut space, page, Access::Load)?;
            } else {
                pager.touch(page);
            }
        }
        Ok((cpu_ns() - start) / (pager.counters().missing - before).max(1) as f64)
    }
}

/// A buffer like a frame.
#[repr(align(4096))]
struct Buffer([u8; PAGE]);

/// CPU time a fault, an eviction included, with and without what the store itself takes: to copy the
/// same pages in the same order to as many places, each of which was used as long ago as the frame of
/// the page that goes.
pub fn measure(rounds: u32, table: &mut Table) -> Result<()> {
    let mut store = stored()?;
    let mut buffers: Vec<Buffer> = (0..PAGES / 2).map(|_| Buffer([0; PAGE])).collect();
    let (mut selector, mut clock) = (Machine::new("selector")?, Machine::new("clock")?);
    let mut contestants: [Contestant<'_>; 3] = [
        ("selector", Box::new(|| selector.run())),
        ("clock", Box::new(|| clock.run())),
        (
            "store",
            Box::new(|| {
                let start = cpu_ns();
                for (page, at) in order().zip(0..) {
                    let into = &mut buffers[at % (PAGES / 2) as usize].0;
                    store.get(&mut [Get::new(page, &mut *into)]);
                    black_box(&into);
                }
                Ok((cpu_ns() - start) / f64::from(FAULTS))
            }),
        ),
    ];
    let series = interleave(rounds, &mut contestants)?;
    let store = series[2].median();
    for (policy, series) in ["selector", "clock"].iter().zip(&series) {
        table.row(&[
            format!(
                "fault on the host table, evicting, {policy}, CPU ns, the store's copy left out"
            ),
            format!("{:.0} (with it {series})", series.median() - store),
            format!("the store's copy alone: {store:.0}"),
            String::new(),
            "≤ 500 ns".into(),
        ]);
    }
    Ok(())
}

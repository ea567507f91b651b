//! A fault on the host table: no trap of the operating system, so all of it but what the store takes is
//! the pager's own.

use super::cpu_ns;
use super::store_calls::{Noted, Replay};
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use vellum_bench::{Series, Table};
use vellum_frames::{FramePool, Options as PoolOptions};
use vellum_pager::space::HostSpace;
use vellum_pager::store::{PageStore, Put, RamStore};
use vellum_pager::{Access, Lines, Options, PAGE, PageNo, Pager};
use vellum_translate::host::{Guard, HostEntry, HostTable, OwnerId, Token};
use vellum_translate::{Gfn, Rights};

/// Pages of the spaces: one whose pages, in the store and in frames, are near in the processor's caches, if not
/// in the first two levels, so that what is measured is the pager's work; and one whose pages take up much of
/// the last level, so that it waits for memory as well.
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

/// What is measured.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    policy: &'static str,
    /// Every how manyeth page fits; where all do, they are evicted before each sweep, untimed.
    share: u32,
    access: Access,
}

const CASES: [Case; 5] = [
    Case { name: "nothing goes", policy: "selector", share: 1, access: Access::Load },
    Case { name: "a clean page goes", policy: "clock", share: 2, access: Access::Load },
    Case { name: "a clean page goes", policy: "selector", share: 2, access: Access::Load },
    Case { name: "a dirty page goes", policy: "clock", share: 2, access: Access::Store },
    Case { name: "a dirty page goes", policy: "selector", share: 2, access: Access::Store },
];

struct Machine {
    host: HostTable,
    pool: Arc<FramePool>,
    clean: Guard,
    pager: Pager,
    access: Access,
}

impl Machine {
    fn new(case: Case, pages: u32, store: Box<dyn PageStore>) -> Result<Self> {
        let pool = FramePool::new(PoolOptions::new(pages.into()))?;
        let mut host = HostTable::new(pages.into(), Arc::<FramePool>::clone(&pool));
        for page in 0..pages {
            let token = Token::new(page.into()).context("a page's number fits")?;
            let _hole =
                host.replace(Gfn::new(page.into()), HostEntry::Absent { owner: OWNER, token });
        }
        let clean = host.register_guard(Rights::WRITE).context("the first guard")?;
        let options = Options {
            policy: case.policy.into(),
            existing: true,
            ..Options::new(pages, pages / case.share)
        };
        Ok(Machine { host, pool, clean, pager: Pager::new(options, store)?, access: case.access })
    }

    /// CPU time of a round, and how many faults it had.
    fn run(&mut self) -> Result<(f64, u64)> {
        let Machine { host, pool, clean, pager, access } = self;
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
                    pager.fault(&mut space, page, *access)?;
                } else {
                    pager.touch(page);
                }
            }
            spent += cpu_ns() - start;
        }
        Ok((spent, pager.counters().missing - before))
    }
}

/// One case: a machine, and the loop that asks its store's like what a twin of it was asked.
struct Duel {
    case: Case,
    pages: u32,
    ours: Machine,
    twin: Machine,
    replay: Replay<RamStore>,
    whole: Series,
    store: Series,
    own: Series,
}

impl Duel {
    fn new(case: Case, pages: u32) -> Result<Self> {
        let (noted, calls) = Noted::new(stored(pages)?);
        Ok(Duel {
            case,
            pages,
            ours: Machine::new(case, pages, Box::new(stored(pages)?))?,
            twin: Machine::new(case, pages, Box::new(noted))?,
            replay: Replay::new(stored(pages)?, calls),
            whole: Series::default(),
            store: Series::default(),
            own: Series::default(),
        })
    }

    /// A round; the two take turns at being first.
    fn round(&mut self, store_first: bool) -> Result<()> {
        let (_, faults) = self.twin.run()?;
        let first = if store_first { Some(self.replay.run()?) } else { None };
        let (whole, ours) = self.ours.run()?;
        ensure!(ours == faults, "{ours} faults, and {faults} of the twin: runs differ");
        let store = match first {
            Some(store) => store,
            None => self.replay.run()?,
        };
        let [whole, store] = [whole, store].map(|spent| spent / faults.max(1) as f64);
        self.whole.add(whole);
        self.store.add(store);
        self.own.add(whole - store);
        Ok(())
    }
}

/// CPU time a fault: all of it, what the same calls of the same store take without a pager, and the
/// difference, which is the pager's own.
pub fn table(rounds: u32) -> Result<Table> {
    let mut duels = Vec::new();
    for pages in SIZES {
        for case in CASES {
            duels.push(Duel::new(case, pages)?);
        }
    }
    for round in 0..rounds {
        for duel in &mut duels {
            duel.round(round % 2 == 1).with_context(|| format!("{:?}", duel.case))?;
        }
    }
    let mut table = Table::new(&[
        "fault on the host table, CPU ns",
        "pages",
        "policy",
        "whole",
        "the store's calls alone",
        "the pager's own",
        "reach",
    ]);
    for Duel { case, pages, whole, store, own, .. } in duels {
        table.row(&[
            case.name.into(),
            pages.to_string(),
            case.policy.into(),
            nanoseconds(&whole),
            nanoseconds(&store),
            nanoseconds(&own),
            "≤ 500".into(),
        ]);
    }
    Ok(table)
}

fn nanoseconds(series: &Series) -> String {
    let (low, high) = series.spread();
    format!("{:.0} ({low:.0}–{high:.0})", series.median())
}

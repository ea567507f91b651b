//! Every store keeps what a store promises: pages by number, each its newest content.

use proptest::prelude::*;
use std::collections::BTreeMap;
use vellum_block::{Duration, Fixed, FixedConfig, Ram, Volume};
use vellum_disk::{Disk, Policy, profiles};
use vellum_pager::store::{
    Answer, CompressedPool, FileStore, Get, NvmStore, PageStore, Put, RamStore, Slow, TierOptions,
    Tiered, VolumeStore,
};
use vellum_pager::{Lines, PAGE, Page, PageNo, StoreError};

const PAGES: u32 = 48;

fn disk() -> Box<dyn PageStore> {
    let disk = Disk::new(&profiles::find("hp97560").unwrap(), Policy::Sptf).unwrap();
    let shape = vellum_block::Device::shape(&disk);
    let folder = tempfile::tempdir().unwrap();
    let media = vellum_block::SparseFile::create(
        &folder.path().join("disk"),
        shape.sectors,
        shape.sector_bytes,
    );
    Box::new(VolumeStore::new(Volume::new(disk, media.unwrap()).unwrap(), "disk").unwrap())
}

fn fixed(sector_bytes: u32) -> Box<dyn PageStore> {
    let sectors = u64::from(PAGES) * (PAGE as u64 / u64::from(sector_bytes));
    let config = FixedConfig { sectors, sector_bytes, ..FixedConfig::default() };
    let volume = Volume::new(Fixed::new(config), Ram::new(sectors, sector_bytes).unwrap()).unwrap();
    Box::new(VolumeStore::new(volume, "device").unwrap())
}

fn memristor(pages: u32) -> NvmStore {
    let profile = vellum_nvm::profiles::find("stacked-memristor").unwrap();
    let lines = u64::from(pages) * (PAGE / vellum_nvm::LINE) as u64;
    NvmStore::new(vellum_nvm::Nvm::new(profile, lines, 1).unwrap(), "memristor")
}

fn stores() -> Vec<Box<dyn PageStore>> {
    let file = || FileStore::new(tempfile::tempfile().unwrap(), "file", PAGES.into());
    let tiers = TierOptions { pages: PAGES, fast: 8, batch: 3 };
    vec![
        Box::new(RamStore::new(PAGES.into())),
        Box::new(file()),
        Box::new(CompressedPool::new(u64::MAX)),
        fixed(512),
        fixed(4096),
        disk(),
        Box::new(memristor(PAGES)),
        Box::new(Tiered::new(memristor(8), file(), tiers)),
        Box::new(Tiered::new(CompressedPool::new(20_000), file(), tiers)),
        Box::new(Slow::new(
            Tiered::new(RamStore::new(8), Tiered::new(RamStore::new(8), file(), tiers), tiers),
            Duration::from_us(10),
            Duration::from_us(1),
        )),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(u32, u8)>),
    Get(Vec<u32>),
    Discard(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let page = 0..PAGES;
    let step = prop_oneof![
        3 => proptest::collection::vec((page.clone(), any::<u8>()), 1..6).prop_map(Step::Put),
        3 => proptest::collection::vec(page.clone(), 1..6).prop_map(Step::Get),
        1 => page.prop_map(Step::Discard),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A page that changes in a few lines from one content to the next.
fn change(old: Option<&Page>, seed: u8) -> (Page, Lines) {
    let mut page = old.copied().unwrap_or([0; PAGE]);
    let before = page;
    match seed % 4 {
        0 => page.fill(seed),
        1 => page[usize::from(seed) * 16..].iter_mut().take(9).for_each(|byte| *byte ^= seed),
        2 => page.iter_mut().enumerate().for_each(|(at, b)| *b = (at as u8).wrapping_mul(seed | 1)),
        _ => page[4000] = seed,
    }
    let lines = if old.is_some() { Lines::between(&before, &page) } else { Lines::ALL };
    (page, lines)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_store_gives_what_it_was_given_last(steps in steps()) {
        for mut store in stores() {
            let mut model: BTreeMap<u32, Page> = BTreeMap::new();
            for step in &steps {
                match step {
                    Step::Put(pages) => {
                        let mut pages = pages.clone();
                        pages.sort_unstable();
                        pages.dedup_by_key(|(page, _)| *page);
                        let made: Vec<(u32, Page, Lines)> = pages
                            .iter()
                            .map(|&(page, seed)| {
                                let (content, lines) = change(model.get(&page), seed);
                                (page, content, lines)
                            })
                            .collect();
                        let puts: Vec<Put<'_>> = made
                            .iter()
                            .map(|(page, content, lines)| Put {
                                page: PageNo::new(*page), content, lines: *lines,
                            })
                            .collect();
                        store.put(&puts).unwrap();
                        model.extend(made.iter().map(|(page, content, _)| (*page, *content)));
                    }
                    Step::Get(pages) => {
                        let mut buffers = vec![[1; PAGE]; pages.len()];
                        let mut gets: Vec<Get<'_>> = pages
                            .iter()
                            .zip(&mut buffers)
                            .map(|(&page, into)| Get::new(PageNo::new(page), into))
                            .collect();
                        store.get(&mut gets);
                        for get in gets {
                            match model.get(&get.page.get()) {
                                Some(content) => {
                                    prop_assert_eq!(&get.answer, &Answer::Found, "{}", store.name());
                                    prop_assert!(get.into == content, "{}", store.name());
                                }
                                // A file has no notion of a hole: zeros are as good.
                                None => prop_assert!(
                                    get.answer == Answer::Missing
                                        || (get.answer == Answer::Found && *get.into == [0; PAGE]),
                                    "{}: {:?}", store.name(), get.answer
                                ),
                            }
                        }
                    }
                    Step::Discard(page) => {
                        store.discard(&[PageNo::new(*page)]).unwrap();
                        model.remove(page);
                    }
                }
            }
            store.flush().unwrap();
        }
    }
}

#[test]
fn a_page_beyond_the_end_is_an_error_and_no_panic() {
    let file = || FileStore::new(tempfile::tempfile().unwrap(), "file", PAGES.into());
    let tiers = TierOptions { pages: PAGES, fast: 8, batch: 3 };
    let tiered = Tiered::new(CompressedPool::new(20_000), file(), tiers);
    let stores: [Box<dyn PageStore>; 3] = [fixed(512), Box::new(file()), Box::new(tiered)];
    for mut store in stores {
        let mut buffer = [0; PAGE];
        let page = PageNo::new(1 << 29);
        let mut get = [Get::new(page, &mut buffer)];
        store.get(&mut get);
        assert!(
            matches!(get[0].answer, Answer::Failed(StoreError::PastEnd { .. })),
            "{}",
            store.name()
        );
        let put = Put { page, content: &[1; PAGE], lines: Lines::ALL };
        assert!(matches!(store.put(&[put]), Err(StoreError::PastEnd { .. })), "{}", store.name());
    }
}

#[test]
fn a_full_store_says_so_and_keeps_what_it_has() {
    let mut pool = CompressedPool::new(5000);
    // Noise does not shrink: one page fits, two don't.
    let mut rng = vellum_block::Rng::new(1);
    let mut noise = || {
        let mut page = [0; PAGE];
        page.chunks_exact_mut(8).for_each(|c| c.copy_from_slice(&rng.next_u64().to_le_bytes()));
        page
    };
    let pages = [noise(), noise()];
    let put =
        |at: u32| Put { page: PageNo::new(at), content: &pages[at as usize], lines: Lines::ALL };
    pool.put(&[put(0)]).unwrap();
    let error = pool.put(&[put(1)]).unwrap_err();
    assert_eq!(error.to_string(), "compressed pool is full: 4096 of 5000 bytes");
    // A page of one repeated word takes nothing.
    let zeros = Put { page: PageNo::new(1), content: &[0xcc; PAGE], lines: Lines::ALL };
    pool.put(&[zeros]).unwrap();
    assert_eq!(pool.used(), 4096);
    pool.discard(&[PageNo::new(0)]).unwrap();
    assert_eq!(pool.used(), 0);
}

#[test]
fn a_device_takes_its_own_time_and_a_batch_waits_once() {
    let config = FixedConfig {
        sectors: 8 * u64::from(PAGES),
        latency: Duration::from_us(100),
        ..FixedConfig::default()
    };
    let volume =
        Volume::new(Fixed::new(config), Ram::new(8 * u64::from(PAGES), 512).unwrap()).unwrap();
    let mut device = VolumeStore::new(volume, "device").unwrap();
    let remote = RamStore::new(PAGES.into());
    let mut remote = Slow::new(remote, Duration::from_us(10), Duration::from_us(1));
    let content = [7; PAGE];
    let put = |page| Put { page: PageNo::new(page), content: &content, lines: Lines::ALL };
    let batch: Vec<Put<'_>> = (0..16).map(put).collect();
    for store in [&mut device as &mut dyn PageStore, &mut remote] {
        store.put(&batch).unwrap();
    }
    assert!(device.traffic().model_ps >= 100_000_000);
    assert_eq!(device.traffic().model_ps, device.now().as_ps());
    assert_eq!(remote.traffic().model_ps, (10 + 16) * 1_000_000);
}

#[test]
fn a_tier_moves_what_is_not_asked_for_and_finds_it_again() {
    let tiers = TierOptions { pages: 64, fast: 4, batch: 2 };
    let mut store = Tiered::new(RamStore::new(4), RamStore::new(64), tiers);
    for at in 0..10 {
        let put = Put { page: PageNo::new(at), content: &[at as u8; PAGE], lines: Lines::ALL };
        store.put(&[put]).unwrap();
    }
    assert_eq!((store.fast().len(), store.slow().len(), store.moved()), (4, 6, 6));
    for at in 0..10 {
        let mut buffer = [0; PAGE];
        let mut get = [Get::new(PageNo::new(at), &mut buffer)];
        store.get(&mut get);
        assert_eq!((get[0].answer.clone(), get[0].into[9]), (Answer::Found, at as u8));
    }
}

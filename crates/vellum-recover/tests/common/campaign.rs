//! A seeded workload over a store on the crash double, and the check of every image that a power
//! cut may leave. Shared by the test and by the campaign of `examples/campaign.rs`.

use std::sync::Arc;
use vellum_recover::log::{Bug, Cipher, CrashDisk, Entropy};
use vellum_recover::{Background, Durability, Error, Load, Options, Region, Restore, Store};

const LEN: u64 = 700;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

fn options(cipher: Cipher, planted: Option<Bug>) -> Options {
    let log = vellum_recover::log::Options {
        segment_min: 5632,
        segment_max: 8192,
        buffer: 1024,
        spares: 2,
        cipher,
        entropy: Entropy::from_fn(|bytes| {
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 7) as u8);
            Ok(())
        }),
        planted,
    };
    Options {
        log,
        load: Load::Lazy,
        background: Background::Caller,
        pending_max: 2000,
        ..Options::default()
    }
}

/// The two regions' bytes.
type State = Vec<u8>;

/// What had been promised when so many operations of the disk had returned.
#[derive(Clone, Copy, Default)]
struct Promise {
    operations: u64,
    /// States below this may not be fallen back to.
    durable: usize,
    regions: u64,
}

struct History {
    states: Vec<State>,
    promises: Vec<Promise>,
}

fn regions(store: &Store) -> Result<[Region; 2], Error> {
    Ok([store.region("one", LEN)?, store.region("two", LEN)?])
}

fn state(regions: &[Region; 2]) -> Result<State, Error> {
    Ok([&regions[0].read(0..LEN)?[..], &regions[1].read(0..LEN)?[..]].concat())
}

/// Runs a workload of three lives, each ended by a kill.
fn work(
    disk: &CrashDisk,
    seed: u64,
    cipher: Cipher,
    planted: Option<Bug>,
) -> Result<History, Error> {
    let mut random = Random(seed);
    let mut now = Promise::default();
    let mut states = vec![vec![0; 2 * LEN as usize]];
    let mut promises = vec![now];
    for _ in 0..3 {
        let store = Store::open_in(Arc::new(disk.clone()), options(cipher, planted))?;
        let regions = regions(&store)?;
        // A kill loses what was only handed in; what is found now is what counts.
        let found = state(&regions)?;
        now.durable = states.iter().rposition(|state| *state == found).unwrap_or(now.durable);
        states.truncate(now.durable + 1);
        now.regions = 2;
        promises.push(Promise { operations: disk.operations(), ..now });
        for _ in 0..12 {
            let mut transaction = store.begin(Restore::Yes);
            let mut next = states[states.len() - 1].clone();
            for _ in 0..1 + random.below(4) {
                let which = random.below(2);
                let start = random.below(LEN - 1);
                let end = (start + 1 + random.below(200)).min(LEN);
                let value = random.below(255) as u8 + 1;
                transaction.set_range(&regions[which as usize], start..end)?.fill(value);
                let base = which * LEN;
                next[(base + start) as usize..(base + end) as usize].fill(value);
            }
            match random.below(8) {
                0 => transaction.abort()?,
                1..4 => {
                    states.push(next);
                    transaction.commit(Durability::NoFlush)?;
                }
                _ => {
                    states.push(next);
                    transaction.commit(Durability::Flush)?;
                    now.durable = states.len() - 1;
                }
            }
            if random.below(6) == 0 {
                store.truncate()?;
                now.durable = states.len() - 1;
            }
            promises.push(Promise { operations: disk.operations(), ..now });
        }
    }
    Ok(History { states, promises })
}

fn check(
    image: &CrashDisk,
    history: &History,
    now: Promise,
    (cipher, planted): (Cipher, Option<Bug>),
) -> Result<(), String> {
    let text = |error: Error| error.to_string();
    let open = |disk: &CrashDisk| {
        let store = Store::open_in(Arc::new(disk.clone()), options(cipher, planted));
        store.map_err(text)
    };
    let store = open(image)?;
    if (store.regions().len() as u64) < now.regions {
        return Err("a region is gone".to_owned());
    }
    let handles = regions(&store).map_err(text)?;
    let found = state(&handles).map_err(text)?;
    let newest = history.states.iter().rposition(|state| *state == found);
    match newest {
        None => return Err("half a transaction is seen".to_owned()),
        Some(at) if at < now.durable => {
            return Err(format!("state {at} is back, {} had been promised", now.durable));
        }
        Some(_) => {}
    }
    // Go on, and lose everything unsynced once more.
    let mut expected = found;
    let mut transaction = store.begin(Restore::Yes);
    transaction.set_range(&handles[1], 3..9).map_err(text)?.fill(0xEE);
    expected[LEN as usize + 3..LEN as usize + 9].fill(0xEE);
    transaction.commit(Durability::Flush).map_err(text)?;
    drop(store);
    let cut = image.cuts().last().ok_or("no cut")?;
    let worst = cut.images(2, 0).next().ok_or("no image")?;
    let store = open(&worst)?;
    let handles = regions(&store).map_err(text)?;
    if state(&handles).map_err(text)? != expected {
        return Err("what was committed after recovery is lost".to_owned());
    }
    store.truncate().map_err(text)?;
    drop(store);
    let store = open(&worst)?;
    let handles = regions(&store).map_err(text)?;
    if state(&handles).map_err(text)? != expected {
        return Err("truncation after recovery changed the regions".to_owned());
    }
    Ok(())
}

/// Cuts power at every operation of the workload of `seed`; the number of images, or the failure.
pub fn campaign(
    seed: u64,
    cipher: Cipher,
    planted: Option<Bug>,
    sample: u64,
) -> Result<u64, String> {
    let disk = CrashDisk::new();
    let history = work(&disk, seed, cipher, planted).map_err(|error| error.to_string())?;
    let mut images = 0;
    for cut in disk.cuts() {
        let index = cut.index as u64;
        let now = history.promises.iter().rev().find(|p| p.operations <= index);
        let now = now.copied().unwrap_or_default();
        for (turn, image) in cut.images(sample, seed).enumerate() {
            images += 1;
            check(&image, &history, now, (cipher, planted))
                .map_err(|why| format!("seed {seed}, cut {index}, image {turn}: {why}"))?;
        }
    }
    Ok(images)
}

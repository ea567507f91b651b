//! A store on byte-addressable memory: power is cut between any two loads, stores, flushes and
//! fences of the phase-change model, at words of 8 bytes, and nothing promised is lost.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use vellum_nvm::{Domain, Nvm, profiles};
use vellum_recover::log::{ByteMemory, ByteStorage, Cipher, Entropy};
use vellum_recover::{Background, Durability, Error, Options, Region, Restore, Store};

const SIZE: u64 = 512 << 10;
const LEN: u64 = 700;
const LINE: u64 = vellum_nvm::LINE as u64;

/// What power cuts left: the newest state promised before, and the memory.
type Cuts = Arc<Mutex<Vec<(usize, Nvm)>>>;

/// The model as a [`ByteMemory`].
#[derive(Debug)]
struct Model {
    domain: Mutex<Domain>,
    operations: AtomicUsize,
    /// Power is cut at each so manieth operation; 0: never.
    every: usize,
    cuts: Cuts,
    promised: Arc<AtomicUsize>,
    /// Left out, to see that it is noticed.
    fences: bool,
}

impl Model {
    fn new(nvm: Nvm, every: usize, fences: bool) -> Self {
        let (cuts, promised) = (Cuts::default(), Arc::default());
        let domain = Mutex::new(Domain::new(nvm));
        Self { domain, operations: AtomicUsize::new(0), every, cuts, promised, fences }
    }

    /// Goes through the words of a range: the word's address, and which of its bytes are in it.
    fn words(range: Range<u64>) -> impl Iterator<Item = (u64, Range<usize>)> {
        (range.start / 8..range.end.div_ceil(8)).map(move |word| {
            let bytes = range.start.max(word * 8)..range.end.min(word * 8 + 8);
            (word * 8, (bytes.start - word * 8) as usize..(bytes.end - word * 8) as usize)
        })
    }

    fn count(&self, domain: &Domain) -> io::Result<()> {
        let number = self.operations.fetch_add(1, Ordering::SeqCst);
        if self.every != 0 && number.is_multiple_of(self.every) {
            let states = domain.crash_states(4, number as u64).map_err(io::Error::other)?;
            let promised = self.promised.load(Ordering::SeqCst);
            self.cuts.lock().unwrap().extend(states.into_iter().map(|nvm| (promised, nvm)));
        }
        Ok(())
    }
}

impl ByteMemory for Model {
    fn size(&self) -> u64 {
        SIZE
    }

    fn load(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let (mut domain, mut done) = (self.domain.lock().unwrap(), 0);
        for (address, bytes) in Self::words(at..at + out.len() as u64) {
            let word = domain.load(address).map_err(io::Error::other)?.to_le_bytes();
            out[done..done + bytes.len()].copy_from_slice(&word[bytes.clone()]);
            done += bytes.len();
        }
        Ok(())
    }

    fn store(&self, at: u64, new: &[u8]) -> io::Result<()> {
        let (mut domain, mut done) = (self.domain.lock().unwrap(), 0);
        for (address, bytes) in Self::words(at..at + new.len() as u64) {
            let mut word = domain.load(address).map_err(io::Error::other)?.to_le_bytes();
            word[bytes.clone()].copy_from_slice(&new[done..done + bytes.len()]);
            domain.store(address, u64::from_le_bytes(word)).map_err(io::Error::other)?;
            done += bytes.len();
        }
        self.count(&domain)
    }

    fn flush(&self, range: Range<u64>) -> io::Result<()> {
        let mut domain = self.domain.lock().unwrap();
        (range.start / LINE..range.end.div_ceil(LINE)).for_each(|line| domain.flush(line * LINE));
        self.count(&domain)
    }

    fn fence(&self) -> io::Result<()> {
        let mut domain = self.domain.lock().unwrap();
        if self.fences {
            domain.fence().map_err(io::Error::other)?;
        }
        self.count(&domain)
    }

    fn place(&self) -> String {
        "phase-change memory".to_owned()
    }
}

fn open(memory: Arc<Model>) -> Result<(Store, Region), Error> {
    let storage = ByteStorage::open(memory)
        .map_err(|source| Error::Memory { what: "opening the memory", source })?;
    let log = vellum_recover::log::Options {
        segment_min: 5632,
        segment_max: 8192,
        buffer: 1024,
        spares: 2,
        cipher: Cipher::Aes256Gcm,
        entropy: Entropy::from_fn(|bytes| {
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 7) as u8);
            Ok(())
        }),
        planted: None,
    };
    let options = Options { log, background: Background::Caller, ..Options::default() };
    let store = Store::open_in(Arc::new(storage), options)?;
    let region = store.region("r", LEN)?;
    Ok((store, region))
}

/// Transactions, some of them truncated; every state that the region has had.
fn work(memory: &Arc<Model>) -> Vec<Vec<u8>> {
    let (store, region) = open(memory.clone()).unwrap();
    let mut states = vec![vec![0; LEN as usize]];
    for turn in 0..24_u64 {
        let mut next = states.last().unwrap().clone();
        let mut transaction = store.begin(Restore::Yes);
        for piece in 0..1 + turn % 3 {
            let start = (turn * 97 + piece * 211) % (LEN - 60);
            let range = start..start + 1 + turn % 59;
            transaction.set_range(&region, range.clone()).unwrap().fill(turn as u8 + 1);
            next[range.start as usize..range.end as usize].fill(turn as u8 + 1);
        }
        states.push(next);
        transaction.commit(Durability::Flush).unwrap();
        memory.promised.store(states.len() - 1, Ordering::SeqCst);
        if turn % 5 == 4 {
            store.truncate().unwrap();
        }
    }
    states
}

/// How many of the cuts were recovered; the first that was not.
fn recover(every: usize, fences: bool) -> Result<usize, String> {
    let nvm = Nvm::new(profiles::find("pcm").unwrap(), SIZE / LINE, 1).unwrap();
    let memory = Arc::new(Model::new(nvm, every, fences));
    let states = work(&memory);
    let cuts = std::mem::take(&mut *memory.cuts.lock().unwrap());
    for (number, (promised, nvm)) in cuts.iter().enumerate() {
        let memory = Arc::new(Model::new(nvm.clone(), 0, true));
        let (store, region) = open(memory).map_err(|error| format!("cut {number}: {error}"))?;
        let found = region.read(0..LEN).map_err(|error| error.to_string())?.to_vec();
        match states.iter().rposition(|state| *state == found) {
            None => return Err(format!("cut {number}: half a transaction")),
            Some(at) if at < *promised => {
                return Err(format!("cut {number}: {at} is back, {promised} was promised"));
            }
            Some(_) => {}
        }
        // And it goes on from there.
        let mut transaction = store.begin(Restore::Yes);
        let range = transaction.set_range(&region, 0..4).map_err(|error| error.to_string())?;
        range.fill(9);
        transaction.commit(Durability::Flush).map_err(|error| error.to_string())?;
    }
    Ok(cuts.len())
}

#[test]
fn nothing_promised_is_lost_on_byte_addressable_memory() {
    let cuts = recover(3, true).unwrap();
    assert!(cuts > 200, "only {cuts} cuts");
}

#[test]
fn the_fence_is_needed() {
    recover(3, false).unwrap_err();
}

#[test]
fn what_is_no_memory_of_files_is_refused_and_left_alone() {
    let nvm = Nvm::new(profiles::find("pcm").unwrap(), SIZE / LINE, 1).unwrap();
    let memory = Arc::new(Model::new(nvm, 0, true));
    memory.store(0, b"something else").unwrap();
    let before = memory.operations.load(Ordering::SeqCst);
    let error = ByteStorage::open(memory.clone()).unwrap_err();
    assert!(error.to_string().contains("phase-change memory: not a memory of files"), "{error}");
    assert_eq!(memory.operations.load(Ordering::SeqCst), before, "nothing was stored");
}

#[test]
fn a_full_memory_is_an_error_that_names_the_place() {
    let nvm = Nvm::new(profiles::find("pcm").unwrap(), SIZE / LINE, 1).unwrap();
    let (store, _region) = open(Arc::new(Model::new(nvm, 0, true))).unwrap();
    let error = store.region("large", SIZE).unwrap_err();
    assert!(error.to_string().contains("phase-change memory"), "{error}");
}

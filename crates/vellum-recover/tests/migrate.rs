//! A live memory moves over a link while its owner writes; what arrives is what the owner had.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use vellum_recover::checkpoint::Pages;
use vellum_recover::migrate::{MigrateError, SendOptions, Strategy, receive, send};
use vellum_recover::{Error, PAGE, Tracked};

const PAGES: usize = 600;

/// Memory that an owner writes to while it is sent.
#[derive(Clone)]
struct Live {
    memory: Arc<Mutex<Tracked>>,
    stopped: Arc<AtomicBool>,
}

impl Live {
    fn new() -> Self {
        let mut memory = Tracked::new(PAGES * PAGE, None).unwrap();
        (0..PAGES / 2).for_each(|page| memory.bytes_mut()[page * PAGE] = page as u8 | 1);
        Self { memory: Arc::new(Mutex::new(memory)), stopped: Arc::default() }
    }

    fn run(&self) -> std::thread::JoinHandle<()> {
        let live = self.clone();
        std::thread::spawn(move || {
            let mut turn = 0_usize;
            while !live.stopped.load(Ordering::Acquire) {
                let mut memory = live.memory.lock().unwrap();
                let at = turn * 13 % 40 * PAGE + turn % PAGE;
                memory.bytes_mut()[at] = turn as u8;
                drop(memory);
                turn += 1;
                std::thread::yield_now();
            }
        })
    }
}

impl Pages for Live {
    fn pages(&self) -> u64 {
        PAGES as u64
    }

    fn read_page(&self, page: u64, out: &mut [u8]) {
        self.memory.lock().unwrap().read_page(page, out);
    }

    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, Error> {
        self.memory.lock().unwrap().take_dirty()
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

fn moves(strategy: Strategy) {
    let live = Live::new();
    let owner = live.run();
    let (mut here, mut there) = pair();
    let receiver = std::thread::spawn(move || {
        let mut memory = Vec::new();
        let room = Mutex::new(&mut memory);
        let mut put = |page: u64, bytes: &[u8]| {
            let mut memory = room.lock().unwrap();
            memory.resize(PAGES * PAGE, 0);
            memory[page as usize * PAGE..][..PAGE].copy_from_slice(bytes);
        };
        let prepare = |pages| if pages == PAGES as u64 { Ok(()) } else { Err("size".to_owned()) };
        let (arrived, mut pending) = receive(&mut there, prepare, &mut put).unwrap();
        let first = (0..PAGES as u64).find(|page| pending.is_missing(*page));
        if let Some(page) = first {
            let mut bytes = vec![0; PAGE];
            assert!(pending.fetch(page, &mut bytes).unwrap());
            put(page, &bytes);
        }
        pending.finish(&mut put).unwrap();
        (arrived.state, memory)
    });
    let mut source = live.clone();
    let options = SendOptions { strategy, downtime_us: 2_000, rounds: 4 };
    let report = send(&mut source, &mut here, options, |source| {
        source.stopped.store(true, Ordering::Release);
        owner.join().unwrap();
        b"registers".to_vec()
    })
    .unwrap();
    let (state, memory) = receiver.join().unwrap();
    assert_eq!(state, b"registers");
    assert!(memory == live.memory.lock().unwrap().bytes());
    match strategy {
        Strategy::PreCopy => {
            assert!(!report.rounds.is_empty() && report.rounds.len() <= 4);
            assert_eq!((report.rounds[0].pages, report.pulled), (PAGES as u64, 0));
        }
        Strategy::PostCopy => {
            assert_eq!((report.rounds.len(), report.pulled), (0, PAGES as u64));
        }
        Strategy::Hybrid => {
            assert_eq!((report.rounds.len(), report.last_pages), (1, 0));
            assert!(report.pulled <= 40, "only what was written during the round");
        }
    }
}

#[test]
fn pre_copy_brings_everything() {
    moves(Strategy::PreCopy);
}

#[test]
fn post_copy_brings_everything() {
    moves(Strategy::PostCopy);
}

#[test]
fn the_hybrid_brings_everything() {
    moves(Strategy::Hybrid);
}

#[test]
fn a_receiver_that_refuses_leaves_the_source_running() {
    let mut live = Live::new();
    let (mut here, mut there) = pair();
    let receiver = std::thread::spawn(move || {
        receive(&mut there, |pages| Err(format!("no room for {pages} pages")), &mut |_, _| {})
            .map(|_| ())
    });
    let mut stopped = false;
    let result = send(&mut live, &mut here, SendOptions::default(), |_| {
        stopped = true;
        Vec::new()
    });
    assert!(receiver.join().unwrap().is_err());
    let error = result.unwrap_err();
    assert!(matches!(error, MigrateError::Aborted { .. } | MigrateError::Link { .. }), "{error}");
    live.memory.lock().unwrap().bytes_mut()[0] = 1;
}

/// A link that plays back fixed bytes.
struct Tape(std::io::Cursor<Vec<u8>>);

impl Read for Tape {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Tape {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_streams_end_in_an_error(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let mut tape = Tape(std::io::Cursor::new(bytes));
        let outcome = receive(&mut tape, |_| Ok(()), &mut |_, _| {}).map(|_| ());
        proptest::prop_assert!(outcome.is_err());
    }
}

//! Pages that come when they are touched: by slices, by bare pointers of code that knows nothing,
//! with a recorded working set, and from a source that dies.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vellum_recover::PAGE;
use vellum_recover::checkpoint::{Captured, Checkpoints, Compression, DirObjects, Pages};
use vellum_recover::ondemand::{Arriving, Fetch, LazyError, LazyMemory, PageSource, SourceError};

const PAGES: u64 = 200;

/// Gives pages filled with their number, until it dies.
struct Source {
    given: Arc<AtomicU64>,
    dies_after: u64,
    panics: bool,
}

impl PageSource for Source {
    fn read_page(&mut self, page: u64, out: &mut [u8]) -> Result<(), SourceError> {
        if self.given.fetch_add(1, Ordering::SeqCst) >= self.dies_after {
            assert!(!self.panics, "as planned");
            return Err("the cable is cut".into());
        }
        out.fill(page as u8);
        Ok(())
    }
}

fn memory(dies_after: u64, fetch: Fetch) -> Option<(LazyMemory, Arc<AtomicU64>)> {
    let given = Arc::new(AtomicU64::new(0));
    let source = Source { given: given.clone(), dies_after, panics: false };
    match Arriving::new(PAGES).unwrap().serve(source, fetch) {
        Ok(memory) => Some((memory, given)),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// A byte by its address, as code that knows nothing of the memory would read it.
fn touch(memory: &LazyMemory, at: usize) -> u8 {
    assert!(at < memory.len());
    // SAFETY: inside the memory, which lives; nobody writes to it meanwhile.
    unsafe { memory.as_ptr().add(at).read_volatile() }
}

#[test]
fn a_page_comes_when_it_is_touched_and_only_then() {
    let Some((mut memory, given)) = memory(u64::MAX, Fetch::default()) else { return };
    assert_eq!((memory.missing(), given.load(Ordering::SeqCst)), (PAGES, 0));
    assert_eq!(touch(&memory, 7 * PAGE + 5), 7);
    assert_eq!(memory.bytes(9 * PAGE - 1..9 * PAGE + 1).unwrap(), [8, 9]);
    memory.bytes_mut(9 * PAGE..9 * PAGE + 1).unwrap()[0] = 200;
    assert_eq!(touch(&memory, 9 * PAGE), 200);
    assert_eq!(memory.working_set(), [7, 8, 9]);
    assert_eq!((memory.missing(), given.load(Ordering::SeqCst)), (PAGES - 3, 3));
    let past = memory.bytes(0..PAGES as usize * PAGE + 1).unwrap_err();
    assert!(matches!(past, LazyError::OutOfRange { .. }), "{past}");
}

#[test]
fn many_threads_touch_the_same_pages() {
    let Some((memory, given)) = memory(u64::MAX, Fetch { first: vec![3, 1], rest: true }) else {
        return;
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let memory = &memory;
            scope.spawn(move || {
                for page in 0..PAGES as usize {
                    let page = if thread % 2 == 0 { page } else { PAGES as usize - 1 - page };
                    assert_eq!(touch(memory, page * PAGE + thread), page as u8);
                }
            });
        }
    });
    memory.wait().unwrap();
    assert_eq!((memory.missing(), given.load(Ordering::SeqCst)), (0, PAGES));
}

#[test]
fn a_dead_source_is_an_error_and_never_a_hang() {
    let Some((memory, _)) = memory(2, Fetch::default()) else { return };
    memory.bytes(0..2 * PAGE).unwrap();
    let error = memory.bytes(0..PAGES as usize * PAGE).unwrap_err();
    assert!(error.to_string().contains("page 2"), "{error}");
    assert!(error.to_string().contains("the cable is cut"), "{error}");
    assert!(memory.bytes(5 * PAGE..5 * PAGE + 1).is_err(), "also who comes later");
    assert_eq!(memory.bytes(PAGE..PAGE + 1).unwrap(), [1], "what is there stays");
    assert!(memory.failure().is_some());
    // The kernel gives the same answer to whoever comes without asking us.
    let mut byte = [0];
    let at = memory.as_ptr() as usize + 6 * PAGE;
    let from = [nix::sys::uio::RemoteIoVec { base: at, len: 1 }];
    let mut to = [std::io::IoSliceMut::new(&mut byte)];
    nix::sys::uio::process_vm_readv(nix::unistd::Pid::this(), &mut to, &from).unwrap_err();
}

#[test]
fn a_source_that_panics_is_a_dead_source() {
    let source = Source { given: Arc::default(), dies_after: 0, panics: true };
    let Ok(memory) = Arriving::new(PAGES).unwrap().serve(source, Fetch::default()) else { return };
    let error = memory.bytes(0..1).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

const CHILD: &str = "VELLUM_LAZY_CHILD";

#[test]
fn a_bare_touch_of_a_dead_source_ends_in_a_signal() {
    if std::env::var(CHILD).is_ok() {
        let Some((memory, _)) = memory(0, Fetch::default()) else { return };
        println!("touching");
        touch(&memory, 0);
        println!("touched");
        return;
    }
    let name = "a_bare_touch_of_a_dead_source_ends_in_a_signal";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("touching") {
        use std::os::unix::process::ExitStatusExt;
        let signal = output.status.signal();
        assert!(matches!(signal, Some(7 | 11)), "SIGBUS or SIGSEGV, not {:?}", output.status);
        assert!(!text.contains("touched"));
    }
}

#[test]
fn a_checkpoint_is_restored_lazily_with_its_recorded_working_set_first() {
    let home = tempfile::tempdir().unwrap();
    let objects = Arc::new(DirObjects::open(home.path().join("images")).unwrap());
    let checkpoints = Checkpoints::new(objects, Compression::Lz4);
    let Ok(mut tracked) = vellum_recover::Tracked::new(PAGES as usize * PAGE, None) else { return };
    for page in 0..PAGES as usize {
        tracked.bytes_mut()[page * PAGE..][..8].copy_from_slice(&(page as u64 + 1).to_le_bytes());
    }
    let all: Vec<_> = std::iter::once(0..tracked.pages()).collect();
    let (id, _) = checkpoints.save("m", &Captured::take(&tracked, &all), b"regs", false).unwrap();
    let Ok((memory, state)) = checkpoints.restore_lazily("m", false) else { return };
    assert_eq!(state, b"regs");
    for page in [17, 3, 150] {
        assert_eq!(touch(&memory, page * PAGE), page as u8 + 1);
    }
    checkpoints.record_working_set(&id, &memory.working_set()).unwrap();
    drop(memory);
    assert_eq!(checkpoints.working_set(&id).unwrap(), [17, 3, 150]);
    let (memory, _) = checkpoints.restore_lazily("m", true).unwrap();
    memory.wait().unwrap();
    let all = memory.bytes(0..memory.len()).unwrap();
    assert!(all == tracked.bytes());
    drop(memory);
    // The set goes with its image.
    checkpoints.save("m", &Captured::take(&tracked, &[]), b"", false).unwrap();
    assert_eq!(checkpoints.collect_garbage().unwrap(), 1);
    assert!(checkpoints.working_set(&id).unwrap().is_empty());
}

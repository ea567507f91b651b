//! A fault through userfaultfd, beside the plainest loop that answers one on the same kind of memory,
//! from pages that it has in memory as well.

#![expect(unsafe_code, reason = "system calls on mappings of its own")]

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::mm::{
    MapFlags, ProtFlags, UserfaultfdFlags, mmap, mmap_anonymous, munmap, userfaultfd,
};
use std::os::fd::OwnedFd;
use std::ptr::null_mut;
use vellum_bench::{Contestant, Table, interleave};
use vellum_pager::space::process::{Backing, PagedMemory};
use vellum_pager::store::{PageStore, Put, RamStore};
use vellum_pager::{Lines, Options, PAGE, PageNo, Pager};

const PAGES: u32 = 8192;
const API: Opcode = 0xC018_AA3F;
const REGISTER: Opcode = 0xC020_AA00;
const COPY: Opcode = 0xC028_AA03;

fn wall_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Touches every page once, in an order without trend; the median time of a touch.
fn touch(base: *mut u8) -> f64 {
    let mut times: Vec<u64> = (0..PAGES)
        .map(|at| {
            let page = at.wrapping_mul(1237) % PAGES;
            let start = wall_ns();
            // SAFETY: a byte of a mapping of `PAGES` pages that the caller keeps.
            let byte = unsafe { base.add(page as usize * PAGE).read_volatile() };
            std::hint::black_box(byte);
            wall_ns() - start
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2] as f64
}

/// Poll, read one message, copy its page: what an example of userfaultfd does.
fn serve(uffd: &OwnedFd, base: u64, from: &[Box<[u8; PAGE]>]) -> Result<()> {
    for _ in 0..PAGES {
        let mut message = [0_u8; 32];
        loop {
            poll(&mut [PollFd::new(uffd, PollFlags::IN)], None)?;
            match rustix::io::read(uffd, &mut message) {
                Ok(32) => break,
                Ok(short) => bail!("a message of {short} bytes"),
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let address = u64::from_ne_bytes(message[16..24].try_into()?) & !(PAGE as u64 - 1);
        let from = &from[(address - base) as usize / PAGE];
        let mut copy = [address, from.as_ptr().addr() as u64, PAGE as u64, 0, 0];
        // SAFETY: UFFDIO_COPY takes five u64: a page of the registered mapping, a page to copy.
        unsafe { ioctl(uffd, Updater::<COPY, _>::new(&mut copy)) }?;
    }
    Ok(())
}

fn raw(backing: Backing) -> Result<f64> {
    let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK;
    // SAFETY: a new descriptor without a registered range affects nothing.
    let uffd = unsafe { userfaultfd(flags) }.context("userfaultfd (needs privileges here)")?;
    const MISSING_SHMEM: u64 = 1 << 5;
    let features = if backing == Backing::Shared { MISSING_SHMEM } else { 0 };
    let mut api = [0xAA, features, 0_u64];
    // SAFETY: UFFDIO_API takes three u64.
    unsafe { ioctl(&uffd, Updater::<API, _>::new(&mut api)) }?;
    let len = PAGES as usize * PAGE;
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    let base = match backing {
        // SAFETY: a new mapping.
        Backing::Private => unsafe { mmap_anonymous(null_mut(), len, prot, MapFlags::PRIVATE) }?,
        Backing::Shared => {
            let file = memfd_create("bench", MemfdFlags::CLOEXEC)?;
            ftruncate(&file, len as u64)?;
            // SAFETY: a new mapping.
            unsafe { mmap(null_mut(), len, prot, MapFlags::SHARED, file, 0) }?
        }
    };
    let mut register = [base.addr() as u64, len as u64, 1, 0];
    // SAFETY: UFFDIO_REGISTER takes four u64; the mapping is ours, its faults are answered below.
    unsafe { ioctl(&uffd, Updater::<REGISTER, _>::new(&mut register)) }?;
    let from: Vec<Box<[u8; PAGE]>> = (0..PAGES).map(|page| Box::new([page as u8; PAGE])).collect();
    let start = base.addr() as u64;
    let median = std::thread::scope(|scope| -> Result<f64> {
        let server = scope.spawn(|| serve(&uffd, start, &from));
        let median = touch(base.cast());
        server.join().map_err(|_| anyhow::anyhow!("the server panicked"))??;
        Ok(median)
    });
    // SAFETY: nobody uses the mapping any more.
    unsafe { munmap(base, len) }?;
    median
}

fn paged(backing: Backing, quota: u32) -> Result<f64> {
    let mut store = RamStore::new(PAGES.into());
    for page in 0..PAGES {
        let content = [page as u8; PAGE];
        store.put(&[Put { page: PageNo::new(page), content: &content, lines: Lines::ALL }])?;
    }
    let batch = 16.min(quota);
    let options = Options { existing: true, batch, ..Options::new(PAGES, quota) };
    let options = Options { free_low: 16, free_high: 32, ..options };
    let memory = PagedMemory::new(Pager::new(options, Box::new(store))?, backing)?;
    Ok(touch(memory.as_ptr().as_ptr()))
}

/// The median time of a fault, from the touch to the value.
pub fn measure(rounds: u32, table: &mut Table) -> Result<()> {
    let mut contestants: [Contestant<'_>; 5] = [
        ("raw private", Box::new(|| raw(Backing::Private))),
        ("raw shared", Box::new(|| raw(Backing::Shared))),
        ("private", Box::new(|| paged(Backing::Private, PAGES))),
        ("shared", Box::new(|| paged(Backing::Shared, PAGES))),
        ("private, evicting", Box::new(|| paged(Backing::Private, PAGES / 8))),
    ];
    let series_of = interleave(rounds, &mut contestants)?;
    let rows = [("private memory", 0), ("shared memory", 1), ("private memory, evicting", 0)];
    for (at, ((what, raw), series)) in rows.into_iter().zip(&series_of[2..]).enumerate() {
        let raw = &series_of[raw];
        table.row(&[
            format!("fault through userfaultfd, {what}, ns"),
            format!("{series:.0}"),
            format!("poll, read, UFFDIO_COPY: {raw:.0}"),
            format!("{:.3}", series.median() / raw.median()),
            if at < 2 { "≤ 1.1".into() } else { String::new() },
        ]);
    }
    Ok(())
}

//! Transfers in this process' own memory: a file of its own mapped anew, and private pages moved.

use crate::{MOVED, SIZES, host::touch, timed};
use anyhow::Result;
use vellum_remap::process::{Arena, ArenaRun, PlainMemory, PlainRun, PlainWindow, Window};
use vellum_remap::{Buffer, Data, Part, Run, Space, Transfers};

const PAGE: usize = 4096;
/// Pages of the window: system calls, not caches, are the cost here.
const PAGES: usize = 4 * SIZES[SIZES.len() - 1];

/// A window of pages, and what a device holds.
pub struct Process {
    window: Window,
    transfers: Transfers<ArenaRun>,
    next: usize,
}

impl Process {
    pub fn new() -> Result<Self> {
        let arena = Arena::new(2 * PAGES)?;
        let mut window = Window::new(&arena, PAGES)?;
        window.write(0, &vec![1; PAGES * PAGE])?;
        Ok(Process { window, transfers: Transfers::default(), next: 0 })
    }

    fn buffer(&mut self, pages: usize) -> Buffer {
        self.next = (self.next + pages) % (PAGES - pages);
        Buffer::new((self.next * PAGE) as u64, (pages * PAGE) as u64)
    }

    /// Write-protected, read at each page's first word, settled.
    pub fn send(&mut self, pages: usize) -> Result<f64> {
        timed((MOVED / pages / 8).max(1), |_| {
            let list = [self.buffer(pages)];
            let token = self.transfers.send(&mut self.window, &list)?;
            for part in self.transfers.data(token).into_iter().flat_map(Data::parts) {
                if let Part::Pages(run) = part {
                    touch(run);
                }
            }
            self.transfers.complete(&mut self.window, token)?;
            Ok(())
        })
    }

    /// Another run of the file mapped in place of the buffer's pages, and read there.
    pub fn receive(&mut self, pages: usize) -> Result<f64> {
        let mut held = self.window.zeros(pages);
        self.window.exchange(0, &mut held)?;
        let time = timed((MOVED / pages / 8).max(1), |_| {
            let at = self.buffer(pages).at;
            self.window.exchange(at / PAGE as u64, &mut held)?;
            let mut touched = [0; 8];
            for page in 0..pages {
                self.window.read(at + (page * PAGE) as u64, &mut touched)?;
            }
            std::hint::black_box(touched);
            Ok(())
        });
        self.window.exchange(0, &mut held)?;
        time
    }
}

/// A window of private memory, and the pages that take turns with its.
pub struct Moved {
    window: PlainWindow,
    held: PlainRun,
    next: usize,
}

impl Moved {
    /// None where the kernel can't move pages, which is said.
    pub fn new() -> Result<Option<Self>> {
        let memory = match PlainMemory::new(PAGES, PAGES) {
            Ok(memory) => memory,
            Err(why) => {
                eprintln!("skipped: {why}");
                return Ok(None);
            }
        };
        let mut window = memory.window(PAGES)?;
        window.write(0, &vec![1; PAGES * PAGE])?;
        let held = window.zeros(0);
        Ok(Some(Moved { window, held, next: 0 }))
    }

    /// Held pages moved into the buffer and its own moved out, and read there.
    pub fn receive(&mut self, pages: usize) -> Result<f64> {
        if self.held.pages() != pages {
            self.held = self.window.zeros(pages);
            self.window.exchange(0, &mut self.held)?;
            self.window.write(0, &vec![2; pages * PAGE])?;
        }
        timed((MOVED / pages / 8).max(1), |_| {
            self.next = (self.next + pages) % (PAGES - pages);
            self.window.exchange(self.next as u64, &mut self.held)?;
            let mut touched = [0; 8];
            for page in self.next..self.next + pages {
                self.window.read((page * PAGE) as u64, &mut touched)?;
            }
            std::hint::black_box(touched);
            Ok(())
        })
    }
}

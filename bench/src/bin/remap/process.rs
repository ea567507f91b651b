//! Transfers in this process' own memory.

use crate::{MOVED, SIZES, host::touch, timed};
use anyhow::Result;
use vellum_remap::process::{Arena, ArenaRun, Window};
use vellum_remap::{Buffer, Data, Part, Space, Transfers};

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

//! A machine's memory as checkpoints and migrations see it: pages, and which of them were written.

use crate::{Error, VmMemory};
use std::cell::RefCell;
use std::ops::Range;
use vellum_frames::PAGE_SIZE;
use vellum_recover::checkpoint::Pages;
use vellum_translate::{Gfn, Gpa};

/// The memory of a machine that stands still, for `vellum_recover`'s engine: images of it
/// (`Checkpoints`), full or of what was written since the last, and migrations (`migrate::send`). Page 0
/// is the first of the machine's memory. What was written is told by write epochs, so that no page is
/// protected or compared.
///
/// Pages that a pager or the scavenger holds are brought in when they are read. Where that fails the
/// page reads as zeros, and whoever asks next is told: [`GuestPages::finish`] has to be asked before an
/// image is trusted.
#[derive(Debug)]
pub struct GuestPages<'vm> {
    vm: RefCell<&'vm mut VmMemory>,
    failed: RefCell<Option<Error>>,
}

impl<'vm> GuestPages<'vm> {
    /// Of this machine.
    pub fn new(vm: &'vm mut VmMemory) -> Self {
        Self { vm: RefCell::new(vm), failed: RefCell::new(None) }
    }

    /// Ends the look at the memory.
    ///
    /// # Errors
    /// The first error of a page that could not be read.
    pub fn finish(self) -> Result<(), Error> {
        self.failed.into_inner().map_or(Ok(()), Err)
    }

    /// The machine's memory, for what the owner does between two looks.
    pub fn vm(&mut self) -> &mut VmMemory {
        self.vm.get_mut()
    }
}

impl Pages for GuestPages<'_> {
    fn pages(&self) -> u64 {
        let ram = self.vm.borrow().ram();
        (ram.end.get() - ram.start.get()) / PAGE_SIZE as u64
    }

    fn read_page(&self, page: u64, out: &mut [u8]) {
        let mut vm = self.vm.borrow_mut();
        let at = Gpa::new(vm.ram().start.get() + page * PAGE_SIZE as u64);
        if let Err(error) = vm.read(at, out) {
            out.fill(0);
            self.failed.borrow_mut().get_or_insert(error);
        }
    }

    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, vellum_recover::Error> {
        if let Some(error) = self.failed.get_mut() {
            let source = std::io::Error::other(error.to_string());
            return Err(vellum_recover::Error::Memory {
                what: "reading a machine's memory",
                source,
            });
        }
        let vm = self.vm.get_mut();
        let ram = vm.ram();
        let (first, end) = (ram.start.gfn().get(), ram.end.gfn().get());
        let mut runs: Vec<Range<u64>> = Vec::new();
        let written = vm.take_dirty().into_iter().map(Gfn::get);
        for page in written.filter(|page| (first..end).contains(page)).map(|page| page - first) {
            match runs.last_mut() {
                Some(last) if last.end == page => last.end += 1,
                _ => runs.push(page..page + 1),
            }
        }
        Ok(runs)
    }
}

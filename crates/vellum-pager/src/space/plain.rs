//! A space that is nothing but memory of its own: for simulations, and as the model that the others
//! are tested against.

use super::{Filled, Save, Space, Write};
use crate::{Error, PAGE, Page, PageNo};

#[derive(Debug, Default)]
struct Slot {
    content: Option<Box<Page>>,
    writable: bool,
}

/// Pages in boxes. Accesses go through [`PlainSpace::load`] and [`PlainSpace::store`], which say when
/// the pager must be asked.
#[derive(Debug)]
pub struct PlainSpace {
    slots: Vec<Slot>,
}

impl PlainSpace {
    /// A space of `pages` absent pages.
    pub fn new(pages: u32) -> Self {
        PlainSpace { slots: (0..pages).map(|_| Slot::default()).collect() }
    }

    /// A byte of a present page; `None` where a read would fault.
    pub fn load(&self, page: PageNo, at: usize) -> Option<u8> {
        self.slots.get(page.index())?.content.as_ref().map(|content| content[at])
    }

    /// Writes a byte of a present page that may be written; whether that went through.
    pub fn store(&mut self, page: PageNo, at: usize, value: u8) -> bool {
        match self.slots.get_mut(page.index()) {
            Some(Slot { content: Some(content), writable: true }) => {
                content[at] = value;
                true
            }
            _ => false,
        }
    }

    /// Takes a page away behind the pager's back, as another part of a program does that discards
    /// its memory.
    pub fn lose(&mut self, page: PageNo) {
        self.slots[page.index()].content = None;
    }

    fn present(&mut self, page: PageNo, what: &'static str) -> Result<&mut Slot, Error> {
        match self.slots.get_mut(page.index()) {
            Some(slot) if slot.content.is_some() => Ok(slot),
            _ => Err(Error::Space { what, page, why: "it is not there".into() }),
        }
    }
}

impl Space for PlainSpace {
    fn fill(&mut self, page: PageNo, writable: bool, write: Write<'_>) -> Result<Filled, Error> {
        let pages = self.slots.len() as u32;
        let slot = self.slots.get_mut(page.index()).ok_or(Error::Outside { page, pages })?;
        if slot.content.is_some() {
            return Ok(Filled::Already);
        }
        let mut content = Box::new([0; PAGE]);
        write(&mut content)?;
        *slot = Slot { content: Some(content), writable };
        Ok(Filled::Done)
    }

    fn fill_zero(&mut self, page: PageNo, writable: bool) -> Result<Filled, Error> {
        self.fill(page, writable, &mut |_| Ok(()))
    }

    fn allow_writes(&mut self, page: PageNo) -> Result<(), Error> {
        self.present(page, "unprotecting")?.writable = true;
        Ok(())
    }

    fn forbid_writes(&mut self, page: PageNo) -> Result<(), Error> {
        self.present(page, "protecting")?.writable = false;
        Ok(())
    }

    fn read(&mut self, page: PageNo, into: &mut Page) -> Result<(), Error> {
        if let Some(content) = &self.present(page, "reading")?.content {
            into.copy_from_slice(&content[..]);
        }
        Ok(())
    }

    fn take(&mut self, pages: &[PageNo], _: &mut Vec<Page>, save: Save<'_>) -> Result<(), Error> {
        for &page in pages {
            self.present(page, "taking")?;
        }
        let contents: Vec<(PageNo, &Page)> = pages
            .iter()
            .filter_map(|&page| Some((page, &**self.slots[page.index()].content.as_ref()?)))
            .collect();
        save(&contents)?;
        pages.iter().for_each(|page| self.slots[page.index()].content = None);
        Ok(())
    }

    fn discard(&mut self, page: PageNo) -> Result<(), Error> {
        self.present(page, "discarding")?.content = None;
        Ok(())
    }
}

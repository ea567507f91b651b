//! A set's pages, those that are packed among them, as a sketch.

use super::Scavenger;
use crate::set::{Look, PageSet};
use crate::sketch::{Sketch, Sketcher};
use crate::{Error, SetId};

impl Scavenger {
    /// What a set holds now, to be compared with others' of the same [`Options::key`](crate::Options::key)
    /// and domain before a clone or a migration. Reads every page, packed ones too, and changes none; pages
    /// that are none of the scavenger's business are left out.
    ///
    /// # Errors
    /// When there is no such set, or a packed page can't be read.
    pub fn sketch(&mut self, set: SetId, pages: &dyn PageSet) -> Result<Sketch, Error> {
        let at = self.set_at(set)?;
        let (domain, count) = (self.set(at).domain, self.set(at).marks.len() as u64);
        let mut sketcher = Sketcher::new(self.key, domain);
        for page in 0..count.min(pages.pages()) {
            match pages.look(page) {
                Look::Frame { frame, .. } => self.load(frame),
                Look::Packed(object) => self.vault.content(object.0, &mut self.page)?,
                Look::Busy(_) => continue,
            }
            sketcher.add(&self.page);
        }
        Ok(sketcher.finish())
    }
}

//! Pages of private memory that are held: on the shelf, behind no window.

use super::PlainMemory;
use crate::{PAGE, Run};
use std::ops::Range;
use std::sync::Arc;

/// Pages that were moved out of a window, or zeros.
#[derive(Debug)]
pub struct PlainRun {
    pub(super) memory: Arc<PlainMemory>,
    /// Where on the shelf each page is; zeros are nowhere.
    pub(super) places: Vec<Option<u32>>,
}

impl Run for PlainRun {
    fn pages(&self) -> usize {
        self.places.len()
    }

    fn part(&self, pages: Range<usize>) -> Self {
        let places = self.places[pages].to_vec();
        self.memory.retain(&places);
        PlainRun { memory: Arc::clone(&self.memory), places }
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        let mut done = 0;
        while done < out.len() {
            let at = offset + done;
            let bytes = (PAGE - at % PAGE).min(out.len() - done);
            let to = &mut out[done..done + bytes];
            match self.places[at / PAGE] {
                None => to.fill(0),
                Some(place) => {
                    let page = self.memory.page_of(place);
                    self.memory.map.read(page * PAGE + at % PAGE, to);
                }
            }
            done += bytes;
        }
    }
}

impl Clone for PlainRun {
    fn clone(&self) -> Self {
        self.part(0..self.places.len())
    }
}

impl Drop for PlainRun {
    fn drop(&mut self) {
        self.memory.release(&self.places);
    }
}

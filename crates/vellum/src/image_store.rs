//! A checkpoint image as a store of pages: a machine, or a program, starts at once and reads of the
//! image what it touches.

use vellum_pager::store::{Answer, Get, PageStore, Put, Traffic};
use vellum_pager::{Lines, PageNo, StoreError};
use vellum_recover::checkpoint::Restored;

/// Where a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Image,
    /// It was put, and is in the store above the image.
    Above,
    Nowhere,
}

/// The pages of an image, read-only, and a store above it for those that were written since. The
/// pager's option `existing` says that pages are there which it has not put.
#[derive(Debug)]
pub struct ImageStore<S> {
    image: Restored,
    above: S,
    places: Box<[Place]>,
    name: String,
    traffic: Traffic,
}

impl<S: PageStore> ImageStore<S> {
    /// Over an image that was opened, and an empty store.
    pub fn new(image: Restored, above: S) -> Self {
        let places = vec![Place::Image; image.pages() as usize].into();
        let name = format!("{} above an image", above.name());
        ImageStore { image, above, places, name, traffic: Traffic::default() }
    }

    /// The image's pages.
    pub fn pages(&self) -> u64 {
        self.image.pages()
    }

    fn place(&mut self, page: PageNo) -> Result<&mut Place, StoreError> {
        let limit = self.places.len() as u64;
        let store = &self.name;
        let past = || StoreError::PastEnd { store: store.clone(), page, limit };
        self.places.get_mut(page.get() as usize).ok_or_else(past)
    }
}

impl<S: PageStore> PageStore for ImageStore<S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        for get in batch {
            let place = self.place(get.page).map(|place| *place);
            get.answer = match place {
                Ok(Place::Nowhere) => Answer::Missing,
                Ok(Place::Above) => {
                    let mut one = [Get::new(get.page, &mut *get.into)];
                    self.above.get(&mut one);
                    let [Get { answer, .. }] = one;
                    answer
                }
                Ok(Place::Image) => {
                    match self.image.read_page(get.page.get().into(), &mut get.into[..]) {
                        Ok(()) => Answer::Found,
                        Err(error) => Answer::Failed(StoreError::Failed {
                            store: self.name.clone(),
                            what: "reading",
                            page: get.page,
                            why: error.to_string(),
                        }),
                    }
                }
                Err(error) => Answer::Failed(error),
            };
            self.traffic.pages_got += u64::from(get.answer == Answer::Found);
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        let mut whole = Vec::with_capacity(batch.len());
        for put in batch {
            let above = *self.place(put.page)? == Place::Above;
            whole.push(Put { lines: if above { put.lines } else { Lines::ALL }, ..*put });
        }
        self.above.put(&whole)?;
        for put in batch {
            *self.place(put.page)? = Place::Above;
        }
        Ok(())
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        for &page in pages {
            let place = self.place(page)?;
            if std::mem::replace(place, Place::Nowhere) == Place::Above {
                self.above.discard(&[page])?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.above.flush()
    }

    fn traffic(&self) -> Traffic {
        let above = self.above.traffic();
        Traffic {
            get_batches: self.traffic.get_batches,
            pages_got: self.traffic.pages_got,
            ..above
        }
    }
}

//! A program's pages read on demand of a checkpoint image, and written beside it.

use std::sync::Arc;
use vellum::ImageStore;
use vellum::vellum_pager::space::PlainSpace;
use vellum::vellum_pager::store::RamStore;
use vellum::vellum_pager::{Access, Options, PageNo, Pager};
use vellum_recover::checkpoint::{Captured, Checkpoints, Compression, DirObjects, Objects, Pages};

const PAGES: u32 = 64;

/// Memory whose page `n` is full of `n`.
struct Numbers;

impl Pages for Numbers {
    fn pages(&self) -> u64 {
        PAGES.into()
    }
    fn read_page(&self, page: u64, out: &mut [u8]) {
        out.fill(page as u8);
    }
    fn take_dirty(&mut self) -> Result<Vec<std::ops::Range<u64>>, vellum_recover::Error> {
        Ok(std::iter::once(0..PAGES.into()).collect())
    }
}

#[test]
fn pages_come_of_an_image_and_what_is_written_goes_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let objects: Arc<dyn Objects> = Arc::new(DirObjects::open(folder.path()).unwrap());
    let checkpoints = Checkpoints::new(objects, Compression::Lz4);
    let all = 0..u64::from(PAGES);
    checkpoints
        .save("vm", &Captured::take(&Numbers, std::slice::from_ref(&all)), b"", false)
        .unwrap();

    let store = ImageStore::new(checkpoints.restore("vm").unwrap(), RamStore::new(PAGES.into()));
    let options = Options { existing: true, twins: 4, ..Options::new(PAGES, 8) };
    let mut pager = Pager::new(options, Box::new(store)).unwrap();
    let mut space = PlainSpace::new(PAGES);
    for round in 0..3_u8 {
        for page in (0..PAGES).map(PageNo::new) {
            let write = page.get() % 3 == 0;
            let access = if write { Access::Store } else { Access::Load };
            if !pager.may(page, access) {
                pager.fault(&mut space, page, access).unwrap();
            }
            let want = page.get() as u8 + if write { round } else { 0 };
            assert_eq!(space.load(page, 3000), Some(want), "{page}, round {round}");
            assert_eq!(
                space.load(page, 9),
                Some(page.get() as u8),
                "the rest of it is the image's"
            );
            if write {
                assert!(space.store(page, 3000, want + 1));
            }
        }
    }
    assert!(pager.traffic().pages_put > 0);
    // The image is what it was.
    let mut image = checkpoints.restore("vm").unwrap();
    let mut page = [0; 4096];
    image.read_page(3, &mut page).unwrap();
    assert_eq!(page, [3; 4096]);
}

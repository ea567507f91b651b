//! Pages that are handed over instead of copied.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

/// The bytes of a page or sector, counted: a clone is one more holder of the same bytes, and whoever writes
/// while others hold them gets a copy of its own. So a host hands a page to a device, and a device its
/// content to a host, at the price of a count.
///
/// ```
/// use vellum_block::Page;
///
/// let mut mine = Page::zeroed(512);
/// mine.bytes_mut()[0] = 7;
/// let kept = mine.clone();
/// mine.bytes_mut()[0] = 8;
/// assert_eq!((kept[0], mine[0]), (7, 8));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Page(Arc<[u8]>);

impl Page {
    /// So many zeros.
    pub fn zeroed(bytes: usize) -> Page {
        Page(core::iter::repeat_n(0, bytes).collect())
    }

    /// Whether others hold the same bytes.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The bytes for writing; copies them first if others hold them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        Arc::make_mut(&mut self.0)
    }

    /// Puts `data` in: in place when nobody else holds the bytes and the length is the same, else anew. No
    /// old byte is copied.
    pub fn fill_from(&mut self, data: &[u8]) {
        match Arc::get_mut(&mut self.0) {
            Some(bytes) if bytes.len() == data.len() => bytes.copy_from_slice(data),
            _ => self.0 = data.into(),
        }
    }
}

impl From<&[u8]> for Page {
    fn from(data: &[u8]) -> Page {
        Page(data.into())
    }
}

impl Deref for Page {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_hold_never_changes() {
        let mut page = Page::from(&b"abcd"[..]);
        let (first, at) = (page.clone(), page.as_ptr());
        assert!(page.is_shared());
        page.fill_from(b"efgh");
        assert_eq!((&*first, &*page), (&b"abcd"[..], &b"efgh"[..]));
        // Alone again, in place.
        drop(page);
        let mut page = first;
        page.fill_from(b"ijkl");
        assert_eq!((&*page, page.as_ptr()), (&b"ijkl"[..], at));
        page.fill_from(b"longer");
        assert_eq!(&*page, b"longer");
    }
}

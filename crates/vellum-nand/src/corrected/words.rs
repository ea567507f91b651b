//! Where the codewords of a page lie.

use core::ops::Range;

/// How a page and its out-of-band bytes are cut into codewords.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// Bytes of a page's data in each.
    pub bytes: usize,
    /// User's out-of-band bytes in each, fewer in the last.
    pub share: usize,
    /// User's out-of-band bytes of the page.
    pub user: usize,
    /// Bytes of parity of each.
    pub parity: usize,
}

impl Words {
    /// The user's bytes of codeword `i`.
    fn share_of(&self, i: usize) -> Range<usize> {
        (i * self.share).min(self.user)..((i + 1) * self.share).min(self.user)
    }

    /// The parity of codeword `i`.
    pub fn parity_of<'a>(&self, i: usize, spare: &'a mut [u8]) -> &'a mut [u8] {
        &mut spare[self.user + i * self.parity..][..self.parity]
    }

    /// Puts the data of codeword `i` together; what the user does not fill is 0xff.
    pub fn gather(&self, i: usize, page: &[u8], spare: &[u8], word: &mut [u8]) {
        let share = self.share_of(i);
        word.fill(0xff);
        word[..self.bytes].copy_from_slice(&page[i * self.bytes..][..self.bytes]);
        word[self.bytes..][..share.len()].copy_from_slice(&spare[share]);
    }

    /// The reverse.
    pub fn scatter(&self, i: usize, word: &[u8], page: &mut [u8], spare: &mut [u8]) {
        let share = self.share_of(i);
        let n = share.len();
        page[i * self.bytes..][..self.bytes].copy_from_slice(&word[..self.bytes]);
        spare[share].copy_from_slice(&word[self.bytes..][..n]);
    }
}

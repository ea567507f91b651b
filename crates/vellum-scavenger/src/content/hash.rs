//! The keyed hash that stands for a page's content.
//!
//! XXH3's 64-bit form with a secret of its own for each key (Collet, *xxHash*, XXH3 specification).
//! It is not a cryptographic hash: who knows the key can make collisions. They cost a comparison
//! each and nothing more, since no page is shared before all of its bytes were compared.

use super::Page;
use core::fmt;
use xxhash_rust::xxh3::{xxh3_64_with_secret, xxh3_64_with_seed};

/// Bytes of a secret: XXH3's default, and more than the 136 it asks for at least.
const SECRET: usize = 192;

/// A key under which pages are hashed. Two domains with different keys have different hashes for the
/// same content, so that their indexes never meet.
#[derive(Clone)]
pub struct PageKey {
    secret: Box<[u8; SECRET]>,
}

impl fmt::Debug for PageKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageKey").finish_non_exhaustive()
    }
}

impl PageKey {
    /// The key of `domain` under `master`. Equal arguments, equal key: a recorded run replays.
    pub fn new(master: u64, domain: u16) -> Self {
        let mut secret = Box::new([0; SECRET]);
        for (at, word) in secret.chunks_exact_mut(8).enumerate() {
            let mut input = [0; 16];
            input[..8].copy_from_slice(&master.to_le_bytes());
            input[8..10].copy_from_slice(&domain.to_le_bytes());
            input[10] = at as u8;
            word.copy_from_slice(&xxh3_64_with_seed(&input, master).to_le_bytes());
        }
        PageKey { secret }
    }

    /// The hash of a page's content.
    #[inline]
    pub fn hash(&self, page: &Page) -> u64 {
        xxh3_64_with_secret(page, &self.secret[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_domains_give_hashes_that_do_not_meet() {
        let page = [7; vellum_frames::PAGE_SIZE];
        let hash = PageKey::new(1, 0).hash(&page);
        assert_eq!(hash, PageKey::new(1, 0).hash(&page), "the same key, the same hash");
        assert_ne!(hash, PageKey::new(1, 1).hash(&page), "another domain");
        assert_ne!(hash, PageKey::new(2, 0).hash(&page), "another master key");
        let mut other = page;
        other[4095] ^= 1;
        assert_ne!(hash, PageKey::new(1, 0).hash(&other), "the last bit counts");
        assert!(!format!("{:?}", PageKey::new(1, 0)).contains('['), "the secret is not shown");
    }
}

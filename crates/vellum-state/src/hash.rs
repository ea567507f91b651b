//! A 128-bit hash of state: fast, the same on every machine, not meant against an adversary.
//!
//! Two multiply-rotate lanes over little-endian 64-bit words, with the finalizer of MurmurHash3
//! (Appleby, public domain); sections are hashed with their tag, version and length.

use crate::writer::Sink;

/// The hash of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateHash(pub u128);

impl core::fmt::Display for StateHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Hashes bytes as they come; how they are cut into calls makes no difference.
#[derive(Debug, Clone)]
pub struct StateHasher {
    a: u64,
    b: u64,
    word: [u8; 8],
    held: usize,
    total: u64,
}

impl Default for StateHasher {
    fn default() -> Self {
        // The first 128 fraction bits of pi.
        StateHasher {
            a: 0x243f_6a88_85a3_08d3,
            b: 0x1319_8a2e_0370_7344,
            word: [0; 8],
            held: 0,
            total: 0,
        }
    }
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

impl StateHasher {
    #[inline]
    fn mix(&mut self, w: u64) {
        self.a = (self.a ^ w.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2))
            .rotate_left(27)
            .wrapping_add(self.b)
            .wrapping_mul(5)
            .wrapping_add(0x52dc_e729);
        self.b = (self.b ^ w.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1))
            .rotate_left(31)
            .wrapping_add(self.a)
            .wrapping_mul(5)
            .wrapping_add(0x3849_5ab5);
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.total = self.total.wrapping_add(bytes.len() as u64);
        if self.held > 0 {
            let n = bytes.len().min(8 - self.held);
            self.word[self.held..self.held + n].copy_from_slice(&bytes[..n]);
            self.held += n;
            bytes = &bytes[n..];
            if self.held < 8 {
                return;
            }
            self.mix(u64::from_le_bytes(self.word));
            self.held = 0;
        }
        let mut words = bytes.chunks_exact(8);
        for w in &mut words {
            self.mix(u64::from_le_bytes([w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]]));
        }
        let rest = words.remainder();
        self.word[..rest.len()].copy_from_slice(rest);
        self.held = rest.len();
    }

    /// The hash of everything so far.
    pub fn finish(mut self) -> StateHash {
        self.word[self.held..].fill(0);
        self.mix(u64::from_le_bytes(self.word));
        self.mix(self.total);
        let (a, b) = (finalize(self.a.wrapping_add(self.b)), finalize(self.b));
        StateHash(u128::from(a.wrapping_add(b)) << 64 | u128::from(b))
    }
}

fn finalize(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

impl Sink for StateHasher {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn open(&mut self, tag: [u8; 4], version: u32) -> usize {
        self.update(&tag);
        self.update(&version.to_le_bytes());
        self.total as usize
    }

    fn close(&mut self, mark: usize) {
        let length = self.total.wrapping_sub(mark as u64);
        self.update(&length.to_le_bytes());
    }
}

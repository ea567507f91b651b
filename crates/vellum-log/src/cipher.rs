//! Encryption of frames: AES-256-GCM under a key that belongs to one segment and dies with it.
//!
//! The key stands in the segment's header, so this is no protection against whoever can read the
//! live log. It is for what is *no longer* there: truncating a segment overwrites 32 bytes, and all
//! the old values in it are gone, however many copies of its body a file system, a backup or a
//! flash chip's spare area still has (SP 800-88r1 calls this cryptographic erase).
//!
//! A frame's sequence number is its nonce, and a segment is never appended to after it was opened
//! anew, so no nonce meets a key twice. The index is encrypted by a keystream of its own (the cipher
//! run over zeros, under nonces of another domain) and covered by the body's tag as associated
//! data; so an index can be read without reading the body.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, Nonce, UnboundKey};

/// Length of the tag after a body, in bytes.
pub const TAG: usize = 16;
/// Length of a key, in bytes.
pub const KEY: usize = 32;
const _: () = assert!(TAG == MAX_TAG_LEN);

/// How the frames of new segments are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cipher {
    /// Plain text; recycled segments are filled with zeros instead.
    None,
    /// AES-256-GCM (NIST SP 800-38D).
    #[default]
    Aes256Gcm,
}

impl Cipher {
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Aes256Gcm => 1,
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }
}

/// What a nonce is for: a body and an index of one frame must not share a keystream.
#[derive(Clone, Copy)]
enum Domain {
    Body = 0,
    Index = 1,
}

fn nonce(domain: Domain, seq: u32) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&(domain as u32).to_le_bytes());
    bytes[8..].copy_from_slice(&seq.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// The key of one segment, ready for use.
#[derive(Debug)]
pub(crate) struct SegmentKey(Option<LessSafeKey>);

impl SegmentKey {
    pub(crate) fn new(cipher: Cipher, key: &[u8; KEY]) -> Self {
        match cipher {
            Cipher::None => Self(None),
            Cipher::Aes256Gcm => {
                Self(UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new))
            }
        }
    }

    /// Bytes that follow a body.
    pub(crate) fn tag_len(&self) -> usize {
        if self.0.is_some() { TAG } else { 0 }
    }

    /// Encrypts or decrypts an index: the same operation.
    pub(crate) fn index(&self, seq: u32, index: &mut [u8]) {
        let Some(key) = &self.0 else { return };
        let mut small = [0; 256];
        let mut large = Vec::new();
        let stream = match small.get_mut(..index.len()) {
            Some(stream) => stream,
            None => {
                large.resize(index.len(), 0);
                &mut large[..]
            }
        };
        // An index is far below the cipher's limit of 2^36 bytes, the only way this can fail.
        if key.seal_in_place_separate_tag(nonce(Domain::Index, seq), Aad::empty(), stream).is_ok() {
            index.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= *key);
        }
    }

    /// Encrypts a body in place, authenticating `aad` with it.
    pub(crate) fn seal(&self, seq: u32, aad: &[u8], body: &mut [u8]) -> Option<[u8; TAG]> {
        let key = self.0.as_ref()?;
        let sealed = key.seal_in_place_separate_tag(nonce(Domain::Body, seq), Aad::from(aad), body);
        let mut tag = [0; TAG];
        tag.copy_from_slice(sealed.ok()?.as_ref());
        Some(tag)
    }

    /// Decrypts `body ‖ tag` in place; `false` when the tag doesn't fit.
    pub(crate) fn open(&self, seq: u32, aad: &[u8], body_and_tag: &mut [u8]) -> bool {
        match &self.0 {
            None => true,
            Some(key) => {
                key.open_in_place(nonce(Domain::Body, seq), Aad::from(aad), body_and_tag).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_any_change_is_refused() {
        let key = SegmentKey::new(Cipher::Aes256Gcm, &[7; KEY]);
        let (mut index, mut body) = (*b"where", *b"what");
        key.index(3, &mut index);
        assert_ne!(&index, b"where");
        let tag = key.seal(3, &index, &mut body).unwrap();
        let sealed = [&body[..], &tag].concat();
        let mut good = sealed.clone();
        assert!(key.open(3, &index, &mut good));
        assert_eq!(&good[..4], b"what");
        assert!(!key.open(4, &index, &mut sealed.clone()), "another place in the log");
        assert!(!key.open(3, b"whera", &mut sealed.clone()), "another index");
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.open(3, &index, &mut bad));
        }
        key.index(3, &mut index);
        assert_eq!(&index, b"where");
    }

    #[test]
    fn long_indexes_are_covered_to_the_end() {
        let key = SegmentKey::new(Cipher::Aes256Gcm, &[7; KEY]);
        let mut index = vec![0; 5000];
        key.index(0, &mut index);
        assert!(index.chunks(50).all(|part| part.iter().any(|b| *b != 0)));
    }
}

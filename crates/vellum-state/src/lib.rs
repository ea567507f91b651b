//! Save, restore and hash of machine state in one idiom.
//!
//! Whatever has state implements [`State`]: `save` writes the state as fields of named, versioned
//! sections, `restore` reads them back. The hash of a machine is the hash of what `save` writes, so
//! what is saved is what is compared, and nothing can be in one and not in the other.
//!
//! ```
//! use vellum_state::{Error, Reader, State, Writer, from_bytes, state_hash, to_bytes};
//!
//! #[derive(Default)]
//! struct Timer { deadline: u64, armed: bool }
//!
//! impl State for Timer {
//!     fn save(&self, w: &mut Writer<'_>) {
//!         w.section(*b"TIMR", 1, |w| {
//!             w.u64(self.deadline);
//!             w.bool(self.armed);
//!         });
//!     }
//!     fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
//!         r.section(*b"TIMR", 1, |r| {
//!             self.deadline = r.u64()?;
//!             self.armed = r.bool()?;
//!             Ok(())
//!         })
//!     }
//! }
//!
//! let timer = Timer { deadline: 7, armed: true };
//! let mut other = Timer::default();
//! from_bytes(&mut other, &to_bytes(&timer)).unwrap();
//! assert_eq!(state_hash(&timer), state_hash(&other));
//! ```
//!
//! A section is `tag [4] · version u32 · length u64 · payload`, all little endian; [`to_bytes`]
//! adds a header with a magic number and a CRC-32 of everything. The page
//! `docs/src/formats/state.md` has the bytes.

#![forbid(unsafe_code)]

mod error;
mod hash;
mod reader;
mod writer;

pub use error::Error;
pub use hash::{StateHash, StateHasher};
pub use reader::Reader;
pub use writer::{Sink, Writer};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Something whose state can be saved, restored and hashed.
pub trait State {
    /// Writes the whole state. Must write the same bytes for the same state.
    fn save(&self, w: &mut Writer<'_>);

    /// Reads what [`State::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are cut off, belong to another section, have a version that is not known, or
    /// hold a value that the state can't have. `self` may then be partly restored and must not be
    /// used further.
    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error>;
}

/// The bytes at the start of a saved state.
pub const MAGIC: [u8; 8] = *b"VELLUMST";
/// Version of the container (the header, not what is in it).
pub const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 4 + 8;

/// Saves `state` with a header: magic, version, CRC-32 of the body, length of the body.
pub fn to_bytes<S: State + ?Sized>(state: &S) -> Vec<u8> {
    let mut body = Vec::new();
    state.save(&mut Writer::new(&mut body));
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    out.extend_from_slice(&body);
    out
}

/// Restores `state` from what [`to_bytes`] made.
///
/// # Errors
/// When the header, the checksum or the state's own sections do not fit.
pub fn from_bytes<S: State + ?Sized>(state: &mut S, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() < HEADER || bytes[..8] != MAGIC {
        return Err(Error::NotAState { found: bytes.len() });
    }
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if word(8) != VERSION {
        return Err(Error::Version { tag: *b"file", found: word(8), known: VERSION });
    }
    let length = u64::from(word(16)) | u64::from(word(20)) << 32;
    let body = &bytes[HEADER..];
    if body.len() as u64 != length {
        return Err(Error::Length { tag: *b"file", said: length, found: body.len() as u64 });
    }
    let crc = crc32fast::hash(body);
    if crc != word(12) {
        return Err(Error::Checksum { said: word(12), found: crc });
    }
    let mut reader = Reader::new(body);
    state.restore(&mut reader)?;
    reader.finish()
}

/// The hash of everything that `state` saves.
pub fn state_hash<S: State + ?Sized>(state: &S) -> StateHash {
    let mut hasher = StateHasher::default();
    state.save(&mut Writer::new(&mut hasher));
    hasher.finish()
}

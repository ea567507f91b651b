//! The knobs of a log.

use crate::cipher::Cipher;
use crate::error::Error;
use crate::frame::{BODY_MAX, FRAME_HEADER, INDEX_MAX};
use crate::planted::Bug;
use crate::segment::{SEGMENT_HEADER, SEGMENT_LIMIT};
use std::fmt;
use std::io;
use std::sync::Arc;

/// Where keys come from.
#[derive(Clone)]
pub struct Entropy(Arc<Fill>);

/// Fills a buffer with bytes that nobody can guess.
type Fill = dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync;

impl Entropy {
    /// The operating system's.
    pub fn system() -> Self {
        Self(Arc::new(|mut bytes| {
            while !bytes.is_empty() {
                let got =
                    rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty())?;
                bytes = &mut bytes[got..];
            }
            Ok(())
        }))
    }

    /// Another source, for tests that must repeat.
    pub fn from_fn(fill: impl Fn(&mut [u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    /// What the source says.
    pub fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        (self.0)(bytes)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// The knobs of a log.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size of the first segment, in bytes; each new one doubles as long as the log grows.
    pub segment_min: u64,
    /// Largest segment, in bytes.
    pub segment_max: u64,
    /// Frames are gathered up to this many bytes before they are written, in bytes.
    pub buffer: usize,
    /// Zero-filled segments kept in reserve.
    pub spares: usize,
    /// How new segments are protected.
    pub cipher: Cipher,
    /// Where keys come from.
    pub entropy: Entropy,
    /// A bug to plant; nothing happens without the feature `planted`.
    #[doc(hidden)]
    pub planted: Option<Bug>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_min: 1 << 18,
            segment_max: 1 << 22,
            buffer: 1 << 18,
            spares: 4,
            cipher: Cipher::default(),
            entropy: Entropy::system(),
            planted: None,
        }
    }
}

impl Options {
    /// Most bytes that one frame's index and body may have together.
    pub fn frame_limit(&self) -> usize {
        let room = self.segment_max - SEGMENT_HEADER - FRAME_HEADER as u64 - 16;
        usize::try_from(room).unwrap_or(usize::MAX).min(BODY_MAX).min(self.buffer)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what, found, must| Err(Error::Option { what, found, must });
        if self.segment_min < SEGMENT_HEADER + 1024 {
            return wrong("segment_min", self.segment_min, "5120 or more");
        }
        if !(self.segment_min..=SEGMENT_LIMIT).contains(&self.segment_max) {
            return wrong("segment_max", self.segment_max, "from segment_min to 268435456");
        }
        if self.buffer < 512 {
            return wrong("buffer", self.buffer as u64, "512 or more");
        }
        Ok(())
    }
}

const _: () = assert!(INDEX_MAX < BODY_MAX);

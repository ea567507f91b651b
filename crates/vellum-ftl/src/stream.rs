//! Streams: the host says which pages will die together, and they are written to a frontier of their own.
//!
//! As NVMe's streams and placement handles, or Linux' write-life hints: a name without a meaning. What the host
//! does not name goes where placement puts it, and what collection moves goes by its age, so a stream's pages are
//! with their like as long as they were not moved. A block of pages that die together is free without a move.

use crate::ftl::Ftl;
use crate::{FtlError, Lpn};
use vellum_nand::Nand;

/// Pages that the host expects to be overwritten or discarded at about the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream(pub u8);

impl<N: Nand> Ftl<N> {
    /// How many streams there are; [`Stream`]s are numbered from 0. Stream 0 shares its frontier with what collection
    /// moves.
    pub const STREAMS: u8 = 3;

    /// As [`Ftl::write`], for a page of a stream. Each stream in use holds a block open.
    ///
    /// # Errors
    /// [`FtlError::Stream`] when there is no such stream; as for writing.
    pub fn write_stream(&mut self, stream: Stream, lpn: Lpn, data: &[u8]) -> Result<(), FtlError> {
        if stream.0 >= Self::STREAMS {
            return Err(FtlError::Stream { found: stream.0, streams: Self::STREAMS });
        }
        self.stream = Some(stream.0);
        let done = self.write(lpn, data);
        self.stream = None;
        done
    }
}

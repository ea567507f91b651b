//! Streams of bits, the lowest of a byte first.

use vellum_frames::PAGE_SIZE;

/// Bytes before a record in its buffer, so that a look back from its start stays inside.
pub(super) const MARGIN: usize = 8;
/// Places in the buffer: a power of two, so that a mask keeps every look inside, whatever a record says.
const PLACES: usize = 2 * PAGE_SIZE;
/// A record with room on either side.
pub(super) type Buffer = [u8; PLACES + MARGIN];

/// A code of a symbol: its bits, and how many.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) bits: u16,
    pub(super) len: u8,
}

/// Collects codes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    bits: u64,
    count: u32,
}

impl Writer {
    pub(super) fn put(&mut self, code: Code) {
        self.bits |= u64::from(code.bits) << self.count;
        self.count += u32::from(code.len);
        while self.count >= 8 {
            self.bytes.push(self.bits as u8);
            self.bits >>= 8;
            self.count -= 8;
        }
    }

    /// The bytes, the last one filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.bits as u8);
        }
        self.bytes
    }
}

/// Appends two streams as one run of bytes: the second one from the end backwards.
pub(super) fn join([front, back]: [Writer; 2], out: &mut Vec<u8>) {
    out.extend_from_slice(&front.finish());
    out.extend(back.finish().into_iter().rev());
}

/// Bits that a look at a stream shows at least.
pub(super) const SHOWN: u32 = 55;
/// A bit above those shown: how far it has come down tells how many were shifted out, so that nothing
/// needs to add them up.
const MARK: u64 = 1 << 63;

/// A position in a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<const BACKWARDS: bool> {
    /// Where in the buffer the stream begins, or with `BACKWARDS` ends.
    origin: usize,
    /// Bits that were read.
    read: usize,
}

impl<const BACKWARDS: bool> Reader<BACKWARDS> {
    pub(super) fn new(origin: usize) -> Self {
        Reader { origin, read: 0 }
    }

    /// The next [`SHOWN`] bits or more; beyond the stream's end nothing that means anything.
    #[inline]
    pub(super) fn look(&self, buffer: &Buffer) -> u64 {
        let bytes = self.read / 8;
        let at = if BACKWARDS {
            self.origin.wrapping_sub(bytes + MARGIN)
        } else {
            self.origin.wrapping_add(bytes)
        };
        let at = at % PLACES;
        let shown: [u8; 8] = core::array::from_fn(|n| buffer[at + n]);
        let word = if BACKWARDS { u64::from_be_bytes(shown) } else { u64::from_le_bytes(shown) };
        word >> (self.read % 8) | MARK
    }

    /// Goes on by the bits that were shifted out of what a look showed.
    #[inline]
    pub(super) fn skip(&mut self, left: u64) {
        self.read += left.leading_zeros() as usize;
    }

    /// Bytes that were read, the last perhaps in part.
    pub(super) fn bytes(&self) -> usize {
        self.read.div_ceil(8)
    }
}

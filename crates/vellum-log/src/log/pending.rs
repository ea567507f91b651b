//! Frames on their way to the medium.

/// What the memory of the first byte is aligned to, so that it can go to a device as it is.
const ALIGN: usize = 4096;

/// Bytes that begin at an aligned address, as long as they don't outgrow what was asked for.
#[derive(Debug)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    /// Bytes before the aligned address.
    skip: usize,
}

impl Pending {
    /// Room for `capacity` bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        let mut bytes: Vec<u8> = Vec::with_capacity(capacity + ALIGN);
        let skip = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        bytes.resize(skip, 0);
        Self { bytes, skip }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.skip
    }

    /// Bytes from the `from`th on.
    pub(crate) fn from(&self, from: usize) -> &[u8] {
        &self.bytes[self.skip + from..]
    }

    /// To append to.
    pub(crate) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Hands all bytes to `work`, with zeros behind them up to `whole`.
    pub(crate) fn padded<T>(&mut self, whole: usize, work: impl FnOnce(&[u8]) -> T) -> T {
        let len = self.bytes.len();
        self.bytes.resize(self.skip + whole, 0);
        let result = work(self.from(0));
        self.bytes.truncate(len);
        result
    }

    /// Drops the first `count` bytes.
    pub(crate) fn forget(&mut self, count: usize) {
        self.bytes.drain(self.skip..self.skip + count);
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(self.skip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_aligned_while_they_come_and_go() {
        let mut pending = Pending::new(3 * ALIGN);
        let mut model = Vec::new();
        for turn in 0..200_usize {
            let bytes = vec![turn as u8 | 1; turn * 7 % 900];
            pending.end().extend_from_slice(&bytes);
            model.extend_from_slice(&bytes);
            let whole = model.len().next_multiple_of(ALIGN);
            pending.padded(whole, |padded| {
                assert_eq!(padded.as_ptr().align_offset(ALIGN), 0);
                assert_eq!(padded.len(), whole);
                assert!(
                    padded.starts_with(&model) && padded[model.len()..].iter().all(|b| *b == 0)
                );
            });
            let done = model.len() / ALIGN * ALIGN;
            pending.forget(done);
            model.drain(..done);
            assert_eq!((pending.from(0), pending.len()), (&model[..], model.len()));
        }
        pending.clear();
        assert_eq!(pending.len(), 0);
    }
}

//! A damaged record put right by whoever has its bytes.

use super::{HEAD, Head, Place, Store, write};

impl Store {
    /// Writes `bytes` where they were kept for `object`, if the record still shows that these are they: they
    /// have its checksum, whatever else of it is damaged; or, where the checksum is, they are what is there.
    /// Whether they were written.
    pub(crate) fn mend(&mut self, object: u32, place: Place, bytes: &[u8]) -> bool {
        let (number, at) = place.split();
        let Some(segment) = self.segments.get_mut(number).and_then(Option::as_mut) else {
            return false;
        };
        let Some(head) = Head::read(&segment.bytes[..segment.used], at) else { return false };
        let crc = crc32fast::hash(bytes);
        let end = at + HEAD + bytes.len();
        if end > segment.used {
            return false;
        }
        let same = head.object == object
            && head.len == bytes.len()
            && segment.bytes[at + HEAD..end] == *bytes;
        if head.crc != crc && !same {
            return false;
        }
        write(&mut segment.bytes[at..end], object, crc, bytes);
        true
    }
}

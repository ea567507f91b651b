//! What a request carries: pages of the guest where they could be held, bytes elsewhere.

use vellum::frames::Held;
use vellum::remap::{Data, Part};

/// Bytes on their way between the guest and a disk. Two are equal when their bytes are.
#[derive(Debug, Clone, Default)]
pub struct Payload(Data<Held>);

impl Payload {
    /// Pages and bytes, one behind the other.
    pub fn new(data: Data<Held>) -> Self {
        Payload(data)
    }

    /// The parts.
    pub fn data(&self) -> &Data<Held> {
        &self.0
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All bytes, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The page that is held at this offset, if one begins there.
    pub(super) fn page_at(&self, offset: usize) -> Option<Held> {
        self.0.pages_at(offset, 1)
    }

    /// Copies bytes out.
    pub(super) fn read(&self, offset: usize, out: &mut [u8]) {
        self.0.read(offset, out);
    }

    pub(super) fn push(&mut self, part: Part<Held>) {
        self.0.push(part);
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Payload(Data::from_bytes(bytes))
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.to_vec() == other.to_vec()
    }
}

impl Eq for Payload {}

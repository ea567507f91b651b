//! Writing state: fields into a sink, which keeps them or hashes them.

/// Where a [`Writer`]'s bytes go.
pub trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
    /// Opens a section; returns a mark for [`Sink::close`].
    fn open(&mut self, tag: [u8; 4], version: u32) -> usize;
    /// Ends the section that `mark` opened.
    fn close(&mut self, mark: usize);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn open(&mut self, tag: [u8; 4], version: u32) -> usize {
        self.extend_from_slice(&tag);
        self.extend_from_slice(&version.to_le_bytes());
        let mark = self.len();
        self.extend_from_slice(&[0; 8]);
        mark
    }

    fn close(&mut self, mark: usize) {
        let length = (self.len() - mark - 8) as u64;
        self[mark..mark + 8].copy_from_slice(&length.to_le_bytes());
    }
}

/// Writes fields, little endian, in sections.
pub struct Writer<'a> {
    sink: &'a mut dyn Sink,
}

impl core::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Writer")
    }
}

impl<'a> Writer<'a> {
    /// A writer into `sink`.
    pub fn new(sink: &'a mut dyn Sink) -> Self {
        Writer { sink }
    }

    /// Writes a named, versioned section whose payload `body` writes.
    pub fn section(&mut self, tag: [u8; 4], version: u32, body: impl FnOnce(&mut Writer<'_>)) {
        let mark = self.sink.open(tag, version);
        body(&mut Writer { sink: self.sink });
        self.sink.close(mark);
    }

    /// A byte.
    pub fn u8(&mut self, v: u8) {
        self.sink.put(&[v]);
    }

    /// A truth value, as one byte.
    pub fn bool(&mut self, v: bool) {
        self.u8(u8::from(v));
    }

    /// 16 bits.
    pub fn u16(&mut self, v: u16) {
        self.sink.put(&v.to_le_bytes());
    }

    /// 32 bits.
    pub fn u32(&mut self, v: u32) {
        self.sink.put(&v.to_le_bytes());
    }

    /// 64 bits.
    pub fn u64(&mut self, v: u64) {
        self.sink.put(&v.to_le_bytes());
    }

    /// Bytes whose number the reader knows.
    pub fn raw(&mut self, v: &[u8]) {
        self.sink.put(v);
    }

    /// Bytes with their number in front (`u64`).
    pub fn bytes(&mut self, v: &[u8]) {
        self.u64(v.len() as u64);
        self.sink.put(v);
    }
}

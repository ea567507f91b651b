//! Reading state back: every length is checked before it is believed.

use crate::Error;

/// Reads what a [`Writer`](crate::Writer) wrote.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// A reader over a whole body.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0, end: bytes.len() }
    }

    /// Bytes left in the current section.
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], Error> {
        let left = self.left();
        match usize::try_from(n) {
            Ok(n) if n <= left => {
                let bytes = &self.bytes[self.at..self.at + n];
                self.at += n;
                Ok(bytes)
            }
            _ => Err(Error::CutOff { wanted: n, at: self.at, left }),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64)?);
        Ok(out)
    }

    /// Reads the section `tag`, which must have exactly the version `known`; `body` must read all
    /// of it.
    ///
    /// # Errors
    /// When another section stands here, its version is another, or `body` fails or leaves bytes.
    pub fn section<T>(
        &mut self,
        tag: [u8; 4],
        known: u32,
        body: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let start = self.at;
        let found = self.array::<4>()?;
        if found != tag {
            return Err(Error::Tag { expected: tag, found, at: start });
        }
        let version = self.u32()?;
        if version != known {
            return Err(Error::Version { tag, found: version, known });
        }
        let said = self.u64()?;
        if said > self.left() as u64 {
            return Err(Error::Length { tag, said, found: self.left() as u64 });
        }
        let outer = self.end;
        self.end = self.at + said as usize;
        let value = body(self)?;
        if self.at != self.end {
            return Err(Error::Length { tag, said, found: said - self.left() as u64 });
        }
        self.end = outer;
        Ok(value)
    }

    /// A byte.
    ///
    /// # Errors
    /// When the section ends before it; so for all the fields.
    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    /// A truth value.
    ///
    /// # Errors
    /// Also when the byte is neither 0 nor 1.
    pub fn bool(&mut self) -> Result<bool, Error> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            v => Err(Error::Value { field: "bool", value: v.into(), why: "neither 0 nor 1" }),
        }
    }

    /// 16 bits.
    ///
    /// # Errors
    /// When cut off.
    pub fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// 32 bits.
    ///
    /// # Errors
    /// When cut off.
    pub fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// 64 bits.
    ///
    /// # Errors
    /// When cut off.
    pub fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// `out.len()` bytes.
    ///
    /// # Errors
    /// When cut off.
    pub fn raw(&mut self, out: &mut [u8]) -> Result<(), Error> {
        out.copy_from_slice(self.take(out.len() as u64)?);
        Ok(())
    }

    /// Bytes with their number in front, at most `limit`.
    ///
    /// # Errors
    /// When cut off, or when there are more than `limit`; nothing is allocated before that check.
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], Error> {
        let n = self.u64()?;
        if n > limit as u64 {
            return Err(Error::Value { field: "length", value: n, why: "over the field's limit" });
        }
        self.take(n)
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn finish(self) -> Result<(), Error> {
        match self.left() {
            0 => Ok(()),
            left => Err(Error::Length {
                tag: *b"file",
                said: self.at as u64,
                found: (self.at + left) as u64,
            }),
        }
    }
}

//! An object's content, and a page in some codec.

use super::{Encoded, Vault};
use crate::content::{Codec, Page};
use crate::engine::objects::{Home, Object};
use crate::{Error, Policy};
use vellum_frames::PAGE_SIZE;

/// Bytes over which an LZ4 page is not worth its decoding, and one in a denser codec is none either.
const LZ4_LIMIT: usize = PAGE_SIZE * 3 / 4;
const DENSE_LIMIT: usize = PAGE_SIZE * 15 / 16;

impl Vault {
    /// Reads an object's content.
    pub(crate) fn content(&mut self, number: u32, page: &mut Page) -> Result<(), Error> {
        let object = self.objects.get(number)?;
        let Home::Record { codec, place } = object.home else { return self.plain(&object, page) };
        let mut base = self.base.take().unwrap_or_else(|| Box::new([0; PAGE_SIZE]));
        let read = match object.base {
            Some(of) => {
                self.store.fetch(place);
                self.base_content(of, &mut base)
            }
            None => Ok(()),
        };
        let decoded = read.and_then(|()| {
            let bytes = self.store.get(number, place)?;
            self.coder.decode(codec, bytes, object.base.map(|_| &*base), page)
        });
        self.base = Some(base);
        decoded
    }

    /// Reads an object's own record, and its content as far as that hangs on nothing else.
    pub(crate) fn sound(&mut self, number: u32, page: &mut Page) -> Result<(), Error> {
        let object = self.objects.get(number)?;
        if let Home::Record { place, .. } = object.home {
            self.store.get(number, place)?;
        }
        let readable = object.base.is_none_or(|base| self.base_content(base, page).is_ok());
        if readable { self.content(number, page) } else { Ok(()) }
    }

    fn plain(&mut self, object: &Object, page: &mut Page) -> Result<(), Error> {
        match (object.home, &mut self.spill) {
            (Home::Frame { frame, .. }, _) => {
                self.pool.read(frame, 0, page);
                Ok(())
            }
            (Home::Spilled { slot }, Some(spill)) => spill
                .read(slot, page)
                .map_err(|source| Error::Spill { action: "read", slot, source }),
            _ => Err(Error::Damaged { codec: "spilled", bytes: 0 }),
        }
    }

    /// A reference is never a delta itself: one step is all there is.
    fn base_content(&mut self, number: u32, page: &mut Page) -> Result<(), Error> {
        let object = self.objects.get(number)?;
        match object.home {
            Home::Record { codec, place } => {
                self.coder.decode(codec, self.store.get(number, place)?, None, page)
            }
            _ => self.plain(&object, page),
        }
    }

    /// A page in one codec, within `limit` bytes.
    pub(crate) fn encode(
        &mut self,
        codec: Codec,
        page: &Page,
        base: Option<(u32, &Page)>,
        limit: usize,
    ) -> Option<Encoded> {
        self.buffer.clear();
        let limit = limit.min(PAGE_SIZE);
        self.coder.encode(codec, page, base.map(|(_, page)| page), limit, &mut self.buffer)?;
        Some(Encoded { codec, base: base.map(|(number, _)| number), bytes: self.buffer.clone() })
    }

    /// A page in the quickest codec that makes it smaller and that `policy` allows; `told_by`, if others
    /// are told by it.
    pub(crate) fn compress(
        &mut self,
        page: &Page,
        policy: &Policy,
        told_by: bool,
    ) -> Option<Encoded> {
        let own = if told_by { Codec::Brisk } else { Codec::Tight };
        self.compress_quickly(page, policy, told_by).or_else(|| {
            let dense = [(own, DENSE_LIMIT), (Codec::Zstd, DENSE_LIMIT)];
            self.first_of(&dense, page, policy, told_by)
        })
    }

    /// The same, without the dense codecs.
    pub(crate) fn compress_quickly(
        &mut self,
        page: &Page,
        policy: &Policy,
        told_by: bool,
    ) -> Option<Encoded> {
        self.first_of(&[(Codec::Same, 8), (Codec::Lz4, LZ4_LIMIT)], page, policy, told_by)
    }

    fn first_of(
        &mut self,
        tries: &[(Codec, usize)],
        page: &Page,
        policy: &Policy,
        told_by: bool,
    ) -> Option<Encoded> {
        let allowed = tries.iter().filter(|&&(codec, _)| policy.may_pack(codec, told_by));
        let mut encoded = allowed.map(|&(codec, limit)| self.encode(codec, page, None, limit));
        encoded.find_map(|encoded| encoded)
    }
}

//! Pages compressed in memory, by LZ4. Pages of one repeated word take no bytes at all; pages that
//! don't shrink are kept as they are.

use super::{Answer, Get, PageStore, Put, Traffic, failed};
use crate::{PAGE, Page, PageNo, StoreError};

/// A page that shrinks to more than this stays uncompressed: what is saved is not worth the time.
const WORTH: usize = PAGE / 4 * 3;

#[derive(Debug, Default)]
enum Packed {
    #[default]
    Nothing,
    /// Every 8 bytes are these.
    Filled([u8; 8]),
    Lz4(Box<[u8]>),
    Plain(Box<Page>),
}

impl Packed {
    fn bytes(&self) -> u64 {
        match self {
            Packed::Nothing | Packed::Filled(_) => 0,
            Packed::Lz4(bytes) => bytes.len() as u64,
            Packed::Plain(_) => PAGE as u64,
        }
    }
}

/// Keeps pages within a budget of bytes; the bookkeeping is 24 bytes a page beside it.
#[derive(Debug, Default)]
pub struct CompressedPool {
    pages: Vec<Packed>,
    scratch: Vec<u8>,
    used: u64,
    limit: u64,
    traffic: Traffic,
}

impl CompressedPool {
    /// A pool of at most `limit` bytes.
    pub fn new(limit: u64) -> Self {
        let scratch = vec![0; lz4_flex::block::get_maximum_output_size(PAGE)];
        CompressedPool { scratch, limit, ..Self::default() }
    }

    /// Bytes that packed pages take.
    pub fn used(&self) -> u64 {
        self.used
    }

    fn pack(&mut self, page: &Page) -> Result<Packed, String> {
        let (word, _) = page.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        if page.chunks_exact(8).all(|other| other == word) {
            return Ok(Packed::Filled(*word));
        }
        let packed = lz4_flex::block::compress_into(page, &mut self.scratch);
        let len = packed.map_err(|error| error.to_string())?;
        Ok(match len {
            ..=WORTH => Packed::Lz4(self.scratch[..len].into()),
            _ => Packed::Plain(Box::new(*page)),
        })
    }
}

impl PageStore for CompressedPool {
    fn name(&self) -> &str {
        "compressed pool"
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        for get in batch {
            get.answer = match self.pages.get(get.page.index()) {
                None | Some(Packed::Nothing) => Answer::Missing,
                Some(Packed::Filled(word)) => {
                    get.into.chunks_exact_mut(8).for_each(|to| to.copy_from_slice(word));
                    Answer::Found
                }
                Some(Packed::Plain(page)) => {
                    get.into.copy_from_slice(&page[..]);
                    Answer::Found
                }
                Some(Packed::Lz4(bytes)) => {
                    match lz4_flex::block::decompress_into(bytes, &mut get.into[..]) {
                        Ok(PAGE) => Answer::Found,
                        Ok(short) => {
                            let why = format!("{short} bytes came out");
                            Answer::Failed(failed("compressed pool", "unpacking", get.page, why))
                        }
                        Err(error) => {
                            Answer::Failed(failed("compressed pool", "unpacking", get.page, error))
                        }
                    }
                }
            };
            self.traffic.pages_got += u64::from(get.answer == Answer::Found);
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.traffic.put_batches += 1;
        for put in batch {
            let packed = self.pack(put.content);
            let packed = packed.map_err(|why| failed(self.name(), "packing", put.page, why))?;
            let at = put.page.index();
            if at >= self.pages.len() {
                self.pages.resize_with(at + 1, Packed::default);
            }
            let used = self.used - self.pages[at].bytes() + packed.bytes();
            if used > self.limit {
                let (store, limit) = (self.name().into(), self.limit);
                return Err(StoreError::Full { store, used: self.used, limit, unit: "bytes" });
            }
            self.used = used;
            self.traffic.bytes_put += packed.bytes();
            self.traffic.pages_put += 1;
            self.pages[at] = packed;
        }
        Ok(())
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        for page in pages {
            if let Some(slot) = self.pages.get_mut(page.index()) {
                self.used -= std::mem::take(slot).bytes();
            }
        }
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

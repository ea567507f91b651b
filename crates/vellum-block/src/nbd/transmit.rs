//! Serving requests.

use super::{NbdConfig, NbdError, REQUEST_LIMIT, u16, u32, u64};
use crate::{Lba, Media, MediaError, Page};
use std::io::{Read, Write};

const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const WRITE_ZEROES: u16 = 6;
const FUA: u16 = 1;

const EPERM: u32 = 1;
const EIO: u32 = 5;
const EINVAL: u32 = 22;
const ENOSPC: u32 = 28;

struct Request {
    flags: u16,
    kind: u16,
    cookie: u64,
    offset: u64,
    length: u32,
}

fn errno(error: &MediaError) -> u32 {
    match error {
        MediaError::PastEnd { .. } => ENOSPC,
        MediaError::Unaligned { .. } => EINVAL,
        MediaError::ReadOnly => EPERM,
        _ => EIO,
    }
}

pub(super) fn run(
    input: &mut dyn Read,
    output: &mut dyn Write,
    media: &mut dyn Media,
    config: &NbdConfig,
) -> Result<(), NbdError> {
    loop {
        let magic = u32(input)?;
        if magic != REQUEST {
            return Err(NbdError::Protocol { what: "request magic", value: magic.into() });
        }
        let r = Request {
            flags: u16(input)?,
            kind: u16(input)?,
            cookie: u64(input)?,
            offset: u64(input)?,
            length: u32(input)?,
        };
        let carries = matches!(r.kind, READ | WRITE);
        if carries && r.length > REQUEST_LIMIT {
            return Err(NbdError::Protocol { what: "request length", value: r.length.into() });
        }
        if r.kind == DISCONNECT {
            return Ok(media.flush()?);
        }
        let mut data = Data::take(input, media, &r, carries)?;
        let error = match act(media, config, &r, &mut data) {
            Ok(()) => 0,
            Err(e) => e,
        };
        output.write_all(&REPLY.to_be_bytes())?;
        output.write_all(&error.to_be_bytes())?;
        output.write_all(&r.cookie.to_be_bytes())?;
        if r.kind == READ && error == 0 {
            match &data {
                Data::Bytes(bytes) => output.write_all(bytes)?,
                Data::Pages(pages) => pages.iter().try_for_each(|p| output.write_all(p))?,
            }
        }
        output.flush()?;
    }
}

/// A request's content: in one piece, or in sectors that change hands with the medium.
enum Data {
    Bytes(Vec<u8>),
    Pages(Vec<Page>),
}

impl Data {
    /// Takes a write's content from the client; room for a read's.
    fn take(
        input: &mut dyn Read,
        media: &mut dyn Media,
        r: &Request,
        carries: bool,
    ) -> Result<Data, NbdError> {
        let length = if carries { r.length as usize } else { 0 };
        let sector = media.sector_bytes() as usize;
        if !media.takes_pages() || !length.is_multiple_of(sector) {
            let mut bytes = vec![0; length];
            if r.kind == WRITE {
                input.read_exact(&mut bytes)?;
            }
            return Ok(Data::Bytes(bytes));
        }
        let mut pages = Vec::with_capacity(length / sector);
        if r.kind == WRITE {
            for _ in 0..length / sector {
                let mut page = media.page();
                input.read_exact(page.bytes_mut())?;
                pages.push(page);
            }
        }
        Ok(Data::Pages(pages))
    }

    /// Reads sectors into it.
    fn read(&mut self, media: &mut dyn Media, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        match self {
            Data::Bytes(bytes) => media.read(lba, bytes),
            Data::Pages(pages) => {
                media.check_sectors(lba, sectors)?;
                for i in 0..sectors {
                    pages.push(media.read_page(Lba::new(lba.get() + i))?);
                }
                Ok(())
            }
        }
    }

    /// Writes it to sectors, all of which exist or none is written.
    fn write(&self, media: &mut dyn Media, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        match self {
            Data::Bytes(bytes) => media.write(lba, bytes),
            Data::Pages(pages) => {
                media.check_sectors(lba, sectors)?;
                for (i, page) in (0..).zip(pages) {
                    media.write_page(Lba::new(lba.get() + i), page)?;
                }
                Ok(())
            }
        }
    }
}

/// Does a request; the error is the one that goes over the wire.
fn act(media: &mut dyn Media, config: &NbdConfig, r: &Request, data: &mut Data) -> Result<(), u32> {
    let size = u64::from(media.sector_bytes());
    if config.read_only && matches!(r.kind, WRITE | TRIM | WRITE_ZEROES) {
        return Err(EPERM);
    }
    if r.kind == FLUSH {
        return media.flush().map_err(|e| errno(&e));
    }
    if !r.offset.is_multiple_of(size) || !u64::from(r.length).is_multiple_of(size) || r.length == 0
    {
        return Err(EINVAL);
    }
    let (lba, sectors) = (Lba::new(r.offset / size), u64::from(r.length) / size);
    match r.kind {
        READ => data.read(media, lba, sectors),
        WRITE => data.write(media, lba, sectors),
        TRIM | WRITE_ZEROES => media.discard(lba, sectors),
        _ => return Err(EINVAL),
    }
    .and_then(|()| if r.flags & FUA != 0 { media.flush() } else { Ok(()) })
    .map_err(|e| errno(&e))
}

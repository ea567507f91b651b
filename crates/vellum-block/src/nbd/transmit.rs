//! Serving requests.

use super::{NbdConfig, NbdError, REQUEST_LIMIT, u16, u32, u64};
use crate::{Lba, Media, MediaError};
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
        let mut data = vec![0; if carries { r.length as usize } else { 0 }];
        if r.kind == WRITE {
            input.read_exact(&mut data)?;
        }
        if r.kind == DISCONNECT {
            return Ok(media.flush()?);
        }
        let error = match act(media, config, &r, &mut data) {
            Ok(()) => 0,
            Err(e) => e,
        };
        output.write_all(&REPLY.to_be_bytes())?;
        output.write_all(&error.to_be_bytes())?;
        output.write_all(&r.cookie.to_be_bytes())?;
        if r.kind == READ && error == 0 {
            output.write_all(&data)?;
        }
        output.flush()?;
    }
}

/// Does a request; the error is the one that goes over the wire.
fn act(media: &mut dyn Media, config: &NbdConfig, r: &Request, data: &mut [u8]) -> Result<(), u32> {
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
        READ => media.read(lba, data),
        WRITE => media.write(lba, data),
        TRIM | WRITE_ZEROES => media.discard(lba, sectors),
        _ => return Err(EINVAL),
    }
    .and_then(|()| if r.flags & FUA != 0 { media.flush() } else { Ok(()) })
    .map_err(|e| errno(&e))
}

//! From a chain to a request (virtio 1.2, section 5.2.6).

use virtio_bindings::virtio_blk as blk;

use super::{CLEAR_LIMIT, DATA_LIMIT, Status};
use crate::disk::{Request, SECTOR, Shape};
use crate::virtio::{Broken, Chain, Dma};

/// Type, reserved, sector.
pub(super) const HEADER: u64 = 16;
/// Sector, number of sectors, flags: one range to discard or clear.
const RANGE: usize = 16;
const ID_BYTES: usize = blk::VIRTIO_BLK_ID_BYTES as usize;

/// What became of a chain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// For the disk.
    Disk(Request),
    /// A write, whose data are the readable bytes behind the header.
    Write {
        /// First sector.
        sector: u64,
        /// Bytes of data.
        bytes: usize,
    },
    /// Answered without the disk.
    Known(Vec<u8>),
    /// Not possible.
    Refused(Status),
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |v, &b| v << 8 | u64::from(b))
}

/// Reads the request in `chain`.
///
/// # Errors
/// When the chain has no header, or no byte for a status.
pub(super) fn parse(
    chain: &Chain,
    memory: &dyn Dma,
    shape: &Shape,
    name: &str,
) -> Result<Parsed, Broken> {
    let (readable, writable) = (chain.readable(), chain.writable());
    if readable < HEADER || writable < 1 {
        return Err(Broken::Short { head: chain.head, readable, writable });
    }
    let mut header = [0; HEADER as usize];
    chain.get(memory, 0, &mut header)?;
    let (kind, sector) = (number(&header[..4]) as u32, number(&header[8..]));
    let (outgoing, incoming) = (readable - HEADER, writable - 1);
    if outgoing > DATA_LIMIT || incoming > DATA_LIMIT {
        return Ok(Parsed::Refused(Status::Failed));
    }
    Ok(match kind {
        blk::VIRTIO_BLK_T_IN => match sectors(incoming) {
            Some(sectors) if within(shape, sector, sectors) => {
                Parsed::Disk(Request::Read { sector, sectors })
            }
            _ => Parsed::Refused(Status::Failed),
        },
        blk::VIRTIO_BLK_T_OUT => match sectors(outgoing) {
            Some(sectors) if within(shape, sector, sectors) && !shape.read_only => {
                Parsed::Write { sector, bytes: outgoing as usize }
            }
            _ => Parsed::Refused(Status::Failed),
        },
        blk::VIRTIO_BLK_T_FLUSH => Parsed::Disk(Request::Flush),
        blk::VIRTIO_BLK_T_GET_ID => {
            let mut id = [0; ID_BYTES];
            id.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
            Parsed::Known(id[..ID_BYTES.min(incoming as usize)].to_vec())
        }
        blk::VIRTIO_BLK_T_DISCARD | blk::VIRTIO_BLK_T_WRITE_ZEROES => {
            clear(chain, memory, shape, kind, outgoing)
        }
        _ => Parsed::Refused(Status::Unsupported),
    })
}

/// Whole sectors, and not none.
fn sectors(bytes: u64) -> Option<u32> {
    (bytes > 0 && bytes.is_multiple_of(SECTOR)).then_some((bytes / SECTOR) as u32)
}

fn within(shape: &Shape, sector: u64, sectors: u32) -> bool {
    sector.checked_add(sectors.into()).is_some_and(|end| end <= shape.sectors)
}

/// Discard and write zeroes: one range a request.
fn clear(chain: &Chain, memory: &dyn Dma, shape: &Shape, kind: u32, bytes: u64) -> Parsed {
    let mut range = [0; RANGE];
    if bytes != RANGE as u64 || chain.get(memory, HEADER, &mut range).is_err() {
        return Parsed::Refused(Status::Failed);
    }
    let (sector, sectors) = (number(&range[..8]), number(&range[8..12]) as u32);
    let flags = number(&range[12..]) as u32;
    let discard = kind == blk::VIRTIO_BLK_T_DISCARD;
    // Clearing may also give the storage back; a discard has no choices.
    let known = if discard { 0 } else { blk::VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP };
    if flags & !known != 0 {
        return Parsed::Refused(Status::Unsupported);
    }
    if shape.read_only || sectors == 0 || sectors > CLEAR_LIMIT || !within(shape, sector, sectors) {
        return Parsed::Refused(Status::Failed);
    }
    Parsed::Disk(if discard {
        Request::Discard { sector, sectors }
    } else {
        Request::WriteZeroes { sector, sectors }
    })
}

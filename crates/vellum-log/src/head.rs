//! The head file: which generation the log begins with.
//!
//! Two slots of one sector each, 4 KiB apart; the newer valid one counts, and a change goes to the
//! older. So a torn write of the head leaves the head before it.

use crate::error::{Error, io_error};
use crate::storage::{File, SECTOR, Storage};
use std::sync::Arc;

/// Name of the head file.
pub(crate) const HEAD_NAME: &str = "log-head";
const HEAD_NEW: &str = "log-head.new";
const MAGIC: [u8; 8] = *b"VELLUMLH";
/// Version of the log's formats (head, segment, frame).
pub(crate) const VERSION: u32 = 1;
const SLOT_STRIDE: u64 = 4096;

/// The head, in memory.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) id: [u8; 16],
    /// Oldest generation that still counts.
    pub(crate) first: u64,
    /// What the first frame of that generation is chained to.
    pub(crate) check: u32,
    /// Newest generation that existed when the head was written: none up to it may be missing.
    pub(crate) newest: u64,
    /// Which write of the head this is.
    turn: u64,
    file: Arc<dyn File>,
    place: String,
}

fn slot(id: &[u8; 16], (first, newest): (u64, u64), check: u32, turn: u64) -> [u8; SECTOR] {
    let mut out = [0; SECTOR];
    out[0..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[16..32].copy_from_slice(id);
    out[32..40].copy_from_slice(&first.to_le_bytes());
    out[40..48].copy_from_slice(&turn.to_le_bytes());
    out[48..56].copy_from_slice(&newest.to_le_bytes());
    out[56..60].copy_from_slice(&check.to_le_bytes());
    let crc = crc32fast::hash(&out[..60]);
    out[60..64].copy_from_slice(&crc.to_le_bytes());
    out
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

impl Head {
    /// Makes the head of a new log, durably.
    pub(crate) fn create(storage: &dyn Storage, id: [u8; 16]) -> Result<Self, Error> {
        let place = storage.place();
        if storage.open(HEAD_NEW).is_ok() {
            storage.remove(HEAD_NEW).map_err(io_error("remove", &place, HEAD_NEW))?;
        }
        let file = storage.create(HEAD_NEW).map_err(io_error("create", &place, HEAD_NEW))?;
        let write = |bytes: &[u8], at| file.write_at(at, bytes);
        write(&slot(&id, (1, 0), 0, 0), 0)
            .and_then(|()| write(&[0; SECTOR], SLOT_STRIDE))
            .and_then(|()| file.sync())
            .map_err(io_error("write", &place, HEAD_NEW))?;
        storage
            .rename(HEAD_NEW, HEAD_NAME)
            .and_then(|()| storage.sync_dir())
            .map_err(io_error("rename", &place, HEAD_NAME))?;
        Ok(Self { id, first: 1, newest: 0, check: 0, turn: 0, file, place })
    }

    /// Reads the head of an existing log.
    pub(crate) fn read(storage: &dyn Storage) -> Result<Self, Error> {
        let place = storage.place();
        let failed = |what| io_error(what, &place, HEAD_NAME);
        let file = storage.open(HEAD_NAME).map_err(failed("open"))?;
        // Before what is read is believed: it may stand in the page cache alone.
        file.sync().map_err(failed("sync"))?;
        let mut best: Option<(u64, [u8; SECTOR])> = None;
        for at in [0, SLOT_STRIDE] {
            let mut bytes = [0; SECTOR];
            file.read_at(at, &mut bytes).map_err(failed("read"))?;
            let crc = crc32fast::hash(&bytes[..60]).to_le_bytes();
            if bytes[..8] != MAGIC || bytes[60..64] != crc {
                continue;
            }
            let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
            if version != VERSION {
                let name = HEAD_NAME.to_owned();
                return Err(Error::Version { place, name, found: version, known: VERSION });
            }
            let turn = u64_at(&bytes, 40);
            if best.is_none_or(|(newest, _)| turn > newest) {
                best = Some((turn, bytes));
            }
        }
        let Some((turn, bytes)) = best else {
            let why = "neither of the two slots is whole";
            let name = HEAD_NAME.to_owned();
            return Err(Error::Corrupt { place, name, offset: 0, frame: 0, why });
        };
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        let check = u32::from_le_bytes([bytes[56], bytes[57], bytes[58], bytes[59]]);
        let first = u64_at(&bytes, 32).max(1);
        Ok(Self { id, first, newest: u64_at(&bytes, 48), check, turn, file, place })
    }

    /// Moves the head to generation `first`; durable when it returns, unless `sync` is off.
    pub(crate) fn advance(
        &mut self,
        (first, newest): (u64, u64),
        check: u32,
        sync: bool,
    ) -> Result<(), Error> {
        let turn = self.turn + 1;
        let at = (turn % 2) * SLOT_STRIDE;
        self.file
            .write_at(at, &slot(&self.id, (first, newest), check, turn))
            .and_then(|()| if sync { self.file.sync() } else { Ok(()) })
            .map_err(io_error("write", &self.place, HEAD_NAME))?;
        (self.first, self.newest, self.check, self.turn) = (first, newest, check, turn);
        Ok(())
    }
}

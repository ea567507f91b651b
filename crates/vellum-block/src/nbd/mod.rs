//! A server of the Network Block Device protocol, so that `qemu-img`, `nbdinfo` and `nbdcopy` can
//! use a medium or a model as a disk.
//!
//! Fixed newstyle negotiation (`NBD_OPT_GO`, `INFO`, `EXPORT_NAME`, `LIST`, `ABORT`) and simple
//! replies; READ, WRITE with FUA, FLUSH, TRIM, WRITE_ZEROES, DISC. One export, one connection at a
//! time. A request is at most 32 MiB and an option 4 KiB; what breaks the protocol ends the
//! connection. The protocol: `doc/proto.md` of the NetworkBlockDevice project.

mod handshake;
mod transmit;

use crate::{Media, MediaError};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Longest data of a request.
pub const REQUEST_LIMIT: u32 = 32 << 20;
/// Longest option.
const OPTION_LIMIT: u32 = 4 << 10;

/// Why a connection or the server ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NbdError {
    /// The connection failed.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The client broke the protocol.
    #[error("the client broke the protocol: {what} ({value:#x})")]
    Protocol {
        /// What was wrong.
        what: &'static str,
        /// What it sent.
        value: u64,
    },
    /// The export's medium has an impossible size.
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// What is served and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NbdConfig {
    /// Where to listen; loopback and any free port unless told otherwise.
    pub address: SocketAddr,
    /// The export's name; clients may also ask for the empty name.
    pub name: String,
    /// Refuse writes.
    pub read_only: bool,
    /// Tell clients that the medium turns, so that they keep requests in order of place.
    pub rotational: bool,
}

impl Default for NbdConfig {
    fn default() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        NbdConfig { address, name: "vellum".to_string(), read_only: false, rotational: false }
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct NbdServer {
    listener: TcpListener,
    config: NbdConfig,
}

impl NbdServer {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the address can't be had.
    pub fn bind(config: NbdConfig) -> Result<NbdServer, NbdError> {
        Ok(NbdServer { listener: TcpListener::bind(config.address)?, config })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn address(&self) -> Result<SocketAddr, NbdError> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves one connection to its end.
    ///
    /// # Errors
    /// When the connection fails or the client breaks the protocol.
    pub fn serve_one(&self, media: &mut dyn Media) -> Result<(), NbdError> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nodelay(true)?;
        serve(&mut stream.try_clone()?, &mut &stream, media, &self.config)
    }

    /// Serves connections one after the other until `done` says so; a connection that breaks the
    /// protocol ends and the next one is taken.
    ///
    /// # Errors
    /// When listening fails.
    pub fn serve(
        &self,
        media: &mut dyn Media,
        mut done: impl FnMut(u64) -> bool,
    ) -> Result<(), NbdError> {
        let mut served = 0;
        while !done(served) {
            match self.serve_one(media) {
                Ok(()) | Err(NbdError::Protocol { .. }) => {}
                Err(NbdError::Io(e)) if e.kind() != io::ErrorKind::InvalidInput => {}
                Err(e) => return Err(e),
            }
            served += 1;
        }
        Ok(())
    }
}

/// Serves one connection over any pair of streams.
///
/// # Errors
/// When a stream fails or the client breaks the protocol.
pub fn serve(
    input: &mut dyn Read,
    output: &mut dyn Write,
    media: &mut dyn Media,
    config: &NbdConfig,
) -> Result<(), NbdError> {
    let bytes = media.sectors() * u64::from(media.sector_bytes());
    match handshake::run(input, output, bytes, media.sector_bytes(), config)? {
        true => transmit::run(input, output, media, config),
        false => Ok(()),
    }
}

fn array<const N: usize>(input: &mut dyn Read) -> Result<[u8; N], NbdError> {
    let mut b = [0; N];
    input.read_exact(&mut b)?;
    Ok(b)
}

fn u16(input: &mut dyn Read) -> Result<u16, NbdError> {
    Ok(u16::from_be_bytes(array(input)?))
}

fn u32(input: &mut dyn Read) -> Result<u32, NbdError> {
    Ok(u32::from_be_bytes(array(input)?))
}

fn u64(input: &mut dyn Read) -> Result<u64, NbdError> {
    Ok(u64::from_be_bytes(array(input)?))
}

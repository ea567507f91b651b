//! Agreeing on an export.

use super::{NbdConfig, NbdError, OPTION_LIMIT, REQUEST_LIMIT, u32, u64};
use std::io::{Read, Write};

const MAGIC: u64 = 0x4e42_444d_4147_4943;
const OPTION: u64 = 0x4948_4156_454f_5054;
const REPLY: u64 = 0x0003_e889_0455_65a9;

const EXPORT_NAME: u32 = 1;
const ABORT: u32 = 2;
const LIST: u32 = 3;
const INFO: u32 = 6;
const GO: u32 = 7;

const REP_ACK: u32 = 1;
const REP_SERVER: u32 = 2;
const REP_INFO: u32 = 3;
const ERR_UNSUPPORTED: u32 = 1 << 31 | 1;
const ERR_INVALID: u32 = 1 << 31 | 3;
const ERR_UNKNOWN: u32 = 1 << 31 | 6;
const ERR_TOO_BIG: u32 = 1 << 31 | 9;

const FIXED_NEWSTYLE: u16 = 1;
const NO_ZEROES: u16 = 2;

/// Transmission flags: has flags, read-only, flush, FUA, rotational, trim, write zeroes.
fn flags(config: &NbdConfig) -> u16 {
    let (read_only, rotational) = (u16::from(config.read_only), u16::from(config.rotational));
    1 | read_only << 1 | 1 << 2 | 1 << 3 | rotational << 4 | 1 << 5 | 1 << 6
}

fn reply(output: &mut dyn Write, option: u32, kind: u32, data: &[u8]) -> Result<(), NbdError> {
    let mut b = Vec::with_capacity(20 + data.len());
    b.extend_from_slice(&REPLY.to_be_bytes());
    b.extend_from_slice(&option.to_be_bytes());
    b.extend_from_slice(&kind.to_be_bytes());
    b.extend_from_slice(&(data.len() as u32).to_be_bytes());
    b.extend_from_slice(data);
    Ok(output.write_all(&b)?)
}

/// True if the client goes on to transmission, false if it leaves.
pub(super) fn run(
    input: &mut dyn Read,
    output: &mut dyn Write,
    bytes: u64,
    sector: u32,
    config: &NbdConfig,
) -> Result<bool, NbdError> {
    output.write_all(&MAGIC.to_be_bytes())?;
    output.write_all(&OPTION.to_be_bytes())?;
    output.write_all(&(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes())?;
    let client = u32(input)?;
    if client & !u32::from(FIXED_NEWSTYLE | NO_ZEROES) != 0 {
        return Err(NbdError::Protocol { what: "client flags", value: client.into() });
    }
    let no_zeroes = client & u32::from(NO_ZEROES) != 0;
    loop {
        let magic = u64(input)?;
        if magic != OPTION {
            return Err(NbdError::Protocol { what: "option magic", value: magic });
        }
        let (option, length) = (u32(input)?, u32(input)?);
        if length > OPTION_LIMIT {
            reply(output, option, ERR_TOO_BIG, &[])?;
            return Err(NbdError::Protocol { what: "option length", value: length.into() });
        }
        let mut data = vec![0; length as usize];
        input.read_exact(&mut data)?;
        let known = |name: &[u8]| name.is_empty() || name == config.name.as_bytes();
        match option {
            ABORT => {
                reply(output, option, REP_ACK, &[])?;
                return Ok(false);
            }
            EXPORT_NAME => {
                if !known(&data) {
                    return Err(NbdError::Protocol { what: "unknown export", value: 0 });
                }
                output.write_all(&bytes.to_be_bytes())?;
                output.write_all(&flags(config).to_be_bytes())?;
                if !no_zeroes {
                    output.write_all(&[0; 124])?;
                }
                return Ok(true);
            }
            LIST if data.is_empty() => {
                let mut entry = (config.name.len() as u32).to_be_bytes().to_vec();
                entry.extend_from_slice(config.name.as_bytes());
                reply(output, option, REP_SERVER, &entry)?;
                reply(output, option, REP_ACK, &[])?;
            }
            LIST => reply(output, option, ERR_INVALID, &[])?,
            INFO | GO => match export_name(&data) {
                None => reply(output, option, ERR_INVALID, &[])?,
                Some(name) if !known(name) => reply(output, option, ERR_UNKNOWN, &[])?,
                Some(_) => {
                    info(output, option, bytes, sector, config)?;
                    if option == GO {
                        return Ok(true);
                    }
                }
            },
            _ => reply(output, option, ERR_UNSUPPORTED, &[])?,
        }
    }
}

/// The name in the data of `INFO` and `GO`: length, name, number of requests, requests.
fn export_name(data: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes(data.get(..4)?.try_into().ok()?) as usize;
    let rest = data.get(4..)?;
    let name = rest.get(..length)?;
    let count = rest.get(length..length.checked_add(2)?)?;
    let count = usize::from(u16::from_be_bytes([count[0], count[1]]));
    (rest.len() == length + 2 + 2 * count).then_some(name)
}

fn info(
    output: &mut dyn Write,
    option: u32,
    bytes: u64,
    sector: u32,
    config: &NbdConfig,
) -> Result<(), NbdError> {
    let mut export = 0u16.to_be_bytes().to_vec();
    export.extend_from_slice(&bytes.to_be_bytes());
    export.extend_from_slice(&flags(config).to_be_bytes());
    reply(output, option, REP_INFO, &export)?;
    // Block sizes: least, preferred, most.
    let mut sizes = 3u16.to_be_bytes().to_vec();
    for n in [sector, sector.max(4096), REQUEST_LIMIT] {
        sizes.extend_from_slice(&n.to_be_bytes());
    }
    reply(output, option, REP_INFO, &sizes)?;
    reply(output, option, REP_ACK, &[])
}

//! Kernels that come packed: gzip, and EFI's zboot wrapper around it.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;

use super::LoadError;

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Compressions that are recognised by their first bytes, to say what they are.
const OTHERS: [(&[u8], &str); 5] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (b"BZh", "bzip2"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
    (&[0x5d, 0x00, 0x00], "lzma"),
];
/// EFI zboot (Linux' `drivers/firmware/efi/libstub/zboot-header.S`): where its fields are.
const ZBOOT: &[u8] = b"zimg";
const ZBOOT_OFFSET: usize = 8;
const ZBOOT_SIZE: usize = 12;
const ZBOOT_METHOD: usize = 24;
const ZBOOT_HEADER: usize = 56;

/// The kernel inside `file`, which is `file` itself if it is not packed. Unpacks at most `limit`
/// bytes, since no more would fit the machine.
pub(super) fn unpack(file: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, LoadError> {
    if file.is_empty() {
        return Err(LoadError::Empty);
    }
    if let Some(payload) = zboot(file)? {
        return gunzip(payload, limit).map(Cow::Owned);
    }
    if file.starts_with(&GZIP) {
        return gunzip(file, limit).map(Cow::Owned);
    }
    match OTHERS.iter().find(|(magic, _)| file.starts_with(magic)) {
        Some((_, method)) => Err(LoadError::Packed { method: (*method).into() }),
        None => Ok(Cow::Borrowed(file)),
    }
}

fn zboot(file: &[u8]) -> Result<Option<&[u8]>, LoadError> {
    if file.len() < ZBOOT_HEADER || !file.starts_with(b"MZ") || &file[4..8] != ZBOOT {
        return Ok(None);
    }
    let word = |at: usize| {
        u64::from(u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]))
    };
    let method = &file[ZBOOT_METHOD..ZBOOT_HEADER];
    let method = method.split(|&b| b == 0).next().unwrap_or(method);
    if method != b"gzip" {
        return Err(LoadError::Packed { method: method.escape_ascii().to_string() });
    }
    let (offset, size) = (word(ZBOOT_OFFSET), word(ZBOOT_SIZE));
    let (needed, found) = (offset + size, file.len() as u64);
    if needed > found {
        return Err(LoadError::Truncated { what: "the EFI zboot image", needed, found });
    }
    Ok(Some(&file[offset as usize..needed as usize]))
}

fn gunzip(packed: &[u8], limit: u64) -> Result<Vec<u8>, LoadError> {
    let mut out = Vec::new();
    // One byte more than fits tells "too large" from "just fits".
    let mut reader = GzDecoder::new(packed).take(limit.saturating_add(1));
    if let Err(e) = reader.read_to_end(&mut out) {
        return Err(LoadError::Unpack { unpacked: out.len() as u64, why: e.to_string() });
    }
    if out.len() as u64 > limit {
        let needed = limit + super::KERNEL_OFFSET;
        return Err(LoadError::MemoryTooSmall {
            what: "the unpacked kernel",
            needed,
            memory: limit,
        });
    }
    Ok(out)
}

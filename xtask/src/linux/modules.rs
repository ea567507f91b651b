//! Kernel modules for a virtio root: chosen with what they depend on, unpacked, cut short.
//!
//! A module's signature is the tail of its file. The kernel checks it at a cost of about a thousand
//! million instructions for an ext4 root, and Debian's accepts modules without one, so it is cut.

use super::elf;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a disk, entropy and memory given back need. Names that a kernel has built in are left out.
const WANTED: [&str; 8] = [
    "virtio_mmio",
    "virtio_blk",
    "virtio_rng",
    "virtio_balloon",
    "crc32c_generic",
    "crc32c_cryptoapi",
    "libcrc32c",
    "ext4",
];
const SIGNATURE_MAGIC: &[u8] = b"~Module signature appended~\n";
/// The signature's trailer: five bytes, three of padding, a big-endian length.
const SIGNATURE_TRAILER: usize = 12;

/// Writes the wanted modules of `tree` to `to` and returns their names in a good order.
pub fn collect(tree: &Path, release: &str, to: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(to)?;
    let mut files = BTreeMap::new();
    for base in ["lib/modules", "usr/lib/modules"] {
        index(&tree.join(base).join(release), &mut files);
    }
    let mut done = BTreeMap::new();
    let mut order = Vec::new();
    for name in WANTED {
        add(name, &files, &mut done, &mut order)?;
    }
    for name in &order {
        fs::write(to.join(format!("{name}.ko")), &done[name])?;
    }
    Ok(order)
}

/// Inserts `name` behind everything that it depends on.
fn add(
    name: &str,
    files: &BTreeMap<String, PathBuf>,
    done: &mut BTreeMap<String, Vec<u8>>,
    order: &mut Vec<String>,
) -> Result<()> {
    let Some(path) = files.get(name).filter(|_| !done.contains_key(name)) else { return Ok(()) };
    let bytes = read(path).with_context(|| format!("could not unpack {}", path.display()))?;
    let depends = elf::modinfo(&bytes, "depends").unwrap_or_default();
    done.insert(name.to_owned(), bytes);
    for other in depends.split(',').filter(|other| !other.is_empty()) {
        add(&plain(other), files, done, order)?;
    }
    order.push(name.to_owned());
    Ok(())
}

fn index(folder: &Path, files: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            index(&path, files);
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            files.insert(plain(name), path);
        }
    }
}

/// File names and module names differ in dashes.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    let plain = match path.extension().and_then(|ext| ext.to_str()) {
        Some("xz") => {
            let mut out = Vec::new();
            lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut out)
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            out
        }
        _ => bytes,
    };
    Ok(without_signature(&plain).to_vec())
}

/// `module` without the signature at its end, if it has one.
fn without_signature(module: &[u8]) -> &[u8] {
    let Some(body) = module.strip_suffix(SIGNATURE_MAGIC) else { return module };
    let Some((rest, trailer)) = body.split_last_chunk::<SIGNATURE_TRAILER>() else { return module };
    let length = u32::from_be_bytes([trailer[8], trailer[9], trailer[10], trailer[11]]);
    let kept = rest.len().checked_sub(length as usize);
    kept.map_or(module, |kept| &rest[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_cut_and_nothing_else() {
        let mut signed = b"module".to_vec();
        signed.extend_from_slice(b"SIGN");
        signed.extend_from_slice(&[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
        signed.extend_from_slice(SIGNATURE_MAGIC);
        assert_eq!(without_signature(&signed), b"module");
        assert_eq!(without_signature(b"module"), b"module");
        let mut short = vec![0xff; SIGNATURE_TRAILER];
        short.extend_from_slice(SIGNATURE_MAGIC);
        assert_eq!(without_signature(&short), short, "a length beyond the file is not believed");
    }
}

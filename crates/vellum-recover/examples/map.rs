//! A map kept in a region: open addressing over fixed slots, each change one transaction.
//!
//! `cargo run -p vellum-recover --example map -- DIRECTORY set KEY VALUE | get KEY | list`

mod support;

use vellum_recover::{Error, Options, Region, Store};

const SLOTS: u64 = 4096;
const SLOT: u64 = 64;
const HALF: usize = 32;

/// FNV-1a.
fn hash(key: &[u8]) -> u64 {
    key.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

fn padded(text: &str) -> Result<[u8; HALF], String> {
    let mut out = [0; HALF];
    let room = out.get_mut(..text.len()).filter(|room| !room.is_empty());
    room.ok_or(format!("`{text}` has not 1 to {HALF} bytes"))?.copy_from_slice(text.as_bytes());
    Ok(out)
}

/// The slot of `key`, or the free one where it belongs.
fn find(region: &Region, key: &[u8; HALF]) -> Result<Option<u64>, Error> {
    for step in 0..SLOTS {
        let at = (hash(key) + step) % SLOTS * SLOT;
        let slot = region.read(at..at + SLOT)?;
        if slot[..HALF] == key[..] || slot[..HALF] == [0; HALF] {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

fn main() -> std::process::ExitCode {
    support::say(run())
}

fn run() -> support::Outcome {
    let usage = "usage: map DIRECTORY set KEY VALUE | get KEY | list";
    let args = support::arguments(usage)?;
    let (path, command) = args.split_first().ok_or(usage)?;
    let store = Store::open(path, Options::default())?;
    let region = store.region("map", SLOTS * SLOT)?;
    match command.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["set", key, value] => {
            let (key, value) = (padded(key)?, padded(value)?);
            let at = find(&region, &key)?.ok_or("the map is full")?;
            store.transact(|transaction| {
                let slot = transaction.set_range(&region, at..at + SLOT)?;
                slot[..HALF].copy_from_slice(&key);
                slot[HALF..].copy_from_slice(&value);
                Ok(())
            })?;
        }
        ["get", key] => {
            let key = padded(key)?;
            let at = find(&region, &key)?.unwrap_or(0);
            let slot = region.read(at..at + SLOT)?;
            // The place where it belongs may be free, or all places taken by others.
            if slot[..HALF] != key {
                return Err(format!("`{}` is not in the map", text(&key)).into());
            }
            println!("{}", text(&slot[HALF..]));
        }
        ["list"] => {
            let all = region.read(0..SLOTS * SLOT)?;
            for slot in all.chunks_exact(SLOT as usize).filter(|slot| slot[0] != 0) {
                println!("{} = {}", text(&slot[..HALF]), text(&slot[HALF..]));
            }
        }
        _ => return Err(usage.into()),
    }
    Ok(())
}

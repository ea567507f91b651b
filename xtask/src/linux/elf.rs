//! As much of ELF as reading a kernel module's `.modinfo` takes.

/// The value of `key` in the module's `.modinfo` section, a run of `key=value` strings.
pub fn modinfo(module: &[u8], key: &str) -> Option<String> {
    let section = section(module, ".modinfo")?;
    let pairs = section.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    let mut values = pairs.filter_map(|text| text.strip_prefix(key)?.strip_prefix('='));
    values.next().map(Into::into)
}

/// The content of a section of a little-endian ELF64 file, by name.
fn section<'a>(file: &'a [u8], name: &str) -> Option<&'a [u8]> {
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = number(file, 0x28, 8)?;
    let (size, count, names) =
        (number(file, 0x3a, 2)?, number(file, 0x3c, 2)?, number(file, 0x3e, 2)?);
    let header = |index: usize| table.checked_add(index.checked_mul(size)?);
    let content = |at: usize| {
        let (start, length) =
            (number(file, at.checked_add(0x18)?, 8)?, number(file, at.checked_add(0x20)?, 8)?);
        file.get(start..start.checked_add(length)?)
    };
    let strings = content(header(names)?)?;
    (0..count).filter_map(header).find_map(|at| {
        let text = strings.get(number(file, at, 4)?..)?;
        let text = text.split(|byte| *byte == 0).next()?;
        (text == name.as_bytes()).then(|| content(at))?
    })
}

fn number(file: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(width)?)?;
    let value = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    usize::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of two sections: the names and `.modinfo`.
    fn module(info: &[u8]) -> Vec<u8> {
        let names = b"\0.shstrtab\0.modinfo\0";
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let mut sections = vec![[0u8; 64]];
        for (name, content) in [(1u32, names.as_slice()), (11, info)] {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[0x18..0x20].copy_from_slice(&(file.len() as u64).to_le_bytes());
            header[0x20..0x28].copy_from_slice(&(content.len() as u64).to_le_bytes());
            file.extend_from_slice(content);
            sections.push(header);
        }
        let table = file.len() as u64;
        file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
        file[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
        file[0x3c..0x3e].copy_from_slice(&3u16.to_le_bytes());
        file[0x3e..0x40].copy_from_slice(&1u16.to_le_bytes());
        sections.iter().for_each(|header| file.extend_from_slice(header));
        file
    }

    #[test]
    fn a_key_is_found_and_damage_is_no_panic() {
        let file = module(b"license=GPL\0depends=jbd2,crc16\0");
        assert_eq!(modinfo(&file, "depends").as_deref(), Some("jbd2,crc16"));
        assert_eq!(modinfo(&file, "dep"), None);
        for cut in 0..file.len() {
            _ = modinfo(&file[..cut], "depends");
        }
        for at in 0..64 {
            let mut bent = file.clone();
            bent[at] = 0xff;
            _ = modinfo(&bent, "depends");
        }
    }
}

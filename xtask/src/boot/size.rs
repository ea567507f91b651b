//! Sizes as people write them: `256M`, `1G`, `65536`.

/// Bytes from digits and an optional `K`, `M` or `G` (with or without `iB`).
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        other => return Err(format!("`{other}` is no unit; K, M and G are")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{text}` is no size"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is more than 64 bits hold"))
}

/// Bytes for people.
pub fn show(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes >= 1 << shift) {
        #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, want) in [("256M", 256 << 20), ("1GiB", 1 << 30), ("64k", 65536), ("12", 12)] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
        for text in ["", "M", "12X", "-1", "99999999999G"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(show(256 << 20), "256.0 MiB");
        assert_eq!(show(7), "7 B");
    }
}

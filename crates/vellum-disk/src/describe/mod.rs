//! Drives as text files of our own format, for reading and for writing.
//!
//! A file is a head line, `key value` lines and sections in brackets; the book's chapter on formats
//! has all of them. Which fields a section has is said once, in `fields`, for both directions. Every
//! error names the file, the line and the field.

mod controllers;
mod fields;
mod text;
mod value;

use crate::Error;
use crate::profile::Profile;
use std::path::Path;

/// The line that a drive file begins with.
pub const HEAD: &str = "vellum drive 1";

/// Longest file that is read, in bytes.
pub const LIMIT: u64 = 16 << 20;

/// The drive that the text describes; errors call it `file`.
///
/// # Errors
/// When the text is no drive file, a field is missing, unknown, or holds what it can't hold. Whether
/// the layout adds up is seen when it is built.
pub fn parse(file: &str, text: &str) -> Result<Profile, Error> {
    let mut reader = text::Reader::new(file, text)?;
    fields::profile(&mut reader)
}

/// The drive in the file at `path`.
///
/// # Errors
/// As for [`parse`], and when the file can't be read.
pub fn read(path: &Path) -> Result<Profile, Error> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > LIMIT {
        return Err(io(std::io::Error::other(format!("{size} bytes, {LIMIT} at most are read"))));
    }
    parse(&path.display().to_string(), &std::fs::read_to_string(path).map_err(io)?)
}

/// The text of a drive.
///
/// # Errors
/// When the drive's layout is a run-length tree, which only DiskSim's files hold.
pub fn print(profile: &Profile) -> Result<String, Error> {
    let mut writer = text::Writer::default();
    fields::write(&mut writer, profile)?;
    Ok(writer.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles;
    use proptest::prelude::*;

    #[test]
    fn every_shipped_drive_comes_back_from_its_own_text() {
        for name in profiles::NAMES {
            let profile = profiles::find(name).unwrap();
            let text = print(&profile).unwrap();
            assert_eq!(parse(name, &text).unwrap(), profile, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_field() {
        let good = print(&profiles::find("desktop7200").unwrap()).unwrap();
        let rows = [
            ("surfaces 4", "surfaces four", "`surfaces` is four"),
            ("surfaces 4", "surfacse 4", "the field `surfaces` is missing"),
            ("depth 32", "depth 32\ndepth 31", "`depth` is there twice"),
            ("depth 32", "depth 32\nbreadth 3", "no field `breadth`"),
            ("[seek three-points]", "[seek guess]", "`seek` is guess"),
            ("[mechanics]", "[mechanics", "a section's name ends with `]`"),
            ("vellum drive 1", "vellum drive 9", "`vellum drive 1` is expected"),
            ("command 200 us", "command 200", "`command` is 200"),
            ("write-back yes", "write-back maybe", "`write-back` is maybe"),
            ("name 7200", "name 72\r00", "text without control characters"),
        ];
        for (from, to, says) in rows {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = parse("x.drive", &text).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("x.drive"), "{to}: {error}");
        }
    }

    proptest! {
        #[test]
        fn damaged_text_is_an_error_or_a_drive(
            cuts in prop::collection::vec((0usize..6000, any::<char>()), 0..6), which in 0usize..3
        ) {
            let text = print(&profiles::find(profiles::NAMES[which]).unwrap()).unwrap();
            let mut chars: Vec<char> = text.chars().collect();
            for (at, c) in cuts {
                let n = chars.len();
                chars[at % n] = c;
            }
            let text: String = chars.into_iter().collect();
            if let Ok(profile) = parse("x", &text) {
                prop_assert_eq!(parse("y", &print(&profile).unwrap()).unwrap(), profile);
            }
        }
    }
}

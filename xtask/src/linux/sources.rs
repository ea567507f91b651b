//! The installed apt sources, with one suite's name in place of another's.
//!
//! Reads both forms that apt knows, one line a source (`sources.list`) and stanzas (`.sources`),
//! and keeps only what names the installed suite: other vendors' archives have no such port.

use std::fs;
use std::path::{Path, PathBuf};

/// All of apt's source lists, as (path, text).
pub fn installed(list: &Path, parts: &Path) -> Vec<(PathBuf, String)> {
    let mut paths = vec![list.to_path_buf()];
    if let Ok(folder) = fs::read_dir(parts) {
        let mut found: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
        found.sort();
        paths.extend(found);
    }
    paths
        .into_iter()
        .filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?)))
        .collect()
}

/// `text` with the suites of `from` renamed to `to`; what names no such suite is left out.
pub fn rename(path: &Path, text: &str, from: &str, to: &str) -> String {
    match path.extension().and_then(|ext| ext.to_str()) {
        Some("sources") => stanzas(text, from, to),
        Some("list") => lines(text, from, to),
        _ => String::new(),
    }
}

/// `bookworm-updates` with `bookworm` renamed to `trixie` is `trixie-updates`; a suite of another
/// name is none. The rolling suite has no companions.
fn suite(name: &str, from: &str, to: &str) -> Option<String> {
    let rest = name.strip_prefix(from)?;
    let companion = rest.starts_with('-') || rest.starts_with('/');
    match rest.is_empty() || (companion && to != "sid") {
        true => Some(format!("{to}{rest}")),
        false => None,
    }
}

fn lines(text: &str, from: &str, to: &str) -> String {
    text.lines().filter_map(|line| one_line(line, from, to)).map(|line| line + "\n").collect()
}

/// `deb [options] URI SUITE COMPONENT…`; an architecture option would hide the port.
fn one_line(line: &str, from: &str, to: &str) -> Option<String> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => ("", rest),
    };
    let options: Vec<&str> =
        options.split_whitespace().filter(|option| !option.starts_with("arch")).collect();
    let mut words = rest.split_whitespace();
    let (uri, name) = (words.next()?, suite(words.next()?, from, to)?);
    let components: Vec<&str> = words.collect();
    let options = match options.is_empty() {
        true => String::new(),
        false => format!("[{}] ", options.join(" ")),
    };
    Some(format!("deb {options}{uri} {name} {}", components.join(" ")))
}

fn stanzas(text: &str, from: &str, to: &str) -> String {
    let text: String =
        text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    text.split("\n\n").filter_map(|stanza| one_stanza(stanza, from, to)).collect()
}

fn one_stanza(stanza: &str, from: &str, to: &str) -> Option<String> {
    let mut out = String::new();
    let mut named = false;
    let mut skipping = false;
    for line in stanza.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with([' ', '\t']) {
            if !skipping {
                out += &format!("{line}\n");
            }
            continue;
        }
        let (key, value) = line.split_once(':')?;
        let (field, value) = (key.trim().to_ascii_lowercase(), value.trim());
        skipping = field == "architectures";
        match field.as_str() {
            "architectures" => {}
            "enabled" if value.eq_ignore_ascii_case("no") => return None,
            "types" if !value.split_whitespace().any(|kind| kind == "deb") => return None,
            "types" => out += "Types: deb\n",
            "suites" => {
                let names: Vec<_> =
                    value.split_whitespace().filter_map(|name| suite(name, from, to)).collect();
                named = !names.is_empty();
                out += &format!("Suites: {}\n", names.join(" "));
            }
            _ => out += &format!("{line}\n"),
        }
    }
    named.then(|| out + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, text: &str, want: &str) {
        assert_eq!(rename(Path::new(file), text, "bookworm", "trixie"), want, "{text}");
    }

    #[test]
    fn only_the_installed_suite_is_renamed() {
        check("a.list", "deb http://a/debian bookworm main\n", "deb http://a/debian trixie main\n");
        check(
            "a.list",
            "deb [arch=amd64 signed-by=/k.gpg] http://a bookworm-updates main contrib # why\n",
            "deb [signed-by=/k.gpg] http://a trixie-updates main contrib\n",
        );
        check("a.list", "deb http://b vendor-bookworm main\n# deb http://a bookworm main\n", "");
        check("a.list", "deb-src http://a bookworm main\ndeb http://c bookwormish main\n", "");
        check("a.save", "deb http://a/debian bookworm main\n", "");
    }

    #[test]
    fn stanzas_keep_their_key_and_lose_their_architectures() {
        check(
            "a.sources",
            "# c\nTypes: deb deb-src\nURIs: http://a\nSuites: bookworm other bookworm-updates\n\
             Components: main\nArchitectures: amd64\n i386\nSigned-By:\n key\n key2\n",
            "Types: deb\nURIs: http://a\nSuites: trixie trixie-updates\nComponents: main\n\
             Signed-By:\n key\n key2\n\n",
        );
        check("a.sources", "Types: deb\nURIs: http://a\nSuites: nodistro\nComponents: main\n", "");
        check("a.sources", "Enabled: no\nTypes: deb\nURIs: u\nSuites: bookworm\n", "");
        check("a.sources", "Types: deb-src\nURIs: u\nSuites: bookworm\n", "");
    }

    #[test]
    fn the_rolling_suite_has_no_companions() {
        let text = "deb u bookworm main\ndeb u bookworm-security main\n";
        assert_eq!(rename(Path::new("a.list"), text, "bookworm", "sid"), "deb u sid main\n");
    }
}

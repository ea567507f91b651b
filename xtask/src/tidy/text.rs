//! What may not stand in a file.

use crate::shell::root;
use std::fs;

/// Source that is not done, spelled in two parts so that this file does not hold it.
const UNDONE: [(&str, &str); 6] = [
    ("todo", "!("),
    ("unimplemented", "!("),
    ("#[ig", "nore"),
    ("FIX", "ME"),
    ("TO", "DO"),
    ("XX", "X"),
];
/// Folders of one person's or one machine's file system, and hosts that only fetch packages: a
/// repository that names them works in one place.
const ELSEWHERE: [(&str, &str); 8] = [
    ("/ho", "me/"),
    ("/ro", "ot/"),
    ("/wo", "rk/"),
    ("/Use", "rs/"),
    ("deb.deb", "ian.org"),
    ("snapshot.deb", "ian.org"),
    ("static.cr", "ates.io"),
    ("registry.npm", "js.org"),
];

/// Checks every file of `names`, relative to the workspace's root.
pub fn check(names: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for name in names {
        // Binary files and files that are deleted but still listed are none of this.
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        problems.extend(check_text(name, &text));
    }
    problems
}

fn check_text(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let rust = name.ends_with(".rs");
    if rust && !text.starts_with("//!") {
        problems.push(format!("{name}: does not open with `//!`"));
    }
    for (number, line) in text.lines().enumerate() {
        let at = number + 1;
        if let Some(word) = find(line, &UNDONE).filter(|_| rust) {
            problems.push(format!("{name}:{at}: `{word}`"));
        }
        if let Some(word) = find(line, &ELSEWHERE).filter(|_| !name.ends_with(".lock")) {
            problems.push(format!("{name}:{at}: names `{word}`, which is one machine's"));
        }
        if line.ends_with([' ', '\t']) && !name.ends_with(".md") {
            problems.push(format!("{name}:{at}: trailing space"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push(format!("{name}: no newline at the end"));
    }
    problems
}

/// The first of `words` that stands in `line` with no letter or digit before it.
fn find(line: &str, words: &[(&str, &str)]) -> Option<String> {
    words.iter().map(|(head, tail)| format!("{head}{tail}")).find(|word| {
        line.match_indices(word.as_str()).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|char| char.is_alphanumeric() || char == '_' || char == '.')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_rule_is_named_with_its_line() {
        let undone = format!("//! A.\nfn a() {{ {}{}) }}\n", UNDONE[0].0, UNDONE[0].1);
        assert_eq!(check_text("a.rs", &undone).len(), 1);
        assert!(check_text("a.rs", &undone)[0].starts_with("a.rs:2:"));
        assert_eq!(check_text("a.rs", "fn a() {}\n"), ["a.rs: does not open with `//!`"]);
        let path = format!("see {}{}me/x\n", ELSEWHERE[1].0, ELSEWHERE[1].1);
        assert_eq!(check_text("a.md", &path).len(), 1);
        assert_eq!(check_text("a.md", "the framework/tree and a/root.img\n"), Vec::<String>::new());
        assert_eq!(check_text("a.rs", "//! a").len(), 1);
    }
}

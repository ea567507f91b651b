//! The licences of everything that is built in.

use super::metadata::Metadata;
use std::collections::BTreeMap;

/// Licences that fit `MIT OR Apache-2.0` code without a further duty on whoever uses it.
const ACCEPTED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Where packages may come from: the public registry, as Cargo names it in every lock file.
const SOURCES: [&str; 2] = ["registry+", "sparse+"];

pub fn check(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let (name, version) = (&package.name, &package.version);
        match package.license.as_deref() {
            Some(licence) if accepted(licence) => {}
            Some(licence) => problems.push(format!("{name} {version}: licence {licence}")),
            None => problems.push(format!("{name} {version}: names no licence")),
        }
        if let Some(source) = &package.source
            && !SOURCES.iter().any(|prefix| source.starts_with(prefix))
        {
            problems.push(format!("{name} {version}: comes from {source}, not from the registry"));
        }
    }
    problems
}

pub fn print(metadata: &Metadata) {
    let mut counts = BTreeMap::new();
    for package in &metadata.packages {
        *counts.entry(package.license.as_deref().unwrap_or("none")).or_insert(0) += 1;
    }
    let mut counts: Vec<(&str, u32)> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (u32::MAX - count, *name));
    counts.iter().for_each(|(name, count)| println!("{count:4}  {name}"));
}

/// An SPDX expression is accepted where one of its alternatives is, whole. `AND` binds tighter
/// than `OR`; the old form `A/B` means `A OR B`.
fn accepted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut good = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        good |= all_of(words, at);
    }
    good
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut good = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        good &= one(words, at);
    }
    good
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let good = any_of(words, at);
        *at += 1;
        return good;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    ACCEPTED.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn an_expression_is_accepted_by_one_whole_alternative() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-2.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "MIT AND BSD-3-Clause OR GPL-3.0",
        ] {
            assert!(accepted(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-2.0", "", "MIT MIT"] {
            assert!(!accepted(bad), "{bad}");
        }
    }
}

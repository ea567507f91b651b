//! The house: which crate stands on which floor, and what every crate must have.

use super::metadata::{Metadata, Package};
use std::fs;
use std::path::Path;

/// A crate imports only from floors below its own.
const FLOORS: [(&str, u8); 19] = [
    ("vellum-frames", 0),
    ("vellum-isa", 0),
    ("vellum-block", 0),
    ("vellum-ecc", 0),
    ("vellum-state", 0),
    ("vellum-log", 0),
    ("vellum-translate", 1),
    ("vellum-disk", 1),
    ("vellum-nvm", 1),
    ("vellum-nand", 1),
    ("vellum-remap", 2),
    ("vellum-scavenger", 2),
    ("vellum-pager", 2),
    ("vellum-recover", 2),
    ("vellum-replay", 2),
    ("vellum-hart", 2),
    ("vellum-ftl", 2),
    ("vellum", 3),
    ("vellum-machine", 4),
];

/// Crates that may hold `unsafe` code; all others forbid it.
const MAY_BE_UNSAFE: [&str; 7] = [
    "vellum-frames",
    "vellum-hart",
    "vellum",
    "vellum-ecc",
    "vellum-pager",
    "vellum-recover",
    "vellum-remap",
];

/// The idiom of save, restore and hash, which its neighbours on the lowest floor may use as well.
const EVERYWHERE: &str = "vellum-state";

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, floor)| *floor)
}

pub fn check_floors(metadata: &Metadata) -> Vec<String> {
    metadata
        .ours()
        .flat_map(|package| {
            let own = floor(&package.name);
            package
                .dependencies
                .iter()
                .filter_map(move |dependency| {
                    // Tests may look sideways; what is built may not.
                    let below = floor(&dependency.name)?;
                    let built =
                        dependency.kind.as_deref() != Some("dev") && dependency.name != EVERYWHERE;
                    (built && below >= own?).then(|| {
                        let (name, other) = (&package.name, &dependency.name);
                        format!("{name}: imports {other}, which is not on a floor below it")
                    })
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What each crate under `crates/` must have.
pub fn check_crate(package: &Package) -> Vec<String> {
    let name = &package.name;
    let folder = Path::new(&package.manifest_path).parent().unwrap_or(Path::new("."));
    let mut problems = Vec::new();
    let manifest = fs::read_to_string(&package.manifest_path).unwrap_or_default();
    if !manifest.contains("[lints]\nworkspace = true") {
        problems.push(format!("{name}: Cargo.toml does not take the workspace's lints"));
    }
    if !folder.parent().is_some_and(|parent| parent.ends_with("crates")) {
        return problems;
    }
    if floor(name).is_none() {
        problems.push(format!("{name}: stands on no floor (xtask/src/tidy/floors.rs)"));
    }
    if folder.file_name().is_none_or(|folder| folder != name.as_str()) {
        problems.push(format!("{name}: its folder has another name"));
    }
    let lib = fs::read_to_string(folder.join("src/lib.rs")).unwrap_or_default();
    if !lib.contains("include_str!(\"../README.md\")") {
        problems.push(format!("{name}: its README's example is not tested (src/lib.rs)"));
    }
    if !fs::read_to_string(folder.join("README.md")).is_ok_and(|text| text.contains("```")) {
        problems.push(format!("{name}: its README has no example"));
    }
    if fs::read_dir(folder.join("examples")).map_or(0, Iterator::count) == 0 {
        problems.push(format!("{name}: has no program under examples/"));
    }
    if !MAY_BE_UNSAFE.contains(&name.as_str()) && !lib.contains("#![forbid(unsafe_code)]") {
        problems.push(format!("{name}: does not forbid unsafe code"));
    }
    let chapter = folder.join("../../docs/src/architecture.md");
    let chapter = fs::read_to_string(chapter).unwrap_or_default();
    let section = chapter.split("\n### ").find(|section| section.starts_with(&format!("`{name}`")));
    if !section.is_some_and(|section| section.contains("**Invariant")) {
        problems.push(format!("{name}: docs/src/architecture.md states no invariant of it"));
    }
    problems
}

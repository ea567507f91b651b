//! That the crates which say so do without `std`, checked with nothing but the host's own target.
//!
//! A crate that is `no_std` and has a panic handler of its own can't be built together with `std`,
//! which has one too: the compiler refuses the second (E0152). So such a crate, over all those that
//! make the claim, is checked; if any of them, or a crate below them, links `std`, the check fails.

use crate::shell::{cargo, root, target_dir};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The crates that claim it, without their default features.
const CRATES: [&str; 7] = ["frames", "isa", "block", "ecc", "ftl", "nand", "translate"];

const SOURCE: &str = "#![no_std]\n\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo<'_>) -> ! \
                      {\n    loop {}\n}\n";

/// Writes the crate to `folder`; the command that checks it.
pub fn check(folder: &Path) -> Result<Command> {
    let crates = root().join("crates");
    let mut manifest = String::from(
        "[package]\nname = \"without-std\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [workspace]\n\n[dependencies]\n",
    );
    let mut source = String::from(SOURCE);
    for name in CRATES {
        let path = crates.join(format!("vellum-{name}"));
        // All that needs no `std`: what needs no heap either is checked by [`without_alloc`].
        let features = if name == "ecc" { ", features = [\"alloc\"]" } else { "" };
        manifest.push_str(&format!(
            "vellum-{name} = {{ path = {:?}, default-features = false{features} }}\n",
            path.display().to_string()
        ));
        source.push_str(&format!("\nuse vellum_{name} as _;\n"));
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/lib.rs"), source)?;
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).context("Cargo.lock")?;
    let mut command = cargo(&["check", "--quiet", "--offline", "--manifest-path"]);
    command.arg(folder.join("Cargo.toml")).env("CARGO_TARGET_DIR", target_dir().join("no-std"));
    Ok(command)
}

/// Checks `vellum-ecc` without a heap: nothing in it or below it may name `alloc`, for nobody links it.
pub fn without_alloc() -> Command {
    let mut command = cargo(&["check", "--quiet", "--offline", "-p", "vellum-ecc"]);
    command.args(["--lib", "--no-default-features"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever says `no_std` in its first lines is checked, and nobody else.
    #[test]
    fn every_crate_that_claims_it_is_checked() {
        let mut claim = Vec::new();
        for entry in fs::read_dir(root().join("crates")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(path.join("src/lib.rs")).unwrap_or_default();
            if text.lines().any(|line| line.starts_with("#![") && line.contains("no_std")) {
                claim.push(name.trim_start_matches("vellum-").to_owned());
            }
        }
        claim.sort();
        let mut checked = CRATES.map(String::from).to_vec();
        checked.sort();
        assert_eq!(claim, checked);
    }
}

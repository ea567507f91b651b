//! `cargo xtask tidy`: the house rules that neither the compiler nor clippy checks.

mod floors;
mod licences;
mod metadata;
mod text;

use crate::shell::root;
use anyhow::{Result, bail};
use metadata::Metadata;
use std::fs;
use std::process::ExitCode;

#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// List the licences of all dependencies, most frequent first
    #[arg(long)]
    licences: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let metadata = metadata::read()?;
    if args.licences {
        licences::print(&metadata);
        return Ok(ExitCode::SUCCESS);
    }
    let problems = problems(&metadata)?;
    problems.iter().for_each(|problem| println!("{problem}"));
    if !problems.is_empty() {
        bail!("{} house rules are broken", problems.len());
    }
    println!(
        "tidy: {} crates, {} packages, nothing to say",
        metadata.ours().count(),
        metadata.packages.len()
    );
    Ok(ExitCode::SUCCESS)
}

/// Everything that breaks a rule, one line each.
fn problems(metadata: &Metadata) -> Result<Vec<String>> {
    let mut problems = text::check(&files()?);
    problems.extend(metadata.ours().flat_map(floors::check_crate));
    problems.extend(floors::check_floors(metadata));
    problems.extend(licences::check(metadata));
    problems.sort();
    problems.dedup();
    Ok(problems)
}

/// What holds what is built or fetched, not what is written; a worktree's `.git` is a file.
const NOT_OURS: [&str; 5] = ["target", ".git", "corpus", "artifacts", "book"];

/// The files of the repository, relative to its root.
fn files() -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            if path.is_dir() && !NOT_OURS.iter().any(|other| name == *other) {
                folders.push(path);
            } else if path.is_file() && name != ".git" {
                names.push(path.strip_prefix(root())?.to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

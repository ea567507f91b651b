//! What the examples share: errors in words, with their causes.

use std::process::ExitCode;

/// What an example returns.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Says what went wrong, in one line, and gives the exit code.
pub fn say(outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprint!("error: {error}");
    let mut cause = error.source();
    while let Some(next) = cause {
        eprint!(": {next}");
        cause = next.source();
    }
    eprintln!();
    ExitCode::FAILURE
}

/// The arguments; `--help` prints `usage` and ends the program. An option of another name is refused, so
/// that it doesn't become a directory.
pub fn arguments(usage: &str) -> Result<Vec<String>, String> {
    let all: Vec<String> = std::env::args().skip(1).collect();
    if all.iter().any(|word| word == "-h" || word == "--help") {
        println!("{usage}");
        std::process::exit(0);
    }
    match all.iter().find(|word| word.starts_with('-')) {
        Some(word) => Err(format!("`{word}` is not known; {usage}")),
        None => Ok(all),
    }
}

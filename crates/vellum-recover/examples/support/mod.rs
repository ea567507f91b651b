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

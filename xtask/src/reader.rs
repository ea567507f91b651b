//! Standard output that nobody reads any more, as behind `| head`: the program ends without a word.

use std::fmt;
use std::panic;
use std::process::exit;

/// What a shell makes of a program that ends so: 128 and the number of SIGPIPE.
pub const GONE: u8 = 141;

/// The reader is gone. As the error of a command it is not shown.
#[derive(Debug)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output has no reader any more")
    }
}

impl std::error::Error for Gone {}

/// Ends the program where printing fails for want of a reader; elsewhere a panic is one.
pub fn watch() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>();
        if message.is_some_and(|text| says_gone(text)) {
            exit(GONE.into());
        }
        others(info);
    }));
}

/// Whether this is what the standard library says when it prints to a pipe that is closed.
fn says_gone(message: &str) -> bool {
    message.starts_with("failed printing to stdout") && message.contains("Broken pipe")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, ErrorKind};

    #[test]
    fn only_a_closed_pipe_ends_the_program() {
        let closed = io::Error::from_raw_os_error(32);
        assert_eq!(closed.kind(), ErrorKind::BrokenPipe);
        assert!(says_gone(&format!("failed printing to stdout: {closed}")));
        let full = io::Error::from_raw_os_error(28);
        assert!(!says_gone(&format!("failed printing to stdout: {full}")));
        assert!(!says_gone("Broken pipe"));
    }
}

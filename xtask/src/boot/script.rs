//! Script files: what is typed at the guest, and what is waited for in between.
//!
//! Each line is typed with its newline. A line `@wait TEXT` holds the next ones back until the guest
//! has printed `TEXT`, and `@at N` until `N` instructions have retired. `@@` stands for a first `@`,
//! and a line that starts with `@#` is a comment.

use anyhow::{Context, Result, bail};
use vellum_replay::{Script, When};

/// Reads a script; errors name the line.
pub fn parse(text: &str) -> Result<Script> {
    let mut script = Script::new();
    let mut when = When::Asked;
    let mut typed = String::new();
    for (number, line) in text.lines().enumerate() {
        let line_error = || format!("line {} of the script", number + 1);
        let Some(command) = line.strip_prefix('@').filter(|rest| !rest.starts_with('@')) else {
            typed += line.strip_prefix('@').unwrap_or(line);
            typed.push('\n');
            continue;
        };
        if command.starts_with('#') {
            continue;
        }
        script = script.then(when, std::mem::take(&mut typed)).with_context(line_error)?;
        when = match command.split_once(' ') {
            Some(("wait", pattern)) => When::Shown(pattern.into()),
            Some(("at", count)) => When::Instret(count.trim().parse().with_context(line_error)?),
            _ => bail!("{}: `{line}` is neither `@wait TEXT` nor `@at N`", line_error()),
        };
    }
    Ok(script.then(when, typed)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_typed_and_commands_hold_them_back() {
        let script = parse("@wait # \nls\n@@home\n@# a remark\n@at 5000\nexit\n").unwrap();
        let pieces: Vec<_> = script.pieces().iter().filter(|(_, text)| !text.is_empty()).collect();
        assert_eq!(*pieces[0], (When::Shown(b"# ".to_vec()), b"ls\n@home\n".to_vec()));
        assert_eq!(*pieces[1], (When::Instret(5000), b"exit\n".to_vec()));
    }

    #[test]
    fn a_wrong_command_is_named() {
        for (text, want) in
            [("a\n@go 3\n", "line 2"), ("@at soon\n", "line 1"), ("@wait \nx\n", "pattern")]
        {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(want), "{error}");
        }
    }
}

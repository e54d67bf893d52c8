//! Questions to a person: only on a terminal, and a password without an echo.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::error::{CommandError, Result};

/// Asks yes or no; `None` where nobody can be asked.
pub(crate) fn confirm(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let mut stderr = io::stderr().lock();
    let _gone = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Reads a password: unseen from a terminal, else the first line of standard input.
pub(crate) fn password() -> Result<String> {
    let stdin = io::stdin();
    let terminal = stdin.is_terminal();
    let before = if terminal { rustix::termios::tcgetattr(&stdin).ok() } else { None };
    if let Some(settings) = &before {
        let mut silent = settings.clone();
        silent.local_modes.remove(rustix::termios::LocalModes::ECHO);
        let _shown = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &silent);
        let mut stderr = io::stderr().lock();
        let _gone = write!(stderr, "Password: ").and_then(|()| stderr.flush());
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(settings) = &before {
        let _same = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, settings);
        let _gone = writeln!(io::stderr());
    }
    read.map_err(|error| CommandError::failed(format!("cannot read the password: {error}")))?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(CommandError::usage("the password is empty")
            .hint("type it when asked, or pipe it in: printf %s \"$PASSWORD\" | dbm password encode"));
    }
    Ok(password.to_owned())
}

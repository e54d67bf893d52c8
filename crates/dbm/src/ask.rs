//! Questions to a person: only on a terminal, and a password without an echo.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio_util::sync::CancellationToken;

use crate::error::{CommandError, Result};

/// How often a question looks whether a stop was asked for.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// The terminal's settings from before its echo was taken away.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Asks yes or no; `None` where nobody can be asked. A stop that is asked for meanwhile is a no, and so is no answer.
pub(crate) fn confirm(question: &str, cancel: &CancellationToken) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    if cancel.is_cancelled() {
        return Some(false);
    }
    prompt(&format!("{question} [y/N] "));
    // What was asked and cannot be answered (a terminal that is gone) is no wish for it either.
    let answer = line(cancel).ok().flatten().unwrap_or_default();
    Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Reads a password: unseen from a terminal, else the first line of standard input.
pub(crate) fn password(cancel: &CancellationToken) -> Result<String> {
    if io::stdin().is_terminal() {
        hide();
        prompt("Password: ");
    }
    let line = line(cancel);
    if show_again() {
        prompt("\n");
    }
    let line = line.map_err(|error| CommandError::failed(format!("cannot read the password: {error}")))?;
    let Some(line) = line else { return Err(CommandError::failed("stopped on request")) };
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(CommandError::usage("the password is empty")
            .hint("type it when asked, or pipe it in: printf %s \"$PASSWORD\" | dbm password encode"));
    }
    Ok(password.to_owned())
}

/// Writes without a lock that would outlast it: while a person thinks, a signal has something to say.
fn prompt(text: &str) {
    let mut stderr = io::stderr();
    let _gone = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// The next line of standard input; `None` once a stop is asked for.
fn line(cancel: &CancellationToken) -> io::Result<Option<String>> {
    // The tasks and the I/O of this worker go on elsewhere.
    tokio::task::block_in_place(|| {
        let stdin = io::stdin();
        // A terminal is readable once a line is there.
        loop {
            if cancel.is_cancelled() {
                return Ok(None);
            }
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LOOK_EVERY)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let mut line = String::new();
        stdin.lock().read_line(&mut line)?;
        Ok(Some(line))
    })
}

/// Takes the terminal's echo away.
fn hide() {
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok(settings) = tcgetattr(io::stdin()) {
        let mut silent = settings.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let _shown = tcsetattr(io::stdin(), OptionalActions::Flush, &silent);
        *before = Some(settings);
    }
}

/// Gives the terminal its echo back, and says whether it was away.
pub(crate) fn show_again() -> bool {
    let settings = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(settings) = &settings {
        let _same = tcsetattr(io::stdin(), OptionalActions::Flush, settings);
    }
    settings.is_some()
}

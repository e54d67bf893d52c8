use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use helpers::redact::Redactor;
use serde_json::Value;

/// Where a command speaks: data on stdout, talk on stderr, both without our passwords.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) colour: bool,
    redactor: Arc<Mutex<Redactor>>,
    bar: Arc<Mutex<Option<indicatif::ProgressBar>>>,
    undelivered: Arc<AtomicBool>,
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

impl Output {
    /// Speaks in colour only to a terminal and where neither `--no-color` nor `NO_COLOR` forbids it.
    pub(crate) fn new(json: bool, quiet: bool, no_colour: bool) -> Self {
        let forbidden = no_colour || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            quiet,
            colour: !forbidden && io::stderr().is_terminal(),
            redactor: Arc::new(Mutex::new(Redactor::new(Vec::<String>::new()))),
            bar: Arc::default(),
            undelivered: Arc::default(),
        }
    }

    /// From now on these words appear nowhere, besides those of before.
    pub(crate) fn hide(&self, secrets: &[String]) {
        let mut redactor = self.redactor.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().for_each(|secret| redactor.add(secret));
    }

    /// The text without our passwords.
    pub(crate) fn scrub(&self, text: &str) -> String {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).scrub(text)
    }

    /// The bar that has to stand aside while a line is written.
    pub(crate) fn set_bar(&self, bar: Option<indicatif::ProgressBar>) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }

    /// Data for people, on stdout. A reader that has gone away is not an error.
    pub(crate) fn data(&self, text: &str) {
        let _gone = write(text);
    }

    /// The one JSON document of a command, on stdout.
    pub(crate) fn document(&self, document: &Value) {
        self.data(&format!("{document:#}\n"));
    }

    /// The report of a command that changed something: JSON if asked for, else lines unless `--quiet`.
    pub(crate) fn report(&self, document: &Value, text: &str) {
        if self.json {
            self.document(&self.scrub_values(document));
        } else if !self.quiet {
            self.data(&self.scrub(text));
        }
    }

    /// What a reading command was asked for: JSON or lines, with `--quiet` too.
    pub(crate) fn answer(&self, document: &Value, text: &str) {
        let written = if self.json { write(&format!("{document:#}\n")) } else { write(text) };
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.error(&format!("error: the answer cannot be written to standard output: {error}"));
            self.undelivered.store(true, Ordering::Relaxed);
        }
    }

    /// Whether an answer did not arrive: then the command has not done what it was asked for.
    pub(crate) fn undelivered(&self) -> bool {
        self.undelivered.load(Ordering::Relaxed)
    }

    /// Talk on stderr, unless `--quiet`.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            self.talk(&self.scrub(line));
        }
    }

    /// A warning on stderr, unless `--quiet`.
    pub(crate) fn warn(&self, line: &str) {
        if !self.quiet {
            let word = self.paint("warning:", "33;1");
            self.talk(&format!("{word} {}", self.scrub(line)));
        }
    }

    /// A line of a failure on stderr; `--quiet` does not silence it.
    pub(crate) fn error(&self, line: &str) {
        let line = self.scrub(line);
        let painted = match line.split_once(' ') {
            Some((word @ "error:", rest)) => format!("{} {rest}", self.paint(word, "31;1")),
            Some((word @ "hint:", rest)) => format!("{} {rest}", self.paint(word, "36;1")),
            _ => line,
        };
        self.talk(&painted);
    }

    /// A JSON document with every text in it scrubbed.
    pub(crate) fn scrub_values(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.scrub(text)),
            Value::Array(values) => values.iter().map(|value| self.scrub_values(value)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.scrub_values(value))).collect()
            }
            other => other.clone(),
        }
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn talk(&self, line: &str) {
        let write = || {
            let _gone = writeln!(io::stderr().lock(), "{line}");
        };
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// Lines of columns, padded to the widest cell of each; the last one is not padded.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (place, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(place) {
                Some(widest) => *widest = (*widest).max(width),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (place, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if place + 1 < row.len() {
                line.push_str(&" ".repeat(widths[place] - cell.chars().count() + 2));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Bytes for people: `1.4 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// A count for people: `12,345`.
pub(crate) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// `1 table`, `7 tables`.
pub(crate) fn plural(number: u64, word: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {word}{ending}", count(number))
}

/// A moment for people and for `--json`: `2026-11-21T01:34:00Z`.
pub(crate) fn moment(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A length of time for people: `30 ms`, `1.25 s`, `2 min 05 s`.
pub(crate) fn duration(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.2} s", time.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(columns(&rows), "a    bb\nccc  d\n");
    }

    #[test]
    fn durations_for_people() {
        let text = |seconds| duration(std::time::Duration::from_secs(seconds));
        assert_eq!([text(0), text(1), text(125), text(3660)], ["0 ms", "1.00 s", "2 min 05 s", "1 h 01 min"]);
    }
}

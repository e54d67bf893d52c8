//! How far long work has come: a bar on a terminal, lines elsewhere, nothing with `--quiet`.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backup::progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{self, Output};

/// What is done sooner needs no bar.
const SHOWN_AFTER: Duration = Duration::from_millis(250);

/// Without a terminal, a line so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows what the crates tell of their work.
pub(crate) struct Shown {
    output: Output,
    terminal: bool,
    phase: Mutex<Option<Phase>>,
    bytes: AtomicU64,
    rows: AtomicU64,
}

struct Phase {
    name: String,
    total: Option<u64>,
    since: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Shown {
    pub(crate) fn new(output: &Output) -> Arc<Self> {
        Arc::new(Self {
            output: output.clone(),
            terminal: std::io::stderr().is_terminal(),
            phase: Mutex::default(),
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        })
    }

    fn end(&self) {
        let ended = self.phase.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(phase) = ended else { return };
        if let Some(bar) = &phase.bar {
            bar.finish_and_clear();
            self.output.set_bar(None);
        } else if phase.since.elapsed() >= Duration::from_secs(1) {
            self.output.say(&format!("{}: done, {}", phase.name, self.far(&phase)));
        }
    }

    /// `1.2 GiB, 3,456 rows in 12.00 s`
    fn far(&self, phase: &Phase) -> String {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let mut text = output::bytes(bytes);
        if let Some(total) = phase.total.filter(|total| *total >= bytes && *total > 0) {
            text.push_str(&format!(" of {}", output::bytes(total)));
        }
        let rows = output::plural(self.rows.load(Ordering::Relaxed), "row");
        format!("{text}, {rows} in {}", output::duration(phase.since.elapsed()))
    }

    fn bar(&self, name: &str, total: Option<u64>) -> Option<ProgressBar> {
        if self.output.quiet || !self.terminal {
            return None;
        }
        let template = match total {
            Some(_) => "{prefix} {bar:24} {bytes}/{total_bytes}, {msg}, {binary_bytes_per_sec}, {eta} left",
            None => "{prefix} {spinner} {bytes}, {msg}, {binary_bytes_per_sec}, {elapsed}",
        };
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::with_template(template).ok()?);
        bar.set_prefix(name.to_owned());
        bar.set_message("0 rows");
        let late = bar.clone();
        // Where there is no thread to be had, there is no bar.
        let _hidden = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(SHOWN_AFTER);
            if !late.is_finished() {
                late.set_draw_target(ProgressDrawTarget::stderr());
                late.enable_steady_tick(Duration::from_millis(200));
            }
        });
        self.output.set_bar(Some(bar.clone()));
        Some(bar)
    }
}

impl Progress for Shown {
    fn note(&self, line: &str) {
        tracing::warn!("{line}");
        self.output.say(line);
    }

    fn phase(&self, name: &str, total_bytes: Option<u64>) {
        self.end();
        self.bytes.store(0, Ordering::Relaxed);
        self.rows.store(0, Ordering::Relaxed);
        let bar = self.bar(name, total_bytes);
        let now = Instant::now();
        let phase = Phase { name: name.to_owned(), total: total_bytes, since: now, last_line: now, bar };
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Some(phase);
    }

    fn advance(&self, bytes: u64, rows: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        let mut guard = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(phase) = guard.as_mut() else { return };
        if let Some(bar) = &phase.bar {
            bar.inc(bytes);
            bar.set_message(output::plural(rows, "row"));
        } else if phase.last_line.elapsed() >= LINE_EVERY {
            phase.last_line = Instant::now();
            self.output.say(&format!("{}: {}", phase.name, self.far(phase)));
        }
    }

    fn done(&self) {
        self.end();
    }
}

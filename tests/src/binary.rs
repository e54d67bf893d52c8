use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Terminal;

/// The folder that cargo builds into.
pub fn target_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.parent().and_then(Path::parent).expect("target/PROFILE/deps/test").to_owned()
}

/// One call of the `dbm` binary, with nothing of the caller's environment that could steer it.
#[derive(Debug)]
pub struct Dbm {
    command: Command,
}

/// What a call ended with.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Dbm {
    /// A call in a folder.
    ///
    /// # Panics
    /// If the binary was not built: `cargo test --workspace` builds it.
    pub fn new(folder: &Path) -> Self {
        let binary = target_folder().join("dbm");
        assert!(
            binary.exists(),
            "{} is missing: run scripts/test, or `cargo build -p dbm`",
            binary.display()
        );
        let mut command = Command::new(binary);
        command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Self { command }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it without waiting.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn(mut self) -> Child {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("dbm starts")
    }

    /// Starts it with all three streams at a terminal.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn_at(mut self, terminal: &Terminal) -> Child {
        let [stdin, stdout, stderr] = std::array::from_fn(|_| terminal.end());
        self.command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().expect("dbm starts")
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(self) -> Ended {
        Ended::of(self.spawn())
    }

    /// Runs it to its end and measures the most memory that it held, in KiB (`VmHWM`).
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run_measured(self) -> (Ended, u64) {
        let child = self.spawn();
        let status = format!("/proc/{}/status", child.id());
        let watcher = std::thread::spawn(move || {
            let mut peak = 0;
            // The high-water mark only rises, and is gone when the process has ended.
            while let Some(now) = std::fs::read_to_string(&status).ok().and_then(|text| high_water(&text)) {
                peak = now;
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        let ended = Ended::of(child);
        (ended, watcher.join().expect("the watcher"))
    }

    /// Runs it, and kills it with SIGKILL once `after` has passed; `None` for its end if it was killed.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run_and_kill(self, after: Duration) -> Option<Ended> {
        let mut child = self.spawn();
        std::thread::sleep(after);
        // Killing one that has ended already does nothing.
        child.kill().expect("SIGKILL");
        let ended = Ended::of(child);
        (ended.code != -1).then_some(ended)
    }
}

impl Ended {
    /// Waits for a child.
    ///
    /// # Panics
    /// If its output cannot be read.
    pub fn of(child: Child) -> Self {
        let output = child.wait_with_output().expect("dbm's output");
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Itself, after checking the exit code.
    ///
    /// # Panics
    /// If the code is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(
            self.code == code,
            "dbm ended with {} instead of {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        self
    }
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Sends a signal to a child that was started here.
///
/// # Panics
/// If it is not there any more.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(process, signal).expect("the signal");
}

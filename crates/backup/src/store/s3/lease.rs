//! Who is writing an archive: a small object `.DATABASE_TIME.part` beside the unfinished upload, which reserves the
//! second that its name has.
//!
//! S3 has no locks. A lease of a process of this machine that has ended is stale at once; one of another machine
//! when nothing has been uploaded for a day.

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// How long nothing must have happened before an upload of another machine is taken for abandoned.
pub(super) const QUIET: TimeDelta = TimeDelta::hours(24);

/// What a lease says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// The machine, for people.
    pub(super) host: String,
    /// The machine's boot and the set of processes that the writer is one of; empty where that is not known.
    pub(super) machine: String,
    /// The process.
    pub(super) process: u32,
    /// When the process began, in the system's ticks, since numbers of processes are used again.
    pub(super) began: u64,
    /// When the lease was taken.
    pub(super) time: DateTime<Utc>,
    /// One of a kind.
    pub(super) nonce: String,
}

impl Lease {
    /// A lease of this process.
    pub(super) fn new(nonce: String) -> Self {
        let process = std::process::id();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            machine: machine().unwrap_or_default(),
            process,
            began: began(process).unwrap_or_default(),
            time: Utc::now(),
            nonce,
        }
    }

    /// Whether its process is known to have ended.
    pub(super) fn is_over(&self) -> bool {
        !self.machine.is_empty()
            && machine().as_deref() == Some(&self.machine)
            && ended(self.began, began(self.process), || is_gone(self.process))
    }
}

/// Whether a process that began then is known to have ended, where one of its number began `now`. What cannot be read
/// (another user's, on a machine that hides those) or was not known when the lease was written says nothing.
fn ended(then: u64, now: Option<u64>, is_gone: impl FnOnce() -> bool) -> bool {
    match now {
        Some(now) if then != 0 => now != then,
        Some(_) => false,
        None => is_gone(),
    }
}

/// Whether the system says that there is no process of that number.
fn is_gone(process: u32) -> bool {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| test_kill_process(process) == Err(Errno::SRCH))
}

fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), processes.display()))
}

/// When a process began; `None` if there is none of that number, or it cannot be read.
fn began(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_over_when_its_process_has_ended() {
        let ours = Lease::new("x".to_owned());
        assert!(!ours.is_over());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut theirs = Lease { process: child.id(), ..ours.clone() };
        theirs.began = began(child.id()).unwrap();
        child.wait().unwrap();
        assert!(theirs.is_over());
        // What cannot be read is not over.
        assert!(!ended(ours.began, None, || is_gone(ours.process)));
        assert!(!Lease { began: 0, ..ours.clone() }.is_over());
        // A process that got its number later is another one.
        assert!(Lease { began: ours.began + 1, ..ours.clone() }.is_over());
        assert!(!Lease { machine: "elsewhere".to_owned(), began: 1, ..ours }.is_over());
    }
}

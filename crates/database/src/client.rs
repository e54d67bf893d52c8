//! Which process holds a session, and whether it is still there.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::SessionId;

/// How the application name of our sessions begins: `dbm PROCESS-STARTED-PLACE@HOST`.
const PREFIX: &str = "dbm ";

impl SessionId {
    /// The session of this very process: its number on the server and when the server says that it began.
    pub fn ours(id: i64, started: String) -> Self {
        let process = std::process::id();
        Self {
            id,
            started,
            client_host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            client_process: process,
            client_started: stat(process).map_or(0, |(_, started)| started),
            client_place: place().unwrap_or_default(),
        }
    }

    /// Whether the client's process is known to be gone. No, wherever that cannot be told from here: on another
    /// host, in another container of this one.
    pub fn client_is_gone(&self) -> bool {
        if self.client_place.is_empty() || place().as_ref() != Some(&self.client_place) {
            return false;
        }
        let Some(process) = i32::try_from(self.client_process).ok().and_then(Pid::from_raw) else {
            return false;
        };
        if test_kill_process(process) == Err(Errno::SRCH) {
            return true;
        }
        // A process of that id is there; if it was started at another time, the id was used again.
        let stat = stat(self.client_process);
        stat.is_some_and(|(ended, started)| {
            ended || self.client_started != 0 && started != self.client_started
        })
    }

    /// The name that its server session bears for those who find the lock taken, of at most `limit` bytes.
    pub(crate) fn name(&self, limit: usize) -> String {
        let Self { client_process, client_started, client_place, client_host, .. } = self;
        let mut name = format!("{PREFIX}{client_process}-{client_started}-{client_place}@{client_host}");
        while name.len() > limit {
            name.pop();
        }
        name
    }

    /// The session that bears a name; `host` where the name is not one of dbm's.
    pub(crate) fn named(id: i64, started: String, name: &str, host: &str) -> Self {
        let named = || {
            let (client, host) = name.strip_prefix(PREFIX)?.split_once('@')?;
            let mut parts = client.splitn(3, '-');
            let process = parts.next()?.parse().ok()?;
            let started = parts.next().and_then(|part| part.parse().ok()).unwrap_or_default();
            Some((process, started, parts.next().unwrap_or_default().to_owned(), host.to_owned()))
        };
        let (client_process, client_started, client_place, client_host) =
            named().unwrap_or_else(|| (0, 0, String::new(), host.to_owned()));
        Self { id, started, client_host, client_process, client_started, client_place }
    }
}

/// Where numbers of processes mean what they mean here: one boot of one machine, and in it one container.
///
/// The kernel gives the number of a namespace to another one later, but never to two that are there at a time. So
/// whoever is alive and has the same place is in the same namespace as we.
/// <https://www.kernel.org/doc/html/latest/admin-guide/sysctl/kernel.html#random>
fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).ok();
    // The times of processes count from another moment in a time namespace, which older kernels do not have.
    let (processes, time) = (namespace("pid")?, namespace("time").unwrap_or_default());
    let place = format!("{} {} {}", boot.trim(), processes.display(), time.display());
    Some(blake3::hash(place.as_bytes()).to_hex()[..12].to_owned())
}

/// Whether a process has ended and only waits for its parent to look, and when it began, in the kernel's ticks:
/// fields 3 and 22 of <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
fn stat(process: u32) -> Option<(bool, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name, in which anything may stand.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    Some((ended, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_only_where_that_can_be_known() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let ours = SessionId::ours(7, "then".to_owned());
        let mut theirs = ours.clone();
        theirs.client_process = child.id();
        theirs.client_started = stat(child.id()).unwrap().1;
        assert!(!ours.client_is_gone() && !theirs.client_is_gone());
        // A number that has been given to another process since, be it to this very one.
        for id in [&ours, &theirs] {
            assert!(SessionId { client_started: id.client_started - 1, ..id.clone() }.client_is_gone());
        }
        child.kill().unwrap();
        while !theirs.client_is_gone() {
            // Its parent, who is this test, has not looked yet.
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.wait().unwrap();
        assert!(theirs.client_is_gone());
        // Containers may share a host's name and not its processes; journals of before name no place.
        for place in ["", "0123456789ab"] {
            assert!(!SessionId { client_place: place.to_owned(), ..theirs.clone() }.client_is_gone());
        }
    }

    #[test]
    fn a_name_tells_who_bears_it() {
        let ours = SessionId::ours(7, "then".to_owned());
        assert!(!ours.client_place.is_empty() && ours.client_started != 0);
        assert_eq!(SessionId::named(7, "then".to_owned(), &ours.name(200), "10.0.0.1"), ours);
        let long = SessionId { client_host: "x".repeat(80), ..ours.clone() };
        let cut = SessionId::named(7, "then".to_owned(), &long.name(63), "10.0.0.1");
        assert_eq!((cut.client_process, &cut.client_place), (ours.client_process, &ours.client_place));
        assert!(long.client_host.starts_with(&cut.client_host));
        let old = SessionId::named(7, "then".to_owned(), "dbm 4711@web-1", "10.0.0.1");
        assert_eq!((old.client_process, old.client_host.as_str()), (4711, "web-1"));
        let other = SessionId::named(7, "then".to_owned(), "psql", "10.0.0.1");
        assert_eq!((other.client_process, other.client_host.as_str()), (0, "10.0.0.1"));
        assert!(!old.client_is_gone() && !other.client_is_gone());
    }
}

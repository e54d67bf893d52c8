//! What the process holds on to, where only the environment that it starts in can say.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process;

use database::{DatabaseUrl, Engine};

use crate::arguments::{Arguments, Global};
use crate::configuration::URL_VARIABLES;

/// The driver of MySQL (`mysql_async`, its `buffer_pool.rs`) has one pool of buffers for the whole process, takes them in
/// turn, and lets each of them keep up to 4 MiB. A query brings as many of them along as it has columns, so that a table of
/// thirty columns and rows of 4 MiB would hold 120 MB for nothing. Rows of the usual sizes fit into these.
const BUFFERS: (&str, &str) = ("MYSQL_ASYNC_BUFFER_SIZE_CAP", "65536");

/// Once something large was freed, glibc takes all that is smaller from its heap, where it leaves holes: 17 MB with rows of
/// 4 MiB. A threshold that is given stays (`mallopt(3)`).
const LARGE: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "2097152");

/// What dbm has set for itself, which no command of the user's is to have.
pub(crate) const OWN: [&str; 2] = [BUFFERS.0, LARGE.0];

/// Starts dbm again with these, in the same process, unless they are there or have no use. Setting them in a process that
/// runs is no safe call, and too late for the second. Where the system refuses, all works without them.
///
/// It takes some milliseconds, which a call that finds nothing to do is not to wait for.
pub(crate) fn bound(arguments: &Arguments) {
    let of_use = arguments.command.moves_rows() || may_be_mysql(&arguments.global);
    if !of_use || std::env::var_os(BUFFERS.0).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let called = std::env::args_os().next();
    if !is_dbm(&program, called.as_deref()) {
        return;
    }
    let mut again = process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    if std::env::var_os(LARGE.0).is_none() {
        again.env(LARGE.0, LARGE.1);
    }
    // It returns only where it fails.
    let _refused = again.args(arguments).env(BUFFERS.0, BUFFERS.1).exec();
}

/// Whether the database may be one of MySQL or MariaDB, before any file is read: one with the configuration or the URL may
/// be a pipe, which gives what it has only once.
fn may_be_mysql(global: &Global) -> bool {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let given: Vec<String> = match (&global.url, &global.url_file) {
        (Some(url), _) => vec![url.clone()],
        (None, Some(_)) => Vec::new(),
        (None, None) => URL_VARIABLES.iter().copied().filter_map(variable).collect(),
    };
    let is_mysql = |url: &String| DatabaseUrl::parse(url).is_ok_and(|url| url.engine() == Engine::Mysql);
    given.is_empty() || given.iter().any(is_mysql)
}

/// Whether a program is the one that was called, and not the loader that was told to load it, or an emulator.
fn is_dbm(program: &Path, called: Option<&OsStr>) -> bool {
    let Some(name) = program.file_name() else { return false };
    let called = called.and_then(|called| Path::new(called).file_name());
    Some(name) == called || name.as_encoded_bytes().starts_with(b"dbm")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn what_may_be_mysql() {
        let may_be = |url: &[&str]| {
            let arguments = ["dbm"].iter().chain(url).chain(&["status"]);
            may_be_mysql(&Arguments::try_parse_from(arguments).unwrap().global)
        };
        assert!(may_be(&["--url", "mysql://root@db/shop"]));
        assert!(may_be(&["--url", "mariadb://root@db/shop"]));
        assert!(may_be(&["--url-file", "/run/secrets/url"]));
        assert!(!may_be(&["--url", "postgres://db/shop"]));
        assert!(!may_be(&["--url", "sqlite:shop.db"]));
    }

    #[test]
    fn a_loader_is_not_started_again() {
        let is_dbm = |program: &str, called: &str| is_dbm(Path::new(program), Some(OsStr::new(called)));
        assert!(is_dbm("/usr/bin/dbm", "dbm"));
        assert!(is_dbm("/opt/dbm-1.2/dbm-1.2", "/usr/bin/migrator"));
        assert!(is_dbm("/opt/migrator", "./migrator"));
        assert!(!is_dbm("/usr/lib64/ld-linux-x86-64.so.2", "./dbm"));
        assert!(!is_dbm("/usr/bin/qemu-aarch64", "dbm"));
    }
}

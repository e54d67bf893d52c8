use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::try_tool;

/// A PostgreSQL server of one test, with settings of its own. It ends with this value, also when the test panics.
#[derive(Debug)]
pub struct OwnServer {
    server: Child,
    port: u16,
    settings: Vec<String>,
    folder: TempDir,
}

/// The number of the user that servers run as, where it is not ourselves: they refuse to be root.
///
/// # Panics
/// If there is no such user.
pub fn server_user() -> Option<u32> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let id = Command::new("id").args(["-u", "postgres"]).output().expect("id");
    Some(String::from_utf8_lossy(&id.stdout).trim().parse().expect("a user `postgres`: run scripts/test"))
}

/// A program that runs as the servers' user and ends with us.
fn as_server(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if server_user().is_some() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg(program).stdin(Stdio::null());
    command
}

fn spawn(folder: &Path, port: u16, settings: &[String]) -> Child {
    let own = folder.join("server");
    let mut command = as_server("postgres");
    command.arg("-D").arg(own.join("data")).args(["-p", &port.to_string()]);
    for setting in settings {
        command.args(["-c", setting]);
    }
    let log = fs::File::create(folder.join("log")).expect("a log");
    command.current_dir(&own).stdout(Stdio::null()).stderr(log).spawn().expect("a server")
}

impl OwnServer {
    /// Starts one with these settings (`max_connections=10`).
    ///
    /// # Panics
    /// If it does not start: then the test has nothing to try.
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("dbm-server-").tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let own = folder.path().join("server");
        fs::create_dir(&own).expect("a folder");
        chown(&own, server_user(), None).expect("its owner");
        let data = own.join("data");
        let mut initdb = as_server("initdb");
        initdb.arg("-D").arg(&data);
        initdb.args(["-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8", "--no-sync"]);
        let made = initdb.current_dir(&own).output().expect("initdb: run scripts/test");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let socket = format!("unix_socket_directories={}", own.display());
        let own_settings = ["listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=16MB", &socket];
        let settings: Vec<String> = own_settings.iter().chain(settings).map(ToString::to_string).collect();
        let server = spawn(folder.path(), port, &settings);
        let mut started = Self { server, port, settings, folder };
        started.comes_up();
        started
    }

    /// Stops it by a signal and starts it again: `INT` ends the sessions and then itself, `QUIT` is as a crash.
    ///
    /// # Panics
    /// If it does not start again.
    pub fn restart(&mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.server), signal).expect("the signal");
        self.server.wait().expect("its end");
        self.server = spawn(self.folder.path(), self.port, &self.settings);
        self.comes_up();
    }

    fn comes_up(&mut self) {
        let up = self.is_up();
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(up, "the server does not start: {log}");
    }

    fn is_up(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until && matches!(self.server.try_wait(), Ok(None)) {
            if try_tool("psql", &["-qX", &self.url("postgres"), "-c", "SELECT 1"], "").0 == 0 {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of one of its databases, as its superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // It writes to its folder until it is gone.
        let _ = kill_process(Pid::from_child(&self.server), Signal::QUIT);
        let _ = self.server.wait();
    }
}

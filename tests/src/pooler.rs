use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tool;

/// A PgBouncer of one test's own, in front of the server of a URL.
#[derive(Debug)]
pub struct Pooler {
    _folder: TempDir,
    process: Child,
    port: u16,
}

impl Pooler {
    /// Starts one; `mode` is `transaction` or `session`.
    ///
    /// # Panics
    /// If there is none, or it does not start: `scripts/test` installs it.
    pub fn start(url: &str, mode: &str) -> Self {
        let (_, place) = url.rsplit_once('@').expect("a URL with a user");
        let server = place.split('/').next().and_then(|place| place.rsplit_once(':'));
        let (host, server_port) = server.expect("a URL with host and port");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let folder = tempfile::Builder::new().prefix("dbm-pooler-").tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        let (configuration, users) = (path("pgbouncer.ini"), path("users.txt"));
        fs::write(&users, "\"postgres\" \"\"\n").expect("users.txt");
        let text = format!(
            "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {users}\npool_mode = {mode}\n"
        );
        fs::write(&configuration, text).expect("pgbouncer.ini");
        // It refuses to run as root.
        let root = rustix::process::getuid().is_root();
        let mut command = if root {
            tool("chown", &["-R", "postgres", folder.path().to_str().expect("UTF-8")], "");
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "pgbouncer"]);
            command
        } else {
            Command::new("pgbouncer")
        };
        // Debian keeps it where only root's PATH leads.
        let mut programs = std::env::var_os("PATH").unwrap_or_default();
        programs.push(":/usr/sbin");
        command.env("PATH", programs).arg("-q").arg(configuration).stdin(Stdio::null());
        let process = command.stderr(Stdio::null()).spawn().expect("pgbouncer is needed (run scripts/test)");
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "pgbouncer does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { _folder: folder, process, port }
    }

    /// The URL of a database through it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::mariadb::client;
use crate::{tool, try_tool};

/// A MariaDB server of one test, for what would touch the accounts of others or end it. It ends with this value.
#[derive(Debug)]
pub struct OwnMariadb {
    server: Child,
    port: u16,
    options: Vec<String>,
    folder: TempDir,
}

fn as_root() -> Option<&'static str> {
    // It has to be told that this is meant.
    rustix::process::geteuid().is_root().then_some("--user=root")
}

/// A starting server removes the temporary files of others that share its folder for them.
fn tmpdir(folder: &Path) -> String {
    format!("--tmpdir={}", folder.display())
}

/// A server of another version that `scripts/test` has prepared: how it is started, and its tables.
fn prepared() -> Option<(Vec<String>, std::path::PathBuf)> {
    let folder = std::path::PathBuf::from(std::env::var_os("DBM_TEST_MARIADB_PREPARED")?);
    let program = std::fs::read_to_string(folder.join("program")).expect("how the server is started");
    Some((program.lines().map(str::to_owned).collect(), folder.join("template")))
}

/// Whether the tests run on MySQL and not on MariaDB.
pub fn is_mysql() -> bool {
    prepared().is_some_and(|(program, _)| program.first().is_some_and(|program| program.ends_with("/mysqld")))
}

/// How Debian's own is started.
fn of_debian() -> Vec<String> {
    let program =
        ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"].into_iter().find(|file| Path::new(file).exists());
    let mut program = vec![program.unwrap_or("mariadbd").to_owned(), "--no-defaults".to_owned()];
    program.extend(as_root().map(str::to_owned));
    program
}

fn spawn(folder: &Path, port: u16, options: &[String]) -> Child {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).args(prepared().map_or_else(of_debian, |(program, _)| program));
    command.args([format!("--datadir={}", path("data")), format!("--socket={}", path("socket"))]);
    command.args([format!("--pid-file={}", path("pid")), format!("--log-error={}", path("log"))]);
    command.args([format!("--port={port}"), "--bind-address=127.0.0.1".to_owned(), tmpdir(folder)]);
    // What is committed survives the server's end, if not the machine's: that is what the tests end.
    command.args([
        "--innodb-flush-log-at-trx-commit=2",
        "--innodb-buffer-pool-size=32M",
        "--event-scheduler=ON",
    ]);
    command.args(options).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a server: run scripts/test")
}

/// Makes the tables of a new server.
fn install(folder: &Path) {
    let data = folder.join("data").display().to_string();
    if let Some((_, template)) = prepared() {
        tool("cp", &["-r", &template.display().to_string(), &data], "");
        return;
    }
    let (data, tmpdir) = (format!("--datadir={data}"), tmpdir(folder));
    let mut arguments =
        vec!["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &data, &tmpdir];
    arguments.extend(as_root());
    tool("mariadb-install-db", &arguments, "");
}

impl OwnMariadb {
    /// Starts one with these options (`--max-allowed-packet=1M`).
    ///
    /// # Panics
    /// If it does not start: then the test has nothing to try.
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("dbm-mariadb-").tempdir().expect("a folder");
        install(folder.path());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let server = spawn(folder.path(), port, &options);
        let mut started = Self { server, port, options, folder };
        started.comes_up();
        started
    }

    /// Kills it, as a crash would, and starts it again.
    ///
    /// # Panics
    /// If it does not start again.
    pub fn crash(&mut self) {
        self.server.kill().expect("SIGKILL");
        self.server.wait().expect("its end");
        self.server = spawn(self.folder.path(), self.port, &self.options);
        self.comes_up();
    }

    fn comes_up(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        let port = self.port.to_string();
        let ask = ["--no-defaults", "-u", "root", "-h", "127.0.0.1", "-P", &port, "-e", "SELECT 1"];
        while Instant::now() < until && matches!(self.server.try_wait(), Ok(None)) {
            if try_tool(client(), &ask, "").0 == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("the server does not start: {log}");
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for OwnMariadb {
    fn drop(&mut self) {
        // It writes to its folder until it is gone.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

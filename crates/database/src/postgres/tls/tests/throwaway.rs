//! A PostgreSQL server of a test's own, whose TLS and pg_hba.conf the test changes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running server. It ends with this value, also when the test panics.
pub(super) struct Throwaway {
    server: Child,
    bin: PathBuf,
    folder: PathBuf,
    pub(super) port: u16,
}

/// The newest server on this machine, where Debian's packages put it, else the one on `PATH`.
fn binaries() -> PathBuf {
    let version = |bin: &PathBuf| {
        let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok()).unwrap_or_default()
    };
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = packaged.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    packaged
        .max_by_key(version)
        .or_else(|| std::env::split_paths(&path).find(|bin| bin.join("initdb").exists()))
        .expect("there is no PostgreSQL server: run scripts/test")
}

/// The number of the user that the server runs as, where it is not ourselves: it refuses to be root.
fn server_user() -> Option<u32> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let id = Command::new("id").args(["-u", "postgres"]).output().unwrap();
    Some(String::from_utf8_lossy(&id.stdout).trim().parse().expect("a user `postgres`: run scripts/test"))
}

/// A program that runs as the server's user and ends with us.
fn as_server(program: PathBuf) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if server_user().is_some() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg(program).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

impl Throwaway {
    pub(super) fn start(folder: &Path) -> Self {
        let (bin, folder) = (binaries(), folder.to_owned());
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let own = folder.join("server");
        fs::create_dir(&own).unwrap();
        chown(&own, server_user(), None).unwrap();
        let mut initdb = as_server(bin.join("initdb"));
        initdb.arg("-D").arg(own.join("data"));
        initdb.args(["-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8", "--no-sync"]);
        let made = initdb.current_dir(&own).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for _ in 0..5 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = as_server(bin.join("postgres"));
            command.arg("-D").arg(own.join("data")).args(["-p", &port.to_string()]);
            for setting in [
                "listen_addresses=127.0.0.1",
                "fsync=off",
                "shared_buffers=16MB",
                "autovacuum=off",
                &format!("unix_socket_directories={}", own.display()),
            ] {
                command.args(["-c", setting]);
            }
            let log = fs::File::create(folder.join("log")).unwrap();
            let server = command.current_dir(&own).stdout(Stdio::null()).stderr(log).spawn().unwrap();
            let mut started = Self { server, bin: bin.clone(), folder: folder.clone(), port };
            if started.is_up() {
                return started;
            }
        }
        panic!("the server does not start: {}", fs::read_to_string(folder.join("log")).unwrap());
    }

    fn is_up(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && self.server.try_wait().unwrap().is_none() {
            if self.administer("SELECT 1").status.success() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        false
    }

    /// The folder of its socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("server")
    }

    /// libpq's own client, with nothing of the caller's environment.
    pub(super) fn psql(&self, url: &str, sql: &str) -> Output {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.env_clear().env("HOME", &self.folder).env("PGCONNECT_TIMEOUT", "10").stdin(Stdio::null());
        psql.args(["-X", "-w", "-At", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]).output().unwrap()
    }

    fn administer(&self, sql: &str) -> Output {
        let socket = self.socket();
        self.psql(
            &format!("postgresql:///postgres?user=postgres&host={}&port={}", socket.display(), self.port),
            sql,
        )
    }

    /// Runs SQL as the superuser, through the socket.
    pub(super) fn run(&self, sql: &str) -> String {
        let done = self.administer(sql);
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }

    /// Who may come in how. Takes effect with the next [`Throwaway::present`].
    pub(super) fn allow(&self, lines: &str) {
        let data = self.socket().join("data");
        fs::write(data.join("pg_hba.conf"), format!("local all all trust\n{lines}")).unwrap();
    }

    /// Shows this certificate from now on, or switches TLS off.
    pub(super) fn present(&self, certificate: Option<&Path>, key: &Path, clients: &Path) {
        let own_key = self.socket().join("server.key");
        if !own_key.exists() {
            fs::copy(key, &own_key).unwrap();
            fs::set_permissions(&own_key, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&own_key, server_user(), None).unwrap();
        }
        let shown = certificate.map(|path| path.display().to_string()).unwrap_or_default();
        if certificate.is_some() {
            self.run(&format!("ALTER SYSTEM SET ssl_cert_file = '{shown}'"));
            self.run(&format!("ALTER SYSTEM SET ssl_key_file = '{}'", own_key.display()));
            self.run(&format!("ALTER SYSTEM SET ssl_ca_file = '{}'", clients.display()));
        }
        self.run(&format!("ALTER SYSTEM SET ssl = {}", if certificate.is_some() { "on" } else { "off" }));
        self.run("SELECT pg_reload_conf()");
        let wanted = certificate.map_or("off".to_owned(), |_| format!("on {shown}"));
        let look = "SELECT rtrim(current_setting('ssl') || ' ' || CASE current_setting('ssl') WHEN 'on'
                     THEN current_setting('ssl_cert_file') ELSE '' END)";
        let until = Instant::now() + Duration::from_secs(10);
        while self.run(look) != wanted {
            assert!(Instant::now() < until, "{}", fs::read_to_string(self.folder.join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        // An immediate shutdown; the child is not reaped yet, so the number is still its own.
        let pid = i32::try_from(self.server.id()).ok().and_then(Pid::from_raw);
        if matches!(self.server.try_wait(), Ok(None))
            && let Some(pid) = pid
        {
            let _ = kill_process(pid, Signal::QUIT);
        }
        let until = Instant::now() + Duration::from_secs(10);
        while matches!(self.server.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.server.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

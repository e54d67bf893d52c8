//! A server of a test's own, for what would touch the others' accounts or takes an option. The tests of `backup` have it too.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Place, Server, Settings};

/// It ends with the test.
pub(crate) struct Own {
    process: Child,
    /// Its superuser in the database `mysql`, through its socket.
    pub(crate) server: Server,
    _folder: tempfile::TempDir,
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a MariaDB server with options that hold no space; as root it has to be told that this is meant.
pub(crate) async fn own(options: &str) -> Own {
    let options: Vec<&str> = options.split_whitespace().collect();
    let folder = tempfile::Builder::new().prefix("dbm-mariadb").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let root = rustix::process::getuid().is_root().then_some("--user=root");
    let mut install = Command::new("mariadb-install-db");
    install.arg("--no-defaults").args(root).arg(format!("--datadir={}", path("data")));
    install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]).args(&options);
    // A starting server removes the temporary files of others that share its folder for them.
    let installed = install.env("TMPDIR", folder.path()).output().unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let programs = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"];
    let program = programs.into_iter().find(|file| Path::new(file).exists());
    let mut command = Command::new(program.unwrap_or("mariadbd"));
    command.arg("--no-defaults").args(root).arg(format!("--datadir={}", path("data")));
    command.args([format!("--socket={}", path("socket")), format!("--pid-file={}", path("pid"))]);
    command.args(["--skip-networking", "--innodb-buffer-pool-size=16M"]).args(&options);
    command.env("TMPDIR", folder.path());
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let settings = Settings {
        user: Some("root".to_owned()),
        database: "mysql".to_owned(),
        place: Place::Socket(folder.path().join("socket")),
        ..Settings::default()
    };
    let own = Own { process, server: Server::new(settings), _folder: folder };
    for _ in 0..600 {
        if own.server.connect(None).await.is_ok() {
            return own;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server does not come up");
}

//! A server of a test's own, for what would touch the others' accounts or takes an option. The tests of `backup` have it too.

use std::path::{Path, PathBuf};
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

/// A server like the one under test, where that is not Debian's: how `scripts/test` starts it, and its folder.
fn prepared() -> Option<(Vec<String>, PathBuf)> {
    let folder = PathBuf::from(std::env::var_os("DBM_TEST_MARIADB_PREPARED")?);
    let program = std::fs::read_to_string(folder.join("program")).expect("how the server is started");
    Some((program.lines().map(str::to_owned).collect(), folder))
}

/// How Debian's own is started; as root it has to be told that this is meant.
fn of_debian() -> Vec<String> {
    let programs = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"];
    let program = programs.into_iter().find(|file| Path::new(file).exists());
    let root = rustix::process::getuid().is_root().then_some("--user=root");
    [program.unwrap_or("mariadbd"), "--no-defaults"].into_iter().chain(root).map(str::to_owned).collect()
}

fn done(command: &mut Command, folder: &Path) {
    // A starting server removes the temporary files of others that share its folder for them.
    let output = command.env("TMPDIR", folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes its tables in the folder, and says how it is started.
fn install(folder: &Path, options: &[&str]) -> Vec<String> {
    let datadir = format!("--datadir={}", folder.join("data").display());
    let Some((program, of_template)) = prepared() else {
        let program = of_debian();
        let mut install = Command::new("mariadb-install-db");
        install.args(&program[1..]).arg(datadir);
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]).args(options);
        done(&mut install, folder);
        return program;
    };
    let decided_once = options.iter().any(|option| option.starts_with("--lower-case-table-names"));
    if program[0].ends_with("/mysqld") && decided_once {
        let mut install = Command::new(&program[0]);
        install.args(&program[1..]).args([datadir.as_str(), "--skip-log-bin", "--initialize-insecure"]);
        done(install.args(options), folder);
    } else {
        done(Command::new("cp").arg("-r").arg(of_template.join("template")).arg(folder.join("data")), folder);
    }
    program
}

/// Starts a server like the one under test with options that hold no space.
pub(crate) async fn own(options: &str) -> Own {
    let options: Vec<&str> = options.split_whitespace().collect();
    let folder = tempfile::Builder::new().prefix("dbm-mariadb").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let program = install(folder.path(), &options);
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).arg(format!("--datadir={}", path("data")));
    command.args([format!("--socket={}", path("socket")), format!("--pid-file={}", path("pid"))]);
    command.args(["--skip-log-bin", "--skip-networking", "--innodb-buffer-pool-size=16M"]).args(&options);
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

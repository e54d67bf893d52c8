//! A fresh database for each test, on the server that `scripts/test` started.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{Server, Settings};
use crate::{DatabaseUrl, quote};

static COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) fn url() -> DatabaseUrl {
    let url =
        std::env::var("DBM_TEST_MARIADB_URL").expect("DBM_TEST_MARIADB_URL is missing: run scripts/test");
    DatabaseUrl::parse(&url).unwrap()
}

pub(crate) fn settings(url: &DatabaseUrl) -> Settings {
    let DatabaseUrl::Mysql(settings) = url else { panic!("a mysql URL") };
    settings.clone()
}

/// A name that no other test has.
pub(crate) fn name(kind: &str) -> String {
    format!("{kind}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs SQL as the superuser, in no database.
pub(crate) async fn administer(sql: &str) {
    let mut connection = Server::new(settings(&url())).connect_nowhere().await.unwrap();
    connection.batch(sql, "").await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    connection.close().await;
}

/// A server whose database is new and empty.
pub(crate) async fn fresh() -> Server {
    named(name("dbm'`test")).await
}

/// The same with a name that the stock tools can write.
pub(crate) async fn fresh_for_tools() -> Server {
    named(name("dbm_test")).await
}

async fn named(name: String) -> Server {
    let quoted = quote::identifier(crate::Engine::Mysql, &name);
    administer(&format!("CREATE DATABASE {quoted}")).await;
    Server::new(settings(&url().with_database(&name)))
}

/// The same database as another account, made now, with these privileges on it.
pub(crate) async fn account(server: &Server, privileges: &str) -> (String, Server) {
    let user = name("u");
    let database = quote::identifier(crate::Engine::Mysql, server.database());
    administer(&format!("CREATE USER {user} IDENTIFIED BY 'p@ss:/w?rd'")).await;
    administer(&format!("GRANT {privileges} ON {database}.* TO {user}")).await;
    let password = Some("p@ss:/w?rd".to_owned().into());
    let settings = Settings { user: Some(user.clone()), password, ..server.settings().clone() };
    (user, Server::new(settings))
}

/// A server of a test's own, for what would touch the others' accounts; it ends with the test.
pub(crate) struct Own {
    process: std::process::Child,
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

/// Starts one; as root it has to be told that this is meant.
pub(crate) async fn own() -> Own {
    use std::process::{Command, Stdio};
    let folder = tempfile::Builder::new().prefix("dbm-mariadb").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let root = rustix::process::getuid().is_root().then_some("--user=root");
    let mut install = Command::new("mariadb-install-db");
    install.arg("--no-defaults").args(root).arg(format!("--datadir={}", path("data")));
    install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    // A starting server removes the temporary files of others that share its folder for them.
    install.env("TMPDIR", folder.path());
    let installed = install.output().unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let program = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"]
        .into_iter()
        .find(|file| std::path::Path::new(file).exists());
    let mut command = Command::new(program.unwrap_or("mariadbd"));
    command.arg("--no-defaults").args(root).arg(format!("--datadir={}", path("data")));
    command.args([format!("--socket={}", path("socket")), format!("--pid-file={}", path("pid"))]);
    command.env("TMPDIR", folder.path());
    command.args(["--skip-networking", "--event-scheduler=ON", "--innodb-buffer-pool-size=16M"]);
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let settings = Settings {
        user: Some("root".to_owned()),
        database: "mysql".to_owned(),
        place: super::Place::Socket(folder.path().join("socket")),
        ..Settings::default()
    };
    let own = Own { process, server: Server::new(settings), _folder: folder };
    for _ in 0..600 {
        if own.server.connect(None).await.is_ok() {
            return own;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the server does not come up");
}

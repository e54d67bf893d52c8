use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backup::store::{LocalStore, Store};
use database::mysql::{Place, Settings as ServerSettings};
use database::{Database, DatabaseUrl, Engine};

use super::server::Own;
use crate::files::{Folder, Migration, read};
use crate::history::{self, Applied};
use crate::plan::Allowed;
use crate::{Event, MigrateOptions, Outcome, Question, Report, Runner, Settings, Watch};

/// Every engine, for what is to hold on each; on a round of `scripts/test` for servers of one, that one.
pub(crate) fn engines() -> Vec<Engine> {
    let all = [Engine::Sqlite, Engine::Postgres, Engine::Mysql];
    let Ok(only) = std::env::var("DBM_TEST_ENGINE") else { return all.to_vec() };
    let chosen: Vec<Engine> = all.into_iter().filter(|engine| engine.to_string() == only).collect();
    assert!(!chosen.is_empty(), "DBM_TEST_ENGINE={only} is no engine");
    chosen
}

/// How a run of one group ends that fails: where DDL commits, only the backup is a way back.
pub(crate) fn undone(engine: Engine) -> Outcome {
    if engine == Engine::Mysql { Outcome::PutBack } else { Outcome::NothingChanged }
}

/// A project with a database of its own.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
    /// What the stock tools of its server are called: `mariadb`, or `mysql` where the tests run on MySQL.
    tools: &'static str,
    pub(crate) database: Database,
    pub(crate) settings: Settings,
    pub(crate) watch: Arc<Recorder>,
}

/// Remembers what it saw, and panics where it is told to: the future of the run is then dropped as by a crash.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) events: Mutex<Vec<String>>,
    pub(crate) notes: Mutex<Vec<String>>,
    pub(crate) errors: Mutex<Vec<String>>,
    pub(crate) passwords: Mutex<Vec<String>>,
    pub(crate) crash_at: Mutex<Option<String>>,
}

impl Watch for Recorder {
    fn step(&self, event: &Event) {
        let name = format!("{}:{}", event.step, event.moment.word());
        self.events.lock().unwrap().push(name.clone());
        self.errors.lock().unwrap().extend(event.error.clone());
        assert!(self.crash_at.lock().unwrap().as_deref() != Some(&*name), "crashed on request at {name}");
    }

    fn note(&self, message: &str) {
        self.notes.lock().unwrap().push(message.to_owned());
    }

    fn password(&self, _migration: &str, variable: &str, password: &str) {
        self.passwords.lock().unwrap().push(format!("{variable}={password}"));
    }

    fn confirm(&self, _question: &Question) -> bool {
        false
    }
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Sandbox {
    pub(crate) async fn new(engine: Engine) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = match engine {
            Engine::Sqlite => {
                let path = dir.path().join("shop.db");
                std::fs::write(&path, "").unwrap();
                DatabaseUrl::parse(&format!("sqlite://{}", path.display())).unwrap()
            }
            Engine::Mysql => fresh(from_environment("DBM_TEST_MARIADB_URL"), "").await,
            _ => fresh(from_environment("DBM_TEST_POSTGRES_URL"), " TEMPLATE template0").await,
        };
        Self::of(dir, url).await
    }

    /// With a database on a server of the test's own, which the stock tools do not reach.
    pub(crate) async fn on(server: &Own) -> Self {
        let url = DatabaseUrl::Mysql(server.server.settings().clone());
        Self::of(tempfile::tempdir().unwrap(), fresh(url, "").await).await
    }

    async fn of(dir: tempfile::TempDir, url: DatabaseUrl) -> Self {
        for folder in ["migrations", "rollback", "store"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let settings = Settings {
            lock_wait: Duration::from_secs(30),
            lock_timeout: Duration::from_millis(300),
            lock_retries: 3,
            by: "tester".to_owned(),
            ..Settings::default()
        };
        let database = Database::new(url).unwrap();
        let version = database.about().await.unwrap().server_version;
        let tools = if version.ends_with("-MariaDB") { "mariadb" } else { "mysql" };
        Self { dir, tools, database, settings, watch: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn allow(&mut self, allowed: Allowed) {
        self.settings.allowed = allowed;
    }

    pub(crate) fn file(&self, name: &str, text: &str, rollback: &str) -> PathBuf {
        let path = self.path().join("migrations").join(format!("{name}.sql"));
        std::fs::write(&path, text).unwrap();
        std::fs::write(self.path().join("rollback").join(format!("{name}.sql")), rollback).unwrap();
        path
    }

    pub(crate) fn migrations(&self) -> Vec<Migration> {
        read(&Folder { migrations: self.path().join("migrations"), rollback: self.path().join("rollback") })
            .unwrap()
    }

    pub(crate) fn runner(&self) -> Runner {
        let store: Arc<dyn Store> = Arc::new(LocalStore::new(self.path().join("store")));
        let watch: Arc<dyn Watch> = Arc::clone(&self.watch) as Arc<dyn Watch>;
        Runner::new(self.database.clone(), store, self.settings.clone()).with_watch(watch)
    }

    pub(crate) async fn migrate(&self) -> Report {
        self.runner().migrate(&self.migrations(), &MigrateOptions::default()).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.database.session().await.unwrap().execute(sql).await.unwrap();
    }

    pub(crate) async fn ask(&self, sql: &str) -> String {
        let rows = self.database.session().await.unwrap().query(sql).await.unwrap();
        let row = |row: Vec<Option<String>>| {
            row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|")
        };
        rows.into_iter().map(row).collect::<Vec<_>>().join("\n")
    }

    pub(crate) async fn history(&self) -> Vec<Applied> {
        history::read(&mut *self.database.session().await.unwrap()).await.unwrap()
    }

    /// Everything that counts, as the engine's own tool tells it: schema and rows, without what is dbm's.
    pub(crate) fn everything(&self) -> String {
        let dump = match self.database.url() {
            DatabaseUrl::Sqlite(file) => tool("sqlite3", &[&file.path.display().to_string(), ".dump"]),
            DatabaseUrl::Mysql(settings) => self.mysql_dump(&settings),
            _ => {
                let url = format!("{}/{}", self.server(), self.database.name());
                tool("pg_dump", &["--exclude-schema=dbm", "--exclude-table=public.dbm_history*", "-d", &url])
            }
        };
        let mut lines: Vec<&str> = dump
            .lines()
            .filter(|line| !line.contains("dbm_") && !line.contains("restrict ") && !line.contains("setval"))
            .filter(|line| !line.starts_with("-- Host:") && !line.contains(" for database '"))
            .collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// Rows in the order of their keys, without counters, which may be ahead.
    fn mysql_dump(&self, settings: &ServerSettings) -> String {
        let mut arguments = vec!["--skip-dump-date", "--routines", "--events", "--triggers"];
        arguments.extend(["--order-by-primary", "--skip-extended-insert", "--hex-blob"]);
        let (program, more) = match self.tools {
            "mariadb" => ("mariadb-dump", &[][..]),
            _ => ("mysqldump", &["--no-tablespaces", "--set-gtid-purged=OFF"][..]),
        };
        let history = format!("--ignore-table={}.dbm_history", settings.database);
        arguments.extend(more.iter().chain([&history.as_str(), &settings.database.as_str()]));
        let dump = output(stock(program, settings).args(arguments));
        let mut kept = String::new();
        for line in dump.lines() {
            let counter = line.split(' ').find(|word| word.starts_with("AUTO_INCREMENT="));
            kept.push_str(&counter.map_or_else(|| line.to_owned(), |counter| line.replace(counter, "")));
            kept.push('\n');
        }
        kept
    }

    /// Has its server's own client run what a file holds.
    pub(super) fn load(&self, settings: &ServerSettings, file: &Path) {
        let script = std::fs::File::open(file).unwrap();
        output(stock(self.tools, settings).arg(&settings.database).stdin(script));
    }

    /// The PostgreSQL server, for a URL of any of its databases.
    pub(crate) fn server(&self) -> String {
        let url = std::env::var("DBM_TEST_POSTGRES_URL").unwrap();
        url.rsplit_once('/').unwrap().0.to_owned()
    }

    /// What was told besides the steps, one a line.
    pub(crate) fn notes(&self) -> String {
        self.watch.notes.lock().unwrap().join("\n")
    }

    pub(crate) fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.watch.events.lock().unwrap())
    }

    /// Migrates with a crash at a moment; whether it got there.
    pub(crate) async fn crash(&self, at: &str) -> bool {
        let (runner, migrations) = (self.runner(), self.migrations());
        let options = MigrateOptions::default();
        self.crash_in(at, async move { runner.migrate(&migrations, &options).await.map(drop) }).await
    }

    /// Does `work` with a crash at a moment; whether it got there.
    pub(crate) async fn crash_in(
        &self,
        at: &str,
        work: impl Future<Output = backup::Result<()>> + Send + 'static,
    ) -> bool {
        *self.watch.crash_at.lock().unwrap() = Some(at.to_owned());
        let crashed = tokio::spawn(work).await.is_err();
        // A panic while a guard was held poisons nothing that counts here.
        self.watch.crash_at.clear_poison();
        *self.watch.crash_at.lock().unwrap() = None;
        crashed
    }
}

/// The same as SQL of MySQL writes it: names between double quotes are text there.
pub(crate) fn quoted(engine: Engine, sql: &str) -> String {
    if engine == Engine::Mysql { sql.replace('"', "`") } else { sql.to_owned() }
}

fn from_environment(variable: &str) -> DatabaseUrl {
    let url = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is missing: run scripts/test"));
    DatabaseUrl::parse(&url).unwrap()
}

/// A new database on a server.
async fn fresh(url: DatabaseUrl, options: &str) -> DatabaseUrl {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("migrate_{}_{number}", std::process::id());
    let mut session = Database::new(url.clone()).unwrap().session().await.unwrap();
    session.execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
    session.execute(&format!("CREATE DATABASE {name}{options}")).await.unwrap();
    url.with_database(&name)
}

/// A tool of MySQL's or MariaDB's for a server.
fn stock(program: &str, settings: &ServerSettings) -> Command {
    let Place::Tcp { host, port } = &settings.place else { panic!("a port") };
    let mut command = Command::new(program);
    command.args(["--no-defaults", "-h", host, "-P", &port.to_string(), "-u"]);
    command.arg(settings.user.as_deref().unwrap());
    command
}

pub(super) fn tool(program: &str, arguments: &[&str]) -> String {
    output(Command::new(program).args(arguments))
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::mysql;
use crate::mysql::testing::fresh_for_tools;
use crate::postgres::testing::fresh;
use crate::postgres::{self, Server};
use crate::sqlite::{File, Mode};
use crate::{Engine, Statements, script};

fn scripts(engine: Engine) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/script/tests").join(engine.word());
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    scripts
}

/// Whether all of the script ran.
async fn run(session: &mut dyn Statements, text: &str) -> Result<(), String> {
    let statements = script::split(session.engine(), text).map_err(|error| error.to_string())?;
    for statement in &statements {
        script::classify(session.engine(), statement).map_err(|error| error.to_string())?;
        session.run(statement).await.map_err(|error| format!("line {}: {error}", statement.line))?;
    }
    Ok(())
}

fn text_of(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn client(program: &str, server: &Server) -> Command {
    let settings = server.settings();
    let mut command = Command::new(program);
    command.env("PGHOST", &settings.hosts[0].name).env("PGPORT", settings.hosts[0].port.to_string());
    command.env("PGUSER", settings.user.as_deref().unwrap()).env("PGDATABASE", server.database());
    if let Some(password) = &settings.password {
        command.env("PGPASSWORD", secrecy::ExposeSecret::expose_secret(password));
    }
    command
}

fn pg_dump(server: &Server) -> String {
    let dump = text_of(&client("pg_dump", server).output().unwrap());
    // The guard's key is another one each time.
    dump.lines().filter(|line| !line.starts_with('\\') || *line == "\\.").collect::<Vec<_>>().join("\n")
}

/// Runs a script through psql and through dbm, and compares what became of two databases.
async fn compare_with_psql(name: &str, path: &Path) -> Result<(), String> {
    let (theirs, ours) = (fresh().await, fresh().await);
    let psql = client("psql", &theirs).args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(path).output();
    let psql = psql.unwrap();
    let mut session: postgres::Session = ours.session().await.unwrap();
    let result = run(&mut session, &fs::read_to_string(path).unwrap()).await;
    session.rollback().await.unwrap();
    let said = String::from_utf8_lossy(&psql.stderr);
    assert_eq!(psql.status.success(), result.is_ok(), "{name}: {result:?}\n{said}");
    assert_eq!(pg_dump(&theirs), pg_dump(&ours), "{name}");
    result
}

/// The same with sqlite3 and two files.
async fn compare_with_sqlite3(name: &str, path: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (folder.path().join("theirs"), folder.path().join("ours"));
    let mut shell = Command::new("sqlite3");
    shell.arg("-bail").arg(&theirs).stdin(fs::File::open(path).unwrap()).stdout(Stdio::null());
    let shell = shell.output().unwrap();
    let mut session = File::new(&ours, Mode::Create).session().await.unwrap();
    let result = run(&mut session, &fs::read_to_string(path).unwrap()).await;
    drop(session);
    let said = String::from_utf8_lossy(&shell.stderr);
    assert_eq!(shell.status.success(), result.is_ok(), "{name}: {result:?}\n{said}");
    let dump = |file: &Path| text_of(&Command::new("sqlite3").arg(file).arg(".dump").output().unwrap());
    assert_eq!(dump(&theirs), dump(&ours), "{name}");
    result
}

/// The same with mariadb and two databases.
async fn compare_with_mariadb(name: &str, path: &Path) -> Result<(), String> {
    let (theirs, ours) = (fresh_for_tools().await, fresh_for_tools().await);
    // Comments are part of what is kept of a routine, so they are to be sent.
    let mut client = stock("mariadb", &theirs);
    client
        .args(["--comments", "--default-character-set=utf8mb4", theirs.database()])
        .stdin(fs::File::open(path).unwrap());
    let client = client.output().unwrap();
    let mut session = ours.session().await.unwrap();
    let text = fs::read_to_string(path).unwrap();
    let result = run(&mut session, &text).await;
    // A transaction that a failed script has left open would let the dump wait for its tables.
    session.rollback().await.unwrap();
    let said = String::from_utf8_lossy(&client.stderr);
    assert_eq!(client.status.success(), result.is_ok(), "{name}: {result:?}\n{said}");
    // What cannot be cut is refused before anything of it runs; the client runs what it has.
    if script::split(Engine::Mysql, &text).is_err() {
        return result;
    }
    let dump = |server: &mysql::Server| {
        let mut tool = stock("mariadb-dump", server);
        tool.args(["--routines", "--triggers", "--skip-comments", "--hex-blob", server.database()]);
        text_of(&tool.output().unwrap()).replace('\r', "")
    };
    for (one, other) in dump(&theirs).lines().zip(dump(&ours).lines()) {
        assert_eq!(one, other, "{name}");
    }
    assert_eq!(dump(&theirs), dump(&ours), "{name}");
    result
}

fn stock(program: &str, server: &mysql::Server) -> Command {
    let mysql::Place::Tcp { host, port } = &server.settings().place else { panic!("a server by address") };
    let mut command = Command::new(program);
    command.args(["--no-defaults", "-u", server.settings().user.as_deref().unwrap(), "-h", host, "-P"]);
    command.arg(port.to_string());
    command
}

#[tokio::test]
async fn mariadb_makes_the_same_of_each_script() {
    let scripts = scripts(Engine::Mysql);
    assert!(scripts.len() >= 7);
    for path in scripts {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let result = compare_with_mariadb(&name, &path).await;
        assert_eq!(name.starts_with("fails"), result.is_err(), "{name}: {result:?}");
    }
}

#[tokio::test]
async fn psql_makes_the_same_of_each_script() {
    let scripts = scripts(Engine::Postgres);
    assert!(scripts.len() >= 12);
    for path in scripts {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let result = compare_with_psql(&name, &path).await;
        assert_eq!(name.starts_with("fails"), result.is_err(), "{name}: {result:?}");
    }
}

#[tokio::test]
async fn sqlite3_makes_the_same_of_each_script() {
    let scripts = scripts(Engine::Sqlite);
    assert!(scripts.len() >= 5);
    for path in scripts {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let result = compare_with_sqlite3(&name, &path).await;
        assert_eq!(name.starts_with("fails"), result.is_err(), "{name}: {result:?}");
    }
}

const BOTH: &[&str] = &[
    "INSERT INTO l VALUES ('a;')",
    ";",
    ";\n",
    " -- x;'\n",
    "/* ; ' */",
    "\n",
    "INSERT INTO l VALUES ('it''s')",
    "CREATE VIEW v% AS SELECT 'x;' AS \"e;\" FROM l",
    "\r\n",
    "BEGIN;INSERT INTO l VALUES ('t');COMMIT",
];
const SQLITE: &[&str] = &[
    "CREATE TRIGGER t% AFTER DELETE ON l BEGIN INSERT INTO l VALUES (';'); SELECT CASE WHEN 1 THEN 2 END; END",
    "\n# x;\n",
    "\ngo\n",
    "\n/\n",
    "CREATE TABLE [t;%] (`a;` TEXT)",
    "EXPLAIN SELECT 1",
    "/*/ */",
];
const MYSQL: &[&str] = &[
    "INSERT INTO l VALUES ('\\\\'), ('\\';')",
    "\nDELIMITER //\nCREATE PROCEDURE p%() BEGIN SELECT ';'; SELECT 2; END//\nDELIMITER ;\n",
    "\nDELIMITER $$\nINSERT INTO l VALUES (';')$$\nDELIMITER ;\n",
    "\n# x;'\n",
    "/*! INSERT INTO l VALUES (';') */",
    "/*M!100100 INSERT INTO l VALUES ('m;') */",
    "/*M! INSERT INTO l */ VALUES /*! ('*/;') */",
    "INSERT INTO l /*!99999 (nothing; ' */ VALUES ('n')",
    "SET sql_mode = 'ANSI_QUOTES'; CREATE TABLE \"u;%\" (\"'\" TEXT); SET sql_mode = ''",
    "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'; INSERT INTO \"l\" VALUES ('\\'); SET sql_mode = ''",
    "INSERT INTO l VALUES (\"a;'b\")",
    "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; INSERT INTO l VALUES ('\\'); SET sql_mode = ''",
    "CREATE TABLE `t;%` (`a;` TEXT)",
    "INSERT INTO l VALUES ('g') \\g\n",
];
const POSTGRES: &[&str] = &[
    "DO $$ BEGIN INSERT INTO l VALUES (';'); END $$",
    "INSERT INTO l VALUES (E'\\';')",
    "INSERT INTO l VALUES ('\\')",
    "CREATE FUNCTION f%() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
    "INSERT INTO l VALUES ($a$;$$;$a$)",
    "/* /* ; */ ; */",
    "COPY l FROM stdin;\nrow;\n\\.\n",
    "CREATE RULE r% AS ON DELETE TO l DO ALSO (INSERT INTO l VALUES ('r'); SELECT 1)",
];

/// Pieces of scripts at random, half of them ended, so that about half of the scripts fail somewhere.
fn random_script(own: &[&str], seed: &mut u64) -> String {
    let mut next = |below: usize| {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        usize::try_from(*seed % u64::try_from(below).unwrap()).unwrap()
    };
    let mut text = "CREATE TABLE l (x TEXT);\n".to_owned();
    for number in 0..next(10) {
        let from = if next(2) == 0 { BOTH } else { own };
        text += &from[next(from.len())].replace('%', &number.to_string());
        text += [";", ";", ";\n", "", ""][next(5)];
    }
    text
}

#[tokio::test]
async fn random_scripts_come_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.sql");
    // Another run's seed, where somebody looks for more.
    let from: u64 = std::env::var("DBM_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let mut seed = 0x2545_f491_4f6c_dd1d ^ from;
    for _ in 0..60 {
        let text = random_script(SQLITE, &mut seed);
        fs::write(&path, &text).unwrap();
        let _ = compare_with_sqlite3(&format!("{text:?}"), &path).await;
    }
    for _ in 0..12 {
        let text = random_script(MYSQL, &mut seed);
        fs::write(&path, &text).unwrap();
        let _ = compare_with_mariadb(&format!("{text:?}"), &path).await;
    }
    for _ in 0..8 {
        let text = random_script(POSTGRES, &mut seed);
        fs::write(&path, &text).unwrap();
        let _ = compare_with_psql(&format!("{text:?}"), &path).await;
    }
}

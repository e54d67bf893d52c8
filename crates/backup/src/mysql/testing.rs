//! A fresh database for each test, on the server that `scripts/test` started, and the stock tools that judge.

#[path = "../../../database/src/mysql/testing/own.rs"]
mod own;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use database::mysql::{Flavour, Place, Server, Settings};
use database::{Database, DatabaseUrl, Engine, quote, script};

use crate::archive::Archive;
use crate::dump::{BackupOptions, create};
use crate::progress::Silent;
use crate::store::{LocalStore, Store as _};

pub(crate) use own::own;

const EVERYTHING: &str = include_str!("../../../database/src/mysql/catalog/tests/everything.sql");
const EVERYTHING_OF_MYSQL: &str =
    include_str!("../../../database/src/mysql/catalog/tests/everything_mysql.sql");

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A new database on the server that `scripts/test` started.
pub(crate) async fn fresh() -> Server {
    fresh_on("DBM_TEST_MARIADB_URL").await
}

/// A new database on the server whose URL a variable holds.
pub(crate) async fn fresh_on(variable: &str) -> Server {
    let url = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is missing: run scripts/test"));
    let url = DatabaseUrl::parse(&url).unwrap();
    let name = format!("dbm_backup_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let server = |url| match url {
        DatabaseUrl::Mysql(settings) => Server::new(settings),
        other => panic!("{other}"),
    };
    let mut connection = server(url.clone()).connect_nowhere().await.unwrap();
    if variable == "DBM_TEST_MARIADB_URL" {
        let _ = FLAVOUR.set(connection.flavour());
    }
    let sql = format!("CREATE DATABASE {}", quote::identifier(Engine::Mysql, &name));
    connection.batch(&sql, "").await.unwrap();
    server(url.with_database(&name))
}

/// A new account with these rights on a database, and the database as it sees it.
pub(crate) async fn account(source: &Server, rights: &str) -> (String, Server) {
    let user = source.database().replace("dbm_backup", "u");
    let database = source.database();
    run(source, &format!("CREATE USER {user} IDENTIFIED BY 'x'; GRANT {rights} ON {database}.* TO {user}"))
        .await;
    let password = Some("x".to_owned().into());
    (user.clone(), Server::new(Settings { user: Some(user), password, ..source.settings().clone() }))
}

pub(crate) fn client(program: &str, server: &Server) -> Command {
    let Place::Tcp { host, port } = &server.settings().place else { panic!("a server by address") };
    let mut command = Command::new(program);
    command.args(["--no-defaults", "-u", server.settings().user.as_deref().unwrap(), "-h", host, "-P"]);
    command.arg(port.to_string());
    command
}

/// Feeds a script to the stock client; whether it took it.
pub(crate) fn load(server: &Server, script: &[u8]) -> Result<(), String> {
    let mut client = client(if is_mariadb() { "mariadb" } else { "mysql" }, server);
    client.args(["--comments", server.database()]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let written = client.stdin.take().unwrap().write_all(script);
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { written.map_err(|error| error.to_string()) } else { Err(said) }
}

pub(crate) fn mariadb_dump(server: &Server) -> String {
    let mut tool = client(if is_mariadb() { "mariadb-dump" } else { "mysqldump" }, server);
    if !is_mariadb() {
        tool.args(["--no-tablespaces", "--set-gtid-purged=OFF"]);
    }
    tool.args(["--no-data", "--routines", "--events", "--triggers", "--skip-comments", server.database()]);
    let output = tool.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A default of bytes need not be text.
    let mut text = String::new();
    for chunk in output.stdout.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("<{byte:02X}>")));
    }
    text.replace(server.database(), "DATABASE")
}

/// Backs up and gives the archive and, by zstd's own tool, its script.
pub(crate) async fn back_up(
    server: &Server,
    options: &BackupOptions,
) -> (tempfile::TempDir, Archive, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let written = create(&Database::Mysql(server.clone()), &store, options, &Silent).await.unwrap();
    let archive = Archive::open(store.source(&written.name).await.unwrap()).await.unwrap();
    let file = folder.path().join(written.name.to_string());
    let zstd = Command::new("zstd").args(["-dcq"]).arg(file).output().unwrap();
    assert!(zstd.status.success());
    (folder, archive, zstd.stdout)
}

/// Values that bite, of every type, in tables of every engine.
const VALUES: &str = r#"
CREATE TABLE texts (id int PRIMARY KEY, a varchar(50) CHARACTER SET utf8mb4, b varchar(50) CHARACTER SET latin1,
  c text CHARACTER SET ucs2, d varchar(20) CHARACTER SET sjis, e longtext, j json) DEFAULT CHARSET utf8mb4;
CREATE TABLE other_ascii (id int PRIMARY KEY, a varchar(40) CHARACTER SET sjis, b varchar(9) CHARACTER SET swe7);
INSERT INTO other_ascii VALUES (1, _sjis 0x433A5C646972, 'Äåé'), (2, 'plain', _swe7 0x41), (3, '', NULL);
INSERT INTO texts VALUES (1, 'it''s \\ "q"\n\r\t\0\Z %', _latin1 0xE4F6FC80, _ucs2 0x006100E4, _sjis 0x815C, '-- ; /* */', '{"a": "\\"b"}'),
  (2, _utf8mb4 0xF09F9880, '', '', '', '', NULL), (3, NULL, NULL, NULL, NULL, NULL, 'null'), (0, '\\N', 'NULL', ';', 'x ', ' ', '1.0');
CREATE TABLE numbers (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, i bigint, d decimal(65,30), f float, g double,
  h float(9,3), b bit(64), y year, z int(8) zerofill) AUTO_INCREMENT = 1000;
INSERT INTO numbers VALUES (18446744073709551614, -9223372036854775808, -0.000000000000000000000000000001, 16777216, 5e-324,
  1.001, b'1', 0, 7), (2, 9223372036854775807, 99999999999999999999999999999999999, 0.1, 1.7976931348623157e308, -1, 0xFFFFFFFFFFFFFFFF, 2155, 0),
  (3, 0, 0, -3.402823e38, -0e0, 0, 0, 1901, 99999999);
SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00';
CREATE TABLE times (d date, t time(6), dt datetime(6), ts timestamp(6) NULL);
INSERT INTO times VALUES ('0000-00-00', '-838:59:59.999999', '0000-00-00 00:00:00', '2020-10-25 00:30:00.000001'),
  ('2020-02-31', '838:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999'), (NULL, NULL, NULL, NULL);
CREATE TABLE choices (e enum('', 'a', 'ä'), s set('x', 'y', ''));
INSERT INTO choices VALUES ('', ''), ('a', 'x,y'), ('ä', 'y'), ('nothing', 'x'), (NULL, NULL);
SET sql_mode = DEFAULT;
CREATE TABLE bytes (b blob, v varbinary(10), f binary(3), g geometry);
INSERT INTO bytes VALUES (0x00275C0A0D1A, '', 'a', ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326)), ('', NULL, 0x000000, NULL);
CREATE TABLE made_of_others (a int, b int AS (a * 2) STORED, c int AS (a * 3) VIRTUAL, d int DEFAULT 5 INVISIBLE);
INSERT INTO made_of_others (a, d) VALUES (1, 2), (1, 2), (3, 4);
CREATE TABLE no_rows_of_its_own (b int AS (1) STORED);
CREATE TABLE in_my (a int) ENGINE = MyISAM;
CREATE TABLE in_memory (a int) ENGINE = MEMORY;
INSERT INTO in_my VALUES (1), (2); INSERT INTO in_memory VALUES (4);
CREATE TABLE implied (a varchar(10), b longtext NOT NULL, e enum('x', 'COLLATE y') DEFAULT 'x', own varchar(5) COLLATE utf8mb4_bin,
  made varchar(20) AS (CONCAT(a, 'ä')), KEY (a)) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci;
INSERT INTO implied (a, b) VALUES ('ä', 'b'); ALTER TABLE implied ADD c varchar(3), DEFAULT COLLATE utf8mb4_bin, ADD d varchar(4);
CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE a_child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1); INSERT INTO a_child VALUES (1, 1);
CREATE TABLE fired (x int); CREATE TRIGGER tr AFTER INSERT ON parent FOR EACH ROW INSERT INTO fired VALUES (NEW.id);
CREATE VIEW v AS SELECT * FROM parent;
"#;

/// The same of what only MariaDB has.
const VALUES_OF_MARIADB: &str = "
SET check_constraint_checks = 0, innodb_strict_mode = 0;
CREATE TABLE lenient (id int PRIMARY KEY, a int CHECK (a > 0)) ROW_FORMAT = DYNAMIC KEY_BLOCK_SIZE = 8; INSERT INTO lenient VALUES (1, -1);
SET check_constraint_checks = 1, innodb_strict_mode = 1;
CREATE TABLE in_aria (a int) ENGINE = Aria; INSERT INTO in_aria VALUES (3);
CREATE TABLE addresses (u uuid, i6 inet6, i4 inet4);
INSERT INTO addresses VALUES (UUID(), '::1', '1.2.3.4'), (NULL, NULL, NULL);
CREATE TABLE old (a int PRIMARY KEY, b int) WITH SYSTEM VERSIONING;
INSERT INTO old VALUES (1, 1), (2, 2); UPDATE old SET b = 3 WHERE a = 1; DELETE FROM old WHERE a = 2;
CREATE SEQUENCE s START WITH 10 CACHE 100; DO NEXTVAL(s);
";

/// The same of what only MySQL has.
const VALUES_OF_MYSQL: &str = r#"
SET restrict_fk_on_non_standard_key = 0, sql_generate_invisible_primary_key = 1;
CREATE TABLE not_unique (id int PRIMARY KEY, a int, KEY (a)); INSERT INTO not_unique VALUES (1, 1), (2, 1);
CREATE TABLE points_there (a int, FOREIGN KEY (a) REFERENCES not_unique (a)); INSERT INTO points_there VALUES (1), (1);
CREATE TABLE documents (id int PRIMARY KEY, j json);
INSERT INTO documents VALUES (1, JSON_OBJECT('it''s \\"', CAST(19.90 AS DECIMAL(10,2)), 'l', JSON_ARRAY(1.10, 0.5e0, 'x', NULL, -3.000))),
  (2, CAST(12345678901234567890.123456789 AS JSON)), (3, '{"p": 19.9}'), (4, JSON_OBJECT('at', DATE '2020-01-01')),
  (5, '[1e308, 1.0, 5e-324, -0.0, 123456789012345680000, 0.1]'), (6, JSON_ARRAY(CAST(99999999999999999999 AS DECIMAL(20,0))));
SET restrict_fk_on_non_standard_key = 1, sql_generate_invisible_primary_key = 0;
"#;

/// Which kind of server it is that the tests run on.
static FLAVOUR: OnceLock<Flavour> = OnceLock::new();

pub(crate) fn is_mariadb() -> bool {
    *FLAVOUR.get().expect("after `fresh`") == Flavour::MariaDb
}

/// Fills a database with values that bite.
pub(crate) async fn values(server: &Server) {
    run(server, VALUES).await;
    run(server, if is_mariadb() { VALUES_OF_MARIADB } else { VALUES_OF_MYSQL }).await;
}

/// Makes every kind of object that the server has, with names and texts that bite.
pub(crate) async fn everything(server: &Server) {
    run(server, if is_mariadb() { EVERYTHING } else { EVERYTHING_OF_MYSQL }).await;
}

/// Runs a script as the client would.
pub(crate) async fn run(server: &Server, sql: &str) {
    let mut session = server.session().await.unwrap();
    for statement in script::split(Engine::Mysql, sql).unwrap() {
        session.batch(statement.text, statement.text).await.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Rows of a query.
pub(crate) async fn rows(server: &Server, sql: &str) -> Vec<Vec<Option<String>>> {
    server.connect(None).await.unwrap().query(sql, sql).await.unwrap_or_else(|error| panic!("{error}"))
}

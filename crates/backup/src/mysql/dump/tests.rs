use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use database::mysql::{Place, Server};
use database::{Database, DatabaseUrl, Engine, Statements as _, quote};

use crate::archive::{Archive, Aspect, Grade};
use crate::dump::{BackupOptions, create};
use crate::progress::Silent;
use crate::store::{LocalStore, Store as _};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A new database on the server that `scripts/test` started.
async fn fresh() -> Server {
    let url =
        std::env::var("DBM_TEST_MARIADB_URL").expect("DBM_TEST_MARIADB_URL is missing: run scripts/test");
    let url = DatabaseUrl::parse(&url).unwrap();
    let name = format!("dbm_backup_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let server = |url| match url {
        DatabaseUrl::Mysql(settings) => Server::new(settings),
        other => panic!("{other}"),
    };
    let mut connection = server(url.clone()).connect_nowhere().await.unwrap();
    let sql = format!("CREATE DATABASE {}", quote::identifier(Engine::Mysql, &name));
    connection.batch(&sql, "").await.unwrap();
    server(url.with_database(&name))
}

fn client(program: &str, server: &Server) -> Command {
    let Place::Tcp { host, port } = &server.settings().place else { panic!("a server by address") };
    let mut command = Command::new(program);
    command.args(["--no-defaults", "-u", server.settings().user.as_deref().unwrap(), "-h", host, "-P"]);
    command.arg(port.to_string());
    command
}

/// Feeds a script to the stock client; whether it took it.
fn load(server: &Server, script: &[u8]) -> Result<(), String> {
    let mut client = client("mariadb", server);
    client.args(["--comments", server.database()]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let written = client.stdin.take().unwrap().write_all(script);
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { written.map_err(|error| error.to_string()) } else { Err(said) }
}

fn mariadb_dump(server: &Server) -> String {
    let mut tool = client("mariadb-dump", server);
    tool.args(["--no-data", "--routines", "--events", "--triggers", "--skip-comments", server.database()]);
    let output = tool.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().replace(server.database(), "DATABASE")
}

/// Backs up and gives the archive and, by zstd's own tool, its script.
async fn back_up(server: &Server, options: &BackupOptions) -> (tempfile::TempDir, Archive, Vec<u8>) {
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
CREATE TABLE bytes (b blob, v varbinary(10), f binary(3), g geometry, u uuid, i6 inet6, i4 inet4);
INSERT INTO bytes VALUES (0x00275C0A0D1A, '', 'a', ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326), UUID(), '::1', '1.2.3.4'),
  ('', NULL, 0x000000, NULL, NULL, NULL, NULL);
CREATE TABLE generated (a int, b int AS (a * 2) STORED, c int AS (a * 3) VIRTUAL, d int INVISIBLE DEFAULT 5);
INSERT INTO generated (a, d) VALUES (1, 2), (1, 2), (3, 4);
CREATE TABLE no_rows_of_its_own (b int AS (1) STORED);
CREATE TABLE my (a int) ENGINE = MyISAM;
CREATE TABLE ar (a int) ENGINE = Aria;
CREATE TABLE mem (a int) ENGINE = MEMORY;
INSERT INTO my VALUES (1), (2); INSERT INTO ar VALUES (3); INSERT INTO mem VALUES (4);
CREATE TABLE old (a int PRIMARY KEY, b int) WITH SYSTEM VERSIONING;
INSERT INTO old VALUES (1, 1), (2, 2); UPDATE old SET b = 3 WHERE a = 1; DELETE FROM old WHERE a = 2;
CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE a_child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1); INSERT INTO a_child VALUES (1, 1);
CREATE SEQUENCE s START WITH 10 CACHE 100; DO NEXTVAL(s);
CREATE TABLE fired (x int); CREATE TRIGGER tr AFTER INSERT ON parent FOR EACH ROW INSERT INTO fired VALUES (NEW.id);
CREATE VIEW v AS SELECT * FROM parent;
"#;

async fn run(server: &Server, sql: &str) {
    server.session().await.unwrap().execute(sql).await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn the_stock_client_restores_it_to_equal_digests() {
    let (source, copy) = (fresh().await, fresh().await);
    run(&source, VALUES).await;
    let (_folder, archive, script) = back_up(&source, &BackupOptions::default()).await;
    archive.verify_all(&Silent, &tokio_util::sync::CancellationToken::new()).await.unwrap();
    assert_eq!(archive.index().grade, Grade::Exact);
    let text = String::from_utf8(script.clone()).unwrap();
    assert!(text.starts_with("/*M!999999\\- enable the sandbox mode */\n"));
    assert_eq!(text.lines().last(), Some("-- dbm: the archive ends here"));
    assert!(!text.contains(source.database()));
    load(&copy, &script).unwrap();
    let digests = copy.digests().await.unwrap();
    for table in &archive.index().tables {
        assert_eq!(digests[&table.id], table.digest, "{}", table.id);
    }
    assert_eq!(digests, source.digests().await.unwrap());
    assert_eq!(copy.schema().await.unwrap(), source.schema().await.unwrap());
    assert_eq!(mariadb_dump(&copy), mariadb_dump(&source));
    let mut session = copy.session().await.unwrap();
    assert!(session.query("SELECT * FROM fired").await.unwrap().is_empty(), "no trigger fired");
    assert_eq!(session.query("SELECT NEXTVAL(s)").await.unwrap(), [[Some("110".into())]]);
}

#[tokio::test]
async fn one_moment_while_a_writer_is_at_work_and_a_big_table_in_ranges() {
    let source = fresh().await;
    run(&source, "CREATE TABLE big (id int PRIMARY KEY, a int, pad char(250)); CREATE TABLE small (id int PRIMARY KEY, a int);
        INSERT INTO big SELECT seq, 0, REPEAT('x', 250) FROM seq_1_to_150000; INSERT INTO small VALUES (1, 0); ANALYZE TABLE big").await;
    let writer = source.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut session = writer.session().await.unwrap();
        let mut count = 0;
        while stopped.try_recv().is_err() {
            count += 1;
            let sql = format!(
                "START TRANSACTION; UPDATE big SET a = {count} WHERE id IN (1, 75000, 150000); UPDATE small SET a = {count}; COMMIT"
            );
            session.execute(&sql).await.unwrap();
        }
        count
    });
    let options = BackupOptions { jobs: 3, ..BackupOptions::default() };
    let (_folder, archive, script) = back_up(&source, &options).await;
    stop.send(()).unwrap();
    assert!(writing.await.unwrap() > 0);
    let copy = fresh().await;
    load(&copy, &script).unwrap();
    let mut session = copy.session().await.unwrap();
    let seen = session
        .query("SELECT DISTINCT a FROM big WHERE id IN (1, 75000, 150000) UNION SELECT a FROM small")
        .await
        .unwrap();
    assert_eq!(seen.len(), 1, "both tables and all ranges are of one moment: {seen:?}");
    let index = archive.index();
    assert_eq!(index.rows(), 150_001);
    assert!(index.parts.iter().filter(|part| part.aspect == Aspect::Rows).count() > 8);
    let digests = copy.digests().await.unwrap();
    for table in &index.tables {
        assert_eq!(digests[&table.id], table.digest, "{}", table.id);
    }
}

#[tokio::test]
async fn an_account_without_reload_backs_up_with_one_session() {
    let source = fresh().await;
    run(&source, VALUES).await;
    let user = source.database().replace("dbm_backup", "u");
    run(&source, &format!("CREATE USER {user} IDENTIFIED BY 'x'; GRANT SELECT, SHOW VIEW, TRIGGER, LOCK TABLES, EVENT, EXECUTE ON {}.* TO {user}", source.database())).await;
    let settings = database::mysql::Settings {
        user: Some(user),
        password: Some("x".to_owned().into()),
        ..source.settings().clone()
    };
    let (_folder, archive, script) = back_up(&Server::new(settings), &BackupOptions::default()).await;
    assert_eq!(archive.index().grade, Grade::Exact);
    let copy = fresh().await;
    load(&copy, &script).unwrap();
    assert_eq!(copy.digests().await.unwrap(), source.digests().await.unwrap());
}

#[tokio::test]
async fn an_account_that_may_not_see_everything_is_refused() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1")
        .await;
    run(&source, "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1").await;
    let user = source.database().replace("dbm_backup", "u");
    run(&source, &format!("CREATE USER {user} IDENTIFIED BY 'x'")).await;
    let settings = database::mysql::Settings {
        user: Some(user.clone()),
        password: Some("x".to_owned().into()),
        ..source.settings().clone()
    };
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let database = Database::Mysql(Server::new(settings));
    for (grant, unseen) in [
        ("SELECT, SHOW VIEW", "triggers, events, functions and procedures"),
        ("TRIGGER", "events, functions and procedures"),
        ("EVENT", "functions and procedures"),
    ] {
        run(&source, &format!("GRANT {grant} ON {}.* TO {user}", source.database())).await;
        let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
        assert!(error.to_string().ends_with(&format!("has {unseen}")), "{grant}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("GRANT ")), "{error:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_carried_leaves_no_archive() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int); CREATE VIEW v AS SELECT * FROM t; DROP TABLE t").await;
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let database = Database::Mysql(source);
    let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
    assert!(error.to_string().contains("view v"), "{error}");
    let left =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains(".sql")).collect::<Vec<_>>(), [""; 0]);
}

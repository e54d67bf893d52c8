use std::time::Duration;

use secrecy::SecretString;

use super::testing::{account, administer, fresh, name};
use super::*;
use crate::script::Statement;
use crate::{Entry, ErrorKind, Fence as _, Journal as _, Lock as _, Statements as _};

fn statement(text: &str) -> Statement<'_> {
    Statement { text, line: 10, offset: 0, copy_rows: None }
}

fn entry(run: &str, number: u32) -> Entry {
    Entry {
        run: run.into(),
        number,
        at: chrono::Utc::now(),
        step: serde_json::json!({"text": "it's \\ \"x\"\n"}),
    }
}

#[tokio::test]
async fn what_the_server_says_of_itself_and_of_us() {
    let server = fresh().await;
    let about = server.about().await.unwrap();
    let flavour = server.connect(None).await.unwrap().flavour();
    assert_eq!(about.server_version.ends_with("-MariaDB"), flavour == Flavour::MariaDb, "{about:?}");
    assert!(about.superuser && about.may_create_databases && about.may_write && about.may_run);
    assert_eq!(about.database, server.database());
    // MySQL servers have an id of their own.
    assert_eq!(about.source == server.source_by_place(), flavour == Flavour::MariaDb);
    let source = server.ensure_source_id().await.unwrap();
    assert_ne!(source, server.source_by_place());
    assert_eq!(server.ensure_source_id().await.unwrap(), source);
    assert_eq!(server.about().await.unwrap().source, source);

    let (user, plain) = account(&server, "SELECT").await;
    let about = plain.about().await.unwrap();
    assert_eq!(about.account, format!("{user}@%"));
    assert!(!about.superuser && !about.may_create_databases && about.may_write);
    // The database of journals is not its to see, and neither may it make tables.
    assert!(!about.may_run, "{about:?}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let server = fresh().await;
    let (_, known) = account(&server, "SELECT").await;
    let cipher = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";
    let cipher = known.connect(None).await.unwrap().query(cipher, "").await.unwrap();
    let speaks_tls = cipher[0][1].as_deref().is_some_and(|cipher| !cipher.is_empty());
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut settings = known.settings().clone();
        change(&mut settings);
        Server::new(settings)
    };
    for (server, kind, part) in [
        (
            with(&|s| s.password = Some(SecretString::from("no"))),
            ErrorKind::Authentication,
            "refused the password",
        ),
        (with(&|s| s.password = None), ErrorKind::Authentication, "refused `u_"),
        (with(&|s| s.database = "elsewhere".into()), ErrorKind::Permission, "elsewhere"),
        (
            with(&|s| s.place = Place::Tcp { host: "127.0.0.1".into(), port: 1 }),
            ErrorKind::Connection,
            "nothing listens",
        ),
        (
            with(&|s| s.place = Place::Socket("/nowhere/s".into())),
            ErrorKind::Connection,
            "no socket /nowhere/s",
        ),
        if speaks_tls {
            // Nobody signed what a server makes for itself.
            (
                with(&|s| {
                    s.ssl_mode = SslMode::VerifyCa;
                    s.ssl_ca = Some("/nowhere/ca.pem".into());
                }),
                ErrorKind::Io,
                "/nowhere/ca.pem",
            )
        } else {
            (with(&|s| s.ssl_mode = SslMode::Required), ErrorKind::Connection, "does not speak TLS")
        },
        (with(&|s| s.user = None), ErrorKind::Usage, "no user"),
    ] {
        let error = server.connect(None).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.to_string().contains(part) && error.hint().is_some(), "{error:?}");
        assert!(!format!("{error:?}").contains("p@ss"), "{error:?}");
    }
    let mut missing = testing::settings(&testing::url());
    missing.database = "is not there".into();
    let error = Server::new(missing).connect(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoDatabase);
}

#[tokio::test]
async fn a_socket_and_every_printable_character_in_a_password() {
    let server = fresh().await;
    let mut connection = server.connect(None).await.unwrap();
    let socket = connection.value("SELECT @@socket", "").await.unwrap().unwrap();
    let (user, password) = (name("u"), (' '..='~').collect::<String>());
    let literal = crate::quote::literal(crate::Engine::Mysql, &password.replace('\\', ""));
    administer(&format!("CREATE USER {user}@localhost IDENTIFIED BY {literal}")).await;
    administer(&format!("GRANT ALL ON *.* TO {user}@localhost")).await;
    let settings = Settings {
        user: Some(user.clone()),
        password: Some(SecretString::from(password.replace('\\', ""))),
        place: Place::Socket(socket.into()),
        ..server.settings().clone()
    };
    let about = Server::new(settings).about().await.unwrap();
    assert_eq!(about.account, format!("{user}@localhost"));
}

#[tokio::test]
async fn a_statement_says_what_it_did() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.run(&statement("CREATE TABLE t (a int PRIMARY KEY, b tinyint)")).await.unwrap();
    let ran = session.run(&statement("INSERT IGNORE INTO t VALUES (1, 1), (2, 1000)")).await.unwrap();
    assert_eq!(ran.rows, Some(2));
    assert!(ran.notices[0].starts_with("Warning 1264: Out of range"), "{ran:?}");
    let ran = session.run(&statement("SELECT * FROM t; SELECT 1")).await.unwrap();
    assert_eq!((ran.rows, ran.notices.len()), (Some(3), 0));
    let error = session.run(&statement("SELECT 1\nFROM\nFROM t")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.line(), error.sqlstate()),
        (ErrorKind::Statement, Some(12), Some("42000"))
    );
    assert_eq!(
        session.query("SELECT NULL, 'ä', 1.50").await.unwrap(),
        [[None, Some("ä".into()), Some("1.50".into())]]
    );
    let error = session.run(&statement("SELECT 1; SELECT nothing")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Statement, "{error}");
    assert_eq!(session.query("SELECT 5").await.unwrap(), [[Some("5".into())]]);
}

#[tokio::test]
async fn a_transaction_that_a_statement_has_ended_is_noticed() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.execute("CREATE TABLE t (a int)").await.unwrap();
    session.begin(Some(Duration::from_millis(1500))).await.unwrap();
    assert_eq!(session.query("SELECT @@lock_wait_timeout").await.unwrap(), [[Some("2".into())]]);
    session.execute("INSERT INTO t VALUES (1)").await.unwrap();
    session.commit().await.unwrap();
    session.begin(None).await.unwrap();
    session.execute("INSERT INTO t VALUES (2)").await.unwrap();
    session.rollback().await.unwrap();
    for ending in ["CREATE TABLE u (a int)", "COMMIT", "COMMIT; START TRANSACTION"] {
        session.begin(None).await.unwrap();
        session.execute(ending).await.unwrap();
        let error = session.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        session.rollback().await.unwrap();
    }
    assert_eq!(session.query("SELECT a FROM t").await.unwrap(), [[Some("1".into())]]);
}

#[tokio::test]
async fn a_lock_that_is_waited_for_in_vain_and_one_that_is_cancelled() {
    let server = fresh().await;
    let (mut first, mut second) = (server.session().await.unwrap(), server.session().await.unwrap());
    first.execute("CREATE TABLE t (a int PRIMARY KEY)").await.unwrap();
    first.begin(None).await.unwrap();
    first.execute("INSERT INTO t VALUES (1)").await.unwrap();
    second.set_lock_timeout(Some(Duration::from_secs(1))).await.unwrap();
    for sql in ["ALTER TABLE t ADD b int", "INSERT INTO t VALUES (1)"] {
        let error = second.run(&statement(sql)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
    }
    second.set_lock_timeout(None).await.unwrap();
    let canceller = second.canceller();
    let waiting = tokio::spawn(async move { second.run(&statement("ALTER TABLE t ADD b int")).await });
    while !waiting.is_finished() {
        canceller.cancel().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn one_holds_the_lock_also_while_its_session_is_reset() {
    let server = fresh().await;
    let other = fresh().await;
    let (mut first, mut second) = (server.session().await.unwrap(), server.session().await.unwrap());
    assert!(first.try_lock().await.unwrap() && first.try_lock().await.unwrap());
    assert!(!second.try_lock().await.unwrap());
    assert!(other.session().await.unwrap().try_lock().await.unwrap(), "another database's is another one");
    assert_eq!(second.lock_holder().await.unwrap().unwrap().id, first.id().id);
    first.begin_run(&entry("one", 0)).await.unwrap();
    assert_eq!(second.lock_holder().await.unwrap().as_ref(), Some(first.id()));

    first
        .execute("SET @x = 1, sql_mode = '', autocommit = 0; CREATE TEMPORARY TABLE own (a int); USE mysql")
        .await
        .unwrap();
    let trying = tokio::spawn(async move {
        for _ in 0..100 {
            assert!(!second.try_lock().await.unwrap(), "the lock was had while it was held");
        }
        second
    });
    for _ in 0..5 {
        first.reset().await.unwrap();
    }
    let mut second = trying.await.unwrap();
    let now = first
        .query("SELECT @x, @@autocommit, @@sql_mode <> '', DATABASE(), @@character_set_client")
        .await
        .unwrap();
    let database = server.database().to_owned();
    let one = Some("1".to_owned());
    assert_eq!(now, [[None, one.clone(), one, Some(database), Some("utf8mb4".into())]]);
    assert!(first.query("SELECT * FROM own").await.is_err());
    first.unlock().await.unwrap();
    assert!(second.try_lock().await.unwrap());
}

#[tokio::test]
async fn the_session_of_a_client_that_is_gone_is_ended() {
    let server = fresh().await;
    let (mut first, mut orphan) = (server.session().await.unwrap(), server.session().await.unwrap());
    assert!(orphan.try_lock().await.unwrap());
    let id = orphan.id().clone();
    let mut later = id.clone();
    later.started = later.started.replacen(|c: char| c.is_ascii_digit(), "9", 3);
    assert!(!first.end_session(&later).await.unwrap(), "another session of the same number is left alone");
    let running = tokio::spawn(async move { orphan.run(&statement("SELECT SLEEP(100)")).await });
    assert!(!first.try_lock().await.unwrap());
    assert!(first.end_session(&id).await.unwrap());
    assert!(!first.end_session(&id).await.unwrap());
    assert!(first.try_lock().await.unwrap());
    assert!(running.await.unwrap().is_err());
}

#[tokio::test]
async fn the_journal_keeps_the_last_run_of_its_own_database() {
    let (server, other) = (fresh().await, fresh().await);
    let mut session = server.session().await.unwrap();
    assert_eq!(session.entries().await.unwrap(), []);
    let [first, second, third] = [entry("one", 0), entry("one", 1), entry("two", 0)];
    session.begin_run(&first).await.unwrap();
    session.append(&second).await.unwrap();
    assert_eq!(session.entries().await.unwrap(), [first, second]);
    let mut elsewhere = other.session().await.unwrap();
    assert_eq!(elsewhere.entries().await.unwrap(), []);
    elsewhere.begin_run(&third).await.unwrap();
    assert_eq!(session.entries().await.unwrap().len(), 2);

    session.begin(None).await.unwrap();
    session.mark_committed("one", 0).await.unwrap();
    session.rollback().await.unwrap();
    assert_eq!(session.committed("one").await.unwrap(), [0_u32; 0]);
    session.begin(None).await.unwrap();
    session.mark_committed("one", 1).await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(session.committed("one").await.unwrap(), [1]);
    assert!(session.mark_committed("one", 2).await.is_err());
    session.begin_run(&third).await.unwrap();
    assert_eq!(session.committed("one").await.unwrap(), [0_u32; 0]);
    assert_eq!(session.entries().await.unwrap(), [third]);
}

#[tokio::test]
async fn an_account_that_may_make_no_database_keeps_the_journal_in_its_own() {
    let server = fresh().await;
    let (_, plain) = account(&server, "ALL PRIVILEGES").await;
    assert!(plain.about().await.unwrap().may_run);
    let mut session = plain.session().await.unwrap();
    let first = entry("one", 0);
    session.begin_run(&first).await.unwrap();
    assert_eq!(session.entries().await.unwrap(), [first]);
    let tables = session.query("SHOW TABLES").await.unwrap();
    let tables: Vec<String> = tables.into_iter().flatten().flatten().collect();
    assert_eq!(tables, ["dbm_committed", "dbm_journal", "dbm_source"]);
    let source = plain.ensure_source_id().await.unwrap();
    assert_eq!(plain.about().await.unwrap().source, source);
    assert_ne!(source, plain.source_by_place());
}

/// Values of one type, each the nearest that differs from the one before it.
const NEIGHBOURS: &[(&str, &[&str])] = &[
    ("tinyint", &["-128", "-127", "0", "127", "NULL"]),
    ("bigint unsigned", &["0", "18446744073709551614", "18446744073709551615"]),
    ("bigint", &["-9223372036854775808", "-9223372036854775807"]),
    ("int(5) zerofill", &["1", "10"]),
    ("decimal(65,30)", &["0.000000000000000000000000000001", "0", "-0.000000000000000000000000000001"]),
    (
        "float",
        &[
            "16777214",
            "16777215",
            "16777216",
            "0.1e0",
            "0.10000001e0",
            "1e-45",
            "0",
            "3.4028235e38",
            "3.4028233e38",
        ],
    ),
    ("float(10,4)", &["1.0001", "1.0002"]),
    (
        "double",
        &["1e0", "1.0000000000000002e0", "0.1e0", "0.1e0+0.2e0", "0.3e0", "5e-324", "1.7976931348623157e308"],
    ),
    ("double(20,3)", &["4503599627370496.001", "4503599627370497.002"]),
    ("bit(64)", &["b'0'", "b'1'", "0xFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFE"]),
    ("bit(1)", &["b'0'", "b'1'", "NULL"]),
    ("date", &["'0000-00-00'", "'2020-00-00'", "'2020-02-31'", "'9999-12-31'"]),
    ("time(6)", &["'-838:59:59.999999'", "'00:00:00.000001'", "'00:00:00'", "'-00:00:00.000001'"]),
    ("datetime(6)", &["'0000-00-00 00:00:00'", "'2020-01-01 00:00:00.000001'", "'2020-01-01 00:00:00'"]),
    // The hour that comes twice where clocks are put back is two in UTC.
    ("timestamp(6)", &["'2020-10-25 00:30:00'", "'2020-10-25 01:30:00'", "'2020-10-25 00:30:00.000001'"]),
    ("year", &["0", "1901", "2155"]),
    ("char(5)", &["''", "'a'", "'A'", "'ä'", "NULL"]),
    (
        "varchar(5) character set utf8mb4",
        &["'a'", "'a '", "'a\\0'", "_utf8mb4 0xF09F9880", "_utf8mb4 0x61CC88", "'ä'", "'?'"],
    ),
    ("varchar(5) character set latin1", &["_latin1 0x80", "_latin1 0x81", "'?'"]),
    ("varchar(5) character set ucs2", &["_ucs2 0x00610020", "_ucs2 0x0061", "_ucs2 0x6100"]),
    ("varchar(5) character set sjis", &["_sjis 0x815C", "_sjis 0x8160", "'?'"]),
    ("varchar(5) character set binary", &["0x00", "0x0000", "''", "0xFF"]),
    ("binary(3)", &["''", "0x01", "0x000001", "0x20"]),
    ("blob", &["''", "0x00", "0x0A", "0x5C30"]),
    ("longtext", &["'null'", "NULL", "''", "'\\\\N'", "'\\n'", "'\\r\\n'"]),
    ("json", &["'1'", "'1.0'", "'\"1\"'", "'null'", "NULL", "'{\"a\": 1}'", "'{\"a\":1}'"]),
    ("enum('','a','1')", &["''", "'a'", "'1'", "NULL"]),
    ("set('a','b','')", &["'a'", "'b'", "'a,b'", "''", "NULL"]),
    ("geometry", &["POINT(1,1)", "POINT(1,1.0000000000000002)", "ST_GeomFromText('POINT(1 1)', 4326)"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000001'", "'10000000-0000-0000-0000-000000000000'", "NULL"]),
    ("inet6", &["'::1'", "'::2'", "'::ffff:1.2.3.4'", "'::1.2.3.4'"]),
    ("inet4", &["'0.0.0.0'", "'0.0.0.1'"]),
];

#[tokio::test]
async fn neighbouring_values_of_every_type_have_different_digests() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.execute("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'").await.unwrap();
    let mut tables = Vec::new();
    let mariadb = server.connect(None).await.unwrap().flavour() == Flavour::MariaDb;
    let known = |kind: &str| mariadb || !["uuid", "inet6", "inet4"].contains(&kind);
    for (place, (kind, values)) in NEIGHBOURS.iter().enumerate().filter(|(_, (kind, _))| known(kind)) {
        // MySQL keeps documents, and MariaDB their text.
        let written_otherwise = |value: &str| !mariadb && value == "'{\"a\":1}'";
        for (number, value) in values.iter().enumerate().filter(|(_, value)| !written_otherwise(value)) {
            let name = format!("t_{place:02}_{number}");
            session.execute(&format!("CREATE TABLE {name} (v {kind} NULL)")).await.unwrap();
            session
                .execute(&format!("INSERT INTO {name} VALUES ({value})"))
                .await
                .unwrap_or_else(|e| panic!("{kind} {value}: {e}"));
            tables.push((name, *kind, *value));
        }
    }
    let digests = server.digests().await.unwrap();
    let of = |name: &str| digests.iter().find(|(id, _)| id.name == name).unwrap().1;
    for (place, (name, kind, value)) in tables.iter().enumerate() {
        assert_eq!(of(name).rows, 1);
        for (other, _, second) in tables[place + 1..].iter().filter(|(_, other, _)| other == kind) {
            assert_ne!(of(name).digest, of(other).digest, "{kind}: {value} and {second}");
        }
    }
}

/// The values of a query's rows, and whether they came as the server keeps them.
async fn read(connection: &mut Connection, sql: &str) -> (Vec<Vec<Option<String>>>, bool) {
    let mut rows = values::Rows::of(connection, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let kept = matches!(rows, values::Rows::Kept(_));
    let (mut room, mut found) = (values::Room::default(), Vec::new());
    while let Some(row) = rows.next().await.unwrap() {
        let text = |value: Option<&[u8]>| value.map(|value| value.escape_ascii().to_string());
        found.push(room.values(&row).map(text).collect());
    }
    rows.end().await.unwrap();
    (found, kept)
}

/// Reads a query's rows both ways, which must be the same.
async fn read_both_ways(connection: &mut Connection, sql: &str) -> bool {
    let (found, kept) = read(connection, sql).await;
    let (printed, otherwise) = read(connection, &format!("{sql} /* ? */")).await;
    assert!(!otherwise && !printed.is_empty());
    for (ours, theirs) in found.iter().zip(&printed) {
        assert_eq!(ours, theirs, "{sql}");
    }
    assert_eq!(found.len(), printed.len());
    kept
}

#[tokio::test]
async fn values_are_printed_as_the_server_prints_them() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.execute("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'").await.unwrap();
    let mut connection = server.connect(None).await.unwrap();
    connection.batch(rows::ROW_SESSION, "").await.unwrap();
    let mariadb = connection.flavour() == Flavour::MariaDb;
    let more: Vec<(String, Vec<&str>)> = (0..=6)
        .flat_map(|decimals| {
            let (day, odd) = ("'2020-02-29 23:59:59.987654'", "'-0:00:00.5'");
            let times = vec!["'838:59:59'", "'-100:01:02.345678'", "'9:08:07.000009'", odd, "0", "NULL"];
            [
                (format!("datetime({decimals})"), vec![day, "'0001-01-01'", "'0000-00-00'", "NULL"]),
                (format!("timestamp({decimals})"), vec![day, "'1970-01-02 03:04:05'"]),
                (format!("time({decimals})"), times),
            ]
        })
        .chain(["tinyint", "smallint", "mediumint", "int", "bigint"].into_iter().flat_map(|kind| {
            let all = vec!["0", "-1", "127", "NULL"];
            [(kind.to_owned(), all), (format!("{kind} unsigned"), vec!["0", "255", "9"])]
        }))
        .collect();
    let known = NEIGHBOURS.iter().map(|(kind, values)| ((*kind).to_owned(), values.to_vec()));
    for (number, (kind, values)) in known.chain(more).enumerate() {
        if !mariadb && ["uuid", "inet6", "inet4"].contains(&kind.as_str()) {
            continue;
        }
        let values: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
        let table = format!("t_{number}");
        session.execute(&format!("CREATE TABLE {table} (v {kind} NULL)")).await.unwrap();
        session.execute(&format!("INSERT INTO {table} VALUES {}", values.join(","))).await.unwrap();
        let mut column = rows::RowColumn { name: "v".into(), read: rows::Read::Text, charset: String::new() };
        if kind.starts_with("float") || kind.starts_with("double") {
            column.read = rows::Read::Float;
        } else if kind.starts_with("enum") || kind.starts_with("set") {
            column.read = rows::Read::Choice;
        }
        let kept =
            read_both_ways(&mut connection, &format!("SELECT {} FROM {table}", column.expression())).await;
        let here =
            ["int", "double", "datetime(6)", "time(0)", "timestamp(3)", "date", "json", "blob", "bit(64)"];
        assert!(kept || !here.contains(&kind.as_str()), "{kind} comes as the server prints it");
    }
}

#[tokio::test]
async fn numbers_with_a_point_are_printed_as_the_server_prints_them() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.execute("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v double)").await.unwrap();
    // Powers of two have the most digits, and lie between two shortest ones; powers of ten have the fewest.
    let mut all: Vec<f64> = (0..2047_u64).map(|exponent| f64::from_bits(exponent << 52)).collect();
    all.extend((0..52).map(|bit| f64::from_bits(1 << bit)));
    for neighbour in all.clone() {
        all.extend([neighbour.next_up(), neighbour.next_down()]);
    }
    for exponent in -323..=308 {
        let digits = ["1", "9.5", "1.2345678901234567", "9.999999999999999", "1.23456789012345"];
        all.extend(digits.map(|digits| format!("{digits}e{exponent}").parse::<f64>().unwrap()));
    }
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..4000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.extend([f64::from_bits(seed), (seed >> 40) as f64 / 1000.0, (seed >> 12) as f64]);
    }
    all.extend([0.0, f64::MAX, f64::MIN_POSITIVE, 0.1 + 0.2]);
    all.retain(|number| number.is_finite());
    for some in all.chunks(5000) {
        let values: Vec<String> = some.iter().map(|number| format!("({number:e}),(-({number:e}))")).collect();
        session.execute(&format!("INSERT INTO t (v) VALUES {}", values.join(","))).await.unwrap();
    }
    let mut connection = server.connect(None).await.unwrap();
    assert!(read_both_ways(&mut connection, "SELECT CAST(v AS DOUBLE) FROM t ORDER BY id").await);
}

#[tokio::test]
async fn a_server_without_prepared_statements_prints_its_rows() {
    let own = testing::own().await;
    let mut connection = own.server.connect(None).await.unwrap();
    connection.batch("SET GLOBAL max_prepared_stmt_count = 0", "").await.unwrap();
    let (rows, kept) = read(&mut connection, "SELECT 1, 0.5e0").await;
    assert_eq!((rows, kept), (vec![vec![Some("1".to_owned()), Some("0.5".to_owned())]], false));
    let refused = values::Rows::of(&mut connection, "SELECT nothing").await.unwrap_err();
    assert!(refused.to_string().contains("nothing"), "{refused}");
}

#[tokio::test]
async fn history_counts_in_a_digest_and_generated_columns_do_not() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    // MySQL has no history.
    let versioned = if session.flavour() == Flavour::MariaDb { " WITH SYSTEM VERSIONING" } else { "" };
    let versioned =
        format!("CREATE TABLE t (a int PRIMARY KEY, b int){versioned}; INSERT INTO t VALUES (1, 1)");
    session.execute(&versioned).await.unwrap();
    let digest = |digests: std::collections::BTreeMap<crate::ObjectId, crate::TableDigest>| {
        *digests.values().next().unwrap()
    };
    let before = digest(server.digests().await.unwrap());
    session.execute("UPDATE t SET b = 2; UPDATE t SET b = 1").await.unwrap();
    let after = digest(server.digests().await.unwrap());
    let rows = if session.flavour() == Flavour::MariaDb { 3 } else { 1 };
    assert_eq!((before.rows, after.rows), (1, rows));
    session.execute("DROP TABLE t; CREATE TABLE t (a int, g int AS (a + 1) STORED); INSERT INTO t (a) VALUES (2), (1), (1)").await.unwrap();
    let plain = digest(server.digests().await.unwrap());
    session
        .execute("DROP TABLE t; CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (1)")
        .await
        .unwrap();
    assert_eq!(plain, digest(server.digests().await.unwrap()));
    let mut shared = server.session().await.unwrap();
    shared.begin_run(&entry("one", 0)).await.unwrap();
    assert_eq!(server.digests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_fence_keeps_every_other_account_out_and_is_lifted_as_it_was() {
    let own = testing::own().await;
    let mut root = own.server.connect(None).await.unwrap();
    root.batch(
        "CREATE DATABASE shop; CREATE USER app; GRANT ALL ON shop.* TO app; CREATE USER shut ACCOUNT LOCK;
         CREATE USER dbm; GRANT ALL ON *.* TO dbm; CREATE ROLE clerk; CREATE USER dbm_scratch_0123abcd",
        "",
    )
    .await
    .unwrap();
    let of = |user: &str| {
        let settings = own.server.settings().clone();
        Server::new(Settings { user: Some(user.into()), database: "shop".into(), ..settings })
    };
    let (app, server) = (of("app"), of("dbm"));
    let mut inside = app.connect(None).await.unwrap();
    let mut session = server.session().await.unwrap();
    let locked =
        "SELECT user FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.account_locked') = 1 ORDER BY user";
    let before = root.query(locked, "").await.unwrap();

    let state = session.fence_state().await.unwrap();
    session.raise_fence(&state).await.unwrap();
    assert!(inside.batch("SELECT 1", "").await.is_err(), "its session is ended");
    let error = app.connect(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(
        error.to_string().contains("locked") && error.hint().unwrap().contains("dbm recover"),
        "{error:?}"
    );
    assert_eq!(root.value("SELECT @@event_scheduler", "").await.unwrap().as_deref(), Some("OFF"));
    of("dbm_scratch_0123abcd").connect_nowhere().await.expect("another database's rehearsal goes on");
    session.raise_fence(&state).await.unwrap();

    // Whoever comes after us lifts it by what the journal says.
    drop(session);
    let mut later = server.session().await.unwrap();
    for _ in 0..2 {
        later.lift_fence(&state).await.unwrap();
        assert_eq!(root.query(locked, "").await.unwrap(), before, "who was locked before still is");
        assert_eq!(root.value("SELECT @@event_scheduler", "").await.unwrap().as_deref(), Some("ON"));
        app.connect(None).await.unwrap().close().await;
    }

    // Nobody is kept out who works as the account that we are.
    let _other = Server::new(server.settings().clone()).connect(None).await.unwrap();
    let error = later.fence_state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    // Nor can an account without the right to lock others raise one.
    let mut plain = app.session().await.unwrap();
    let error = plain.fence_state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
}

/// A limit that the server gives to all its sessions would cut every table short in silence.
#[tokio::test]
async fn what_a_server_gives_its_sessions_is_no_matter() {
    let own = testing::own().await;
    let mut root = own.server.connect(None).await.unwrap();
    let globals = "SET GLOBAL sql_select_limit = 1, GLOBAL autocommit = 0, GLOBAL max_join_size = 1";
    root.batch(globals, "").await.unwrap();
    let mut connection = own.server.connect(None).await.unwrap();
    connection.batch("CREATE DATABASE many; USE many; CREATE TABLE t (a int)", "").await.unwrap();
    connection.batch("INSERT INTO t VALUES (1), (2), (3)", "").await.unwrap();
    assert_eq!(connection.query("SELECT a FROM t", "").await.unwrap().len(), 3);
    connection.close().await;
    let left = root.value("SELECT count(*) FROM many.t", "").await.unwrap();
    assert_eq!(left.as_deref(), Some("3"), "what was written is committed");
}

/// Accounts belong to the server: whose fence is lifted first must not let writers into the other database.
#[tokio::test]
async fn fences_of_two_databases_do_not_lift_each_other() {
    let own = testing::own().await;
    let mut root = own.server.connect(None).await.unwrap();
    root.batch(
        "CREATE DATABASE one; CREATE DATABASE two; CREATE USER app; CREATE USER shut ACCOUNT LOCK;
         CREATE USER dbm; GRANT ALL ON *.* TO dbm",
        "",
    )
    .await
    .unwrap();
    let of = |user: &str, database: &str| {
        let settings = own.server.settings().clone();
        Server::new(Settings { user: Some(user.into()), database: database.into(), ..settings })
    };
    let locked = "SELECT user FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.account_locked') = 1 AND user <> 'mariadb.sys' ORDER BY user";
    let before = root.query(locked, "").await.unwrap();
    let mut sessions = [of("dbm", "one").session().await.unwrap(), of("dbm", "two").session().await.unwrap()];
    for (first, second) in [(0, 1), (1, 0)] {
        let mut states = Vec::new();
        for session in &mut sessions {
            let state = session.fence_state().await.unwrap();
            session.raise_fence(&state).await.unwrap();
            states.push(state);
        }
        assert!(root.query(locked, "").await.unwrap().len() > before.len());
        sessions[first].lift_fence(&states[first]).await.unwrap();
        assert!(sessions[second].fence_stands(&states[second]).await.unwrap(), "{first} was lifted first");
        sessions[second].lift_fence(&states[second]).await.unwrap();
        assert_eq!(root.query(locked, "").await.unwrap(), before);
        assert_eq!(root.value("SELECT @@event_scheduler", "").await.unwrap().as_deref(), Some("ON"));
    }
    // One whose database is gone and that was lifted by hand holds nobody.
    let state = sessions[0].fence_state().await.unwrap();
    sessions[0].raise_fence(&state).await.unwrap();
    root.batch("ALTER USER app ACCOUNT UNLOCK; DROP DATABASE one; SET GLOBAL event_scheduler = ON", "")
        .await
        .unwrap();
    let again = sessions[1].fence_state().await.unwrap();
    sessions[1].raise_fence(&again).await.unwrap();
    sessions[1].lift_fence(&again).await.unwrap();
    let open =
        "SELECT COALESCE(JSON_VALUE(priv, '$.account_locked'), 0) FROM mysql.global_priv WHERE user = 'app'";
    assert_eq!(root.value(open, "").await.unwrap().as_deref(), Some("0"));
}

#[tokio::test]
async fn those_who_are_just_going_are_not_in_the_way() {
    let server = fresh().await;
    let theirs = server.session().await.unwrap();
    let ours = Server::new(server.settings().clone());
    let going = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        drop(theirs);
    });
    assert_eq!(ours.others().await.unwrap().len(), 1);
    assert!(ours.others_staying().await.unwrap().is_empty());
    going.await.unwrap();
    let _stays = server.session().await.unwrap();
    assert_eq!(ours.others_staying().await.unwrap().len(), 1);
}

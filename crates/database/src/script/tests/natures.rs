use crate::Engine;
use crate::script::{self, EnumValue, Nature, Pragma, TransactionControl};

fn nature(engine: Engine, text: &str) -> Nature {
    let statements = script::split(engine, text).unwrap();
    assert_eq!(statements.len(), 1, "{text}");
    script::classify(engine, &statements[0]).unwrap()
}

fn pg(text: &str) -> Nature {
    nature(Engine::Postgres, text)
}

#[test]
fn transaction_control() {
    use TransactionControl::{Begin, Commit, Other, Rollback, Savepoint};
    for (text, control) in [
        ("begin", Some(Begin)),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", Some(Begin)),
        ("/* x */ COMMIT WORK", Some(Commit)),
        ("END", Some(Commit)),
        ("ROLLBACK", Some(Rollback)),
        ("ABORT", Some(Rollback)),
        ("SAVEPOINT a", Some(Savepoint)),
        ("ROLLBACK TO SAVEPOINT a", Some(Savepoint)),
        ("ROLLBACK WORK TO a", Some(Savepoint)),
        ("COMMIT PREPARED 'x'", Some(Other)),
        ("PREPARE TRANSACTION 'x'", Some(Other)),
        ("SET TRANSACTION READ ONLY", Some(Other)),
        ("PREPARE p AS SELECT 1", None),
        ("SELECT 'BEGIN'", None),
        ("CREATE TABLE \"begin\" (x int)", None),
    ] {
        assert_eq!(pg(text).transaction, control, "{text}");
    }
    assert_eq!(nature(Engine::Sqlite, "BEGIN IMMEDIATE").transaction, Some(Begin));
    assert_eq!(nature(Engine::Sqlite, "END TRANSACTION").transaction, Some(Commit));
    assert_eq!(nature(Engine::Sqlite, "RELEASE a").transaction, Some(Savepoint));
}

#[test]
fn what_refuses_a_transaction() {
    for text in [
        "VACUUM (FULL) t",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "create unique index concurrently if not exists i on t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (CONCURRENTLY) TABLE t",
        "REINDEX (VERBOSE) DATABASE d",
        "CREATE DATABASE d",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "ALTER DATABASE d SET TABLESPACE x",
        "DROP SUBSCRIPTION s",
        "CLUSTER",
        "DISCARD ALL",
        "DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$",
    ] {
        assert!(pg(text).refuses_transaction.is_some(), "{text}");
    }
    for text in [
        "CREATE INDEX i ON t (\"concurrently\")",
        "CREATE INDEX i ON concurrently (a)",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "CLUSTER t",
        "REINDEX TABLE t",
        "CREATE TABLE t (vacuum int, system int)",
        "COMMENT ON TABLE t IS 'VACUUM'",
        "DO $$ BEGIN RAISE NOTICE 'COMMIT;'; END $$",
        "DISCARD TEMP",
    ] {
        assert_eq!(pg(text).refuses_transaction.filter(|_| !text.contains("NOTICE")), None, "{text}");
    }
    assert!(nature(Engine::Sqlite, "VACUUM").refuses_transaction.is_some());
}

#[test]
fn enum_values_are_found_with_their_names() {
    let added = |type_name: &str, value: &str| {
        Some(EnumValue { type_name: type_name.to_owned(), value: value.to_owned() })
    };
    assert_eq!(pg("ALTER TYPE mood ADD VALUE 'great'").adds_enum_value, added("mood", "great"));
    let text = "alter type s.\"Mood\" add value if not exists 'it''s' before 'x'";
    assert_eq!(pg(text).adds_enum_value, added("Mood", "it's"));
    assert_eq!(pg("ALTER TYPE mood RENAME VALUE 'a' TO 'b'").adds_enum_value, None);
}

#[test]
fn a_later_use_of_a_new_value_is_found() {
    let value = pg("ALTER TYPE mood ADD VALUE 'great'").adds_enum_value.unwrap();
    for (text, uses) in [
        ("UPDATE t SET m = 'great'", true),
        ("UPDATE t SET m = E'great'", true),
        ("DO $$ BEGIN UPDATE t SET m = 'great'; END $$", true),
        ("COPY t FROM stdin;\n1\tgreat\n\\.", true),
        ("COPY t FROM stdin;\n1\tgreater\n\\.", false),
        ("CREATE TABLE great (x text DEFAULT 'greatest')", false),
    ] {
        let statements = script::split(Engine::Postgres, text).unwrap();
        assert_eq!(value.is_used_by(&statements[0]), uses, "{text}");
    }
}

#[test]
fn pragmas_that_matter_to_a_transaction() {
    for (text, pragma) in [
        ("PRAGMA foreign_keys = OFF", Some(Pragma::ForeignKeys)),
        ("pragma main.Foreign_Keys(0)", Some(Pragma::ForeignKeys)),
        ("PRAGMA journal_mode=WAL", Some(Pragma::JournalMode)),
        ("PRAGMA synchronous = OFF", Some(Pragma::Other)),
        ("PRAGMA foreign_keys", None),
        ("PRAGMA user_version = 3", None),
        ("PRAGMA foreign_key_check", None),
    ] {
        let nature = nature(Engine::Sqlite, text);
        assert_eq!(
            (nature.pragma, nature.refuses_transaction.is_some()),
            (pragma, pragma.is_some()),
            "{text}"
        );
    }
}

#[test]
fn what_reaches_beyond_the_database() {
    for text in [
        "CREATE ROLE app LOGIN",
        "ALTER USER app PASSWORD 'x'",
        "DROP GROUP g",
        "GRANT admin TO app",
        "REVOKE admin FROM app",
        "GRANT CONNECT ON DATABASE d TO app",
        "COMMENT ON ROLE app IS 'x'",
        "CREATE TABLESPACE t LOCATION '/x'",
        "ALTER DATABASE d SET work_mem = '1MB'",
        "ALTER SYSTEM RESET ALL",
        "COPY t TO PROGRAM 'sh'",
        "COPY t TO '/tmp/x'",
        "COPY t FROM PROGRAM 'sh'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "DO $$ BEGIN PERFORM 1; COPY t TO PROGRAM 'sh'; END $$",
        "SELECT dblink_exec('dbname=d', 'INSERT INTO t VALUES (42)')",
        "SELECT * FROM public.dblink('dbname=d', 'SELECT 1') AS x (a int)",
        "DO $$ BEGIN PERFORM \"dblink_exec\"('dbname=d', 'x'); END $$",
        "CREATE TABLE t AS SELECT dblink_exec('dbname=d', 'x')",
        "CREATE MATERIALIZED VIEW v AS SELECT * FROM dblink('dbname=d', 'x') AS x (a int)",
        "SELECT lo_export(1, '/tmp/x')",
        "SELECT pg_drop_replication_slot('standby1')",
        "SELECT pg_catalog.pg_create_logical_replication_slot('s', 'pgoutput')",
        "DO $$ BEGIN PERFORM pg_stat_reset(); END $$",
        "SELECT pg_catalog.pg_file_write('x', 'y', false)",
        "DROP OWNED BY app",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN CREATE ROLE app; END IF; END $$",
        "DO $a$ BEGIN EXECUTE 'CREATE ROLE ' || quote_ident('app'); END $a$",
    ] {
        assert!(pg(text).beyond_database.is_some(), "{text}");
    }
    for text in [
        "CREATE USER MAPPING FOR app SERVER s",
        "GRANT SELECT ON t TO app",
        "CREATE TABLE role (id int)",
        "CREATE TABLE \"user\" (id int)",
        "INSERT INTO t VALUES ('CREATE ROLE x')",
        "COPY t FROM stdin;\n\\.",
        "CREATE EXTENSION dblink",
        "CREATE VIEW v AS SELECT * FROM dblink('dbname=d', 'x') AS x (a int)",
        "CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE sql RETURN dblink_exec('dbname=d', 'x')",
        "INSERT INTO t VALUES ('dblink_exec(1)')",
        "SELECT dblink FROM t",
        "DO $$ BEGIN COPY t TO STDOUT; PERFORM 'x'; END $$",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app",
        "DO $$ BEGIN ALTER TABLE t ADD role int; END $$",
    ] {
        assert_eq!(pg(text).beyond_database, None, "{text}");
    }
    for (text, beyond) in [("ATTACH 'x' AS y", true), ("VACUUM INTO 'x'", true), ("VACUUM", false)] {
        assert_eq!(nature(Engine::Sqlite, text).beyond_database.is_some(), beyond, "{text}");
    }
}

#[test]
fn what_touches_names_of_dbm() {
    for text in [
        "DROP SCHEMA dbm CASCADE",
        "DROP SCHEMA IF EXISTS \"dbm\"",
        "DELETE FROM dbm.journal",
        "DELETE FROM public.dbm_history",
        "SET search_path TO dbm, public",
        "DO $$ BEGIN DELETE FROM dbm.committed; END $$",
    ] {
        assert!(pg(text).touches_dbm.is_some(), "{text}");
    }
    for text in ["CREATE TABLE dbm (id int)", "SELECT 'dbm.journal'", "INSERT INTO t VALUES ('dbm_history')"]
    {
        assert_eq!(pg(text).touches_dbm, None, "{text}");
    }
    assert!(nature(Engine::Sqlite, "DROP TABLE [dbm_History]").touches_dbm.is_some());
    for text in [
        "DELETE FROM 'dbm_history'",
        "DROP TABLE main.'DBM_source'",
        "UPDATE OR FAIL 'dbm_committed' SET run = 1",
    ] {
        assert!(nature(Engine::Sqlite, text).touches_dbm.is_some(), "{text}");
    }
    for text in ["DROP TABLE dbm_histories", "INSERT INTO t VALUES ('dbm_history')"] {
        assert_eq!(nature(Engine::Sqlite, text).touches_dbm, None, "{text}");
    }
}

fn my(text: &str) -> Nature {
    let script = format!("DELIMITER //\n{text}");
    let statements = script::split(Engine::Mysql, &script).unwrap();
    assert_eq!(statements.len(), 1, "{text}");
    script::classify(Engine::Mysql, &statements[0]).unwrap()
}

#[test]
fn what_statements_of_mysql_and_mariadb_do() {
    use TransactionControl::{Begin, Commit, Other, Rollback, Savepoint};
    for (text, control) in [
        ("begin", Some(Begin)),
        ("START TRANSACTION READ ONLY", Some(Begin)),
        ("/*! COMMIT */", Some(Commit)),
        ("ROLLBACK", Some(Rollback)),
        ("ROLLBACK TO a", Some(Savepoint)),
        ("XA START 'x'", Some(Other)),
        ("SET autocommit = 0", Some(Other)),
        ("BEGIN NOT ATOMIC SELECT 1; END", None),
        ("BEGIN DELETE FROM t; END", None),
        ("SET STATEMENT max_statement_time = 1 FOR COMMIT", Some(Commit)),
        ("INSERT INTO t VALUES ('COMMIT')", None),
    ] {
        assert_eq!(my(text).transaction, control, "{text}");
    }
    for (text, commits) in [
        ("CREATE TABLE t (a int)", true),
        ("/*!50003 ALTER TABLE t ADD b int */", true),
        ("TRUNCATE t", true),
        ("SET STATEMENT lock_wait_timeout = 1 FOR TRUNCATE t", true),
        ("LOCK TABLES t WRITE", true),
        ("CREATE TEMPORARY TABLE t (a int)", false),
        ("INSERT INTO t VALUES (1)", false),
        ("SET @x = 1", false),
    ] {
        assert_eq!(my(text).refuses_transaction.is_some(), commits, "{text}");
    }
    for text in [
        "USE other",
        "CREATE DATABASE d",
        "ALTER SCHEMA d CHARACTER SET latin1",
        "CREATE OR REPLACE USER u",
        "DROP ROLE r",
        "SET STATEMENT max_statement_time = 1 FOR DROP ROLE r",
        "GRANT ALL ON *.* TO u",
        "SET GLOBAL x = 1",
        "SET @@global.x = 1",
        "SET SESSION a = 1, @@GLOBAL.b = 2",
        "SET PASSWORD = 'x'",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "CREATE AGGREGATE FUNCTION f RETURNS STRING SONAME 'x.so'",
        "CREATE TABLE IF NOT EXISTS other.t (a int)",
        "INSERT INTO `other`.`t` VALUES (1)",
        "DELETE FROM other.t",
        "FLUSH PRIVILEGES",
    ] {
        assert!(my(text).beyond_database.is_some(), "{text}");
    }
    for text in [
        "CREATE TABLE t (a int, `database` int)",
        "CREATE DEFINER = a@b PROCEDURE p() SELECT 1",
        "SET SESSION sql_mode = 'ANSI'",
        "SELECT a.b FROM t a",
        "UPDATE t SET t.a = 1",
        "INSERT INTO t SELECT other.x FROM other",
        "CREATE VIEW v AS SELECT t.a FROM t",
    ] {
        assert_eq!(my(text).beyond_database, None, "{text}");
    }
    assert_eq!(my("DELETE FROM dbm_history").touches_dbm.as_deref(), Some("dbm_history"));
    assert_eq!(my("TRUNCATE `dbm`.journal").touches_dbm.as_deref(), Some("dbm"));
    assert_eq!(my("SELECT dbm FROM t").touches_dbm, None);
}

use crate::Engine;
use crate::script::{self, Hidden};

/// What each of the statements hides that end at `//`.
fn hidden(engine: Engine, script: &str) -> Vec<String> {
    let script = if engine == Engine::Mysql { format!("DELIMITER //\n{script}") } else { script.to_owned() };
    let statements = script::split(engine, &script).unwrap();
    let hidden = script::hidden(engine, &statements);
    let begins_there = |hidden: &Hidden<'_>| script[hidden.offset..].starts_with(&*hidden.text);
    assert!(
        hidden.iter().all(|one| begins_there(one) || script[..one.offset].ends_with(['\'', '"', '$'])),
        "{hidden:#?}"
    );
    hidden.into_iter().map(|hidden| hidden.text.into_owned()).collect()
}

#[test]
fn statements_of_mysql_and_mariadb_that_others_hide() {
    for (script, expected) in [
        ("SET STATEMENT max_statement_time = 1, x = 2 FOR DROP USER u", &["DROP USER u"][..]),
        ("ANALYZE FORMAT = JSON UPDATE t SET a = 1", &["UPDATE t SET a = 1"]),
        ("EXPLAIN ANALYZE DELETE t FROM t JOIN o", &["DELETE t FROM t JOIN o"]),
        ("ANALYZE TABLE t", &[]),
        ("EXPLAIN UPDATE t SET a = 1", &[]),
        ("BEGIN", &[]),
        ("BEGIN WORK", &[]),
        (
            "BEGIN NOT ATOMIC DECLARE a int; IF EXISTS (SELECT 1 FROM t) THEN ALTER TABLE t DROP COLUMN c; \
             ELSE SET a = CASE WHEN a THEN 1 ELSE REPLACE(b, c, d) END; END IF; l: LOOP DELETE FROM t; LEAVE l; END LOOP; END",
            &[
                "ALTER TABLE t DROP COLUMN c",
                "SET a = CASE WHEN a THEN 1 ELSE REPLACE(b, c, d) END",
                "DELETE FROM t",
            ],
        ),
        ("IF (SELECT 1) THEN DROP TABLE t; END IF", &["DROP TABLE t"]),
        ("BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION ROLLBACK; COMMIT; END", &["ROLLBACK", "COMMIT"]),
        ("EXECUTE IMMEDIATE 'DROP USER \\'u\\''", &["DROP USER 'u'"]),
        (
            "EXECUTE IMMEDIATE CONCAT('DELETE FROM `', @t, '` WHERE a = ', '1')",
            &["DELETE FROM `p_` WHERE a = 1"],
        ),
        (
            "PREPARE s FROM \"SET STATEMENT a = 1 FOR DROP TABLE t\"",
            &["SET STATEMENT a = 1 FOR DROP TABLE t", "DROP TABLE t"],
        ),
        (
            "SET @s = IF(a, 'ALTER TABLE t ADD b int', 'SELECT 1')// PREPARE s FROM @s// EXECUTE s",
            &["ALTER TABLE t ADD b int", "SELECT 1"],
        ),
        ("SET @s = 'DROP TABLE t'", &[]),
        ("INSERT INTO t VALUES ('DROP TABLE t')// EXECUTE IMMEDIATE @s", &[]),
        ("CREATE PROCEDURE p() DELETE FROM t// DROP PROCEDURE p", &[]),
        (
            "CREATE OR REPLACE DEFINER = a@b PROCEDURE p(IN a int) MODIFIES SQL DATA BEGIN CALL q(); END// \
             CREATE PROCEDURE q() TRUNCATE t// CALL P(1)",
            &["CALL q()", "TRUNCATE t"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN DELETE FROM t; RETURN 1; END// SELECT f()",
            &["DELETE FROM t"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN DELETE FROM t; RETURN 1; END// CREATE VIEW v AS SELECT f()",
            &[],
        ),
        (
            "SET sql_mode = 'ORACLE'// BEGIN EXECUTE IMMEDIATE 'TRUNCATE t'; END",
            &["EXECUTE IMMEDIATE 'TRUNCATE t'", "TRUNCATE t"],
        ),
        ("BEGIN NOT ATOMIC", &[]),
        ("SET STATEMENT a = 1 FOR", &[]),
        ("EXECUTE IMMEDIATE ''", &[]),
        ("CREATE PROCEDURE p(", &[]),
    ] {
        assert_eq!(hidden(Engine::Mysql, script), expected, "{script}");
    }
}

#[test]
fn statements_of_postgres_that_others_hide() {
    for (script, expected) in [
        (
            "DO $a$ <<l>> BEGIN UPDATE t SET a = 1; IF b THEN DROP TABLE t; END IF; EXECUTE 'TRUNCATE ' || quote_ident('t') || ' CASCADE'; \
             EXECUTE format('DELETE FROM %I WHERE a = %2$L', 't', 1) USING x; RAISE NOTICE 'update it'; END $a$",
            &[
                "UPDATE t SET a = 1",
                "DROP TABLE t",
                "EXECUTE 'TRUNCATE ' || quote_ident('t') || ' CASCADE'",
                "TRUNCATE p_ CASCADE",
                "EXECUTE format('DELETE FROM %I WHERE a = %2$L', 't', 1) USING x",
                "DELETE FROM p_ WHERE a = 'p_'",
            ][..],
        ),
        (
            "DO LANGUAGE plpgsql E'BEGIN DELETE FROM t WHERE a = \\'b\\'; END'",
            &["DELETE FROM t WHERE a = 'b'"],
        ),
        ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t", &["DELETE FROM t"]),
        ("EXPLAIN ANALYZE VERBOSE DELETE FROM t", &["DELETE FROM t"]),
        ("EXPLAIN DELETE FROM t", &[]),
        ("PREPARE p (int) AS DELETE FROM t", &["DELETE FROM t"]),
        ("EXECUTE p('DELETE FROM t')", &[]),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM t $$; SELECT public.f()",
            &["DELETE FROM t"],
        ),
        ("CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM t; END; SELECT f()", &["DELETE FROM t"]),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; END $$; \
             CREATE TRIGGER g AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION f(); GRANT EXECUTE ON FUNCTION f() TO x",
            &[],
        ),
        ("CREATE PROCEDURE f() LANGUAGE sql AS 'TRUNCATE t'; CREATE TABLE x AS SELECT f()", &["TRUNCATE t"]),
        ("DO ''", &[]),
        (
            "DO $$ BEGIN EXECUTE '%' || ; EXECUTE format('%', 1); EXECUTE format(; END $$",
            &["EXECUTE '%' ||", "EXECUTE format('%', 1)", "EXECUTE format("],
        ),
    ] {
        assert_eq!(hidden(Engine::Postgres, script), expected, "{script}");
    }
    assert_eq!(hidden(Engine::Sqlite, "EXPLAIN DELETE FROM t"), Vec::<String>::new());
}

#[test]
fn large_scripts_are_read_once() {
    let routines: String = (0..2000)
        .map(|number| {
            format!(
                "CREATE FUNCTION f{number}() RETURNS int LANGUAGE sql AS $$ SELECT f{}() $$;\n",
                number + 1
            )
        })
        .collect();
    let script = routines + "SELECT f0();";
    assert_eq!(hidden(Engine::Postgres, &script).len(), 2000);
    let own = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT f() $$; SELECT f();";
    assert_eq!(hidden(Engine::Postgres, own), ["SELECT f()"]);
}

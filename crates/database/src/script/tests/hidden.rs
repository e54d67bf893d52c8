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
        (
            "CREATE PROCEDURE p() BEGIN UPDATE t SET at = CASE WHEN kind = 1 THEN start ELSE stop END WHERE at IS NULL; END// CALL p()",
            &["UPDATE t SET at = CASE WHEN kind = 1 THEN start ELSE stop END WHERE at IS NULL"],
        ),
        (
            "BEGIN NOT ATOMIC CASE a WHEN 1 THEN DROP TABLE t; ELSE SET b = CASE WHEN c THEN CASE d WHEN 1 THEN reset END ELSE 2 END; END CASE; END",
            &["DROP TABLE t", "SET b = CASE WHEN c THEN CASE d WHEN 1 THEN reset END ELSE 2 END"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN start > 1 THEN stop ELSE start END// SELECT f()",
            &[],
        ),
        ("SET @label = 'Reset password'// SET @sql = 'SELECT 1'// PREPARE s FROM @sql", &["SELECT 1"]),
        ("SET @a = 'DROP USER u'// SET @sql = CONCAT(@a, ', v')// PREPARE s FROM @sql", &["DROP USER u"]),
        ("SELECT 'DROP TABLE t' INTO @sql// PREPARE s FROM @sql", &["DROP TABLE t"]),
        (
            "CREATE FUNCTION audit() RETURNS int BEGIN DELETE FROM t; END// INSERT INTO a.audit (id) VALUES (1)",
            &[],
        ),
        ("CREATE PROCEDURE audit() FLUSH STATUS// SELECT audit(1)// CALL b.other()", &[]),
        (
            "CREATE PROCEDURE p() SQL SECURITY INVOKER COMMENT 'x' DROP USER bob// CALL s.p()",
            &["DROP USER bob"],
        ),
        (
            "CREATE FUNCTION f() RETURNS SET('a', 'b') NO SQL BEGIN DELETE FROM t; RETURN 'a'; END// DO f()",
            &["DELETE FROM t"],
        ),
        ("EXECUTE IMMEDIATE CONCAT_WS(' ', 'DROP', 'USER', @u)", &["DROP USER p_"]),
        (
            "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLSTATE '23000', 1062 DROP USER u; END",
            &["DROP USER u"],
        ),
        ("SET @`q` = 'DROP USER u'// PREPARE s FROM @q", &["DROP USER u"]),
        ("SET @q = 'DROP USER u'// PREPARE s FROM @'q'", &["DROP USER u"]),
        ("EXECUTE IMMEDIATE 'DROP ' 'USER u'", &["DROP USER u"]),
        ("SELECT 'DROP USER u', 1 INTO @q, @r// EXECUTE IMMEDIATE @q", &["DROP USER u"]),
        (
            "BEGIN NOT ATOMIC DECLARE q TEXT DEFAULT 'DROP USER u'; EXECUTE IMMEDIATE q; END",
            &["EXECUTE IMMEDIATE q", "DROP USER u"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN DELETE FROM t; RETURN 1; END// \
             CREATE PROCEDURE p() BEGIN IF f() > 0 THEN SELECT 1; END IF; END// CALL p()",
            &["SELECT 1", "DELETE FROM t"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN DELETE FROM t; RETURN 1; END// \
             CREATE FUNCTION g() RETURNS int RETURN f()// SELECT g()",
            &["DELETE FROM t"],
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
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'TRUNCATE t'; CREATE TABLE x AS SELECT f()",
            &["TRUNCATE t"],
        ),
        ("CREATE PROCEDURE p() LANGUAGE sql AS 'TRUNCATE t'; SELECT p(); CALL p()", &["TRUNCATE t"]),
        (
            "DO $$ BEGIN UPDATE t SET note = CASE WHEN a THEN comment ELSE lock END WHERE b; END $$",
            &["UPDATE t SET note = CASE WHEN a THEN comment ELSE lock END WHERE b"],
        ),
        (
            "DO $$ BEGIN MERGE INTO t USING s ON a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1); COMMIT; END $$",
            &[
                "MERGE INTO t USING s ON a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)",
                "COMMIT",
            ],
        ),
        (
            "DO $$ DECLARE q text; o text := 'DROP TABLE o'; BEGIN q := 'DELETE FROM ' || n; EXECUTE q; RAISE NOTICE '%', o; END $$",
            &["EXECUTE q", "DELETE FROM p_"],
        ),
        (
            "DO $$ BEGIN FOR r IN DELETE FROM t RETURNING * LOOP TRUNCATE o; END LOOP; END $$",
            &["DELETE FROM t RETURNING * LOOP", "TRUNCATE o"],
        ),
        (
            "CREATE FUNCTION audit() RETURNS int LANGUAGE sql AS 'DELETE FROM t'; INSERT INTO public.audit (id) VALUES (1)",
            &[],
        ),
        (
            "DO $$ BEGIN COPY (SELECT 1) TO '/f'; IF a THEN EXECUTE('DROP TABLE t'); END IF; REINDEX (VERBOSE) DATABASE d; END $$",
            &[
                "COPY (SELECT 1) TO '/f'",
                "EXECUTE('DROP TABLE t')",
                "DROP TABLE t",
                "REINDEX (VERBOSE) DATABASE d",
            ],
        ),
        (
            "DO $$ DECLARE q text DEFAULT 'DROP TABLE a'; r text = 'DROP TABLE b'; BEGIN SELECT 'DROP TABLE c' INTO s; t = 'DROP TABLE d'; \
             EXECUTE q; EXECUTE r; EXECUTE s; EXECUTE t; RAISE NOTICE 'DROP TABLE %', t; END $$",
            &[
                "SELECT 'DROP TABLE c' INTO s",
                "EXECUTE q",
                "EXECUTE r",
                "EXECUTE s",
                "EXECUTE t",
                "DROP TABLE a",
                "DROP TABLE b",
                "DROP TABLE c",
                "DROP TABLE d",
            ],
        ),
        (
            "DO $$ BEGIN OPEN c FOR EXECUTE 'DELETE FROM t RETURNING 1'; SELECT 1 FOR UPDATE; END $$",
            &["EXECUTE 'DELETE FROM t RETURNING 1'", "DELETE FROM t RETURNING 1", "SELECT 1 FOR UPDATE"],
        ),
        (
            "CREATE FUNCTION w() RETURNS int LANGUAGE sql AS 'TRUNCATE t'; DO $$ BEGIN x := w(); END $$",
            &["TRUNCATE t"],
        ),
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
    let kept: String =
        (0..3000).map(|number| format!("SET @q{} = CONCAT(@q{number}, 'a')//\n", number + 1)).collect();
    assert_eq!(
        hidden(Engine::Mysql, &format!("SET @q0 = 'DROP USER u'//{kept}PREPARE s FROM @q3000")),
        ["DROP USER u"]
    );
    let own = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT f() $$; SELECT f();";
    assert_eq!(hidden(Engine::Postgres, own), ["SELECT f()"]);
}

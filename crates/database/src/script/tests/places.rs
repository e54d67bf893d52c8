use crate::{Engine, ErrorKind, script};

fn lines(engine: Engine, text: &str) -> Vec<(usize, String)> {
    let statements = script::split(engine, text).unwrap();
    statements.iter().map(|statement| (statement.line, statement.text.to_owned())).collect()
}

fn refusal(engine: Engine, text: &str) -> String {
    let error = script::split(engine, text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    assert!(error.hint().is_some(), "{error}");
    error.to_string()
}

#[test]
fn lines_are_those_of_the_first_word() {
    let text = "\u{feff}-- head\n\nSELECT 1;\n/* two\nlines */ SELECT\n2 ;;\r\n\r\nSELECT 3 -- end\n";
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let last = if engine == Engine::Sqlite { "SELECT 3 -- end" } else { "SELECT 3" };
        let expected = [(3, "SELECT 1"), (5, "SELECT\n2"), (8, last)];
        assert_eq!(lines(engine, text), expected.map(|(line, text)| (line, text.to_owned())), "{engine}");
        assert!(script::split(engine, " \n-- nothing\n;; /* */").unwrap().is_empty());
    }
}

#[test]
fn a_string_with_escapes_that_goes_on_keeps_them() {
    let text = "SELECT E'a' -- x\n  'it\\'s; one'; SELECT 2;";
    assert_eq!(lines(Engine::Postgres, text).len(), 2);
    assert_eq!(lines(Engine::Postgres, "SELECT 'a'\n'\\'; SELECT 2").len(), 2);
}

#[test]
fn lines_go_on_after_rows() {
    let text = "SELECT 1;\nCOPY t FROM stdin; -- rows\n1\n2\n\\.\nSELECT 2;";
    let statements = script::split(Engine::Postgres, text).unwrap();
    let found: Vec<_> = statements.iter().map(|one| (one.line, one.text, one.copy_rows)).collect();
    let expected = [(1, "SELECT 1", None), (2, "COPY t FROM stdin", Some("1\n2\n")), (6, "SELECT 2", None)];
    assert_eq!(found, expected);
}

#[test]
fn commands_of_a_client_are_refused_by_line_and_name() {
    let pg = |text| refusal(Engine::Postgres, text);
    assert_eq!(
        pg("SELECT 1;\n\\connect other\n"),
        "line 2: `\\connect` is a command of psql, not a statement"
    );
    assert_eq!(pg("SELECT 1 \\gexec"), "line 1: `\\gexec` is a command of psql, not a statement");
    assert_eq!(pg("SELECT 1 \\; SELECT 2;"), "line 1: `\\;` is a command of psql, not a statement");
    assert_eq!(pg("\n\\!rm -rf x"), "line 2: `\\!rm` is a command of psql, not a statement");
    assert_eq!(pg("SELECT\n\\restrict x\n1;"), "line 2: `\\restrict` is a command of psql, not a statement");
    let sqlite = refusal(Engine::Sqlite, "SELECT 1;\n.read other.sql\n");
    assert_eq!(sqlite, "line 2: `.read` is a command of the sqlite3 shell, not a statement");
    assert_eq!(lines(Engine::Sqlite, "SELECT 1\n.5;").len(), 1);
}

#[test]
fn what_does_not_end_is_refused_where_it_begins() {
    for (text, message) in [
        ("SELECT 1;\nSELECT 'abc", "line 2: a string that begins here does not end"),
        ("SELECT E'abc\\';", "line 1: a string that begins here does not end"),
        ("\nSELECT \"abc", "line 2: a quoted name that begins here does not end"),
        ("SELECT $a$ $b$;", "line 1: a dollar-quoted string that begins here does not end"),
        ("/* /* */", "line 1: a comment that begins here does not end"),
        ("\nCOPY t FROM stdin;\n1\n2", "line 2: the rows of this `COPY … FROM stdin` do not end"),
        ("COPY t FROM stdin", "line 1: the rows of this `COPY … FROM stdin` do not end"),
        ("COPY t FROM stdin; SELECT 1;\n\\.\n", "line 1: more follows on the line of a `COPY … FROM stdin`"),
    ] {
        assert_eq!(refusal(Engine::Postgres, text), message);
    }
    let old = script::split(Engine::Postgres, "INSERT INTO t VALUES ('it\\'s; fine');").unwrap_err();
    assert!(old.hint().is_some_and(|hint| hint.contains("SET standard_conforming_strings = off")), "{old:?}");
    assert_eq!(refusal(Engine::Sqlite, "SELECT [a"), "line 1: a quoted name that begins here does not end");
    for (text, message) in [
        ("SELECT 1;\nSELECT 'abc\\'", "line 2: a string that begins here does not end"),
        ("SELECT `abc", "line 1: a quoted name that begins here does not end"),
        ("SELECT 1 /* abc", "line 1: a comment that begins here does not end"),
        (
            "SELECT 1;\nsource other.sql\n",
            "line 2: `source` is a command of the mariadb client, not a statement",
        ),
        ("SELECT 1;\nSELECT 2 \\! ls", "line 2: `\\!` is a command of the mariadb client, not a statement"),
        ("DELIMITER\n", "line 1: DELIMITER is followed by none that can be used"),
    ] {
        assert_eq!(refusal(Engine::Mysql, text), message);
    }
}

/// Where the time grew with the square of the length, these would take an hour.
#[test]
fn long_scripts_are_cut_in_one_go() {
    let long = |part: &str| part.repeat((1 << 19) / part.len());
    for engine in [Engine::Postgres, Engine::Mysql, Engine::Sqlite] {
        for part in [
            "INSERT INTO t VALUES (1, 'a');",
            "INSERT INTO t VALUES (1, 'a');\n",
            "/* a */ INSERT INTO t VALUES (1, 'a') -- b\n;\n",
            "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW SELECT 1;",
            "BEGIN;SAVEPOINT a;CREATE VIEW v AS SELECT CASE WHEN 1 THEN 2 END;COMMIT;",
            "SELECT ((((((1 + 1))))));\r\n",
            ";",
            "SET sql_mode=",
        ] {
            let text = long(part);
            if let Ok(statements) = script::split(engine, &text) {
                statements.iter().for_each(|statement| drop(script::classify(engine, statement)));
            }
        }
        let one = format!("INSERT INTO t VALUES {}(2)", long("(1, 'a', \"b\"), "));
        assert_eq!(script::split(engine, &one).unwrap().len(), 1, "{engine}");
        let quotes = format!("SELECT {}1", long("'', "));
        assert_eq!(script::split(engine, &quotes).unwrap().len(), 1, "{engine}");
    }
    for part in [
        "/*!50003 SELECT 1 */;",
        "/*!50003 SELECT 1 + ",
        "SET sql_mode = f(); INSERT INTO t VALUES ('a');\n",
        "SET sql_mode = f(); INSERT INTO t VALUES ('a'); SET sql_mode = ''; SET @old = @@sql_mode;\n",
        "DELIMITER //\nSELECT 1//\nDELIMITER ;\n",
        "use a\n",
    ] {
        drop(script::split(Engine::Mysql, &long(part)));
    }
    for part in ["SELECT $a$;$a$;", "COPY t FROM stdin;\n1\n\\.\n", "SELECT E'\\'' '' 'a'\n'b';"] {
        drop(script::split(Engine::Postgres, &long(part)));
    }
}

#[test]
fn what_sql_mode_becomes_is_asked_for_only_where_it_matters() {
    let unseen = "SET sql_mode = (SELECT m FROM t);\n";
    let split = |after: &str| script::split(Engine::Mysql, &format!("{unseen}{after}")).map(|all| all.len());
    for alike in [
        "",
        "SELECT 1;",
        "SELECT 'a;b'; SELECT \"a;b\";",
        // Said before it matters.
        "SET sql_mode = ''; SELECT 'a\\'; -- ';",
        "SELECT 1; SET sql_mode = (SELECT m FROM t); SELECT 2;",
        "SET @old = @@sql_mode; SELECT 1; SET sql_mode = @old; SELECT 2;",
    ] {
        split(alike).unwrap_or_else(|error| panic!("{alike}: {error}"));
    }
    for otherwise in [
        "SELECT 'a\\'; -- ';",
        "SELECT \"a\\\"; -- \";",
        "SELECT 1; SET sql_mode = (SELECT m FROM t); SELECT 'a\\'; -- ';",
        // The one that is put back is not known either, and the one that adds to it leaves the rest as it was.
        "SET @old = @@sql_mode; SET sql_mode = @old; SELECT 'a\\'; -- ';",
        "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES'); SELECT 'a\\'; -- ';",
        "SET @old = @@sql_mode; SET sql_mode = ''; SET sql_mode = @old; SELECT 'a\\'; -- ';",
    ] {
        let text = split(otherwise).unwrap_err().to_string();
        assert!(text.contains("does not say what sql_mode becomes"), "{otherwise}: {text}");
    }
    let error = split("SET @old = @@sql_mode; SET sql_mode = ''; SET sql_mode = @old; SELECT 'a\\'; -- ';");
    assert!(error.unwrap_err().to_string().starts_with("line 2"), "where it is not known again");
    assert_eq!(split("SET sql_mode = ''; SELECT 'a\\'; -- ';").unwrap(), 3);
}

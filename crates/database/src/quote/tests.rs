//! Names and values of every nasty character, there and back on real engines and through their own shells.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::postgres::testing;

/// Every ASCII character but NUL, alone and between others, and what shells, formats and Unicode make of text.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = (1..=127).map(|byte: u8| format!("a{}b", char::from(byte))).collect();
    texts.extend((1..=127).map(|byte: u8| char::from(byte).to_string()));
    texts.extend(
        [
            "'",
            "''",
            "\"\"",
            "\\'",
            "\\\\",
            "'; DROP TABLE t; --",
            "\"; DROP TABLE t; --",
            "/*",
            "*/",
            "--",
            "$$",
            "$a$",
            "\\! touch x",
            "a\n\\! touch x\nb",
            "a\n.shell touch x\nb",
            "\\q",
            "\n\\q\n",
            "\n.quit\n",
            ":name",
            ":'name'",
            ":\"name\"",
            "a\r\nb",
            "$1",
            "?1",
            "@x",
            "E'x'",
            "U&'\\0041'",
            "\\x41",
            "%s",
            "%%",
            " a ",
            "select",
            "NULL",
            "Grüße",
            "世界",
            "🐘",
            "e\u{301}",
            "\u{feff}",
            "\u{2028}",
            "\u{202e}",
            "\u{ff07}",
        ]
        .map(str::to_owned),
    );
    texts
}

/// Feeds a script to a shell, which must take it without a word.
fn feed(command: &mut Command, script: &str) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let script = script.to_owned();
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let done = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{said}");
}

/// A table per text that bears its name, with a column of that name that holds it.
fn script(engine: Engine) -> String {
    let create = |(number, text): (usize, String)| {
        let (table, name) = (identifier(engine, &format!("{number}{text}")), identifier(engine, &text));
        let value = literal(engine, &text);
        format!("CREATE TABLE {table} ({name} text);\nINSERT INTO {table} ({name}) VALUES ({value});\n")
    };
    texts().into_iter().enumerate().map(create).collect()
}

#[tokio::test]
async fn postgres_gives_back_what_was_quoted() {
    let engine = Engine::Postgres;
    let server = testing::fresh().await;
    let connection = server.connect(None).await.unwrap();
    for conforming in ["on", "off"] {
        let quiet = "SET escape_string_warning = off; SET standard_conforming_strings";
        connection.batch_execute(&format!("{quiet} = {conforming}")).await.unwrap();
        for text in texts() {
            let sql = format!("SELECT {} AS {}", literal(engine, &text), identifier(engine, &text));
            let messages =
                connection.simple_query(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let row = messages.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let row = row.unwrap();
            assert_eq!((row.columns()[0].name(), row.get(0)), (text.as_str(), Some(text.as_str())), "{sql}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let host = &server.settings().hosts[0];
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", &host.name, "-p", &host.port.to_string()]);
    psql.args(["-U", server.settings().user.as_deref().unwrap(), "-d", server.database()]);
    feed(psql.current_dir(folder.path()).env("PGCLIENTENCODING", "UTF8"), &script(engine));
    for (number, text) in texts().iter().enumerate() {
        let table = qualified(engine, &["", "public", &format!("{number}{text}")]);
        let sql = format!("SELECT {} FROM {table}", identifier(engine, text));
        let row = connection.query_one(&sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(row.get::<_, &str>(0), text);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was run by psql");
}

#[test]
fn sqlite_gives_back_what_was_quoted() {
    let engine = Engine::Sqlite;
    let folder = tempfile::tempdir().unwrap();
    let mut sqlite3 = Command::new("sqlite3");
    sqlite3.args(["-bail", "-batch", "quoted.sqlite"]).current_dir(folder.path());
    feed(&mut sqlite3, &script(engine));
    let database = rusqlite::Connection::open(folder.path().join("quoted.sqlite")).unwrap();
    for (number, text) in texts().iter().enumerate() {
        let (name, value) = (identifier(engine, text), literal(engine, text));
        let mut statement = database.prepare(&format!("SELECT {value} AS {name}")).unwrap();
        assert_eq!(statement.column_name(0).unwrap(), text);
        assert_eq!(&statement.query_row([], |row| row.get::<_, String>(0)).unwrap(), text);
        // The shell reads its input's lines without a carriage return at their end.
        if text.contains("\r\n") {
            continue;
        }
        let table = qualified(engine, &["main", &format!("{number}{text}")]);
        let sql =
            format!("SELECT * FROM {table} WHERE {} = {}", identifier(engine, text), literal(engine, text));
        let mut statement = database.prepare(&sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(statement.column_name(0).unwrap(), text);
        let value: String = statement.query_row([], |row| row.get(0)).unwrap();
        assert_eq!(&value, text);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was run by sqlite3");
    for text in ["\0", "a\0b", "'\0'"] {
        let sql = format!("SELECT {}", literal(engine, text));
        assert_eq!(database.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap(), text);
    }
}

/// A NUL in a Postgres text does not get as far as the server.
#[tokio::test]
async fn a_nul_is_never_sent_to_postgres() {
    let connection = testing::fresh().await.connect(None).await.unwrap();
    for sql in [literal(Engine::Postgres, "a\0b"), format!("1 AS {}", identifier(Engine::Postgres, "a\0b"))] {
        let error = connection.batch_execute(&format!("SELECT {sql}")).await.unwrap_err();
        assert!(error.as_db_error().is_none(), "{error:?}");
    }
    connection.batch_execute("SELECT 1").await.unwrap();
}

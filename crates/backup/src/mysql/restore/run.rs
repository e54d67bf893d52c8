//! Running one part of an archive on a connection: nothing but what a dump writes.

use std::borrow::Cow;
use std::time::Duration;

use database::mysql::catalog::{definer, without_definer};
use database::mysql::{Connection, Flavour};
use database::{Engine, quote, script};

use super::definers::Definers;
use super::foreign;
use super::keys::Keys;
use super::local::Local;
use crate::{Error, ErrorKind, Result};

/// The first words of what a part of definitions may hold.
const DEFINING: [&str; 5] = ["CREATE", "ALTER", "DROP", "SET", "DO"];

/// What no definition begins with, though its first word may.
const SERVER_WIDE: [&str; 9] = [
    "CREATE USER",
    "CREATE ROLE",
    "CREATE SERVER",
    "CREATE DATABASE",
    "CREATE SCHEMA",
    "ALTER USER",
    "DROP DATABASE",
    "DROP USER",
    "SET GLOBAL",
];

/// Runs the statements of a part, in order; indexes that can wait go to `keys`.
///
/// # Errors
/// [`ErrorKind::Refused`] before anything of the part has run where it holds what no definition is; or what the server
/// refuses, with the statement's beginning.
pub(super) async fn statements(
    connection: &mut Connection,
    text: &str,
    definers: Option<Definers<'_>>,
    keys: &mut Keys,
) -> Result<()> {
    let statements = script::split(Engine::Mysql, text)?;
    statements.iter().try_for_each(|statement| check(statement.text))?;
    for statement in statements {
        let sql = definers.map_or(statement.text.into(), |definers| definers.apply(statement.text));
        let sql = foreign::table(sql, connection.flavour(), connection.version())?;
        let sql = keys.defer(&sql).map_or(sql, Cow::Owned);
        let sql = fitting(sql, connection.flavour());
        let ends = ends(&sql);
        if ends {
            set_time(connection, "1").await;
        }
        let ran = connection.batch(&sql, &format!("cannot run `{}`", beginning(&sql))).await;
        if ends {
            set_time(connection, "DEFAULT").await;
        }
        ran.map_err(|error| match error.kind() {
            database::ErrorKind::Permission if definer(&sql).is_some() => error.with_hint(
                "only an account with SET USER (MariaDB), SET_ANY_DEFINER (MySQL) or SUPER may make objects of others; \
                 `--definer current` makes them this account's",
            ),
            _ => error,
        })?;
    }
    Ok(())
}

/// Whether it makes an event that ends at a time, which may have passed since the archive was made.
fn ends(sql: &str) -> bool {
    let statement = without_definer(sql);
    if !statement.starts_with("CREATE EVENT ") {
        return false;
    }
    let lexemes = script::lexemes(Engine::Mysql, &statement).unwrap_or_default();
    lexemes.iter().take_while(|lexeme| !lexeme.is("DO")).any(|lexeme| lexeme.is("AT") || lexeme.is("ENDS"))
}

/// Sets the session's time, by which an event is over or not; a server that lets nobody do so makes those that are not.
async fn set_time(connection: &mut Connection, time: &str) {
    if let Err(error) = connection.batch(&format!("SET timestamp = {time}"), "cannot set the time").await {
        tracing::info!(%error, "an event is made at the server's own time");
    }
}

/// A statement without modes that MySQL has no more, and that meant nothing where a routine runs; and with the collation
/// that the other kind of server has in the place of the one that clients of this kind usually have.
pub(super) fn fitting(sql: Cow<'_, str>, flavour: Flavour) -> Cow<'_, str> {
    if sql.starts_with("SET character_set_client = '") {
        return COLLATIONS.iter().fold(sql, |sql, (mysql, mariadb)| {
            let (from, to) = match flavour {
                Flavour::MariaDb => (mysql, mariadb),
                Flavour::MySql => (mariadb, mysql),
            };
            match sql.contains(from) {
                true => sql.replace(from, to).into(),
                false => sql,
            }
        });
    }
    if flavour == Flavour::MariaDb || !sql.starts_with("SET sql_mode = '") {
        return sql;
    }
    ["NO_AUTO_CREATE_USER", "IGNORE_BAD_TABLE_OPTIONS"]
        .iter()
        .fold(sql.into_owned(), |sql, mode| {
            sql.replace(&format!("{mode},"), "").replace(&format!(",{mode}"), "")
        })
        .into()
}

/// The collations of Unicode's newer tables by MySQL's name and by MariaDB's, which compare alike. The default of a client is
/// one of the first two, and what it makes keeps it.
const COLLATIONS: [(&str, &str); 4] = [
    ("'utf8mb4_0900_ai_ci'", "'utf8mb4_uca1400_nopad_ai_ci'"),
    ("'utf8mb4_0900_ai_ci'", "'utf8mb4_uca1400_ai_ci'"),
    ("'utf8mb4_0900_as_ci'", "'utf8mb4_uca1400_nopad_as_ci'"),
    ("'utf8mb4_0900_as_cs'", "'utf8mb4_uca1400_nopad_as_cs'"),
];

fn check(text: &str) -> Result<()> {
    let words: Vec<String> = text.split_ascii_whitespace().take(2).map(str::to_ascii_uppercase).collect();
    let first = words.first().map_or("", String::as_str);
    let both = words.join(" ");
    if DEFINING.contains(&first) && !SERVER_WIDE.contains(&both.as_str()) {
        return Ok(());
    }
    Err(no_part(format!("a part of definitions holds `{}`, which no definition is", beginning(text))))
}

fn no_part(message: String) -> Error {
    Error::new(ErrorKind::Refused, message).with_hint(
        "the archive was not written by dbm, or was changed and its hashes made anew; do not restore it",
    )
}

/// How often a part of rows is begun anew.
const ATTEMPTS: u32 = 20;

/// Puts the rows of a part into their table in one transaction; `renamed` is the table's name, and the other one that they
/// go into.
///
/// Where two workers fill one table, the server may take both for a deadlock (MariaDB locks a whole table for the first
/// rows that come into it), and rolls one of them back, which then begins anew.
///
/// # Errors
/// As [`statements`].
pub(super) async fn rows(
    connection: &mut Connection,
    part: &[u8],
    renamed: Option<(&str, &str)>,
    commit: Commit<'_>,
) -> Result<()> {
    let text = std::str::from_utf8(part)
        .map_err(|cause| no_part("a part of rows is not UTF-8".to_owned()).with_source(cause))?;
    let inserts = inserts(text)?;
    let mut local = match commit {
        Commit::Each => return insert(connection, &inserts, renamed).await,
        Commit::Part => None,
        Commit::Loaded(local, table, rows) => Some((local, table, rows)),
    };
    for attempt in 1.. {
        connection.batch("START TRANSACTION", "cannot begin to load rows").await?;
        let done = match local {
            Some((local, table, rows)) => local.load(connection, table, (&inserts, rows)).await,
            None => insert(connection, &inserts, renamed).await.map(|()| true),
        };
        match done {
            Ok(true) => break,
            Ok(false) => {
                local = None;
                connection.batch("ROLLBACK", "cannot begin anew to load rows").await?;
            }
            Err(error) if error.kind() == ErrorKind::LockTimeout && attempt < ATTEMPTS => {
                tracing::info!(%error, attempt, "a part of rows is begun anew");
                connection.batch("ROLLBACK", "cannot begin anew to load rows").await?;
                tokio::time::sleep(Duration::from_millis(u64::from(10 * attempt))).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(connection.batch("COMMIT", "cannot commit rows").await?)
}

async fn insert(connection: &mut Connection, inserts: &[&str], renamed: Option<(&str, &str)>) -> Result<()> {
    let head = |name: &str| format!("INSERT INTO {} (", quote::identifier(Engine::Mysql, name));
    for insert in inserts {
        let elsewhere = renamed.and_then(|(old, new)| Some(head(new) + insert.strip_prefix(&head(old))?));
        let sql = elsewhere.as_deref().unwrap_or(insert);
        connection.batch(sql, &format!("cannot run `{}`", beginning(sql))).await?;
    }
    Ok(())
}

/// When rows are committed.
#[derive(Clone, Copy)]
pub(super) enum Commit<'l> {
    /// All of a part in one transaction.
    Part,
    /// The same by `LOAD DATA LOCAL`, where that will do: into the table of that name, so many rows.
    Loaded(&'l Local, &'l str, u64),
    /// Each statement by itself: with GTIDs, MySQL refuses two statements of a transaction on an engine without any.
    Each,
}

/// The tables of the connection's database whose engine knows no transactions.
pub(super) async fn without_transactions(connection: &mut Connection) -> Result<Vec<String>> {
    let sql = "SELECT table_name FROM information_schema.tables
                WHERE table_schema = DATABASE() AND engine NOT IN ('InnoDB', 'ROCKSDB', 'TokuDB')";
    let rows = connection.query(sql, "cannot read the tables' engines").await?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Cuts a part of rows into its statements: much faster than reading its tokens, and stricter.
fn inserts(text: &str) -> Result<Vec<&str>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => at = string_end(bytes, at)?,
            b'`' => at = name_end(bytes, at)?,
            b';' => {
                found.push(text[start..at].trim());
                at += 1;
                start = at;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => return Err(odd(&text[start..])),
            byte if byte.is_ascii_alphanumeric() || b"_,()+-.= \n".contains(&byte) => at += 1,
            _ => return Err(odd(&text[start..])),
        }
    }
    if !text[start..].trim().is_empty() {
        return Err(odd(&text[start..]));
    }
    for statement in &found {
        if !statement.starts_with("INSERT INTO `") && !statement.starts_with("SET sql_mode = '") {
            return Err(odd(statement));
        }
    }
    Ok(found)
}

/// The place after a string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> Result<usize> {
    let mut at = start + 1;
    while let Some(found) = memchr::memchr2(b'\'', b'\\', &bytes[at..]) {
        at += found;
        match (bytes[at], bytes.get(at + 1)) {
            (b'\\', _) | (_, Some(b'\'')) => at += 2,
            _ => return Ok(at + 1),
        }
        if at > bytes.len() {
            break;
        }
    }
    Err(no_part("a part of rows ends within a string".to_owned()))
}

/// The place after a quoted name that begins at `start`.
fn name_end(bytes: &[u8], start: usize) -> Result<usize> {
    let mut at = start + 1;
    while let Some(found) = memchr::memchr(b'`', &bytes[at..]) {
        at += found + 1;
        if bytes.get(at) != Some(&b'`') {
            return Ok(at);
        }
        at += 1;
    }
    Err(no_part("a part of rows ends within a name".to_owned()))
}

fn odd(text: &str) -> Error {
    no_part(format!("a part of rows holds `{}`, which no row is", beginning(text)))
}

/// The beginning of a statement, for a message: of rows the table and no value.
fn beginning(text: &str) -> String {
    let text = text.trim_start();
    let text =
        text.split_once(" VALUES\n").filter(|_| text.starts_with("INSERT ")).map_or(text, |(head, _)| head);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(160).collect();
    if text.chars().count() > 160 { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_where_the_server_cuts_them() {
        let text = "SET sql_mode = 'X';\nINSERT INTO `a;``\n'` (`b`) VALUES\n('x;''\\';--'),\n(_latin1 0xFF),(-1e+5,NULL);\n\
                    INSERT INTO `t` () VALUES\n();\n";
        let found = inserts(text).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[1],
            "INSERT INTO `a;``\n'` (`b`) VALUES\n('x;''\\';--'),\n(_latin1 0xFF),(-1e+5,NULL)"
        );
        assert_eq!(beginning(found[1]), "INSERT INTO `a;`` '` (`b`)");
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for text in [
            "DROP TABLE t;",
            "INSERT INTO `t` VALUES (1)",
            "INSERT INTO `t` VALUES ('a\\';",
            "INSERT INTO `t` VALUES (1) /* x */;",
            "INSERT INTO `t` VALUES (1) -- x\n;",
            "INSERT INTO `t` VALUES (1); INSERT INTO u SELECT 1;",
            "INSERT INTO `t` VALUES (@@datadir);",
        ] {
            assert_eq!(inserts(text).unwrap_err().kind(), ErrorKind::Refused, "{text}");
        }
    }

    #[test]
    fn modes_fit_the_server() {
        let sql = "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION'";
        assert_eq!(fitting(sql.into(), Flavour::MariaDb), sql);
        let without = "SET sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";
        assert_eq!(fitting(sql.into(), Flavour::MySql), without);
        let set = |collation: &str| {
            format!("SET character_set_client = 'utf8mb4', collation_connection = '{collation}'")
        };
        for (mysql, mariadb) in [
            ("utf8mb4_0900_ai_ci", "utf8mb4_uca1400_nopad_ai_ci"),
            ("latin1_swedish_ci", "latin1_swedish_ci"),
        ] {
            assert_eq!(fitting(set(mysql).into(), Flavour::MariaDb), set(mariadb));
            assert_eq!(fitting(set(mariadb).into(), Flavour::MySql), set(mysql));
            assert_eq!(fitting(set(mysql).into(), Flavour::MySql), set(mysql));
        }
        assert_eq!(fitting(set("utf8mb4_uca1400_ai_ci").into(), Flavour::MySql), set("utf8mb4_0900_ai_ci"));
    }

    #[test]
    fn only_definitions_are_run() {
        for text in [
            "GRANT ALL ON *.* TO x",
            "INSERT INTO t VALUES (1)",
            "create  user x",
            "SET GLOBAL x = 1",
            "LOAD DATA",
        ] {
            assert_eq!(check(text).unwrap_err().kind(), ErrorKind::Refused, "{text}");
        }
        for text in [
            "CREATE TABLE t (a int)",
            "DO SETVAL(`s`, 1, 0)",
            "SET sql_mode = ''",
            "ALTER DATABASE COLLATE = x",
        ] {
            check(text).unwrap();
        }
    }
}

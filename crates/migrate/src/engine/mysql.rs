use backup::{Error, ErrorKind, Result};
use database::mysql::catalog::at_own_time;
use database::mysql::is_database;
use database::script::{Lexeme, LexemeKind};
use database::{Database, Engine, Kind, Object, Schema, Session, quote, script};

use super::{HistoryTable, Storages};
use crate::clauses::{closing, span, split};
use crate::files::{Name, Unless};

/// Tables whose rows are on other servers.
pub(super) const REACHING: &str =
    "SELECT CONCAT('table ', table_name, ' (', engine, ')') FROM information_schema.tables
     WHERE table_schema = DATABASE() AND engine IN ('FEDERATED', 'CONNECT', 'SPIDER', 'S3') ORDER BY 1";

/// What makes such tables, and writes files of the server.
pub(super) const REACHING_WORDS: &[&str] = &[
    "federated",
    "spider",
    "engine=connect",
    "engine = connect",
    "create server",
    "into outfile",
    "into dumpfile",
];

/// Transactions have to hold for it, whatever engine the server gives to tables, and a rollback may be long.
pub(super) const HISTORY_TABLE: HistoryTable = HistoryTable {
    text: "longtext",
    options: " ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
};

/// `SET` of variables that are the session's, or the user's own.
pub(super) fn is_of_session_only(statement: &str) -> bool {
    let text = statement.to_ascii_uppercase();
    // A value may come from a function, which may write.
    text.starts_with("SET ")
        && !["GLOBAL", "PERSIST", "PASSWORD", "ROLE", "STATEMENT", "("].iter().any(|word| text.contains(word))
}

/// The server takes the locks of a statement's own tables before it does anything, and reads all of it before it
/// runs any of it. What runs other statements, or replaces by removing first, may have come further.
pub(super) fn changed_nothing(statement: &str, error: &Error) -> bool {
    let text = statement.to_ascii_uppercase();
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let plain = match first {
        "ALTER" | "CREATE" => !["OR REPLACE", "SELECT"].iter().any(|word| text.contains(word)),
        "DROP" | "RENAME" | "TRUNCATE" => true,
        _ => false,
    };
    plain && (error.kind() == ErrorKind::LockTimeout || is_syntax_error(error))
}

/// `ER_BINLOG_CREATE_ROUTINE_NEED_SUPER` and `ER_SPECIFIC_ACCESS_DENIED_ERROR`: it takes a right on the whole server, as
/// triggers do where a binary log is kept: <https://dev.mysql.com/doc/refman/9.5/en/stored-programs-logging.html>.
pub(super) fn takes_server_right(message: &str) -> bool {
    ["(error 1419)", "(error 1227)"].iter().any(|code| message.ends_with(code))
}

/// `ER_PARSE_ERROR`: <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
fn is_syntax_error(error: &Error) -> bool {
    error.kind() == ErrorKind::Statement && error.to_string().ends_with("(error 1064)")
}

fn literal(text: &str) -> String {
    quote::literal(Engine::Mysql, text)
}

/// The table is given quoted and qualified.
pub(super) fn history_exists(table: &str) -> String {
    format!(
        "SELECT 1 FROM information_schema.tables WHERE table_name = 'dbm_history' \
         AND CAST(CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`dbm_history`') AS BINARY) = CAST({} AS BINARY)",
        literal(table)
    )
}

/// Columns, indexes and constraints are compared without regard to case, tables as the server compares them.
pub(super) async fn is_there(session: &mut dyn Session, unless: &Unless) -> Result<bool> {
    let within = |name: &Name| match name.parts.as_slice() {
        [.., (database, _), _] => literal(database),
        _ => "DATABASE()".to_owned(),
    };
    let last = |name: &Name| literal(name.parts.last().map(|(last, _)| last.as_str()).unwrap_or_default());
    let of_table = |name: &Name, view: &str, column: &str| {
        name.split_last().map(|(table, (part, _))| {
            format!(
                "SELECT 1 FROM information_schema.{view} WHERE table_schema = {} AND table_name = {} AND {column} = {}",
                within(&table),
                last(&table),
                literal(&part)
            )
        })
    };
    let sql = match unless {
        Unless::Table(name) => Some(format!(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND table_name = {}
                AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
            within(name),
            last(name)
        )),
        // An index belongs to a table, and its name is unique there only: without one, that of any table will do.
        Unless::Index(name) => of_table(name, "statistics", "index_name").or_else(|| {
            Some(format!(
                "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = {}",
                last(name)
            ))
        }),
        Unless::Column(name) => of_table(name, "columns", "column_name"),
        Unless::Constraint(name) => of_table(name, "table_constraints", "constraint_name"),
    };
    match sql {
        Some(sql) => Ok(!session.query(&sql).await?.is_empty()),
        None => Ok(false),
    }
}

/// Where InnoDB stores tables: one that is copied or rebuilt gets another number. It tells whoever has PROCESS.
pub(super) async fn storages(session: &mut dyn Session) -> Result<Option<Storages>> {
    // MySQL's and MariaDB's name of it.
    let views = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'information_schema' \
                 AND table_name IN ('INNODB_TABLES', 'INNODB_SYS_TABLES')";
    let Some(view) = session.own(views).await?.into_iter().flatten().flatten().next() else {
        return Ok(None);
    };
    let sql = format!("SELECT name, table_id, DATABASE() FROM information_schema.{view}");
    // What it tells only serves people.
    let Ok(rows) = session.own(&sql).await else { return Ok(None) };
    let mut storages = Storages::new();
    for row in rows {
        let mut values = row.into_iter().flatten();
        if let (Some(path), Some(number), Some(here)) = (values.next(), values.next(), values.next())
            && let Some((database, table)) = path.split_once('/')
            && of_file_name(database) == here
        {
            // Each partition is there by itself: `item#P#a`.
            let table = table.split("#P#").next().unwrap_or(table);
            let table = table.split("#p#").next().unwrap_or(table);
            storages.entry(of_file_name(table)).or_default().insert(number);
        }
    }
    Ok(Some(storages).filter(|storages| !storages.is_empty()))
}

/// A name as it is written for files, `we@002dird`, as people write it; letters with a code of their own stay so.
/// <https://dev.mysql.com/doc/refman/9.5/en/identifier-mapping.html>
fn of_file_name(name: &str) -> String {
    let mut pieces = name.split('@');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let letter = piece.get(..4).and_then(|digits| char::from_u32(u32::from_str_radix(digits, 16).ok()?));
        match letter {
            Some(letter) => {
                text.push(letter);
                text.push_str(&piece[4..]);
            }
            None => {
                text.push('@');
                text.push_str(piece);
            }
        }
    }
    text
}

/// An event that is made without `STARTS` is written down with the moment of its making.
pub(crate) async fn forget_moments(database: &Database, schema: &mut Schema) -> Result<()> {
    if !schema.objects.iter().any(|object| object.id.kind == Kind::Event) {
        return Ok(());
    }
    // Both are the statement's own time, each in a zone of its own.
    let sql = format!(
        "SELECT event_name FROM information_schema.events WHERE {} AND starts IS NOT NULL \
            AND ABS(TIMESTAMPDIFF(SECOND, CONVERT_TZ(starts, time_zone, @@session.time_zone), created)) <= 1",
        is_database("event_schema", &database.name())
    );
    let rows = database.session().await?.query(&sql).await?;
    let names: Vec<String> = rows.into_iter().flatten().flatten().collect();
    let begun = |object: &&mut Object| object.id.kind == Kind::Event && names.contains(&object.id.name);
    for object in schema.objects.iter_mut().filter(begun) {
        if let Some(without) = without_starts(&object.definition) {
            object.definition = without;
        }
    }
    Ok(())
}

/// An event's definition without when it begins; none if it does not say so.
pub(crate) fn without_starts(definition: &str) -> Option<String> {
    // `ON SCHEDULE EVERY 1 DAY STARTS '…'`: only in front of its body, and outside of names and literals.
    let lexemes = script::lexemes(Engine::Mysql, definition).ok()?;
    let every = lexemes
        .windows(3)
        .position(|words| words[0].is("ON") && words[1].is("SCHEDULE") && words[2].is("EVERY"))?;
    let starts = lexemes[every..]
        .iter()
        .take_while(|lexeme| !lexeme.is("DO"))
        .position(|lexeme| lexeme.is("STARTS"))?;
    let (word, moment) = (lexemes.get(every + starts)?, lexemes.get(every + starts + 1)?);
    let place = |text: &str| text.as_ptr() as usize - definition.as_ptr() as usize;
    let (from, to) = (place(word.text), place(moment.text) + moment.text.len());
    Some(format!("{}{}", definition[..from].trim_end(), &definition[to..]))
}

/// When an event was read says nothing of it, nor does whose it is; nor in which order a table's keys and checks were added.
pub(super) fn canonical(definition: &str) -> String {
    let text = without_definer(&at_own_time(definition));
    in_one_order(&text).unwrap_or(text)
}

/// A table with its keys and constraints in the order of their texts; none where the text is of no table.
fn in_one_order(text: &str) -> Option<String> {
    // A routine that makes one says in which order.
    if !text.starts_with("CREATE TABLE ") {
        return None;
    }
    let lexemes = script::lexemes(Engine::Mysql, text).ok()?;
    let open = lexemes.iter().position(|lexeme| lexeme.is_sign(b'('))?;
    let close = closing(&lexemes, open);
    let (mut columns, mut others) = (Vec::new(), Vec::new());
    for clause in split(lexemes.get(open + 1..close)?) {
        // The server writes every name of its own in backticks.
        let of = if clause[0].kind == LexemeKind::Word { &mut others } else { &mut columns };
        of.push(span(text, clause)?);
    }
    others.sort_unstable();
    columns.append(&mut others);
    let place = |lexeme: &Lexeme<'_>| lexeme.text.as_ptr() as usize - text.as_ptr() as usize;
    let (open, close) = (place(&lexemes[open]), place(lexemes.get(close)?));
    Some(format!("{}\n  {}\n{}", &text[..=open], columns.join(",\n  "), &text[close..]))
}

/// Whose a view, a routine or an event is depends on who has made it.
fn without_definer(definition: &str) -> String {
    // As the server writes it, and as dbm does.
    const WORDS: [&str; 2] = ["DEFINER=`", "DEFINER = `"];
    let mut text = String::with_capacity(definition.len());
    let mut rest = definition;
    let next = |rest: &str| {
        WORDS
            .iter()
            .filter_map(|word| Some((rest.find(word)?, word.len() - 1)))
            .min_by_key(|(start, _)| *start)
    };
    while let Some((start, length)) = next(rest) {
        let account = &rest[start + length..];
        let end = quoted(account).and_then(|user| {
            let host = account[user..].strip_prefix('@')?;
            Some(user + 1 + quoted(host)?)
        });
        let Some(end) = end else { break };
        text.push_str(&rest[..start]);
        rest = &account[end..];
    }
    text + rest
}

/// The bytes of the quoted name that a text begins with.
fn quoted(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('`')?;
    let mut ends = inner.match_indices('`').map(|(place, _)| place);
    loop {
        let end = ends.next()?;
        match inner[end + 1..].starts_with('`') {
            true => ends.next()?,
            false => return Some(end + 2),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (file, name) in
            [("item", "item"), ("we@002dird@0020x", "we-ird x"), ("a@0pb", "a@0pb"), ("@0040", "@")]
        {
            assert_eq!(of_file_name(file), name);
        }
    }

    #[test]
    fn when_an_event_was_read_is_no_difference() {
        let own = "SET time_zone = '+05:00';\nDELIMITER ;;\nCREATE DEFINER=`a`@`b` EVENT e\n;;\nDELIMITER ;\nSET time_zone = '+00:00';\n";
        let early = database::mysql::catalog::at_early_time(own).unwrap();
        assert_ne!(own, early);
        assert_eq!(canonical(own), canonical(&early));
        assert_ne!(canonical(own), canonical(&early.replace("+05", "+06")));
    }

    #[test]
    fn keys_and_checks_have_no_order_and_columns_have() {
        let table = |clauses: &[&str]| {
            format!("CREATE TABLE `t (` (\n  {}\n) ENGINE=InnoDB COMMENT='(a, b)';\n", clauses.join(",\n  "))
        };
        let (a, b) = ("`KEY` int(11) DEFAULT 1 COMMENT 'a, KEY (b)'", "`b` varchar(9) /*!80023 INVISIBLE */");
        let (key, hidden) = ("KEY `k` (`KEY`,`b`(3))", "UNIQUE KEY `u` (`b`) /*!80000 INVISIBLE */");
        let check = "CONSTRAINT `c` CHECK (`KEY` in (1,2))";
        let one = canonical(&table(&[a, b, key, hidden, check]));
        assert_eq!(one, canonical(&table(&[a, b, check, hidden, key])));
        assert!([a, b, key, hidden, check].iter().all(|clause| one.contains(clause)), "{one}");
        for other in [&[b, a, key, hidden, check][..], &[a, b, key, hidden]] {
            assert_ne!(one, canonical(&table(other)));
        }
        let routine = format!("CREATE PROCEDURE `p`()\n{}", table(&[a, key, check, hidden]));
        assert_eq!(canonical(&routine), routine);
    }

    #[test]
    fn what_surely_changed_nothing() {
        let lock = Error::new(ErrorKind::LockTimeout, "Lock wait timeout exceeded (error 1205)");
        let syntax = Error::new(ErrorKind::Statement, "You have an error in your SQL syntax (error 1064)");
        let there = Error::new(ErrorKind::Statement, "Duplicate column name (error 1060)");
        for text in
            ["ALTER TABLE a ADD b int", "DROP TABLE a, b", "rename table a to b", "CREATE INDEX i ON a (b)"]
        {
            assert!(changed_nothing(text, &lock) && changed_nothing(text, &syntax), "{text}");
            assert!(!changed_nothing(text, &there), "{text}");
        }
        for text in [
            "CREATE OR REPLACE TABLE a (b int)",
            "CREATE TABLE a AS SELECT f()",
            "CALL p()",
            "UPDATE a SET b = 1",
        ] {
            assert!(!changed_nothing(text, &lock), "{text}");
        }
        assert!(is_of_session_only("SET foreign_key_checks = 0"));
        for text in [
            "SET STATEMENT max_statement_time = 60 FOR UPDATE a SET b = 0",
            "SET GLOBAL x = 1",
            "SET @a = f()",
            "SELECT 1",
        ] {
            assert!(!is_of_session_only(text), "{text}");
        }
        assert!(takes_server_right("You do not have the SUPER privilege (error 1419)"));
        assert!(!takes_server_right("Table 'a.error 1419' doesn't exist (error 1146)"));
    }
}

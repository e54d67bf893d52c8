use proptest::prelude::*;

use crate::Engine;
use crate::script::token::Kind;
use crate::script::{self, Statement, mysql, postgres, sqlite};

const TOKENS: &[&str] = &[
    "SELECT",
    "1",
    ";",
    "'",
    "''",
    "\"",
    "$$",
    "$a$",
    "$",
    "--",
    "\n",
    "\r\n",
    "/*",
    "*/",
    "(",
    ")",
    "\\",
    "\\.",
    "E'",
    "e'\\'",
    "U&'",
    "u&\"",
    "BEGIN",
    "ATOMIC",
    "END",
    "CASE",
    "CREATE",
    "OR",
    "REPLACE",
    "FUNCTION",
    "TRIGGER",
    "TEMP",
    "PROCEDURE",
    "COPY t FROM stdin;",
    "COPY",
    "FROM",
    "stdin",
    "\n\\.\n",
    "\\restrict x\n",
    "`",
    "[",
    "]",
    "go",
    "/",
    "#",
    ".",
    ".read x",
    "é",
    "🙂",
    "\u{feff}",
    "\0",
    "a$b",
    "DO",
    "ALTER TYPE x ADD VALUE 'y'",
    "PRAGMA",
    "foreign_keys",
    "=",
    "dbm",
    ".",
    "SET standard_conforming_strings = off;",
    ",",
    "N'",
    "x'",
    "\t",
    " ",
];

/// What clients of MySQL and MariaDB cut by, and what changes how they do.
const MYSQL: &[&str] = &[
    "SELECT",
    "1",
    ";",
    "'",
    "''",
    "\"",
    "\"\"",
    "`",
    "\\",
    "\\'",
    "\\N",
    "\\g",
    "\\G",
    "--",
    "-- ",
    "#",
    "\n",
    "\r\n",
    "/*",
    "/*!",
    "/*!50003",
    "/*!99999",
    "/*M!",
    "/*M!100100",
    "/*M!999999\\- enable the sandbox mode */",
    "*/",
    "\nDELIMITER //\n",
    "\nDELIMITER $$\n",
    "\ndelimiter ;;\n",
    "\nDELIMITER \";\"\n",
    "//",
    "$$",
    ";;",
    "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    "SET sql_mode = ''",
    "SET @old = @@sql_mode, sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = @old",
    "CREATE PROCEDURE p()",
    "BEGIN",
    "END",
    "\nUSE x\n",
    "\nsource x\n",
    "_utf8mb4'",
    "N'",
    "@a",
    "(",
    ")",
    "é",
    "🙂",
    "\u{feff}",
    "\0",
    "\t",
    " ",
];

/// The same as [`is_gap`] where the delimiter may be another one.
fn is_gap_of_mysql(gap: &str) -> bool {
    let mut rest = gap;
    loop {
        let Ok(token) = mysql::Lexer::new(rest, mysql::Quoting::default()).token() else { return false };
        let Some(token) = token else { return true };
        let after = &rest[token.end..];
        let next_line = || after.split_once('\n').map_or("", |(_, after)| after);
        rest = match (token.kind, &rest[token.start..token.end]) {
            (Kind::Word, word) if word.eq_ignore_ascii_case("delimiter") => next_line(),
            (Kind::Word, word) if word.trim_matches('$').is_empty() => after,
            // A line of a comment for the clients, though not for the server: `--x`.
            (Kind::Sign(b'-'), _) if after.starts_with('-') => next_line(),
            (Kind::Sign(b';' | b'/'), _) => after,
            // Of a conditional comment that a line of the client's stands in.
            (Kind::Sign(b'*'), _) if after.starts_with('/') => &after[1..],
            (Kind::Sign(b'\\'), _) if after.starts_with(['g', 'G']) => &after[1..],
            _ => return false,
        };
    }
}

/// Whether the text between two statements says nothing, but for what the scanner passes over.
fn is_gap(engine: Engine, gap: &str) -> bool {
    let mut rest = gap.strip_prefix('\u{feff}').unwrap_or(gap);
    loop {
        let token = match engine {
            Engine::Postgres => postgres::Lexer::new(rest).token(),
            _ => sqlite::Lexer::new(rest).token(),
        };
        let Ok(token) = token else { return false };
        let Some(token) = token else { return true };
        rest = match (token.kind, &rest[token.start..token.end]) {
            (Kind::Sign(b'\\' | b'#'), _) => {
                rest[token.end..].split_once('\n').map_or("", |(_, after)| after)
            }
            (Kind::Sign(b';' | b'/'), _) => &rest[token.end..],
            (Kind::Word, word) if word.eq_ignore_ascii_case("go") => &rest[token.end..],
            _ => return false,
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn pieces_and_gaps_are_the_script(
        tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..25), spaced in any::<bool>()
    ) {
        let text = tokens.join(if spaced { " " } else { "" });
        for engine in [Engine::Postgres, Engine::Sqlite] {
            let Ok(statements) = script::split(engine, &text) else { continue };
            let mut end = 0;
            for statement in &statements {
                prop_assert!(!statement.text.is_empty());
                prop_assert!(is_gap(engine, &text[end..statement.offset]), "{engine}: {:?}", &text[end..statement.offset]);
                prop_assert_eq!(&text[statement.offset..statement.offset + statement.text.len()], statement.text);
                prop_assert_eq!(statement.line, text[..statement.offset].matches('\n').count() + 1);
                end = statement.offset + statement.text.len();
                if let Some(rows) = statement.copy_rows {
                    let start = rows.as_ptr().addr() - text.as_ptr().addr();
                    let terminator = &text[start + rows.len()..];
                    prop_assert!(start >= end && terminator.starts_with("\\."));
                    end = start + rows.len() + 2;
                }
                // A string that is read by other rules than it was cut by may not end; that is an error and no panic.
                let _ = script::classify(engine, statement);
            }
            prop_assert!(is_gap(engine, &text[end..]), "{engine}: {:?}", &text[end..]);
        }
    }

    #[test]
    fn pieces_and_gaps_of_mysql_are_the_script(
        tokens in prop::collection::vec(prop::sample::select(MYSQL), 0..25), spaced in any::<bool>()
    ) {
        let text = tokens.join(if spaced { " " } else { "" });
        let mut end = 0;
        for statement in script::split(Engine::Mysql, &text).unwrap_or_default() {
            let Statement { text: piece, offset, line, .. } = statement;
            prop_assert!(!piece.is_empty());
            prop_assert!(is_gap_of_mysql(&text[end..offset]), "{:?} before {piece:?}", &text[end..offset]);
            prop_assert_eq!(&text[offset..offset + piece.len()], piece);
            prop_assert_eq!(line, text[..offset].matches('\n').count() + 1);
            end = offset + piece.len();
            let _ = script::classify(Engine::Mysql, &statement);
        }
        let whole = script::split(Engine::Mysql, &text).is_ok();
        prop_assert!(!whole || is_gap_of_mysql(&text[end..]), "{:?}", &text[end..]);
    }
}

use backup::Result;
use database::script::{self, Lexeme, LexemeKind};
use database::{Engine, Session, quote};

use crate::files::{Name, Unless};

fn literal(text: &str) -> String {
    quote::literal(Engine::Sqlite, text)
}

pub(super) fn history_exists(table: &str) -> String {
    format!(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = {}",
        literal(table.trim_matches('"'))
    )
}

/// SQLite takes no notice of upper and lower case in names, quoted or not.
pub(super) async fn is_there(session: &mut dyn Session, unless: &Unless) -> Result<bool> {
    let named = |kind: &str, name: &Name| {
        let last = name.parts.last().map(|(last, _)| last.as_str()).unwrap_or_default();
        let last = literal(last);
        format!("SELECT sql FROM sqlite_schema WHERE type = '{kind}' AND lower(name) = lower({last})")
    };
    match unless {
        Unless::Table(name) => Ok(!session.query(&named("table", name)).await?.is_empty()),
        Unless::Index(name) => {
            let of = match name.split_last() {
                Some((table, _)) => {
                    let table = table.parts.last().map(|(last, _)| last.as_str()).unwrap_or_default();
                    let table = literal(table);
                    // What stands before the name may be the file's own name, too.
                    format!(" AND (lower(tbl_name) = lower({table}) OR lower({table}) = 'main')")
                }
                None => String::new(),
            };
            Ok(!session.query(&(named("index", name) + &of)).await?.is_empty())
        }
        Unless::Column(name) => {
            let Some((table, (column, _))) = name.split_last() else { return Ok(false) };
            let table = table.parts.last().map(|(last, _)| last.as_str()).unwrap_or_default();
            let sql = format!(
                "SELECT 1 FROM pragma_table_xinfo({}) WHERE lower(name) = lower({})",
                literal(table),
                literal(&column)
            );
            Ok(!session.query(&sql).await?.is_empty())
        }
        // The catalog does not list constraints: their names are in the table's own text.
        Unless::Constraint(name) => {
            let Some((table, (constraint, _))) = name.split_last() else { return Ok(false) };
            let rows = session.query(&named("table", &table)).await?;
            let text =
                rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()).unwrap_or_default();
            Ok(names_constraint(&text, &constraint))
        }
    }
}

/// SQLite keeps what was typed, and quotes names when it renames: the words alone are compared.
pub(super) fn canonical(definition: &str) -> String {
    let Ok(lexemes) = script::lexemes(Engine::Sqlite, definition) else { return definition.to_owned() };
    let words = lexemes.iter().map(|lexeme| match lexeme.kind {
        LexemeKind::Text => lexeme.text.to_owned(),
        _ => lexeme.identifier().map_or_else(|| lexeme.text.to_owned(), |name| name.to_lowercase()),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// SQLite takes a word between double quotes that names nothing for text, and one between single quotes for a name where only
/// that can stand; whenever a column is dropped or renamed it gives all of the file's definitions the proper quotes:
/// <https://www.sqlite.org/quirks.html#double_quoted_string_literals_are_accepted>.
pub(super) fn is_same_in_other_quotes(one: &str, other: &str) -> bool {
    let lexed = |text| script::lexemes(Engine::Sqlite, text).unwrap_or_default();
    let (one, other) = (lexed(one), lexed(other));
    let is_same = |(one, other): (&Lexeme<'_>, &Lexeme<'_>)| match (one.identifier(), other.identifier()) {
        (Some(one), Some(other)) => one.to_lowercase() == other.to_lowercase(),
        (Some(name), None) => {
            one.kind == LexemeKind::Name && unquoted(other).is_some_and(|text| text == name)
        }
        (None, Some(name)) => {
            other.kind == LexemeKind::Name && unquoted(one).is_some_and(|text| text == name)
        }
        (None, None) => one.text == other.text,
    };
    !one.is_empty() && one.len() == other.len() && one.iter().zip(&other).all(is_same)
}

/// What a text between single quotes says.
fn unquoted(lexeme: &Lexeme<'_>) -> Option<String> {
    let inner = lexeme.text.strip_prefix('\'')?.strip_suffix('\'')?;
    (lexeme.kind == LexemeKind::Text).then(|| inner.replace("''", "'"))
}

fn names_constraint(table: &str, name: &str) -> bool {
    let mut after_word = false;
    let mut rest = table;
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first);
        if let Some(token) = token {
            if after_word && token.eq_ignore_ascii_case(name) {
                return true;
            }
            after_word = first.is_alphabetic() && token.eq_ignore_ascii_case("constraint");
        }
        rest = &rest[length..];
    }
    false
}

/// The word or quoted name that a text begins with, without its quotes, and the bytes that it takes.
fn token(rest: &str, first: char) -> (Option<String>, usize) {
    let closing = match first {
        '"' | '`' | '\'' => Some(first),
        '[' => Some(']'),
        _ => None,
    };
    if let Some(closing) = closing {
        let mut length = first.len_utf8();
        let mut token = String::new();
        let mut letters = rest[length..].chars().peekable();
        while let Some(letter) = letters.next() {
            length += letter.len_utf8();
            if letter == closing {
                if closing != ']' && letters.peek() == Some(&closing) {
                    letters.next();
                    length += closing.len_utf8();
                } else {
                    break;
                }
            }
            token.push(letter);
        }
        return (Some(token), length);
    }
    if rest.starts_with("--") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '$').collect();
    if word.is_empty() {
        return (if first.is_whitespace() { None } else { Some(first.to_string()) }, first.len_utf8());
    }
    let length = word.len();
    (Some(word), length)
}

/// What statements in a database may set: the journal's mode, numbers in the file's head, what the planner knows of tables.
pub(super) async fn settings(session: &mut dyn Session) -> Result<Vec<String>> {
    let mut settings = Vec::new();
    let vacuum = pragma(session, "auto_vacuum").await?;
    if vacuum != "0" {
        settings.push(format!("PRAGMA auto_vacuum = {vacuum};\nVACUUM;\n"));
    }
    if pragma(session, "journal_mode").await? == "wal" {
        settings.push("PRAGMA journal_mode = wal;\n".to_owned());
    }
    for name in ["user_version", "application_id"] {
        let value = pragma(session, name).await?;
        if value != "0" {
            settings.push(format!("PRAGMA {name} = {value};\n"));
        }
    }
    if !session.own("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").await?.is_empty() {
        settings.push("ANALYZE;\nDELETE FROM sqlite_stat1;\n".to_owned());
        // What was counted of the history is another number in every database.
        let rows =
            "SELECT format('INSERT INTO sqlite_stat1 VALUES (%Q, %Q, %Q);', tbl, idx, stat) FROM sqlite_stat1
                     WHERE lower(tbl) NOT LIKE 'dbm\\_%' ESCAPE '\\' ORDER BY 1";
        let rows = session.own(rows).await?.into_iter().flatten().flatten();
        settings.extend(rows.map(|row| row + "\n"));
    }
    Ok(settings)
}

/// What a file is besides what is in it, and its statements may ask for.
const OWN: [&str; 4] = ["encoding", "page_size", "auto_vacuum", "journal_mode"];

/// Those of which nothing in the texts asks for anything: they are what they are in the file that is replaced.
fn unasked(texts: &[&str]) -> Vec<&'static str> {
    let names = |name: &str| {
        let is_it = |lexeme: &Lexeme<'_>| lexeme.identifier().is_some_and(|it| it.eq_ignore_ascii_case(name));
        let in_statement = |statement: &str| {
            let lexemes = script::lexemes(Engine::Sqlite, statement).unwrap_or_default();
            let is_pragma = lexemes.first().is_some_and(|first| {
                first.identifier().is_some_and(|word| word.eq_ignore_ascii_case("pragma"))
            });
            is_pragma && lexemes.iter().any(is_it)
        };
        let in_text = |text: &&str| {
            let statements = script::split(Engine::Sqlite, text).unwrap_or_default();
            statements.iter().any(|statement| in_statement(statement.text))
        };
        texts.iter().any(in_text)
    };
    OWN.into_iter().filter(|name| !names(name)).collect()
}

/// Gives an empty file what only an empty one can be given of another one: how it writes letters.
pub(super) async fn begin_like(other: &mut dyn Session, new: &mut dyn Session, texts: &[&str]) -> Result<()> {
    let encoding = pragma(other, "encoding").await?;
    if encoding != "UTF-8" && unasked(texts).contains(&"encoding") {
        new.own(&format!("PRAGMA encoding = {}", literal(&encoding))).await?;
        // It is written with the first table.
        for sql in ["CREATE TABLE dbm_first (a)", "DROP TABLE dbm_first", "VACUUM"] {
            new.own(sql).await?;
        }
    }
    Ok(())
}

/// Gives a new file the rest, as far as what has made it asks for nothing else.
pub(super) async fn be_like(other: &mut dyn Session, new: &mut dyn Session, texts: &[&str]) -> Result<()> {
    let unasked = unasked(texts);
    let mut sized = Vec::new();
    for name in ["page_size", "auto_vacuum"] {
        let value = pragma(other, name).await?;
        if unasked.contains(&name) && pragma(new, name).await? != value {
            sized.push(format!("PRAGMA {name} = {value}"));
        }
    }
    let mut mode = pragma(new, "journal_mode").await?;
    if !sized.is_empty() {
        if mode == "wal" {
            // Pages stay as large as they are there: https://www.sqlite.org/pragma.html#pragma_page_size
            new.own("PRAGMA journal_mode = delete").await?;
        }
        for set in sized {
            new.own(&set).await?;
        }
        new.own("VACUUM").await?;
    }
    if unasked.contains(&"journal_mode") {
        mode = pragma(other, "journal_mode").await?;
    }
    if mode == "wal" {
        new.own("PRAGMA journal_mode = wal").await?;
    }
    Ok(())
}

/// Whether a file has nothing in it but what is dbm's.
pub(super) async fn is_unused(session: &mut dyn Session) -> Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE tbl_name NOT LIKE 'dbm\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    Ok(session.own(sql).await?.is_empty())
}

async fn pragma(session: &mut dyn Session, name: &str) -> Result<String> {
    let rows = session.own(&format!("PRAGMA {name}")).await?;
    Ok(rows.into_iter().flatten().flatten().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_found_in_the_text() {
        let table = "CREATE TABLE t (a int CONSTRAINT \"A one\" UNIQUE, -- CONSTRAINT no\n b text DEFAULT 'CONSTRAINT neither', \
                     constraint /* x */ b_two CHECK (b <> ''), CONSTRAINT [c three] CHECK (1))";
        for name in ["a one", "B_TWO", "c three"] {
            assert!(names_constraint(table, name), "{name}");
        }
        for name in ["no", "neither", "CHECK", "t"] {
            assert!(!names_constraint(table, name), "{name}");
        }
    }
}

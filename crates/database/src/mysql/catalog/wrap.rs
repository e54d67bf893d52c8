//! What a definition needs of its session.

use std::borrow::Cow;

use crate::{Engine, quote};

/// The mode in which definitions are written and read: without what would refuse what is there (zero dates, the 31st
/// of February, an identity of 0), and not strict: what a session that was not strict has made, such as an ENUM with
/// a value twice, has to be made again.
pub const SCRIPT_MODE: &str = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION";

/// The mode in which rows are written: strict, so that nothing is bent on its way in.
pub const ROWS_MODE: &str =
    "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION";

/// What the session of a script of definitions and rows needs.
pub const SCRIPT_SESSION: &str = "SET NAMES utf8mb4;\n\
     SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION';\n\
     SET time_zone = '+00:00', foreign_key_checks = 0, unique_checks = 0, sql_quote_show_create = 1;\n";

/// What an object was created under, and is to run under again.
#[derive(Clone, Debug, Default)]
pub(super) struct Under {
    /// Its `sql_mode`.
    pub(super) mode: Option<String>,
    /// Its `character_set_client` and `collation_connection`.
    pub(super) charset: Option<(String, String)>,
    /// The time zone of its times.
    pub(super) time_zone: Option<String>,
    /// The collation that the database had, where it is another one now: its parameters got it.
    pub(super) database: Option<(String, String)>,
    /// Whether the time at which it ends has passed: no server makes it any more.
    pub(super) is_over: bool,
}

/// Character sets in which UTF-8 text is itself.
const UTF8: [&str; 3] = ["utf8", "utf8mb3", "utf8mb4"];

impl Under {
    /// Whether its text is written to a script in another character set than it was created in.
    pub(super) fn recodes(&self, text: &str) -> bool {
        self.charset.as_ref().is_some_and(|(client, _)| !text.is_ascii() && !UTF8.contains(&client.as_str()))
    }

    /// The statement between what it needs and what puts that back.
    pub(super) fn wrap(&self, statement: &str) -> String {
        let literal = |text: &str| quote::literal(Engine::Mysql, text);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if let Some(mode) = &self.mode {
            before.push(format!("SET sql_mode = {};\n", literal(mode)));
            after.push(format!("SET sql_mode = '{SCRIPT_MODE}';\n"));
        }
        if let Some((client, connection)) = &self.charset {
            let client = if self.recodes(statement) { "utf8mb4" } else { client };
            before.push(format!(
                "SET character_set_client = {}, collation_connection = {};\n",
                literal(client),
                literal(connection)
            ));
            after.push("SET NAMES utf8mb4;\n".to_owned());
        }
        if let Some(zone) = &self.time_zone {
            before.push(format!("SET time_zone = {};\n", literal(zone)));
            after.push("SET time_zone = '+00:00';\n".to_owned());
        }
        if let Some((then, now)) = &self.database {
            before.push(format!("ALTER DATABASE COLLATE = {};\n", literal(then)));
            after.push(format!("ALTER DATABASE COLLATE = {};\n", literal(now)));
        }
        after.reverse();
        let wrapped = format!("{}{}{}", before.concat(), delimited(statement), after.concat());
        match self.is_over {
            true => at_early_time(&wrapped).unwrap_or(wrapped),
            false => wrapped,
        }
    }
}

/// What makes a server believe that no time at which an event ends has passed. Some refuse it (MariaDB's
/// `secure_timestamp`), so it stands where nothing else will do.
const EARLY: &str = "SET timestamp = 1;\n";
/// What puts that back.
const NOW: &str = "SET timestamp = DEFAULT;\n";

/// A definition that has what it needs around it, made at an early time.
pub fn at_early_time(definition: &str) -> Option<String> {
    let (start, end) = statement(definition)?;
    let (before, rest) = definition.split_at(start);
    let (statement, after) = rest.split_at(end - start);
    Some(format!("{before}{EARLY}{statement}{NOW}{after}"))
}

/// The same made at its own time: whether it has to be made at another one depends on when it was read.
pub fn at_own_time(definition: &str) -> Cow<'_, str> {
    let without = || {
        let (start, end) = statement(definition)?;
        let before = definition[..start].strip_suffix(EARLY)?;
        let after = definition[end..].strip_prefix(NOW)?;
        Some(format!("{before}{}{after}", &definition[start..end]))
    };
    without().map_or(definition.into(), Cow::Owned)
}

/// Where the statement stands among what it needs, with its delimiters.
fn statement(definition: &str) -> Option<(usize, usize)> {
    let start = definition.find(DELIMITER)?;
    let end = definition.rfind(DELIMITED)?;
    Some((start, end + DELIMITED.len())).filter(|(start, end)| start < end)
}

/// What a statement with semicolons in it begins with for the client.
const DELIMITER: &str = "DELIMITER ";
/// What it ends with.
const DELIMITED: &str = "\nDELIMITER ;\n";

/// A statement with semicolons in it, for the client to be taken as one.
fn delimited(statement: &str) -> String {
    let statement = statement.trim_end();
    let mut delimiter = ";;".to_owned();
    while statement.contains(&delimiter) || statement.ends_with(';') && delimiter.starts_with(";;") {
        delimiter = match delimiter.as_str() {
            ";;" => "$$".to_owned(),
            _ => format!("{delimiter}$"),
        };
    }
    // A comment at its end would swallow a delimiter on the same line.
    format!("{DELIMITER}{delimiter}\n{statement}\n{delimiter}{DELIMITED}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_event_that_is_over_is_made_at_an_early_time() {
        let statement = "CREATE EVENT e ON SCHEDULE AT '2001-01-01' DO BEGIN SELECT ';\nDELIMITER ;\nSET timestamp = 1;\n'; END";
        let under =
            Under { mode: Some("ANSI".to_owned()), time_zone: Some("+05:00".to_owned()), ..Under::default() };
        let own = under.wrap(statement);
        let early = Under { is_over: true, ..under }.wrap(statement);
        assert!(!own.starts_with(EARLY) && !own.ends_with(NOW));
        let expected = own.replacen("DELIMITER", "SET timestamp = 1;\nDELIMITER", 1);
        let end = expected.rfind("DELIMITER ;\n").unwrap() + "DELIMITER ;\n".len();
        assert_eq!(early, format!("{}SET timestamp = DEFAULT;\n{}", &expected[..end], &expected[end..]));
        assert_eq!(at_own_time(&early), own);
        assert_eq!(at_own_time(&own), own);
        assert_eq!(at_early_time(&own).as_deref(), Some(early.as_str()));
        let table = "CREATE TABLE t (a int COMMENT 'DELIMITER ');\n";
        assert_eq!((at_own_time(table).as_ref(), at_early_time(table)), (table, None));
    }
}

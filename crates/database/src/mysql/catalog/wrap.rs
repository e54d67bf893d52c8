//! What a definition needs of its session.

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
    /// Whether it ends at a time: once that has passed, no server makes it any more.
    pub(super) ends: bool,
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
        if self.ends {
            // At any time before that it does.
            before.push("SET timestamp = 1;\n".to_owned());
            after.push("SET timestamp = DEFAULT;\n".to_owned());
        }
        after.reverse();
        format!("{}{}{}", before.concat(), delimited(statement), after.concat())
    }
}

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
    format!("DELIMITER {delimiter}\n{statement}\n{delimiter}\nDELIMITER ;\n")
}

use backup::Result;
use database::{Engine, Session, quote};

use super::HistoryTable;
use crate::files::{Name, Unless};

/// Transactions have to hold for it, whatever engine the server gives to tables, and a rollback may be long.
pub(super) const HISTORY_TABLE: HistoryTable = HistoryTable {
    text: "longtext",
    options: " ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
};

fn literal(text: &str) -> String {
    quote::literal(Engine::Mysql, text)
}

/// The table is given quoted and qualified.
pub(super) fn history_exists(table: &str) -> String {
    format!(
        "SELECT 1 FROM information_schema.tables WHERE table_name = 'dbm_history' \
         AND CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`dbm_history`') = {}",
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
        // An index belongs to a table, and its name is unique there only.
        Unless::Index(name) => Some(format!(
            "SELECT 1 FROM information_schema.statistics WHERE table_schema = {} AND index_name = {}",
            within(name),
            last(name)
        )),
        Unless::Column(name) => of_table(name, "columns", "column_name"),
        Unless::Constraint(name) => of_table(name, "table_constraints", "constraint_name"),
    };
    match sql {
        Some(sql) => Ok(!session.query(&sql).await?.is_empty()),
        None => Ok(false),
    }
}

/// Whose a view or a routine is depends on who has made it.
pub(super) fn without_definer(definition: &str) -> String {
    const WORD: &str = "DEFINER=`";
    let mut text = String::with_capacity(definition.len());
    let mut rest = definition;
    while let Some(start) = rest.find(WORD) {
        let account = &rest[start + WORD.len() - 1..];
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

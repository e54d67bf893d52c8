//! Names of databases, compared as the server's files are.

use crate::{Engine, quote};

/// A condition that a column of `information_schema` names this very database.
///
/// MariaDB compares what stands there without regard to case and accents, where it does not look for a folder of that name
/// alone, and takes `shop` for `Shop`; both are there on a server whose `lower_case_table_names` is 0, and only there. The
/// plain comparison beside it keeps the servers from looking into every database.
pub fn is_database(column: &str, database: &str) -> String {
    let name = quote::literal(Engine::Mysql, database);
    format!(
        "({column} = {name} AND (CAST({column} AS BINARY) = CAST({name} AS BINARY) OR @@lower_case_table_names <> 0))"
    )
}

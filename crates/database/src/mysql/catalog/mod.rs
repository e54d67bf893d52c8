//! Reads a database's catalogs into a [`Schema`].
//!
//! Definitions name no database, so that they make the same under another name. They stand in a script whose session
//! has [`SCRIPT_SESSION`]; what needs another mode, character set or time zone sets it and puts it back.

mod columns;
mod defaults;
mod definer;
mod events;
mod reader;
mod routines;
mod sequences;
mod sight;
mod tables;
pub mod text;
mod triggers;
mod unknown;
mod views;
mod wrap;

pub use definer::{Definer, definer, without_definer};
pub use reader::read;
pub use sight::sees_routines;
pub use wrap::{ROWS_MODE, SCRIPT_MODE, SCRIPT_SESSION, at_early_time, at_own_time};

#[cfg(test)]
mod tests;

use crate::{Engine, Object, ObjectId, Schema, quote};

/// What stands between what a sequence gives next and the round that it is in.
const ROUND: &str = " in round ";
/// What stands behind what a sequence gives next that would not go back so far by `SETVAL`.
const RESTARTED: &str = " restarted";

/// The statement that gives a table's or a sequence's counter the value that it had, if it has one. To be run after the rows.
pub fn counter_sql(object: &Object) -> Option<String> {
    let next = object.table.as_ref()?.next.as_ref()?;
    let name = quote::identifier(Engine::Mysql, &object.id.name);
    Some(match object.id.kind {
        crate::Kind::Sequence => match (next.split_once(ROUND), next.strip_suffix(RESTARTED)) {
            (Some((next, round)), _) => format!("DO SETVAL({name}, {next}, 0, {round});\n"),
            (_, Some(next)) => format!("ALTER SEQUENCE {name} RESTART {next};\n"),
            _ => format!("DO SETVAL({name}, {next}, 0);\n"),
        },
        _ => format!("ALTER TABLE {name} AUTO_INCREMENT = {next};\n"),
    })
}

/// The identity of an object of a database.
fn id(kind: crate::Kind, name: &str) -> ObjectId {
    ObjectId { kind, namespace: String::new(), of: String::new(), name: name.to_owned() }
}

/// The identity of an object that belongs to a table.
fn id_of(kind: crate::Kind, table: &str, name: &str) -> ObjectId {
    ObjectId { kind, namespace: String::new(), of: table.to_owned(), name: name.to_owned() }
}

impl super::Server {
    /// Its objects, as they are at one moment.
    ///
    /// # Errors
    /// What [`read`] or connecting gave.
    pub async fn schema(&self) -> crate::Result<Schema> {
        let mut connection = self.connect(None).await?;
        let schema = read(&mut connection, self.database()).await;
        connection.close().await;
        schema
    }
}

use database::{Engine, Schema};

use crate::{Result, mysql, postgres};

/// The SQL that makes all objects of a schema in an empty database, without rows, for the engine's native client or
/// as a file of dbm's; `owners` says whether it also gives each to its owner, with its privileges.
///
/// Two equal schemas give equal texts, byte for byte.
///
/// # Errors
/// [`ErrorKind::Refused`](crate::ErrorKind::Refused) for what cannot be carried, and for a definition that the native
/// client would take for something else.
pub fn definitions(engine: Engine, schema: &Schema, owners: bool) -> Result<String> {
    schema.check_carried()?;
    match engine {
        Engine::Postgres => postgres::dump::script_of(schema, owners),
        Engine::Mysql => mysql::dump::script_of(schema, owners),
        _ => Ok(schema.objects.iter().map(|object| object.definition.as_str()).collect()),
    }
}

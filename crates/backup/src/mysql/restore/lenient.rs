//! What was made, or written, while a server was less strict has to be made again: with options that do not fit together,
//! rows that no check would let in, foreign keys to what is not unique, tables without a key.

use database::mysql::{Connection, Flavour, Session};
use database::{Error, Statements as _};

use crate::Result;

const MARIADB: [&str; 1] = ["check_constraint_checks = 0, innodb_strict_mode = 0"];
const MYSQL: [&str; 4] =
    [KEYS, "innodb_strict_mode = 0", "sql_generate_invisible_primary_key = 0", "sql_require_primary_key = 0"];

/// Without it a foreign key to what is not unique stops the renaming of its tables too.
const KEYS: &str = "restrict_fk_on_non_standard_key = 0";

/// Makes a session lenient in what the server knows and the account may set: without it, most databases are restored all
/// the same.
pub(super) async fn load(connection: &mut Connection) -> Result<()> {
    let settings = match connection.flavour() {
        Flavour::MariaDb => MARIADB.as_slice(),
        Flavour::MySql => MYSQL.as_slice(),
    };
    for setting in settings {
        passable(connection.batch(&sql(setting), "cannot set a session up").await, setting)?;
    }
    Ok(())
}

/// The same for a session that renames tables.
pub(super) async fn rename(session: &mut Session) -> Result<()> {
    match session.flavour() {
        Flavour::MariaDb => Ok(()),
        Flavour::MySql => passable(session.execute(&sql(KEYS)).await, KEYS),
    }
}

fn sql(setting: &str) -> String {
    format!("SET SESSION {setting}")
}

fn passable(outcome: Result<(), Error>, setting: &str) -> Result<()> {
    match outcome {
        Err(error) if error.kind() == database::ErrorKind::Connection => Err(error.into()),
        Err(error) => {
            tracing::debug!(%error, setting, "the session stays as strict as it is");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

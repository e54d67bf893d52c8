//! What stands around the parts.

use database::mysql::Flavour;
use database::mysql::catalog::{SCRIPT_SESSION, without_definer};
use database::{Engine, Schema, script};

use crate::Result;

/// The last line of every script. The stock clients run what they have when a file ends, so only this line tells
/// that all of it was there: `zstd -dc ARCHIVE | tail -n 1`.
pub(crate) const END: &str = "-- dbm: the archive ends here\n";

/// The first part: how the session that runs the script reads it.
pub(super) fn opening(flavour: Flavour, history: bool) -> Vec<u8> {
    let mut text = String::new();
    if flavour == Flavour::MariaDb {
        // Keeps a client from running a command that a hostile server has put into a definition:
        // https://mariadb.com/kb/en/mariadb-dump/#mariadb-sandbox
        text.push_str("/*M!999999\\- enable the sandbox mode */\n");
    }
    text.push_str(SCRIPT_SESSION);
    text.push_str(match flavour {
        Flavour::MariaDb => LENIENT_MARIADB,
        Flavour::MySql => LENIENT_MYSQL,
    });
    if history {
        text.push_str(HISTORY);
    }
    text.into_bytes()
}

/// What lets in what was made, or written, while the server was less strict: only on the kind of server that knows it.
const LENIENT_MARIADB: &str =
    "/*M!100201 SET SESSION check_constraint_checks = 0, innodb_strict_mode = 0 */;\n";
/// As far as everybody may set it: <https://dev.mysql.com/doc/refman/8.4/en/system-variable-privileges.html>.
const LENIENT_MYSQL: &str = "/*!80400 SET SESSION restrict_fk_on_non_standard_key = 0 */;\n";

/// What lets the times of a table's history in as they were, which MariaDB 10.11 and newer know, and keys be added to it.
pub(crate) const HISTORY: &str =
    "SET SESSION system_versioning_insert_history = 1, system_versioning_alter_history = KEEP;\n";

/// All definitions as one script; without `owners`, in the name of whoever runs it.
///
/// # Errors
/// A definition that cannot be cut.
pub(crate) fn script_of(schema: &Schema, owners: bool) -> Result<String> {
    let mut text = SCRIPT_SESSION.to_owned();
    for object in &schema.objects {
        if owners {
            text.push_str(&object.definition);
        } else {
            text.push_str(&without_definers(&object.definition)?);
        }
    }
    Ok(text)
}

fn without_definers(definition: &str) -> Result<String> {
    let mut text = String::with_capacity(definition.len());
    let mut from = 0;
    for statement in script::split(Engine::Mysql, definition)? {
        text.push_str(&definition[from..statement.offset]);
        text.push_str(&without_definer(statement.text));
        from = statement.offset + statement.text.len();
    }
    text.push_str(&definition[from..]);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definer_goes_and_what_looks_like_one_stays() {
        let view = "CREATE ALGORITHM=UNDEFINED DEFINER=`ro;ot`@`%` SQL SECURITY DEFINER VIEW `v` AS select 'DEFINER=`a`@`b`';\n";
        let expected =
            "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 'DEFINER=`a`@`b`';\n";
        assert_eq!(without_definers(view).unwrap(), expected);
        let wrapped = "SET sql_mode = '';\nDELIMITER ;;\nCREATE DEFINER=`a`@`b` PROCEDURE `p`()\nBEGIN SELECT 1; END\n;;\nDELIMITER ;\n";
        assert_eq!(without_definers(wrapped).unwrap(), wrapped.replace("DEFINER=`a`@`b` ", ""));
    }
}

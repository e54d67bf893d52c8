//! What stands around the parts.

use database::mysql::Flavour;
use database::mysql::catalog::SCRIPT_SESSION;

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
    if history {
        text.push_str(HISTORY);
    }
    text.into_bytes()
}

/// What lets the times of a table's history in as they were, which MariaDB 10.11 and newer know, and keys be added to it.
pub(crate) const HISTORY: &str =
    "SET SESSION system_versioning_insert_history = 1, system_versioning_alter_history = KEEP;\n";

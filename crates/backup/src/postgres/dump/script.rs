//! What stands around the parts, so that psql needs no flag and a cut file cannot pass for a whole one.

/// More relations than this cannot all be locked by one transaction of a server with default settings
/// (`max_locks_per_transaction` 64 × `max_connections` 100, shared by everybody).
/// <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION>
pub(super) const MOST_IN_ONE_TRANSACTION: u64 = 4_000;

/// Whether the whole script is one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// `BEGIN` … `COMMIT`: everything or nothing.
    Transaction,
    /// Too many relations for one: a cut script still fails, but leaves what it made.
    Bare,
}

impl Envelope {
    /// What fits that many relations.
    pub(super) fn for_relations(relations: u64) -> Self {
        if relations > MOST_IN_ONE_TRANSACTION { Self::Bare } else { Self::Transaction }
    }

    /// The first part: psql stops at the first error, wants an `\endif`, and is in one transaction.
    ///
    /// The isolation and mode are named since a database may have settings of its own for both.
    pub(super) fn opening(self) -> Vec<u8> {
        let mut text = String::from("\\set ON_ERROR_STOP on\n\\if true\n");
        if self == Self::Transaction {
            text.push_str("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n");
        } else {
            text.push_str("SET default_transaction_isolation = 'read committed';\n");
            text.push_str("SET default_transaction_read_only = off;\n");
        }
        text.push_str(SETTINGS);
        text.into_bytes()
    }

    /// The last part, small so that a file holds all of it or nothing: a cut after `\e` would open an editor.
    pub(super) fn closing(self) -> Vec<u8> {
        match self {
            Self::Transaction => b"COMMIT;\n\\endif\n".to_vec(),
            Self::Bare => b"\\endif\n".to_vec(),
        }
    }
}

/// How the session that runs the script reads it, whatever the database's, role's or server's own settings are.
///
/// What only some releases know is set by name where it is there.
pub(super) const SETTINGS: &str = "\
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET search_path = '';
SET client_min_messages = warning;
SELECT pg_catalog.count(pg_catalog.set_config(name, '0', false)) AS timeouts FROM pg_catalog.pg_settings \
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', \
'transaction_timeout');
SET check_function_bodies = false;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = postgres;
SET TimeZone = 'UTC';
SET lc_monetary = 'C';
SET xmloption = content;
SET array_nulls = on;
SET transform_null_equals = off;
SET escape_string_warning = off;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_is_around_it() {
        let text = String::from_utf8(Envelope::for_relations(4_000).opening()).unwrap();
        assert!(text.starts_with("\\set ON_ERROR_STOP on\n\\if true\nBEGIN "));
        assert_eq!(Envelope::Transaction.closing(), b"COMMIT;\n\\endif\n");
        assert!(text.lines().skip(2).all(|line| line.ends_with(';')));
    }

    #[test]
    fn too_many_relations_go_without_a_transaction() {
        let bare = Envelope::for_relations(4_001);
        assert!(!String::from_utf8(bare.opening()).unwrap().contains("BEGIN"));
        assert_eq!(bare.closing(), b"\\endif\n");
    }
}

use async_trait::async_trait;

use super::session::{first, query};
use super::{Connection, Session, own_tables};
use crate::{Engine, Entry, Error, ErrorKind, Journal, Result, Statements as _, quote};

/// The namespace of the journal and the marks. In no schema, no archive, no digest.
pub const NAMESPACE: &str = "dbm";

/// The statements that make the place where it is missing; empty where it is there. Readable for all, so that every
/// account sees that a run is open; the database's owner may write, so that a restore by an administrator leaves the
/// owner's next run possible.
///
/// For a restore too, which writes the journal into the database that will take the target's place. They are one
/// message, or stand in a transaction.
///
/// # Errors
/// What looking gave.
pub async fn journal_sql(connection: &Connection) -> Result<String> {
    let what = "cannot look for the journal";
    if has_table(connection, "journal", what).await? && has_table(connection, "committed", what).await? {
        return Ok(String::new());
    }
    // This role, whose one member is the owner of the database at hand, is there from PostgreSQL 14 on; before, the
    // owner of this day may.
    let owner = if connection.major_version() >= 14 {
        "pg_database_owner".to_owned()
    } else {
        let sql =
            "SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(datdba)) FROM pg_catalog.pg_database
            WHERE datname = current_database()";
        first(query(connection, sql, what).await?).unwrap_or_else(|| "CURRENT_USER".to_owned())
    };
    Ok(format!(
        "{QUIETLY}{PLACE}GRANT ALL ON SCHEMA dbm TO {owner};
GRANT ALL ON dbm.journal, dbm.committed TO {owner};\n"
    ))
}

/// Keeps the event triggers of the database's users out of it, where the account may: they write down what is done, or
/// forbid it, and this is no doing of theirs.
const QUIETLY: &str = "SELECT pg_catalog.set_config('session_replication_role', 'replica', true)
  FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper;
";

const PLACE: &str = "CREATE SCHEMA IF NOT EXISTS dbm;
CREATE TABLE IF NOT EXISTS dbm.journal (run text NOT NULL, number integer NOT NULL, entry text NOT NULL,
 PRIMARY KEY (run, number));
CREATE TABLE IF NOT EXISTS dbm.committed (run text NOT NULL, part integer NOT NULL, PRIMARY KEY (run, part));
GRANT USAGE ON SCHEMA dbm TO PUBLIC;
GRANT SELECT ON dbm.journal, dbm.committed TO PUBLIC;
";

/// Makes the transaction that it stands in durable, whatever the account's settings are.
const DURABLE: &str = "SELECT pg_catalog.set_config('synchronous_commit', 'local', true)
 WHERE pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off';
";

/// The statement that writes an entry, for a database that has the place of [`journal_sql`].
///
/// # Errors
/// [`ErrorKind::Internal`] if the entry cannot be written as JSON.
pub fn insert_sql(entry: &Entry) -> Result<String> {
    let text = serde_json::to_string(entry).map_err(|cause| {
        Error::new(ErrorKind::Internal, "an entry of the journal cannot be written as JSON")
            .with_source(cause)
    })?;
    let literal = |text: &str| quote::literal(Engine::Postgres, text);
    Ok(format!(
        "INSERT INTO dbm.journal (run, number, entry) VALUES ({}, {}, {});\n",
        literal(&entry.run),
        entry.number,
        literal(&text)
    ))
}

/// The entries of the journal as the connection's transaction sees them.
///
/// # Errors
/// [`ErrorKind::Refused`] for a row that is no entry, and what reading gave.
pub async fn entries(connection: &Connection) -> Result<Vec<Entry>> {
    let what = "cannot read the journal";
    if !has_table(connection, "journal", what).await? {
        return Ok(Vec::new());
    }
    let rows = query(connection, "SELECT entry FROM dbm.journal ORDER BY number", what).await?;
    let entry = |row: &Vec<Option<String>>| {
        let text = row.first().and_then(Option::as_deref).unwrap_or_default();
        serde_json::from_str(text).map_err(|cause| {
            Error::new(ErrorKind::Refused, "a row of dbm.journal is no entry of dbm's journal")
                .with_hint("another version of dbm may have written it; read it before you remove it")
                .with_source(cause)
        })
    };
    rows.iter().map(entry).collect()
}

async fn has_table(connection: &Connection, name: &str, what: &str) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = '{NAMESPACE}' AND c.relname = '{name}' AND c.relkind = 'r' AND NOT c.relrowsecurity"
    );
    Ok(first(query(connection, &sql, what).await?).is_some())
}

#[async_trait]
impl Journal for Session {
    async fn check_own_tables(&mut self) -> Result<()> {
        self.as_dbm_reads().await?;
        own_tables::check(&self.connection, self.history_table()).await
    }

    async fn entries(&mut self) -> Result<Vec<Entry>> {
        self.as_dbm_reads().await?;
        entries(&self.connection).await
    }

    async fn begin_run(&mut self, first: &Entry) -> Result<()> {
        self.as_dbm_reads().await?;
        let what = "cannot begin the journal";
        let make = journal_sql(&self.connection).await?;
        let sql = format!(
            "BEGIN; {DURABLE} {make} DELETE FROM dbm.journal; DELETE FROM dbm.committed; {} COMMIT",
            insert_sql(first)?
        );
        if let Err(error) = self.batch(&sql, what).await {
            self.batch("ROLLBACK", what).await?;
            return Err(match error.kind() {
                ErrorKind::Permission if make.is_empty() => error.with_hint(
                    "another account made the schema `dbm`, where the journal is: let it say \
                     GRANT ALL ON SCHEMA dbm TO this account, and GRANT ALL ON dbm.journal, dbm.committed",
                ),
                ErrorKind::Permission => error.with_hint(
                    "dbm keeps its journal in a schema `dbm` of the database: \
                     let the account make it (GRANT CREATE ON DATABASE), or make it once as an administrator",
                ),
                _ => error,
            });
        }
        self.connection.take_notices();
        Ok(())
    }

    async fn append(&mut self, entry: &Entry) -> Result<()> {
        // Several statements in one message are one transaction.
        self.batch(&format!("{DURABLE} {}", insert_sql(entry)?), "cannot write the journal").await
    }

    async fn mark_committed(&mut self, run: &str, group: u32) -> Result<()> {
        if !self.in_transaction() {
            return Err(Error::new(ErrorKind::Internal, "no transaction is open to mark as committed"));
        }
        let run = quote::literal(Engine::Postgres, run);
        let sql = format!("INSERT INTO dbm.committed (run, part) VALUES ({run}, {group})");
        self.batch(&sql, "cannot mark the run as committed").await
    }

    async fn committed(&mut self, run: &str) -> Result<Vec<u32>> {
        let what = "cannot read which groups are committed";
        self.as_dbm_reads().await?;
        if !has_table(&self.connection, "committed", what).await? {
            return Ok(Vec::new());
        }
        let run = quote::literal(Engine::Postgres, run);
        let sql = format!("SELECT part FROM dbm.committed WHERE run = {run} ORDER BY part");
        let rows = self.rows(&sql, what).await?;
        Ok(rows.iter().filter_map(|row| row.first()?.as_deref()?.parse().ok()).collect())
    }
}

//! What would change rows, or refuse some of them too early, while only rows are loaded.

use std::collections::HashMap;

use database::postgres::Connection;
use database::{Engine, ObjectId, quote};

use crate::Result;
use crate::postgres::failed;

/// Triggers that would fire: those of users, and the ones that partitions have of their parents, which some releases
/// call internal. `$1` and `$2` are the tables' namespaces and names.
const TRIGGERS: &str = "\
SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS asked (namespace, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = asked.namespace
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
    JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid
WHERE t.tgenabled IN ('O', 'A') AND NOT (t.tgisinternal AND EXISTS (
    SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't'))
ORDER BY 1, 2, 3";

/// Foreign keys that are checked at once, with the tables whose rows they tie, as places in the lists.
const KEYS: &str = "\
WITH asked AS (
    SELECT c.oid, asked.place FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]))
        WITH ORDINALITY AS asked (namespace, name, place)
    JOIN pg_catalog.pg_namespace n ON n.nspname = asked.namespace
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
), tied AS (
    SELECT k.oid, k.conrelid, k.conname, k.condeferrable,
        (SELECT pg_catalog.min(a.place) FROM asked a WHERE a.oid = k.conrelid
            OR a.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(k.conrelid))) AS own,
        (SELECT pg_catalog.max(a.place) FROM asked a WHERE a.oid = k.confrelid
            OR a.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(k.confrelid))) AS other
    FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT k.condeferred)
SELECT n.nspname::text, c.relname::text, t.conname::text, t.condeferrable
FROM tied t JOIN pg_catalog.pg_class c ON c.oid = t.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.own <= t.other ORDER BY 1, 2, 3";

/// Tables whose triggers do not fire and whose foreign keys wait, until [`Still::end`] or the end of the transaction
/// that failed.
pub(super) struct Still {
    /// The statements that put everything back.
    back: Vec<(String, String)>,
}

impl Still {
    /// Switches off the triggers of the tables, and has those of their foreign keys wait for the end that no order of
    /// the tables satisfies: of a table to itself, or in a circle.
    pub(super) async fn hold(client: &Connection, tables: &[ObjectId]) -> Result<Self> {
        let (namespaces, names): (Vec<&str>, Vec<&str>) =
            tables.iter().map(|id| (id.namespace.as_str(), id.name.as_str())).unzip();
        let mut still = Self { back: Vec::new() };
        let ask = async |sql: &str| {
            client
                .query(sql, &[&namespaces, &names])
                .await
                .map_err(|error| failed(error, "cannot look for triggers and foreign keys"))
        };
        let words = HashMap::from([("O", "ENABLE TRIGGER"), ("A", "ENABLE ALWAYS TRIGGER")]);
        for row in ask(TRIGGERS).await? {
            let (table, name) = (qualified(row.get(0), row.get(1)), identifier(row.get(2)));
            let what = format!("trigger {name} of {table}");
            let word = words.get(row.get::<_, &str>(3)).copied().unwrap_or_default();
            still.run(client, &format!("ALTER TABLE ONLY {table} DISABLE TRIGGER {name}"), &what).await?;
            still.back.push((format!("ALTER TABLE ONLY {table} {word} {name}"), what));
        }
        for row in ask(KEYS).await? {
            let (table, name) = (qualified(row.get(0), row.get(1)), identifier(row.get(2)));
            let what = format!("foreign key {name} of {table}");
            let alter = format!("ALTER TABLE {table} ALTER CONSTRAINT {name}");
            still.run(client, &format!("{alter} DEFERRABLE INITIALLY DEFERRED"), &what).await?;
            let before = if row.get(3) { "DEFERRABLE INITIALLY IMMEDIATE" } else { "NOT DEFERRABLE" };
            still.back.push((format!("{alter} {before}"), what));
        }
        Ok(still)
    }

    /// Puts everything back as it was. Nothing may wait to be checked any more.
    pub(super) async fn end(self, client: &Connection) -> Result<()> {
        for (statement, what) in &self.back {
            self.run(client, statement, what).await?;
        }
        Ok(())
    }

    async fn run(&self, client: &Connection, statement: &str, what: &str) -> Result<()> {
        client.batch_execute(statement).await.map_err(|error| {
            failed(error, format!("cannot hold {what} still while rows are loaded"))
                .with_hint("restore as the owner of the tables, or into a new database with --into NAME")
        })
    }
}

fn qualified(namespace: &str, name: &str) -> String {
    quote::qualified(Engine::Postgres, &[namespace, name])
}

fn identifier(name: &str) -> String {
    quote::identifier(Engine::Postgres, name)
}

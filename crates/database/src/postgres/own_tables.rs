//! Whether what has the names of dbm's own tables may be written to.
//!
//! Whoever may create in the database, or only in `public`, can make such tables before dbm does, with a trigger, a
//! default or a check whose function then runs with the rights of whoever runs dbm.

use super::session::query;
use super::{Connection, NAMESPACE};
use crate::{Engine, Error, ErrorKind, Result, quote};

const LOOKING: &str = "cannot look at dbm's own tables";

/// What names mean, said by the message itself: until its end, or that of the transaction.
const NAMES: &str = "SET LOCAL search_path = pg_catalog, pg_temp;";

/// No row where all is as dbm makes it, and belongs to us: seen without a join, since a new session of the server takes
/// about 10 ms to read and plan the whole question.
///
/// The flags of `pg_class` may say yes after the last trigger, rule or child has gone, and never no while there is one
/// (<https://www.postgresql.org/docs/current/catalog-pg-class.html>). Types with numbers below 10,000 are built in and stand
/// in `pg_catalog` (<https://www.postgresql.org/docs/current/system-catalog-initial-data.html>).
fn at_a_glance(history: &str) -> String {
    // Asking for a name in a schema that we may not use is an error.
    let usable = format!("has_schema_privilege(to_regnamespace('{NAMESPACE}'), 'USAGE')");
    let own = format!(
        "(to_regclass({history}), CASE WHEN {usable} THEN to_regclass('{NAMESPACE}.journal') END,
          CASE WHEN {usable} THEN to_regclass('{NAMESPACE}.committed') END)"
    );
    let us = "to_regrole(quote_ident(current_user))";
    format!(
        "{NAMES}
         SELECT 1 FROM pg_namespace WHERE nspname = '{NAMESPACE}'
            AND (nspowner IS DISTINCT FROM {us} OR NOT has_schema_privilege(oid, 'USAGE'));
         SELECT 1 FROM pg_class WHERE oid IN {own}
            AND (relowner IS DISTINCT FROM {us} OR relkind <> 'r' OR relrowsecurity OR relhastriggers OR relhasrules OR relhassubclass);
         SELECT 1 FROM pg_attribute WHERE attrelid IN {own}
            AND (atthasdef OR NOT attisdropped AND atttypid >= 10000);
         SELECT 1 FROM pg_index WHERE indrelid IN {own}
            AND (indexprs IS NOT NULL OR indpred IS NOT NULL);
         SELECT 1 FROM pg_constraint WHERE conrelid IN {own} AND contype NOT IN ('p', 'n');
         SELECT 1 FROM pg_inherits WHERE inhrelid IN {own}"
    )
}

/// Fails where one of dbm's tables is no plain table, holds code, or belongs to somebody who is neither a superuser, nor
/// the database's owner or a member of that role, nor a role that this account may act for.
///
/// `history`: the history's quoted name, with its namespace.
///
/// # Errors
/// [`ErrorKind::Refused`] with the first that is wrong, and what asking gave.
pub(super) async fn check(connection: &Connection, history: &str) -> Result<()> {
    let history = quote::literal(Engine::Postgres, history);
    if query(connection, &at_a_glance(&history), LOOKING).await?.is_empty() {
        return Ok(());
    }
    // A superuser is a member of every role; that says nothing of the role.
    let sql = format!(
        "{NAMES} WITH own AS (
           SELECT c.oid, format('table %I.%I', n.nspname, c.relname) AS called, c.relkind, c.relowner, c.relrowsecurity
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE (n.nspname = '{NAMESPACE}' AND c.relname IN ('journal', 'committed'))
               OR c.oid = to_regclass({history})),
         owned AS (
           SELECT called, relowner AS owner FROM own
           UNION ALL SELECT 'schema ' || nspname, nspowner FROM pg_namespace WHERE nspname = '{NAMESPACE}'),
         db AS (SELECT datdba FROM pg_database WHERE datname = current_database()),
         us AS (SELECT oid, rolsuper FROM pg_roles WHERE rolname IN (session_user, current_user))
         SELECT called || ' belongs to ' || pg_get_userbyid(owner), 'owner' FROM owned, db
          WHERE NOT pg_has_role(owner, datdba, 'MEMBER') AND owner IS DISTINCT FROM to_regrole('pg_database_owner')::oid
            AND NOT EXISTS (SELECT FROM us WHERE us.oid = owner OR (NOT rolsuper AND pg_has_role(us.oid, owner, 'MEMBER')))
         UNION ALL SELECT called || ' is no plain table', 'shape' FROM own
          WHERE relkind <> 'r' OR relrowsecurity
             OR EXISTS (SELECT FROM pg_inherits WHERE own.oid IN (inhrelid, inhparent))
         UNION ALL SELECT called || ' has the trigger ' || quote_ident(tgname), 'code'
           FROM own JOIN pg_trigger ON tgrelid = own.oid AND NOT tgisinternal
         UNION ALL SELECT called || ' has the rule ' || quote_ident(rulename), 'code'
           FROM own JOIN pg_rewrite ON ev_class = own.oid AND relkind = 'r'
         UNION ALL SELECT called || ' has a default or a generated column', 'code'
           FROM own JOIN pg_attrdef ON adrelid = own.oid
         UNION ALL SELECT called || ' has the constraint ' || quote_ident(conname), 'code'
           FROM own JOIN pg_constraint ON conrelid = own.oid AND contype NOT IN ('p', 'n')
         UNION ALL SELECT called || ' has the index ' || x.relname, 'code'
           FROM own JOIN pg_index i ON indrelid = own.oid JOIN pg_class x ON x.oid = indexrelid
          WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
         UNION ALL SELECT called || ' has the column ' || quote_ident(attname) || ' of the type ' || format_type(atttypid, NULL), 'code'
           FROM own JOIN pg_attribute a ON attrelid = own.oid AND attnum > 0 AND NOT attisdropped
           JOIN pg_type t ON t.oid = atttypid
          WHERE t.typnamespace <> 'pg_catalog'::regnamespace AND relkind = 'r'"
    );
    let found = query(connection, &sql, LOOKING).await?;
    let Some([Some(wrong), Some(kind)]) = found.first().map(Vec::as_slice) else { return Ok(()) };
    let hint = match kind.as_str() {
        "owner" => {
            "dbm would run with your rights what that role puts there: run dbm as that role, or, where the database is \
             rightly its own, say ALTER DATABASE … OWNER TO it; if it has no business here, look at what it made and drop that"
        }
        _ => {
            "dbm did not make it so, and would run with your rights what it holds: look who did, and drop that"
        }
    };
    Err(Error::new(ErrorKind::Refused, format!("{wrong}, and dbm keeps its own records there"))
        .with_hint(hint))
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use serde_json::json;

    use super::super::testing::{fresh, role};
    use super::*;
    use crate::{Entry, Journal as _, Statements as _};

    const HISTORY: &str = "CREATE TABLE public.dbm_history (number bigint PRIMARY KEY, name text NOT NULL)";

    async fn glance(connection: &Connection) -> bool {
        let history = "'public.dbm_history'";
        query(connection, &at_a_glance(history), LOOKING).await.unwrap().is_empty()
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_table_is_seen_at_a_glance_too() {
        let server = fresh().await;
        let mut session = server.session().await.unwrap();
        session.check_own_tables().await.unwrap();
        assert!(glance(&session.connection).await, "nothing is there yet");
        let entry = Entry { run: "run".into(), number: 0, at: Utc::now(), step: json!({}) };
        session.begin_run(&entry).await.unwrap();
        session.execute(HISTORY).await.unwrap();
        assert!(glance(&session.connection).await, "as dbm makes them");
        let (mallory, _) = role(&server, "").await;
        let function = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
        session.execute(function).await.unwrap();
        session.execute("CREATE TABLE other (number bigint PRIMARY KEY, name text NOT NULL)").await.unwrap();
        for (planted, undone, said) in [
            (
                "ALTER TABLE dbm.committed OWNER TO mallory",
                "ALTER TABLE dbm.committed OWNER TO postgres",
                "belongs to",
            ),
            (
                "ALTER SCHEMA dbm OWNER TO mallory",
                "ALTER SCHEMA dbm OWNER TO postgres",
                "schema dbm belongs to",
            ),
            (
                "ALTER TABLE dbm_history ENABLE ROW LEVEL SECURITY",
                "ALTER TABLE dbm_history DISABLE ROW LEVEL SECURITY",
                "is no plain table",
            ),
            ("CREATE TABLE child () INHERITS (dbm_history)", "DROP TABLE child", "is no plain table"),
            (
                "ALTER TABLE dbm_history INHERIT other",
                "ALTER TABLE dbm_history NO INHERIT other",
                "is no plain table",
            ),
            (
                "CREATE TABLE zero (); ALTER TABLE dbm.journal INHERIT zero",
                "ALTER TABLE dbm.journal NO INHERIT zero; DROP TABLE zero",
                "is no plain table",
            ),
            (
                "CREATE TRIGGER t BEFORE INSERT ON dbm.journal FOR EACH ROW EXECUTE FUNCTION f()",
                "DROP TRIGGER t ON dbm.journal",
                "has the trigger t",
            ),
            (
                "CREATE RULE r AS ON INSERT TO dbm.journal DO ALSO SELECT 1",
                "DROP RULE r ON dbm.journal",
                "has the rule r",
            ),
            (
                "ALTER TABLE dbm_history ALTER name SET DEFAULT lower('A')",
                "ALTER TABLE dbm_history ALTER name DROP DEFAULT",
                "has a default",
            ),
            (
                "ALTER TABLE dbm_history ADD made text GENERATED ALWAYS AS (lower(name)) STORED",
                "ALTER TABLE dbm_history DROP made",
                "has a default",
            ),
            (
                "ALTER TABLE dbm_history ADD CONSTRAINT c CHECK (length(name) > 0)",
                "ALTER TABLE dbm_history DROP CONSTRAINT c",
                "has the constraint c",
            ),
            (
                "ALTER TABLE dbm_history ADD CONSTRAINT u UNIQUE (name)",
                "ALTER TABLE dbm_history DROP CONSTRAINT u",
                "has the constraint u",
            ),
            (
                "ALTER TABLE dbm_history ADD CONSTRAINT e EXCLUDE USING btree (name WITH =)",
                "ALTER TABLE dbm_history DROP CONSTRAINT e",
                "has the constraint e",
            ),
            (
                "ALTER TABLE dbm_history ADD CONSTRAINT r FOREIGN KEY (number) REFERENCES other",
                "ALTER TABLE dbm_history DROP CONSTRAINT r",
                "has the constraint r",
            ),
            ("CREATE INDEX i ON dbm_history (lower(name))", "DROP INDEX i", "has the index i"),
            ("CREATE INDEX i ON dbm_history (name) WHERE number > 0", "DROP INDEX i", "has the index i"),
            (
                "CREATE DOMAIN d AS int CHECK (VALUE > 0); ALTER TABLE dbm.committed ADD more d",
                "ALTER TABLE dbm.committed DROP more; DROP DOMAIN d",
                "has the column more",
            ),
            (
                "ALTER TABLE dbm.committed ADD more information_schema.cardinal_number",
                "ALTER TABLE dbm.committed DROP more",
                "has the column more",
            ),
            (
                "DROP TABLE dbm_history; CREATE VIEW dbm_history AS SELECT 1 AS number, '' AS name",
                "DROP VIEW dbm_history; CREATE TABLE public.dbm_history (number bigint PRIMARY KEY, name text NOT NULL)",
                "is no plain table",
            ),
        ] {
            session.execute(&planted.replace("mallory", &mallory)).await.unwrap();
            let refused = session.check_own_tables().await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Refused, "{planted}");
            assert!(refused.to_string().contains(said), "{planted}: {refused}");
            assert!(!glance(&session.connection).await, "{planted}");
            session.execute(undone).await.unwrap();
            // Flags that say more than there is are looked at closely, and are set right by this.
            session.check_own_tables().await.unwrap_or_else(|error| panic!("{undone}: {error}"));
            for table in ["dbm.journal", "dbm.committed", "dbm_history"] {
                session.execute(&format!("VACUUM ANALYZE {table}")).await.unwrap();
            }
            assert!(glance(&session.connection).await, "{undone}");
        }
    }
}

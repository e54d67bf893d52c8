//! Whether what has the names of dbm's own tables may be written to.
//!
//! Whoever may create in the database, or only in `public`, can make such tables before dbm does, with a trigger, a
//! default or a check whose function then runs with the rights of whoever runs dbm.

use super::session::query;
use super::{Connection, NAMESPACE};
use crate::{Engine, Error, ErrorKind, Result, quote};

/// Fails where one of dbm's tables is no plain table, holds code, or belongs to somebody who is neither a superuser, nor
/// the database's owner or a member of that role, nor a role that this account may act for.
///
/// `history`: the history's quoted name, with its namespace.
///
/// # Errors
/// [`ErrorKind::Refused`] with the first that is wrong, and what asking gave.
pub(super) async fn check(connection: &Connection, history: &str) -> Result<()> {
    // Which session of the server answers is not known yet where a pooler may be in between, so the message itself says what
    // names mean. A superuser is a member of every role; that says nothing of the role.
    let sql = format!(
        "SET LOCAL search_path = pg_catalog, pg_temp; WITH own AS (
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
          WHERE t.typnamespace <> 'pg_catalog'::regnamespace AND relkind = 'r'",
        history = quote::literal(Engine::Postgres, history),
    );
    let found = query(connection, &sql, "cannot look at dbm's own tables").await?;
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

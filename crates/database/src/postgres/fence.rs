use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Session;
use super::properties::{self, Properties};
use super::session::first;
use crate::{Engine, Error, ErrorKind, Fence, FenceState, Result, Statements as _, quote};

/// The database's privileges before the fence.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// `pg_database.datacl` as text; `None` where it is the default.
    acl: Option<String>,
    /// All that belongs to the database itself, for an archive that is made behind the fence.
    properties: Properties,
}

/// One line of an ACL.
struct Grant {
    grantor: String,
    by_owner: bool,
    /// Quoted; `PUBLIC` for everybody.
    grantee: String,
    privileges: String,
    with_option: bool,
}

const WHAT: &str = "cannot read the privileges of the database";

/// The ACL of the database in effect, as sorted text, for two to be compared.
const EFFECTIVE: &str = "SELECT pg_catalog.array_agg(item ORDER BY item::text)::text
  FROM pg_catalog.pg_database d,
       unnest(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS item
 WHERE d.datname = current_database()";

/// The fence takes CONNECT from everybody but us and ends the sessions of the others.
///
/// Superusers cannot be kept out: <https://www.postgresql.org/docs/current/ddl-priv.html>.
#[async_trait]
impl Fence for Session {
    async fn fence_state(&mut self) -> Result<FenceState> {
        self.as_dbm_reads().await?;
        let sql = "SELECT datacl::text FROM pg_catalog.pg_database WHERE datname = current_database()";
        let acl = first(self.rows(sql, WHAT).await?);
        let properties = properties::read(&self.connection, self.connection.database()).await?;
        let state = State { acl, properties };
        self.may_fence(&state).await?;
        serde_json::to_value(&state).map(FenceState).map_err(|cause| {
            Error::new(ErrorKind::Internal, "the fence's state cannot be written as JSON").with_source(cause)
        })
    }

    async fn raise_fence(&mut self, _state: &FenceState) -> Result<()> {
        self.as_dbm_reads().await?;
        let database = quote::identifier(Engine::Postgres, self.connection.database());
        let us =
            first(self.rows("SELECT pg_catalog.quote_ident(session_user)", WHAT).await?).unwrap_or_default();
        let mut sql = format!("BEGIN; GRANT CONNECT ON DATABASE {database} TO {us};");
        // Who owns the database can always give himself what he has lost, so his right can stay or go: it goes.
        let grantees =
            "SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END
               FROM pg_catalog.pg_database d
              CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
               LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
              WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT'
                AND r.rolname IS DISTINCT FROM session_user";
        for grantee in self.rows(grantees, WHAT).await?.into_iter().flatten().flatten() {
            sql.push_str(&format!("REVOKE CONNECT ON DATABASE {database} FROM {grantee} CASCADE;"));
        }
        sql.push_str("COMMIT");
        self.change(&sql, "cannot keep others away from the database").await?;
        self.server.end_others_in(&self.connection, self.connection.database()).await
    }

    async fn lift_fence(&mut self, state: &FenceState) -> Result<()> {
        self.as_dbm_reads().await?;
        let state = read(state)?;
        let what = "cannot give others their right to connect back";
        let wanted = match &state.acl {
            Some(acl) => format!(
                "SELECT pg_catalog.array_agg(item ORDER BY item::text)::text FROM unnest({}::aclitem[]) AS item",
                quote::literal(Engine::Postgres, acl)
            ),
            None => "SELECT pg_catalog.array_agg(item ORDER BY item::text)::text
                       FROM pg_catalog.pg_database d, unnest(pg_catalog.acldefault('d', d.datdba)) AS item
                      WHERE d.datname = current_database()"
                .to_owned(),
        };
        let wanted = first(self.rows(&wanted, what).await?);
        if first(self.rows(EFFECTIVE, what).await?) == wanted {
            return self.unwritten(&state).await;
        }
        let database = quote::identifier(Engine::Postgres, self.connection.database());
        let mut sql = "BEGIN;".to_owned();
        // Everything goes and comes back in the order it had, so that the list is the same, item by item.
        let current = self.grants("coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))").await?;
        for grant in &current {
            sql.push_str(&format!("REVOKE ALL ON DATABASE {database} FROM {} CASCADE;", grant.grantee));
        }
        let mut grants = self.grants(&acl_expression(&state)).await?;
        grants.sort_by_key(|grant| !grant.by_owner);
        for Grant { grantor, by_owner, grantee, privileges, with_option } in &grants {
            let option = if *with_option { " WITH GRANT OPTION" } else { "" };
            let grant = format!("GRANT {privileges} ON DATABASE {database} TO {grantee}{option};");
            if *by_owner {
                sql.push_str(&grant);
            } else {
                sql.push_str(&format!("SET LOCAL ROLE {grantor}; {grant} RESET ROLE;"));
            }
        }
        sql.push_str("COMMIT");
        self.change(&sql, what).await?;
        let now = first(self.rows(EFFECTIVE, what).await?);
        if now == wanted {
            return self.unwritten(&state).await;
        }
        let [wanted, now] = [wanted, now].map(Option::unwrap_or_default);
        Err(Error::new(ErrorKind::Internal, format!("{what} as they were: they were {wanted} and are {now}"))
            .with_hint("compare them with GRANT and REVOKE … ON DATABASE"))
    }

    async fn fence_stands(&mut self, _state: &FenceState) -> Result<bool> {
        self.as_dbm_reads().await?;
        // The one account is the one that raised it.
        let sql = "SELECT count(DISTINCT a.grantee) <= 1 AND NOT coalesce(bool_or(a.grantee = 0), false)
                     FROM pg_catalog.pg_database d
                    CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
                    WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT'";
        Ok(first(self.rows(sql, WHAT).await?).as_deref() == Some("t"))
    }
}

fn read(state: &FenceState) -> Result<State> {
    serde_json::from_value(state.0.clone()).map_err(|cause| {
        Error::new(ErrorKind::Refused, "the journal's note of the database's privileges cannot be read")
            .with_hint("another version of dbm may have written it: look at step `fence` in dbm.journal")
            .with_source(cause)
    })
}

fn acl_expression(state: &State) -> String {
    match &state.acl {
        Some(acl) => format!("{}::aclitem[]", quote::literal(Engine::Postgres, acl)),
        None => "pg_catalog.acldefault('d', d.datdba)".to_owned(),
    }
}

impl Session {
    /// The lines of an ACL, in its order; privileges with and without grant option apart.
    async fn grants(&self, acl: &str) -> Result<Vec<Grant>> {
        let sql = format!(
            "SELECT pg_catalog.quote_ident(g.rolname), a.grantor = d.datdba,
                    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END,
                    pg_catalog.string_agg(a.privilege_type, ', ' ORDER BY a.n), a.is_grantable
               FROM pg_catalog.pg_database d
              CROSS JOIN LATERAL pg_catalog.aclexplode({acl})
                WITH ORDINALITY AS a (grantor, grantee, privilege_type, is_grantable, n)
               LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantor
               LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
              WHERE d.datname = current_database()
              GROUP BY 1, 2, 3, 5 ORDER BY min(a.n)"
        );
        let rows = self.rows(&sql, WHAT).await?;
        let grants = rows.into_iter().map(|row| match <[Option<String>; 5]>::try_from(row) {
            Ok([Some(grantor), by_owner, Some(grantee), Some(privileges), with_option]) => Ok(Grant {
                grantor,
                by_owner: by_owner.as_deref() == Some("t"),
                grantee,
                privileges,
                with_option: with_option.as_deref() == Some("t"),
            }),
            _ => Err(Error::new(ErrorKind::Refused, "a role in the database's privileges is gone")
                .with_hint("see SELECT datacl FROM pg_database, and revoke what belongs to nobody")),
        });
        grants.collect()
    }

    /// Privileges that nobody had ever written down are NULL in the catalog, and no statement makes them so again.
    /// A superuser may say it to the catalog; of others the default stays written out, which means the same to the
    /// server and to `pg_dump`.
    async fn unwritten(&mut self, state: &State) -> Result<()> {
        if state.acl.is_some() {
            return Ok(());
        }
        let sql = "BEGIN; SET LOCAL ROLE NONE;
            UPDATE pg_catalog.pg_database d SET datacl = NULL
             WHERE d.datname = pg_catalog.current_database() AND d.datacl IS NOT NULL
               AND (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user)
               AND d.datacl @> pg_catalog.acldefault('d', d.datdba)
               AND pg_catalog.acldefault('d', d.datdba) @> d.datacl
               AND pg_catalog.cardinality(d.datacl) = pg_catalog.cardinality(pg_catalog.acldefault('d', d.datdba));
            COMMIT";
        if let Err(cause) = self.change(sql, "cannot unwrite the database's privileges").await {
            if cause.kind() == ErrorKind::Connection {
                return Err(cause);
            }
            tracing::debug!(%cause, "the default privileges stay written out");
        }
        Ok(())
    }

    /// Refuses what could be raised but not be lifted again.
    async fn may_fence(&self, state: &State) -> Result<()> {
        let sql = "SELECT pg_catalog.pg_has_role(current_user, datdba, 'USAGE') FROM pg_catalog.pg_database
                    WHERE datname = current_database()";
        if first(self.rows(sql, WHAT).await?).as_deref() != Some("t") {
            return Err(Error::new(
                ErrorKind::Permission,
                "only the database's owner can keep others out of it",
            )
            .with_hint("run as the owner, or without a fence: `--accept-lost-writes`"));
        }
        for grant in self.grants(&acl_expression(state)).await?.iter().filter(|grant| !grant.by_owner) {
            let grantor = quote::literal(Engine::Postgres, &grant.grantor);
            let sql = format!(
                "SELECT pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER') FROM pg_catalog.pg_roles r
                  WHERE pg_catalog.quote_ident(r.rolname) = {grantor}"
            );
            if first(self.rows(&sql, WHAT).await?).as_deref() != Some("t") {
                return Err(Error::new(
                    ErrorKind::Permission,
                    format!(
                        "{} has granted privileges on the database, and only it can grant them again",
                        grant.grantor
                    ),
                )
                .with_hint("run as a superuser, or without a fence: `--accept-lost-writes`"));
            }
        }
        Ok(())
    }

    /// Runs statements that bring their own transaction.
    async fn change(&mut self, sql: &str, what: &str) -> Result<()> {
        match self.batch(sql, what).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.rollback().await?;
                Err(error)
            }
        }
    }
}

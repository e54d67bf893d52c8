use super::Server;
use super::session::{first, query};
use crate::{About, Engine, Error, ErrorKind, Result, SourceId};

impl Server {
    /// What the server says of itself and of us.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn about(&self) -> Result<About> {
        let connection = self.quiet(None).await?;
        let sql = "SELECT current_database(), current_user, r.rolsuper, r.rolsuper OR r.rolcreatedb,
                          NOT pg_catalog.pg_is_in_recovery()
                            AND pg_catalog.current_setting('transaction_read_only') = 'off',
                          pg_catalog.pg_database_size(current_database()),
                          coalesce((SELECT pg_catalog.has_table_privilege(c.oid, 'INSERT')
                                       AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
                                      FROM pg_catalog.pg_class c
                                      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                                     WHERE n.nspname = 'dbm' AND c.relname = 'journal'),
                                   pg_catalog.has_database_privilege(current_database(), 'CREATE')),
                          coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                                       AND coalesce((SELECT pg_catalog.has_table_privilege(c.oid, 'INSERT')
                                                        AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
                                                       FROM pg_catalog.pg_class c
                                                      WHERE c.relnamespace = n.oid AND c.relname = 'dbm_history'),
                                                    pg_catalog.has_schema_privilege(n.oid, 'CREATE'))
                                      FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public'), false),
                          (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                     FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";
        let rows = query(&connection, sql, "cannot ask the server what it is").await?;
        let Some(
            [
                Some(database),
                Some(account),
                superuser,
                may_create,
                may_write,
                bytes,
                may_run,
                may_keep_history,
                number,
            ],
        ) = rows.first().map(Vec::as_slice)
        else {
            return Err(Error::new(ErrorKind::Internal, "the server does not say who we are"));
        };
        let yes = |answer: &Option<String>| answer.as_deref() == Some("t");
        // A server may keep its identifier from plain accounts; then its address has to do.
        let identifier = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
        let identifier = query(&connection, identifier, "").await.ok().and_then(first);
        let place = identifier.unwrap_or_else(|| {
            let host = connection.host();
            format!("{}:{}", host.name, host.port)
        });
        let all = "SELECT pubname::text FROM pg_catalog.pg_publication WHERE puballtables ORDER BY 1";
        let all = query(&connection, all, "cannot read the publications").await?;
        let publishes_all = all.into_iter().flatten().flatten().collect();
        let version = connection.server_version().split_whitespace().next().unwrap_or_default().to_owned();
        let about = About {
            engine: Engine::Postgres,
            server_version: version,
            database: database.clone(),
            source: SourceId(format!("postgres:{place}/{database}")),
            // The number stays when the database is renamed, and no copy of it has it.
            instance: format!("postgres:{place}/#{}", number.as_deref().unwrap_or_default()),
            account: account.clone(),
            superuser: yes(superuser),
            may_create_databases: yes(may_create),
            may_write: yes(may_write),
            may_run: yes(may_write) && yes(may_run),
            may_keep_history: yes(may_write) && yes(may_keep_history),
            publishes_all,
            bytes: bytes.as_deref().and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
        };
        connection.close().await;
        Ok(about)
    }
}

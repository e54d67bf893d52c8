//! A fresh database for each test, on the server that `scripts/test` started.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{Server, Session, Settings};
use crate::{DatabaseUrl, Statements as _, quote};

static COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) fn url() -> DatabaseUrl {
    let url =
        std::env::var("DBM_TEST_POSTGRES_URL").expect("DBM_TEST_POSTGRES_URL is missing: run scripts/test");
    DatabaseUrl::parse(&url).unwrap()
}

pub(crate) fn settings(url: &DatabaseUrl) -> Settings {
    let DatabaseUrl::Postgres(settings) = url else { panic!("a postgres URL") };
    settings.clone()
}

/// A name that no other test has.
pub(crate) fn name(kind: &str) -> String {
    format!("{kind}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs SQL as the superuser, outside of the test's database.
pub(crate) async fn administer(sql: &str) {
    let connection = Server::new(settings(&url())).maintenance_database().await.unwrap();
    connection.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    connection.close().await;
}

/// A server whose database is new and empty.
pub(crate) async fn fresh() -> Server {
    let name = name("dbm'\"test");
    let quoted = quote::identifier(crate::Engine::Postgres, &name);
    administer(&format!("CREATE DATABASE {quoted} TEMPLATE template0")).await;
    Server::new(settings(&url().with_database(&name)))
}

/// The same database as another role, made now, with these options.
pub(crate) async fn role(server: &Server, options: &str) -> (String, Server) {
    let role = name("role");
    administer(&format!("CREATE ROLE {role} LOGIN {options}")).await;
    let settings = Settings { user: Some(role.clone()), ..server.settings().clone() };
    (role, Server::new(settings))
}

/// The first value of a query's first row.
pub(crate) async fn one(session: &mut Session, sql: &str) -> String {
    session.query(sql).await.unwrap()[0][0].clone().unwrap_or_default()
}

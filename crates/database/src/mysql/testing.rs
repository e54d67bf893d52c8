//! A fresh database for each test, on the server that `scripts/test` started.

mod own;

use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use own::{Own, own};

use super::{Connection, Flavour, Place, Server, Settings};
use crate::{DatabaseUrl, quote};

static COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) fn url() -> DatabaseUrl {
    let url =
        std::env::var("DBM_TEST_MARIADB_URL").expect("DBM_TEST_MARIADB_URL is missing: run scripts/test");
    DatabaseUrl::parse(&url).unwrap()
}

pub(crate) fn settings(url: &DatabaseUrl) -> Settings {
    let DatabaseUrl::Mysql(settings) = url else { panic!("a mysql URL") };
    settings.clone()
}

/// A name that no other test has.
pub(crate) fn name(kind: &str) -> String {
    format!("{kind}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs SQL as the superuser, in no database.
pub(crate) async fn administer(sql: &str) {
    let mut connection = Server::new(settings(&url())).connect_nowhere().await.unwrap();
    connection.batch(sql, "").await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    connection.close().await;
}

/// A server whose database is new and empty.
pub(crate) async fn fresh() -> Server {
    named(name("dbm'`test")).await
}

/// The same with a name that the stock tools can write.
pub(crate) async fn fresh_for_tools() -> Server {
    named(name("dbm_test")).await
}

async fn named(name: String) -> Server {
    let quoted = quote::identifier(crate::Engine::Mysql, &name);
    administer(&format!("CREATE DATABASE {quoted}")).await;
    Server::new(settings(&url().with_database(&name)))
}

/// The same database as another account, made now, with these privileges on it.
pub(crate) async fn account(server: &Server, privileges: &str) -> (String, Server) {
    let user = name("u");
    let database = quote::identifier(crate::Engine::Mysql, server.database());
    administer(&format!("CREATE USER {user} IDENTIFIED BY 'p@ss:/w?rd'")).await;
    administer(&format!("GRANT {privileges} ON {database}.* TO {user}")).await;
    let password = Some("p@ss:/w?rd".to_owned().into());
    let settings = Settings { user: Some(user.clone()), password, ..server.settings().clone() };
    (user, Server::new(settings))
}

/// The accounts that nobody can log in with.
pub(crate) async fn locked(connection: &mut Connection) -> Vec<String> {
    let query = match connection.flavour() {
        Flavour::MariaDb => {
            "SELECT user FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.account_locked') = 1 ORDER BY user"
        }
        Flavour::MySql => "SELECT user FROM mysql.user WHERE account_locked = 'Y' ORDER BY user",
    };
    connection.query(query, "").await.unwrap().into_iter().flatten().flatten().collect()
}

//! Against a real server.

mod archives;
mod by_hand;
mod elsewhere;
mod keys;
mod kinds;
mod labels;
mod names;
mod parts;
mod proof;
mod properties;
mod remade;
mod round;
mod rows_only;
mod statistics;
mod swap;
mod tools;
mod values;
mod versions;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use database::postgres::{Connection, Server};
use database::{Database, DatabaseUrl, ObjectId, TableDigest};

/// The throwaway server's URL, as superuser.
pub(super) fn url() -> DatabaseUrl {
    let url = std::env::var("DBM_TEST_POSTGRES_URL")
        .expect("DBM_TEST_POSTGRES_URL names no PostgreSQL server: run scripts/test, which starts one");
    DatabaseUrl::parse(&url).unwrap()
}

/// A server's handle for a database of that name.
pub(super) fn server(name: &str) -> Server {
    match url().with_database(name) {
        DatabaseUrl::Postgres(settings) => Server::new(settings),
        _ => panic!("not a PostgreSQL URL"),
    }
}

/// The door for a database of that name.
pub(super) fn database(name: &str) -> Database {
    Database::new(url().with_database(name)).unwrap()
}

/// A name that no other test has.
pub(super) fn name(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("backup {what} {} {}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Makes an empty database and gives its name.
pub(super) async fn fresh(what: &str) -> String {
    let name = name(what);
    run("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0")).await;
    name
}

/// Connects to a database of the throwaway server.
pub(super) async fn connect(database: &str) -> Connection {
    server("postgres").connect(Some(database)).await.unwrap()
}

/// Runs SQL in a database.
pub(super) async fn run(database: &str, sql: &str) {
    connect(database).await.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// The first value of the first row, as text.
pub(super) async fn ask(database: &str, sql: &str) -> String {
    let rows =
        connect(database).await.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.iter()
        .find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .unwrap_or_default()
}

/// Every table's rows, as the proof reads them.
pub(super) async fn digests(database: &str) -> BTreeMap<ObjectId, TableDigest> {
    self::database(database).digests().await.unwrap()
}

/// The names of the databases that begin like this one.
pub(super) async fn beginning(name: &str) -> Vec<String> {
    let listed = ask("postgres", &format!("SELECT string_agg(datname, '|' ORDER BY datname) FROM pg_database WHERE starts_with(datname, '{name}')")).await;
    listed.split('|').map(str::to_owned).collect()
}

//! Names of databases, and databases without what every other one has.

use super::archives::Place;
use super::tools::{psql, restore_by_hand, same};
use super::{ask, database, fresh, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};
use database::{Engine, quote};

/// Backs up, restores over it twice, lists what was replaced and lets it go.
async fn there_and_back(shop: &str) {
    run(
        "postgres",
        &format!("CREATE DATABASE {} TEMPLATE template0", quote::identifier(Engine::Postgres, shop)),
    )
    .await;
    run(shop, "CREATE TABLE item (id serial PRIMARY KEY, name text); INSERT INTO item (name) VALUES ('one')")
        .await;
    let (door, place) = (database(shop), Place::new());
    assert_eq!(door.name(), shop);
    let (archive, written) = place.back_up(&door).await;
    assert_eq!((archive.head().database.as_str(), written.name.database.as_str()), (shop, shop));
    let mut gone = Vec::new();
    for _ in 0..2 {
        run(shop, "DROP TABLE item").await;
        let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
        let beside = restore::beside(&archive, &door, &options, &Silent).await.unwrap();
        assert!(beside.scratch_name().len() <= 63, "{}", beside.scratch_name());
        let replaced = beside.swap(&[], true).await.unwrap();
        assert_eq!(ask(shop, "SELECT name FROM item").await, "one");
        gone.push(replaced.name);
    }
    let listed: Vec<String> =
        restore::replaced(&door).await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(listed, gone, "{shop}");
    for name in &gone {
        restore::let_go(&door, name).await.unwrap();
    }
    assert!(restore::replaced(&door).await.unwrap().is_empty());
    assert!(restore::leftovers(&door).await.unwrap().is_empty());
    run("postgres", &format!("DROP DATABASE {} WITH (FORCE)", quote::identifier(Engine::Postgres, shop)))
        .await;
}

#[tokio::test]
async fn names_that_hurt() {
    let process = std::process::id();
    for name in [
        format!("it's a \"shop\" {process}"),
        format!(" {process} "),
        format!("{process}\n\\! touch x; %41 ${{HOME}} :v"),
        format!("{process}/?#@:&=+ä€\u{1f600}"),
        format!("-{process}"),
        format!("..{process}"),
    ] {
        there_and_back(&name).await;
    }
}

#[tokio::test]
async fn names_of_63_bytes() {
    let process = std::process::id();
    let long = |fill: char| {
        let mut name = process.to_string();
        while name.len() + fill.len_utf8() <= 63 {
            name.push(fill);
        }
        name
    };
    // Two that only their last byte tells apart, each with what it replaced.
    let twin = format!("{}y", &long('x')[..62]);
    for name in [long('x'), long('"'), long('\u{1f600}'), twin] {
        there_and_back(&name).await;
    }
}

/// By dbm and by psql into a new database, and by dbm over itself.
async fn round_trip(what: &str, sql: &str) {
    let shop = fresh(what).await;
    psql(&shop, sql);
    let (door, place) = (database(&shop), Place::new());
    let (archive, written) = place.back_up(&door).await;
    let (by_dbm, by_psql) = (super::name(what), fresh(what).await);
    restore::into(&archive, &door, &by_dbm, &RestoreOptions::default(), &Silent).await.unwrap();
    same(&shop, &by_dbm).await;
    restore_by_hand(&place, &written.name, &by_psql);
    same(&shop, &by_psql).await;
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    let replaced =
        restore::beside(&archive, &door, &options, &Silent).await.unwrap().swap(&[], true).await.unwrap();
    same(&shop, &replaced.name).await;
}

#[tokio::test]
async fn without_namespace_public() {
    round_trip("no public", "DROP SCHEMA public; CREATE SCHEMA app; CREATE TABLE app.item (id serial PRIMARY KEY); INSERT INTO app.item DEFAULT VALUES").await;
}

#[tokio::test]
async fn without_plpgsql() {
    round_trip(
        "no plpgsql",
        "DROP EXTENSION plpgsql; CREATE TABLE item (id serial PRIMARY KEY); INSERT INTO item DEFAULT VALUES",
    )
    .await;
}

#[tokio::test]
async fn with_a_public_of_its_own() {
    round_trip(
        "another public",
        "DROP SCHEMA public; CREATE SCHEMA public; COMMENT ON SCHEMA public IS 'mine'; GRANT USAGE ON SCHEMA public TO PUBLIC;
         CREATE TABLE item (id serial PRIMARY KEY); INSERT INTO item DEFAULT VALUES",
    )
    .await;
    round_trip(
        "no rights on public",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO postgres",
    )
    .await;
}

#[tokio::test]
async fn with_plpgsql_made_again() {
    let shop = fresh("plpgsql again").await;
    run(&shop, "DROP EXTENSION plpgsql; CREATE EXTENSION plpgsql").await;
    let f = "CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN 7; END $$";
    run(&shop, f).await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, _) = place.back_up(&door).await;
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    restore::beside(&archive, &door, &options, &Silent).await.unwrap().swap(&[], true).await.unwrap();
    assert_eq!(ask(&shop, "SELECT f()").await, "7");
}

#[tokio::test]
async fn with_nothing_at_all() {
    round_trip("nothing", "SELECT 1").await;
    round_trip("nothing at all", "DROP SCHEMA public; DROP EXTENSION plpgsql").await;
}

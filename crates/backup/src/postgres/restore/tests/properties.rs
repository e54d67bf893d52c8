//! What belongs to the database itself comes back with it.

use super::archives::Place;
use super::by_hand::Draft;
use super::tools::same;
use super::{ask, connect, database, fresh, name, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

/// Sets a property, restores the database over itself after the property was changed, and compares.
async fn survives(change: &str, spoil: &str, look: &str) {
    let shop = fresh("property").await;
    let role = name("role of property");
    run("postgres", &format!("CREATE ROLE \"{role}\" LOGIN")).await;
    let fill = |sql: &str| sql.replace("DB", &format!("\"{shop}\"")).replace("ROLE_", &format!("\"{role}\""));
    let look = look.replace("NAME", &shop);
    for statement in fill(change).split(';') {
        run("postgres", statement).await;
    }
    let before = ask("postgres", &look).await;
    let door = database(&shop);
    let (archive, _folder) = Draft::of(&door).await.write().await;
    for statement in fill(spoil).split(';') {
        run("postgres", statement).await;
    }
    assert_ne!(ask("postgres", &look).await, before, "the test spoils nothing");
    let options = RestoreOptions::default();
    let beside = restore::beside(&archive, &door, &options, &Silent).await.unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    assert_eq!(ask("postgres", &look).await, before);
    restore::let_go(&door, &replaced.name).await.unwrap();
}

#[tokio::test]
async fn privileges() {
    survives(
        "REVOKE ALL ON DATABASE DB FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE DB TO ROLE_ WITH GRANT OPTION",
        "GRANT ALL ON DATABASE DB TO PUBLIC",
        "SELECT datacl FROM pg_database WHERE datname = 'NAME'",
    )
    .await;
}

#[tokio::test]
async fn settings() {
    survives(
        "ALTER DATABASE DB SET work_mem = '8MB'; ALTER DATABASE DB SET search_path = app, \"we,ird \"\"one\", public; \
         ALTER DATABASE DB SET default_transaction_read_only = on; ALTER DATABASE DB SET statement_timeout = '1ms'",
        "ALTER DATABASE DB RESET ALL",
        "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = 'NAME' AND setrole = 0",
    )
    .await;
}

#[tokio::test]
async fn settings_of_roles() {
    survives(
        "ALTER ROLE ROLE_ IN DATABASE DB SET work_mem = '9MB'",
        "ALTER ROLE ROLE_ IN DATABASE DB RESET ALL",
        "SELECT count(*) || ' ' || coalesce(min(setconfig::text), '') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = 'NAME' AND setrole <> 0",
    )
    .await;
}

#[tokio::test]
async fn connection_limit() {
    survives(
        "ALTER DATABASE DB CONNECTION LIMIT 17",
        "ALTER DATABASE DB CONNECTION LIMIT -1",
        "SELECT datconnlimit FROM pg_database WHERE datname = 'NAME'",
    )
    .await;
}

#[tokio::test]
async fn owner() {
    survives(
        "ALTER DATABASE DB OWNER TO ROLE_",
        "ALTER DATABASE DB OWNER TO postgres",
        "SELECT pg_get_userbyid(datdba) LIKE '%role of property%' FROM pg_database WHERE datname = 'NAME'",
    )
    .await;
}

#[tokio::test]
async fn comment() {
    survives(
        "COMMENT ON DATABASE DB IS 'it''s \\ the shop'",
        "COMMENT ON DATABASE DB IS NULL",
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'NAME'",
    )
    .await;
}

#[tokio::test]
async fn encoding_and_locale() {
    let shop = name("locale");
    run(
        "postgres",
        &format!(
            "CREATE DATABASE \"{shop}\" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        ),
    )
    .await;
    let look = format!(
        "SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')) FROM pg_database d WHERE datname = '{shop}'"
    );
    let before = ask("postgres", &look).await;
    assert_eq!(before, "LATIN1 C C c");
    let door = database(&shop);
    let (archive, _folder) = Draft::of(&door).await.write().await;
    let beside = restore::beside(&archive, &door, &RestoreOptions::default(), &Silent).await.unwrap();
    beside.swap(&[], true).await.unwrap();
    assert_eq!(ask("postgres", &look).await, before);
}

#[tokio::test]
async fn the_locale_of_icu() {
    let major = connect("postgres").await.major_version();
    // Before PostgreSQL 15 only a column has one.
    let provider = if major >= 15 { "LOCALE_PROVIDER icu ICU_LOCALE 'de-u-ks-level2'" } else { "" };
    let rules = if major >= 16 { "ICU_RULES '& a < z'" } else { "" };
    let shop = name("icu");
    run("postgres", &format!("CREATE DATABASE \"{shop}\" TEMPLATE template0 {provider} {rules}")).await;
    run(
        &shop,
        "CREATE COLLATION plain (provider = icu, locale = 'sv', deterministic = false);
         CREATE TABLE word (it text PRIMARY KEY, swedish text COLLATE plain UNIQUE);
         INSERT INTO word SELECT it, it FROM unnest(ARRAY['z', 'Ä', 'a', 'ö', 'A ', 'ß']) it",
    )
    .await;
    let look = format!(
        "SELECT to_jsonb(d) - '{{oid,datname,datfrozenxid,datminmxid}}'::text[] FROM pg_database d WHERE datname = '{shop}'"
    );
    let before = ask("postgres", &look).await;
    assert!(major < 15 || before.contains("de-u-ks-level2"), "{before}");
    let door = database(&shop);
    let place = Place::new();
    let (archive, _) = place.back_up(&door).await;
    let beside = restore::beside(&archive, &door, &RestoreOptions::default(), &Silent).await.unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    assert_eq!(ask("postgres", &look).await, before);
    same(&shop, &replaced.name).await;
}

#[tokio::test]
async fn tablespaces_of_the_database_and_of_what_is_in_it() {
    let (shop, fast, slow) = (name("spaces"), name("fast"), name("slow \\ 'one'"));
    for space in [&fast, &slow] {
        let client = connect("postgres").await;
        // Without a folder of the server's own, to which a test may have no way.
        client.batch_execute("SET allow_in_place_tablespaces = on").await.unwrap();
        client.batch_execute(&format!("CREATE TABLESPACE \"{space}\" LOCATION ''")).await.unwrap();
    }
    run("postgres", &format!("CREATE DATABASE \"{shop}\" TEMPLATE template0 TABLESPACE \"{slow}\"")).await;
    run(
        &shop,
        &format!(
            "CREATE TABLE item (id integer PRIMARY KEY USING INDEX TABLESPACE \"{fast}\", name text) TABLESPACE \"{fast}\";
             INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 300) i;
             CREATE INDEX ON item (name) TABLESPACE pg_default;
             CREATE MATERIALIZED VIEW seen TABLESPACE \"{fast}\" AS SELECT count(*) FROM item;
             CREATE TABLE parted (id integer) PARTITION BY LIST (id) TABLESPACE \"{fast}\";
             CREATE TABLE part PARTITION OF parted DEFAULT TABLESPACE pg_default; CREATE TABLE plain (id integer)"
        ),
    )
    .await;
    let look = format!(
        "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = '{shop}'"
    );
    assert_eq!(ask("postgres", &look).await, slow);
    let door = database(&shop);
    let place = Place::new();
    let (archive, _) = place.back_up(&door).await;
    let beside = restore::beside(&archive, &door, &RestoreOptions::default(), &Silent).await.unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    assert_eq!(ask("postgres", &look).await, slow);
    same(&shop, &replaced.name).await;
    // Elsewhere without them: named before anything is made.
    for database in [&shop, &replaced.name] {
        run("postgres", &format!("DROP DATABASE \"{database}\" WITH (FORCE)")).await;
    }
    run("postgres", &format!("DROP TABLESPACE \"{fast}\"; ")).await;
    run("postgres", &format!("DROP TABLESPACE \"{slow}\"")).await;
    let error = restore::into(&archive, &database("postgres"), &shop, &RestoreOptions::default(), &Silent)
        .await
        .unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    for space in [&fast, &slow] {
        assert!(error.to_string().contains(&format!("tablespace `{space}`")), "{error}");
    }
}

//! Parts: backups that leave something out, and parts of whole archives.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::archives::Place;
use super::tools::{pg_dump, said, schema_only, tool};
use super::{ask, beginning, connect, database, digests, fresh, name, run, server};
use crate::archive::Archive;
use crate::dump::{self, BackupOptions};
use crate::postgres::restore::run::{Transaction, statements};
use crate::postgres::restore::scratch::drop_database;
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};
use crate::selection::{Content, Pattern, Selection};
use crate::store::{LocalStore, Source, Store as _};
use crate::{ErrorKind, Result, catalogue};

const SHOP: &str = "
CREATE SCHEMA audit; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN short AS text CHECK (length(VALUE) < 900);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE customer (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name short NOT NULL, mood mood);
CREATE TABLE orders (id serial PRIMARY KEY, customer integer REFERENCES customer, note text);
CREATE INDEX orders_note ON orders (note); CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TABLE item (orders integer REFERENCES orders, n integer);
CREATE VIEW rich AS SELECT count(*) AS n FROM orders;
CREATE TABLE event (id integer, at date) PARTITION BY RANGE (at);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX event_id ON event (id);
CREATE TABLE audit.log (id integer, what text);
CREATE TABLE \"Strange.\"\" | name*\" (a integer);
INSERT INTO customer (name, mood) SELECT 'c' || n, 'ok' FROM generate_series(1, 300) n;
INSERT INTO orders (customer, note) SELECT 1 + n % 300, 'n' || n FROM generate_series(1, 3000) n;
INSERT INTO item SELECT 1 + n % 3000, n FROM generate_series(1, 2000) n;
INSERT INTO event SELECT n, '2026-05-05' FROM generate_series(1, 50) n;
INSERT INTO audit.log SELECT n, repeat(md5(n::text), 100) FROM generate_series(1, 9000) n;
INSERT INTO \"Strange.\"\" | name*\" VALUES (7);
SELECT setval('orders_id_seq', 7777, true); SELECT lo_from_bytea(4711, 'x');
COMMENT ON TABLE orders IS 'what was sold'; COMMENT ON COLUMN orders.note IS 'a note';
GRANT SELECT ON orders TO PUBLIC;
";

async fn shop(what: &str) -> String {
    let shop = fresh(what).await;
    run(&shop, SHOP).await;
    shop
}

pub(super) fn tables(patterns: &[&str]) -> Vec<Pattern> {
    patterns.iter().map(|text| Pattern::table(text).unwrap()).collect()
}

pub(super) fn of_tables(patterns: &[&str]) -> Selection {
    Selection { tables: tables(patterns), ..Selection::default() }
}

pub(super) fn options(selection: Selection) -> RestoreOptions {
    RestoreOptions { selection, ..RestoreOptions::default() }
}

/// Restores a selection into a new database and gives its name.
async fn into(archive: &Archive, shop: &str, selection: Selection) -> Result<String> {
    let copy = name("part");
    restore::into(archive, &database(shop), &copy, &options(selection), &Silent).await.map(|_| copy)
}

/// The tables that hold rows, with how many.
async fn counts(database: &str) -> Vec<(String, u64)> {
    let digests = digests(database).await;
    digests.into_iter().map(|(id, digest)| (format!("{}.{}", id.namespace, id.name), digest.rows)).collect()
}

fn rows(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
}

/// What pg_dump says of some tables of a database.
fn of_pg_dump(database: &str, tables: &[&str]) -> String {
    let tables: Vec<String> = tables.iter().map(|table| format!("--table={table}")).collect();
    let arguments: Vec<&str> =
        ["--schema-only"].into_iter().chain(tables.iter().map(String::as_str)).collect();
    pg_dump(database, &arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_whole_archive_into_a_new_database() {
    let shop = shop("parts").await;
    let place = Place::new();
    let (archive, _) = place.back_up(&database(&shop)).await;

    let copy = into(&archive, &shop, of_tables(&["orders", "customer"])).await.unwrap();
    assert_eq!(counts(&copy).await, rows(&[("public.customer", 300), ("public.orders", 3000)]));
    assert_eq!(of_pg_dump(&copy, &["orders", "customer"]), of_pg_dump(&shop, &["orders", "customer"]));
    assert_eq!(ask(&copy, "SELECT nextval('orders_id_seq')").await, "7778");
    assert_eq!(ask(&copy, "INSERT INTO customer (name) VALUES ('x') RETURNING id").await, "301");
    assert_eq!(ask(&copy, "SELECT count(*) FROM pg_largeobject_metadata").await, "0");

    // Without its customers it comes without the foreign key.
    let copy = into(&archive, &shop, of_tables(&["public.ORDERS"])).await.unwrap();
    assert_eq!(counts(&copy).await, rows(&[("public.orders", 3000)]));
    assert_eq!(ask(&copy, "SELECT count(*) FROM pg_constraint WHERE contype = 'f'").await, "0");
    assert_eq!(ask(&copy, "SELECT count(*) FROM pg_trigger WHERE tgname = 't'").await, "1");

    let copy = into(&archive, &shop, of_tables(&["event", "\"Strange.\"\" | name*\""])).await.unwrap();
    assert_eq!(counts(&copy).await, rows(&[("public.Strange.\" | name*", 1), ("public.event_1", 50)]));
    assert_eq!(ask(&copy, "SELECT count(*) FROM event").await, "50");
    assert_eq!(ask(&copy, "SELECT count(*) FROM pg_inherits").await, "2");

    let audit = Selection { schemas: vec![Pattern::schema("au*").unwrap()], ..Selection::default() };
    let copy = into(&archive, &shop, audit).await.unwrap();
    assert_eq!(counts(&copy).await, rows(&[("audit.log", 9000)]));

    let without = Selection {
        exclude_tables: tables(&["item"]),
        exclude_table_data: tables(&["audit.*"]),
        ..Selection::default()
    };
    let copy = into(&archive, &shop, without).await.unwrap();
    assert_eq!(ask(&copy, "SELECT count(*) FROM audit.log").await, "0");
    assert_eq!(ask(&copy, "SELECT count(*) FROM rich, orders").await, "3000");
    assert_eq!(ask(&copy, "SELECT count(*) FROM pg_largeobject_metadata").await, "1");
    assert_eq!(ask(&copy, "SELECT to_regclass('item') IS NULL").await, "t");

    let bare = Selection { content: Content::SchemaOnly, ..Selection::default() };
    let copy = into(&archive, &shop, bare).await.unwrap();
    assert_eq!(schema_only(&copy), schema_only(&shop));
    assert!(counts(&copy).await.iter().all(|(_, rows)| *rows == 0));

    for (selection, kind, words) in [
        (of_tables(&["rich"]), ErrorKind::Refused, "view public.rich needs table public.orders"),
        (of_tables(&["ordres"]), ErrorKind::NotFound, "no table `ordres`"),
        (Selection { content: Content::DataOnly, ..Selection::default() }, ErrorKind::Refused, "rows alone"),
        (
            Selection { exclude_schemas: vec![Pattern::schema("public").unwrap()], ..Selection::default() },
            ErrorKind::Refused,
            "nothing",
        ),
    ] {
        let outcome = into(&archive, &shop, selection.clone()).await;
        if words == "nothing" {
            // All that is left stands alone.
            assert_eq!(counts(&outcome.unwrap()).await, rows(&[("audit.log", 9000)]));
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words) && error.hint().is_some(), "{error}");
    }
    // The whole is what takes a database's place.
    let error = restore::beside(&archive, &database(&shop), &options(of_tables(&["item"])), &Silent).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_beside_what_is_there() {
    let shop = shop("among").await;
    let door = database(&shop);
    let place = Place::new();
    let (archive, _) = place.back_up(&door).await;
    let among =
        async |selection: Selection| restore::among(&archive, &door, &options(selection), &Silent).await;
    let before = schema_only(&shop);

    // Gone, and back with its key, index, trigger and sequence; what was there beside it is untouched.
    run(&shop, "DROP TABLE orders CASCADE").await;
    let done = among(of_tables(&["orders", "rich"])).await.unwrap();
    let made: Vec<String> = done.made.iter().map(ToString::to_string).collect();
    assert_eq!(made, ["sequence public.orders_id_seq", "table public.orders", "view public.rich"]);
    assert!(done.beside.is_empty() && done.cut.is_empty(), "{done:?}");
    run(&shop, "ALTER TABLE item ADD FOREIGN KEY (orders) REFERENCES orders").await;
    assert_eq!(schema_only(&shop), before);
    assert_eq!(ask(&shop, "SELECT nextval('orders_id_seq')").await, "7778");

    // There: its rows beside it, and nothing else.
    run(&shop, "DELETE FROM item; DELETE FROM orders WHERE id > 10; DROP TABLE audit.log").await;
    let done = among(of_tables(&["orders", "log"])).await.unwrap();
    let [(table, new)] = done.beside.as_slice() else { panic!("{done:?}") };
    assert_eq!(table.to_string(), "table public.orders");
    assert_eq!(ask(&shop, &format!("SELECT count(*) FROM {new}")).await, "3000");
    assert_eq!(ask(&shop, "SELECT count(*) FROM orders").await, "10");
    assert_eq!(ask(&shop, "SELECT count(*) FROM audit.log").await, "9000");
    run(&shop, &format!("DROP TABLE {new}")).await;

    // Rows alone, in the order of the foreign keys.
    run(&shop, "TRUNCATE orders, customer, item").await;
    let mut rows_only =
        Selection { content: Content::DataOnly, ..of_tables(&["item", "orders", "customer"]) };
    let done = among(rows_only.clone()).await.unwrap();
    assert_eq!(done.filled.len(), 3);
    assert_eq!(
        ask(
            &shop,
            "SELECT count(*) FROM item JOIN orders ON orders.id = orders JOIN customer c ON c.id = customer"
        )
        .await,
        "2000"
    );
    let error = among(rows_only.clone()).await.unwrap_err();
    assert!(error.to_string().contains("rows are in") && error.hint().is_some(), "{error}");
    run(&shop, "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := 0; RETURN NEW; END $$;
                CREATE TRIGGER spoil BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION spoil(); TRUNCATE item").await;
    rows_only.tables = tables(&["item"]);
    among(rows_only.clone()).await.unwrap();
    assert_eq!(ask(&shop, "SELECT count(*) FROM item WHERE n > 0").await, "2000", "the trigger did not fire");
    run(&shop, "INSERT INTO item VALUES (NULL, 5)").await;
    assert_eq!(ask(&shop, "SELECT count(*) FROM item WHERE n = 0").await, "1", "and fires again");
    run(&shop, "DROP TABLE item").await;
    assert_eq!(among(rows_only).await.unwrap_err().kind(), ErrorKind::NotFound);

    // Whatever collides is named, and nothing has changed.
    let before = schema_only(&shop);
    for selection in [
        Selection { schemas: vec![Pattern::schema("public").unwrap()], ..Selection::default() },
        of_tables(&["item", "rich"]),
        Selection { content: Content::SchemaOnly, ..of_tables(&["item", "orders"]) },
    ] {
        let error = among(selection).await.unwrap_err();
        assert!(error.to_string().contains("already"), "{error}");
        assert_eq!(schema_only(&shop), before);
    }
    // Without what it needs it does not come.
    run(&shop, "DROP VIEW rich; DROP TABLE orders CASCADE").await;
    let error = among(of_tables(&["rich"])).await.unwrap_err();
    assert!(error.to_string().contains("needs table public.orders"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_backup_is_no_backup_of_the_database() {
    let shop = shop("partial").await;
    let door = database(&shop);
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let create = async |options: &BackupOptions| dump::create(&door, &store, options, &Silent).await.unwrap();
    let whole = create(&BackupOptions::default()).await;
    assert!(!whole.partial);
    let all = [
        BackupOptions { selection: of_tables(&["orders"]), ..BackupOptions::default() },
        BackupOptions {
            selection: Selection { schemas: vec![Pattern::schema("audit").unwrap()], ..Selection::default() },
            ..BackupOptions::default()
        },
        BackupOptions {
            selection: Selection {
                exclude_table_data: tables(&["audit.*", "event"]),
                ..Selection::default()
            },
            ..BackupOptions::default()
        },
        BackupOptions {
            selection: Selection { content: Content::SchemaOnly, ..Selection::default() },
            ..BackupOptions::default()
        },
        BackupOptions { no_owner: true, ..BackupOptions::default() },
        BackupOptions { no_privileges: true, ..BackupOptions::default() },
        BackupOptions {
            selection: Selection { content: Content::DataOnly, ..Selection::default() },
            ..BackupOptions::default()
        },
    ];
    for options in &all {
        let written = create(options).await;
        assert!(written.partial && !written.left_out.is_empty());
        let listed = catalogue::list(&store).await.unwrap();
        let one = listed.iter().find(|backup| backup.file == written.name.to_string()).unwrap();
        assert_eq!((&one.state, one.is_good()), (&catalogue::State::Partial, false));
        assert_eq!(
            catalogue::resolve(&store, "latest", std::slice::from_ref(&written.source)).await.unwrap().file,
            whole.name.to_string()
        );
        let archive = Archive::open(store.source(&written.name).await.unwrap()).await.unwrap();
        archive.verify_all(&Silent, &Default::default()).await.unwrap();
        let error = restore::beside(&archive, &door, &RestoreOptions::default(), &Silent).await.unwrap_err();
        assert!(error.to_string().contains("partial"), "{error}");
        let proven = restore::prove(&archive, &door, &RestoreOptions::default(), &Silent).await;
        if options.selection.content == Content::DataOnly {
            assert_eq!(proven.unwrap_err().kind(), ErrorKind::Refused);
            let copy = name("filled");
            run("postgres", &format!("CREATE DATABASE \"{copy}\" TEMPLATE template0")).await;
            let bare = Selection { content: Content::SchemaOnly, ..Selection::default() };
            let (full, _) = Place::new().back_up(&door).await;
            restore::among(&full, &database(&copy), &super::parts::options(bare), &Silent).await.unwrap();
            let rows = Selection { content: Content::DataOnly, ..Selection::default() };
            restore::among(&archive, &database(&copy), &super::parts::options(rows), &Silent).await.unwrap();
            assert_eq!(digests(&copy).await, digests(&shop).await);
            continue;
        }
        proven.unwrap();
        // Stock tools restore it, too.
        let copy = fresh("by psql").await;
        let script =
            said(Command::new("zstd").arg("-dc").arg(folder.path().join(written.name.to_string())), b"");
        said(tool("psql", &copy).arg("-Xq"), script.as_bytes());
        let restored = into(&archive, &shop, Selection::default()).await.unwrap();
        assert_eq!(digests(&copy).await, digests(&restored).await);
        assert_eq!(schema_only(&copy), schema_only(&restored));
    }
    assert_eq!(beginning(&shop).await, [shop.as_str()]);
}

/// Counts the bytes that are read.
#[derive(Debug)]
struct Counting(Arc<dyn Source>, AtomicU64);

#[async_trait]
impl Source for Counting {
    fn describe(&self) -> String {
        self.0.describe()
    }

    async fn len(&self) -> Result<u64> {
        self.0.len().await
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.1.fetch_add(length as u64, Ordering::Relaxed);
        self.0.read_at(offset, length).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_table_reads_only_its_parts() {
    let shop = fresh("ranged").await;
    run(&shop, "CREATE TABLE big AS SELECT n, md5(n::text) || md5((n * 7)::text) AS x FROM generate_series(1, 300000) n;
                CREATE TABLE small AS SELECT generate_series(1, 10) n").await;
    let door = database(&shop);
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let written = dump::create(&door, &store, &BackupOptions::default(), &Silent).await.unwrap();
    let source = Arc::new(Counting(store.source(&written.name).await.unwrap(), AtomicU64::new(0)));
    let archive = Archive::open(source.clone()).await.unwrap();
    let opened = source.1.load(Ordering::Relaxed);
    for place in ["beside", "into"] {
        let before = source.1.load(Ordering::Relaxed);
        match place {
            "beside" => {
                drop(restore::among(&archive, &door, &options(of_tables(&["small"])), &Silent).await.unwrap())
            }
            _ => drop(into(&archive, &shop, of_tables(&["small"])).await.unwrap()),
        }
        let read = source.1.load(Ordering::Relaxed) - before;
        assert!(read < 20_000, "{place}: {read} of {} bytes were read", written.bytes);
    }
    assert!(opened < 100_000 && written.bytes > 5_000_000, "{opened} of {}", written.bytes);
}

#[tokio::test]
async fn a_deadlock_runs_again_only_what_was_rolled_back() {
    let name = fresh("deadlock").await;
    run(&name, "CREATE TABLE a (); CREATE TABLE b ()").await;
    let (own, other) = (connect(&name).await, connect(&name).await);
    own.batch_execute("SET deadlock_timeout = '3s'; SET search_path = public").await.unwrap();
    other.batch_execute("SET deadlock_timeout = '100s'; BEGIN; LOCK TABLE b").await.unwrap();
    // The first hundred are committed before the deadlock comes.
    let mut text: String = (0..100).map(|n| format!("CREATE TABLE t{n} ();\n")).collect();
    text.push_str("ALTER TABLE a ADD x int;\nALTER TABLE b ADD x int;\n");
    let in_the_way = async {
        let waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'public.b'::regclass";
        while !connect(&name).await.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {}
        other.batch_execute("LOCK TABLE a; COMMIT").await.unwrap();
    };
    let (ran, ()) = tokio::join!(statements(&own, &text, Transaction::Own, "public"), in_the_way);
    ran.unwrap();
    let columns = "SELECT count(*)::text FROM pg_attribute WHERE attname = 'x' AND attrelid IN ('a'::regclass, 'b'::regclass)";
    assert_eq!(ask(&name, columns).await, "2");
    run("postgres", &format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
}

#[tokio::test]
async fn a_scratch_database_with_a_subscription_goes() {
    let name = fresh("subscribed").await;
    let subscription = format!("sub {name}");
    run(&name, &format!("CREATE SUBSCRIPTION \"{subscription}\" CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false, slot_name = 'kept')")).await;
    let server = server(&name);
    drop_database(&server, &server.maintenance_database().await.unwrap(), &name).await.unwrap();
    assert_eq!(
        ask("postgres", &format!("SELECT count(*)::text FROM pg_database WHERE datname = '{name}'")).await,
        "0"
    );
}

//! A restore from beginning to end.

use database::Section;

use super::archives::Place;
use super::by_hand::as_role;
use super::tools::schema_only;
use super::{ask, beginning, connect, database, digests, fresh, name, run};
use crate::ErrorKind;
use crate::archive::Aspect;
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions, TargetState, Way};

const SHOP: &str = "
CREATE SCHEMA \"we;ird\n\"\"one\";
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', E'back\\\\slash');
CREATE TABLE customer (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood mood,
  upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE TABLE \"order\" (id serial PRIMARY KEY, customer integer REFERENCES customer, number text UNIQUE, paid numeric(12, 2));
CREATE TABLE \"we;ird\n\"\"one\".\"t\\.\n;\" (\"a\"\"\n;b\" text, c bytea);
CREATE INDEX order_paid ON \"order\" (paid) WHERE paid > 0;
CREATE VIEW rich AS SELECT name, sum(paid) AS paid FROM customer JOIN \"order\" ON customer.id = customer GROUP BY name;
CREATE MATERIALIZED VIEW richest AS SELECT * FROM rich ORDER BY paid DESC LIMIT 3;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.number := 'N' || NEW.number; RETURN NEW; END $$;
INSERT INTO customer (name, mood) SELECT 'customer ' || n, 'it''s ok' FROM generate_series(1, 500) n;
INSERT INTO \"order\" (customer, number, paid) SELECT 1 + n % 500, n::text, n / 7.0 FROM generate_series(1, 5000) n;
CREATE TRIGGER stamp BEFORE INSERT ON \"order\" FOR EACH ROW EXECUTE FUNCTION stamp();
INSERT INTO \"we;ird\n\"\"one\".\"t\\.\n;\" VALUES ('\\.', '\\x00ff'), (E'a\\nb\\tc\\\\.', NULL), ('\\N', ''), (NULL, '\\x5c');
REFRESH MATERIALIZED VIEW richest;
SELECT lo_from_bytea(4711, '\\x0001ff5c');
SELECT setval('order_id_seq', 9000, false);
CREATE SEQUENCE fresh_one START 5;
COMMENT ON TABLE customer IS 'who buys'; GRANT SELECT ON customer TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
";

async fn shop(what: &str) -> String {
    let shop = fresh(what).await;
    run(&shop, SHOP).await;
    shop
}

async fn same(one: &str, other: &str) {
    assert_eq!(schema_only(one), schema_only(other));
    assert_eq!(digests(one).await, digests(other).await);
    for sql in [
        "SELECT string_agg(lo_get(oid)::text, ',' ORDER BY oid) FROM pg_largeobject_metadata",
        "SELECT concat_ws(' ', last_value, is_called) FROM order_id_seq",
        "SELECT concat_ws(' ', last_value, is_called) FROM fresh_one",
        "SELECT string_agg(r::text, ',' ORDER BY r::text) FROM richest r",
    ] {
        assert_eq!(ask(one, sql).await, ask(other, sql).await, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_and_swapped_it_is_what_it_was() {
    let shop = shop("round").await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, _) = place.back_up(&door).await;
    run(&shop, "DROP TABLE \"order\" CASCADE; DELETE FROM customer; CREATE TABLE added (a int)").await;
    let preflight = restore::preflight(&archive, &door, &RestoreOptions::default()).await.unwrap();
    assert_eq!((preflight.way, preflight.target), (Way::Beside, TargetState::Filled));
    assert!(preflight.same_source() && preflight.bytes_free.is_some());
    assert!(preflight.warnings.iter().any(|warning| warning.message.contains("superuser")));
    preflight.check().unwrap();
    for jobs in [1, 4] {
        let options = RestoreOptions { jobs, ..RestoreOptions::default() };
        let beside = restore::beside(&archive, &door, &options, &Silent).await.unwrap();
        assert!(beside.scratch_name().starts_with(&format!("{shop}_restoring_")));
        let replaced = beside.swap(&[], false).await.unwrap();
        assert_eq!(restore::replaced(&door).await.unwrap().last().unwrap().name, replaced.name);
    }
    let other = name("round, other");
    restore::into(&archive, &door, &other, &RestoreOptions::default(), &Silent).await.unwrap();
    same(&shop, &other).await;
    assert_eq!(ask(&shop, "SELECT count(*) FROM \"order\"").await, "5000");
    let error =
        restore::into(&archive, &door, &other, &RestoreOptions::default(), &Silent).await.unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");
}

#[tokio::test]
async fn the_journal_comes_with_the_swap() {
    let shop = shop("journal").await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, _) = place.back_up(&door).await;
    let beside = restore::beside(&archive, &door, &RestoreOptions::default(), &Silent).await.unwrap();
    let entry = |number| database::Entry {
        run: "r1".into(),
        number,
        at: chrono::Utc::now(),
        step: serde_json::json!({"n": number}),
    };
    beside.swap(&[entry(0), entry(1)], true).await.unwrap();
    let entries = door.session().await.unwrap().entries().await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn open_sessions_are_named_and_need_disconnect() {
    let shop = shop("open sessions").await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, _) = place.back_up(&door).await;
    let other = connect(&shop).await;
    other.batch_execute("SET application_name = 'till 7'").await.unwrap();
    let error = restore::beside(&archive, &door, &RestoreOptions::default(), &Silent).await.unwrap_err();
    assert!(
        error.to_string().contains("till 7") && error.hint().unwrap().contains("--disconnect"),
        "{error}"
    );
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    restore::beside(&archive, &door, &options, &Silent).await.unwrap().swap(&[], true).await.unwrap();
    assert!(other.batch_execute("SELECT 1").await.is_err());
}

/// Nothing of a failed restore is left, and the target is what it was.
async fn untouched(shop: &str, before: &str) {
    assert_eq!(beginning(shop).await, [shop.to_owned()]);
    assert_eq!(schema_only(shop), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_anywhere_leaves_nothing() {
    let shop = shop("failures").await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, _) = place.back_up(&door).await;
    let before = schema_only(&shop);
    let options = RestoreOptions::default();
    let rows_of = |parts: &mut Vec<crate::archive::RawPart>, table: &str| {
        let holds = |part: &crate::archive::RawPart| part.objects.iter().any(|id| id.name == table);
        parts.iter().position(|part| part.aspect == Aspect::Rows && holds(part)).unwrap()
    };
    // The block of a table in a part that it shares with others, and what is around it.
    let block_of = |bytes: &[u8], table: &str| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let start = text.find(&format!("COPY \"public\".\"{table}\"")).unwrap();
        let end = start + text[start..].find("\\.\n").unwrap() + 3;
        (text[..start].to_owned(), text[start..end].to_owned(), text[end..].to_owned())
    };

    let broken_row = place.forged(&archive, |_, parts, _| {
        let at = rows_of(parts, "order");
        let (before, block, after) = block_of(&parts[at].bytes, "order");
        let block = block.replacen("\t2\t", "\tnot a number\t", 1);
        parts[at].bytes = (before + &block + &after).into_bytes();
    });
    let duplicate = place.forged(&archive, |_, parts, tail| {
        let at = rows_of(parts, "order");
        let (before, block, after) = block_of(&parts[at].bytes, "order");
        let row = block.lines().nth(1).unwrap().to_owned();
        let block = block.replacen("\\.\n", &format!("{row}\n\\.\n"), 1);
        parts[at].bytes = (before + &block + &after).into_bytes();
        parts[at].rows += 1;
        tail.tables.iter_mut().find(|table| table.id.name == "order").unwrap().digest.add_row(row.as_bytes());
    });
    let lost_row = place.forged(&archive, |_, parts, _| {
        let at = rows_of(parts, "customer");
        let (before, block, after) = block_of(&parts[at].bytes, "customer");
        let row = format!("{}\n", block.lines().nth(1).unwrap());
        parts[at].bytes = (before + &block.replacen(&row, "", 1) + &after).into_bytes();
    });
    let lying_digest = place.forged(&archive, |_, _, tail| {
        let table = tail.tables.iter_mut().find(|table| table.id.name == "customer").unwrap();
        table.digest.digest.add_row(b"no such row");
    });
    let lying_sequence =
        place.forged(&archive, |_, _, tail| tail.kinds.values_mut().for_each(|count| *count += 1));
    let program = place.forged(&archive, |_, parts, _| {
        let at = rows_of(parts, "customer");
        parts[at].bytes = b"COPY customer FROM PROGRAM 'touch /tmp/dbm-was-here';\n\\.\n".to_vec();
    });
    let in_definitions = place.forged(&archive, |_, parts, _| {
        let part = parts.iter_mut().find(|part| part.aspect == Aspect::Definition).unwrap();
        part.bytes.extend_from_slice(b"COPY customer TO PROGRAM 'touch /tmp/dbm-was-here';\n");
    });
    let commits = place.forged(&archive, |_, parts, _| {
        let part = parts.iter_mut().find(|part| part.section == Section::PostData).unwrap();
        part.bytes.extend_from_slice(b"COMMIT;\n");
    });
    for (what, forged, words) in [
        ("a broken row", broken_row.await, "not a number"),
        ("a duplicate under a unique index", duplicate.await, "N2"),
        ("a lost row", lost_row.await, "went in, and the archive's index says"),
        ("a digest that lies", lying_digest.await, "500 rows of table public.customer are not those"),
        ("a count of objects that lies", lying_sequence.await, "instead of"),
        ("rows from a program", program.await, "not what dbm writes"),
        ("a copy among definitions", in_definitions.await, "which no definition is"),
        ("transaction control", commits.await, "which no definition is"),
    ] {
        let error = restore::beside(&forged, &door, &options, &Silent)
            .await
            .err()
            .unwrap_or_else(|| panic!("{what} passed"));
        let text = format!("{error} {:?}", error.hint());
        assert!(what.starts_with("a dup") || text.contains(words), "{what}: {text}");
        untouched(&shop, &before).await;
    }
    assert!(!std::path::Path::new("/tmp/dbm-was-here").exists());
    let error = restore::prove(&archive, &door, &options, &Silent).await;
    error.unwrap();
    untouched(&shop, &before).await;
}

#[tokio::test]
async fn verifying_deeply_fails_where_the_index_lies() {
    let shop = shop("deep").await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, _) = place.back_up(&door).await;
    restore::prove(&archive, &door, &RestoreOptions::default(), &Silent).await.unwrap();
    let lying =
        place.forged(&archive, |_, _, tail| tail.tables[0].digest.digest.add_row(b"no such row")).await;
    let error = restore::prove(&lying, &door, &RestoreOptions::default(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unproven);
    assert_eq!(beginning(&shop).await, [shop.as_str()]);
}

#[tokio::test]
async fn what_stands_in_the_way_is_all_named_before_anything_happens() {
    let shop = shop("preflight").await;
    let (door, place) = (database(&shop), Place::new());
    let role = name("gone role");
    run(
        &shop,
        &format!("CREATE ROLE \"{role}\"; GRANT SELECT ON customer TO \"{role}\"; CREATE EXTENSION citext"),
    )
    .await;
    let (archive, _) = place.back_up(&door).await;
    run(&shop, &format!("REVOKE ALL ON customer FROM \"{role}\"; DROP ROLE \"{role}\"")).await;
    let forged = place
        .forged(&archive, |head, parts, tail| {
            head.server_version = "99.1".into();
            tail.source = database::SourceId("postgres:1/shop".into());
            let part = parts
                .iter_mut()
                .find(|part| part.objects.iter().any(|id| id.kind == database::Kind::Extension))
                .unwrap();
            part.objects.iter_mut().find(|id| id.kind == database::Kind::Extension).unwrap().name =
                "no_such_extension".into();
        })
        .await;
    let preflight = restore::preflight(&forged, &door, &RestoreOptions::default()).await.unwrap();
    assert_eq!(preflight.missing_roles, [role.as_str()]);
    assert_eq!(preflight.missing_extensions, ["no_such_extension"]);
    let error = preflight.check().unwrap_err().to_string();
    for word in [role.as_str(), "no_such_extension", "99.1, newer than the server's", "postgres:1/shop"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    let bare = RestoreOptions { no_privileges: true, ..RestoreOptions::default() };
    assert!(restore::preflight(&archive, &door, &bare).await.unwrap().missing_roles.is_empty());
    restore::beside(&archive, &door, &bare, &Silent).await.unwrap().discard().await.unwrap();
}

#[tokio::test]
async fn another_source_fills_only_an_empty_target() {
    let (shop, other, empty) = (shop("source").await, shop("other source").await, fresh("empty").await);
    let place = Place::new();
    let (archive, _) = place.back_up(&database(&shop)).await;
    let options = RestoreOptions::default();
    let error = restore::beside(&archive, &database(&other), &options, &Silent).await.unwrap_err();
    assert!(error.hint().unwrap().contains("--from-source"), "{error}");
    let told = RestoreOptions { from_source: Some(archive.index().source.clone()), ..options.clone() };
    restore::beside(&archive, &database(&other), &told, &Silent)
        .await
        .unwrap()
        .swap(&[], true)
        .await
        .unwrap();
    restore::beside(&archive, &database(&empty), &options, &Silent)
        .await
        .unwrap()
        .swap(&[], true)
        .await
        .unwrap();
    same(&shop, &other).await;
    same(&shop, &empty).await;
}

#[tokio::test]
async fn a_stopped_restore_leaves_nothing() {
    let shop = shop("stopped").await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, _) = place.back_up(&door).await;
    for delay in [0, 30, 120, 250] {
        let options = RestoreOptions::default();
        let cancel = options.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
            cancel.cancel();
        });
        match restore::beside(&archive, &door, &options, &Silent).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}"),
            Ok(beside) => beside.discard().await.unwrap(),
        }
        assert_eq!(beginning(&shop).await, [shop.as_str()]);
    }
}

#[tokio::test]
async fn one_table_comes_back_beside_itself() {
    let shop = shop("table").await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, _) = place.back_up(&door).await;
    run(&shop, "DELETE FROM \"order\" WHERE id > 10").await;
    let new = restore::table(&archive, &door, "order", &RestoreOptions::default(), &Silent).await.unwrap();
    assert!(new.starts_with("\"public\".\"order_restored_"), "{new}");
    assert_eq!(ask(&shop, &format!("SELECT count(*) || ' ' || max(id) FROM {new}")).await, "5000 5000");
    let weird =
        restore::table(&archive, &door, "t\\.\n;", &RestoreOptions::default(), &Silent).await.unwrap();
    assert_eq!(ask(&shop, &format!("SELECT count(*) FROM {weird}")).await, "4");
    let error =
        restore::table(&archive, &door, "none", &RestoreOptions::default(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_role_that_may_create_databases_needs_no_superuser() {
    let (shop, role) = (name("createdb"), name("creator"));
    run("postgres", &format!("CREATE ROLE \"{role}\" LOGIN CREATEDB")).await;
    run("postgres", &format!("CREATE DATABASE \"{shop}\" OWNER \"{role}\"")).await;
    let door = as_role(&shop, &role);
    let session = door.session().await;
    session.unwrap().execute(SHOP).await.unwrap();
    let place = Place::new();
    let (archive, _) = place.back_up(&door).await;
    let before = schema_only(&shop);
    let beside = restore::beside(
        &archive,
        &door,
        &RestoreOptions { disconnect: true, ..RestoreOptions::default() },
        &Silent,
    )
    .await
    .unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    assert_eq!(schema_only(&shop), before);
    same(&shop, &replaced.name).await;
}

/// As a worker of autovacuum is, whom nobody but a superuser may end.
#[tokio::test]
async fn a_superuser_who_is_about_to_go_does_not_keep_a_scratch_database() {
    let (shop, role) = (name("leaving"), name("leaver"));
    run("postgres", &format!("CREATE ROLE \"{role}\" LOGIN CREATEDB")).await;
    run("postgres", &format!("CREATE DATABASE \"{shop}\" OWNER \"{role}\"")).await;
    let door = as_role(&shop, &role);
    let scratch = restore::scratch_name(&door).await.unwrap();
    run("postgres", &format!("CREATE DATABASE \"{scratch}\" OWNER \"{role}\"")).await;
    let superuser = connect(&scratch).await;
    let leaving = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        drop(superuser);
    });
    restore::discard_scratch(&door, &scratch).await.unwrap();
    leaving.await.unwrap();
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{scratch}'");
    assert_eq!(ask("postgres", &left).await, "0");
}

#[tokio::test]
async fn in_place_where_databases_may_not_be_created() {
    let (shop, role) = (name("in place"), name("lone"));
    run("postgres", &format!("CREATE ROLE \"{role}\" LOGIN")).await;
    run("postgres", &format!("CREATE DATABASE \"{shop}\" OWNER \"{role}\"")).await;
    let door = as_role(&shop, &role);
    door.session().await.unwrap().execute(SHOP).await.unwrap();
    // Its constructors are the superuser's.
    door.session().await.unwrap().execute("CREATE TYPE span AS RANGE (subtype = integer)").await.unwrap();
    let place = Place::new();
    let (archive, _) = place.back_up(&door).await;
    let (before, rows) = (schema_only(&shop), digests(&shop).await);
    // What a failed migration may leave.
    let mess = "DROP TABLE customer CASCADE; CREATE TABLE added (a int PRIMARY KEY); CREATE VIEW over AS SELECT * FROM added;
        CREATE TYPE extra AS (a int); CREATE SCHEMA more; CREATE TABLE more.t (a extra); SELECT lo_create(99);
        ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC; DELETE FROM \"order\"";
    door.session().await.unwrap().execute(mess).await.unwrap();
    let messy = schema_only(&shop);
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    assert_eq!(restore::preflight(&archive, &door, &options).await.unwrap().way, Way::InPlace);
    let (now, written) = place.back_up(&door).await;
    let safeguard =
        restore::Safeguard::verify(&written, &place.store, &door, &Silent, &options.cancel).await.unwrap();
    assert_eq!(safeguard.identity(), now.identity());

    let lying =
        place.forged(&archive, |_, _, tail| tail.tables[0].digest.digest.add_row(b"no such row")).await;
    let error = restore::in_place(&lying, &door, &safeguard, &[], &options, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unproven);
    assert_eq!(schema_only(&shop), messy);

    restore::in_place(&archive, &door, &safeguard, &[], &options, &Silent).await.unwrap();
    assert_eq!(schema_only(&shop), before);
    assert_eq!(digests(&shop).await, rows);
    assert_eq!(ask(&shop, "SELECT string_agg(oid::text, ',') FROM pg_largeobject_metadata").await, "4711");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_break_their_own_foreign_key_are_told() {
    let name = fresh("orphans").await;
    run(&name, "CREATE TABLE p (id integer PRIMARY KEY); CREATE TABLE c (p integer CONSTRAINT \"c's key\" REFERENCES p);
                ALTER TABLE c DISABLE TRIGGER ALL; INSERT INTO c VALUES (5)").await;
    let (archive, written) = Place::new().back_up(&database(&name)).await;
    assert!(
        written.left_out.iter().any(|what| what.contains("foreign keys of public.c")),
        "{:?}",
        written.left_out
    );
    let copy = super::name("orphans copy");
    let error = restore::into(&archive, &database(&name), &copy, &RestoreOptions::default(), &Silent)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("c's key")
            && error.hint().is_some_and(|hint| hint.contains("switched off")),
        "{error}"
    );
}

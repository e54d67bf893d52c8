//! Archives written by hand, with right hashes: what a restore makes of them, good and forged.

use database::{Database, Engine, Entry, Kind, ObjectId, Section, TableDigest, postgres};
use helpers::naming::{ArchiveKind, BackupName};
use tempfile::TempDir;

use super::{ask, beginning, database, fresh, name, run, url};
use crate::ErrorKind;
use crate::archive::{Archive, ArchiveWriter, Aspect, Grade, Head, RawPart, TableEntry, Tail, compress};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions, Way};
use crate::store::{LocalStore, Store};

/// An archive that can still be changed.
pub(super) struct Draft {
    pub(super) head: Head,
    pub(super) parts: Vec<RawPart>,
    pub(super) tail: Tail,
}

fn id(name: &str) -> ObjectId {
    ObjectId { kind: Kind::Table, namespace: "public".into(), of: String::new(), name: name.into() }
}

const ROWS: &str = "1\tone\n2\tt\\nwo \\\\.\n3\t\\N\n";

impl Draft {
    /// A table with three rows, an empty one, a function and two indexes, with the database's own properties.
    pub(super) async fn of(door: &Database) -> Self {
        let about = door.about().await.unwrap();
        let Database::Postgres(server) = door else { unreachable!() };
        let client = server.maintenance_database().await.unwrap();
        let properties = postgres::properties::read(&client, &about.database).await.unwrap();
        let part = |section, aspect, rows, text: &str| RawPart {
            section,
            aspect,
            objects: vec![id("a")],
            rows,
            bytes: text.as_bytes().to_vec(),
            follows: Vec::new(),
        };
        let mut digest = TableDigest::default();
        ROWS.lines().for_each(|row| digest.add_row(row.as_bytes()));
        Self {
            head: Head {
                engine: Engine::Postgres,
                server_version: about.server_version.clone(),
                database: about.database.clone(),
                time: chrono::Utc::now(),
                dbm_version: "0.1.0".into(),
            },
            parts: vec![
                part(Section::PreData, Aspect::Guard, 0, "\\set ON_ERROR_STOP on\n\\if true\nBEGIN;\n"),
                part(
                    Section::PreData,
                    Aspect::Definition,
                    0,
                    "CREATE TABLE public.a (id integer, t text);\n\
                     CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS $$ SELECT 1; $$;\n\
                     CREATE TABLE public.b (id integer);\n",
                ),
                part(
                    Section::Data,
                    Aspect::Rows,
                    3,
                    &format!("COPY \"public\".\"a\" (\"id\", \"t\") FROM stdin;\n{ROWS}\\.\n"),
                ),
                part(
                    Section::PostData,
                    Aspect::Definition,
                    0,
                    "CREATE UNIQUE INDEX a_id ON public.a (id);\nCREATE INDEX b_id ON public.b (id);\n",
                ),
                part(Section::Final, Aspect::Guard, 0, "COMMIT;\n\\endif\n"),
            ],
            tail: Tail {
                source: about.source,
                snapshot: String::new(),
                grade: Grade::Exact,
                kinds: [(Kind::Namespace, 1), (Kind::Table, 2), (Kind::Function, 1), (Kind::Index, 2)].into(),
                left_out: Vec::new(),
                properties: serde_json::to_value(properties).unwrap(),
                extras: serde_json::json!({}),
                tables: vec![
                    TableEntry { id: id("a"), digest, columns: ["id", "t"].into_iter().collect() },
                    TableEntry {
                        id: id("b"),
                        digest: TableDigest::default(),
                        columns: ["id"].into_iter().collect(),
                    },
                ],
            },
        }
    }

    /// The archive, and the folder that it is in.
    pub(super) async fn write(self) -> (Archive, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path());
        let name = BackupName::new(&self.head.database, self.head.time, None, ArchiveKind::Script);
        let upload = store.create(&name).await.unwrap();
        let mut writer = ArchiveWriter::begin(upload, &self.head).await.unwrap();
        for part in self.parts {
            writer.append(compress(part, 1).unwrap()).await.unwrap();
        }
        writer.finish(self.tail).await.unwrap();
        (Archive::open(store.source(&name).await.unwrap()).await.unwrap(), folder)
    }

    fn replace(&mut self, section: Section, from: &str, to: &str) {
        let part = self
            .parts
            .iter_mut()
            .find(|part| part.section == section && part.aspect != Aspect::Guard)
            .unwrap();
        let text = String::from_utf8(part.bytes.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        part.bytes = text.replacen(from, to, 1).into_bytes();
    }
}

/// The door for the same server as another role.
pub(super) fn as_role(database: &str, role: &str) -> Database {
    let database::DatabaseUrl::Postgres(mut settings) = url().with_database(database) else { unreachable!() };
    settings.user = Some(role.to_owned());
    Database::new(database::DatabaseUrl::Postgres(settings)).unwrap()
}

const ALL: &str = "SELECT string_agg(a::text, ';' ORDER BY id) FROM a";
const TABLES: &str = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class
    WHERE relkind IN ('r', 'i', 'v') AND relnamespace = 'public'::regnamespace";

#[tokio::test(flavor = "multi_thread")]
async fn restored_proven_swapped_with_its_journal() {
    let shop = fresh("by hand").await;
    run(&shop, "CREATE TABLE was (a int)").await;
    let door = database(&shop);
    let (archive, _folder) = Draft::of(&door).await.write().await;
    for jobs in [1, 3] {
        let options = RestoreOptions { jobs, ..RestoreOptions::default() };
        let beside = restore::beside(&archive, &door, &options, &Silent).await.unwrap();
        assert!(beside.scratch_name().starts_with(&format!("{shop}_restoring_")));
        // The sessions that filled it are going, and a database that somebody is in is no leftover.
        let start = std::time::Instant::now();
        while restore::leftovers(&door).await.unwrap() != [beside.scratch_name()] {
            assert!(start.elapsed().as_secs() < 10, "{:?}", restore::leftovers(&door).await.unwrap());
        }
        let entry =
            |number| Entry { run: "r1".into(), number, at: chrono::Utc::now(), step: serde_json::json!({}) };
        let replaced = beside.swap(&[entry(0), entry(1)], false).await.unwrap();
        assert_eq!(restore::replaced(&door).await.unwrap().last().unwrap().name, replaced.name);
        assert_eq!(ask(&shop, ALL).await, "(1,one);(2,\"t\nwo \\\\.\");(3,)");
        assert_eq!(ask(&shop, TABLES).await, "a,a_id,b,b_id");
        let entries = door.session().await.unwrap().entries().await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [0, 1]);
    }
    assert!(restore::leftovers(&door).await.unwrap().is_empty());
    let new = restore::table(&archive, &door, "a", &RestoreOptions::default(), &Silent).await.unwrap();
    assert_eq!(ask(&shop, &format!("SELECT count(*) FROM {new}")).await, "3");
    let other = name("by hand, another");
    restore::into(&archive, &door, &other, &RestoreOptions::default(), &Silent).await.unwrap();
    assert_eq!(ask(&other, TABLES).await, "a,a_id,b,b_id");
    let gone = name("by hand, gone");
    restore::into(&archive, &database(&gone), &gone, &RestoreOptions::default(), &Silent).await.unwrap();
    assert_eq!(ask(&gone, TABLES).await, "a,a_id,b,b_id");
    let again =
        restore::into(&archive, &door, &other, &RestoreOptions::default(), &Silent).await.unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_archives_change_nothing_and_leave_nothing() {
    let shop = fresh("forged").await;
    run(&shop, "CREATE TABLE was (a int)").await;
    let door = database(&shop);
    type Forge = fn(&mut Draft);
    let forgeries: [(&str, Forge, &str); 11] = [
        ("a broken row", |draft| draft.replace(Section::Data, "2\t", "two\t"), "two"),
        (
            "a duplicate under a unique index",
            |draft| {
                draft.replace(Section::Data, "\\.\n", "\\.\n");
                draft.replace(Section::Data, "3\t\\N\n", "3\t\\N\n3\tx\n");
                draft.parts[2].rows = 4;
                draft.tail.tables[0].digest.add_row(b"3\tx");
            },
            "a_id",
        ),
        ("a row less", |draft| draft.replace(Section::Data, "1\tone\n", ""), "2 rows of table public.a"),
        (
            "a digest that lies",
            |draft| draft.tail.tables[0].digest.digest.add_row(b"no such row"),
            "3 rows of table public.a are not those",
        ),
        (
            "a row count that lies",
            |draft| draft.tail.tables[0].digest.rows = 4,
            "table public.a has 3 rows instead of 4",
        ),
        (
            "rows from a program",
            |draft| draft.replace(Section::Data, "stdin", "PROGRAM 'touch /tmp/dbm-was-here'"),
            "not what dbm writes",
        ),
        (
            "a copy among definitions",
            |draft| {
                draft.replace(
                    Section::PreData,
                    "CREATE F",
                    "COPY a TO PROGRAM 'touch /tmp/dbm-was-here';\nCREATE F",
                )
            },
            "which no definition is",
        ),
        (
            "a command of psql",
            |draft| draft.replace(Section::PreData, "CREATE F", "\\! touch /tmp/dbm-was-here\nCREATE F"),
            "",
        ),
        (
            "transaction control",
            |draft| draft.replace(Section::PostData, "CREATE INDEX", "COMMIT;\nCREATE INDEX"),
            "which no definition is",
        ),
        ("another engine", |draft| draft.head.engine = Engine::Sqlite, "the archive is of sqlite"),
        ("a newer server", |draft| draft.head.server_version = "99.1".into(), "newer than the server's"),
    ];
    for (what, forge, words) in forgeries {
        let mut draft = Draft::of(&door).await;
        forge(&mut draft);
        let (archive, _folder) = draft.write().await;
        let options = RestoreOptions::default();
        let error = restore::beside(&archive, &door, &options, &Silent).await.err();
        let error = error.unwrap_or_else(|| panic!("{what} passed")).to_string();
        assert!(error.contains(words), "{what}: {error}");
        assert!(restore::prove(&archive, &door, &options, &Silent).await.is_err(), "{what} passed");
        assert_eq!(beginning(&shop).await, [shop.as_str()], "{what} left something");
        assert_eq!(ask(&shop, TABLES).await, "was");
    }
    assert!(!std::path::Path::new("/tmp/dbm-was-here").exists());
}

#[tokio::test]
async fn what_is_missing_on_the_server_is_all_named_before_anything_happens() {
    let shop = fresh("preflight").await;
    let door = database(&shop);
    let mut draft = Draft::of(&door).await;
    draft.tail.extras = serde_json::json!({"roles": {"owners": ["gone owner"], "grantees": ["gone friend"]}});
    let extension = ObjectId {
        kind: Kind::Extension,
        namespace: String::new(),
        of: String::new(),
        name: "gone_extension".into(),
    };
    draft.parts[1].objects.push(extension);
    draft.tail.source = database::SourceId("postgres:1/other".into());
    run(&shop, "CREATE TABLE was (a int)").await;
    let (archive, _folder) = draft.write().await;
    let preflight = restore::preflight(&archive, &door, &RestoreOptions::default()).await.unwrap();
    assert_eq!(preflight.missing_roles, ["gone friend", "gone owner"]);
    assert_eq!(preflight.missing_extensions, ["gone_extension"]);
    let error = preflight.check().unwrap_err().to_string();
    for word in ["`gone friend`, `gone owner`", "gone_extension", "postgres:1/other"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    let bare = RestoreOptions { no_owner: true, no_privileges: true, ..RestoreOptions::default() };
    assert!(restore::preflight(&archive, &door, &bare).await.unwrap().missing_roles.is_empty());
}

#[tokio::test]
async fn a_role_that_may_create_databases_needs_no_superuser() {
    let (shop, role) = (name("createdb"), name("creator"));
    run("postgres", &format!("CREATE ROLE \"{role}\" LOGIN CREATEDB")).await;
    run("postgres", &format!("CREATE DATABASE \"{shop}\" OWNER \"{role}\"")).await;
    let door = as_role(&shop, &role);
    let (archive, _folder) = Draft::of(&door).await.write().await;
    let beside = restore::beside(&archive, &door, &RestoreOptions::default(), &Silent).await.unwrap();
    beside.swap(&[], false).await.unwrap();
    assert_eq!(ask(&shop, TABLES).await, "a,a_id,b,b_id");
    assert_eq!(
        ask("postgres", &format!("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{shop}'"))
            .await,
        role
    );
}

/// What a failed migration may leave.
const MESS: &str = "CREATE TABLE added (a int PRIMARY KEY); CREATE VIEW over AS SELECT * FROM added;
    CREATE TYPE extra AS (a int); CREATE SCHEMA more; CREATE TABLE more.t (a extra, n serial, i int GENERATED ALWAYS AS IDENTITY);
    CREATE TABLE more.parent (a int) PARTITION BY RANGE (a); CREATE TABLE more.child PARTITION OF more.parent FOR VALUES FROM (0) TO (9);
    CREATE TYPE span AS RANGE (subtype = int4); CREATE DOMAIN positive AS int CHECK (value > 0); CREATE TYPE mood AS ENUM ('sad');
    CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE TRIGGER g BEFORE INSERT ON added FOR EACH ROW EXECUTE FUNCTION g(); CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int); CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a; CREATE EXTENSION citext;
    CREATE PUBLICATION news FOR TABLE added; CREATE COLLATION plain (locale = 'C'); SELECT lo_create(99);
    ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC";

#[tokio::test]
async fn in_place_where_databases_may_not_be_created() {
    let (shop, role) = (name("in place"), name("lone"));
    run("postgres", &format!("CREATE ROLE \"{role}\" LOGIN")).await;
    run("postgres", &format!("CREATE DATABASE \"{shop}\" OWNER \"{role}\"")).await;
    let door = as_role(&shop, &role);
    door.session().await.unwrap().execute(MESS).await.unwrap();
    let messy = ask(&shop, TABLES).await;
    let options = RestoreOptions::default();
    let mut lying = Draft::of(&door).await;
    lying.tail.tables[0].digest.digest.add_row(b"no such row");
    let (lying, _first) = lying.write().await;
    let (archive, _second) = Draft::of(&door).await.write().await;
    assert_eq!(restore::preflight(&archive, &door, &options).await.unwrap().way, Way::InPlace);
    let beside = restore::beside(&archive, &door, &options, &Silent).await.unwrap_err();
    assert_eq!(beside.kind(), ErrorKind::Permission);

    let Database::Postgres(server) = &door else { unreachable!() };
    let entry = Entry { run: "r1".into(), number: 0, at: chrono::Utc::now(), step: serde_json::json!({}) };
    let in_place = async |archive| {
        super::super::in_place(archive, server, (None, std::slice::from_ref(&entry)), &options, &Silent).await
    };
    assert_eq!(in_place(&lying).await.unwrap_err().kind(), ErrorKind::Unproven);
    assert_eq!(ask(&shop, TABLES).await, messy);
    assert!(door.session().await.unwrap().entries().await.unwrap().is_empty());

    in_place(&archive).await.unwrap();
    assert_eq!(ask(&shop, TABLES).await, "a,a_id,b,b_id");
    assert_eq!(ask(&shop, "SELECT count(*) FROM pg_largeobject_metadata").await, "0");
    assert_eq!(ask(&shop, "SELECT count(*) FROM pg_default_acl").await, "0");
    assert_eq!(
        ask(
            &shop,
            "SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'"
        )
        .await,
        "dbm,information_schema,public"
    );
    assert_eq!(door.session().await.unwrap().entries().await.unwrap(), std::slice::from_ref(&entry));

    run(&shop, "CREATE TABLE of_the_superuser (a int)").await;
    let error = in_place(&archive).await.unwrap_err();
    assert!(error.to_string().contains("table public.of_the_superuser of postgres"), "{error}");
}

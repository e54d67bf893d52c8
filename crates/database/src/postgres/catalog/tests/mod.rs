//! Round trips through psql, judged by pg_dump.

mod marks;
mod partitions;

use std::io::Write;
use std::process::{Command, Stdio};

use tokio_postgres::NoTls;

use super::{Detail, read_as};
use crate::{Kind, Object, Schema, Section, Table};

mod random;

const OBJECTS: &str = include_str!("objects.sql");
const RARE: &str = include_str!("rare_objects.sql");

fn server() -> String {
    std::env::var("DBM_TEST_POSTGRES_URL").expect("DBM_TEST_POSTGRES_URL is missing: run scripts/test")
}

fn url(database: &str) -> String {
    let server = server();
    let (start, _) = server.rsplit_once('/').unwrap();
    format!("{start}/{database}")
}

fn run(command: &mut Command, input: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn psql(url: &str, sql: &str) -> String {
    run(Command::new("psql").args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url]), sql)
}

/// Whether the server is of that major version or a newer one.
fn since(major: u32) -> bool {
    psql(&server(), &format!("SELECT current_setting('server_version_num')::int >= {major} * 10000")) == "t\n"
}

/// The body of a function, of which the server keeps what it needs where it does that of any.
fn body(sql: &str) -> String {
    if since(14) { format!("BEGIN ATOMIC {sql}; END") } else { format!("AS '{sql}'") }
}

/// The roles that the objects name.
fn roles() {
    let roles = ["dbm_test_app", "dbm_test \\!role"].map(|role| {
        format!("DO $$BEGIN CREATE ROLE \"{role}\"; EXCEPTION WHEN duplicate_object OR unique_violation THEN END$$;\n")
    });
    psql(&server(), &roles.concat());
}

/// Two fresh databases, named after the test.
fn databases(test: &str) -> [String; 2] {
    roles();
    ["one", "two"].map(|which| {
        let name = format!("dbm_catalog_{test}_{which}");
        psql(
            &server(),
            &format!("DROP DATABASE IF EXISTS {name};\nCREATE DATABASE {name} TEMPLATE template0;\n"),
        );
        url(&name)
    })
}

async fn schema(url: &str) -> Schema {
    read_by(url, Detail::Definitions).await
}

async fn read_by(url: &str, detail: Detail) -> Schema {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let schema = read_as(&client, detail, None).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    schema
}

/// As a dump writes it: a section's definitions, comments and owners; privileges before the last section.
fn script(schema: &Schema) -> String {
    let mut text = String::from("SET search_path = '';\nSET check_function_bodies = false;\n");
    for section in [Section::PreData, Section::Data, Section::PostData, Section::Final] {
        let objects: Vec<_> = schema.objects.iter().filter(|object| object.section == section).collect();
        if section == Section::Final {
            schema.objects.iter().for_each(|object| text.push_str(&object.privileges.concat()));
        }
        objects.iter().for_each(|object| text.push_str(&object.definition));
        objects.iter().for_each(|object| text.push_str(&object.comments.concat()));
        objects.iter().for_each(|object| text.push_str(object.owner.as_deref().unwrap_or_default()));
    }
    text
}

fn dump(url: &str) -> String {
    let text = run(Command::new("pg_dump").args(["--schema-only", "-d", url]), "");
    let kept =
        text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    kept.collect::<Vec<_>>().join("\n")
}

fn same(what: &str, one: &str, other: &str) {
    if one != other {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["one", "two"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], one).unwrap();
        std::fs::write(&paths[1], other).unwrap();
        let output = Command::new("diff").arg("-u").args(&paths).output().unwrap();
        panic!("{what}:\n{}", String::from_utf8_lossy(&output.stdout));
    }
}

fn assert_same(one: &Schema, two: &Schema) {
    let text = |schema: &Schema| {
        let text = format!("{:#?}", schema.objects);
        let sizes = ["handle:", "bytes:", "pages:"];
        let kept = text.lines().filter(|line| !sizes.iter().any(|size| line.trim_start().starts_with(size)));
        kept.collect::<Vec<_>>().join("\n")
    };
    same("the schemas", &text(one), &text(two));
    assert_eq!(one, two);
}

#[tokio::test]
async fn every_kind_round_trips() {
    let [one, two] = databases("kinds");
    psql(&one, OBJECTS);
    psql(&one, RARE);
    let first = schema(&one).await;
    assert!(first.refused.is_empty(), "{:?}", first.refused);
    assert!(first.left_out.is_empty(), "{:?}", first.left_out);
    let script = script(&first);
    psql(&two, &script);
    same("the dumps", &dump(&one), &dump(&two));
    assert_same(&first, &schema(&two).await);
    let kinds: std::collections::BTreeSet<Kind> = first.objects.iter().map(|object| object.id.kind).collect();
    assert_eq!(kinds.len(), 48, "{kinds:?}");

    let contents = read_by(&one, Detail::Contents).await.objects;
    assert!(contents.iter().all(|object| object.definition.is_empty() && object.depends_on.is_empty()));
    let columns = |table: &Table| -> Vec<_> {
        table.columns.iter().map(|column| (column.name.clone(), column.generated)).collect()
    };
    let known = |objects: &[Object]| -> Vec<_> {
        objects.iter().map(|object| (object.id.clone(), object.table.as_deref().map(columns))).collect()
    };
    assert_eq!(known(&contents), known(&first.objects));
}

/// What only the maker's order could tell apart: names that another table's objects have too.
const PIECES: [&str; 9] = [
    "CREATE TABLE b.one (id int PRIMARY KEY, n int DEFAULT 3 CHECK (n > 1));
     COMMENT ON COLUMN b.one.n IS 'n'; COMMENT ON TABLE b.one IS 'one'",
    "CREATE TABLE a.two (id int GENERATED ALWAYS AS IDENTITY, m text)",
    "CREATE TABLE a.heir () INHERITS (a.two)",
    "CREATE INDEX ON a.two (m)",
    "CREATE VIEW a.seen AS SELECT o.id, t.m FROM b.one o JOIN a.two t USING (id)",
    "CREATE FUNCTION b.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION b.f(text) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "GRANT SELECT ON b.one TO dbm_test_app",
    "GRANT SELECT ON b.one TO \"dbm_test \\!role\"",
];

#[tokio::test]
async fn another_order_of_making_gives_an_equal_schema() {
    let [one, two] = databases("order");
    let order = |places: [usize; 9], namespaces: &str| {
        places.iter().fold(namespaces.to_owned(), |text, place| format!("{text}{};\n", PIECES[*place]))
    };
    psql(&one, &order([0, 1, 2, 3, 4, 5, 6, 7, 8], "CREATE SCHEMA a; CREATE SCHEMA b;\n"));
    psql(&two, &order([6, 1, 3, 5, 0, 8, 7, 4, 2], "CREATE SCHEMA b; CREATE SCHEMA a;\n"));
    assert_same(&schema(&one).await, &schema(&two).await);
}

#[tokio::test]
async fn what_is_not_carried_is_named_and_dbm_s_own_is_not_seen() {
    let [one, _] = databases("unknown");
    psql(
        &one,
        "CREATE SCHEMA s; CREATE SCHEMA dbm; CREATE TABLE dbm.journal (run text PRIMARY KEY, entry text); COMMENT ON TABLE dbm.journal IS 'x';
         GRANT SELECT ON dbm.journal TO dbm_test_app;
         ALTER DEFAULT PRIVILEGES IN SCHEMA dbm GRANT SELECT ON TABLES TO dbm_test_app;
         CREATE TABLE s.t (a int); CREATE EXTENSION citext;",
    );
    let schema = schema(&one).await;
    assert!(schema.refused.is_empty(), "{:?}", schema.refused);
    let ids: Vec<String> = schema.objects.iter().map(|object| object.id.to_string()).collect();
    assert_eq!(ids, ["namespace public", "namespace s", "extension citext", "table s.t"]);
    // What an application has put there is not passed over.
    psql(&one, "CREATE TYPE dbm.t AS ENUM ('a'); CREATE TABLE dbm.customers (id serial); CREATE TABLE dbm.committed (id int);
                CREATE FUNCTION dbm.f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let refused: Vec<String> = self::schema(&one).await.refused.into_iter().map(|one| one.what).collect();
    let expected = [
        "function dbm.f()",
        "sequence dbm.customers_id_seq",
        "table dbm.committed",
        "table dbm.customers",
        "type dbm.t",
    ];
    assert_eq!(refused, expected);
}

/// What pg_dump does not carry, told apart by what the catalogs of both sides say.
async fn equal_by(test: &str, sql: &str, question: &str) {
    let [one, two] = databases(test);
    psql(&one, sql);
    let first = schema(&one).await;
    assert!(first.refused.is_empty(), "{:?}", first.refused);
    psql(&two, &script(&first));
    same("the dumps", &dump(&one), &dump(&two));
    let answer = psql(&one, question);
    assert!(!answer.is_empty());
    same("the answers", &answer, &psql(&two, question));
    assert_same(&first, &schema(&two).await);
}

#[tokio::test]
async fn foreign_keys_of_partitions_keep_their_names() {
    equal_by(
        "keys",
        "CREATE TABLE r (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (9); CREATE TABLE r2 PARTITION OF r DEFAULT;
         CREATE TABLE p (id int, r int) PARTITION BY RANGE (id);
         CREATE TABLE mid (id int, r int CONSTRAINT its_own REFERENCES r) PARTITION BY RANGE (id);
         CREATE TABLE low (r int, id int, CONSTRAINT \"lowest of all\" FOREIGN KEY (r) REFERENCES r);
         ALTER TABLE mid ATTACH PARTITION low FOR VALUES FROM (0) TO (5);
         ALTER TABLE p ADD CONSTRAINT above FOREIGN KEY (r) REFERENCES r;
         ALTER TABLE p ATTACH PARTITION mid FOR VALUES FROM (0) TO (9);
         CREATE TABLE plain PARTITION OF p FOR VALUES FROM (9) TO (20)",
        "SELECT conrelid::regclass::text, conname FROM pg_constraint
         WHERE contype = 'f' AND (conparentid = 0 OR conrelid <> 'p'::regclass) ORDER BY 1, 2",
    )
    .await;
}

#[tokio::test]
async fn an_heir_keeps_the_order_of_its_columns() {
    equal_by(
        "heirs",
        "CREATE TABLE parent (a int, b text DEFAULT 'x' NOT NULL); CREATE TABLE other (c int);
         CREATE TABLE heir (b text NOT NULL, mine int, a int); ALTER TABLE heir INHERIT parent;
         CREATE TABLE two (c int, b text NOT NULL, a int); ALTER TABLE two INHERIT parent; ALTER TABLE two INHERIT other",
        "SELECT attrelid::regclass::text, attnum, attname, attislocal, attinhcount FROM pg_attribute
         WHERE attnum > 0 AND attrelid IN ('heir'::regclass, 'two'::regclass) ORDER BY 1, 2;
         SELECT inhrelid::regclass::text, inhparent::regclass, inhseqno FROM pg_inherits ORDER BY 1, 3",
    )
    .await;
}

/// What a parent is given later is not its heirs' own, and goes with the parent's.
#[tokio::test]
async fn an_heir_has_what_its_parents_were_given_later() {
    let named = if since(18) {
        "ALTER TABLE p ADD n int CONSTRAINT \"of p\" NOT NULL; ALTER TABLE h ADD CONSTRAINT \"of h\" NOT NULL c;"
    } else {
        "ALTER TABLE p ADD n int NOT NULL;"
    };
    let sql = format!(
        "CREATE TABLE p (a int, b text DEFAULT 'x' NOT NULL); CREATE TABLE q (k int);
         CREATE TABLE h (mine int DEFAULT 4, CHECK (mine > 0)) INHERITS (p);
         ALTER TABLE p ADD c text COLLATE \"C\" DEFAULT 'c', ADD CONSTRAINT of_p CHECK (c <> '');
         ALTER TABLE h ADD also int DEFAULT 7 NOT NULL CHECK (also > mine); {named}
         ALTER TABLE h ADD d int; ALTER TABLE p ADD d int; ALTER TABLE h ALTER d SET NOT NULL;
         ALTER TABLE h ALTER c SET DEFAULT 'h'; ALTER TABLE h ALTER c SET STORAGE EXTERNAL;
         ALTER TABLE h INHERIT q; CREATE TABLE hh (last int) INHERITS (h); ALTER TABLE p ADD e int[];
         COMMENT ON COLUMN h.c IS 'late'; COMMENT ON CONSTRAINT of_p ON h IS 'a check'"
    );
    let sql = sql.replace("ALTER TABLE h INHERIT q", "ALTER TABLE h ADD k int; ALTER TABLE h INHERIT q");
    let question = "SELECT attrelid::regclass::text, attnum, attname, attislocal, attinhcount, attnotnull, attstorage,
            pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attnum > 0 AND attrelid IN ('p'::regclass, 'h'::regclass, 'hh'::regclass) ORDER BY 1, 2;
         SELECT conrelid::regclass::text, conname, conislocal, coninhcount, pg_get_constraintdef(oid),
            obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conrelid <> 0 ORDER BY 1, 2;
         SELECT inhrelid::regclass::text, inhparent::regclass FROM pg_inherits ORDER BY 1, inhseqno;
         SELECT relname FROM pg_class WHERE relname ~ 'dbm' OR relname IN ('h', 'hh') ORDER BY 1";
    equal_by("later", &sql, question).await;
}

#[tokio::test]
async fn an_heir_keeps_a_default_that_its_parent_is_given_late() {
    let sql = format!(
        "CREATE TABLE p (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql {};
         ALTER TABLE p ALTER a SET DEFAULT f(); CREATE TABLE h () INHERITS (p); CREATE TABLE hh (b int) INHERITS (h)",
        body("SELECT count(*)::int FROM p")
    );
    equal_by(
        "late",
        &sql,
        "SELECT adrelid::regclass::text, pg_get_expr(adbin, adrelid) FROM pg_attrdef ORDER BY 1",
    )
    .await;
}

#[tokio::test]
async fn a_table_without_columns_may_have_any_name() {
    equal_by(
        "typed",
        "CREATE TABLE \"made OF nothing\" (); CREATE SCHEMA \" OF \"; CREATE TABLE \" OF \".t ();
         CREATE TYPE pair AS (a int, b int); CREATE TABLE typed OF pair",
        "SELECT relname, relnatts, reloftype <> 0 FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY 1",
    )
    .await;
}

#[tokio::test]
async fn what_was_made_on_an_extension_s_table_is_named() {
    let [one, _] = databases("members");
    psql(
        &one,
        "BEGIN; CREATE EXTENSION citext; CREATE TABLE s (a int PRIMARY KEY, b int CHECK (b > 0));
         CREATE INDEX born ON s (b); ALTER EXTENSION citext ADD TABLE s; COMMIT;",
    );
    let before = schema(&one).await;
    assert!(before.refused.is_empty() && before.left_out.is_empty(), "{:?}", before.refused);
    psql(
        &one,
        "CREATE INDEX later ON s (a); ALTER TABLE s ADD CONSTRAINT odd CHECK (a <> 2);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER t BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION f();
         CREATE POLICY p ON s USING (true); CREATE RULE r AS ON DELETE TO s DO INSTEAD NOTHING;
         COMMENT ON TYPE citext IS 'changed'; CREATE TABLE mine (a int REFERENCES s)",
    );
    let after = schema(&one).await;
    assert!(after.check_carried().unwrap_err().to_string().contains("rule r on public.s"));
    let named: Vec<&str> = after.refused.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(
        named,
        [
            "index public.later",
            "policy p on public.s",
            "rule r on public.s",
            "table constraint odd on public.s",
            "trigger t on public.s"
        ]
    );
}

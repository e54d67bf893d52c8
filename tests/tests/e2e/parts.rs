//! Parts through the binary: what is said of them, and what they are not good for.

use std::fs;

use tests::{Folder, Judge as _, Postgres, Sqlite, tool};

const SHOP: &str =
    "CREATE TABLE customer (id integer PRIMARY KEY, name text); INSERT INTO customer VALUES (1, 'one');
    CREATE TABLE orders (id serial PRIMARY KEY, customer integer REFERENCES customer);
    INSERT INTO orders (customer) SELECT 1 FROM generate_series(1, 20);
    CREATE SCHEMA audit; CREATE TABLE audit.log AS SELECT i, md5(i::text) FROM generate_series(1, 500) i;";

/// A URL of the same server for another database; the copy goes with its name.
fn ask(database: &Postgres, copy: &str, query: &str) -> String {
    tool("psql", &["-qXAt", &database.url_of(copy), "-c", query], "").trim_end().to_owned()
}

#[test]
fn a_partial_backup_says_so_and_is_never_the_latest() {
    let database = Postgres::new("partial");
    database.run(SHOP);
    let (url, before) = (database.url(), database.everything());
    let folder = Folder::new(&url);
    let ended = folder.dbm(&url, &["backup", "--exclude-table-data", "audit.*", "--json"]).run().expect(0);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(told["partial"], true);
    assert!(told["left_out"].to_string().contains("audit.*"), "{told}");
    let name = told["archive"].as_str().expect("a name").to_owned();
    let beside = fs::read_to_string(folder.path().join("backups").join(format!("{name}.json")))
        .expect("the file beside it");
    assert!(beside.contains("\"partial\":true") || beside.contains("\"partial\": true"), "{beside}");
    let listed = folder.dbm(&url, &["backups"]).run().expect(0);
    assert!(listed.stdout.contains("partial"), "{}", listed.stdout);
    let latest = folder.dbm(&url, &["restore", "latest", "--yes"]).run().expect(1);
    assert!(latest.stderr.contains("no good backup"), "{}", latest.stderr);
    let named = folder.dbm(&url, &["restore", &name, "--yes"]).run().expect(1);
    assert!(named.stderr.contains("partial") && named.stderr.contains("--into"), "{}", named.stderr);
    let missing = database.url_of(&format!("{}_missing", database.name()));
    let named = folder.dbm(&missing, &["restore", &name, "--yes"]).run().expect(1);
    assert!(named.stderr.contains("partial"), "{}", named.stderr);
    assert_eq!(database.everything(), before);
    folder.dbm(&url, &["verify", &name, "--deep"]).run().expect(0);
    let copy = format!("{}_copy", database.name());
    folder.dbm(&url, &["restore", &name, "--into", &copy]).run().expect(0);
    assert_eq!(
        ask(&database, &copy, "SELECT count(*) FROM orders UNION ALL SELECT count(*) FROM audit.log"),
        "20\n0"
    );
    // A run has a whole backup of its own, whatever the nightly one leaves out.
    let config = fs::read_to_string(folder.path().join("dbm.toml")).expect("dbm.toml");
    fs::write(folder.path().join("dbm.toml"), format!("{config}exclude_table = [\"audit.*\"]\n"))
        .expect("written");
    folder.migration(
        "001_wrong",
        "-- dbm: no-transaction\nDROP TABLE audit.log;\nSELECT 1 / 0;",
        "SELECT 1;",
    );
    folder.dbm(&url, &["migrate", "--safe", "--accept-lost-writes"]).run().expect(3);
    assert_eq!(database.everything(), before);
    let ended = folder.dbm(&url, &["backup", "--json"]).run().expect(0);
    assert!(
        ended.stdout.contains("\"partial\": true") || ended.stdout.contains("\"partial\":true"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_table_comes_back_beside_what_is_there() {
    let database = Postgres::new("one_table");
    database.run(SHOP);
    let (url, before) = (database.url(), database.everything());
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    database.run("DROP TABLE orders");
    folder.dbm(&url, &["restore", "latest", "--table", "orders"]).run().expect(0);
    assert_eq!(database.everything(), before);
    database.run("DELETE FROM orders");
    let ended = folder.dbm(&url, &["restore", "latest", "-t", "orders", "--json"]).run().expect(0);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let table = told["table"].as_str().expect("a name");
    assert_eq!(database.ask(&format!("SELECT count(*) FROM {table}")), "20");
    folder.dbm(&url, &["restore", "latest", "--data-only", "-t", "orders"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM orders"), "20");
    let ended = folder.dbm(&url, &["restore", "latest", "--schema", "audit"]).run().expect(1);
    assert!(
        ended.stderr.contains("table audit.log already") && ended.stderr.contains("--into"),
        "{}",
        ended.stderr
    );
    let ended = folder.dbm(&url, &["restore", "latest", "-t", "ordres"]).run().expect(1);
    assert!(ended.stderr.contains("no table `ordres`"), "{}", ended.stderr);
    let ended = folder.dbm(&url, &["restore", "latest", "-t", "a", "-n", "b"]).run().expect(2);
    assert!(ended.stderr.contains("--schema"), "{}", ended.stderr);
    // While a run is open, what it may put back is no place to restore into.
    folder.migration("001_a", "-- dbm: no-transaction\nCREATE TABLE a (x integer);", "DROP TABLE a;");
    let migrate =
        folder.dbm(&url, &["migrate", "--accept-lost-writes"]).env("DBM_TEST_STOP_AT", "apply-1:after");
    assert_eq!(migrate.run().code, -1);
    let ended = folder.dbm(&url, &["restore", "latest", "-t", "orders"]).run().expect(1);
    assert!(ended.stderr.contains("dbm recover"), "{}", ended.stderr);
    folder.dbm(&url, &["recover", "--yes"]).run().expect(0);
}

#[test]
fn owners_by_other_names_and_a_role_to_act_as() {
    let database = Postgres::new("owners");
    let role = |what: &str| format!("{what}_{}", database.name());
    let (old, new, member, reader) = (role("old"), role("new"), role("member"), role("reader"));
    database.run(&format!(
        "CREATE ROLE \"{old}\"; CREATE ROLE \"{new}\"; CREATE ROLE {reader}; CREATE ROLE {member} LOGIN NOINHERIT IN ROLE {reader};
         ALTER DATABASE {} OWNER TO \"{old}\"; CREATE TABLE t (a integer); ALTER TABLE t OWNER TO \"{old}\";
         CREATE SCHEMA s AUTHORIZATION \"{old}\"; GRANT SELECT ON t TO {reader}; GRANT USAGE ON SCHEMA s TO {reader};
         ALTER DEFAULT PRIVILEGES FOR ROLE \"{old}\" IN SCHEMA s GRANT SELECT ON TABLES TO {reader};",
        database.name()
    ));
    let url = database.url();
    let folder = Folder::new(&url);
    // The account itself may read nothing; the role may.
    let plain = url.replace("//postgres@", &format!("//{member}@"));
    let ended = folder.dbm(&plain, &["backup"]).run().expect(1);
    assert!(ended.stderr.contains("may not read table public.t"), "{}", ended.stderr);
    folder.dbm(&plain, &["backup", "--role", &reader]).run().expect(0);
    folder.dbm(&url, &["backup"]).run().expect(0);
    let map = format!("map={old}:{new}");
    let copy = format!("{}_copy", database.name());
    folder.dbm(&url, &["restore", "latest", "--into", &copy, "--owner", &map]).run().expect(0);
    assert_eq!(ask(&database, &copy, "SELECT tableowner FROM pg_tables WHERE tablename = 't'"), new);
    assert_eq!(
        ask(
            &database,
            &copy,
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ),
        new
    );
    let named =
        "SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%' || $$OLD$$ || '%'".replace("OLD", &old);
    assert_eq!(ask(&database, &copy, &named), "0");
    assert_eq!(ask(&database, &copy, "SELECT pg_get_userbyid(defaclrole) FROM pg_default_acl"), new);
    folder.dbm(&url, &["restore", "latest", "--yes", "--owner", &map]).run().expect(0);
    assert_eq!(database.ask("SELECT tableowner FROM pg_tables WHERE tablename = 't'"), new);
    let second = format!("{copy}2");
    folder.dbm(&url, &["restore", "latest", "--into", &second, "--owner", "current"]).run().expect(0);
    assert_eq!(ask(&database, &second, "SELECT tableowner FROM pg_tables WHERE tablename = 't'"), "postgres");
    folder.dbm(&url, &["restore", "latest", "--into", "x", "--owner", "nobody"]).run().expect(2);
    let server = database.url_of("postgres");
    for name in database.kin().iter().map(String::as_str).chain([database.name()]) {
        tool("psql", &["-qX", &server, "-c", &format!("DROP DATABASE \"{name}\" WITH (FORCE)")], "");
    }
    for role in [&old, &new, &member, &reader] {
        tool("psql", &["-qX", &server, "-c", &format!("DROP ROLE \"{role}\"")], "");
    }
}

#[test]
fn of_a_sqlite_file_one_table_or_all() {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(
        folder.path().join("app.db"),
        "CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1), (2);",
    );
    let url = database.url();
    for flags in [
        &["--table", "item"][..],
        &["--schema-only"],
        &["--exclude-table-data", "item"],
        &["--no-owner"],
        &["--role", "x"],
    ] {
        let arguments: Vec<&str> = ["backup"].iter().chain(flags).copied().collect();
        let ended = folder.dbm(&url, &arguments).run().expect(2);
        assert!(ended.stderr.contains(flags[0]) && ended.stderr.contains("hint:"), "{}", ended.stderr);
    }
    folder.dbm(&url, &["backup"]).run().expect(0);
    let ended = folder.dbm(&url, &["restore", "latest", "--table", "item", "--json"]).run().expect(0);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let table = told["table"].as_str().expect("a name");
    assert_eq!(database.ask(&format!("SELECT count(*) FROM \"{}\"", table.trim_matches('"'))), "2");
    for flags in [
        &["--schema-only"][..],
        &["--table", "*"],
        &["--table", "item", "--into", "copy.db"],
        &["--schema", "main"],
    ] {
        let arguments: Vec<&str> = ["restore", "latest"].iter().chain(flags).copied().collect();
        let ended = folder.dbm(&url, &arguments).run().expect(2);
        assert!(ended.stderr.contains("hint:"), "{}", ended.stderr);
    }
}

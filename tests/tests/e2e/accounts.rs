//! Accounts that may do some of what a run or a restore needs: told before anything is changed.

use tests::{Folder, Judge as _, Postgres};

/// A database whose account owns it, but not all that is in it; and the account's URL.
fn shared() -> (Postgres, String) {
    let database = Postgres::new("shared");
    let account = format!("account_{}", database.name());
    let name = database.name();
    database.run(&format!(
        "CREATE ROLE {account} LOGIN CREATEDB; ALTER DATABASE {name} OWNER TO {account};
         CREATE TABLE theirs (a int); INSERT INTO theirs VALUES (1); GRANT SELECT ON theirs TO {account};"
    ));
    let url = database.url().replace("//postgres@", &format!("//{account}@"));
    (database, url)
}

fn drop_account(database: Postgres, url: &str) {
    let (account, _) = url.trim_start_matches("postgres://").split_once('@').expect("an account");
    let owner = format!("ALTER DATABASE {} OWNER TO postgres;", database.name());
    database.run(&format!("{owner} DROP OWNED BY {account}; DROP ROLE {account};"));
    drop(database);
}

#[test]
fn a_run_whose_backup_could_not_be_put_back_is_not_begun() {
    let (database, url) = shared();
    let folder = Folder::new(&url);
    folder.migration(
        "001_two",
        "-- dbm: no-transaction\nCREATE TABLE x (a int);\nSELECT 1/0;",
        "DROP TABLE x;",
    );
    let before = database.everything();
    let ended = folder.dbm(&url, &["migrate", "--safe", "--fence"]).run().expect(1);
    assert!(ended.stderr.contains("may give nothing to `postgres`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint:"), "{}", ended.stderr);
    assert_eq!(database.everything(), before);
    folder.dbm(&url, &["recover"]).run().expect(0);
    drop_account(database, &url);
}

#[test]
fn a_restore_names_owners_whom_the_account_may_not_act_for() {
    let (database, url) = shared();
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    database.run("INSERT INTO theirs VALUES (2)");
    let ended = folder.dbm(&url, &["restore", "latest"]).run().expect(1);
    for words in ["may give nothing to `postgres`", "--no-owner"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_eq!(database.ask("SELECT count(*) FROM theirs"), "2");
    drop_account(database, &url);
}

#[test]
fn an_answer_that_does_not_arrive_is_no_success() {
    let folder = Folder::new("sqlite:app.db?mode=rwc");
    let call = |output: &str| {
        let script = format!("\"$0\" backups --json > {output}");
        let binary = tests::target_folder().join("dbm");
        let ended = std::process::Command::new("sh")
            .args(["-c", &script])
            .arg(binary)
            .current_dir(folder.path())
            .output()
            .expect("sh");
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    assert_eq!(call("/dev/null").0, Some(0));
    let (code, said) = call("/dev/full");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("standard output"), "{said}");
}

/// A managed server: LOGIN and one database of its own, no CREATEDB, `public` not its own. Everything goes, in place.
#[test]
fn an_account_that_owns_one_database_and_nothing_else() {
    let database = Postgres::new("managed");
    let account = format!("account_{}", database.name());
    let name = database.name();
    // As a provider makes it: the maintenance databases are not for the account.
    database.run(&format!("CREATE ROLE {account} LOGIN; ALTER DATABASE {name} OWNER TO {account};"));
    let url = database.url().replace("//postgres@", &format!("//{account}@"));
    let own = |script: &str| {
        tests::tool("psql", &["-qX", "-v", "ON_ERROR_STOP=1", &url], script);
    };
    own("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE item (id serial PRIMARY KEY, mood mood, body text);
         INSERT INTO item (mood, body) SELECT 'ok', md5(i::text) FROM generate_series(1, 2000) i;
         CREATE SCHEMA other; CREATE TABLE other.log AS SELECT * FROM item; CREATE VIEW v AS SELECT count(*) FROM item;
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION f(); SELECT lo_from_bytea(0, 'x');");
    let folder = Folder::new(&url);
    let before = database.everything();
    folder.dbm(&url, &["doctor"]).run();
    folder.dbm(&url, &["backup"]).run().expect(0);
    own("DROP TABLE item CASCADE; CREATE TABLE added (a integer)");
    folder.dbm(&url, &["restore", "latest", "--yes"]).run().expect(0);
    assert_eq!(database.everything(), before);
    // One transaction needs no restore.
    folder.migration("001_fails", "UPDATE item SET body = 'x';\nSELECT 1 / 0;", "SELECT 1;");
    folder.dbm(&url, &["migrate", "--safe"]).run().expect(1);
    assert_eq!(database.everything(), before);
    // More than one goes back by a restore in place.
    folder.migration("001_fails", "-- dbm: no-transaction\nDELETE FROM item;\nSELECT 1 / 0;", "SELECT 1;");
    folder.dbm(&url, &["migrate", "--safe", "--accept-lost-writes"]).run().expect(3);
    assert_eq!(database.everything(), before);
    // One table of the archive, beside what is there.
    own("DROP TABLE other.log");
    folder.dbm(&url, &["restore", "latest", "--table", "other.log"]).run().expect(0);
    assert_eq!(database.everything(), before);
    // What it may not is told.
    for arguments in [&["restore", "latest", "--into", "elsewhere"][..], &["verify", "latest", "--deep"]] {
        let ended = folder.dbm(&url, arguments).run().expect(1);
        assert!(
            ended.stderr.contains("may not create databases") && ended.stderr.contains("hint:"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(database.everything(), before);
    drop_account(database, &url);
}

/// An account with the right to read backs up what is another's, and restores it as the owner of a database of its own.
#[test]
fn an_account_that_may_only_read() {
    let database = Postgres::new("readable");
    let (reader, name) = (format!("account_{}", database.name()), database.name());
    let copy = Postgres::new("readable_copy");
    database.run(&format!(
        "CREATE ROLE {reader} LOGIN; CREATE TABLE item AS SELECT i AS id, md5(i::text) AS body FROM generate_series(1, 500) i;
         GRANT SELECT ON item TO {reader}; CREATE TABLE hidden (id integer, whose text); INSERT INTO hidden VALUES (1, 'others');"
    ));
    let own = database.url().replace("//postgres@", &format!("//{reader}@"));
    let folder = Folder::new(&own);
    let ended = folder.dbm(&own, &["backup"]).run().expect(1);
    assert!(ended.stderr.contains("may not read table public.hidden"), "{}", ended.stderr);
    // Rows that it would not see stop it, and are told by the table's name.
    database.run(&format!(
        "GRANT SELECT ON hidden TO {reader}; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON hidden USING (whose = current_user);"
    ));
    let ended = folder.dbm(&own, &["backup"]).run().expect(1);
    assert!(
        ended.stderr.contains("row-level security hides rows") && ended.stderr.contains("public.hidden"),
        "{}",
        ended.stderr
    );
    assert!(
        std::fs::read_dir(folder.path().join("backups"))
            .expect("the store")
            .flatten()
            .all(|entry| { !entry.file_name().to_string_lossy().ends_with(".zst") })
    );
    // Without those rows it goes.
    folder.dbm(&own, &["backup", "--exclude-table-data", "hidden"]).run().expect(0);
    database.run(&format!("ALTER ROLE {reader} BYPASSRLS"));
    folder.dbm(&own, &["backup"]).run().expect(0);
    copy.run(&format!("ALTER DATABASE {} OWNER TO {reader}", copy.name()));
    let target = copy.url().replace("//postgres@", &format!("//{reader}@"));
    let archive = folder.dbm(&own, &["show", "latest", "--json"]).run().expect(0);
    let told: serde_json::Value = serde_json::from_str(&archive.stdout).expect("JSON");
    let archive = told["archive"].as_str().expect("a name");
    let ended = folder.dbm(&target, &["restore", archive, "--yes"]).run().expect(1);
    assert!(ended.stderr.contains("--no-owner"), "{}", ended.stderr);
    folder.dbm(&target, &["restore", archive, "--yes", "--no-owner", "--no-privileges"]).run().expect(0);
    assert_eq!(copy.ask("SELECT count(*) FROM item UNION ALL SELECT count(*) FROM hidden"), "500\n1");
    assert_eq!(copy.ask("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"), reader);
    copy.run(&format!("ALTER DATABASE {} OWNER TO postgres; DROP OWNED BY {reader};", copy.name()));
    database.run(&format!(
        "ALTER DATABASE {name} OWNER TO postgres; DROP OWNED BY {reader}; DROP ROLE {reader};"
    ));
}

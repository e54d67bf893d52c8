//! Accounts that are no superusers: what they may, works; what they may not is said.

use std::fs;

use tests::{Folder, Postgres, tool};

const ITEM: &str = "CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL);
    INSERT INTO item (name) VALUES ('one'), ('two'); SELECT lo_from_bytea(4711, '\\x00ff');
    CREATE TYPE span AS RANGE (subtype = int4); CREATE TABLE spans AS SELECT span(1, 5) AS span;";

/// A role of the test's own that owns a database with rows.
struct Owned {
    database: Postgres,
    role: String,
    folder: Folder,
}

impl Owned {
    fn new(purpose: &str, rights: &str) -> Self {
        let database = Postgres::new(purpose);
        let role = format!("{}_owner", database.name());
        database.run(&format!(
            "CREATE ROLE {role} LOGIN {rights}; ALTER DATABASE {} OWNER TO {role}; SET ROLE {role}; {ITEM}",
            database.name()
        ));
        let folder = Folder::new(&database.url());
        Self { database, role, folder }
    }

    /// The database as its owner sees it.
    fn url(&self) -> String {
        self.url_of(&self.role)
    }

    fn url_of(&self, account: &str) -> String {
        let url = self.database.url();
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (_, server) = rest.rsplit_once('@').expect("a URL with a user");
        format!("{scheme}://{account}@{server}")
    }

    fn dbm(&self, arguments: &[&str]) -> tests::Dbm {
        self.folder.dbm(&self.url(), arguments)
    }

    /// All that must come back.
    fn state(&self) -> (String, String, String) {
        (
            self.database.schema(),
            self.database.ask("SELECT string_agg(id || name, ',' ORDER BY id) FROM item"),
            self.database
                .ask("SELECT string_agg(oid || ' ' || lo_get(oid)::text, ',') FROM pg_largeobject_metadata"),
        )
    }

    fn archives(&self) -> usize {
        let entries = fs::read_dir(self.folder.path().join("backups")).expect("the store");
        entries
            .filter(|entry| {
                entry
                    .as_ref()
                    .is_ok_and(|entry| entry.path().extension().is_some_and(|ending| ending == "zst"))
            })
            .count()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        for name in self.database.kin().iter().map(String::as_str).chain([self.database.name()]) {
            tool(
                "psql",
                &[
                    "-qX",
                    &self.database.url_of("postgres"),
                    "-c",
                    &format!("DROP DATABASE \"{name}\" WITH (FORCE)"),
                ],
                "",
            );
        }
        tool(
            "psql",
            &["-qX", &self.database.url_of("postgres"), "-c", &format!("DROP ROLE {}", self.role)],
            "",
        );
    }
}

/// Backs up, spoils the database, restores it.
fn comes_back(owned: &Owned) {
    let before = owned.state();
    owned.dbm(&["backup"]).run().expect(0);
    owned.database.run(&format!(
        "SET ROLE {}; DROP TABLE item; CREATE TABLE added (a int); SELECT lo_unlink(4711)",
        owned.role
    ));
    owned.dbm(&["restore", "latest"]).run().expect(0);
    assert_eq!(owned.state(), before);
}

/// Two groups, the second of which fails: the first is committed by then, and only a restore leads back.
fn migration_that_is_put_back(owned: &Owned) {
    put_back(owned, &owned.url());
}

/// The same by an account that may act for the owner.
fn put_back(owned: &Owned, url: &str) {
    let before = owned.state();
    owned.folder.migration(
        "001_more",
        "-- dbm: no-transaction\nALTER TABLE item ADD COLUMN more text;",
        "ALTER TABLE item DROP COLUMN more;",
    );
    owned.folder.migration("002_wrong", "UPDATE item SET name = 'changed';\nSELECT 1 / 0;", "SELECT 1;");
    let ended = owned.folder.dbm(url, &["migrate", "--safe", "--accept-lost-writes"]).run();
    assert!(
        ended.code == 3 && ended.stderr.contains("division by zero"),
        "{}\n{}",
        ended.stdout,
        ended.stderr
    );
    assert_eq!(owned.state(), before, "{}\n{}", ended.stdout, ended.stderr);
    // Nothing is left to be recovered.
    owned.folder.dbm(url, &["recover"]).run().expect(0);
    assert_eq!(owned.state(), before);
}

/// The backup makes do with the connections that there are; so does the way back.
#[test]
fn an_owner_with_few_connections() {
    let owned = Owned::new("role_few", "CREATEDB CONNECTION LIMIT 4");
    owned.folder.dbm(&owned.url(), &["backup", "--jobs", "4"]).run().expect(0);
    migration_that_is_put_back(&owned);
}

/// Numbers that a sequence gave to others during a run that is put back are in the replaced database only; nobody gets
/// them again. And what was no part of the backup is said.
#[test]
fn numbers_that_were_given_during_the_run_are_given_once() {
    for rights in ["CREATEDB", ""] {
        let owned = Owned::new("role_numbers", rights);
        let invalid = "CREATE TABLE double (a int); INSERT INTO double VALUES (1), (1);";
        owned.database.run(&format!("SET ROLE {}; {invalid}", owned.role));
        let url = owned.database.url();
        tests::try_tool(
            "psql",
            &["-qX", &url, "-c", "CREATE UNIQUE INDEX CONCURRENTLY halted ON double (a)"],
            "",
        );
        owned.folder.migration(
            "001_more",
            "-- dbm: no-transaction\nINSERT INTO item (name) SELECT 'x' FROM generate_series(1, 30);\nSELECT 1 / 0;",
            "SELECT 1;",
        );
        let ended = owned.dbm(&["migrate", "--safe", "--accept-lost-writes"]).run().expect(3);
        assert_eq!(owned.database.ask("SELECT count(*) FROM item"), "2", "{rights}");
        assert_eq!(owned.database.ask("SELECT nextval('item_id_seq')"), "33", "{rights}: {}", ended.stderr);
        assert!(ended.stderr.contains("is without") && ended.stderr.contains("halted"), "{}", ended.stderr);
    }
}

/// Short-lived logins that all act as the owner are usual; what belongs to a login is not the owner's to end.
#[test]
fn a_login_whose_sessions_act_as_the_owner() {
    let owned = Owned::new("role_acting", "CREATEDB");
    let login = format!("{}_login", owned.role);
    for inherits in ["INHERIT", "NOINHERIT"] {
        owned.database.run(&format!(
            "CREATE ROLE {login} LOGIN {inherits} IN ROLE {0}; ALTER ROLE {login} SET role = '{0}'",
            owned.role
        ));
        put_back(&owned, &owned.url_of(&login));
        assert_eq!(owned.database.kin().len(), 1, "beside");
        let before = owned.state();
        owned.folder.dbm(&owned.url_of(&login), &["restore", "latest", "--yes"]).run().expect(0);
        assert_eq!(owned.state(), before);
        for kin in owned.database.kin() {
            owned.database.run(&format!("DROP DATABASE \"{kin}\""));
        }
        owned.database.run(&format!("DROP ROLE {login}"));
    }
}

/// A session of an account that is there until it is dropped.
struct Visitor(std::process::Child);

impl Visitor {
    fn of(url: &str) -> Self {
        use std::io::{BufRead as _, BufReader, Write as _};
        use std::process::{Command, Stdio};
        let mut psql = Command::new("psql");
        let mut psql =
            psql.args(["-qXAt", url]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql");
        writeln!(psql.stdin.as_mut().expect("its input"), "SELECT count(*) FROM item;").expect("a statement");
        let mut line = String::new();
        BufReader::new(psql.stdout.as_mut().expect("its output")).read_line(&mut line).expect("an answer");
        assert_eq!(line.trim(), "2");
        Self(psql)
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The application is connected, and only `pg_signal_backend` or its own role could end its sessions. No database is
/// renamed then, but its owner may empty and fill it.
#[test]
fn an_owner_who_may_not_end_the_sessions_of_the_application() {
    let owned = Owned::new("role_below", "CREATEDB");
    let application = format!("{}_app", owned.role);
    owned.database.run(&format!("CREATE ROLE {application} LOGIN; GRANT SELECT ON item TO {application}"));
    let visitor = Visitor::of(&owned.url_of(&application));
    let doctor = owned.dbm(&["doctor"]).run().expect(0);
    assert!(doctor.stdout.contains("GRANT pg_signal_backend"), "{}", doctor.stdout);
    migration_that_is_put_back(&owned);
    let before = owned.state();
    owned.dbm(&["restore", "latest", "--yes", "--disconnect"]).run().expect(0);
    assert_eq!(owned.state(), before);
    assert!(owned.database.kin().is_empty(), "in place");
    // With the right to end them it goes beside, as ever.
    owned.database.run(&format!("GRANT pg_signal_backend TO {}", owned.role));
    owned.dbm(&["restore", "latest", "--yes", "--disconnect"]).run().expect(0);
    assert_eq!((owned.state(), owned.database.kin().len()), (before, 1));
    drop(visitor);
    for kin in owned.database.kin() {
        owned.database.run(&format!("DROP DATABASE \"{kin}\" WITH (FORCE)"));
    }
    owned.database.run(&format!("REVOKE ALL ON item FROM {application}; DROP ROLE {application}"));
}

/// Writes on through a put-back in place, whose session may not be ended: what was acknowledged is in the backup that was
/// made of what is replaced, or in the database.
#[test]
fn rows_that_are_written_during_a_put_back_in_place_are_kept() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};
    let owned = Owned::new("role_writer", "CREATEDB");
    let application = format!("{}_app", owned.role);
    owned.database.run(&format!(
        "CREATE ROLE {application} LOGIN; GRANT SELECT, INSERT ON item TO {application};
         GRANT USAGE ON SEQUENCE item_id_seq TO {application}"
    ));
    owned.folder.migration(
        "001_wrong",
        "-- dbm: no-transaction\nCREATE TABLE more (a int);\nSELECT 1 / 0;",
        "SELECT 1;",
    );
    let mut psql = Command::new("psql")
        .args(["-qXAt", &owned.url_of(&application)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("psql");
    let (mut input, output) =
        (psql.stdin.take().expect("its input"), psql.stdout.take().expect("its output"));
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let (mut output, mut acknowledged) = (BufReader::new(output), Vec::new());
        while stopped.try_recv().is_err() {
            writeln!(input, "INSERT INTO item (name) VALUES ('written') RETURNING id;\n\\echo .")
                .expect("sent");
            loop {
                let mut line = String::new();
                output.read_line(&mut line).expect("an answer");
                match line.trim() {
                    "." => break,
                    id => acknowledged.push(id.to_owned()),
                }
            }
        }
        acknowledged
    });
    let ended = owned.dbm(&["migrate", "--safe", "--accept-lost-writes"]).run().expect(3);
    stop.send(()).expect("the writer");
    let acknowledged = writer.join().expect("the writer");
    psql.wait().expect("psql");
    let marker = "is kept as the backup ";
    let kept = ended.stderr.split(marker).nth(1).and_then(|rest| rest.split_whitespace().next());
    let kept = kept.unwrap_or_else(|| panic!("{}", ended.stderr)).to_owned();
    let into = format!("{}_kept", owned.database.name());
    owned.folder.dbm(&owned.database.url(), &["restore", &kept, "--into", &into]).run().expect(0);
    let ids = |url: &str| {
        tests::tool("psql", &["-qXAt", url, "-c", "SELECT id FROM item WHERE name = 'written'"], "")
    };
    let there = ids(&owned.database.url()) + &ids(&owned.database.url_of(&into));
    let there: std::collections::BTreeSet<&str> = there.split_whitespace().collect();
    assert!(!acknowledged.is_empty());
    let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains(id.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    owned.database.run(&format!("REVOKE ALL ON item, item_id_seq FROM {application}"));
    for kin in owned.database.kin().into_iter().chain([into]) {
        owned.database.run(&format!("DROP DATABASE IF EXISTS \"{kin}\" WITH (FORCE)"));
    }
    owned.database.run(&format!("DROP OWNED BY {application}; DROP ROLE {application}"));
}

#[test]
fn an_owner_who_may_create_databases() {
    let owned = Owned::new("role_creator", "CREATEDB");
    comes_back(&owned);
    assert_eq!(owned.database.kin().len(), 1, "what was replaced is kept");
    migration_that_is_put_back(&owned);
}

#[test]
fn an_owner_who_may_only_log_in() {
    let owned = Owned::new("role_lone", "");
    comes_back(&owned);
    assert_eq!(owned.archives(), 2, "what was replaced is an archive");
    migration_that_is_put_back(&owned);
    assert!(owned.database.kin().is_empty());
}

/// A restore in place finds `public` as the migration left it, and has to give back what every new database has.
/// Without a scratch database nobody knows whether a part of a run is undone; the rollback is done all the same.
#[test]
fn a_rollback_that_cannot_be_compared_says_why() {
    for (rights, knows) in [("", false), ("CREATEDB", true)] {
        let owned = Owned::new("uncompared", rights);
        owned.folder.migration("001_a", "CREATE TABLE a (id int);", "DROP TABLE a;");
        owned.folder.migration("002_b", "CREATE TABLE b (id int);", "SELECT 1;");
        owned.dbm(&["migrate", "--safe"]).run().expect(0);
        let said = owned.dbm(&["rollback", "1"]).run().expect(0).stdout;
        let expected = if knows {
            &["not undone  table public.b is there, and was not"][..]
        } else {
            &["1 rolled back", "nor could it be compared", "permission denied", "dbm drift"][..]
        };
        assert!(expected.iter().all(|words| said.contains(words)), "{rights}: {said}");
        assert_eq!(owned.database.kin(), Vec::<String>::new());
    }
}

#[test]
fn an_owner_who_may_only_log_in_gets_public_back_as_it_was() {
    let spoil = [
        ("DROP SCHEMA public CASCADE;", "dropped"),
        ("DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;", "made anew"),
        (
            "GRANT CREATE ON SCHEMA public TO PUBLIC;\nCOMMENT ON SCHEMA public IS 'mine';\nREVOKE USAGE ON SCHEMA public FROM PUBLIC;",
            "changed",
        ),
    ];
    for (sql, what) in spoil {
        let owned = Owned::new("role_public", "");
        let before = (owned.state(), owned.database.ask(PUBLIC));
        owned.folder.migration("001_public", &format!("-- dbm: no-transaction\n{sql}"), "SELECT 1;");
        owned.folder.migration("002_wrong", "SELECT 1 / 0;", "SELECT 1;");
        let ended = owned.dbm(&["migrate", "--safe", "--accept-lost-writes"]).run().expect(3);
        let now = (owned.state(), owned.database.ask(PUBLIC));
        assert_eq!(now, before, "{what}: {}\n{}", ended.stdout, ended.stderr);
    }
}

const PUBLIC: &str = "SELECT pg_get_userbyid(nspowner), nspacl, obj_description(oid, 'pg_namespace')
    FROM pg_namespace WHERE nspname = 'public'";

/// No restore could give the database back to its owner: that is said before the first statement.
#[test]
fn one_who_may_create_databases_but_owns_only_the_tables() {
    let owned = Owned::new("role_guest", "CREATEDB");
    owned.database.run(&format!(
        "ALTER DATABASE {} OWNER TO CURRENT_USER; GRANT CREATE ON DATABASE {0} TO {1}; GRANT CREATE ON SCHEMA public TO {1}",
        owned.database.name(),
        owned.role
    ));
    let before = owned.state();
    owned.folder.migration(
        "001_more",
        "ALTER TABLE item ADD COLUMN more text;",
        "ALTER TABLE item DROP COLUMN more;",
    );
    owned.folder.migration(
        "002_index",
        "-- dbm: no-transaction\nCREATE INDEX CONCURRENTLY i ON item (name);",
        "DROP INDEX i;",
    );
    let ended = owned.dbm(&["migrate", "--safe", "--accept-lost-writes"]).run();
    assert!(ended.code != 0 && ended.stderr.contains("hint:"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("no statement had been run")
            || ended.stdout.contains("no statement had been run"),
        "{}\n{}",
        ended.stdout,
        ended.stderr
    );
    assert_eq!(owned.state(), before);
    assert!(owned.database.kin().is_empty());
}

/// What a superuser has done to the database, its owner could not do again in a new one: that is said, too.
#[test]
fn an_owner_of_what_a_superuser_has_changed() {
    for (sql, said) in [
        (
            "ALTER SCHEMA public OWNER TO CURRENT_USER; GRANT ALL ON SCHEMA public TO {owner}",
            "may give nothing to",
        ),
        ("ALTER DATABASE {database} SET log_statement = 'ddl'", "the setting `log_statement`"),
        ("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC", "what comes with the server"),
    ] {
        let owned = Owned::new("role_changed", "CREATEDB");
        owned.database.run(&sql.replace("{owner}", &owned.role).replace("{database}", owned.database.name()));
        let before = owned.state();
        let several = "-- dbm: no-transaction\nCREATE TABLE more (a int);\nSELECT 1 / 0;";
        owned.folder.migration("001_more", several, "SELECT 1;");
        let ended = owned.dbm(&["migrate", "--safe", "--accept-lost-writes"]).run().expect(1);
        assert!(ended.stderr.contains(said) && ended.stderr.contains("hint:"), "{sql}: {}", ended.stderr);
        assert_eq!(owned.state(), before, "{sql}");
        assert!(owned.database.kin().is_empty(), "{sql}");
    }
}

#[test]
fn a_role_that_is_gone() {
    let owned = Owned::new("role_gone", "");
    let (reader, database) = (format!("{}_reader", owned.database.name()), &owned.database);
    database.run(&format!("CREATE ROLE {reader}; GRANT SELECT ON item TO {reader}; CREATE TABLE other (a int); ALTER TABLE other OWNER TO {reader}"));
    let url = database.url();
    owned.folder.dbm(&url, &["backup"]).run().expect(0);
    database.run(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
    let before = owned.database.schema();
    let ended = owned.folder.dbm(&url, &["restore", "latest"]).run();
    assert!(
        ended.code != 0 && ended.stderr.contains(&reader) && ended.stderr.contains("--no-owner"),
        "{}",
        ended.stderr
    );
    let ended = owned.folder.dbm(&url, &["restore", "latest", "--no-owner"]).run();
    assert!(ended.code != 0 && ended.stderr.contains(&reader), "{}", ended.stderr);
    assert_eq!(owned.database.schema(), before);
    owned.folder.dbm(&url, &["restore", "latest", "--no-owner", "--no-privileges"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM item"), "2");
    assert_eq!(database.ask("SELECT relacl IS NULL FROM pg_class WHERE relname = 'item'"), "t");
}

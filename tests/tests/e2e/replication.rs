//! What hangs on a database and does not move with its name: named before anything is touched, and left behind only on
//! request.

use std::time::{Duration, Instant};

use tests::{Folder, Judge as _, Postgres};

/// A database that has a logical slot of its own, and a subscription that is at work.
struct Replicated {
    // In the order in which they can be dropped.
    database: Postgres,
    publisher: Postgres,
    slot: String,
}

impl Replicated {
    fn new() -> Self {
        let (publisher, database) = (Postgres::new("publisher"), Postgres::new("subscriber"));
        let slot = format!("slot_{}", publisher.name());
        publisher.run(&format!(
            "CREATE TABLE item (id integer PRIMARY KEY); CREATE PUBLICATION news FOR TABLE item;
             SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput');"
        ));
        let connection = publisher.url();
        database.run(&format!(
            "CREATE TABLE item (id integer PRIMARY KEY);
             SELECT pg_create_logical_replication_slot('own_{slot}', 'pgoutput');
             CREATE SUBSCRIPTION news CONNECTION '{connection}' PUBLICATION news
               WITH (create_slot = false, slot_name = '{slot}', copy_data = false);"
        ));
        let new = Self { database, publisher, slot };
        new.publish(1, "SELECT count(*) FROM item", new.database.name());
        new
    }

    /// Publishes a row, and waits until it has come to a database.
    fn publish(&self, id: u32, query: &str, to: &str) {
        let before = self.ask(to, query);
        self.publisher.run(&format!("INSERT INTO item VALUES ({id})"));
        let since = Instant::now();
        while self.ask(to, query) == before {
            assert!(since.elapsed() < Duration::from_secs(60), "the subscription brings nothing");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask(&self, database: &str, query: &str) -> String {
        let url = self.database.url_of(database);
        tests::tool("psql", &["-qXAt", "-v", "ON_ERROR_STOP=1", &url, "-c", query], "").trim_end().to_owned()
    }

    fn names_all(&self, said: &str) {
        for word in [&format!("slot own_{}", self.slot), "subscription news", "--detach-replication"] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}

impl Drop for Replicated {
    fn drop(&mut self) {
        // No database that has either can be dropped.
        for name in self.database.kin().iter().chain([&self.database.name().to_owned()]) {
            let url = self.database.url_of(name);
            let script = "ALTER SUBSCRIPTION news DISABLE; ALTER SUBSCRIPTION news SET (slot_name = NONE); \
                          DROP SUBSCRIPTION news;";
            tests::try_tool("psql", &["-qX", &url], script);
        }
        let slots = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE '%{}'",
            self.slot
        );
        let since = Instant::now();
        let active =
            format!("SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = '{}'", self.slot);
        while self.publisher.ask(&active) != "0" && since.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(50));
        }
        tests::try_tool("psql", &["-qX", &self.publisher.url(), "-c", &slots], "");
    }
}

const ENABLED: &str =
    "SELECT subname, subenabled FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE d.datname = current_database()";

#[test]
fn a_restore_names_it_and_leaves_it_behind_on_request() {
    let all = Replicated::new();
    let (database, url) = (&all.database, all.database.url());
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup", "--secrets"]).run().expect(0);
    let ended = folder.dbm(&url, &["restore", "latest", "--yes", "--disconnect"]).run().expect(1);
    all.names_all(&ended.stderr);
    assert_eq!(database.kin(), Vec::<String>::new());

    // The server renames no database that has a prepared transaction, so that no flag helps.
    database.run("BEGIN; INSERT INTO item VALUES (-1); PREPARE TRANSACTION 'half''way'");
    let restore = ["restore", "latest", "--yes", "--disconnect", "--detach-replication"];
    let ended = folder.dbm(&url, &restore).run().expect(1);
    for word in ["half'way", "ROLLBACK PREPARED"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    database.run("ROLLBACK PREPARED 'half''way'");

    folder.dbm(&url, &restore).run().expect(0);
    let [replaced] = &database.kin()[..] else { panic!("{:?}", database.kin()) };
    assert_eq!(database.ask(ENABLED), "news|f");
    assert_eq!(all.ask(replaced, ENABLED), "news|f");
    let slot = format!("SELECT database FROM pg_replication_slots WHERE slot_name = 'own_{}'", all.slot);
    assert_eq!(database.ask(&slot), *replaced);
    // The restored database goes on where the replaced one stopped.
    database.run("ALTER SUBSCRIPTION news ENABLE");
    database.run("ALTER SUBSCRIPTION news REFRESH PUBLICATION WITH (copy_data = false)");
    all.publish(2, "SELECT count(*) FROM item", database.name());
    assert_eq!(all.ask(replaced, "SELECT count(*) FROM item"), "1");
}

#[test]
fn a_run_that_would_leave_it_behind_is_not_begun_without_a_word() {
    let all = Replicated::new();
    let (database, url) = (&all.database, all.database.url());
    let folder = Folder::new(&url);
    folder.migration(
        "001_two",
        "-- dbm: no-transaction\nCREATE TABLE x (a int);\nSELECT 1/0;",
        "DROP TABLE x;",
    );
    let before = database.everything();
    let migrate = ["migrate", "--safe", "--accept-lost-writes"];
    let ended = folder.dbm(&url, &migrate).run().expect(1);
    all.names_all(&ended.stderr);
    assert!(ended.stderr.contains("nothing was run"), "{}", ended.stderr);
    assert_eq!((database.everything(), database.kin().len()), (before.clone(), 0));
    assert_eq!(database.ask(ENABLED), "news|t");

    let ended = folder.dbm(&url, &[&migrate[..], &["--detach-replication"]].concat()).run().expect(3);
    let [replaced] = &database.kin()[..] else { panic!("{:?}", database.kin()) };
    assert!(ended.stderr.contains("subscription news"), "it is said: {}", ended.stderr);
    assert_eq!(all.ask(replaced, ENABLED), "news|f");
    assert_eq!(database.everything(), before);
}

/// dbm's own tables would be published, and the subscriber has none of them: that is said before it stops.
#[test]
fn a_publication_of_all_tables_is_named() {
    let database = Postgres::new("all_tables");
    database.run("CREATE TABLE item (id integer PRIMARY KEY); CREATE PUBLICATION whole FOR ALL TABLES");
    let folder = Folder::new(&database.url());
    folder.migration("001_a", "CREATE TABLE a (x int);", "DROP TABLE a;");
    let doctor = folder.dbm(&database.url(), &["doctor"]).run().expect(0);
    assert!(doctor.stdout.contains("whole is FOR ALL TABLES"), "{}", doctor.stdout);
    let first = folder.dbm(&database.url(), &["migrate", "--safe"]).run().expect(0);
    assert!(first.stderr.contains("whole is FOR ALL TABLES"), "{}", first.stderr);
}

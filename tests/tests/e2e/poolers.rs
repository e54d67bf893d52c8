//! A real PgBouncer between dbm and the server.

use tests::{Ended, Folder, Pooler, Postgres};

fn project(purpose: &str) -> (Postgres, Folder) {
    let database = Postgres::new(purpose);
    database.run("CREATE TABLE item (id int); INSERT INTO item VALUES (1), (2);");
    let folder = Folder::new(&database.url());
    folder.migration("001_a", "CREATE TABLE a (x int);", "DROP TABLE a;");
    folder.migration(
        "002_index",
        "-- dbm: no-transaction\nCREATE INDEX CONCURRENTLY i ON item (id);",
        "DROP INDEX i;",
    );
    (database, folder)
}

/// In transaction mode each transaction may be another server session: no lock holds, and no setting either.
#[test]
fn in_transaction_mode_it_is_refused_with_the_reason() {
    let (database, folder) = project("pooled");
    let pooler = Pooler::start(&database.url(), "transaction");
    let url = pooler.url(database.name());
    let before = database.schema();
    // The pool has more than one session to give.
    folder.dbm(&url, &["status"]).run().expect(0);
    for arguments in [
        &["migrate", "--safe", "--accept-lost-writes"][..],
        &["rollback", "--all"],
        &["recover"],
        &["backup"],
        &["restore", "latest", "--yes", "--disconnect"],
    ] {
        let ended = folder.dbm(&url, arguments).run();
        assert!(
            ended.code == 1 || arguments[0] == "restore" && ended.code != 0,
            "{arguments:?}: {}",
            ended.stderr
        );
        let refused = ended.stderr.contains("a connection pooler is in between");
        assert!(refused || arguments[0] == "restore", "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    }
    assert_eq!(database.schema(), before);
    let locks = database.ask(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    assert_eq!(locks, "0", "none is left in the pool");
    folder.dbm(&database.url(), &["migrate", "--safe", "--accept-lost-writes"]).run().expect(0);
}

/// Twenty replicas that start at the same time share the pool's few sessions.
#[test]
fn twenty_at_once_in_transaction_mode_are_refused_and_nobody_hangs() {
    let (database, folder) = project("pooled_twenty");
    let pooler = Pooler::start(&database.url(), "transaction");
    let url = pooler.url(database.name());
    let before = database.schema();
    let run = || {
        let arguments = ["migrate", "--safe", "--accept-lost-writes", "--lock-timeout", "10s"];
        folder.dbm(&url, &arguments).spawn()
    };
    let runs: Vec<_> = (0..20).map(|_| run()).collect();
    for run in runs {
        let ended = Ended::of(run);
        // One that the pool gave the same session twice learns of it only after its run is noted, which leaves that to a person.
        assert!(matches!(ended.code, 1 | 4), "{}: {}", ended.code, ended.stderr);
        let told =
            ["a connection pooler is in between", "is open"].iter().any(|why| ended.stderr.contains(why));
        assert!(told, "{}", ended.stderr);
    }
    assert_eq!(database.schema(), before);
    folder.dbm(&database.url(), &["recover", "--yes"]).run().expect(0);
    folder.dbm(&database.url(), &["migrate", "--safe", "--accept-lost-writes"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");
}

#[test]
fn in_session_mode_it_works() {
    let (database, folder) = project("pooled_whole");
    let pooler = Pooler::start(&database.url(), "session");
    let url = pooler.url(database.name());
    let before = database.schema();
    folder.dbm(&url, &["backup"]).run().expect(0);
    folder.dbm(&url, &["migrate", "--safe", "--accept-lost-writes"]).run().expect(0);
    assert_ne!(database.schema(), before);
    folder.dbm(&url, &["rollback", "--all", "--accept-lost-writes"]).run().expect(0);
    assert_eq!(database.schema(), before);
    folder.migration("003_broken", "SELECT 1 / 0;", "SELECT 1;");
    folder.dbm(&url, &["migrate", "--safe", "--accept-lost-writes"]).run().expect(3);
    assert_eq!(database.schema(), before);
    database.run("DROP TABLE item;");
    // The pool keeps sessions on what is replaced, which would go on writing into it.
    folder.dbm(&url, &["restore", "latest", "--yes", "--disconnect"]).run().expect(0);
    assert_eq!(folder.dbm(&url, &["status", "--tables"]).run().expect(0).code, 0);
    assert_eq!(database.ask("SELECT count(*) FROM item"), "2");
}

//! Commands one after another against a real server.

use crate::harness::Place;

/// A database of the test's own on the server of `scripts/test`, and how psql reaches it.
pub(crate) fn fresh(what: &str, sql: &str) -> (String, String) {
    let server =
        std::env::var("DBM_TEST_POSTGRES_URL").expect("DBM_TEST_POSTGRES_URL is not set: run scripts/test");
    let name = format!("dbm_cli_{what}_{}", std::process::id());
    psql(&server, &format!("CREATE DATABASE {name} TEMPLATE template0"));
    let (start, _) = server.rsplit_once('/').expect("a URL with a database");
    let url = format!("{start}/{name}");
    psql(&url, sql);
    (name, url)
}

pub(crate) fn psql(url: &str, sql: &str) -> String {
    let output =
        std::process::Command::new("psql").args(["-qXAt", "-v", "ON_ERROR_STOP=1", url, "-c", sql]).output();
    let output = output.expect("psql is needed: run scripts/test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_restore_right_after_a_backup_is_not_in_its_own_way() {
    let (name, url) = fresh(
        "postgres",
        "CREATE TABLE t (a int, b int); INSERT INTO t SELECT n, n FROM generate_series(1, 1000) n;
         CREATE INDEX broken ON t (b);
         UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass",
    );
    let place = Place::new().variable("DATABASE_URL", &url);
    for round in 0..3 {
        let backup = place.run(&["backup"]);
        assert_eq!(backup.code, Some(0), "{}{}", backup.stdout, backup.stderr);
        let warned = backup.stderr.contains("no part of the backup: index public.broken (it is INVALID)");
        assert_eq!(warned, round == 0, "{}", backup.stderr);
        psql(&url, "DELETE FROM t WHERE a % 2 = 0");
        let restored = place.run(&["restore", "latest", "--yes"]);
        assert_eq!(restored.code, Some(0), "{}{}", restored.stdout, restored.stderr);
        assert_eq!(psql(&url, "SELECT count(*) FROM t"), "1000\n");
    }
    let server = url.replace(&format!("/{name}"), "/postgres");
    let drops = format!("SELECT datname FROM pg_database WHERE starts_with(datname, '{name}')");
    for database in psql(&server, &drops).lines() {
        psql(&server, &format!("DROP DATABASE \"{database}\" WITH (FORCE)"));
    }
}

#[test]
fn what_reaches_beyond_the_database_is_taken_out_where_it_is_only_tried() {
    let (name, url) = fresh("beyond", "");
    let place = Place::new().variable("DATABASE_URL", &url);
    let role = format!("CREATE ROLE {name};\n");
    place.file("migrations/001_a.sql", &format!("CREATE TABLE a (id int);\n{role}"));
    place.file("rollback/001_rollback.sql", &format!("DROP TABLE a;\nDROP ROLE {name};\n"));
    let done = place.run(&["migrate", "--safe", "--accept-lost-writes", "--allow-server-wide"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    place.file("schema.sql", "CREATE TABLE a (id int);\n");
    let tries = [&["drift"][..], &["check", "--rollbacks"], &["generate", "a", "--from", "migrations"]];
    for call in tries {
        let refused = place.run(call);
        assert_eq!(refused.code, Some(2), "{call:?}: {}{}", refused.stdout, refused.stderr);
        assert!(refused.stderr.contains("hint: a scratch database runs none such"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("--allow-server-wide"), "{}", refused.stderr);
    }
    place.file("migrations/001_a.sql", "CREATE TABLE a (id int);\n");
    place.file("rollback/001_rollback.sql", "DROP TABLE a;\n");
    assert_eq!(place.run(&["repair", "--accept", "1"]).code, Some(0));
    for call in tries {
        let done = place.run(call);
        assert_eq!(done.code, Some(0), "{call:?}: {}{}", done.stdout, done.stderr);
    }
    let server = url.replace(&format!("/{name}"), "/postgres");
    psql(&server, &format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
    psql(&server, &format!("DROP ROLE {name}"));
}

//! A password of any printable characters appears nowhere: not on stdout, not on stderr, not in the log.

use crate::harness::{Ended, Place};

/// All printable ASCII characters.
fn password() -> String {
    ('!'..='~').collect()
}

#[track_caller]
fn hidden(place: &Place, ended: &Ended) {
    let log = std::fs::read_to_string(place.path().join("logs/migration.log")).unwrap_or_default();
    // Parts of it would be as bad; these cannot stand in any text by chance.
    let encoded = helpers::percent::encode(&password());
    for text in [&ended.stdout, &ended.stderr, &log] {
        for needle in ["!\"#$%", "(&'", "PQRSTU", "[\\]^", "{|}~", &encoded[..20]] {
            assert!(!text.contains(needle), "`{needle}` is in:\n{text}");
        }
    }
}

/// A port on which nobody listens.
fn dead_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn in_urls_that_reach_nobody() {
    let port = dead_port();
    for word in [password(), helpers::percent::encode(&password())] {
        let url = format!("postgres://me:{word}@127.0.0.1:{port}/shop");
        for arguments in
            [&["status"][..], &["backup"], &["migrate"], &["doctor"], &["status", "--json"], &["recover"]]
        {
            let place = Place::new().variable("DATABASE_URL", &url);
            place.file("migrations/001_a.sql", "SELECT 1;");
            place.file("rollback/001_a.sql", "SELECT 1;");
            let ended = place.run(arguments);
            assert_eq!(ended.code, Some(1), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
            hidden(&place, &ended);
        }
    }
}

#[test]
fn on_the_command_line_with_a_warning() {
    let place = Place::new();
    let url = format!("postgres://me:{}@127.0.0.1:{}/shop", password(), dead_port());
    let ended = place.run(&["status", "--url", &url]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for word in ["DATABASE_URL", "--url-file", "PGPASSWORD", "DBM_PASSWORD"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("warning:")).count(), 1);
    hidden(&place, &ended);
}

#[test]
fn in_its_own_variables_and_files() {
    let port = dead_port();
    let url = format!("postgres://me@127.0.0.1:{port}/shop");
    for variable in ["PGPASSWORD", "DBM_PASSWORD"] {
        let place = Place::new().variable("DATABASE_URL", &url).variable(variable, &password());
        let ended = place.run(&["backup"]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        hidden(&place, &ended);
    }
    let place = Place::new();
    place.file("url", &format!("postgres://me:{}@127.0.0.1:{port}/shop\n", password()));
    place.file(".env", "DBM_URL_FILE=url\n");
    let ended = place.run(&["backup"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(!ended.stderr.contains("warning:"), "{}", ended.stderr);
    hidden(&place, &ended);
}

#[test]
fn in_urls_that_cannot_be_read() {
    for url in [
        format!("postgres:/me:{}@host/db", password()),
        format!("postgres://me:{}@host:notaport/db", password()),
        format!("postgres://me:{}@host/db?sslmode=maybe", password()),
        format!("oracle://me:{}@host/db", password()),
        format!("me:{}@host/db", password()),
    ] {
        let place = Place::new().variable("DATABASE_URL", &url);
        let ended = place.run(&["status"]);
        assert_ne!(ended.code, Some(0), "{url}");
        hidden(&place, &ended);
    }
}

/// Runs SQL with psql on the server of `scripts/test`.
fn psql(url: &str, sql: &str) {
    let output =
        std::process::Command::new("psql").args(["-qX", "-v", "ON_ERROR_STOP=1", url, "-c", sql]).output();
    let output = output.expect("psql is needed: run scripts/test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn where_everything_succeeds() {
    let server =
        std::env::var("DBM_TEST_POSTGRES_URL").expect("DBM_TEST_POSTGRES_URL is not set: run scripts/test");
    let name = format!("dbm_cli_{}", std::process::id());
    let quoted = password().replace('\'', "''");
    psql(
        &server,
        "DO $$ BEGIN CREATE ROLE dbm_with_password; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    );
    psql(
        &server,
        &format!("CREATE ROLE {name} LOGIN CREATEDB PASSWORD '{quoted}' IN ROLE dbm_with_password"),
    );
    psql(&server, &format!("CREATE DATABASE {name} OWNER {name}"));
    let (_, place) = server.rsplit_once('@').expect("a URL with an account");
    let (host, _) = place.rsplit_once('/').expect("a URL with a database");
    for word in [password(), helpers::percent::encode(&password())] {
        let at = Place::new().variable("DATABASE_URL", &format!("postgres://{name}:{word}@{host}/{name}"));
        at.file("migrations/001_a.sql", "CREATE TABLE a (x INTEGER);");
        at.file("rollback/001_a.sql", "DROP TABLE a;");
        for arguments in [
            &["doctor"][..],
            &["migrate", "--safe"],
            &["backup", "--json"],
            &["verify", "latest", "--deep"],
            &["restore", "latest", "--yes"],
            &["status", "--json"],
            &["history"],
            &["rollback"],
            &["recover"],
        ] {
            let ended = at.run(arguments);
            assert_eq!(ended.code, Some(0), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
            hidden(&at, &ended);
        }
        let replaced: serde_json::Value =
            serde_json::from_str(&at.run(&["replaced", "--json"]).stdout).unwrap();
        for replaced in replaced["replaced"].as_array().unwrap() {
            let name = replaced["name"].as_str().unwrap();
            assert_eq!(at.run(&["replaced", "--let-go", name, "--yes"]).code, Some(0));
        }
    }
    psql(&server, &format!("DROP DATABASE {name}"));
    psql(&server, &format!("DROP ROLE {name}"));
}

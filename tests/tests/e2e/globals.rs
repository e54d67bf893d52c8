//! What belongs to the server, judged by `pg_dumpall` of two servers.

use std::fs;

use tests::{Folder, OwnServer, tool};

const ROLES: &str = r#"
CREATE ROLE owner LOGIN PASSWORD 'owner''s' CONNECTION LIMIT 7 VALID UNTIL '2031-05-05 12:00+02';
CREATE ROLE "Strange ""na\me'" NOINHERIT CREATEDB CREATEROLE REPLICATION BYPASSRLS; CREATE ROLE readers; CREATE ROLE boss SUPERUSER;
COMMENT ON ROLE readers IS 'who may \! read';
GRANT readers TO owner WITH ADMIN OPTION; GRANT pg_monitor TO "Strange ""na\me'";
SET ROLE owner; GRANT readers TO "Strange ""na\me'"; RESET ROLE;
ALTER ROLE owner SET search_path = app, "$user", public; ALTER ROLE owner SET work_mem = '77MB';
ALTER ROLE "Strange ""na\me'" SET app.key = 'it''s: \secret';
GRANT SET ON PARAMETER log_min_messages TO readers; GRANT ALTER SYSTEM ON PARAMETER work_mem TO owner WITH GRANT OPTION;
SET ROLE owner; GRANT ALTER SYSTEM ON PARAMETER work_mem TO PUBLIC; RESET ROLE;
CREATE DATABASE shop OWNER owner;
"#;
const SHOP: &str = r#"CREATE TABLE item (id integer PRIMARY KEY); ALTER TABLE item OWNER TO owner; GRANT SELECT ON item TO readers, "Strange ""na\me'";
INSERT INTO item SELECT generate_series(1, 100)"#;

fn globals(server: &OwnServer, passwords: bool) -> String {
    let url = server.url("postgres");
    let mut arguments = vec!["--globals-only", "-d", &url];
    if !passwords {
        arguments.push("--no-role-passwords");
    }
    let text = tool("pg_dumpall", &arguments, "");
    let kept = text.lines().filter(|line| !line.contains("restrict ") && !line.starts_with("--"));
    kept.collect::<Vec<_>>().join("\n")
}

fn run(server: &OwnServer, database: &str, sql: &str) {
    tool("psql", &["-qX", "-v", "ON_ERROR_STOP=1", &server.url(database)], sql);
}

#[test]
fn roles_come_back_on_another_server_on_request() {
    let (source, other) = (OwnServer::start(&[]), OwnServer::start(&[]));
    run(&source, "postgres", ROLES);
    run(&source, "shop", SHOP);
    let folder = Folder::new(&source.url("shop"));
    let back_up = |arguments: &[&str]| {
        let ended = folder.dbm(&source.url("shop"), arguments).run().expect(0);
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        told["archive"].as_str().expect("a name").to_owned()
    };
    let bare = back_up(&["backup", "--json"]);
    let roles = back_up(&["backup", "--globals", "--json"]);
    let passwords = back_up(&["backup", "--globals", "--role-passwords", "--json"]);
    let script = |name: &str| {
        tool("zstd", &["-dc", &folder.path().join("backups").join(name).display().to_string()], "")
    };
    assert!(!script(&bare).contains("CREATE ROLE") && !script(&roles).contains("SCRAM-SHA-256"));
    assert!(script(&passwords).contains("SCRAM-SHA-256"));
    let restore = |arguments: &[&str]| folder.dbm(&other.url("postgres"), arguments).run();

    // Without being asked it makes no role, and of an archive without roles it cannot.
    let fresh = globals(&other, true);
    let refused = restore(&["restore", &passwords, "--into", "shop"]).expect(1);
    assert!(refused.stderr.contains("no role") && refused.stderr.contains("--globals"), "{}", refused.stderr);
    let refused = restore(&["restore", &bare, "--into", "shop", "--globals"]).expect(1);
    assert!(refused.stderr.contains("holds no roles"), "{}", refused.stderr);
    assert_eq!(globals(&other, true), fresh);

    // What fails after it leaves none.
    run(&other, "postgres", "CREATE DATABASE taken");
    restore(&["restore", &passwords, "--into", "taken", "--globals"]).expect(1);
    assert_eq!(globals(&other, true), fresh);

    restore(&["restore", &passwords, "--into", "shop", "--globals"]).expect(0);
    assert_eq!(globals(&other, true), globals(&source, true));
    assert_eq!(
        tool(
            "psql",
            &["-qXAt", &other.url("shop"), "-c", "SELECT tableowner FROM pg_tables WHERE tablename = 'item'"],
            ""
        )
        .trim(),
        "owner"
    );

    // Again it makes nothing, and what differs is named and stays.
    run(&other, "postgres", "ALTER ROLE owner CREATEDB; ALTER ROLE owner SET work_mem = '1MB'");
    let before = globals(&other, true);
    let again = restore(&["restore", &roles, "--into", "again", "--globals"]).expect(0);
    for words in ["role \"owner\" is", "setting \"work_mem\" of role \"owner\" has another value"] {
        assert!(again.stderr.contains(words), "{words}: {}", again.stderr);
    }
    assert_eq!(globals(&other, true), before);
}

#[test]
fn psql_alone_takes_the_roles_over_too() {
    let (source, other) = (OwnServer::start(&[]), OwnServer::start(&[]));
    run(&source, "postgres", ROLES);
    run(&source, "shop", SHOP);
    let folder = Folder::new(&source.url("shop"));
    folder.dbm(&source.url("shop"), &["backup", "--globals", "--role-passwords"]).run().expect(0);
    let archive = fs::read_dir(folder.path().join("backups")).expect("the store");
    let archive = archive
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|end| end == "zst"));
    let script = tool("zstd", &["-dc", &archive.expect("an archive").display().to_string()], "");
    for database in ["shop", "again"] {
        run(&other, "postgres", &format!("CREATE DATABASE {database}"));
        run(&other, database, &script);
        assert_eq!(globals(&other, true), globals(&source, true), "{database}");
    }
    // Whoever is no superuser restores what he may, and is told.
    run(
        &other,
        "postgres",
        "DROP DATABASE shop; DROP DATABASE again; ALTER ROLE boss NOSUPERUSER LOGIN; GRANT owner, readers TO boss; CREATE DATABASE shop OWNER boss",
    );
    let before = globals(&other, true);
    let url = other.url("shop").replace("postgres@", "boss@");
    let (code, _, said) = tests::try_tool("psql", &["-qX", &url], &script);
    // That he may not give the table away is another matter.
    assert!(code != 0 && said.contains("only a superuser takes them over"), "{code}: {said}");
    assert_eq!(globals(&other, true), before);
}

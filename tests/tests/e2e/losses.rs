//! Servers that go away in the middle of a run, and clients of which the server does not hear that they are gone.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::{Dbm, Ended, Folder, OwnServer, Silence, tool};

const BASE: &str = "CREATE TABLE item (id int PRIMARY KEY, name text);
    INSERT INTO item SELECT i, 'item ' || i FROM generate_series(1, 2000) i;";

fn ask(url: &str, query: &str) -> String {
    tool("psql", &["-qXAt", "-v", "ON_ERROR_STOP=1", url, "-c", query], "").trim_end().to_owned()
}

/// What the migrations below change.
const STATE: &str = "SELECT (SELECT count(*) FROM item), to_regclass('late') IS NOT NULL,
    (SELECT count(*) FROM pg_attribute WHERE attrelid = 'item'::regclass AND attname = 'weight'),
    to_regclass('item_name_idx') IS NOT NULL";

fn project(server: &OwnServer, number: usize, last: &str) -> (Folder, String) {
    let url = server.url(&format!("shop{number}"));
    tool(
        "psql",
        &["-qX", &server.url("postgres"), "-c", &format!("CREATE DATABASE shop{number} TEMPLATE base")],
        "",
    );
    let folder = Folder::new(&url);
    folder.migration("001_weight", "ALTER TABLE item ADD weight int;", "ALTER TABLE item DROP weight;");
    folder.migration(
        "002_index",
        "-- dbm: no-transaction\nCREATE INDEX CONCURRENTLY item_name_idx ON item (name);",
        "DROP INDEX item_name_idx;",
    );
    folder.migration("003_last", last, "DROP TABLE late;");
    (folder, url)
}

/// A server that is restarted is waited for, and the run ends by itself: nobody has to type `dbm recover`.
#[test]
fn a_restart_of_the_server_is_waited_out() {
    const RESTARTS: u32 = 8;
    let mut server = OwnServer::start(&[]);
    tool("psql", &["-qX", &server.url("postgres"), "-c", "CREATE DATABASE base TEMPLATE template0"], "");
    tool("psql", &["-qX", &server.url("base")], BASE);
    let good = "CREATE TABLE late AS SELECT * FROM item;";
    let broken = "CREATE TABLE late AS SELECT * FROM item;\nSELECT nothing FROM nowhere;";
    let arguments = &["migrate", "--safe", "--fence"];
    let mut number = 0;
    for (last, wanted) in [(good, 0), (broken, 3)] {
        let (folder, url) = project(&server, number, last);
        let start = Instant::now();
        folder.dbm(&url, arguments).run().expect(wanted);
        let length = start.elapsed();
        for restart in 0..RESTARTS {
            number += 1;
            let (folder, url) = project(&server, number, last);
            let before = ask(&url, STATE);
            let child = folder.dbm(&url, arguments).spawn();
            std::thread::sleep(length.mul_f64((f64::from(restart) + 0.5) / f64::from(RESTARTS)));
            server.restart(if restart % 2 == 0 { Signal::QUIT } else { Signal::INT });
            let ended = Ended::of(child);
            let after = ask(&url, STATE);
            let said = format!("restart {restart}: {}\n{}\n{}", ended.code, ended.stdout, ended.stderr);
            match ended.code {
                0 => assert_eq!(after, "2000|t|1|t", "{said}"),
                1 | 3 => assert_eq!(after, before, "{said}"),
                _ => panic!("{said}"),
            }
            let open = folder.dbm(&url, &["recover"]).run().expect(0);
            assert!(open.stdout.contains("No run is open"), "{said}\n{}", open.stdout);
            let left =
                format!("SELECT count(*) FROM pg_database WHERE datname LIKE 'shop{number}\\_restoring%'");
            assert_eq!(ask(&url, &left), "0", "{said}");
            let acl = "SELECT datacl IS NULL FROM pg_database WHERE datname = current_database()";
            assert_eq!(ask(&url, acl), "t", "{said}");
        }
        number += 1;
    }
}

/// Whoever is killed while the network swallows everything leaves sessions of which the server knows nothing: the one
/// with the run's lock, and the one with the swap's.
#[test]
fn what_a_client_behind_a_dead_network_holds_is_taken_from_it() {
    let server = OwnServer::start(&[]);
    let admin = server.url("postgres");
    tool("psql", &["-qX", &admin], "CREATE ROLE owner LOGIN CREATEDB; CREATE DATABASE shop OWNER owner;");
    tool("psql", &["-qX", &server.url("shop")], &format!("SET ROLE owner; {BASE}"));
    let owned = |port: u16| format!("postgres://owner@127.0.0.1:{port}/shop");
    let url = owned(server.port());
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    tool("psql", &["-qX", &url, "-c", "DELETE FROM item WHERE id > 10"], "");

    // The rename needs a lock that somebody in another database holds, so that the swap waits with its own lock held.
    let mut guest = std::process::Command::new("psql")
        .args(["-qX", &admin, "-c", "BEGIN; COMMENT ON DATABASE shop IS 'x'; SELECT pg_sleep(600)"])
        .spawn()
        .expect("psql");
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    until("the guest is there", || ask(&admin, sleeping) == "1");
    let proxy = Silence::to(server.port());
    let restore: Dbm = folder.dbm(&owned(proxy.port()), &["restore", "latest", "--disconnect", "--yes"]);
    let mut child = restore.spawn();
    let locks = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND a.datname = 'postgres'";
    until("the swap holds its lock", || ask(&admin, locks) == "1");
    proxy.fall_silent();
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    let left = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'dbm %'";
    assert_eq!(ask(&admin, left), "t", "the server has not heard of it");

    let recovered = folder.dbm(&url, &["recover"]).run().expect(0);
    assert!(recovered.stdout.contains("what it was"), "{}", recovered.stdout);
    assert_eq!(ask(&url, "SELECT count(*) FROM item"), "10");
    tool(
        "psql",
        &[
            "-qX",
            &admin,
            "-c",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
        ],
        "",
    );
    guest.wait().expect("the guest's end");
    folder.dbm(&url, &["restore", "latest", "--disconnect", "--yes"]).run().expect(0);
    assert_eq!(ask(&url, "SELECT count(*) FROM item"), "2000");
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: not in a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! Locks of MySQL and MariaDB, on servers that show them.

use std::time::Duration;

use database::{Database, DatabaseUrl};

use super::metadata::Source;
use super::{Lock, Rehearsal, Rehearse, Rehearsed};
use crate::MigrateOptions;
use crate::run::tests::{Own, Sandbox, own};

const SHOWS: &str = "--performance-schema=ON --performance-schema-instrument=wait/lock/metadata/sql/mdl=ON";

const HIDES: &str = "--performance-schema=ON --performance-schema-instrument=wait/lock/metadata/sql/mdl=OFF";

/// A shop with enough rows that copying its table takes a while.
async fn shop(server: &Own) -> Sandbox {
    let mut shop = Sandbox::on(server).await;
    shop.settings.allowed.drift = true;
    shop.execute("CREATE TABLE item (id int PRIMARY KEY AUTO_INCREMENT, name varchar(200))").await;
    shop.execute("CREATE TABLE log (id int)").await;
    shop.execute("INSERT INTO item (name) VALUES ('a long name that takes some room'), ('two')").await;
    for _ in 0..15 {
        shop.execute("INSERT INTO item (name) SELECT concat(name, '.') FROM item").await;
    }
    shop
}

async fn rehearsed(shop: &Sandbox, file: &str) -> Rehearsal {
    shop.file("001_locks", &format!("-- dbm: irreversible why not\n{file}"), "SELECT 1;");
    let options = MigrateOptions::default();
    let rehearsal = shop.runner().rehearse(&Rehearse::default(), &shop.migrations(), &options).await.unwrap();
    assert_eq!(rehearsal.failure, None);
    rehearsal
}

fn of_line(rehearsal: &Rehearsal, line: usize) -> &Rehearsed {
    // The first line says that there is no way back.
    rehearsal.statements.iter().find(|one| one.line == line + 1).unwrap()
}

/// The lock on a table that keeps others waiting for the longest.
fn blocking(rehearsal: &Rehearsal, line: usize) -> &Lock {
    of_line(rehearsal, line).blocks().unwrap_or_else(|| panic!("line {line}: {rehearsal:#?}"))
}

const STATEMENTS: &str = "ALTER TABLE item ADD COLUMN price int, ALGORITHM=COPY, LOCK=SHARED;
UPDATE item SET name = 'x' WHERE id < 4 AND sleep(0.05) = 0;
START TRANSACTION;
INSERT INTO log SELECT id FROM item WHERE id = 1;
DO sleep(0.2);
COMMIT;
LOCK TABLES item WRITE;
DO sleep(0.2);
UNLOCK TABLES;
SELECT count(*), sleep(0.05) FROM item WHERE id = 1;
CREATE TABLE note AS SELECT id, sleep(0.05) AS waited FROM item WHERE id < 4;
UPDATE note SET waited = sleep(0.05);
RENAME TABLE item TO goods, note TO item;
UPDATE goods SET name = 'y' WHERE id = 1 AND sleep(0.05) = 0;
ALTER TABLE goods ADD INDEX by_name (name), ALGORITHM=INPLACE, LOCK=NONE;";

fn are_named(rehearsal: &Rehearsal) {
    assert!(rehearsal.locks_seen && rehearsal.locks_hint.is_none(), "{rehearsal:#?}");
    for (line, on, modes) in [
        // MariaDB's performance_schema does not see what it becomes.
        (1, "item", &["SHARED_NO_WRITE", "EXCLUSIVE", "SHARED_UPGRADABLE or stronger"][..]),
        (2, "item", &["SHARED_WRITE"]),
        (4, "log", &["SHARED_WRITE"]),
        (7, "item", &["SHARED_NO_READ_WRITE"]),
        (11, "item", &["SHARED_READ"]),
        (14, "goods", &["SHARED_WRITE"]),
    ] {
        let lock = of_line(rehearsal, line).locks.iter().filter(|lock| lock.on == on && lock.blocks);
        let lock = lock.max_by_key(|lock| lock.held_ms).unwrap_or_else(|| panic!("{line}: {rehearsal:#?}"));
        assert!(lock.named && modes.contains(&lock.mode.as_str()), "line {line}: {rehearsal:#?}");
    }
    let copied = of_line(rehearsal, 1);
    let all = copied.blocks().unwrap();
    assert!(all.held_ms * 2 > copied.duration_ms && all.held_ms <= copied.duration_ms, "{copied:#?}");
    // To the end of the transaction, or of LOCK TABLES; the rows that are only read there are locked too.
    for (line, least) in [(2, 150), (4, 200), (7, 200)] {
        assert!(blocking(rehearsal, line).held_ms >= least, "line {line}: {rehearsal:#?}");
    }
    let read = of_line(rehearsal, 4).locks.iter().find(|lock| lock.on == "item").unwrap();
    assert!(read.mode == "SHARED_READ" && read.blocks && read.held_ms >= 200, "{rehearsal:#?}");
    // Nobody waits for whoever reads, nor for what is new; what had another name is not new.
    assert_eq!(of_line(rehearsal, 10).blocks(), None, "{rehearsal:#?}");
    assert!(
        !of_line(rehearsal, 11).locks.iter().any(|lock| lock.on == "note" && lock.blocks),
        "{rehearsal:#?}"
    );
    let new = of_line(rehearsal, 12).locks.iter().filter(|lock| lock.blocks && lock.named);
    assert_eq!(new.count(), 0, "{rehearsal:#?}");
    // An index that is built online keeps writers out for moments only, whatever the server calls them.
    let online = of_line(rehearsal, 15);
    let upgradable = online.locks.iter().find(|lock| lock.mode.starts_with("SHARED_UPGRADABLE"));
    assert!(upgradable.is_some_and(|lock| !lock.blocks && lock.on == "goods"), "{online:#?}");
    assert!(online.blocks().is_none_or(|lock| lock.held_ms * 2 < online.duration_ms.max(100)), "{online:#?}");
    assert!(rehearsal.statements.iter().flat_map(|one| &one.locks).all(|lock| !lock.on.starts_with("dbm_")));
}

#[tokio::test]
async fn a_server_with_a_performance_schema_names_its_locks() {
    let server = own(SHOWS).await;
    let shop = shop(&server).await;
    let rehearsal = rehearsed(&shop, STATEMENTS).await;
    are_named(&rehearsal);
    let most = Duration::from_millis(100);
    let refused = rehearsal.refused(Some(most)).unwrap().message;
    assert!(
        refused.contains("kept others waiting for") && refused.contains("100 ms are allowed"),
        "{refused}"
    );
    let named =
        rehearsal.statements.iter().filter_map(Rehearsed::blocks).max_by_key(|lock| lock.held_ms).unwrap();
    assert!(refused.contains(&format!("({} on {})", named.mode, named.on)), "{refused}");
    assert_eq!(rehearsal.refused(Some(Duration::from_secs(600))), None);
    // Nothing of it was run on the database itself.
    assert_eq!(shop.ask("SELECT count(*) FROM log").await, "0");
}

/// Each server in its own words, told once.
#[tokio::test]
async fn where_a_server_shows_no_locks_it_is_said_what_to_switch_on() {
    let server = own(HIDES).await;
    let shop = shop(&server).await;
    let slow = "UPDATE item SET name = 'x' WHERE id < 4 AND sleep(0.1) = 0;";
    let rehearsal = rehearsed(&shop, slow).await;
    let hint = rehearsal.locks_hint.clone().unwrap();
    assert!(hint.contains("UPDATE performance_schema.setup_instruments SET ENABLED = 'YES'"), "{hint}");
    let lock = blocking(&rehearsal, 1);
    assert!(!rehearsal.locks_seen && !lock.named && lock.held_ms >= 300, "{rehearsal:#?}");
    let refused = rehearsal.refused(Some(Duration::from_millis(200))).unwrap().message;
    assert!(refused.contains("a lock that the server does not show on the database"), "{refused}");
    // Without autocommit it is the transaction that counts, whose end no statement says.
    let open = "SET autocommit = 0;\nUPDATE item SET name = 'x' WHERE id = 1;\nDO sleep(0.3);\nCOMMIT;";
    let rehearsal = rehearsed(&shop, open).await;
    assert!(rehearsal.refused(Some(Duration::from_millis(250))).is_some(), "{rehearsal:#?}");

    // What is switched on as it says is seen.
    let switch = hint.split_once(": ").unwrap().1.split(';').next().unwrap();
    server.server.connect(None).await.unwrap().batch(switch, "").await.unwrap();
    let rehearsal = rehearsed(&shop, slow).await;
    assert_eq!(blocking(&rehearsal, 1).mode, "SHARED_WRITE", "{rehearsal:#?}");

    // Who may not read them is told so.
    let other =
        "CREATE USER short@localhost IDENTIFIED BY 'x'; GRANT ALL ON `migrate\\_%`.* TO short@localhost";
    server.server.connect(None).await.unwrap().batch(other, "").await.unwrap();
    let mut settings = server.server.settings().clone();
    settings.user = Some("short".to_owned());
    settings.password = Some("x".to_owned().into());
    settings.database = shop.database.name();
    let mut short = Database::new(DatabaseUrl::Mysql(settings)).unwrap().session().await.unwrap();
    let own = short.id().id;
    let found = Source::find(&mut *short, own).await.unwrap();
    assert_eq!(
        found,
        Err("this account may not read them: GRANT SELECT ON performance_schema.* TO it".to_owned())
    );
}

/// The plugin is of one version of the server: that of a newer one is fetched beside it.
#[tokio::test]
async fn mariadb_s_plugin_names_locks_too() {
    let Some(program) = std::env::var_os("DBM_TEST_MARIADB_PREPARED") else { return };
    if !std::fs::read_to_string(std::path::Path::new(&program).join("program")).unwrap().contains("mariadbd")
    {
        return;
    }
    let folder = std::env::var("DBM_TEST_MARIADB_PLUGINS")
        .expect("DBM_TEST_MARIADB_PLUGINS is missing: run scripts/test");
    let server = own(&format!("--plugin-dir={folder}")).await;
    let shop = shop(&server).await;
    let rehearsal = rehearsed(&shop, "ALTER TABLE item ADD COLUMN price int;").await;
    assert!(rehearsal.locks_hint.unwrap().contains("INSTALL SONAME 'metadata_lock_info'"));
    let install = "INSTALL SONAME 'metadata_lock_info'";
    server.server.connect(None).await.unwrap().batch(install, "").await.unwrap();
    let rehearsal = rehearsed(&shop, STATEMENTS).await;
    are_named(&rehearsal);
    assert_eq!(blocking(&rehearsal, 1).mode, "SHARED_NO_WRITE", "{rehearsal:#?}");
}

mod broken;
mod elsewhere;
mod events;
mod folders;
mod globals;
mod local;
mod lower_case;
mod namesakes;
mod rights;
mod tablespaces;

use database::mysql::{SCRATCH_ACCOUNTS, Server};
use database::{Database, Entry, Journal as _};

use crate::archive::Archive;
use crate::dump::BackupOptions;
use crate::mysql::testing::{back_up, everything, fresh, is_mariadb, mariadb_dump, rows, run, values};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};
use crate::{ErrorKind, restore::Beside};

fn named(server: &Server, name: &str) -> Server {
    super::swap::at(server, name)
}

fn database(server: &Server) -> Database {
    Database::Mysql(server.clone())
}

async fn backed_up(server: &Server) -> (tempfile::TempDir, Archive) {
    let (folder, archive, _) = back_up(server, &BackupOptions::default()).await;
    (folder, archive)
}

/// The databases whose name begins with another one's.
async fn databases(server: &Server) -> Vec<String> {
    let sql = format!("SHOW DATABASES LIKE '{}%'", server.database());
    rows(server, &sql).await.into_iter().flatten().flatten().collect()
}

async fn same(copy: &Server, source: &Server) {
    assert_eq!(copy.digests().await.unwrap(), source.digests().await.unwrap());
    let (one, other) = (copy.schema().await.unwrap(), source.schema().await.unwrap());
    for (one, other) in one.objects.iter().zip(&other.objects) {
        assert_eq!(one, other);
    }
    assert_eq!(one, other);
    same_text(&mariadb_dump(copy), &mariadb_dump(source));
}

/// Line by line, so that what differs is seen.
fn same_text(one: &str, other: &str) {
    for (one, other) in one.lines().zip(other.lines()) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

#[tokio::test]
async fn a_worker_that_is_a_deadlocks_victim_begins_anew() {
    let server = fresh().await;
    run(&server, "CREATE TABLE t (id INT PRIMARY KEY)").await;
    let (mut other, mut worker) = (
        server.connect(Some(server.database())).await.unwrap(),
        server.connect(Some(server.database())).await.unwrap(),
    );
    // What has written more is not the victim.
    let many = (10..200).map(|id| format!("({id})")).collect::<Vec<_>>().join(",");
    for sql in ["START TRANSACTION", &format!("INSERT INTO t VALUES {many}"), "INSERT INTO t VALUES (2)"] {
        other.batch(sql, "").await.unwrap();
    }
    let part = b"INSERT INTO `t` (`id`) VALUES\n(1);\nINSERT INTO `t` (`id`) VALUES\n(2);\n";
    let load = super::run::rows(&mut worker, part, None, super::run::Commit::Part);
    let cross = async {
        let waiting = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'
                        AND trx_query LIKE 'INSERT INTO `t`%(2)%'";
        while rows(&server, waiting).await[0][0].as_deref() == Some("0") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        other.batch("INSERT INTO t VALUES (1)", "").await.unwrap();
        other.batch("ROLLBACK", "").await.unwrap();
    };
    let (loaded, ()) = tokio::join!(load, cross);
    loaded.unwrap();
    assert_eq!(
        rows(&server, "SELECT count(*), sum(id) FROM t").await[0],
        [Some("2".into()), Some("3".into())]
    );
}

#[tokio::test]
async fn a_new_database_holds_all_that_the_archive_holds() {
    let source = fresh().await;
    everything(&source).await;
    values(&source).await;
    run(
        &source,
        &format!(
            "ALTER DATABASE {} CHARACTER SET ucs2 COLLATE ucs2_czech_ci {}",
            source.database(),
            if is_mariadb() { "COMMENT 'it''s'" } else { "" }
        ),
    )
    .await;
    let (_folder, archive) = backed_up(&source).await;
    let name = format!("{}_new", source.database());
    restore::into(&archive, &database(&source), &name, &RestoreOptions::default(), &Silent).await.unwrap();
    let copy = named(&source, &name);
    same(&copy, &source).await;
    let of = async |server: &Server| {
        let comment = if is_mariadb() { "schema_comment" } else { "''" };
        let sql = format!(
            "SELECT default_collation_name, {comment} FROM information_schema.schemata WHERE schema_name = DATABASE()"
        );
        rows(server, &sql).await
    };
    assert_eq!(of(&copy).await, of(&source).await);
    // Nothing leads back to the database that it is a copy of.
    assert_eq!(rows(&copy, "SELECT * FROM fired").await.len(), 0);
    let dump = crate::mysql::testing::mariadb_dump(&copy);
    assert!(!dump.contains(source.database()), "{dump}");
    run(&copy, "INSERT INTO `odd``\"na'me \nä` (at) VALUES ('2020-01-01')").await;
    assert_eq!(databases(&source).await, [source.database(), &name], "nothing else is left");
    run(&copy, "CALL ansi()").await;
    let error = restore::into(&archive, &database(&source), &name, &RestoreOptions::default(), &Silent).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Refused);
}

/// MySQL prints of a table whether it is encrypted where the database's own tables are not so.
#[tokio::test]
async fn whether_new_tables_are_encrypted_is_carried() {
    let source = fresh().await;
    if is_mariadb() {
        return;
    }
    let name = source.database();
    run(&source, &format!("CREATE TABLE t (a int); ALTER DATABASE {name} ENCRYPTION 'Y'")).await;
    let (_folder, archive) = backed_up(&source).await;
    let copy = named(&source, &format!("{name}_new"));
    let options = RestoreOptions::default();
    restore::into(&archive, &database(&source), copy.database(), &options, &Silent).await.unwrap();
    let other = fresh().await;
    let options = RestoreOptions { from_source: Some(archive.index().source.clone()), ..options };
    let made = restore::beside(&archive, &database(&other), &options, &Silent).await.unwrap();
    made.swap(&[], true).await.unwrap();
    for copy in [copy, other] {
        same(&copy, &source).await;
        let sql = "SELECT default_encryption FROM information_schema.schemata WHERE schema_name = DATABASE()";
        assert_eq!(rows(&copy, sql).await[0][0].as_deref(), Some("YES"));
    }
}

#[tokio::test]
async fn a_proof_leaves_nothing() {
    let source = fresh().await;
    values(&source).await;
    let (_folder, archive) = backed_up(&source).await;
    restore::prove(&archive, &database(&source), &RestoreOptions::default(), &Silent).await.unwrap();
    assert_eq!(databases(&source).await, [source.database()]);
    let leftover = restore::scratch_name(&database(&source)).await.unwrap();
    run(&source, &format!("CREATE DATABASE {leftover}")).await;
    assert_eq!(restore::leftovers(&database(&source)).await.unwrap(), [leftover.as_str()]);
    restore::discard_scratch(&database(&source), &leftover).await.unwrap();
    assert!(restore::leftovers(&database(&source)).await.unwrap().is_empty());
    let error = restore::discard_scratch(&database(&source), source.database()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

async fn beside(archive: &Archive, server: &Server) -> Beside {
    // Sessions of the test's own may just be going.
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    restore::beside(archive, &database(server), &options, &Silent).await.unwrap()
}

/// What a database is, in the words of the stock tool and of its rows.
async fn state(server: &Server) -> (String, String) {
    (mariadb_dump(server), format!("{:?}", server.digests().await.unwrap()))
}

#[tokio::test]
async fn the_restored_database_takes_the_place_and_the_other_one_is_kept() {
    let target = fresh().await;
    everything(&target).await;
    values(&target).await;
    let before = state(&target).await;
    let (_folder, archive) = backed_up(&target).await;
    run(&target, "DROP TABLE texts; INSERT INTO customer VALUES (7, 'x'); CREATE TABLE later (a int);
        CREATE VIEW of_later AS SELECT * FROM later; CREATE TRIGGER late BEFORE INSERT ON later FOR EACH ROW SET NEW.a = 1;
        ALTER EVENT nightly DISABLE; DROP VIEW beyond; ALTER TABLE numbers AUTO_INCREMENT = 5000").await;
    if is_mariadb() {
        run(&target, "ALTER TABLE later ALTER COLUMN a SET DEFAULT NEXTVAL(s)").await;
    }
    let between = state(&target).await;
    let step = serde_json::json!({});
    let entry = Entry { run: "one".into(), number: 0, at: chrono::Utc::now(), step };
    let replaced = beside(&archive, &target).await.swap(std::slice::from_ref(&entry), true).await.unwrap();
    same_text(&state(&target).await.0, &before.0);
    assert_eq!(state(&target).await.1, before.1);
    let kept = named(&target, &replaced.name);
    let asleep = |(dump, digests): (String, String)| (dump.replace(" ENABLE ", " DISABLE "), digests);
    let (now, between) = (state(&kept).await, asleep(between));
    same_text(&now.0, &between.0);
    assert_eq!(now.1, between.1);
    assert_eq!(target.session().await.unwrap().entries().await.unwrap(), [entry]);
    let listed = restore::replaced(&database(&target)).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), [replaced.name.as_str()]);
    // Each side goes on by itself.
    for server in [&kept, &target] {
        assert_eq!(
            rows(server, "SELECT t FROM both_my").await.len(),
            0,
            "a table of others' rows finds those"
        );
    }
    run(&kept, "INSERT INTO later () VALUES ()").await;
    run(&target, "INSERT INTO `odd``\"na'me \nä` (at) VALUES ('2020-01-01')").await;
    restore::let_go(&database(&target), &replaced.name).await.unwrap();
    assert_eq!(databases(&target).await, [target.database()]);
    assert_eq!(state(&target).await.0.len(), before.0.len());
    let gone = restore::let_go(&database(&target), &replaced.name).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Refused);
}

/// Drops the exchange at a moment, as a killed process would, and looks what the next command makes of it.
#[tokio::test]
async fn an_exchange_that_is_killed_anywhere_is_finished_or_undone() {
    let target = fresh().await;
    run(&target, "CREATE TABLE t (a int PRIMARY KEY) ENGINE = InnoDB; CREATE TABLE u (a int, FOREIGN KEY (a) REFERENCES t (a));
        CREATE TABLE log (a int); CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.a);
        CREATE VIEW v AS SELECT * FROM t; CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1;
        INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)").await;
    if is_mariadb() {
        run(&target, "CREATE SEQUENCE s; CREATE TABLE d (a int DEFAULT NEXTVAL(s))").await;
    }
    let (_folder, archive) = backed_up(&target).await;
    let before = state(&target).await;
    run(
        &target,
        "INSERT INTO t VALUES (2); DROP VIEW v; CREATE VIEW w AS SELECT 2 FROM u; CREATE TABLE x (a int)",
    )
    .await;
    let (mut forward, mut back) = (0, 0);
    // On a slow machine the exchange takes longer: until both ends were seen, each round lets it go on for twice as long.
    for round in 0..24_u32 {
        if round >= 16 && forward > 0 && back > 0 {
            break;
        }
        let delay = if round < 16 { u64::from(round * 15) } else { 250 << (round - 16) };
        let between = state(&target).await;
        let ready = beside(&archive, &target).await;
        let scratch = ready.scratch_name().to_owned();
        let entry = Entry {
            run: format!("run {round}"),
            number: 0,
            at: chrono::Utc::now(),
            step: serde_json::json!({}),
        };
        let swapping = tokio::spawn(async move { ready.swap(&[entry], true).await.map(drop) });
        tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
        swapping.abort();
        let done = match swapping.await {
            Ok(swapped) => swapped.map(|()| true).unwrap(),
            Err(_) => false,
        };
        restore::settle(&database(&target)).await.unwrap();
        let entries = target.session().await.unwrap().entries().await.unwrap();
        let published = entries.first().is_some_and(|entry| entry.run == format!("run {round}"));
        assert!(published || !done, "round {round}");
        let now = state(&target).await;
        if published {
            forward += 1;
            assert_eq!(now, before, "round {round}");
            run(&target, "INSERT INTO t VALUES (2); DROP VIEW v; CREATE VIEW w AS SELECT 2 FROM u; CREATE TABLE x (a int)").await;
        } else {
            back += 1;
            assert_eq!(now, between, "round {round}");
        }
        restore::discard_scratch(&database(&target), &scratch).await.unwrap();
        for one in restore::replaced(&database(&target)).await.unwrap() {
            restore::let_go(&database(&target), &one.name).await.unwrap();
        }
        assert_eq!(databases(&target).await, [target.database()], "round {round}");
    }
    assert!(forward > 0 && back > 0, "{forward} forward, {back} back");
}

#[tokio::test]
async fn one_table_comes_back_beside_the_one_that_is_there() {
    let target = fresh().await;
    everything(&target).await;
    values(&target).await;
    let (_folder, archive) = backed_up(&target).await;
    let selection = |name: &str| RestoreOptions {
        selection: crate::selection::Selection {
            tables: vec![crate::selection::Pattern::table(name).unwrap()],
            ..crate::selection::Selection::default()
        },
        ..RestoreOptions::default()
    };
    run(&target, "DELETE FROM texts WHERE id = 1; DROP TABLE numbers").await;
    for name in ["texts", if is_mariadb() { "old" } else { "my" }, "choices", "orders"] {
        let among = restore::among(&archive, &database(&target), &selection(name), &Silent).await.unwrap();
        let [(id, made)] = among.beside.as_slice() else { panic!("{among:?}") };
        assert_eq!(id.name, name);
        assert!(made.starts_with(&format!("`{name}_restored_")), "{made}");
    }
    let among = restore::among(&archive, &database(&target), &selection("numbers"), &Silent).await.unwrap();
    assert_eq!(among.made.len(), 1);
    let digests = target.digests().await.unwrap();
    let numbers = archive.index().tables.iter().find(|entry| entry.id.name == "numbers").unwrap();
    assert_eq!(digests[&numbers.id], numbers.digest);
    let error = restore::among(&archive, &database(&target), &selection("none"), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// What is left out on request is told; what is there now is all there, by dbm and by the stock client.
#[tokio::test]
async fn the_history_of_tables_may_stay_behind() {
    let (source, by_hand) = (fresh().await, fresh().await);
    if !is_mariadb() {
        return;
    }
    run(&source, "CREATE TABLE plain (a int PRIMARY KEY, b int) WITH SYSTEM VERSIONING;
        CREATE TABLE named (a int, since timestamp(6) GENERATED ALWAYS AS ROW START, till timestamp(6) GENERATED ALWAYS AS ROW END,
          PERIOD FOR SYSTEM_TIME (since, till)) WITH SYSTEM VERSIONING;
        INSERT INTO plain VALUES (1, 1), (2, 2); UPDATE plain SET b = 7; DELETE FROM plain WHERE a = 2;
        INSERT INTO named (a) VALUES (1); UPDATE named SET a = 2").await;
    let options = BackupOptions { no_history: true, ..BackupOptions::default() };
    let (_folder, archive, script) = back_up(&source, &options).await;
    assert!(archive.index().partial);
    assert_eq!(
        archive.index().left_out,
        ["the history of table named (--no-history)", "the history of table plain (--no-history)"]
    );
    let name = format!("{}_new", source.database());
    restore::into(&archive, &database(&source), &name, &RestoreOptions::default(), &Silent).await.unwrap();
    crate::mysql::testing::load(&by_hand, &script).unwrap();
    for copy in [named(&source, &name), by_hand] {
        let all = "SELECT a, b FROM plain FOR SYSTEM_TIME ALL UNION ALL SELECT a, NULL FROM named FOR SYSTEM_TIME ALL";
        assert_eq!(
            rows(&copy, all).await,
            [[Some("1".to_owned()), Some("7".to_owned())], [Some("2".to_owned()), None]]
        );
        same_text(&mariadb_dump(&copy), &mariadb_dump(&source));
    }
    let found = restore::preflight(&archive, &database(&source), &RestoreOptions::default()).await.unwrap();
    assert!(found.check().unwrap_err().to_string().contains("partial"));
}

#[tokio::test]
async fn definers_and_names_of_databases() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int); CREATE DEFINER = gone@nowhere VIEW v AS SELECT a FROM t;
        CREATE DEFINER = gone@nowhere PROCEDURE p() SELECT 1; CREATE DEFINER = gone@nowhere EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01' DO SELECT 1").await;
    let (_folder, archive) = backed_up(&source).await;
    let found = restore::preflight(&archive, &database(&source), &RestoreOptions::default()).await.unwrap();
    assert_eq!(found.missing_roles, ["gone@nowhere"]);
    let definers = async |copy: &Server| -> Vec<String> {
        let sql = "SELECT definer FROM information_schema.views WHERE table_schema = DATABASE() UNION ALL
            SELECT definer FROM information_schema.routines WHERE routine_schema = DATABASE() UNION ALL
            SELECT definer FROM information_schema.events WHERE event_schema = DATABASE()";
        rows(copy, sql).await.into_iter().flatten().flatten().collect()
    };
    let own = rows(&source, "SELECT CURRENT_USER()").await[0][0].clone().unwrap();
    let map = [("gone".to_owned(), "root@%".to_owned())].into();
    for (number, no_owner, roles, expected) in [
        (1, false, std::collections::BTreeMap::new(), "gone@nowhere"),
        (2, true, std::collections::BTreeMap::new(), own.as_str()),
        (3, false, map, "root@%"),
    ] {
        let name = format!("{}_{number}", source.database());
        let options = RestoreOptions { no_owner, roles, ..RestoreOptions::default() };
        restore::into(&archive, &database(&source), &name, &options, &Silent).await.unwrap();
        assert_eq!(definers(&named(&source, &name)).await, [expected; 3]);
    }
    run(&source, &format!("CREATE PROCEDURE names() SELECT * FROM {}.t", source.database())).await;
    let (_folder, archive) = backed_up(&source).await;
    let name = format!("{}_4", source.database());
    let error = restore::into(&archive, &database(&source), &name, &RestoreOptions::default(), &Silent)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("procedure names"), "{error}");
    let replaced = beside(&archive, &source).await.swap(&[], true).await.unwrap();
    restore::let_go(&database(&source), &replaced.name).await.unwrap();
}

/// Whatever its order and the time at which its events were read: as by an older dbm, and long after.
#[tokio::test]
async fn an_event_whose_time_has_passed_since_the_backup() {
    let source = fresh().await;
    run(
        &source,
        "CREATE TABLE t (id int); CREATE VIEW v2 AS SELECT id FROM t; CREATE VIEW v1 AS SELECT id FROM v2;
        CREATE EVENT later ON SCHEDULE AT '2035-01-01' DISABLE DO SELECT 1",
    )
    .await;
    let mut seconds = 2;
    let (_folder, archive) = loop {
        seconds *= 2;
        let soon = format!("UTC_TIMESTAMP() + INTERVAL {seconds} SECOND");
        let events = format!(
            "SET time_zone = '+00:00'; DROP EVENT IF EXISTS once; DROP EVENT IF EXISTS until_then;
            CREATE EVENT once ON SCHEDULE AT {soon} DISABLE DO SELECT 1;
            CREATE EVENT until_then ON SCHEDULE EVERY 1 HOUR STARTS '2001-01-01' ENDS {soon} DISABLE DO SELECT 1"
        );
        run(&source, &events).await;
        let (folder, archive, text) = back_up(&source, &BackupOptions::default()).await;
        // Some servers let nobody set the time, so it is set where nothing else will do: not yet.
        if !String::from_utf8(text).unwrap().contains("SET timestamp") {
            break (folder, archive);
        }
        assert!(seconds < 100);
    };
    let over = "SELECT MAX(COALESCE(execute_at, ends)) < UTC_TIMESTAMP() FROM information_schema.events
                 WHERE event_schema = DATABASE() AND event_name <> 'later'";
    while rows(&source, over).await[0][0].as_deref() != Some("1") {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let copy = format!("{}_copy", source.database());
    restore::into(&archive, &database(&source), &copy, &RestoreOptions::default(), &Silent).await.unwrap();
    same(&named(&source, &copy), &source).await;
    // What is over by then is made by the stock client, too.
    let (_folder, _, text) = back_up(&source, &BackupOptions::default()).await;
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("SET timestamp = 1;").count(), 2, "{text}");
    crate::mysql::testing::load(&fresh().await, text.as_bytes()).unwrap();
}

/// `DATE` of a TIMESTAMP goes by the time zone of the session that wrote it, and a restore's is UTC.
#[tokio::test]
async fn a_stored_column_that_comes_out_otherwise_is_told() {
    let source = fresh().await;
    run(
        &source,
        "CREATE TABLE same (a int, b int AS (a * 2) STORED); INSERT INTO same (a) VALUES (1), (2);
        CREATE TABLE days (at timestamp NULL, day date AS (DATE(at)) STORED, hour int AS (HOUR(at)) STORED);
        SET time_zone = '-05:00'; INSERT INTO days (at) VALUES ('2020-05-01 23:00:00')",
    )
    .await;
    let (_folder, archive) = backed_up(&source).await;
    let told = |remade: &[restore::Remade]| {
        let [one] = remade else { panic!("{remade:?}") };
        assert_eq!(one.object, "table days");
        assert!(one.what.contains("`day`, `hour`"), "{one}");
    };
    let copy = format!("{}_copy", source.database());
    told(
        &restore::into(&archive, &database(&source), &copy, &RestoreOptions::default(), &Silent)
            .await
            .unwrap(),
    );
    let selection = crate::selection::Selection {
        tables: vec![crate::selection::Pattern::table("days").unwrap()],
        ..crate::selection::Selection::default()
    };
    let options = RestoreOptions { selection, ..RestoreOptions::default() };
    told(&restore::among(&archive, &database(&source), &options, &Silent).await.unwrap().remade);
    let restored = beside(&archive, &source).await;
    told(restored.remade());
    let replaced = restored.swap(&[], true).await.unwrap();
    let archived = rows(&source, &format!("SELECT day FROM `{}`.days", replaced.name)).await;
    assert_eq!(archived, [[Some("2020-05-01".to_owned())]], "what it was is kept");
    // Its copy comes out as it is.
    let (_folder, archive) = backed_up(&source).await;
    assert_eq!(beside(&archive, &source).await.remade(), []);
}

#[tokio::test]
async fn what_is_broken_or_tied_to_others_is_told() {
    let (target, other) = (fresh().await, fresh().await);
    run(&target, "CREATE TABLE t (a int PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t").await;
    let (_folder, archive) = backed_up(&target).await;
    run(&target, "CREATE TABLE gone (a int); CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone")
        .await;
    let replaced = beside(&archive, &target).await.swap(&[], true).await.unwrap();
    let views =
        rows(&target, "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()")
            .await;
    assert_eq!(views, [[Some("v".to_owned())]]);
    restore::let_go(&database(&target), &replaced.name).await.unwrap();
    let points = format!(
        "CREATE TABLE c (a int, CONSTRAINT to_t FOREIGN KEY (a) REFERENCES {}.t (a))",
        target.database()
    );
    run(&other, &points).await;
    let found = restore::preflight(&archive, &database(&target), &RestoreOptions::default()).await.unwrap();
    let error = found.check().unwrap_err();
    assert!(error.to_string().contains("c (to_t)"), "{error}");
    run(&other, "DROP TABLE c").await;
    // Somebody is in it, and may stay.
    let _session = named(&target, target.database()).session().await.unwrap();
    let error =
        restore::beside(&archive, &database(&target), &RestoreOptions::default(), &Silent).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
}

#[tokio::test]
async fn an_account_needs_no_more_than_names_beside_its_own() {
    let target = fresh().await;
    run(&target, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await;
    let (_folder, archive) = backed_up(&target).await;
    // The fences of other tests leave it alone.
    let user = target.database().replace("dbm_backup", &format!("{SCRATCH_ACCOUNTS}n"));
    run(
        &target,
        &format!("CREATE USER {user} IDENTIFIED BY 'x'; GRANT ALL ON {}.* TO {user}", target.database()),
    )
    .await;
    let settings = database::mysql::Settings {
        user: Some(user.clone()),
        password: Some("x".to_owned().into()),
        ..target.settings().clone()
    };
    let plain = Database::Mysql(Server::new(settings));
    let options = RestoreOptions {
        from_source: Some(archive.index().source.clone()),
        disconnect: true,
        ..RestoreOptions::default()
    };
    let error = restore::beside(&archive, &plain, &options, &Silent).await.unwrap_err();
    // What it says is what is to be typed.
    let hint = error.hint().unwrap();
    let grant = &hint[hint.find("GRANT ").unwrap()..hint.find(';').unwrap()];
    assert!(grant.contains("\\_re%`.* TO"), "{hint}");
    run(&target, &format!("{grant}; GRANT ALL ON dbm.* TO {user}")).await;
    let replaced =
        restore::beside(&archive, &plain, &options, &Silent).await.unwrap().swap(&[], true).await.unwrap();
    assert_eq!(rows(&target, "SELECT * FROM t").await.len(), 1);
    restore::let_go(&plain, &replaced.name).await.unwrap();
    // What it could not make again is told before anything is touched, and not when a run has to go back.
    run(&target, "CREATE VIEW of_others AS SELECT a FROM t").await;
    let (_folder, archive) = backed_up(&target).await;
    let error = restore::beside(&archive, &plain, &options, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("in the name of others: root@"), "{error}");
    let own = RestoreOptions { no_owner: true, ..options.clone() };
    // On MySQL nobody but a SYSTEM_USER removes what acts in the name of one.
    run(&target, "DROP VIEW of_others").await;
    let replaced = restore::beside(&archive, &plain, &own, &Silent).await.unwrap();
    let replaced = replaced.swap(&[], true).await.unwrap();
    restore::let_go(&plain, &replaced.name).await.unwrap();
    run(&target, &format!("REVOKE TRIGGER ON {}.* FROM {user}", target.database())).await;
    let error = restore::beside(&archive, &plain, &own, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("lacks TRIGGER"), "{error}");
}

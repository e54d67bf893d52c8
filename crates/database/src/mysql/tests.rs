mod logins;
mod of_rows;
mod silence;
mod tls;

use std::time::Duration;

use secrecy::SecretString;

use super::testing::{account, administer, fresh, locked, name};
use super::*;
use crate::script::Statement;
use crate::{Engine, Entry, ErrorKind, Fence as _, Journal as _, Lock as _, Statements as _};

fn statement(text: &str) -> Statement<'_> {
    Statement { text, line: 10, offset: 0, copy_rows: None }
}

fn entry(run: &str, number: u32) -> Entry {
    Entry {
        run: run.into(),
        number,
        at: chrono::Utc::now(),
        step: serde_json::json!({"text": "it's \\ \"x\"\n"}),
    }
}

#[tokio::test]
async fn what_the_server_says_of_itself_and_of_us() {
    let server = fresh().await;
    let about = server.about().await.unwrap();
    let flavour = server.connect(None).await.unwrap().flavour();
    assert_eq!(about.server_version.ends_with("-MariaDB"), flavour == Flavour::MariaDb, "{about:?}");
    assert!(about.superuser && about.may_create_databases && about.may_write && about.may_run);
    assert_eq!(about.database, server.database());
    // MySQL servers have an id of their own.
    assert_eq!(about.source == server.source_by_place(), flavour == Flavour::MariaDb);
    let source = server.ensure_source_id().await.unwrap();
    assert_ne!(source, server.source_by_place());
    assert_eq!(server.ensure_source_id().await.unwrap(), source);
    assert_eq!(server.about().await.unwrap().source, source);

    let (user, plain) = account(&server, "SELECT").await;
    let about = plain.about().await.unwrap();
    assert_eq!(about.account, format!("{user}@%"));
    assert!(!about.superuser && !about.may_create_databases && about.may_write);
    // The database of journals is not its to see, and neither may it make tables.
    assert!(!about.may_run, "{about:?}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let server = fresh().await;
    let (_, known) = account(&server, "SELECT").await;
    let cipher = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";
    let cipher = known.connect(None).await.unwrap().query(cipher, "").await.unwrap();
    let speaks_tls = cipher[0][1].as_deref().is_some_and(|cipher| !cipher.is_empty());
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut settings = known.settings().clone();
        change(&mut settings);
        Server::new(settings)
    };
    for (server, kind, part) in [
        (
            with(&|s| s.password = Some(SecretString::from("no"))),
            ErrorKind::Authentication,
            "refused the password",
        ),
        (with(&|s| s.password = None), ErrorKind::Authentication, "refused `u_"),
        (with(&|s| s.database = "elsewhere".into()), ErrorKind::Permission, "elsewhere"),
        (
            with(&|s| s.place = Place::Tcp { host: "127.0.0.1".into(), port: 1 }),
            ErrorKind::Connection,
            "nothing listens",
        ),
        (
            with(&|s| s.place = Place::Socket("/nowhere/s".into())),
            ErrorKind::Connection,
            "no socket /nowhere/s",
        ),
        if speaks_tls {
            // Nobody signed what a server makes for itself.
            (
                with(&|s| {
                    s.ssl_mode = SslMode::VerifyCa;
                    s.ssl_ca = Some("/nowhere/ca.pem".into());
                }),
                ErrorKind::Io,
                "/nowhere/ca.pem",
            )
        } else {
            (with(&|s| s.ssl_mode = SslMode::Required), ErrorKind::Connection, "does not speak TLS")
        },
        (with(&|s| s.user = None), ErrorKind::Usage, "no user"),
    ] {
        let error = server.connect(None).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.to_string().contains(part) && error.hint().is_some(), "{error:?}");
        assert!(!format!("{error:?}").contains("p@ss"), "{error:?}");
    }
    let mut missing = testing::settings(&testing::url());
    missing.database = "is not there".into();
    let error = Server::new(missing).connect(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoDatabase);
}

#[tokio::test]
async fn a_socket_and_every_printable_character_in_a_password() {
    let server = fresh().await;
    let mut connection = server.connect(None).await.unwrap();
    let socket = connection.value("SELECT @@socket", "").await.unwrap().unwrap();
    let (user, password) = (name("u"), (' '..='~').collect::<String>());
    let literal = crate::quote::literal(crate::Engine::Mysql, &password.replace('\\', ""));
    administer(&format!("CREATE USER {user}@localhost IDENTIFIED BY {literal}")).await;
    administer(&format!("GRANT ALL ON *.* TO {user}@localhost")).await;
    let settings = Settings {
        user: Some(user.clone()),
        password: Some(SecretString::from(password.replace('\\', ""))),
        place: Place::Socket(socket.into()),
        ..server.settings().clone()
    };
    let about = Server::new(settings).about().await.unwrap();
    assert_eq!(about.account, format!("{user}@localhost"));
}

#[tokio::test]
async fn a_statement_says_what_it_did() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.run(&statement("CREATE TABLE t (a int PRIMARY KEY, b tinyint)")).await.unwrap();
    let ran = session.run(&statement("INSERT IGNORE INTO t VALUES (1, 1), (2, 1000)")).await.unwrap();
    assert_eq!(ran.rows, Some(2));
    assert!(ran.notices[0].starts_with("Warning 1264: Out of range"), "{ran:?}");
    let ran = session.run(&statement("SELECT * FROM t; SELECT 1")).await.unwrap();
    assert_eq!((ran.rows, ran.notices.len()), (Some(3), 0));
    let error = session.run(&statement("SELECT 1\nFROM\nFROM t")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.line(), error.sqlstate()),
        (ErrorKind::Statement, Some(12), Some("42000"))
    );
    assert_eq!(
        session.query("SELECT NULL, 'ä', 1.50").await.unwrap(),
        [[None, Some("ä".into()), Some("1.50".into())]]
    );
    let error = session.run(&statement("SELECT 1; SELECT nothing")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Statement, "{error}");
    assert_eq!(session.query("SELECT 5").await.unwrap(), [[Some("5".into())]]);
}

#[tokio::test]
async fn a_transaction_that_a_statement_has_ended_is_noticed() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    session.execute("CREATE TABLE t (a int)").await.unwrap();
    session.begin(Some(Duration::from_millis(1500))).await.unwrap();
    assert_eq!(session.query("SELECT @@lock_wait_timeout").await.unwrap(), [[Some("2".into())]]);
    session.execute("INSERT INTO t VALUES (1)").await.unwrap();
    session.commit().await.unwrap();
    session.begin(None).await.unwrap();
    session.execute("INSERT INTO t VALUES (2)").await.unwrap();
    session.rollback().await.unwrap();
    for ending in ["CREATE TABLE u (a int)", "COMMIT", "COMMIT; START TRANSACTION"] {
        session.begin(None).await.unwrap();
        session.execute(ending).await.unwrap();
        let error = session.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        session.rollback().await.unwrap();
    }
    assert_eq!(session.query("SELECT a FROM t").await.unwrap(), [[Some("1".into())]]);
}

#[tokio::test]
async fn a_lock_that_is_waited_for_in_vain_and_one_that_is_cancelled() {
    let server = fresh().await;
    let (mut first, mut second) = (server.session().await.unwrap(), server.session().await.unwrap());
    first.execute("CREATE TABLE t (a int PRIMARY KEY)").await.unwrap();
    first.begin(None).await.unwrap();
    first.execute("INSERT INTO t VALUES (1)").await.unwrap();
    second.set_lock_timeout(Some(Duration::from_secs(1))).await.unwrap();
    for sql in ["ALTER TABLE t ADD b int", "INSERT INTO t VALUES (1)"] {
        let error = second.run(&statement(sql)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
    }
    second.set_lock_timeout(None).await.unwrap();
    let canceller = second.canceller();
    let waiting = tokio::spawn(async move { second.run(&statement("ALTER TABLE t ADD b int")).await });
    while !waiting.is_finished() {
        canceller.cancel().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn one_holds_the_lock_also_while_its_session_is_reset() {
    let server = fresh().await;
    let other = fresh().await;
    let (mut first, mut second) = (server.session().await.unwrap(), server.session().await.unwrap());
    assert!(first.try_lock().await.unwrap() && first.try_lock().await.unwrap());
    assert!(!second.try_lock().await.unwrap());
    assert!(other.session().await.unwrap().try_lock().await.unwrap(), "another database's is another one");
    assert_eq!(second.lock_holder().await.unwrap().unwrap().id, first.id().id);
    first.begin_run(&entry("one", 0)).await.unwrap();
    assert_eq!(second.lock_holder().await.unwrap().as_ref(), Some(first.id()));

    first
        .execute("SET @x = 1, sql_mode = '', autocommit = 0; CREATE TEMPORARY TABLE own (a int); USE mysql")
        .await
        .unwrap();
    let trying = tokio::spawn(async move {
        for _ in 0..100 {
            assert!(!second.try_lock().await.unwrap(), "the lock was had while it was held");
        }
        second
    });
    for _ in 0..5 {
        first.reset().await.unwrap();
    }
    let mut second = trying.await.unwrap();
    let now = first
        .query("SELECT @x, @@autocommit, @@sql_mode <> '', DATABASE(), @@character_set_client")
        .await
        .unwrap();
    let database = server.database().to_owned();
    let one = Some("1".to_owned());
    assert_eq!(now, [[None, one.clone(), one, Some(database), Some("utf8mb4".into())]]);
    assert!(first.query("SELECT * FROM own").await.is_err());
    first.unlock().await.unwrap();
    assert!(second.try_lock().await.unwrap());
}

#[tokio::test]
async fn the_session_of_a_client_that_is_gone_is_ended() {
    let server = fresh().await;
    let (mut first, mut orphan) = (server.session().await.unwrap(), server.session().await.unwrap());
    assert!(orphan.try_lock().await.unwrap());
    let id = orphan.id().clone();
    let mut later = id.clone();
    later.started = later.started.replacen(|c: char| c.is_ascii_digit(), "9", 3);
    assert!(!first.end_session(&later).await.unwrap(), "another session of the same number is left alone");
    let running = tokio::spawn(async move { orphan.run(&statement("SELECT SLEEP(100)")).await });
    assert!(!first.try_lock().await.unwrap());
    assert!(first.end_session(&id).await.unwrap());
    assert!(!first.end_session(&id).await.unwrap());
    assert!(first.try_lock().await.unwrap());
    assert!(running.await.unwrap().is_err());
}

/// The server goes on with a statement whose client is gone: whoever looks for a note waits until it is written.
#[tokio::test]
async fn a_note_of_an_exchange_that_is_still_being_written_is_waited_for() {
    let server = fresh().await;
    let target = server.database().to_owned();
    let plan = serde_json::json!({});
    let mut first = server.session().await.unwrap();
    first.begin_swap("another", "clearing", &plan).await.unwrap();
    let home = super::home::Home::find(&mut first.connection, &target).await.unwrap().unwrap();
    let mut between = server.connect(None).await.unwrap();
    let hold = format!(
        "START TRANSACTION; SELECT * FROM {} WHERE `database` = {} FOR UPDATE",
        home.table("swap", &target),
        crate::quote::literal(Engine::Mysql, &target)
    );
    between.batch(&hold, "").await.unwrap();
    let mut orphan = server.session().await.unwrap();
    let (id, of) = (orphan.id().clone(), target.clone());
    let writing = tokio::spawn(async move { orphan.begin_swap(&of, "clearing", &plan).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    writing.abort();
    let mut later = server.session().await.unwrap();
    let (note, ()) = tokio::join!(later.swap_note(&target), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        between.batch("ROLLBACK", "").await.unwrap();
    });
    assert_eq!(note.unwrap().unwrap().session, id);
    first.end_swap("another", &[]).await.unwrap();
    later.end_swap(&target, &[]).await.unwrap();
}

#[tokio::test]
async fn the_journal_keeps_the_last_run_of_its_own_database() {
    let (server, other) = (fresh().await, fresh().await);
    let mut session = server.session().await.unwrap();
    assert_eq!(session.entries().await.unwrap(), []);
    let [first, second, third] = [entry("one", 0), entry("one", 1), entry("two", 0)];
    session.begin_run(&first).await.unwrap();
    session.append(&second).await.unwrap();
    assert_eq!(session.entries().await.unwrap(), [first, second]);
    let mut elsewhere = other.session().await.unwrap();
    assert_eq!(elsewhere.entries().await.unwrap(), []);
    elsewhere.begin_run(&third).await.unwrap();
    assert_eq!(session.entries().await.unwrap().len(), 2);

    session.begin(None).await.unwrap();
    session.mark_committed("one", 0).await.unwrap();
    session.rollback().await.unwrap();
    assert_eq!(session.committed("one").await.unwrap(), [0_u32; 0]);
    session.begin(None).await.unwrap();
    session.mark_committed("one", 1).await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(session.committed("one").await.unwrap(), [1]);
    assert!(session.mark_committed("one", 2).await.is_err());
    session.begin_run(&third).await.unwrap();
    assert_eq!(session.committed("one").await.unwrap(), [0_u32; 0]);
    assert_eq!(session.entries().await.unwrap(), [third]);
}

#[tokio::test]
async fn an_account_that_may_make_no_database_keeps_the_journal_in_its_own() {
    let server = fresh().await;
    let (_, plain) = account(&server, "ALL PRIVILEGES").await;
    assert!(plain.about().await.unwrap().may_run);
    let mut session = plain.session().await.unwrap();
    let first = entry("one", 0);
    session.begin_run(&first).await.unwrap();
    assert_eq!(session.entries().await.unwrap(), [first]);
    let tables = session.query("SHOW TABLES").await.unwrap();
    let tables: Vec<String> = tables.into_iter().flatten().flatten().collect();
    assert_eq!(tables, ["dbm_committed", "dbm_journal", "dbm_source"]);
    let source = plain.ensure_source_id().await.unwrap();
    assert_eq!(plain.about().await.unwrap().source, source);
    assert_ne!(source, plain.source_by_place());
}

#[tokio::test]
async fn a_fence_keeps_every_other_account_out_and_is_lifted_as_it_was() {
    let own = testing::own("--event-scheduler=ON").await;
    let mut root = own.server.connect(None).await.unwrap();
    root.batch(
        "CREATE DATABASE shop; CREATE USER app; GRANT ALL ON shop.* TO app; CREATE USER shut ACCOUNT LOCK;
         CREATE USER dbm; GRANT ALL ON *.* TO dbm; CREATE ROLE clerk; CREATE USER dbm_scratch_0123abcd;
         GRANT ALL ON *.* TO dbm_scratch_0123abcd; CREATE DATABASE more; GRANT ALL ON more.* TO app",
        "",
    )
    .await
    .unwrap();
    let of = |user: &str| {
        let settings = own.server.settings().clone();
        Server::new(Settings { user: Some(user.into()), database: "shop".into(), ..settings })
    };
    let (app, server) = (of("app"), of("dbm"));
    let mut inside = app.connect(None).await.unwrap();
    let mut elsewhere = app.connect_nowhere().await.unwrap();
    elsewhere.batch("USE more", "").await.unwrap();
    // Another database's rehearsal goes on.
    let mut root = of("dbm_scratch_0123abcd").connect_nowhere().await.unwrap();
    let mut session = server.session().await.unwrap();
    let before = locked(&mut root).await;

    let state = session.fence_state().await.unwrap();
    session.keep_out(&state).await.unwrap();
    assert!(inside.batch("SELECT 1", "").await.is_err(), "its session is ended");
    assert_eq!(session.elsewhere().await.unwrap().iter().filter(|one| one.account == "app").count(), 1);
    elsewhere.batch("SELECT 1", "").await.expect("for a moment it is left to work");
    session.raise_fence(&state).await.unwrap();
    assert!(elsewhere.batch("INSERT INTO shop.t VALUES (1)", "").await.is_err(), "who can come in is out");
    assert_eq!(session.elsewhere().await.unwrap(), []);
    let error = app.connect(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(
        error.to_string().contains("locked") && error.hint().unwrap().contains("dbm recover"),
        "{error:?}"
    );
    assert_eq!(root.value("SELECT @@event_scheduler", "").await.unwrap().as_deref(), Some("OFF"));
    of("dbm_scratch_0123abcd").connect_nowhere().await.expect("new ones too");
    session.raise_fence(&state).await.unwrap();

    // Whoever comes after us lifts it by what the journal says.
    drop(session);
    let mut later = server.session().await.unwrap();
    for _ in 0..2 {
        later.lift_fence(&state).await.unwrap();
        assert_eq!(locked(&mut root).await, before, "who was locked before still is");
        assert_eq!(root.value("SELECT @@event_scheduler", "").await.unwrap().as_deref(), Some("ON"));
        app.connect(None).await.unwrap().close().await;
    }

    // Nobody is kept out who works as the account that we are.
    let _other = Server::new(server.settings().clone()).connect(None).await.unwrap();
    let error = later.fence_state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    // Nor can an account without the right to lock others raise one.
    let mut plain = app.session().await.unwrap();
    let error = plain.fence_state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.hint().unwrap().contains("PROCESS"), "{error:?}");
}

/// A limit that the server gives to all its sessions would cut every table short in silence.
#[tokio::test]
async fn what_a_server_gives_its_sessions_is_no_matter() {
    let own = testing::own("--event-scheduler=ON").await;
    let mut root = own.server.connect(None).await.unwrap();
    let globals = "SET GLOBAL sql_select_limit = 1, GLOBAL autocommit = 0, GLOBAL max_join_size = 1";
    root.batch(globals, "").await.unwrap();
    let mut connection = own.server.connect(None).await.unwrap();
    connection.batch("CREATE DATABASE many; USE many; CREATE TABLE t (a int)", "").await.unwrap();
    connection.batch("INSERT INTO t VALUES (1), (2), (3)", "").await.unwrap();
    assert_eq!(connection.query("SELECT a FROM t", "").await.unwrap().len(), 3);
    connection.close().await;
    let left = root.value("SELECT count(*) FROM many.t", "").await.unwrap();
    assert_eq!(left.as_deref(), Some("3"), "what was written is committed");
}

/// Accounts belong to the server: whose fence is lifted first must not let writers into the other database.
#[tokio::test]
async fn fences_of_two_databases_do_not_lift_each_other() {
    let own = testing::own("--event-scheduler=ON").await;
    let mut root = own.server.connect(None).await.unwrap();
    root.batch(
        "CREATE DATABASE one; CREATE DATABASE two; CREATE USER app; CREATE USER shut ACCOUNT LOCK;
         CREATE USER dbm; GRANT ALL ON *.* TO dbm; CREATE USER dbm_scratch_watch; GRANT ALL ON *.* TO dbm_scratch_watch",
        "",
    )
    .await
    .unwrap();
    let of = |user: &str, database: &str| {
        let settings = own.server.settings().clone();
        Server::new(Settings { user: Some(user.into()), database: database.into(), ..settings })
    };
    let mut root = of("dbm_scratch_watch", "").connect_nowhere().await.unwrap();
    let before = locked(&mut root).await;
    let mut sessions = [of("dbm", "one").session().await.unwrap(), of("dbm", "two").session().await.unwrap()];
    for (first, second) in [(0, 1), (1, 0)] {
        let mut states = Vec::new();
        for session in &mut sessions {
            let state = session.fence_state().await.unwrap();
            session.raise_fence(&state).await.unwrap();
            states.push(state);
        }
        assert!(locked(&mut root).await.len() > before.len());
        sessions[first].lift_fence(&states[first]).await.unwrap();
        assert!(sessions[second].fence_stands(&states[second]).await.unwrap(), "{first} was lifted first");
        sessions[second].lift_fence(&states[second]).await.unwrap();
        assert_eq!(locked(&mut root).await, before);
        assert_eq!(root.value("SELECT @@event_scheduler", "").await.unwrap().as_deref(), Some("ON"));
    }
    // One whose database is gone and that was lifted by hand holds nobody.
    let state = sessions[0].fence_state().await.unwrap();
    sessions[0].raise_fence(&state).await.unwrap();
    root.batch("ALTER USER app ACCOUNT UNLOCK; DROP DATABASE one; SET GLOBAL event_scheduler = ON", "")
        .await
        .unwrap();
    let again = sessions[1].fence_state().await.unwrap();
    sessions[1].raise_fence(&again).await.unwrap();
    sessions[1].lift_fence(&again).await.unwrap();
    assert!(!locked(&mut root).await.contains(&"app".to_owned()));
}

#[tokio::test]
async fn those_who_are_just_going_are_not_in_the_way() {
    let server = fresh().await;
    let theirs = server.session().await.unwrap();
    let ours = Server::new(server.settings().clone());
    let going = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        drop(theirs);
    });
    assert_eq!(ours.others().await.unwrap().len(), 1);
    assert!(ours.others_staying().await.unwrap().is_empty());
    going.await.unwrap();
    let _stays = server.session().await.unwrap();
    assert_eq!(ours.others_staying().await.unwrap().len(), 1);
}

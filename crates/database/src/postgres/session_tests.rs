//! Sessions, their lock, journal and fence, on a real server.

use std::time::Duration;

use chrono::Utc;
use serde_json::json;

use super::testing::{administer, fresh, one, role};
use super::{Server, Settings, swap_lock};
use crate::script::{self, Statement};
use crate::{Engine, Entry, ErrorKind, Fence as _, Journal as _, Lock as _, SessionId, Statements as _};

fn statement(text: &str) -> Statement<'_> {
    Statement { text, line: 1, offset: 0, copy_rows: None }
}

fn entry(run: &str, number: u32) -> Entry {
    Entry { run: run.into(), number, at: Utc::now(), step: json!({ "kind": "it's \\ \"so\"" }) }
}

#[tokio::test]
async fn statements_run_and_say_what_they_did() {
    let mut session = fresh().await.session().await.unwrap();
    session.run(&statement("CREATE TABLE t (a int, b text)")).await.unwrap();
    let rows = "1\tone\n2\t\\N\n3\t\\\\.\n";
    let copy = Statement { copy_rows: Some(rows), ..statement("COPY t FROM stdin") };
    assert_eq!(session.run(&copy).await.unwrap().rows, Some(3));
    assert_eq!(session.run(&statement("COPY t TO stdout")).await.unwrap().rows, Some(3));
    assert_eq!(session.run(&statement("UPDATE t SET a = a")).await.unwrap().rows, Some(3));
    let ran = session.run(&statement("DO $$ BEGIN RAISE WARNING 'careful'; END $$")).await.unwrap();
    assert_eq!(ran.notices, ["WARNING: careful"]);
    let rows = session.query("SELECT b FROM t ORDER BY a").await.unwrap();
    assert_eq!(rows, [[Some("one".to_owned())], [None], [Some("\\.".to_owned())]]);

    let wrong = Statement { line: 7, ..statement("SELECT 1,\n  2,\n  nowhere") };
    let error = session.run(&wrong).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate(), error.line()),
        (ErrorKind::Statement, Some("42703"), Some(9))
    );
    assert_eq!(error.to_string(), "column \"nowhere\" does not exist");
    let wrong = Statement { copy_rows: Some("x\n"), ..statement("COPY t FROM stdin") };
    assert_eq!(session.run(&wrong).await.unwrap_err().sqlstate(), Some("22P02"));
    session.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_a_statement_ended_is_not_called_committed() {
    let mut session = fresh().await.session().await.unwrap();
    session.begin(None).await.unwrap();
    session.execute("CREATE TABLE t (a int)").await.unwrap();
    session.commit().await.unwrap();
    session.begin(None).await.unwrap();
    session.execute("COMMIT; BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Refused);
    session.rollback().await.unwrap();
    session.begin(None).await.unwrap();
    assert!(session.execute("SELECT 1 / 0").await.is_err());
    assert_eq!(session.commit().await.unwrap_err().sqlstate(), Some("25P02"));
    session.rollback().await.unwrap();
    session.rollback().await.unwrap();
    assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_lock_is_waited_for_no_longer_than_said() {
    let server = fresh().await;
    let (mut first, mut second) = (server.session().await.unwrap(), server.session().await.unwrap());
    first.execute("CREATE TABLE t (a int)").await.unwrap();
    first.begin(None).await.unwrap();
    first.execute("LOCK TABLE t").await.unwrap();
    second.begin(Some(Duration::from_millis(50))).await.unwrap();
    let error = second.run(&statement("ALTER TABLE t ADD b int")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    second.rollback().await.unwrap();
    second.set_lock_timeout(Some(Duration::from_millis(50))).await.unwrap();
    let error = second.run(&statement("ALTER TABLE t ADD b int")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    second.set_lock_timeout(None).await.unwrap();
    first.rollback().await.unwrap();
    second.run(&statement("ALTER TABLE t ADD b int")).await.unwrap();
}

#[tokio::test]
async fn one_session_has_the_lock_and_nobody_waits_for_it_in_the_server() {
    let server = fresh().await;
    let (mut first, mut second) = (server.session().await.unwrap(), server.session().await.unwrap());
    assert_eq!(first.lock_holder().await.unwrap(), None);
    assert!(first.try_lock().await.unwrap());
    assert!(first.try_lock().await.unwrap());
    first.execute("CREATE TABLE t (a int)").await.unwrap();
    // Who polls holds no snapshot that CREATE INDEX CONCURRENTLY would wait for.
    let polling = tokio::spawn(async move {
        for _ in 0..20 {
            assert!(!second.try_lock().await.unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        second
    });
    let index = statement("CREATE INDEX CONCURRENTLY i ON t (a)");
    let index = first.run(&index);
    tokio::time::timeout(Duration::from_secs(20), index).await.expect("no deadlock").unwrap();
    let mut second = polling.await.unwrap();
    assert_eq!(one(&mut first, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "0");
    assert_eq!(second.lock_holder().await.unwrap().as_ref(), Some(first.id()));
    first.unlock().await.unwrap();
    first.unlock().await.unwrap();
    assert!(second.try_lock().await.unwrap());
}

#[tokio::test]
async fn a_server_session_that_changes_between_statements_is_noticed() {
    let mut session = fresh().await.session().await.unwrap();
    session.id.id += 1;
    let error = session.try_lock().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("pooler") && error.hint().is_some());
    assert_eq!(session.begin(None).await.unwrap_err().kind(), ErrorKind::Refused);
    // Those of other databases are other tests'.
    let ours = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                 WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    assert_eq!(one(&mut session, ours).await, "0");
}

#[tokio::test]
async fn several_statements_in_one_message_are_a_transaction_so_they_are_sent_one_by_one() {
    let mut session = fresh().await.session().await.unwrap();
    let text = "CREATE TABLE t (a int); CREATE INDEX CONCURRENTLY i ON t (a);";
    assert_eq!(session.execute(text).await.unwrap_err().sqlstate(), Some("25001"));
    for statement in script::split(Engine::Postgres, text).unwrap() {
        session.run(&statement).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_that_its_client_left_behind_is_found_and_ended() {
    let server = fresh().await;
    let mut orphan = server.session().await.unwrap();
    assert!(orphan.try_lock().await.unwrap());
    let id = orphan.id().clone();
    let running = tokio::spawn(async move { orphan.execute("SELECT pg_sleep(600)").await });
    let mut ours = server.session().await.unwrap();
    while one(&mut ours, &format!("SELECT state FROM pg_stat_activity WHERE pid = {}", id.id)).await
        != "active"
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!ours.try_lock().await.unwrap());
    assert_eq!(ours.lock_holder().await.unwrap().as_ref(), Some(&id));
    let mut other_start = id.clone();
    other_start.started = "2001-01-01T00:00:00.000000Z".into();
    assert!(!ours.end_session(&other_start).await.unwrap(), "another session of the same number stays");
    assert!(ours.end_session(&id).await.unwrap());
    assert!(!ours.end_session(&id).await.unwrap());
    assert!(ours.try_lock().await.unwrap());
    assert_eq!(running.await.unwrap().unwrap_err().kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn the_session_of_a_killed_client_goes_on_until_it_is_ended() {
    let server = fresh().await;
    let mut ours = server.session().await.unwrap();
    let settings = server.settings();
    let mut psql = std::process::Command::new("psql");
    psql.env("PGHOST", &settings.hosts[0].name).env("PGPORT", settings.hosts[0].port.to_string());
    psql.env("PGUSER", settings.user.as_deref().unwrap()).env("PGDATABASE", server.database());
    if let Some(password) = &settings.password {
        psql.env("PGPASSWORD", secrecy::ExposeSecret::expose_secret(password));
    }
    psql.args([
        "-Xq",
        "-c",
        &format!("SELECT pg_advisory_lock({})", super::lock::KEY),
        "-c",
        "SELECT pg_sleep(600)",
    ]);
    let mut psql = psql.stdout(std::process::Stdio::null()).spawn().unwrap();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)' AND datname = current_database()";
    while one(&mut ours, busy).await != "1" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    psql.kill().unwrap();
    psql.wait().unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!ours.try_lock().await.unwrap(), "the dead client's session holds the lock");
    let orphan = ours.lock_holder().await.unwrap().unwrap();
    assert!(ours.end_session(&orphan).await.unwrap());
    assert!(ours.try_lock().await.unwrap());
}

#[tokio::test]
async fn a_running_statement_is_cancelled_from_outside() {
    let mut session = fresh().await.session().await.unwrap();
    let canceller = session.canceller();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        canceller.cancel().await.unwrap();
    });
    assert_eq!(
        session.run(&statement("SELECT pg_sleep(60)")).await.unwrap_err().kind(),
        ErrorKind::Cancelled
    );
    session.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn the_journal_holds_the_last_run() {
    let server = fresh().await;
    let mut session = server.session().await.unwrap();
    assert!(session.entries().await.unwrap().is_empty());
    assert_eq!(one(&mut session, "SELECT count(*) FROM pg_namespace WHERE nspname = 'dbm'").await, "0");
    let entries = [entry("one's", 0), entry("one's", 1)];
    session.begin_run(&entries[0]).await.unwrap();
    session.append(&entries[1]).await.unwrap();
    assert_eq!(server.session().await.unwrap().entries().await.unwrap(), entries);
    assert_eq!(session.mark_committed("one's", 0).await.unwrap_err().kind(), ErrorKind::Internal);
    for (group, keep) in [(0, true), (1, false), (2, true)] {
        session.begin(None).await.unwrap();
        session.mark_committed("one's", group).await.unwrap();
        if keep { session.commit().await.unwrap() } else { session.rollback().await.unwrap() }
    }
    assert_eq!(session.committed("one's").await.unwrap(), [0, 2]);
    session.begin_run(&entry("two", 0)).await.unwrap();
    assert_eq!(session.entries().await.unwrap().len(), 1);
    assert!(session.committed("one's").await.unwrap().is_empty());

    let (_, reader) = role(&server, "").await;
    let mut reader = reader.session().await.unwrap();
    assert_eq!(reader.entries().await.unwrap().len(), 1);
    let error = reader.begin_run(&entry("three", 0)).await.unwrap_err();
    assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Permission, true));
    assert_eq!(session.entries().await.unwrap()[0].run, "two");
}

#[tokio::test]
async fn whether_the_history_can_be_kept_is_known_before_a_run() {
    let server = fresh().await;
    let (name, plain) = role(&server, "").await;
    let may = async || plain.about().await.unwrap().may_keep_history;
    let run = async |sql: &str| {
        server.connect(None).await.unwrap().batch_execute(&sql.replace("ROLE", &name)).await.unwrap();
    };
    run("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    assert!(!may().await);
    run("GRANT CREATE ON SCHEMA public TO ROLE").await;
    assert!(may().await);
    run("CREATE TABLE public.dbm_history (number bigint)").await;
    assert!(!may().await, "it is somebody else's");
    run("GRANT ALL ON public.dbm_history TO ROLE").await;
    assert!(may().await);
    run("DROP SCHEMA public CASCADE").await;
    assert!(!may().await);
}

#[tokio::test]
async fn the_owner_writes_the_journal_that_an_administrator_made() {
    let server = fresh().await;
    let mut administrator = server.session().await.unwrap();
    let (name, owner) = role(&server, "").await;
    let database = crate::quote::identifier(Engine::Postgres, server.database());
    let give = format!("ALTER DATABASE {database} OWNER TO {name}");
    // No role stands for whoever is the owner before 14.
    let late = administrator.connection.major_version() >= 14;
    if !late {
        administer(&give).await;
    }
    administrator.begin_run(&entry("one", 0)).await.unwrap();
    assert_eq!(owner.about().await.unwrap().may_run, !late);
    if late {
        administer(&give).await;
    }
    assert!(owner.about().await.unwrap().may_run);
    let mut owner = owner.session().await.unwrap();
    owner.begin_run(&entry("two", 0)).await.unwrap();
    owner.begin(None).await.unwrap();
    owner.mark_committed("two", 0).await.unwrap();
    owner.commit().await.unwrap();
    assert_eq!(administrator.entries().await.unwrap()[0].run, "two");
}

#[tokio::test]
async fn what_the_server_says_of_itself() {
    let server = fresh().await;
    let about = server.about().await.unwrap();
    assert!(about.superuser && about.may_create_databases && about.may_write, "{about:?}");
    assert!(
        about.source.0.starts_with("postgres:") && about.source.0.ends_with(server.database()),
        "{about:?}"
    );
    assert!(about.server_version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{about:?}");
    let (name, plain) = role(&server, "").await;
    administer(&format!("ALTER ROLE {name} SET default_transaction_read_only = on")).await;
    let about_plain = plain.about().await.unwrap();
    assert!(!about_plain.superuser && !about_plain.may_create_databases && !about_plain.may_write);
    assert_eq!((about_plain.source, about_plain.account), (about.source, name));
}

#[tokio::test]
async fn others_are_named_and_ended_but_not_ourselves() {
    let server = fresh().await;
    let mut ours = server.session().await.unwrap();
    // Those that are just going are listed too, and so waited for.
    let own = server.connect(Some("postgres")).await.unwrap();
    assert!(server.others_staying_in(&own, server.database()).await.unwrap().is_empty());
    let stranger = Server::new(server.settings().clone());
    let mut theirs = stranger.session().await.unwrap();
    let others = server.others_staying_in(&own, server.database()).await.unwrap();
    assert_eq!(
        (others.len(), others[0].id, others[0].application.clone()),
        (1, theirs.id().id, super::connect::own_name())
    );
    server.end_others().await.unwrap();
    assert!(theirs.execute("SELECT 1").await.is_err());
    ours.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn those_who_are_just_going_are_not_in_the_way() {
    let server = fresh().await;
    let own = server.connect(Some("postgres")).await.unwrap();
    let theirs = Server::new(server.settings().clone()).session().await.unwrap();
    let going = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        drop(theirs);
    });
    assert_eq!(server.others_in(&own, server.database()).await.unwrap().len(), 1);
    assert!(server.others_staying_in(&own, server.database()).await.unwrap().is_empty());
    going.await.unwrap();
    let _stays = Server::new(server.settings().clone()).session().await.unwrap();
    assert_eq!(server.others_staying_in(&own, server.database()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_swap_has_a_lock_of_its_own() {
    let server = fresh().await;
    let first = swap_lock(&server).await.unwrap().expect("it is free");
    assert!(swap_lock(&server).await.unwrap().is_none());
    let other = swap_lock(&fresh().await).await.unwrap().expect("another database's is free");
    other.release().await;
    first.release().await;
    let mut tries = 0;
    while swap_lock(&server).await.unwrap().is_none() {
        tries += 1;
        assert!(tries < 100, "it is free again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A client whose host is gone says no goodbye; what it holds is not held for ever.
#[tokio::test]
async fn the_swap_lock_of_one_who_fell_silent_is_free_again() {
    let server = fresh().await;
    if server.session().await.unwrap().connection.major_version() < 14 {
        // Those have only their keepalives.
        return;
    }
    let silent = swap_lock(&server).await.unwrap().expect("it is free");
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while swap_lock(&server).await.unwrap().is_none() {
        assert!(std::time::Instant::now() < deadline, "it is free again");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    drop(silent);
}

/// What a killed process has left in other databases, under no number that a journal knows, goes with its session.
#[tokio::test]
async fn all_that_a_killed_client_left_behind_is_ended() {
    let server = fresh().await;
    let mut ours = server.session().await.unwrap();
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    let dead = SessionId { id: 0, client_process: gone.id(), ..ours.id().clone() };
    gone.wait().unwrap();
    let settings = Settings { application_name: Some(dead.name(63)), ..server.settings().clone() };
    let left = Server::new(settings).connect(Some("postgres")).await.unwrap();
    let alive = server.connect(Some("postgres")).await.unwrap();
    ours.end_session(&dead).await.unwrap();
    assert!(left.batch_execute("SELECT 1").await.is_err());
    alive.batch_execute("SELECT 1").await.unwrap();
}

/// A killed process of a superuser, at work on another database, is nobody's hindrance.
#[tokio::test]
async fn what_others_left_behind_elsewhere_is_left_alone() {
    let (server, elsewhere) = (fresh().await, fresh().await);
    let (_, plain) = role(&server, "").await;
    let mut ours = plain.session().await.unwrap();
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    let dead = SessionId { id: 0, client_process: gone.id(), ..ours.id().clone() };
    gone.wait().unwrap();
    let named = |server: &Server| {
        Server::new(Settings { application_name: Some(dead.name(63)), ..server.settings().clone() })
    };
    let left = named(&elsewhere).connect(None).await.unwrap();
    let own = named(&plain).connect(None).await.unwrap();
    ours.end_session(&dead).await.unwrap();
    assert!(own.batch_execute("SELECT 1").await.is_err());
    left.batch_execute("SELECT 1").await.unwrap();
    let here = named(&server).connect(None).await.unwrap();
    let error = ours.end_session(&dead).await.unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("pg_signal_backend")), "{error:?}");
    here.batch_execute("SELECT 1").await.unwrap();
}

const ACL: &str = "SELECT coalesce(d.datacl, acldefault('d', d.datdba))::text FROM pg_database d WHERE datname = current_database()";

#[tokio::test]
async fn the_fence_keeps_others_out_and_leaves_the_privileges_as_they_were() {
    for case in 0..4 {
        let server = fresh().await;
        let (name, plain) = role(&server, "").await;
        let (other, _) = role(&server, "").await;
        let mut ours = server.session().await.unwrap();
        let database = crate::quote::identifier(Engine::Postgres, server.database());
        let grants = match case {
            0 => String::new(),
            1 => format!(
                "GRANT CONNECT, TEMP ON DATABASE {database} TO {name} WITH GRANT OPTION;
                 GRANT TEMP ON DATABASE {database} TO {other}; GRANT CREATE ON DATABASE {database} TO {other} WITH GRANT OPTION"
            ),
            2 => format!(
                "REVOKE TEMP ON DATABASE {database} FROM PUBLIC;
                 GRANT CONNECT ON DATABASE {database} TO {name} WITH GRANT OPTION;
                 SET ROLE {name}; GRANT CONNECT ON DATABASE {database} TO {other}; RESET ROLE"
            ),
            _ => format!(
                "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; GRANT CONNECT ON DATABASE {database} TO {name};
                 GRANT TEMP ON DATABASE {database} TO {other}"
            ),
        };
        ours.execute(&grants).await.unwrap();
        let before = one(&mut ours, ACL).await;
        let mut theirs = plain.session().await.unwrap();
        let unwritten = "SELECT datacl IS NULL FROM pg_database WHERE datname = current_database()";
        let was_unwritten = one(&mut ours, unwritten).await;

        let state = ours.fence_state().await.unwrap();
        let properties = super::properties::read(&ours.connection, server.database()).await.unwrap();
        assert_eq!(state.properties(), Some(serde_json::to_value(&properties).unwrap()));
        ours.raise_fence(&state).await.unwrap();
        ours.raise_fence(&state).await.unwrap();
        assert!(theirs.execute("SELECT 1").await.is_err(), "case {case}: the session has ended");
        assert_eq!(plain.session().await.err().unwrap().kind(), ErrorKind::Permission, "case {case}");
        server.session().await.unwrap();

        // Recovery comes with a new session and what was journaled.
        let state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        let mut later = server.session().await.unwrap();
        later.lift_fence(&state).await.unwrap();
        assert_eq!(one(&mut later, ACL).await, before, "case {case}");
        later.lift_fence(&state).await.unwrap();
        assert_eq!(one(&mut later, ACL).await, before, "case {case}");
        assert_eq!(one(&mut later, unwritten).await, was_unwritten, "case {case}");
        plain.session().await.unwrap();
    }
}

#[tokio::test]
async fn an_owner_who_is_no_superuser_can_raise_and_lift_the_fence() {
    let server = fresh().await;
    let (name, owner) = role(&server, "").await;
    let (_, plain) = role(&server, "").await;
    let database = crate::quote::identifier(Engine::Postgres, server.database());
    administer(&format!("ALTER DATABASE {database} OWNER TO {name}")).await;
    let mut ours = owner.session().await.unwrap();
    let before = one(&mut ours, ACL).await;
    let state = ours.fence_state().await.unwrap();
    ours.raise_fence(&state).await.unwrap();
    assert!(plain.session().await.is_err());
    owner.session().await.unwrap();
    ours.lift_fence(&state).await.unwrap();
    assert_eq!(one(&mut ours, ACL).await, before);
    let mut stranger = plain.session().await.unwrap();
    assert_eq!(stranger.fence_state().await.unwrap_err().kind(), ErrorKind::Permission);
}

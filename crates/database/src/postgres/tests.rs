//! Connecting to a real server. See `tls/tests.rs` for encrypted connections.

use tokio_postgres::SimpleQueryMessage;

use crate::postgres::{Server, testing};
use crate::{DatabaseUrl, ErrorKind};

fn url() -> DatabaseUrl {
    let url =
        std::env::var("DBM_TEST_POSTGRES_URL").expect("DBM_TEST_POSTGRES_URL is missing: run scripts/test");
    DatabaseUrl::parse(&url).unwrap()
}

fn server(url: &DatabaseUrl) -> Server {
    let DatabaseUrl::Postgres(settings) = url else { panic!("a postgres URL") };
    Server::new(settings.clone())
}

#[tokio::test]
async fn a_session_is_ours_and_has_no_timeouts() {
    let connection = server(&url()).connect(None).await.unwrap();
    assert!(connection.major_version() >= 13, "{}", connection.server_version());
    for (setting, value) in [
        ("application_name", super::connect::own_name().as_str()),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
    ] {
        let row = connection.query_one("SELECT current_setting($1)", &[&setting]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), value, "{setting}");
    }
    connection.batch_execute("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$").await.unwrap();
    let notices: Vec<String> = connection.take_notices().iter().map(|n| n.message().to_owned()).collect();
    assert_eq!(notices, ["one", "two"]);
    assert!(connection.take_notices().is_empty());
    connection.close().await;
}

/// The tests' servers have a line for the group in their `pg_hba.conf`, which counts once there is a role of that name.
#[tokio::test]
async fn an_owner_is_known_as_one_where_others_are_let_in_by_group() {
    let name = testing::name("owner");
    testing::administer(
        "DO $$ BEGIN CREATE ROLE dbm_with_password; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    )
    .await;
    testing::administer(&format!("CREATE ROLE {name} LOGIN")).await;
    testing::administer(&format!("CREATE DATABASE {name} OWNER {name}")).await;
    let mut settings = testing::settings(&url().with_database(&name));
    settings.user = Some(name.clone());
    let owner = Server::new(settings).connect(None).await.unwrap();
    let sql = "SELECT current_setting('server_version_num')::int < 140000 OR pg_has_role('pg_database_owner', 'MEMBER')";
    let known: bool = owner.query_one(sql, &[]).await.unwrap().get(0);
    owner.close().await;
    testing::administer(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    testing::administer(&format!("DROP ROLE {name}")).await;
    assert!(known);
}

#[tokio::test]
async fn options_and_search_path_arrive() {
    let mut text = std::env::var("DBM_TEST_POSTGRES_URL").expect("run scripts/test");
    text += if text.contains('?') { "&" } else { "?" };
    text += r#"search_path=a, "b \ c",public&options=-c%20work_mem%3D77MB&application_name=me@home"#;
    let connection = server(&DatabaseUrl::parse(&text).unwrap()).connect(None).await.unwrap();
    for (setting, value) in
        [("search_path", r#"a, "b \ c",public"#), ("work_mem", "77MB"), ("application_name", "me@home")]
    {
        let row = connection.query_one("SELECT current_setting($1)", &[&setting]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), value, "{setting}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ends_says_why() {
    let server = server(&url());
    let (victim, killer) =
        (server.connect(None).await.unwrap(), server.maintenance_database().await.unwrap());
    // Not prepared: a statement that is let go is closed by a message whose answer nobody reads, and the server's last
    // word may come as that answer.
    let answer = victim.simple_query("SELECT pg_backend_pid()").await.unwrap();
    let pid = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    killer.execute("SELECT pg_terminate_backend($1::text::int)", &[&pid]).await.unwrap();
    while !victim.is_closed() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let broken = victim.batch_execute("SELECT 1").await.unwrap_err();
    let error = victim.error(broken, "cannot count to one");
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Connection, Some("57P01")), "{error}");
    assert!(error.to_string().starts_with("cannot count to one: "), "{error}");
}

#[tokio::test]
async fn each_refusal_has_its_kind_and_a_hint() {
    let url = url();
    let DatabaseUrl::Postgres(ours) = &url else { panic!("a postgres URL") };
    let port = ours.hosts[0].port;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cases = [
        (url.with_database("no such").to_string(), ErrorKind::NoDatabase, "no such"),
        (
            format!("postgres://u@127.0.0.1:{free}/shop"),
            ErrorKind::Connection,
            "nothing listens on 127.0.0.1",
        ),
        (
            "postgres://u@no-such-host.invalid/shop".into(),
            ErrorKind::Connection,
            "`no-such-host.invalid` is unknown",
        ),
        ("postgres://u@%2Fno%2Fsuch/shop".into(), ErrorKind::Connection, "/no/such/.s.PGSQL.5432"),
        (format!("postgres://nobody@127.0.0.1:{port}/postgres"), ErrorKind::Authentication, "nobody"),
    ];
    for (text, kind, part) in cases {
        let error = server(&DatabaseUrl::parse(&text).unwrap()).connect(None).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
}

#[tokio::test]
async fn the_next_host_is_tried() {
    let url = url();
    let DatabaseUrl::Postgres(ours) = &url else { panic!("a postgres URL") };
    let mut settings = ours.clone();
    let mut dead = settings.hosts[0].clone();
    dead.port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    settings.hosts.insert(0, dead);
    settings.target_session = crate::postgres::TargetSession::Primary;
    let connection = Server::new(settings.clone()).connect(None).await.unwrap();
    assert_eq!(connection.host(), &ours.hosts[0]);
    settings.target_session = crate::postgres::TargetSession::Standby;
    let error = Server::new(settings).connect(None).await.unwrap_err();
    assert!(error.to_string().contains("target_session_attrs=standby"), "{error}");
}

/// Who connects while two databases exchange their names is told that the one he found is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_hands_is_found() {
    let server = server(&url());
    let names = ["a", "b", "c"].map(|name| format!("hands_{name}_{}", std::process::id()));
    let [a, b, c] = &names;
    let maintenance = server.maintenance_database().await.unwrap();
    for name in [a, b] {
        maintenance.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.unwrap();
    }
    for _ in 0..10 {
        let mut tries = Vec::new();
        maintenance
            .batch_execute(&format!(
                "BEGIN; ALTER DATABASE {a} RENAME TO {c}; ALTER DATABASE {b} RENAME TO {a}"
            ))
            .await
            .unwrap();
        for _ in 0..4 {
            let (server, a) = (server.clone(), a.clone());
            tries.push(tokio::spawn(async move { server.connect(Some(&a)).await.map(drop) }));
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        maintenance.batch_execute(&format!("ALTER DATABASE {c} RENAME TO {b}; COMMIT")).await.unwrap();
        for one in tries {
            one.await.unwrap().unwrap();
        }
        // The sessions that were just closed must be gone before the next exchange.
        while maintenance
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE datname = $1 OR datname = $2", &[a, b])
            .await
            .unwrap()
            .get::<_, i64>(0)
            > 0
        {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    for name in [a, b] {
        maintenance.batch_execute(&format!("DROP DATABASE {name}")).await.unwrap();
    }
}

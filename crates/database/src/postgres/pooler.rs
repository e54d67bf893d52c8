//! Whether a pooler stands between us and the server that gives each transaction another session of it: no lock holds there,
//! and no setting of a session, which would go on to whoever comes next.

use std::time::Duration;

use super::connect::{Setup, own_name};
use super::process_id::process_id;
use super::session::{as_login, first, query};
use super::{Connection, Server};
use crate::{Error, ErrorKind, Result};

/// How long a pool may take to give a second session.
const SECOND: Duration = Duration::from_secs(10);

pub(super) const OUR_PID: &str = "SELECT pg_catalog.pg_backend_pid()";

/// How many seconds old a session is, of `pg_stat_get_activity`.
pub(super) const AGE: &str = "extract(epoch FROM clock_timestamp() - backend_start)";

const LOOKING: &str = "cannot look for a pooler";

/// A server session behind a pooler is another one in the next transaction.
pub(super) fn pooler() -> Error {
    Error::new(
        ErrorKind::Refused,
        "the server's session changes between statements: a connection pooler is in between, and no lock holds there",
    )
    .with_hint("use the URL of the server itself, or of a pool in session mode")
}

/// Refuses a connection through a pooler that gives each transaction another server session.
///
/// # Errors
/// [`ErrorKind::Refused`] if one is in between, and what asking gave.
pub async fn refuse_pooler(server: &Server, connection: &Connection) -> Result<()> {
    let sql = format!("SELECT pid, {AGE} FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())");
    let row = as_login(connection, &sql, LOOKING).await?.into_iter().next().unwrap_or_default();
    if let [Some(pid), Some(age)] = row.as_slice()
        && is_ours(connection, pid.parse().unwrap_or_default(), age).await
    {
        return Ok(());
    }
    Box::pin(refuse_shared(server, connection)).await
}

/// Whether the server's session `pid` of so many seconds was made for us: it began after we asked for it, under the name that
/// nobody else has, and we were let in under its number.
///
/// A pooler may let us in under a number of chance, under one that counts its clients, or under that of a session which it
/// has had for others (pgagroal, whose name that one then has).
pub(super) async fn is_ours(connection: &Connection, pid: i64, age: &str) -> bool {
    let began_after = age.parse().is_ok_and(|age: f64| age <= connection.since().elapsed().as_secs_f64());
    let told = Box::pin(process_id(&connection.cancel_token())).await.map(i64::from);
    began_after && connection.let_in_as() == own_name() && told.is_some_and(|told| told != 0 && told == pid)
}

/// Asks a second time. A pooler gives the server session that we have just used to the next one who asks, unless it keeps it
/// for us.
pub(super) async fn refuse_shared(server: &Server, connection: &Connection) -> Result<()> {
    // Where no second connection is to be had, there is no room for a pooler's tricks either.
    let Ok(second) = server.connect_for(None, Setup::Nothing).await else { return Ok(()) };
    let ours = first(query(connection, OUR_PID, LOOKING).await?);
    // A pool that has no other session to give lets the second one wait, and ours is not shared then.
    let begin = format!("BEGIN; {OUR_PID}");
    let Ok(begun) = tokio::time::timeout(SECOND, query(&second, &begin, LOOKING)).await else {
        return Ok(());
    };
    let theirs = first(begun?);
    // Ours is asked only where it need not wait for the other.
    let shared = theirs == ours || first(query(connection, OUR_PID, LOOKING).await?) != ours;
    query(&second, "ROLLBACK", LOOKING).await?;
    second.close().await;
    if shared { Err(pooler()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Mutex;

    use super::super::testing::fresh;
    use super::super::{Host, Settings};
    use super::*;
    use crate::Lock as _;

    /// One message, with its letter; nothing once the other end has gone.
    async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut message = head.to_vec();
        message.resize(length + 1, 0);
        stream.read_exact(&mut message[5..]).await.ok()?;
        Some(message)
    }

    /// All that the server says until it is ready, and whether no transaction is open then.
    async fn answer(server: &mut TcpStream) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        loop {
            let message = message(server).await.unwrap();
            all.extend_from_slice(&message);
            if message[0] == b'Z' {
                return (all, message[5] == b'I');
            }
        }
    }

    fn startup(settings: &Settings, database: &str, name: &str) -> Vec<u8> {
        let user = settings.user.as_deref().unwrap();
        let parts = ["user", user, "database", database, "application_name", name].join("\0");
        let length = u32::try_from(parts.len() + 10).unwrap();
        [&length.to_be_bytes()[..], &[0, 3, 0, 0], parts.as_bytes(), &[0, 0]].concat()
    }

    /// A pooler with one session of the server, which goes from client to client between transactions. It lets each client in
    /// with what the server said when that one began, as pgagroal does.
    async fn replaying(server: &Server, name: &str) -> Server {
        let settings = server.settings();
        let host = &settings.hosts[0];
        let mut session = TcpStream::connect((host.name.as_str(), host.port)).await.unwrap();
        let hello = startup(settings, settings.database(), name);
        session.write_all(&hello).await.unwrap();
        let (login, _) = answer(&mut session).await;
        let session = Arc::new(Mutex::new(session));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (session, login) = (Arc::clone(&session), login.clone());
                tokio::spawn(async move {
                    let mut length = [0; 4];
                    client.read_exact(&mut length).await.unwrap();
                    let mut hello = vec![0; u32::from_be_bytes(length) as usize - 4];
                    client.read_exact(&mut hello).await.unwrap();
                    client.write_all(&login).await.unwrap();
                    while let Some(first) = message(&mut client).await {
                        let (mut session, mut asked) = (session.lock().await, first);
                        loop {
                            if asked[0] == b'X' {
                                return;
                            }
                            session.write_all(&asked).await.unwrap();
                            let (said, idle) = answer(&mut session).await;
                            client.write_all(&said).await.unwrap();
                            if idle {
                                break;
                            }
                            asked = message(&mut client).await.unwrap();
                        }
                    }
                });
            }
        });
        let host = Host { name: "127.0.0.1".into(), address: None, port };
        Server::new(Settings {
            hosts: vec![host],
            ssl_mode: crate::postgres::SslMode::Disable,
            ..settings.clone()
        })
    }

    #[tokio::test]
    async fn a_pooler_that_lets_us_in_as_its_session_was_let_in_is_found() {
        let server = fresh().await;
        // Even one that has our name from somewhere.
        for name in ["pool", &own_name()] {
            let pooled = replaying(&server, name).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut session = pooled.session().await.unwrap();
            assert_eq!(
                process_id(&session.connection.cancel_token()).await.map(i64::from),
                Some(session.id.id)
            );
            assert!(!session.direct, "{name}");
            let refused = session.try_lock().await.unwrap_err();
            assert!(refused.to_string().contains("pooler"), "{refused}");
            let connection = pooled.quiet(None).await.unwrap();
            let refused = refuse_pooler(&pooled, &connection).await.unwrap_err();
            assert!(refused.to_string().contains("pooler"), "{refused}");
        }
    }

    #[tokio::test]
    async fn the_servers_own_session_is_known_without_a_second_one() {
        let server = fresh().await;
        let session = server.session().await.unwrap();
        assert!(session.direct);
        let (connection, pid) = (&session.connection, session.id.id);
        let age = connection.since().elapsed().as_secs_f64();
        assert!(is_ours(connection, pid, &age.to_string()).await);
        assert!(!is_ours(connection, pid + 1, &age.to_string()).await);
        assert!(!is_ours(connection, pid, &(age + 60.0).to_string()).await);
        assert!(!is_ours(connection, pid, "").await);
        // Others may have this name too; it is asked a second time then, and has the lock.
        let named = Settings { application_name: Some("shop".into()), ..server.settings().clone() };
        let mut named = Server::new(named).session().await.unwrap();
        assert!(!named.direct);
        let start = Instant::now();
        assert!(named.try_lock().await.unwrap());
        assert!(start.elapsed() < SECOND);
    }
}

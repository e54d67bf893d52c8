//! A network that swallows everything, without a word of it to either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::pulse::Patience;
use super::super::testing::{account, administer, fresh};
use super::super::{Connection, Place, Server, Settings, values};
use crate::ErrorKind;

/// Gives up after a second and a half.
const SHORT: Patience =
    Patience { quiet: Duration::from_millis(300), limit: Duration::from_millis(400), times: 3 };

/// A way to a server that can fall silent: then it still lets everybody in, and passes nothing.
struct Way {
    server: Server,
    silent: Arc<AtomicBool>,
    /// How many have come this way.
    came: Arc<AtomicUsize>,
}

impl Way {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (host, own) = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
        let Place::Tcp { port, .. } = server.settings().place else { panic!("a port") };
        let (silent, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let way = Self {
            server: Server::new(Settings {
                place: Place::Tcp { host, port: own },
                ..server.settings().clone()
            }),
            silent: Arc::clone(&silent),
            came: Arc::clone(&came),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                came.fetch_add(1, Ordering::SeqCst);
                let (mut from, mut to) = client.into_split();
                let (mut back, mut forth) =
                    TcpStream::connect(("127.0.0.1", port)).await.unwrap().into_split();
                let (one, other) = (Arc::clone(&silent), Arc::clone(&silent));
                tokio::spawn(async move { pass(&mut from, &mut forth, &one).await });
                tokio::spawn(async move { pass(&mut back, &mut to, &other).await });
            }
        });
        way
    }

    async fn connect(&self) -> Connection {
        let mut connection = self.server.connect(None).await.unwrap();
        connection.pulse.patience = SHORT;
        connection
    }
}

async fn pass(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    silent: &AtomicBool,
) {
    let mut bytes = vec![0; 1 << 14];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_not_waited_for_without_end() {
    let way = Way::to(&fresh().await).await;
    let mut connection = way.connect().await;
    let silent = Arc::clone(&way.silent);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        silent.store(true, Ordering::SeqCst);
    });
    let since = Instant::now();
    let error = connection.value("SELECT SLEEP(20)", "cannot alter the table").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    let said = error.to_string();
    assert!(
        said.starts_with("cannot alter the table: 127.0.0.1:") && said.contains("fallen silent"),
        "{said}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("firewalls")), "{error:?}");
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&since.elapsed()), "{since:?}");
    // What came of the statement is not to be had on this connection any more, and nothing waits for it again.
    let since = Instant::now();
    let error = connection.batch("SELECT 1", "cannot go on").await.unwrap_err();
    assert!(error.to_string().contains("cannot go on") && error.kind() == ErrorKind::Connection, "{error}");
    connection.close().await;
    assert!(since.elapsed() < Duration::from_millis(200), "{since:?}");
}

#[tokio::test]
async fn rows_that_stop_coming_are_not_waited_for_without_end() {
    let server = fresh().await;
    let way = Way::to(&server).await;
    let mut connection = way.connect().await;
    let sql = "SELECT REPEAT('x', 20000), SLEEP(0.05) FROM information_schema.collations LIMIT 200";
    let mut rows = values::Rows::of(&mut connection, sql).await.unwrap();
    for _ in 0..3 {
        assert!(rows.next().await.unwrap().is_some());
    }
    way.silent.store(true, Ordering::SeqCst);
    let ended = async { while matches!(rows.next().await, Ok(Some(_))) {} };
    tokio::time::timeout(Duration::from_secs(8), ended).await.unwrap();
    assert!(rows.end().await.is_err());
    tokio::time::timeout(Duration::from_secs(1), connection.close()).await.unwrap();
}

/// A long statement is no silence, nor is it that nobody else is let in.
#[tokio::test]
async fn a_server_that_is_at_work_is_waited_for() {
    let server = fresh().await;
    let way = Way::to(&server).await;
    let mut connection = way.connect().await;
    assert_eq!(connection.value("SELECT SLEEP(3)", "").await.unwrap().as_deref(), Some("0"));
    let asked = way.came.load(Ordering::SeqCst) - 1;
    assert!((3..=10).contains(&asked), "{asked}");
    // Whoever asked has gone again.
    let (user, one) = account(&server, "SELECT").await;
    administer(&format!("ALTER USER {user} WITH MAX_USER_CONNECTIONS 1")).await;
    let way = Way::to(&one).await;
    let mut connection = way.connect().await;
    assert_eq!(connection.value("SELECT SLEEP(3)", "").await.unwrap().as_deref(), Some("0"));
    assert!(way.came.load(Ordering::SeqCst) > 2);
    connection.close().await;
    administer(&format!("DROP USER {user}")).await;
}

use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client};

use super::Host;
use crate::Error;

/// How many notices are kept until somebody asks for them; of more, the first are kept.
const NOTICES: usize = 1000;

/// One connection to a server: tokio-postgres's client with the task that drives it.
///
/// Dropping it says goodbye to the server once the running statement has ended; [`Connection::close`] waits for that.
pub struct Connection {
    client: Client,
    driver: JoinHandle<()>,
    heard: Arc<Mutex<Heard>>,
    /// Boxed, since futures hold connections.
    login: Box<Login>,
}

/// What we asked for, and what we were told when we were let in.
struct Login {
    since: Instant,
    host: Host,
    database: String,
    server_version: String,
    name: String,
}

/// What the driver heard from the server beside the answers.
#[derive(Default)]
struct Heard {
    notices: Vec<DbError>,
    end: Option<tokio_postgres::Error>,
}

impl Connection {
    pub(super) fn start<S, T>(
        client: Client,
        mut connection: tokio_postgres::Connection<S, T>,
        host: Host,
        database: &str,
        since: Instant,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let told = |name| connection.parameter(name).unwrap_or_default().to_owned();
        let (server_version, name) = (told("server_version"), told("application_name"));
        let login = Box::new(Login { since, host, database: database.to_owned(), server_version, name });
        let ear = Arc::clone(&heard);
        let driver = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                let mut heard = ear.lock().unwrap_or_else(PoisonError::into_inner);
                match message {
                    Ok(AsyncMessage::Notice(notice)) if heard.notices.len() < NOTICES => {
                        heard.notices.push(notice)
                    }
                    Ok(_) => {}
                    Err(end) => {
                        heard.end = Some(end);
                        break;
                    }
                }
            }
        });
        Self { client, driver, heard, login }
    }

    /// The server that let us in.
    pub fn host(&self) -> &Host {
        &self.login.host
    }

    /// The database that we are in.
    pub fn database(&self) -> &str {
        &self.login.database
    }

    /// The server's version as it writes it: `15.18 (Debian 15.18-0+deb12u1)`.
    pub fn server_version(&self) -> &str {
        &self.login.server_version
    }

    /// The number before the first dot of the server's version; 0 if it has none.
    pub fn major_version(&self) -> u32 {
        let digits = self.login.server_version.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// The name that the session had when we were let in; empty where nobody said so.
    pub(super) fn let_in_as(&self) -> &str {
        &self.login.name
    }

    /// When we began to ask for it.
    pub(super) fn since(&self) -> Instant {
        self.login.since
    }

    /// The notices and warnings that have come since the last call, in order.
    ///
    /// Those of a statement are there when its last answer is.
    pub fn take_notices(&self) -> Vec<DbError> {
        std::mem::take(&mut self.heard().notices)
    }

    /// What an error of this connection means; of a broken one, why the server ended it, where it said so.
    ///
    /// `what` says what failed: `cannot read the tables of shop`.
    pub fn error(&self, error: tokio_postgres::Error, what: impl fmt::Display) -> Error {
        let end = if error.is_closed() { self.heard().end.take() } else { None };
        super::error(end.unwrap_or(error), what)
    }

    /// Ends the session and waits until the goodbye is sent.
    pub async fn close(self) {
        let Self { client, driver, .. } = self;
        drop(client);
        // The driver never panics and nobody aborts it, so there is nothing to learn from its end.
        let _ = driver.await;
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("host", &self.login.host)
            .field("database", &self.login.database)
            .finish_non_exhaustive()
    }
}

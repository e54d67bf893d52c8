use std::fmt;
use std::sync::Arc;

use tokio_postgres::{CancelToken, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Result;

/// Stops what a session is doing right now, from outside of it. It says nothing of what the statement did.
///
/// The statement then fails with [`crate::ErrorKind::Cancelled`], unless it had already ended.
#[derive(Clone)]
pub struct Canceller(Way);

#[derive(Clone)]
enum Way {
    Postgres(CancelToken, Option<MakeRustlsConnect>),
    Mysql(crate::mysql::Server, i64),
    Sqlite(Arc<rusqlite::InterruptHandle>),
}

impl Canceller {
    pub(crate) fn postgres(token: CancelToken, tls: Option<MakeRustlsConnect>) -> Self {
        Self(Way::Postgres(token, tls))
    }

    pub(crate) fn mysql(server: crate::mysql::Server, session: i64) -> Self {
        Self(Way::Mysql(server, session))
    }

    pub(crate) fn sqlite(handle: rusqlite::InterruptHandle) -> Self {
        Self(Way::Sqlite(Arc::new(handle)))
    }

    /// Asks for it. To be asked again while the session has not come back: what ran may just have ended.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] if the server cannot be reached.
    pub async fn cancel(&self) -> Result<()> {
        match &self.0 {
            Way::Sqlite(handle) => {
                handle.interrupt();
                return Ok(());
            }
            Way::Mysql(server, session) => return server.cancel(*session).await,
            Way::Postgres(token, Some(tls)) => token.cancel_query(tls.clone()).await,
            Way::Postgres(token, None) => token.cancel_query(NoTls).await,
        }
        .map_err(|cause| crate::postgres::error(cause, "cannot ask the server to cancel the statement"))
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}

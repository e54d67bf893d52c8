//! Sessions that are in the way, as a message names them; and ending them.

use database::postgres::{self, Connection};
use database::{ErrorKind, OtherSession};

use crate::Result;
use crate::postgres::failed;

/// Tells all sessions on a database to end, except those.
///
/// One that may not be ended (a superuser's, by somebody else) stays, and does not keep the next from ending.
pub(crate) async fn end(client: &Connection, database: &str, except: &[OtherSession]) -> Result<()> {
    let except: Vec<i32> = except.iter().filter_map(|session| i32::try_from(session.id).ok()).collect();
    let listed = client
        .query(
            "SELECT pid FROM pg_catalog.pg_stat_activity
             WHERE datname = $1 AND pid <> pg_catalog.pg_backend_pid() AND pid <> ALL ($2)",
            &[&database, &except],
        )
        .await
        .map_err(|error| failed(error, "cannot list the sessions on the database"))?;
    for row in listed {
        end_one(client, row.get::<_, i32>(0).into()).await?;
    }
    Ok(())
}

/// Tells one session to end, if this account may.
pub(crate) async fn end_one(client: &Connection, session: i64) -> Result<()> {
    match postgres::end_session(client, session).await {
        Err(error) if error.kind() == ErrorKind::Connection => Err(error.into()),
        _ => Ok(()),
    }
}

/// Sessions as a message names them: account, application, address, since when.
pub(crate) fn named(sessions: &[OtherSession]) -> String {
    if sessions.is_empty() {
        return "sessions that come and go".to_owned();
    }
    let one = |session: &OtherSession| {
        let application =
            if session.application.is_empty() { "an unnamed client" } else { &session.application };
        if session.since.is_empty() {
            return format!("{} with {application}", session.account);
        }
        format!("{} with {application} from {} since {}", session.account, session.address, session.since)
    };
    let mut text = sessions.iter().take(10).map(one).collect::<Vec<_>>().join(", ");
    if sessions.len() > 10 {
        text.push_str(&format!(", and {} more", sessions.len() - 10));
    }
    text
}

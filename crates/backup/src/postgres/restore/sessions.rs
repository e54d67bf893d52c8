//! Sessions that are in the way, as a message names them; and ending them.

use database::OtherSession;
use database::postgres::Connection;

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
        let pid: i32 = row.get(0);
        let ended = client.execute("SELECT pg_catalog.pg_terminate_backend($1)", &[&pid]).await;
        if let Err(error) = ended
            && error.is_closed()
        {
            return Err(failed(error, "cannot end a session on the database"));
        }
    }
    Ok(())
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

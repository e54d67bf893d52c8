use std::net::IpAddr;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use tokio_postgres::config::{self, Config};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::connection::Connection;
use super::passwords::FromFile;
use super::server::QUIET;
use super::{
    ChannelBinding, DEFAULT_CONNECT_TIMEOUT, Host, Settings, SslMode, SslNegotiation, TargetSession,
    passwords, refusal, tls,
};
use crate::{Error, ErrorKind, Result, SessionId};

/// Connects to a database on the first of the servers that answers and is of the wanted sort.
///
/// The session's timeouts are switched off: what may take long, dbm bounds itself.
///
/// # Errors
/// Of the last server tried: [`ErrorKind::Connection`], [`ErrorKind::Authentication`],
/// [`ErrorKind::NoDatabase`] or [`ErrorKind::Permission`], with the server and the database in the
/// message and a hint; [`ErrorKind::Usage`] and [`ErrorKind::Io`] where the settings are at fault.
pub async fn connect(settings: &Settings, database: &str) -> Result<Connection> {
    connect_for(settings, database, Setup::Timeouts).await
}

/// What the server is told on a new connection, in one message.
#[derive(Clone, Copy)]
pub(super) enum Setup {
    /// Nothing at all, so that a pooler gives it no session yet.
    Nothing,
    /// That nothing ends by itself.
    Timeouts,
    /// And that unqualified names mean the system's.
    Quiet,
}

pub(super) async fn connect_for(settings: &Settings, database: &str, setup: Setup) -> Result<Connection> {
    let user = settings.user.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "the database URL names no user")
            .with_hint("write postgres://USER@host/database")
    })?;
    let mut hosts: Vec<&Host> = settings.hosts.iter().collect();
    if settings.shuffle_hosts {
        shuffle(&mut hosts);
    }
    let passes = if settings.target_session == TargetSession::PreferStandby {
        vec![TargetSession::Standby, TargetSession::Any]
    } else {
        vec![settings.target_session]
    };
    let mut last = None;
    for wanted in passes {
        for host in &hosts {
            match at(settings, host, database, user, wanted, setup).await {
                Ok(connection) => return Ok(connection),
                // As libpq: who is refused by one server is not offered to the next.
                Err(error) if error.kind() == ErrorKind::Authentication => return Err(error),
                Err(error) => last = Some(error),
            }
        }
    }
    Err(last.unwrap_or_else(|| Error::new(ErrorKind::Usage, "the database URL names no server")))
}

async fn at(
    settings: &Settings,
    host: &Host,
    database: &str,
    user: &str,
    wanted: TargetSession,
    setup: Setup,
) -> Result<Connection> {
    let limit = settings.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
    let attempt = Box::pin(attempt(settings, host, database, user, wanted, setup));
    if limit.is_zero() {
        return attempt.await;
    }
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
        let message = format!("no answer from {host} in {} s (database `{database}`)", limit.as_secs());
        Err(Error::new(ErrorKind::Connection, message).with_hint(
            "check the host, the port and the firewall; connect_timeout=SECONDS in the URL waits longer",
        ))
    })
}

async fn attempt(
    settings: &Settings,
    host: &Host,
    database: &str,
    user: &str,
    wanted: TargetSession,
    setup: Setup,
) -> Result<Connection> {
    let mut config = config(settings, host, database, user);
    let mut passed_over = None;
    let password = match &settings.password {
        Some(password) => Some(password.expose_secret().to_owned()),
        None => match passwords::from_file(settings, host, database, user).await {
            FromFile::Found(password) => Some(password),
            FromFile::Nothing => None,
            FromFile::PassedOver => {
                passed_over = settings.passfile.as_deref();
                None
            }
        },
    };
    if let Some(password) = &password {
        config.password(password);
    }
    let to = refusal::To { host, database, user, has_password: password.is_some(), passed_over };

    let connection = if host.is_socket() || settings.ssl_mode == SslMode::Disable {
        plain(&config, &to, None).await?
    } else {
        let addresses = addresses(host, database).await?;
        let first = match settings.ssl_mode {
            SslMode::Allow => plain(&config, &to, Some(&addresses)).await,
            _ => encrypted(settings, &config, &to, &addresses).await,
        };
        match first {
            // pg_hba.conf may have a line for the other way: hostssl, or hostnossl.
            Err(refused) if refused.sqlstate() == Some("28000") => {
                let second = match settings.ssl_mode {
                    SslMode::Allow => {
                        config.ssl_mode(config::SslMode::Prefer);
                        encrypted(settings, &config, &to, &addresses).await
                    }
                    SslMode::Prefer => {
                        config.ssl_mode(config::SslMode::Disable);
                        plain(&config, &to, Some(&addresses)).await
                    }
                    _ => return Err(refused),
                };
                match second {
                    // Neither way: the first answer says it, unless the second knows more than that there is no line.
                    Err(error) if error.to_string().contains("no pg_hba.conf entry") => return Err(refused),
                    outcome => outcome?,
                }
            }
            outcome => outcome?,
        }
    };
    tell(&connection, setup).await?;
    check_session(&connection, wanted).await?;
    Ok(connection)
}

/// What all sessions of this process are called, unless the URL gives them a name: so that what a killed process has
/// left behind is found.
pub(super) fn own_name() -> String {
    SessionId::ours(0, String::new()).name(NAME_BYTES)
}

fn config(settings: &Settings, host: &Host, database: &str, user: &str) -> Config {
    let mut config = Config::new();
    config.user(user).dbname(database).port(host.port);
    let own = own_name();
    config.application_name(settings.application_name.as_deref().unwrap_or(&own));
    if let Some(options) = settings.startup_options() {
        config.options(options);
    }
    config.ssl_mode(match settings.ssl_mode {
        SslMode::Disable | SslMode::Allow => config::SslMode::Disable,
        SslMode::Prefer => config::SslMode::Prefer,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => config::SslMode::Require,
    });
    config.ssl_negotiation(match settings.ssl_negotiation {
        SslNegotiation::Postgres => config::SslNegotiation::Postgres,
        SslNegotiation::Direct => config::SslNegotiation::Direct,
    });
    config.channel_binding(match settings.channel_binding {
        ChannelBinding::Disable => config::ChannelBinding::Disable,
        ChannelBinding::Prefer => config::ChannelBinding::Prefer,
        ChannelBinding::Require => config::ChannelBinding::Require,
    });
    config.keepalives(settings.keepalives.unwrap_or(true));
    // The driver's own default of two hours is longer than most firewalls remember a connection.
    config.keepalives_idle(settings.keepalives_idle.unwrap_or(Duration::from_secs(60)));
    // A server whose host is gone is noticed within two minutes.
    config.keepalives_interval(settings.keepalives_interval.unwrap_or(Duration::from_secs(10)));
    config.keepalives_retries(settings.keepalives_count.unwrap_or(6));
    if let Some(timeout) = settings.tcp_user_timeout.filter(|timeout| !timeout.is_zero()) {
        config.tcp_user_timeout(timeout);
    }
    config
}

/// The addresses behind a host's name.
async fn addresses(host: &Host, database: &str) -> Result<Vec<IpAddr>> {
    if let Some(address) = host.address {
        return Ok(vec![address]);
    }
    let unknown = || {
        Error::new(
            ErrorKind::Connection,
            format!("the host `{}` is unknown (database `{database}`)", host.name),
        )
        .with_hint("check the host's name in the database URL, and that this machine can look it up")
    };
    let found = tokio::net::lookup_host((host.name.as_str(), host.port));
    let found: Vec<IpAddr> =
        found.await.map_err(|cause| unknown().with_source(cause))?.map(|a| a.ip()).collect();
    if found.is_empty() { Err(unknown()) } else { Ok(found) }
}

async fn plain(config: &Config, to: &refusal::To<'_>, addresses: Option<&[IpAddr]>) -> Result<Connection> {
    let looked_up;
    let addresses = match addresses {
        Some(addresses) => addresses,
        None if to.host.is_socket() => {
            let mut config = config.clone();
            config.ssl_mode(config::SslMode::Disable).host(to.host.name.as_str());
            let since = Instant::now();
            let (client, connection) =
                config.connect(NoTls).await.map_err(|error| refusal::explain(error, to))?;
            return Ok(Connection::start(client, connection, to.host.clone(), to.database, since));
        }
        None => {
            looked_up = self::addresses(to.host, to.database).await?;
            &looked_up
        }
    };
    let mut last = None;
    for address in addresses {
        let since = Instant::now();
        match at_address(config, to.host, *address).connect(NoTls).await {
            Ok((client, connection)) => {
                return Ok(Connection::start(client, connection, to.host.clone(), to.database, since));
            }
            Err(error) => last = Some(refusal::explain(error, to)),
        }
        if last.as_ref().is_some_and(is_final) {
            break;
        }
    }
    Err(last.unwrap_or_else(|| refusal::no_address(to)))
}

async fn encrypted(
    settings: &Settings,
    config: &Config,
    to: &refusal::To<'_>,
    addresses: &[IpAddr],
) -> Result<Connection> {
    let connector = tls::connector(settings).await?;
    let mut last = None;
    for address in addresses {
        let since = Instant::now();
        match at_address(config, to.host, *address).connect(connector.clone()).await {
            Ok((client, connection)) => {
                return Ok(Connection::start(client, connection, to.host.clone(), to.database, since));
            }
            Err(error) => last = Some(refusal::explain(error, to)),
        }
        if last.as_ref().is_some_and(is_final) {
            break;
        }
    }
    Err(last.unwrap_or_else(|| refusal::no_address(to)))
}

/// Whether another address of the same host would say the same, or would hide what was wrong with this one.
fn is_final(error: &Error) -> bool {
    error.kind() != ErrorKind::Connection || refusal::find::<rustls::Error>(error).is_some()
}

fn at_address(config: &Config, host: &Host, address: IpAddr) -> Config {
    let mut config = config.clone();
    config.host(host.name_for_tls()).hostaddr(address);
    config
}

/// How many bytes of a session's name the server keeps (`NAMEDATALEN` - 1).
pub(super) const NAME_BYTES: usize = 63;

/// Lets the server notice within a minute that our host is gone, and not after its system's two hours: whatever the
/// session holds is held no longer. A socket in a folder has no use for it, and says nothing.
pub(super) const KEEPALIVES: &str =
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; ";

/// Makes the server look again whose member we are. To try a line for a group in `pg_hba.conf` (`+group`) it looks before
/// it knows which database we want, remembers the answer for the session, and so up to 15 never finds that its owner is
/// a member of `pg_database_owner`. It remembers one role's memberships at a time: asking for another's makes it forget.
/// <https://www.postgresql.org/docs/current/auth-pg-hba-conf.html>
const MEMBERSHIPS: &str = "SELECT pg_catalog.pg_has_role('pg_monitor', 'pg_read_all_data', 'MEMBER'); ";

/// Switches the timeouts off that a role, a database or the server may have set.
async fn tell(connection: &Connection, setup: Setup) -> Result<()> {
    if matches!(setup, Setup::Nothing) {
        return Ok(());
    }
    let mut sql = format!("{KEEPALIVES}SET statement_timeout = 0; SET lock_timeout = 0; ");
    sql.push_str("SET idle_in_transaction_session_timeout = 0; ");
    if connection.major_version() >= 14 {
        sql.push_str("SET idle_session_timeout = 0; ");
        sql.push_str(MEMBERSHIPS);
    }
    if connection.major_version() >= 17 {
        sql.push_str("SET transaction_timeout = 0; ");
    }
    if matches!(setup, Setup::Quiet) {
        sql.push_str(QUIET);
    }
    let outcome = connection.batch_execute(&sql).await;
    outcome.map_err(|error| {
        connection.error(error, format!("cannot set up the session on {}", connection.host()))
    })
}

async fn check_session(connection: &Connection, wanted: TargetSession) -> Result<()> {
    if wanted == TargetSession::Any {
        return Ok(());
    }
    let look = |error| connection.error(error, format!("cannot ask {} what it is", connection.host()));
    let standby = shows(connection, "SELECT pg_catalog.pg_is_in_recovery()", "t").await.map_err(look)?;
    let read_only = standby || shows(connection, "SHOW transaction_read_only", "on").await.map_err(look)?;
    let fits = match wanted {
        TargetSession::Any | TargetSession::PreferStandby => true,
        TargetSession::ReadWrite => !read_only,
        TargetSession::ReadOnly => read_only,
        TargetSession::Primary => !standby,
        TargetSession::Standby => standby,
    };
    if fits {
        return Ok(());
    }
    let message =
        format!("{} is not what target_session_attrs={} asks for", connection.host(), wanted.word());
    Err(Error::new(ErrorKind::Connection, message)
        .with_hint("name the other servers in the URL too: host1,host2"))
}

async fn shows(client: &Client, sql: &str, wanted: &str) -> Result<bool, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    Ok(messages
        .iter()
        .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some(wanted))))
}

/// Puts the hosts into an order of chance; the quality of that chance does not matter.
fn shuffle<T>(items: &mut [T]) {
    use std::hash::{BuildHasher, RandomState};
    for end in (1..items.len()).rev() {
        let chance = RandomState::new().hash_one(end);
        let place = usize::try_from(chance % (u64::try_from(end).unwrap_or(u64::MAX - 1) + 1)).unwrap_or(0);
        items.swap(end, place);
    }
}

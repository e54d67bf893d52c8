use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use mysql_async::{ClientIdentity, Conn, DriverError, OptsBuilder, SslOpts};
use secrecy::ExposeSecret;

use super::pulse::Pulse;
use super::refusal::{self, To};
use super::{Connection, DEFAULT_CONNECT_TIMEOUT, DEFAULT_PORT, DEFAULT_SOCKETS, Place, Settings, SslMode};
use crate::{Error, ErrorKind, Result};

/// Connects to a server, into a database if one is named.
///
/// The session's time limits are switched off: what may take long, dbm bounds itself.
///
/// # Errors
/// [`ErrorKind::Connection`], [`ErrorKind::Authentication`], [`ErrorKind::NoDatabase`] or
/// [`ErrorKind::Permission`], with the server in the message and a hint; [`ErrorKind::Usage`] and
/// [`ErrorKind::Io`] where the settings are at fault.
pub async fn connect(settings: &Settings, database: Option<&str>) -> Result<Connection> {
    let user = settings.user.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "the database URL names no user")
            .with_hint("write mysql://USER@host/database")
    })?;
    let place = resolve(&settings.place);
    let to = To { place: &place, database, user, has_password: settings.password.is_some() };
    let limit = settings.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
    let attempt = Box::pin(async {
        let explained = |cause| refusal::explain(cause, &to);
        let addresses = addresses(&place).await.map_err(|cause| explained(cause.into()))?;
        let conn = attempt(settings, &to, &addresses).await?.map_err(explained)?;
        Ok::<_, Error>((conn, addresses))
    });
    let (conn, addresses) = if limit.is_zero() {
        attempt.await?
    } else {
        tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
            let message = format!("no answer from {place} in {} s", limit.as_secs());
            Err(Error::new(ErrorKind::Connection, message).with_hint(
                "check the host, the port and the firewall; connect-timeout=SECONDS in the URL waits longer",
            ))
        })?
    };
    let mut settings = settings.clone();
    if conn.opts().ssl_opts().is_none() {
        // Nobody need ask again whether this server speaks TLS.
        settings.ssl_mode = SslMode::Disabled;
    }
    let pulse = Pulse::new(settings, place.clone(), addresses);
    Connection::start(conn, place, pulse).await
}

/// `localhost` is the first of the usual sockets that is there, as for the clients, or else the usual port.
fn resolve(place: &Place) -> Place {
    match place {
        Place::Local => match DEFAULT_SOCKETS.iter().find(|socket| Path::new(socket).exists()) {
            Some(socket) => Place::Socket(PathBuf::from(socket)),
            None => Place::Tcp { host: "localhost".to_owned(), port: DEFAULT_PORT },
        },
        place => place.clone(),
    }
}

/// The addresses behind a host's name, in the order in which they are tried; none of a socket, and none where one takes more
/// than its number to be reached (the link that it is local to): then the driver finds them by itself.
async fn addresses(place: &Place) -> io::Result<Vec<IpAddr>> {
    let Place::Tcp { host, port } = place else { return Ok(Vec::new()) };
    let found = tokio::net::lookup_host((host.as_str(), *port)).await?;
    let is_local = |address: &SocketAddr| matches!(address, SocketAddr::V6(six) if six.scope_id() != 0);
    let found: Vec<SocketAddr> = found.collect();
    if found.iter().any(is_local) {
        return Ok(Vec::new());
    }
    Ok(found.iter().map(SocketAddr::ip).collect())
}

/// Tries to be let in, at the addresses that a host's name stands for.
///
/// # Errors
/// [`ErrorKind::Usage`] and [`ErrorKind::Io`] where the settings are at fault; within, what the driver says of the server.
pub(super) async fn attempt(
    settings: &Settings,
    to: &To<'_>,
    addresses: &[IpAddr],
) -> Result<mysql_async::Result<Conn>> {
    let mut options = OptsBuilder::default()
        .user(Some(to.user))
        .pass(settings.password.as_ref().map(ExposeSecret::expose_secret))
        .db_name(to.database)
        .prefer_socket(Some(false))
        .connect_attribute("program_name", "dbm");
    match to.place {
        Place::Socket(path) => {
            let path = path.to_str().ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("the path of the socket {} is no text", path.display()))
            })?;
            return Ok(Conn::new(options.socket(Some(path))).await);
        }
        Place::Tcp { host, port } => {
            let resolved = Some(addresses).filter(|addresses| !addresses.is_empty());
            options = options.ip_or_hostname(host.as_str()).tcp_port(*port).resolved_ips(resolved);
        }
        Place::Local => {}
    }
    // Longer than a minute of silence is more than many firewalls remember.
    options = options.tcp_keepalive(Some(std::time::Duration::from_secs(60)));
    let Some(ssl) = ssl(settings).await? else {
        return Ok(Conn::new(options).await);
    };
    Ok(match Conn::new(options.clone().ssl_opts(ssl.clone())).await {
        Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer))
            if settings.ssl_mode == SslMode::Preferred =>
        {
            Conn::new(options).await
        }
        Err(cause) if settings.ssl_mode == SslMode::VerifyCa && is_of_another_name(&cause) => {
            let ssl = ssl
                .with_danger_skip_domain_validation(true)
                .with_danger_tls_hostname_override(Some(ANY_NAME));
            Conn::new(options.ssl_opts(ssl)).await
        }
        outcome => outcome,
    })
}

/// The driver (`mysql_async`, its `rustls_io.rs`) passes over a name that is not the certificate's where what rustls says
/// of that has this word in it. Newer ones of rustls name the host instead: so that is what the host is called.
const ANY_NAME: &str = "NotValidForName.invalid";

/// Whether a trusted certificate is of another name, or of none at all, as MySQL's own ones are.
fn is_of_another_name(cause: &mysql_async::Error) -> bool {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    let mysql_async::Error::Io(io) = cause else { return false };
    matches!(
        refusal::of_tls(io),
        Some(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
    )
}

async fn ssl(settings: &Settings) -> Result<Option<SslOpts>> {
    let mode = settings.ssl_mode;
    if mode == SslMode::Disabled {
        return Ok(None);
    }
    let mut ssl = SslOpts::default();
    match (&settings.ssl_cert, &settings.ssl_key) {
        (Some(cert), Some(key)) => {
            readable(cert).await?;
            readable(key).await?;
            let identity = ClientIdentity::new(cert.clone().into(), key.clone().into());
            ssl = ssl.with_client_identity(Some(identity));
        }
        (None, None) => {}
        _ => {
            return Err(Error::new(
                ErrorKind::Usage,
                "the URL has one of ssl-cert and ssl-key without the other",
            )
            .with_hint("give both, or none"));
        }
    }
    if matches!(mode, SslMode::VerifyCa | SslMode::VerifyIdentity) {
        let Some(ca) = &settings.ssl_ca else {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("ssl-mode={} needs to know whom to trust", mode.word()),
            )
            .with_hint("add ssl-ca=/path/to/ca.pem to the URL"));
        };
        readable(ca).await?;
        ssl = ssl.with_root_certs(vec![ca.clone().into()]).with_disable_built_in_roots(true);
    } else {
        ssl = ssl.with_danger_accept_invalid_certs(true);
    }
    Ok(Some(ssl))
}

async fn readable(file: &Path) -> Result<()> {
    tokio::fs::read(file).await.map(drop).map_err(|cause| {
        Error::new(ErrorKind::Io, format!("{} cannot be read", file.display()))
            .with_hint("check the path in the URL and the file's permissions")
            .with_source(cause)
    })
}

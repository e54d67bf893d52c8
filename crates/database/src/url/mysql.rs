//! `mysql://` and `mariadb://` URLs, with the parameters that the clients' options have.

use std::time::Duration;

use helpers::percent;
use secrecy::SecretString;

use super::parts::{cut, host_and_port};
use super::{query_pairs, unknown_parameter, unusable};
use crate::mysql::{DEFAULT_PORT, Place, Settings, SslMode};
use crate::{Error, ErrorKind, Result};

/// The parameters that a URL may have; `_` in place of `-` is taken too.
const KNOWN: &[&str] = &[
    "charset",
    "connect-timeout",
    "connect_timeout",
    "host",
    "password",
    "port",
    "socket",
    "ssl",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-verify-server-cert",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
    "ssl_mode",
    "ssl_verify_server_cert",
    "sslmode",
    "user",
];

/// What stands after `mysql://`.
pub(super) fn parse(scheme: &str, rest: &str) -> Result<Settings> {
    let parts = cut(rest, KNOWN);
    let mut settings = Settings { scheme: scheme.to_owned(), ..Settings::default() };
    if let Some(account) = parts.account {
        let (user, password) =
            account.split_once(':').map_or((account, None), |(user, word)| (user, Some(word)));
        if !user.is_empty() {
            settings.user = Some(percent::decode(user).map_err(|why| unusable("user", why))?);
        }
        if let Some(password) = password.filter(|password| !password.is_empty()) {
            let password = percent::decode(password).map_err(|why| unusable("password", why))?;
            settings.password = Some(SecretString::from(password));
        }
    }
    let (mut host, mut port) = host_and_port(parts.hosts)
        .map(|(host, port)| (host.to_owned(), port.to_owned()))
        .ok_or_else(bad_host)?;
    host = percent::decode(&host).map_err(|why| unusable("host", why))?;
    if let Some(database) = parts.database {
        settings.database = percent::decode(database).map_err(|why| unusable("database", why))?;
    }
    let mut socket = None;
    for (key, value) in query_pairs(parts.query)? {
        match key.replace('_', "-").as_str() {
            "host" => host = value,
            "port" => port = value,
            "socket" => socket = Some(value).filter(|value| !value.is_empty()),
            _ => set(&mut settings, &key, value)?,
        }
    }
    if settings.database.is_empty() {
        return Err(
            usage("the database URL names no database").with_hint("write mysql://user@host:3306/database")
        );
    }
    if host.starts_with('/') {
        socket.get_or_insert(std::mem::take(&mut host));
    }
    settings.place = match (socket, host.as_str(), port.as_str()) {
        (Some(socket), "" | "localhost", _) => Place::Socket(socket.into()),
        (Some(_), ..) => {
            return Err(usage("the URL has a socket and the name of another host")
                .with_hint("leave one of them out: mysql://user@/database?socket=/run/mysqld/mysqld.sock"));
        }
        (None, "" | "localhost", "") => Place::Local,
        (None, host, "") => Place::Tcp { host: named(host), port: DEFAULT_PORT },
        (None, host, port) => {
            let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(bad_host)?;
            Place::Tcp { host: named(host), port }
        }
    };
    Ok(settings)
}

fn named(host: &str) -> String {
    if host.is_empty() { "localhost" } else { host }.to_owned()
}

/// One parameter's value, decoded, into its place. Values are not repeated in errors: a misread URL may hold a password there.
fn set(settings: &mut Settings, key: &str, value: String) -> Result<()> {
    let text = || (!value.is_empty()).then(|| value.clone());
    let yes = || ["1", "true", "on", "yes", ""].contains(&value.to_ascii_lowercase().as_str());
    match key.replace('_', "-").as_str() {
        "user" => settings.user = text(),
        "password" => settings.password = text().map(SecretString::from),
        "ssl-mode" | "sslmode" => {
            settings.ssl_mode = SslMode::from_word(&value).ok_or_else(|| {
                usage(format!("the URL's {key} is not a word that is known"))
                    .with_hint(format!("write one of ssl-mode={}", SslMode::WORDS.join(", ")))
            })?;
        }
        "ssl" if yes() => settings.ssl_mode = SslMode::Required,
        "ssl" => settings.ssl_mode = SslMode::Disabled,
        "ssl-verify-server-cert" if yes() => settings.ssl_mode = SslMode::VerifyIdentity,
        "ssl-verify-server-cert" => {}
        "ssl-ca" => settings.ssl_ca = text().map(Into::into),
        "ssl-cert" => settings.ssl_cert = text().map(Into::into),
        "ssl-key" => settings.ssl_key = text().map(Into::into),
        "connect-timeout" => {
            let seconds = value.parse::<u32>().map_err(|_| {
                usage(format!("the URL's {key} is not a whole number")).with_hint(format!("write {key}=10"))
            })?;
            settings.connect_timeout = Some(Duration::from_secs(seconds.into()));
        }
        // We always speak utf8mb4 and let the server convert.
        "charset" if value.to_ascii_lowercase().starts_with("utf8") => {}
        "charset" => {
            return Err(
                usage("the URL's charset is not utf8mb4, in which dbm speaks").with_hint("leave it out")
            );
        }
        _ => return Err(unknown_parameter(key, KNOWN)),
    }
    Ok(())
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn bad_host() -> Error {
    usage("the host or the port of the database URL cannot be read").with_hint(
        "write host:port with a port from 1 to 65535; for a socket ?socket=/path/to/mysqld.sock; \
         and percent-encode the password (`dbm password encode` does it)",
    )
}

//! `postgres://` URLs. How the parts of one are told apart is in [`super::parts`].

use std::net::IpAddr;
use std::time::Duration;

use helpers::percent;
use secrecy::SecretString;

use super::parts::{cut, host_and_port};
use super::{query_pairs, unknown_parameter, unusable};
use crate::postgres::{
    ChannelBinding, DEFAULT_PORT, Host, RootCert, Settings, SslMode, SslNegotiation, TargetSession,
};
use crate::{Error, ErrorKind, Result};

/// The parameters that a URL may have.
const KNOWN: &[&str] = &[
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "options",
    "passfile",
    "password",
    "port",
    "search_path",
    "ssl",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// What stands after `postgres://`.
pub(super) fn parse(rest: &str) -> Result<Settings> {
    let parts = cut(rest, KNOWN);
    let mut settings = Settings::default();
    let (mut hosts, mut ports, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
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
    for host in parts.hosts.split(',') {
        let (name, port) = host_and_port(host).ok_or_else(bad_host)?;
        hosts.push(percent::decode(name).map_err(|why| unusable("host", why))?);
        ports.push(port.to_owned());
    }
    if let Some(database) = parts.database.filter(|database| !database.is_empty()) {
        settings.database = Some(percent::decode(database).map_err(|why| unusable("database", why))?);
    }
    for (key, value) in query_pairs(parts.query)? {
        match key.as_str() {
            "host" => hosts = split(&value),
            "port" => ports = split(&value),
            "hostaddr" => addresses = split(&value),
            _ => set(&mut settings, &key, value)?,
        }
    }
    settings.hosts = zip(&hosts, &ports, &addresses)?;
    let system = settings.ssl_root_cert == Some(RootCert::System);
    let says_mode = query_pairs(parts.query)?.iter().any(|(key, _)| key == "sslmode" || key == "ssl");
    if system && !says_mode {
        settings.ssl_mode = SslMode::VerifyFull;
    } else if system && settings.ssl_mode != SslMode::VerifyFull {
        return Err(usage("sslrootcert=system is only safe with sslmode=verify-full")
            .with_hint("anybody can get a certificate that the system trusts: write sslmode=verify-full"));
    }
    Ok(settings)
}

/// One parameter's value, decoded, into its place. Values are not repeated in errors: a misread URL may hold a password there.
fn set(settings: &mut Settings, key: &str, value: String) -> Result<()> {
    let text = || (!value.is_empty()).then(|| value.clone());
    let number = || {
        let parsed = value.parse::<u32>();
        parsed.map_err(|_| {
            usage(format!("the URL's {key} is not a whole number")).with_hint(format!("write {key}=10"))
        })
    };
    let seconds = || number().map(|seconds| Some(Duration::from_secs(seconds.into())));
    match key {
        "user" => settings.user = text(),
        "password" => settings.password = text().map(SecretString::from),
        "dbname" => settings.database = text(),
        "passfile" => settings.passfile = text().map(Into::into),
        "sslmode" => settings.ssl_mode = word(key, SslMode::WORDS, SslMode::from_word(&value))?,
        "ssl" if value == "true" => settings.ssl_mode = SslMode::Require,
        "ssl" => {
            return Err(usage("the URL's ssl is not `true`")
                .with_hint("write sslmode=disable, require, verify-full …"));
        }
        "sslnegotiation" => {
            settings.ssl_negotiation = word(key, SslNegotiation::WORDS, SslNegotiation::from_word(&value))?;
        }
        "sslrootcert" if value == "system" => settings.ssl_root_cert = Some(RootCert::System),
        "sslrootcert" => settings.ssl_root_cert = text().map(|file| RootCert::File(file.into())),
        "sslcert" => settings.ssl_cert = text().map(Into::into),
        "sslkey" => settings.ssl_key = text().map(Into::into),
        "channel_binding" => {
            settings.channel_binding = word(key, ChannelBinding::WORDS, ChannelBinding::from_word(&value))?;
        }
        "options" => settings.options = text(),
        "search_path" => settings.search_path = text(),
        "application_name" => settings.application_name = text(),
        "fallback_application_name" => {
            if settings.application_name.is_none() {
                settings.application_name = text();
            }
        }
        "connect_timeout" => settings.connect_timeout = seconds()?,
        "target_session_attrs" => {
            settings.target_session = word(key, TargetSession::WORDS, TargetSession::from_word(&value))?;
        }
        "load_balance_hosts" => {
            let (no, yes) = (value == "disable", value == "random");
            settings.shuffle_hosts = word(key, &["disable", "random"], (no || yes).then_some(yes))?;
        }
        "keepalives" => settings.keepalives = Some(number()? != 0),
        "keepalives_idle" => settings.keepalives_idle = seconds()?,
        "keepalives_interval" => settings.keepalives_interval = seconds()?,
        "keepalives_count" => settings.keepalives_count = Some(number()?),
        "tcp_user_timeout" => settings.tcp_user_timeout = Some(Duration::from_millis(number()?.into())),
        // We always speak UTF-8 and let the server convert; GSSAPI is never asked for.
        "client_encoding" => {
            let utf8 = ["utf8", "utf-8", "unicode", "auto"].contains(&value.to_ascii_lowercase().as_str());
            word(key, &["UTF8"], utf8.then_some(()))?;
        }
        "gssencmode" => {
            word(key, &["disable", "prefer"], ["disable", "prefer"].contains(&&*value).then_some(()))?
        }
        "schema" => {
            return Err(
                unknown_parameter(key, KNOWN).with_hint("to choose a namespace, write search_path=NAME")
            );
        }
        _ => return Err(unknown_parameter(key, KNOWN)),
    }
    Ok(())
}

fn word<T>(key: &str, words: &[&str], choice: Option<T>) -> Result<T> {
    choice.ok_or_else(|| {
        usage(format!("the URL's {key} is not a word that is known"))
            .with_hint(format!("write one of {key}={}", words.join(", ")))
    })
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(|item| item.trim().to_owned()).collect()
}

fn zip(hosts: &[String], ports: &[String], addresses: &[String]) -> Result<Vec<Host>> {
    let servers = if addresses.is_empty() { hosts.len() } else { addresses.len() };
    let named = hosts.len() == servers || (hosts.len() == 1 && hosts[0].is_empty());
    if !named || (ports.len() > 1 && ports.len() != servers) {
        return Err(usage("the URL has not as many ports or addresses as hosts")
            .with_hint("give one port for all hosts, or one for each: host1:5432,host2:5433"));
    }
    let one = |number: usize| {
        let port = match ports.get(number).or(ports.first()).map_or("", String::as_str) {
            "" => DEFAULT_PORT,
            port => port.parse().ok().filter(|&port| port != 0).ok_or_else(bad_host)?,
        };
        let address = match addresses.get(number).map_or("", String::as_str) {
            "" => None,
            address => Some(address.parse::<IpAddr>().map_err(|_| {
                usage("the URL's hostaddr is not an IP address")
                    .with_hint("write host=NAME where it is a name")
            })?),
        };
        let mut name = hosts.get(number).cloned().unwrap_or_default();
        if name.is_empty() && address.is_none() {
            "localhost".clone_into(&mut name);
        }
        Ok(Host { name, address, port })
    };
    (0..servers).map(one).collect()
}

fn bad_host() -> Error {
    usage("the host or the port of the database URL cannot be read").with_hint(
        "write host:port with a port from 1 to 65535; for a socket the folder, with %2F for each slash; \
                    and percent-encode the password (`dbm password encode` does it)",
    )
}

//! The option file of MySQL's and MariaDB's clients: <https://mariadb.com/kb/en/configuring-mariadb-with-option-files/>.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use database::mysql::{Place, Settings, SslMode};

/// The sections that the clients read.
const SECTIONS: [&str; 4] = ["client", "client-server", "client-mariadb", "mariadb-client"];

/// What the clients' sections of `~/.my.cnf` say, later lines before earlier ones. Nothing where there is no such file,
/// or one that others may write.
pub(crate) fn read(home: &Path) -> BTreeMap<String, String> {
    let path = home.join(".my.cnf");
    let Ok(metadata) = std::fs::metadata(&path) else { return BTreeMap::new() };
    if !metadata.is_file() || metadata.permissions().mode() & 0o002 != 0 {
        return BTreeMap::new();
    }
    std::fs::read(&path).map(|bytes| parse(&String::from_utf8_lossy(&bytes))).unwrap_or_default()
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut found = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = SECTIONS.contains(&section.trim());
        } else if inside && !line.starts_with(['#', ';', '!']) && !line.is_empty() {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            found.insert(key.trim().replace('_', "-"), value_of(value.trim()));
        }
    }
    found
}

/// Without its quotes, or without a comment that follows it.
fn value_of(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.split(quote).next()) {
            return inner.replace("\\\\", "\\");
        }
    }
    value.split(" #").next().unwrap_or_default().trim().replace("\\\\", "\\")
}

/// Gives the settings what their URL does not say.
pub(crate) fn complete(settings: &mut Settings, found: &BTreeMap<String, String>) {
    let text = |key: &str| found.get(key).filter(|value| !value.is_empty()).cloned();
    if settings.user.is_none() {
        settings.user = text("user");
    }
    if settings.place == Place::Local {
        let port = text("port").and_then(|port| port.parse().ok());
        settings.place = match (text("host").filter(|host| host != "localhost"), text("socket"), port) {
            (Some(host), _, port) => Place::Tcp { host, port: port.unwrap_or(database::mysql::DEFAULT_PORT) },
            (None, Some(socket), _) => Place::Socket(socket.into()),
            (None, None, Some(port)) => Place::Tcp { host: "localhost".to_owned(), port },
            (None, None, None) => Place::Local,
        };
    }
    if settings.ssl_mode == SslMode::default()
        && let Some(mode) = text("ssl-mode").and_then(|word| SslMode::from_word(&word))
    {
        settings.ssl_mode = mode;
    }
    let path = |key: &str| text(key).map(Into::into);
    settings.ssl_ca = settings.ssl_ca.take().or_else(|| path("ssl-ca"));
    if settings.ssl_cert.is_none() && settings.ssl_key.is_none() {
        settings.ssl_cert = path("ssl-cert");
        settings.ssl_key = path("ssl-key");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_sections_are_read_and_no_other() {
        let found = parse(
            "[mysqld]\nuser = server\n[client]\nuser=me\npassword = \"p#a ss\\\\\"\n# host = no\nssl_mode=REQUIRED # so\n\
             [mysqldump]\nuser=other\n[client-mariadb]\nsocket = /run/s.sock\nskip-x\n",
        );
        assert_eq!(found["user"], "me");
        assert_eq!(found["password"], "p#a ss\\");
        assert_eq!((found["ssl-mode"].as_str(), found["socket"].as_str()), ("REQUIRED", "/run/s.sock"));
        assert!(!found.contains_key("host"));
    }

    #[test]
    fn the_url_wins() {
        let found = parse("[client]\nuser=me\nhost=db\nport=3307\nssl-ca=/ca.pem");
        let shown = |url: &str| {
            let database::DatabaseUrl::Mysql(mut settings) = database::DatabaseUrl::parse(url).unwrap()
            else {
                panic!()
            };
            complete(&mut settings, &found);
            settings.to_string()
        };
        assert_eq!(shown("mysql:///shop"), "mysql://me@db:3307/shop?ssl-ca=/ca.pem");
        assert_eq!(shown("mysql://you@elsewhere/shop"), "mysql://you@elsewhere:3306/shop?ssl-ca=/ca.pem");
    }
}

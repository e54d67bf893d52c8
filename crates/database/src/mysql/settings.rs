use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use helpers::percent;
use secrecy::SecretString;

/// Where servers listen and clients ask, unless told otherwise.
pub const DEFAULT_PORT: u16 = 3306;

/// How long we wait for the server to let us in, unless `connect-timeout` says otherwise.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where packages of the servers put their socket; `localhost` without a port means the first of these that is there.
pub const DEFAULT_SOCKETS: [&str; 3] =
    ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];

/// Where a server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// By name or address, and port.
    Tcp {
        /// What the user calls it: a name or an IP address, without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// `localhost` without a port: as the clients have it, by the socket if there is one.
    #[default]
    Local,
    /// By the path of its socket.
    Socket(PathBuf),
}

impl fmt::Display for Place {
    /// `db.example.com:3306`, `[::1]:3306`, `/run/mysqld/mysqld.sock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Local => f.write_str("localhost"),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

/// Whether the connection is encrypted, and what the server's certificate must prove, in the words of the clients:
/// <https://dev.mysql.com/doc/refman/8.4/en/connection-options.html#option_general_ssl-mode>.
///
/// Through a socket nothing is encrypted, whatever the mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Never encrypted.
    Disabled,
    /// Encrypted where the server can; never unencrypted after a failed handshake.
    #[default]
    Preferred,
    /// Encrypted; whoever answers is believed.
    Required,
    /// Encrypted, and the certificate is signed by one that is trusted.
    VerifyCa,
    /// Encrypted, and the certificate is trusted and bears the host's name.
    VerifyIdentity,
}

impl SslMode {
    /// The words that a URL may use for it.
    pub const WORDS: &'static [&'static str] =
        &["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

    /// The choice that a word stands for, in capitals or not.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().replace('-', "_").as_str() {
            "DISABLED" => Some(Self::Disabled),
            "PREFERRED" => Some(Self::Preferred),
            "REQUIRED" => Some(Self::Required),
            "VERIFY_CA" => Some(Self::VerifyCa),
            "VERIFY_IDENTITY" => Some(Self::VerifyIdentity),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disabled => "DISABLED",
            Self::Preferred => "PREFERRED",
            Self::Required => "REQUIRED",
            Self::VerifyCa => "VERIFY_CA",
            Self::VerifyIdentity => "VERIFY_IDENTITY",
        }
    }
}

/// What a `mysql://` or `mariadb://` URL says. `Debug` and `Display` do not show the password.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The scheme as it was written: `mysql` or `mariadb`. Both mean the same.
    pub scheme: String,
    /// Where the server is.
    pub place: Place,
    /// The account.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// The database. Never empty once parsed.
    pub database: String,
    /// Whether TLS is used.
    pub ssl_mode: SslMode,
    /// The certificates that are trusted, a PEM file.
    pub ssl_ca: Option<PathBuf>,
    /// Our own certificate, a PEM file.
    pub ssl_cert: Option<PathBuf>,
    /// The key to it, a PEM file.
    pub ssl_key: Option<PathBuf>,
    /// How long to wait for the server to let us in; zero is without end.
    pub connect_timeout: Option<Duration>,
}

impl fmt::Display for Settings {
    /// As a URL, with `***` for the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", if self.scheme.is_empty() { "mysql" } else { &self.scheme })?;
        if let Some(user) = &self.user {
            f.write_str(&percent::encode(user))?;
            f.write_str(if self.password.is_some() { ":***@" } else { "@" })?;
        }
        if !matches!(self.place, Place::Socket(_)) {
            self.place.fmt(f)?;
        }
        write!(f, "/{}", percent::encode(&self.database))?;
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let socket = match &self.place {
            Place::Socket(socket) => Some(path(socket)),
            _ => None,
        };
        let mode = (self.ssl_mode != SslMode::default()).then(|| self.ssl_mode.word().to_owned());
        let parameters = [
            ("socket", socket),
            ("ssl-mode", mode),
            ("ssl-ca", self.ssl_ca.as_ref().map(path)),
            ("ssl-cert", self.ssl_cert.as_ref().map(path)),
        ];
        let given = parameters.into_iter().filter_map(|(key, value)| Some((key, value?)));
        for (number, (key, value)) in given.enumerate() {
            let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/,:".contains(&byte);
            let value = percent::encode_bytes(value.as_bytes(), keep);
            write!(f, "{}{key}={value}", if number == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use helpers::percent;
use secrecy::SecretString;

/// Where servers listen and clients ask, unless told otherwise.
pub const DEFAULT_PORT: u16 = 5432;

/// How long we wait for one server to let us in, unless `connect_timeout` says otherwise.
///
/// libpq waits without end; a nightly job that hangs so is noticed too late.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What the user calls it: a name, an IP address, or the folder of its socket.
    pub name: String,
    /// The address to go to instead of asking for it by name (`hostaddr`).
    pub address: Option<IpAddr>,
    /// Its port; part of the socket's file name too.
    pub port: u16,
}

impl Host {
    /// Whether it is reached through a socket in a folder (or, with `@`, in Linux's abstract namespace).
    pub fn is_socket(&self) -> bool {
        self.address.is_none() && self.name.starts_with(['/', '@'])
    }

    /// The name that its certificate must bear.
    pub(super) fn name_for_tls(&self) -> String {
        match (self.name.as_str(), self.address) {
            ("", Some(address)) => address.to_string(),
            (name, _) => name.to_owned(),
        }
    }
}

impl fmt::Display for Host {
    /// `db.example.com:5432`, `[::1]:5432`, `/var/run/postgresql/.s.PGSQL.5432`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name_for_tls();
        if self.is_socket() {
            write!(f, "{name}/.s.PGSQL.{}", self.port)
        } else if name.contains(':') {
            write!(f, "[{name}]:{}", self.port)
        } else {
            write!(f, "{name}:{}", self.port)
        }
    }
}

/// A choice of a few words, as a URL writes them.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name { $($(#[$each])* $variant,)+ }

        impl $name {
            /// The words that a URL may use for it.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The choice that a word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

words! {
    /// Whether the connection is encrypted, and what the server's certificate must prove.
    ///
    /// As libpq: <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>, but
    /// `prefer` goes without TLS only where the server says that it has none, or that it lets us in only without,
    /// never after a failed handshake.
    SslMode {
        /// Never encrypted.
        Disable = "disable",
        /// Encrypted only where the server insists.
        Allow = "allow",
        /// Encrypted where the server can.
        #[default]
        Prefer = "prefer",
        /// Encrypted; whoever answers is believed, unless there is an `sslrootcert`.
        Require = "require",
        /// Encrypted, and the certificate is signed by one that is trusted.
        VerifyCa = "verify-ca",
        /// Encrypted, and the certificate is trusted and bears the host's name.
        VerifyFull = "verify-full",
    }
}

words! {
    /// How TLS begins.
    SslNegotiation {
        /// The server is asked first.
        #[default]
        Postgres = "postgres",
        /// With the first byte; PostgreSQL 17 and later.
        Direct = "direct",
    }
}

words! {
    /// Whether the password exchange is tied to the TLS connection.
    ChannelBinding {
        /// Never.
        Disable = "disable",
        /// Where the server can.
        #[default]
        Prefer = "prefer",
        /// Always.
        Require = "require",
    }
}

words! {
    /// Which of several servers will do.
    TargetSession {
        /// Any.
        #[default]
        Any = "any",
        /// One that takes writes.
        ReadWrite = "read-write",
        /// One that does not.
        ReadOnly = "read-only",
        /// One that is not in recovery.
        Primary = "primary",
        /// One that is.
        Standby = "standby",
        /// A standby, or else any.
        PreferStandby = "prefer-standby",
    }
}

/// Which certificates are trusted to sign the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCert {
    /// The operating system's.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// What a `postgres://` URL says. `Debug` and `Display` do not show the password.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The servers to try, in order. Never empty once parsed.
    pub hosts: Vec<Host>,
    /// The account.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// The database; the account's name if there is none.
    pub database: Option<String>,
    /// A password file as libpq's users keep it, read when there is no password.
    pub passfile: Option<PathBuf>,
    /// Whether TLS is used.
    pub ssl_mode: SslMode,
    /// How TLS begins.
    pub ssl_negotiation: SslNegotiation,
    /// Which certificates are trusted.
    pub ssl_root_cert: Option<RootCert>,
    /// Our own certificate, a PEM file.
    pub ssl_cert: Option<PathBuf>,
    /// The key to it, a PEM file.
    pub ssl_key: Option<PathBuf>,
    /// Whether the password exchange is tied to the TLS connection.
    pub channel_binding: ChannelBinding,
    /// Command-line options for the server's session, such as `-c work_mem=64MB`.
    pub options: Option<String>,
    /// The session's `search_path`.
    pub search_path: Option<String>,
    /// The role that our sessions act as; the account itself if there is none.
    pub role: Option<String>,
    /// What we call ourselves; `dbm` if not given.
    pub application_name: Option<String>,
    /// How long to wait for one server to let us in; zero is without end.
    pub connect_timeout: Option<Duration>,
    /// Which of several servers will do.
    pub target_session: TargetSession,
    /// Whether the servers are tried in an order of chance.
    pub shuffle_hosts: bool,
    /// Whether idle TCP connections are kept awake; they are unless this says no.
    pub keepalives: Option<bool>,
    /// After how long an idle connection is probed.
    pub keepalives_idle: Option<Duration>,
    /// How long to wait between probes.
    pub keepalives_interval: Option<Duration>,
    /// How many probes may be lost.
    pub keepalives_count: Option<u32>,
    /// How long sent data may stay unacknowledged.
    pub tcp_user_timeout: Option<Duration>,
}

impl Settings {
    /// The database to connect to: the one named, else the account's name.
    pub fn database(&self) -> &str {
        self.database.as_deref().or(self.user.as_deref()).unwrap_or_default()
    }

    /// The options for the server, with the search path among them.
    pub(crate) fn startup_options(&self) -> Option<String> {
        let set = |name: &str, value: &Option<String>| {
            // The server splits options at blanks; a backslash keeps the next character.
            let mut escaped = format!("-c {name}=");
            for character in value.as_deref()?.chars() {
                if character.is_whitespace() || character == '\\' {
                    escaped.push('\\');
                }
                escaped.push(character);
            }
            Some(escaped)
        };
        // A role that is set so is the one that RESET ROLE leads back to.
        let all = [self.options.clone(), set("search_path", &self.search_path), set("role", &self.role)];
        let all: Vec<String> = all.into_iter().flatten().collect();
        if all.is_empty() { None } else { Some(all.join(" ")) }
    }
}

impl fmt::Display for Settings {
    /// As a URL, with `***` for the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            f.write_str(&percent::encode(user))?;
            f.write_str(if self.password.is_some() { ":***@" } else { "@" })?;
        }
        for (number, host) in self.hosts.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            if host.is_socket() {
                write!(f, "{}:{}", percent::encode(&host.name), host.port)?;
            } else {
                write!(f, "{host}")?;
            }
        }
        if let Some(database) = &self.database {
            write!(f, "/{}", percent::encode(database))?;
        }
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let other = |word: &'static str, default: bool| (!default).then(|| word.to_owned());
        let parameters = [
            ("sslmode", other(self.ssl_mode.word(), self.ssl_mode == SslMode::default())),
            (
                "sslrootcert",
                self.ssl_root_cert.as_ref().map(|cert| match cert {
                    RootCert::System => "system".to_owned(),
                    RootCert::File(file) => path(file),
                }),
            ),
            ("sslcert", self.ssl_cert.as_ref().map(path)),
            ("options", self.options.clone()),
            ("search_path", self.search_path.clone()),
            (
                "target_session_attrs",
                other(self.target_session.word(), self.target_session == TargetSession::Any),
            ),
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

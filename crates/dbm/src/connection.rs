//! Which database: the URL from wherever it was given, the password from wherever it is kept.

use std::path::PathBuf;

use database::postgres::Settings;
use database::{DatabaseUrl, Engine};

use crate::configuration::{Configuration, Environment, Given, Origin};
use crate::error::{CommandError, Result, io};

/// A parsed URL and what must appear nowhere.
pub(crate) struct Target {
    pub(crate) url: DatabaseUrl,
    pub(crate) secrets: Vec<String>,
    /// A password stands on the command line.
    pub(crate) shown: bool,
    /// Where it was given.
    pub(crate) origin: Origin,
    /// Something else says a part of which database it is: a variable of libpq's, or `~/.my.cnf`.
    pub(crate) said_elsewhere: bool,
}

/// Finds and reads the URL.
pub(crate) fn find(configuration: &Configuration) -> Result<Target> {
    let (text, origin) = text(configuration)?;
    let mut url = DatabaseUrl::parse(&text)?;
    let mut secrets: Vec<String> = url.password().map(str::to_owned).into_iter().collect();
    let shown = !secrets.is_empty()
        && origin == Origin::Flag
        && configuration.given("url").is_some_and(|given| given.origin == Origin::Flag);
    let environment = &configuration.environment;
    let mut said_elsewhere = false;
    match &mut url {
        DatabaseUrl::Sqlite(file) => {
            // In dbm.toml a path is relative to that file, wherever dbm is called.
            file.path = configuration.folder_of(&origin).join(&file.path);
        }
        DatabaseUrl::Postgres(settings) => {
            let place = (settings.hosts.clone(), settings.database.clone());
            complete(settings, &text, environment)?;
            // Without a name it is the user's, whom PGUSER may name.
            said_elsewhere =
                place.1.is_none() || place != (settings.hosts.clone(), settings.database.clone());
            let file = environment.get("PGPASSFILE").map(PathBuf::from);
            let home = || environment.get("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
            let user = environment.get("PGUSER").map_or_else(account, str::to_owned);
            url.set_default_user(&user);
            if let Some(file) = file.or_else(home) {
                url.set_default_passfile(&file);
            }
        }
        DatabaseUrl::Mysql(settings) => {
            let place = settings.place.clone();
            crate::my_cnf::complete(settings, &my_cnf(environment));
            said_elsewhere = place != settings.place;
            url.set_default_user(&account());
        }
        _ => {}
    }
    if url.password().is_none()
        && let Some(password) = password(configuration, url.engine())?
    {
        url.set_password(&password);
        secrets.push(password);
    }
    Ok(Target { url, secrets, shown, origin, said_elsewhere })
}

/// Whether a URL was given at all.
pub(crate) fn is_given(configuration: &Configuration) -> bool {
    ["url", "url_file"].into_iter().any(|key| configuration.given(key).is_some())
}

/// The URL's text and where it was given. `url` and `url_file` are two spellings of one setting.
fn text(configuration: &Configuration) -> Result<(String, Origin)> {
    let rank = |given: &Given| match given.origin {
        Origin::Flag => 0,
        Origin::Environment => 1,
        Origin::DotEnv(_) => 2,
        Origin::File(_) => 3,
        Origin::Default => 4,
    };
    match (configuration.given("url"), configuration.given("url_file")) {
        (None, None) => Err(CommandError::usage("no database URL was given")
            .hint("export DATABASE_URL=postgres://user@host:5432/name, or say --url sqlite:path/to/file, or --url-file FILE")
            .hint("or write url = \"…\" into a dbm.toml: `dbm init` makes one")),
        (Some(url), Some(file)) if rank(url) == rank(file) => {
            Err(CommandError::usage("both a URL and a file with the URL were given in the same place")
                .hint("keep one of `url` (DATABASE_URL) and `url_file` (DBM_URL_FILE)"))
        }
        (Some(url), file) if file.is_none_or(|file| rank(url) < rank(file)) => {
            Ok((url.value.clone(), url.origin.clone()))
        }
        (_, Some(file)) => {
            let path = configuration.path("url_file");
            let text = std::fs::read_to_string(&path).map_err(|error| {
                CommandError { meaning: crate::error::Meaning::Usage, ..io("read the URL file", &path)(error) }
                    .hint("the file holds the URL in one line; chmod 600 keeps it to yourself")
            })?;
            Ok((text.trim().to_owned(), file.origin.clone()))
        }
        (Some(url), None) => Ok((url.value.clone(), url.origin.clone())),
    }
}

/// A password from its own variable or file, or from where the engine's clients read it.
fn password(configuration: &Configuration, engine: Engine) -> Result<Option<String>> {
    let environment = &configuration.environment;
    if let Some(password) = environment.get("DBM_PASSWORD") {
        return Ok(Some(password.to_owned()));
    }
    if let Some(path) = environment.get("DBM_PASSWORD_FILE").map(PathBuf::from) {
        let text = std::fs::read_to_string(&path).map_err(|error| CommandError {
            meaning: crate::error::Meaning::Usage,
            ..io("read the password file", &path)(error)
        })?;
        return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let theirs = match engine {
        Engine::Mysql => {
            my_cnf(environment).remove("password").or_else(|| environment.get("MYSQL_PWD").map(str::to_owned))
        }
        _ => environment.get("PGPASSWORD").map(str::to_owned),
    };
    Ok(theirs)
}

/// What libpq takes from the environment where the URL does not say it
/// (<https://www.postgresql.org/docs/current/libpq-envars.html>).
fn complete(settings: &mut Settings, text: &str, environment: &Environment) -> Result<()> {
    const VARIABLES: &[(&str, &str)] = &[
        ("PGHOST", "host"),
        ("PGHOSTADDR", "hostaddr"),
        ("PGPORT", "port"),
        ("PGDATABASE", "dbname"),
        ("PGSSLMODE", "sslmode"),
        ("PGSSLROOTCERT", "sslrootcert"),
        ("PGSSLCERT", "sslcert"),
        ("PGSSLKEY", "sslkey"),
        ("PGSSLNEGOTIATION", "sslnegotiation"),
        ("PGCHANNELBINDING", "channel_binding"),
        ("PGOPTIONS", "options"),
        ("PGAPPNAME", "application_name"),
        ("PGCONNECT_TIMEOUT", "connect_timeout"),
        ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ];
    let place = text.split_once("://").map_or("", |(_, rest)| rest);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let no_host = place.is_empty() || place.starts_with(['/', '?', ':']);
    let said = |key: &str| text.contains(&format!("?{key}=")) || text.contains(&format!("&{key}="));
    let mut query = Vec::new();
    for (variable, key) in VARIABLES {
        let about_host = ["host", "hostaddr", "port"].contains(key);
        if let Some(value) = environment.get(variable)
            && !said(key)
            && (!about_host || no_host && !said("host"))
        {
            query.push((*variable, *key, format!("{key}={}", helpers::percent::encode(value))));
        }
    }
    if query.is_empty() {
        return Ok(());
    }
    let joined: Vec<&str> = query.iter().map(|(_, _, pair)| pair.as_str()).collect();
    let variables: Vec<&str> = query.iter().map(|(variable, _, _)| *variable).collect();
    let other = DatabaseUrl::parse(&format!("postgres:///?{}", joined.join("&"))).map_err(|error| {
        CommandError::from(error).hint(format!("this comes from the environment: {}", variables.join(", ")))
    })?;
    let DatabaseUrl::Postgres(other) = other else { return Ok(()) };
    for (_, key, _) in &query {
        match *key {
            "host" | "hostaddr" | "port" => settings.hosts.clone_from(&other.hosts),
            "dbname" if settings.database.is_none() => settings.database.clone_from(&other.database),
            "sslmode" => settings.ssl_mode = other.ssl_mode,
            "sslrootcert" => settings.ssl_root_cert.clone_from(&other.ssl_root_cert),
            "sslcert" => settings.ssl_cert.clone_from(&other.ssl_cert),
            "sslkey" => settings.ssl_key.clone_from(&other.ssl_key),
            "sslnegotiation" => settings.ssl_negotiation = other.ssl_negotiation,
            "channel_binding" => settings.channel_binding = other.channel_binding,
            "options" => settings.options.clone_from(&other.options),
            "application_name" => settings.application_name.clone_from(&other.application_name),
            "connect_timeout" => settings.connect_timeout = other.connect_timeout,
            "target_session_attrs" => settings.target_session = other.target_session,
            _ => {}
        }
    }
    Ok(())
}

/// What MySQL's and MariaDB's clients would read.
fn my_cnf(environment: &Environment) -> std::collections::BTreeMap<String, String> {
    environment.get("HOME").map(|home| crate::my_cnf::read(std::path::Path::new(home))).unwrap_or_default()
}

/// The operating system's name for who runs this, as libpq's default account.
fn account() -> String {
    crate::audit::who()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn target(folder: &Path, flag: Option<&str>, variables: &[(&str, &str)]) -> Result<Target> {
        let flags: BTreeMap<_, _> = flag.map(|url| ("url", url.to_owned())).into_iter().collect();
        let environment = Environment::of(variables);
        find(&Configuration::read(flags, None, environment, folder)?)
    }

    #[test]
    fn without_a_url_the_error_says_how_to_give_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = target(folder.path(), None, &[]).err().unwrap();
        let text = format!("{error:?}");
        assert_eq!(error.meaning, crate::error::Meaning::Usage);
        for word in ["DATABASE_URL", "--url", "--url-file", "dbm.toml"] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn passwords_come_from_the_url_or_from_their_own_places() {
        let folder = tempfile::tempdir().unwrap();
        let password = |url, variables: &[(&str, &str)]| {
            let found = target(folder.path(), Some(url), variables).unwrap();
            (found.url.password().unwrap_or_default().to_owned(), found.shown)
        };
        assert_eq!(password("postgres://me:in@h/d", &[("PGPASSWORD", "out")]), ("in".to_owned(), true));
        assert_eq!(password("postgres://me@h/d", &[("PGPASSWORD", "out")]), ("out".to_owned(), false));
        let own = [("PGPASSWORD", "out"), ("DBM_PASSWORD", "own")];
        assert_eq!(password("postgres://me@h/d", &own), ("own".to_owned(), false));
        let each = [("PGPASSWORD", "postgres"), ("MYSQL_PWD", "mysql")];
        assert_eq!(password("mysql://me@h/d", &each).0, "mysql");
        assert_eq!(password("postgres://me@h/d", &each).0, "postgres");
        std::fs::write(folder.path().join(".my.cnf"), "[client]\npassword = from cnf\n").unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(password("mysql://me@h/d", &[("HOME", home), ("MYSQL_PWD", "mysql")]).0, "from cnf");
        let file = folder.path().join("password");
        std::fs::write(&file, "from file\n").unwrap();
        let path = file.to_str().unwrap();
        assert_eq!(password("postgres://me@h/d", &[("DBM_PASSWORD_FILE", path)]).0, "from file");
    }

    #[test]
    fn a_url_from_a_file_and_one_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("url"), "postgres://me:x@h/d\n").unwrap();
        let path = folder.path().join("url");
        let path = path.to_str().unwrap();
        let found = target(folder.path(), None, &[("DBM_URL_FILE", path)]).unwrap();
        assert_eq!((found.url.password(), found.shown), (Some("x"), false));
        let both = [("DBM_URL_FILE", path), ("DATABASE_URL", "sqlite:x.db")];
        assert!(target(folder.path(), None, &both).is_err());
        let flag = target(folder.path(), Some("sqlite:x.db"), &[("DBM_URL_FILE", path)]).unwrap();
        assert_eq!(flag.url.engine(), database::Engine::Sqlite);
    }

    #[test]
    fn a_sqlite_path_is_relative_to_where_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        std::fs::create_dir(&below).unwrap();
        std::fs::write(folder.path().join("dbm.toml"), "url = 'sqlite://data/erp.db?mode=rwc'").unwrap();
        let path = |flag| match target(&below, flag, &[]).unwrap().url {
            DatabaseUrl::Sqlite(file) => file.path,
            other => panic!("{other}"),
        };
        assert_eq!(path(None), folder.path().join("data/erp.db"));
        assert_eq!(path(Some("sqlite:data/erp.db")), below.join("data/erp.db"));
    }

    #[test]
    fn what_libpq_reads_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let variables = [
            ("PGHOST", "db.example"),
            ("PGPORT", "6000"),
            ("PGSSLMODE", "verify-full"),
            ("PGUSER", "clerk"),
            ("PGDATABASE", "shop"),
        ];
        let shown = |url| target(folder.path(), Some(url), &variables).unwrap().url.to_string();
        assert_eq!(shown("postgres:///"), "postgres://clerk@db.example:6000/shop?sslmode=verify-full");
        assert_eq!(
            shown("postgres://me@localhost/till?sslmode=require"),
            "postgres://me@localhost:5432/till?sslmode=require"
        );
    }
}

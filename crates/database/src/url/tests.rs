use std::time::Duration;

use helpers::percent;
use proptest::prelude::*;

use super::*;
use crate::postgres::{RootCert, SslMode, TargetSession};
use crate::sqlite::Mode;

fn settings(text: &str) -> Settings {
    match DatabaseUrl::parse(text) {
        Ok(DatabaseUrl::Postgres(settings)) => settings,
        other => panic!("{text}: {other:?}"),
    }
}

fn password(text: &str) -> Option<String> {
    DatabaseUrl::parse(text).unwrap().password().map(str::to_owned)
}

fn hosts(text: &str) -> String {
    settings(text).hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn printable() -> String {
    ('!'..='~').collect()
}

/// Every way in which a password may stand in a URL, and the same URL.
fn with_password(password: &str, encoded: bool) -> [String; 3] {
    let written = if encoded { percent::encode(password) } else { password.to_owned() };
    [
        format!("postgres://me:{written}@db.example.com:5433/shop?sslmode=require"),
        format!("postgresql://me:{written}@db.example.com:5433/shop"),
        format!("postgres://me:{written}@db.example.com:5433"),
    ]
}

#[test]
fn a_password_may_hold_any_printable_character_encoded_or_not() {
    let each = ('!'..='~').map(|character| format!("pass{character}word"));
    let alone = ('!'..='~').map(|character| character.to_string());
    let twice = ('!'..='~').map(|character| format!("{character}{character}"));
    for word in each.chain(alone).chain(twice).chain([printable(), "a b".into()]) {
        for encoded in [true, false] {
            for url in with_password(&word, encoded) {
                let settings = settings(&url);
                assert_eq!(password(&url).as_deref(), Some(word.as_str()), "{url}");
                assert_eq!(settings.hosts[0].to_string(), "db.example.com:5433", "{url}");
                assert_eq!(settings.user.as_deref(), Some("me"), "{url}");
            }
        }
    }
}

#[test]
fn a_password_is_never_shown() {
    for word in [printable(), "hunter2".to_owned(), "hunter2@x?y=z".to_owned()] {
        for encoded in [true, false] {
            for url in with_password(&word, encoded) {
                let mut url = DatabaseUrl::parse(&url).unwrap();
                for _ in 0..2 {
                    let shown = [format!("{url}"), format!("{url:?}"), format!("{url:#?}")];
                    let encoded = percent::encode(&word);
                    assert!(
                        !shown.iter().any(|text| text.contains(&word) || text.contains(&encoded)),
                        "{shown:?}"
                    );
                    assert!(shown[0].starts_with("postgres://me:***@db.example.com:5433"), "{}", shown[0]);
                    url.set_password(&word);
                }
            }
        }
    }
    // Nor where the URL cannot be read.
    for url in [
        "postgres://me:hunter2",
        "postgres://me:hunter2/shop",
        "postgres://me:hunter2@db:port/shop",
        "postgres://me:hunter2@db:99999/shop",
        "postgres://me:hunter2@db/shop?nope=1",
        "postgres://me:hunter2@db/shop?sslmode=hunter2",
        "postgres://me:hunter2@db/shop?connect_timeout=hunter2",
        "postgres://me:hunter2@db/shop?password=hunter2&ssl=hunter2",
        "postgres://me:hunter2@db/shop?hunter2",
        "postgres://me:hunter2%00@db/shop",
        "postgres:/me:hunter2@db/shop",
        "mysql://me:hunter2@db/shop?nope=1",
        "mysql://me:hunter2@db:99999/shop",
        "mysql://me:hunter2@db/",
        "oracle://me:hunter2@db/shop",
        "me:hunter2@db/shop",
        "//me:hunter2@db/shop",
    ] {
        let error = DatabaseUrl::parse(url).expect_err(url);
        let mut text = format!("{error} {error:?} {:?}", error.hint());
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            text += &next.to_string();
            cause = next.source();
        }
        assert!(!text.contains("hunter2"), "{url}: {text}");
        assert!(error.hint().is_some() || std::error::Error::source(&error).is_some(), "{url}: {text}");
    }
}

#[test]
fn urls_are_read_as_libpq_reads_them() {
    assert_eq!(hosts("postgres://"), "localhost:5432");
    assert_eq!(hosts("postgres://db"), "db:5432");
    assert_eq!(hosts("postgres://db:5433/shop"), "db:5433");
    assert_eq!(hosts("postgres://[::1]:5433,[fe80::1]/shop"), "[::1]:5433 [fe80::1]:5432");
    assert_eq!(hosts("postgres://a:1,b,c:3/shop"), "a:1 b:5432 c:3");
    assert_eq!(hosts("postgres://%2Fvar%2Frun:5433/shop"), "/var/run/.s.PGSQL.5433");
    assert_eq!(hosts("postgres:///shop?host=/var/run&port=5433"), "/var/run/.s.PGSQL.5433");
    assert_eq!(hosts("postgres:///shop?host=a,b&port=5433"), "a:5433 b:5433");
    assert_eq!(hosts("postgres:///?host=a,b&port=1,2"), "a:1 b:2");
    assert_eq!(hosts("postgres://db/shop?hostaddr=192.0.2.7"), "db:5432");
    assert_eq!(settings("postgres://db/shop?hostaddr=192.0.2.7").hosts[0].address, "192.0.2.7".parse().ok());
    assert_eq!(hosts("postgresql+psycopg2://u@db/shop"), "db:5432");

    let given =
        settings("postgres://db?user=me@corp&dbname=sh%20op&password=p@ss:w/rd&application_name=a%26b");
    assert_eq!((given.user.as_deref(), given.database()), (Some("me@corp"), "sh op"));
    assert_eq!(given.application_name.as_deref(), Some("a&b"));
    assert_eq!(settings("postgres://me@corp:secret@db/shop").user.as_deref(), Some("me@corp"));
    assert_eq!(settings("postgres://me@db").database(), "me");
    assert_eq!(password("postgres:///shop?user=u&password=p@ss?").as_deref(), Some("p@ss?"));
    assert_eq!(password("postgres://u:@db/shop"), None);

    let given = settings(
        "postgres://u@db/shop?sslmode=verify-ca&sslrootcert=/etc/ca.pem&sslcert=a.pem&sslkey=a.key&connect_timeout=5\
         &target_session_attrs=read-write&options=-c%20geqo%3Doff&search_path=a,b&passfile=/x&keepalives=0\
         &channel_binding=require&gssencmode=disable&client_encoding=utf8&load_balance_hosts=random",
    );
    assert_eq!(given.ssl_mode, SslMode::VerifyCa);
    assert_eq!(given.ssl_root_cert, Some(RootCert::File("/etc/ca.pem".into())));
    assert_eq!(given.connect_timeout, Some(Duration::from_secs(5)));
    assert_eq!(given.target_session, TargetSession::ReadWrite);
    assert_eq!(given.startup_options().as_deref(), Some("-c geqo=off -c search_path=a,b"));
    assert!(given.shuffle_hosts && given.keepalives == Some(false));
    assert_eq!(settings("postgres://u@db/?sslrootcert=system").ssl_mode, SslMode::VerifyFull);
    assert_eq!(settings("postgres://u@db/?ssl=true").ssl_mode, SslMode::Require);
}

#[test]
fn what_cannot_be_used_is_named() {
    for (url, kind, part) in [
        ("", ErrorKind::Usage, "empty"),
        ("shop.sqlite", ErrorKind::Usage, "engine"),
        ("host=db dbname=shop", ErrorKind::Usage, "engine"),
        ("oracle://db/shop", ErrorKind::Usage, "`oracle`"),
        ("mysql://u@db/", ErrorKind::Usage, "no database"),
        ("mysql://u@db/shop?ssl-mode=maybe", ErrorKind::Usage, "ssl-mode"),
        ("mariadb://u@db/shop?tls=yes", ErrorKind::Usage, "`tls`"),
        ("mysql://u@db/shop?socket=/tmp/s", ErrorKind::Usage, "socket"),
        ("postgres:db", ErrorKind::Usage, "`//`"),
        ("postgres://db/shop?sslmod=require", ErrorKind::Usage, "`sslmod`"),
        ("postgres://db/shop?schema=hr", ErrorKind::Usage, "`schema`"),
        ("postgres://db/shop?sslmode=on", ErrorKind::Usage, "sslmode"),
        ("postgres://db/shop?sslrootcert=system&sslmode=require", ErrorKind::Usage, "verify-full"),
        ("postgres://a,b,c/shop?port=1,2", ErrorKind::Usage, "as many ports"),
        ("postgres://db:0/shop", ErrorKind::Usage, "port"),
        ("postgres://db/shop?hostaddr=db", ErrorKind::Usage, "hostaddr"),
        ("sqlite:", ErrorKind::Usage, "path"),
        ("sqlite::memory:", ErrorKind::Usage, "memory"),
        ("sqlite:a.sqlite?mode=x", ErrorKind::Usage, "mode"),
        ("sqlite:a.sqlite?cache=shared", ErrorKind::Usage, "`cache`"),
    ] {
        let error = DatabaseUrl::parse(url).expect_err(url);
        assert_eq!(error.kind(), kind, "{url}: {error}");
        assert!(error.to_string().contains(part), "{url}: {error}");
        assert!(error.hint().is_some(), "{url}: {error}");
    }
}

#[test]
fn servers_of_mysql_and_mariadb() {
    let shown =
        |text: &str| DatabaseUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string();
    assert_eq!(shown("mysql://me:x@db/shop"), "mysql://me:***@db:3306/shop");
    assert_eq!(shown("mariadb://me@db:3307/a%2Fb"), "mariadb://me@db:3307/a%2Fb");
    assert_eq!(shown("mysql+pymysql://me@localhost/shop"), "mysql://me@localhost/shop");
    assert_eq!(shown("mysql://me@localhost:3306/shop"), "mysql://me@localhost:3306/shop");
    assert_eq!(shown("mysql://me@[::1]:3307/shop"), "mysql://me@[::1]:3307/shop");
    assert_eq!(shown("mysql://me@/shop?socket=/run/s.sock"), "mysql://me@/shop?socket=/run/s.sock");
    assert_eq!(shown("mysql://%2Frun%2Fs.sock/shop?user=me"), "mysql://me@/shop?socket=/run/s.sock");
    let verified = "mysql://me@db:3306/shop?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ca.pem";
    assert_eq!(shown("mysql://me@db/shop?ssl_mode=verify_identity&ssl_ca=/etc/ca.pem"), verified);
    for word in [printable(), "hunter2@x?y=z".to_owned()] {
        for written in [percent::encode(&word), word.clone()] {
            let url = format!("mysql://me:{written}@db:3307/shop?ssl-mode=REQUIRED");
            assert_eq!(password(&url).as_deref(), Some(word.as_str()), "{url}");
            assert_eq!(shown(&url), "mysql://me:***@db:3307/shop?ssl-mode=REQUIRED");
        }
    }
}

#[test]
fn sqlite_files() {
    let file = |text: &str| match DatabaseUrl::parse(text) {
        Ok(DatabaseUrl::Sqlite(file)) => (file.path.to_str().unwrap().to_owned(), file.mode),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(file("sqlite:shop.sqlite"), ("shop.sqlite".into(), Mode::ReadWrite));
    assert_eq!(file("sqlite://data/shop.db?mode=rwc"), ("data/shop.db".into(), Mode::Create));
    assert_eq!(file("sqlite:///srv/shop.db?mode=ro"), ("/srv/shop.db".into(), Mode::ReadOnly));
    assert_eq!(file("sqlite:/srv/a%20b%3F.db"), ("/srv/a b?.db".into(), Mode::ReadWrite));
    let url = DatabaseUrl::parse("sqlite:data/shop.db").unwrap();
    assert_eq!((url.database_name().as_str(), url.engine()), ("shop", Engine::Sqlite));
    assert_eq!(url.with_database("copy").to_string(), "sqlite:data/copy.db");
}

#[test]
fn what_is_handed_in_does_not_override_the_url() {
    let mut url = DatabaseUrl::parse("postgres://db").unwrap();
    url.set_default_user("me");
    url.set_default_user("you");
    assert_eq!(url.database_name(), "me");
    assert_eq!(url.with_database("other").database_name(), "other");
    url.set_default_passfile(Path::new("/home/me/.pgpass"));
    let DatabaseUrl::Postgres(settings) = &url else { panic!() };
    assert_eq!(settings.passfile.as_deref(), Some(Path::new("/home/me/.pgpass")));
}

/// Text of which URLs are made, without the `@` and `/` that make a whole URL of it, for libpq too.
fn words() -> impl Strategy<Value = String> {
    let words =
        vec!["1", "23", "?", "&", "=", ":", ",", "#", "[", "]", "user", "sslmode", "?user=", "?port=", "x"];
    prop::collection::vec(prop::sample::select(words), 0..8).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn nothing_panics(text: String, rest in "[ -~]{0,60}") {
        let _ = DatabaseUrl::parse(&text);
        let _ = DatabaseUrl::parse(&format!("postgres://{rest}"));
        let _ = DatabaseUrl::parse(&format!("sqlite:{rest}"));
    }

    #[test]
    fn encoded_passwords_of_any_text_come_back(word in "[^\0]{1,30}") {
        for url in with_password(&word, true) {
            let url = DatabaseUrl::parse(&url).unwrap();
            prop_assert_eq!(url.password(), Some(word.as_str()));
        }
    }

    #[test]
    fn plain_passwords_come_back(word in "[!-~]{1,30}") {
        // A `%` and two hex digits are an encoded character: that is the one thing that must be encoded.
        prop_assume!(percent::decode(&word).ok().as_deref() == Some(&word));
        for url in with_password(&word, false) {
            let url = DatabaseUrl::parse(&url).unwrap();
            prop_assert_eq!(url.password(), Some(word.as_str()));
        }
    }

    #[test]
    fn a_password_of_a_urls_own_words_is_never_shown(
        before in words(), after in words(), tail in prop::sample::select(vec!["", "/shop", ":1", "/shop?nope=1", ":x"])
    ) {
        let word = format!("{before}hunter2{after}");
        let text = format!("postgres://me:{word}@db{tail}");
        let shown = match DatabaseUrl::parse(&text) {
            Ok(url) => {
                prop_assert_eq!(url.password(), Some(word.as_str()));
                format!("{url} {url:?}")
            }
            Err(error) => format!("{error:?} {error} {:?}", std::error::Error::source(&error)),
        };
        prop_assert!(!shown.contains("hunter2"), "{}: {}", text, shown);
    }

    #[test]
    fn what_is_shown_can_be_read_again(
        user in "[^\0]{1,10}", database in "[^\0]{1,10}", path in "[^\0]{1,10}", folder in "[^\0,]{0,10}"
    ) {
        let [user, database, path] = [user, database, path].map(|part| percent::encode(&part));
        let folder = percent::encode(&format!("/{folder}"));
        let text = format!("postgres://{user}@{folder}:1,b,[::1]:2/{database}?search_path={path}");
        let url = DatabaseUrl::parse(&text).unwrap();
        let again = DatabaseUrl::parse(&url.to_string()).unwrap();
        prop_assert_eq!(format!("{url:?}"), format!("{again:?}"));
    }
}

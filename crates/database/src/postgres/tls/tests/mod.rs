//! TLS and passwords against a real server, judged by psql on the same URLs.

mod throwaway;

use throwaway::Throwaway;

use crate::certificates::Certificates;
use crate::postgres::connect;
use crate::postgres::process_id::process_id;
use crate::{DatabaseUrl, ErrorKind};

/// How a connection ends up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Plain,
    Tls,
    /// With an error of this kind whose message has this part.
    Fails(ErrorKind, &'static str),
}
use End::{Fails, Plain, Tls};
use ErrorKind::{Authentication, Connection, Io, Usage};

/// One server and all that is tried on it.
struct Lab {
    server: Throwaway,
    certificates: Certificates,
}

impl Lab {
    fn show(&self, certificate: Option<&str>) {
        let path = certificate.map(|name| self.certificates.path(name));
        let [key, ca] = ["server.key", "ca.pem"].map(|name| self.certificates.path(name));
        self.server.present(path.as_deref(), &key, &ca);
    }

    /// `user@host?parameters` as a URL; `{NAME}` is the path of one of the certificates.
    fn url(&self, short: &str) -> String {
        let (place, query) = short.split_once('?').unwrap_or((short, ""));
        let folder = self.certificates.path("");
        let query = query.replace('{', &folder.display().to_string()).replace('}', "");
        format!("postgres://{place}:{}/postgres?{query}", self.server.port)
    }

    async fn ours(&self, url: &str) -> Result<bool, crate::Error> {
        let DatabaseUrl::Postgres(settings) = DatabaseUrl::parse(url)? else { panic!("{url}") };
        let connection = connect(&settings, settings.database()).await?;
        let row = connection.query_one(ENCRYPTED, &[]).await.unwrap();
        let pid = connection.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        assert_eq!(process_id(&connection.cancel_token()).await, Some(pid), "{url}");
        connection.close().await;
        Ok(row.get(0))
    }

    /// We end up as wanted, and libpq as `theirs`.
    async fn check(&self, short: &str, wanted: End, theirs: End) {
        let url = self.url(short);
        let outcome = self.ours(&url).await;
        match (&outcome, wanted) {
            (Ok(false), Plain) | (Ok(true), Tls) => {}
            (Err(error), Fails(kind, part)) => {
                assert!(error.kind() == kind && error.to_string().contains(part), "{short}: {error:?}");
                assert!(error.hint().is_some(), "{short}: {error:?}");
                assert!(!format!("{error:?}").contains("secret"), "{short}: {error:?}");
            }
            _ => panic!("{short}: wanted {wanted:?}, had {outcome:?}"),
        }
        let judge = self.server.psql(&url, ENCRYPTED);
        let said = String::from_utf8_lossy(&judge.stdout).trim().to_owned();
        let fits = match theirs {
            Plain => said == "f",
            Tls => said == "t",
            Fails(..) => !judge.status.success(),
        };
        assert!(fits, "{short}: psql: {said} {}", String::from_utf8_lossy(&judge.stderr));
    }

    async fn as_libpq(&self, cases: &[(&str, End)]) {
        for &(short, wanted) in cases {
            self.check(short, wanted, wanted).await;
        }
    }
}

const ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

const ALLOWED: &str = "
hostssl   all tls_only   127.0.0.1/32 trust
hostnossl all plain_only 127.0.0.1/32 trust
hostssl   all certified  127.0.0.1/32 cert
host      all +passwords 127.0.0.1/32 scram-sha-256
host      all postgres   127.0.0.1/32 trust
";

#[tokio::test]
async fn tls_and_passwords_as_libpq_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Throwaway::start(folder.path());
    let made = folder.path().join("certificates");
    std::fs::create_dir(&made).unwrap();
    let lab = Lab { server, certificates: Certificates::make(&made) };
    lab.server.allow(ALLOWED);
    for role in ["tls_only", "plain_only", "certified"] {
        lab.server.run(&format!("CREATE ROLE {role} LOGIN"));
    }
    lab.server.run("CREATE ROLE passwords");
    lab.show(Some("good.pem"));
    modes(&lab).await;
    pg_hba(&lab).await;
    client_certificates(&lab).await;
    passwords(&lab).await;
    password_files(&lab).await;
    names_and_dates(&lab).await;
    chains(&lab).await;
    self_signed(&lab).await;
    version_1(&lab).await;
    without_tls(&lab).await;
}

async fn modes(lab: &Lab) {
    let distrusted = Fails(Connection, "nobody whom sslrootcert trusts");
    lab.as_libpq(&[
        ("postgres@localhost?sslmode=disable", Plain),
        ("postgres@localhost?sslmode=allow", Plain),
        ("postgres@localhost?sslmode=prefer", Tls),
        ("postgres@localhost", Tls),
        ("postgres@localhost?sslmode=require", Tls),
        ("postgres@localhost?sslmode=require&sslrootcert={ca.pem}", Tls),
        ("postgres@localhost?sslmode=require&sslrootcert={stranger.pem}", distrusted),
        ("postgres@localhost?sslmode=verify-ca", Fails(Usage, "whom to trust")),
        ("postgres@localhost?sslmode=verify-ca&sslrootcert={ca.pem}", Tls),
        ("postgres@localhost?sslmode=verify-ca&sslrootcert={stranger.pem}", distrusted),
        ("postgres@localhost?sslmode=verify-full", Fails(Usage, "whom to trust")),
        ("postgres@localhost?sslmode=verify-full&sslrootcert={ca.pem}", Tls),
        ("postgres@127.0.0.1?sslmode=verify-full&sslrootcert={ca.pem}", Tls),
        ("postgres@localhost?sslmode=verify-full&sslrootcert={stranger.pem}", distrusted),
        ("postgres@localhost?sslmode=verify-full&sslrootcert={no-such.pem}", Fails(Io, "no-such.pem")),
        ("postgres@localhost?sslmode=verify-full&sslrootcert={server.key}", Fails(Usage, "no certificate")),
    ])
    .await;
    // Where a file is named, it counts: libpq goes on without TLS, or without a look at the certificate.
    lab.check("postgres@localhost?sslmode=prefer&sslrootcert={stranger.pem}", distrusted, Plain).await;
    lab.check("postgres@localhost?sslmode=require&sslrootcert={no-such.pem}", Fails(Io, "no-such.pem"), Tls)
        .await;
    // A socket is never encrypted, whatever the mode.
    let url = format!(
        "postgres://postgres@/postgres?host={}&port={}&sslmode=verify-full&sslrootcert=/no/such",
        lab.server.socket().display(),
        lab.server.port
    );
    assert!(!lab.ours(&url).await.unwrap());
}

async fn pg_hba(lab: &Lab) {
    let refused = Fails(Authentication, "pg_hba.conf");
    lab.as_libpq(&[
        ("tls_only@localhost?sslmode=disable", refused),
        ("tls_only@localhost?sslmode=allow", Tls),
        ("tls_only@localhost?sslmode=prefer", Tls),
        ("tls_only@localhost?sslmode=require", Tls),
        ("plain_only@localhost?sslmode=disable", Plain),
        ("plain_only@localhost?sslmode=allow", Plain),
        ("plain_only@localhost?sslmode=prefer", Plain),
        ("plain_only@localhost?sslmode=require", refused),
        ("nobody@localhost?sslmode=prefer", refused),
        ("nobody@localhost?sslmode=allow", refused),
    ])
    .await;
}

async fn client_certificates(lab: &Lab) {
    for file in ["client.key", "server.key"] {
        use std::os::unix::fs::PermissionsExt as _;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(lab.certificates.path(file), private).unwrap();
    }
    let with = |mode: &str, cert: &str| {
        format!(
            "certified@localhost?sslmode={mode}&sslrootcert={{ca.pem}}&sslcert={{{cert}}}&sslkey={{client.key}}"
        )
    };
    for mode in ["allow", "prefer", "require", "verify-full"] {
        lab.as_libpq(&[(&with(mode, "client.pem"), Tls)]).await;
    }
    lab.as_libpq(&[
        ("certified@localhost?sslmode=require", Fails(Authentication, "certificate")),
        (&with("require", "other-client.pem"), Fails(Authentication, "certified")),
        (&with("require", "strange-client.pem"), Fails(Connection, "broke off")),
        ("certified@localhost?sslmode=require&sslcert={client.pem}", Fails(Usage, "sslkey")),
        (
            "certified@localhost?sslmode=require&sslcert={client.pem}&sslkey={server.key}",
            Fails(Usage, "cannot be used"),
        ),
    ])
    .await;
}

/// The verifiers that dbm makes are the server's own; what is typed at login is the password.
async fn passwords(lab: &Lab) {
    let printable: String = ('!'..='~').collect();
    // The last two change under SASLprep: a ligature, a soft hyphen and a no-break space.
    let words =
        ["secret", &printable, "two words'", "Grüße, 世界 🐘", "\u{fb01}sh", "so\u{ad}ft\u{a0}er", " \\ "];
    for (number, word) in words.iter().enumerate() {
        let verifier = helpers::password::scram_sha_256(word).unwrap();
        lab.server.run(&format!("CREATE ROLE user{number} LOGIN IN ROLE passwords PASSWORD '{verifier}'"));
        let stored =
            lab.server.run(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = 'user{number}'"));
        assert_eq!(stored, verifier, "taken as it is, not hashed again");
        let word = helpers::percent::encode(word);
        lab.as_libpq(&[(&format!("user{number}:{word}@localhost?sslmode=disable"), Plain)]).await;
    }
    let refused = Fails(Authentication, "refused the password of `user0`");
    lab.as_libpq(&[
        ("user0:secret@localhost?sslmode=require&channel_binding=require", Tls),
        ("user0:secret@localhost?sslmode=require&channel_binding=disable", Tls),
        (
            "user0:secret@localhost?sslmode=disable&channel_binding=require",
            Fails(Authentication, "channel_binding"),
        ),
        (
            "postgres@localhost?sslmode=require&channel_binding=require",
            Fails(Authentication, "channel_binding"),
        ),
        ("user0:secrets@localhost?sslmode=disable", refused),
        ("user0:secrets@localhost?sslmode=require&channel_binding=require", refused),
        ("user0@localhost?sslmode=disable", Fails(Authentication, "wants a password for `user0`")),
        ("user0@localhost?sslmode=require", Fails(Authentication, "wants a password for `user0`")),
    ])
    .await;
}

/// A CA that signs through another one: the server has to show the certificate between.
async fn chains(lab: &Lab) {
    let distrusted = Fails(Connection, "nobody whom sslrootcert trusts");
    lab.show(Some("chained.pem"));
    lab.as_libpq(&[
        ("postgres@localhost?sslmode=require", Tls),
        ("postgres@localhost?sslmode=verify-full&sslrootcert={ca.pem}", Tls),
        ("postgres@localhost?sslmode=verify-ca&sslrootcert={stranger.pem}", distrusted),
    ])
    .await;
    lab.show(Some("unchained.pem"));
    lab.as_libpq(&[("postgres@localhost?sslmode=verify-full&sslrootcert={ca.pem}", distrusted)]).await;
    lab.show(Some("good.pem"));
}

/// Where several lines stand, `nasty` is the role of the first that must match.
async fn password_files(lab: &Lab) {
    let (nasty, word) = (r"a:b\c *#", r"s:e\c*r e#t\");
    let verifier = helpers::password::scram_sha_256(word).unwrap();
    let role = crate::quote::identifier(crate::Engine::Postgres, nasty);
    lab.server.run(&format!("CREATE ROLE {role} LOGIN IN ROLE passwords PASSWORD '{verifier}'"));
    let (port, user, right) = (lab.server.port, r"a\:b\\c *#", r"s\:e\\c*r e#t\\");
    let missing = Fails(Authentication, "wants a password");
    let refused = Fails(Authentication, "refused the password");
    for (text, mode, wanted) in [
        (format!("localhost:{port}:postgres:{user}:{right}"), 0o600, Plain),
        (format!("*:*:*:*:{right}\n"), 0o600, Plain),
        (format!("# *:*:*:*:wrong\r\n\r\nnonsense\r\n*:*:*:{user}:{right}\r\n"), 0o600, Plain),
        (format!("*:*:*:{user}:{right}:more"), 0o600, Plain),
        // The first line that matches wins, right or wrong.
        (format!("*:*:*:*:wrong\n*:*:*:*:{right}"), 0o600, refused),
        (
            format!("*:*:other:*:wrong\n*:1:*:*:wrong\nlocalhos:*:*:*:wrong\n*:*:*:a:wrong\n*:*:*:*:{right}"),
            0o600,
            Plain,
        ),
        (format!("127.0.0.1:*:*:*:{right}"), 0o600, missing),
        (format!("*:*:*:a:b\\c *#:{right}"), 0o600, missing),
        // A single backslash at the end stands for itself.
        (format!("*:*:*:*:{}", right.strip_suffix('\\').unwrap()), 0o600, Plain),
        ("*:*:*:*:\n".to_owned(), 0o600, missing),
        // Others may read it.
        (format!("*:*:*:*:{right}"), 0o640, missing),
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        let path = lab.certificates.path("pgpass");
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, &text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let user = helpers::percent::encode(nasty);
        println!("{text}");
        let url = format!("{user}@localhost?sslmode=disable&passfile={{pgpass}}");
        lab.as_libpq(&[(&url, wanted)]).await;
        if mode != 0o600 {
            let error = lab.ours(&lab.url(&url)).await.unwrap_err();
            assert!(error.hint().unwrap().contains("chmod 0600"), "{:?}", error.hint());
        }
    }
}

async fn names_and_dates(lab: &Lab) {
    lab.show(Some("elsewhere.pem"));
    let nameless = Fails(Connection, "is not for `localhost`");
    lab.as_libpq(&[
        ("postgres@localhost?sslmode=verify-ca&sslrootcert={ca.pem}", Tls),
        ("postgres@localhost?sslmode=verify-full&sslrootcert={ca.pem}", nameless),
        (
            "postgres@127.0.0.1?sslmode=verify-full&sslrootcert={ca.pem}",
            Fails(Connection, "not for `127.0.0.1`"),
        ),
        ("postgres@db.example.com?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={ca.pem}", Tls),
    ])
    .await;
    lab.show(Some("nameless.pem"));
    lab.as_libpq(&[("postgres@localhost?sslmode=verify-ca&sslrootcert={ca.pem}", Tls)]).await;
    // A common name alone counts for libpq, and for nobody else any more (RFC 9525).
    lab.check("postgres@localhost?sslmode=verify-full&sslrootcert={ca.pem}", nameless, Tls).await;
    lab.show(Some("expired.pem"));
    let expired = Fails(Connection, "has expired");
    lab.as_libpq(&[
        ("postgres@localhost?sslmode=require", Tls),
        ("postgres@localhost?sslmode=verify-ca&sslrootcert={ca.pem}", expired),
        ("postgres@localhost?sslmode=verify-full&sslrootcert={ca.pem}", expired),
    ])
    .await;
}

/// What `openssl req -x509` makes says that it may sign others, and is its own root.
async fn self_signed(lab: &Lab) {
    lab.show(Some("own.pem"));
    lab.as_libpq(&[
        ("postgres@localhost?sslmode=require", Tls),
        ("postgres@localhost?sslmode=require&sslrootcert={own.pem}", Tls),
        ("postgres@localhost?sslmode=verify-ca&sslrootcert={own.pem}", Tls),
        ("postgres@localhost?sslmode=verify-full&sslrootcert={own.pem}", Tls),
        (
            "postgres@127.0.0.1?sslmode=verify-full&sslrootcert={own.pem}",
            Fails(Connection, "is not for `127.0.0.1`"),
        ),
    ])
    .await;
    for roots in ["ca.pem", "stranger.pem", "expired-own.pem"] {
        let DatabaseUrl::Postgres(settings) = DatabaseUrl::parse(
            &lab.url(&format!("postgres@localhost?sslmode=verify-ca&sslrootcert={{{roots}}}")),
        )
        .unwrap() else {
            panic!()
        };
        let error = connect(&settings, "postgres").await.unwrap_err();
        assert_eq!(error.kind(), Connection, "{roots}: {error:?}");
    }
    lab.show(Some("expired-own.pem"));
    lab.as_libpq(&[
        ("postgres@localhost?sslmode=require", Tls),
        (
            "postgres@localhost?sslmode=verify-ca&sslrootcert={expired-own.pem}",
            Fails(Connection, "has expired"),
        ),
    ])
    .await;
}

/// Certificates of version 1, as PostgreSQL's manual has one make them.
async fn version_1(lab: &Lab) {
    lab.show(Some("version1.pem"));
    lab.as_libpq(&[
        ("postgres@localhost", Tls),
        ("postgres@localhost?sslmode=require", Tls),
        ("user0:secret@localhost?sslmode=require&channel_binding=require", Tls),
        ("postgres@localhost?sslmode=verify-ca&sslrootcert={stranger.pem}", Fails(Connection, "version 1")),
    ])
    .await;
    let old = Fails(Connection, "version 1");
    lab.check("postgres@localhost?sslmode=verify-ca&sslrootcert={ca.pem}", old, Tls).await;
}

async fn without_tls(lab: &Lab) {
    lab.show(None);
    lab.as_libpq(&[
        ("postgres@localhost?sslmode=disable", Plain),
        ("postgres@localhost?sslmode=allow", Plain),
        ("postgres@localhost?sslmode=prefer", Plain),
        ("postgres@localhost?sslmode=require", Fails(Connection, "does not speak TLS")),
        (
            "postgres@localhost?sslmode=verify-full&sslrootcert={ca.pem}",
            Fails(Connection, "does not speak TLS"),
        ),
        ("tls_only@localhost?sslmode=allow", Fails(Authentication, "pg_hba.conf")),
        ("tls_only@localhost?sslmode=prefer", Fails(Authentication, "pg_hba.conf")),
    ])
    .await;
}

//! Whose certificates are believed.

use std::fs;
use std::net::TcpListener;

use super::super::testing::own;
use super::super::{Flavour, Place, Server, Settings, SslMode};
use crate::ErrorKind;
use crate::certificates::Certificates;

#[tokio::test]
async fn certificates_are_believed_as_far_as_the_mode_asks() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let path = |name: &str| certificates.path(name).display().to_string();
    fs::copy(path("good.pem"), path("shown.pem")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = format!(
        "--skip-networking=0 --bind-address=127.0.0.1 --port={port} --ssl-ca={} --ssl-cert={} --ssl-key={}",
        path("ca.pem"),
        path("shown.pem"),
        path("server.key")
    );
    let server = own(&options).await;
    let mut administrator = server.server.connect(None).await.unwrap();
    let show = match administrator.flavour() {
        Flavour::MariaDb => "FLUSH SSL",
        Flavour::MySql => "ALTER INSTANCE RELOAD TLS",
    };
    use SslMode::{Required, VerifyCa, VerifyIdentity};
    for (shown, mode, ca, refused) in [
        ("good", Required, "ca.pem", None),
        ("good", VerifyCa, "ca.pem", None),
        ("good", VerifyIdentity, "ca.pem", None),
        ("good", VerifyCa, "stranger.pem", Some("signed by nobody")),
        ("good", VerifyIdentity, "stranger.pem", Some("signed by nobody")),
        // For another host.
        ("elsewhere", Required, "ca.pem", None),
        ("elsewhere", VerifyCa, "ca.pem", None),
        ("elsewhere", VerifyIdentity, "ca.pem", Some("is not for that name")),
        ("elsewhere", VerifyCa, "stranger.pem", Some("signed by nobody")),
        // For no host at all, as those that MySQL makes for itself.
        ("nameless", VerifyCa, "ca.pem", None),
        ("nameless", VerifyIdentity, "ca.pem", Some("is not for that name")),
        ("nameless", VerifyCa, "stranger.pem", Some("signed by nobody")),
        ("expired", VerifyCa, "ca.pem", Some("has expired")),
        ("expired", VerifyIdentity, "ca.pem", Some("has expired")),
    ] {
        let case = format!("{shown} {mode:?} {ca}");
        // MySQL itself refuses to show one that has expired.
        if shown == "expired" && administrator.flavour() == Flavour::MySql {
            continue;
        }
        fs::copy(path(&format!("{shown}.pem")), path("shown.pem")).unwrap();
        administrator.batch(show, "cannot show another certificate").await.unwrap();
        let settings = Settings {
            user: Some("root".to_owned()),
            database: "mysql".to_owned(),
            place: Place::Tcp { host: "127.0.0.1".into(), port },
            ssl_mode: mode,
            ssl_ca: Some(certificates.path(ca)),
            ..Settings::default()
        };
        match (Server::new(settings).connect(None).await, refused) {
            (Ok(mut connection), None) => {
                let cipher = connection.query("SHOW STATUS LIKE 'Ssl_cipher'", "").await.unwrap();
                assert!(cipher[0][1].as_deref().is_some_and(|cipher| !cipher.is_empty()), "{case}");
            }
            (Err(error), Some(said)) => {
                assert_eq!(error.kind(), ErrorKind::Connection, "{case}");
                assert!(error.to_string().contains(said) && error.hint().is_some(), "{case}: {error:?}");
            }
            (outcome, _) => panic!("{case}: {outcome:?}"),
        }
    }
}

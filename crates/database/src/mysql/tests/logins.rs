//! The ways in which a server asks an account who it is.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::super::testing::{Own, fresh, own};
use super::super::{Connection, Flavour, Place, Server, Settings, SslMode};
use crate::certificates::Certificates;
use crate::{ErrorKind, Result};

const PASSWORD: &str = "p@ss:/w?rd";

/// A server that has all of them, at a port with TLS and at its socket.
async fn with_plugins(flavour: Flavour, folder: &Path) -> (Own, Place) {
    let certificates = Certificates::make(folder);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let plugins = match flavour {
        Flavour::MariaDb => {
            let folder = std::env::var("DBM_TEST_MARIADB_PLUGINS")
                .expect("DBM_TEST_MARIADB_PLUGINS is missing: run scripts/test");
            format!("--plugin-dir={folder} --plugin-load-add=auth_ed25519")
        }
        Flavour::MySql => "--plugin-load-add=auth_socket.so".to_owned(),
    };
    let [ca, cert, key] =
        ["ca.pem", "good.pem", "server.key"].map(|name| certificates.path(name).display().to_string());
    let options = format!(
        "--skip-networking=0 --bind-address=127.0.0.1 --port={port} --ssl-ca={ca} --ssl-cert={cert} --ssl-key={key} {plugins}"
    );
    (own(&options).await, Place::Tcp { host: "127.0.0.1".into(), port })
}

async fn log_in(user: &str, password: Option<&str>, place: &Place, ssl_mode: SslMode) -> Result<Connection> {
    let settings = Settings {
        user: Some(user.to_owned()),
        password: password.map(|password| password.to_owned().into()),
        place: place.clone(),
        ssl_mode,
        ..Settings::default()
    };
    Server::new(settings).connect_nowhere().await
}

async fn speaks_tls(connection: &mut Connection) -> bool {
    let cipher = connection.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'", "").await.unwrap();
    cipher[0][1].as_deref().is_some_and(|cipher| !cipher.is_empty())
}

#[tokio::test]
async fn a_password_of_every_kind_is_taken() {
    let flavour = fresh().await.connect(None).await.unwrap().flavour();
    let folder = tempfile::tempdir().unwrap();
    let (own, port) = with_plugins(flavour, folder.path()).await;
    let socket = own.server.settings().place.clone();
    let mut root = own.server.connect(None).await.unwrap();
    let kinds = match flavour {
        Flavour::MariaDb => &["mysql_native_password", "ed25519"][..],
        // MySQL 9 has no other.
        Flavour::MySql => &["caching_sha2_password"],
    };
    for kind in kinds {
        let user = format!("by_{kind}");
        let identified = match flavour {
            Flavour::MariaDb => format!("VIA {kind} USING PASSWORD('{PASSWORD}')"),
            Flavour::MySql => format!("WITH {kind} BY '{PASSWORD}'"),
        };
        root.batch(&format!("CREATE USER {user} IDENTIFIED {identified}"), "").await.unwrap();
        for (place, mode, tls) in [
            (&port, SslMode::Disabled, false),
            (&port, SslMode::Preferred, true),
            (&port, SslMode::Required, true),
            (&socket, SslMode::Preferred, false),
        ] {
            // MySQL remembers who has once shown the whole password, and asks for less the next time.
            root.batch("FLUSH PRIVILEGES", "").await.unwrap();
            for time in ["first", "second"] {
                let case = format!("{kind}, {place}, {mode:?}, the {time} time");
                let mut connection = log_in(&user, Some(PASSWORD), place, mode)
                    .await
                    .unwrap_or_else(|error| panic!("{case}: {error:?}"));
                assert_eq!(speaks_tls(&mut connection).await, tls, "{case}");
                let me = connection.value("SELECT CURRENT_USER()", "").await.unwrap();
                assert_eq!(me.as_deref(), Some(&*format!("{user}@%")), "{case}");
                for wrong in [Some("another"), None] {
                    let error = log_in(&user, wrong, place, mode).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Authentication, "{case}: {error:?}");
                    assert!(error.hint().is_some(), "{case}: {error:?}");
                }
            }
        }
    }
}

/// Whom the operating system knows needs no password, and only by the server's socket.
#[tokio::test]
async fn whom_the_socket_tells_is_let_in() {
    let flavour = fresh().await.connect(None).await.unwrap().flavour();
    let folder = tempfile::tempdir().unwrap();
    let (own, port) = with_plugins(flavour, folder.path()).await;
    let socket = own.server.settings().place.clone();
    let mut root = own.server.connect(None).await.unwrap();
    let identified = match flavour {
        Flavour::MariaDb => "VIA unix_socket",
        Flavour::MySql => "WITH auth_socket",
    };
    let id = Command::new("id").arg("-un").output().unwrap();
    let me = String::from_utf8(id.stdout).unwrap().trim().to_owned();
    for user in [&me, "nobody_here"] {
        let user = format!("`{user}`@localhost");
        let account = format!("CREATE USER IF NOT EXISTS {user}; ALTER USER {user} IDENTIFIED {identified}");
        root.batch(&account, "").await.unwrap();
    }
    // Where we are the superuser, that one has no password at another host's address.
    root.batch(&format!("DROP USER IF EXISTS `{me}`@`127.0.0.1`, `{me}`@`::1`"), "").await.unwrap();
    let mut connection = log_in(&me, None, &socket, SslMode::Preferred).await.unwrap();
    let known = connection.value("SELECT CURRENT_USER()", "").await.unwrap();
    assert_eq!(known, Some(format!("{me}@localhost")));
    for (user, place) in [("nobody_here", &socket), (&me, &port)] {
        for password in [None, Some(PASSWORD)] {
            let error = log_in(user, password, place, SslMode::Preferred).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{user} {place}: {error:?}");
            assert!(error.hint().is_some(), "{error:?}");
        }
    }
}

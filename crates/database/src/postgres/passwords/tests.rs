//! What libpq makes of whole files is tried in `tls/tests`; here is what needs sockets and addresses.

use super::*;

fn host(name: &str, address: Option<&str>) -> Host {
    Host { name: name.into(), address: address.map(|address| address.parse().unwrap()), port: 5432 }
}

fn found(text: &str, host: &Host) -> Option<String> {
    find(text, host, "shop", "me")
}

#[test]
fn a_socket_in_a_default_folder_is_localhost() {
    let text = "localhost:5432:shop:me:local\n/srv/run:5432:shop:me:folder\n";
    for folder in ["/var/run/postgresql", "/tmp"] {
        assert_eq!(found(text, &host(folder, None)).as_deref(), Some("local"), "{folder}");
    }
    assert_eq!(found(text, &host("/srv/run", None)).as_deref(), Some("folder"));
    assert_eq!(found(text, &host("/srv/other", None)), None);
}

#[test]
fn an_address_counts_only_where_there_is_no_name() {
    let text = r"192.0.2.7:*:*:*:v4
2001\:db8\:\:7:*:*:*:v6
db:*:*:*:name";
    assert_eq!(found(text, &host("db", Some("192.0.2.7"))).as_deref(), Some("name"));
    assert_eq!(found(text, &host("", Some("192.0.2.7"))).as_deref(), Some("v4"));
    assert_eq!(found(text, &host("2001:db8::7", None)).as_deref(), Some("v6"));
    assert_eq!(found(text, &host("other", None)), None);
}

#[test]
fn fields_must_match_whole() {
    for line in [
        "db:5432:shop:me",
        "db:5432:shop",
        "db",
        "",
        "db:543:shop:me:x",
        "db:5432:shop:m:x",
        "db*:*:*:*:x",
        r"\*:*:*:*:x",
    ] {
        assert_eq!(found(line, &host("db", None)), None, "{line}");
    }
    assert_eq!(found(r"\d\b:*:sh\op:me:\x", &host("db", None)).as_deref(), Some("x"));
    assert_eq!(found(r"\*:*:*:*:x", &host("*", None)).as_deref(), Some("x"));
    assert_eq!(found("db:*:*:*:wörd 世界", &host("db", None)).as_deref(), Some("wörd 世界"));
}

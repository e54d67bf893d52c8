use super::*;
use crate::postgres::properties::Setting;

fn role(name: &str, options: &[&str]) -> Role {
    Role {
        name: name.into(),
        options: options.iter().map(|word| (*word).to_owned()).collect(),
        password: Some("SCRAM-SHA-256$hash".into()),
        comment: None,
        security_labels: Vec::new(),
    }
}

fn member(role: &str, member: &str, grantor: Option<&str>, admin: bool) -> Membership {
    Membership {
        role: role.into(),
        member: member.into(),
        grantor: grantor.map(str::to_owned),
        admin,
        inherit: Some(true),
        set: Some(false),
    }
}

fn setting(role: Option<&str>, value: &str) -> Setting {
    Setting { role: role.map(str::to_owned), name: "app.key".into(), value: value.into() }
}

#[test]
fn a_grantor_comes_after_whoever_gave_it_to_him() {
    let all = vec![
        member("r", "a", Some("b"), false),
        member("r", "b", Some("c"), true),
        member("r", "c", None, true),
        member("s", "a", Some("gone"), false),
    ];
    let order: Vec<String> = read::grantable(all).into_iter().map(|one| one.role + &one.member).collect();
    assert_eq!(order, ["rc", "rb", "ra", "sa"]);
}

#[test]
fn what_is_missing_is_made_and_what_differs_is_named() {
    let wanted = Globals {
        version: 160_000,
        roles: vec![role("a b", &["LOGIN"]), role("there", &["LOGIN"])],
        memberships: vec![member("there", "a b", None, true), member("there", "a b", Some("x"), false)],
        settings: vec![setting(Some("there"), "secret"), setting(None, "it's")],
        parameters: Vec::new(),
        tablespaces: vec!["fast".into()],
    };
    let found = Globals {
        version: 160_000,
        roles: vec![role("there", &["NOLOGIN"])],
        memberships: vec![member("there", "a b", Some("x"), false)],
        settings: vec![setting(Some("there"), "other")],
        ..Globals::default()
    };
    let made = missing(&wanted, &found);
    let what: Vec<&str> = made.iter().map(|item| item.what.as_str()).collect();
    assert_eq!(
        what,
        ["role \"a b\"", "membership of \"a b\" in \"there\"", "setting \"app.key\" of all roles"]
    );
    assert_eq!(made[1].make, ["GRANT \"there\" TO \"a b\" WITH ADMIN OPTION, INHERIT TRUE, SET FALSE"]);
    assert_eq!(made[2].make, ["ALTER ROLE ALL SET \"app\".\"key\" TO 'it''s'"]);
    let named = differing(&wanted, &found);
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named[0].contains("`CREATE ROLE \"there\" WITH NOLOGIN` here, not"), "{named:?}");
    assert_eq!(named[1], "setting \"app.key\" of role \"there\" has another value here");
    assert!(named[2].contains("tablespace fast"), "{named:?}");
    assert!(missing(&wanted, &wanted).is_empty() && differing(&wanted, &wanted).is_empty());
    // A server that does not say who granted knows one membership only.
    let older = Globals { version: 150_000, ..wanted.clone() };
    let memberships = missing(&older, &Globals { version: 180_000, ..Globals::default() });
    let memberships: Vec<&str> = memberships
        .iter()
        .flat_map(|item| &item.make)
        .map(String::as_str)
        .filter(|text| text.starts_with("GRANT"))
        .collect();
    assert_eq!(memberships, ["GRANT \"there\" TO \"a b\" WITH ADMIN OPTION"]);
}

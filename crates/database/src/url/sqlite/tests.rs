//! SQLite URLs, tried on real files.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::DatabaseUrl;
use crate::sqlite::File;

const NAMES: &[&str] = &[
    "shop.sqlite",
    "two words.db",
    " edges ",
    "100%.db",
    "a%41b.db",
    "a%zz.db",
    "a?b.db",
    "a?mode=ro",
    "a#b.db",
    "a&b=c.db",
    "a+b.db",
    "Grüße-世界-🐘.db",
    "e\u{301}.db",
    "quotes'\"`.db",
    "-dash.db",
    "file:x.db",
    "back\\slash.db",
    "new\nline.db",
    "no ending",
    ".hidden",
    "semi;colon.db",
    "~tilde.db",
    "C:x.db",
    "@at:x.db",
];

fn parse(url: &str) -> SqliteUrl {
    match DatabaseUrl::parse(url) {
        Ok(DatabaseUrl::Sqlite(file)) => file,
        other => panic!("{url}: {other:?}"),
    }
}

fn file(url: &str) -> File {
    let SqliteUrl { path, mode } = parse(url);
    File::new(path, mode)
}

/// The path from the working directory.
fn relative(path: &Path) -> String {
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    format!("{up}{}", path.to_str().unwrap().trim_start_matches('/'))
}

fn encoded(path: &str) -> String {
    path.split('/').map(percent::encode).collect::<Vec<_>>().join("/")
}

#[test]
fn every_form_opens_the_file_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    for name in NAMES {
        let path = folder.join(name);
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch("CREATE TABLE t (name TEXT)").unwrap();
        database.execute("INSERT INTO t VALUES (?1)", [name]).unwrap();
        let (absolute, relative) = (path.to_str().unwrap(), relative(&path));
        let mut urls = Vec::new();
        for path in [encoded(absolute), encoded(&relative)] {
            for start in ["sqlite:", "sqlite://", "sqlite3:", "SQLite:", "sqlite+aiosqlite://"] {
                urls.extend(
                    ["", "?mode=rw", "?mode=ro", "?mode=rwc"].map(|mode| format!("{start}{path}{mode}")),
                );
            }
        }
        // Four slashes, as SQLAlchemy writes an absolute path.
        urls.push(format!("sqlite:///{}", encoded(absolute)));
        // As it is, unless a part of it means something else in a URL.
        if !name.contains('?') && !name.contains("%41") && name.trim() == *name {
            urls.extend([absolute, &relative].map(|path| format!("sqlite:{path}")));
            urls.push(format!("sqlite://{absolute}"));
        }
        for url in urls {
            let found: String =
                file(&url).open().unwrap().query_row("SELECT name FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!(&found, name, "{url}");
            let shown = parse(&url).to_string();
            assert_eq!(parse(&shown), parse(&url), "{shown}");
        }
    }
    let made = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(made, NAMES.len(), "no other file was made");
}

#[test]
fn a_missing_file_is_made_only_where_the_url_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new file.db");
    let url = format!("sqlite:{}", encoded(path.to_str().unwrap()));
    for mode in ["", "?mode=rw", "?mode=ro"] {
        let error = file(&format!("{url}{mode}")).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoDatabase, "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("?mode=rwc")), "{error:?}");
        assert!(!path.exists());
    }
    file(&format!("{url}?mode=rwc")).open().unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(path.exists());
    let read_only = file(&format!("{url}?mode=ro")).open().unwrap();
    assert!(read_only.execute_batch("INSERT INTO t VALUES (1)").is_err());
    file(&url).open().unwrap().execute_batch("INSERT INTO t VALUES (1)").unwrap();

    let error = file(&format!("sqlite:{}/no/such.db?mode=rwc", folder.path().display())).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoDatabase, "{error}");
    assert!(error.hint().is_some(), "{error:?}");
    // SQLAlchemy's way to write a relative path means the root folder here.
    let error = file("sqlite:///no-such-file.db").open().unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("sqlite:no-such-file.db")), "{error:?}");
    for url in [format!("sqlite:{}", folder.path().display()), "sqlite:.".into(), "sqlite:///".into()] {
        let error = file(&url).open().unwrap_err();
        assert!(error.to_string().contains("folder") && error.hint().is_some(), "{url}: {error:?}");
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    for (url, part) in [
        ("sqlite:", "no path"),
        ("sqlite://", "no path"),
        ("sqlite:?mode=rwc", "no path"),
        ("sqlite::memory:", "memory"),
        ("sqlite://:memory:", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("sqlite:%3Amemory%3A", "memory"),
        ("sqlite:file::memory:?cache=shared", "memory"),
        ("sqlite:a.db?mode=memory", "mode"),
        ("sqlite:a.db?mode=", "mode"),
        ("sqlite:a.db?mode", "`=`"),
        ("sqlite:a.db?Mode=ro", "`Mode`"),
        ("sqlite:a.db?mode=ro&immutable=1", "`immutable`"),
        ("sqlite:a%00.db", "path"),
        ("sqlite:%FF.db", "path"),
    ] {
        let error = DatabaseUrl::parse(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Usage, "{url}");
        assert!(error.to_string().contains(part), "{url}: {error}");
        assert!(error.hint().is_some() || std::error::Error::source(&error).is_some(), "{url}: {error}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same_file(path in "[^\0]{1,20}", mode in 0..3_usize) {
        let mode = [Mode::ReadOnly, Mode::ReadWrite, Mode::Create][mode];
        prop_assume!(!path.contains(":memory:"));
        let url = SqliteUrl { path: path.into(), mode };
        prop_assert_eq!(parse(&url.to_string()), url);
    }
}

//! The audit log.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::Place;

#[test]
fn whole_lines_of_json_that_only_the_owner_reads() {
    let place = Place::with_database();
    let ended = place.run(&["recover"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let path = place.path().join("logs/migration.log");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for field in ["time", "run", "who", "host", "database", "command", "step"] {
            assert!(line[field].is_string(), "{field} is missing in {line}");
        }
    }
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    // What a variable says is no more than that.
    let account = std::process::Command::new("id").arg("-un").output().unwrap().stdout;
    let account = String::from_utf8(account).unwrap();
    assert_eq!((last["outcome"].as_str(), last["who"].as_str()), (Some("done"), Some(account.trim())));
    assert_eq!(last["claims"].as_str(), Some("tester"));
    assert!(last["duration_ms"].is_u64());
}

#[test]
fn it_lies_beside_the_configuration_unless_told_otherwise() {
    let place = Place::with_database();
    place.file("below/keep", "");
    let below = place.path().join("below");
    let url = format!("sqlite:{}", place.path().join("shop.db").display());
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_dbm"))
            .args(arguments)
            .current_dir(&below)
            .env("DATABASE_URL", &url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["recover"]);
    assert!(place.path().join("logs/migration.log").exists());
    run(&["recover", "--log-dir", "elsewhere"]);
    assert!(below.join("elsewhere/migration.log").exists());
}

#[test]
fn a_command_that_changes_something_does_not_start_without_it() {
    let place = Place::with_database();
    place.file("logs", "no folder");
    for arguments in
        [&["migrate"][..], &["backup"], &["recover"], &["rollback"], &["replaced", "--let-go", "x", "--yes"]]
    {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("migration.log") && ended.stderr.contains("--log-dir"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(std::fs::metadata(place.path().join("shop.db")).unwrap().len(), 0);
    assert_eq!(place.run(&["status"]).code, Some(0), "reading works without");
}

#[test]
fn who_lets_an_archive_go_is_told() {
    let place = Place::with_database();
    assert_eq!(place.run(&["backup"]).code, Some(0));
    assert_eq!(place.run(&["pin", "latest", "--reason", "the merger"]).code, Some(0));
    assert_eq!(place.run(&["unpin", "latest"]).code, Some(0));
    let text = std::fs::read_to_string(place.path().join("logs/migration.log")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (command, reason) in [("pin", Some("the merger")), ("unpin", None)] {
        let last = lines.iter().rfind(|line| line["command"] == command).unwrap();
        assert_eq!((last["outcome"].as_str(), last["reason"].as_str()), (Some("done"), reason), "{last}");
        assert!(last["archive"].as_str().unwrap().starts_with("shop_"), "{last}");
    }
}

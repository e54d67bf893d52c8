//! Accounts that may do some of what a run or a restore needs: told before anything is changed.

use tests::{Folder, Judge as _, Postgres};

/// A database whose account owns it, but not all that is in it; and the account's URL.
fn shared() -> (Postgres, String) {
    let database = Postgres::new("shared");
    let account = format!("account_{}", database.name());
    let name = database.name();
    database.run(&format!(
        "CREATE ROLE {account} LOGIN CREATEDB; ALTER DATABASE {name} OWNER TO {account};
         CREATE TABLE theirs (a int); INSERT INTO theirs VALUES (1); GRANT SELECT ON theirs TO {account};"
    ));
    let url = database.url().replace("//postgres@", &format!("//{account}@"));
    (database, url)
}

fn drop_account(database: Postgres, url: &str) {
    let (account, _) = url.trim_start_matches("postgres://").split_once('@').expect("an account");
    let owner = format!("ALTER DATABASE {} OWNER TO postgres;", database.name());
    database.run(&format!("{owner} DROP OWNED BY {account}; DROP ROLE {account};"));
    drop(database);
}

#[test]
fn a_run_whose_backup_could_not_be_put_back_is_not_begun() {
    let (database, url) = shared();
    let folder = Folder::new(&url);
    folder.migration(
        "001_two",
        "-- dbm: no-transaction\nCREATE TABLE x (a int);\nSELECT 1/0;",
        "DROP TABLE x;",
    );
    let before = database.everything();
    let ended = folder.dbm(&url, &["migrate", "--safe", "--fence"]).run().expect(1);
    assert!(ended.stderr.contains("may give nothing to `postgres`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint:"), "{}", ended.stderr);
    assert_eq!(database.everything(), before);
    folder.dbm(&url, &["recover"]).run().expect(0);
    drop_account(database, &url);
}

#[test]
fn a_restore_names_owners_whom_the_account_may_not_act_for() {
    let (database, url) = shared();
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    database.run("INSERT INTO theirs VALUES (2)");
    let ended = folder.dbm(&url, &["restore", "latest"]).run().expect(1);
    for words in ["may give nothing to `postgres`", "--no-owner"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_eq!(database.ask("SELECT count(*) FROM theirs"), "2");
    drop_account(database, &url);
}

#[test]
fn an_answer_that_does_not_arrive_is_no_success() {
    let folder = Folder::new("sqlite:app.db?mode=rwc");
    let call = |output: &str| {
        let script = format!("\"$0\" backups --json > {output}");
        let binary = tests::target_folder().join("dbm");
        let ended = std::process::Command::new("sh")
            .args(["-c", &script])
            .arg(binary)
            .current_dir(folder.path())
            .output()
            .expect("sh");
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    assert_eq!(call("/dev/null").0, Some(0));
    let (code, said) = call("/dev/full");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("standard output"), "{said}");
}

//! Rights on single objects: the server forgets those on routines when these are dropped.

use backup::dump::{self, BackupOptions};
use backup::progress::Silent;
use backup::store::LocalStore;
use database::mysql::{SCRATCH_ACCOUNTS, Server, Settings};
use database::{Database, DatabaseUrl, Engine};

use super::Sandbox;
use crate::plan::Allowed;
use crate::{Outcome, Restoring};

const FAILS: &str = "DROP PROCEDURE p;\nDROP FUNCTION f;\nCREATE FUNCTION f() RETURNS int NO SQL RETURN 2;
DROP TABLE t;\nCREATE TABLE t (b int);\nDROP VIEW v;\nSELECT nothing FROM nowhere;";

/// A database with an account and a role that may use single objects of it; the fences of other tests leave these alone.
async fn sandbox() -> (Sandbox, [String; 2]) {
    let mut sandbox = Sandbox::new(Engine::Mysql).await;
    sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
    let name = sandbox.database.name();
    let [user, role] = ["u", "r"].map(|kind| name.replace("migrate", &format!("{SCRATCH_ACCOUNTS}{kind}")));
    for sql in [
        "CREATE TABLE t (a int, b int)",
        "CREATE VIEW v AS SELECT a FROM t",
        "CREATE PROCEDURE p() SELECT 1",
        "CREATE PROCEDURE stays() SELECT 1",
        "CREATE FUNCTION f() RETURNS int NO SQL RETURN 1",
        &format!("CREATE USER {user}"),
        &format!("CREATE ROLE {role}"),
        &format!("GRANT EXECUTE ON PROCEDURE {name}.p TO {user} WITH GRANT OPTION"),
        &format!("GRANT EXECUTE ON PROCEDURE {name}.p TO {role}"),
        &format!("GRANT EXECUTE, ALTER ROUTINE ON FUNCTION {name}.f TO {role}"),
        &format!("GRANT ALTER ROUTINE ON PROCEDURE {name}.stays TO {user}"),
        &format!("GRANT SELECT (a), INSERT ON {name}.t TO {user}"),
        &format!("GRANT SELECT ON {name}.v TO {role}"),
    ] {
        sandbox.execute(sql).await;
    }
    sandbox.file("001_fails", FAILS, "SELECT 1;");
    (sandbox, [user, role])
}

/// Who may do what with single objects of the database, and of those that a restore makes.
async fn rights(sandbox: &Sandbox) -> String {
    let name = sandbox.database.name();
    let of = |columns: &str, table: &str| {
        let of_ours = format!("WHERE db = '{name}' OR db LIKE '{}\\\\_re%'", name.replace('_', "\\\\_"));
        format!("SELECT CONCAT_WS(' ', db, user, host, {columns}) AS told FROM mysql.{table} {of_ours}")
    };
    let all = [
        of("routine_type, routine_name, proc_priv", "procs_priv"),
        of("table_name, table_priv, column_priv", "tables_priv"),
        of("table_name, column_name, column_priv", "columns_priv"),
    ];
    sandbox.ask(&format!("{} ORDER BY told", all.join(" UNION ALL "))).await
}

async fn drop_all(sandbox: &Sandbox, [user, role]: &[String; 2]) {
    sandbox.execute(&format!("DROP USER IF EXISTS {user}")).await;
    sandbox.execute(&format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn what_went_with_a_routine_is_put_back_on_mysql() {
    for crash in [None, Some("restore:before"), Some("swap:before")] {
        let (mut sandbox, accounts) = sandbox().await;
        let version = sandbox.ask("SELECT VERSION()").await;
        let name = sandbox.database.name();
        // Before 10.11 there is none.
        let public = version.contains("MariaDB");
        if public {
            sandbox.execute(&format!("GRANT EXECUTE ON PROCEDURE {name}.p TO PUBLIC")).await;
        }
        let before = rights(&sandbox).await;
        assert_eq!(before.lines().count(), 7 + usize::from(public), "{before}");
        let report = match crash {
            Some(step) => {
                assert!(sandbox.crash(step).await, "{step}");
                sandbox.settings.yes = true;
                sandbox.runner().recover().await.unwrap()
            }
            None => sandbox.migrate().await,
        };
        assert_eq!(sandbox.ask("SELECT COUNT(*) FROM v").await, "0", "{report:?}");
        assert_eq!(rights(&sandbox).await, before, "{crash:?} {report:?}");
        if crash.is_none() {
            assert_eq!(report.outcome, Outcome::PutBack, "{report:?}");
            assert!(!report.state.contains("without"), "{}", report.state);
        }
        if public {
            sandbox.execute(&format!("REVOKE EXECUTE ON PROCEDURE {name}.p FROM PUBLIC")).await;
        }
        drop_all(&sandbox, &accounts).await;
    }
}

/// An account that is gone stays so: by itself, MariaDB would make it anew with its right, without a password.
#[tokio::test]
async fn whom_nothing_can_be_given_again_is_named_on_mysql() {
    let (mut sandbox, accounts) = sandbox().await;
    let user = &accounts[0];
    sandbox.settings.allowed.server_wide = true;
    sandbox.file(
        "001_fails",
        &format!("DROP PROCEDURE p;\nDROP USER {user};\nSELECT nothing FROM nowhere;"),
        "SELECT 1;",
    );
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::PutBack, "{report:?}");
    let lost = format!("GRANT EXECUTE ON PROCEDURE `p` TO '{user}'@'%' WITH GRANT OPTION");
    assert_eq!(report.restored.unwrap().not_granted[0], lost);
    assert!(report.state.contains(&lost), "{}", report.state);
    assert_eq!(sandbox.ask(&format!("SELECT COUNT(*) FROM mysql.user WHERE user = '{user}'")).await, "0");
    // Others have theirs again.
    let role = "PROCEDURE p Execute";
    assert!(rights(&sandbox).await.lines().any(|line| line.contains(&accounts[1]) && line.ends_with(role)));
    drop_all(&sandbox, &accounts).await;
}

/// The sandbox seen by an account that may not see who may run what, nor give it; the server as it was seen before, and the
/// names of another account and of that one.
async fn limited() -> (Sandbox, Database, [String; 2]) {
    let mut sandbox = Sandbox::new(Engine::Mysql).await;
    sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
    let name = sandbox.database.name();
    let [user, plain] = ["u", "p"].map(|kind| name.replace("migrate", &format!("{SCRATCH_ACCOUNTS}{kind}")));
    for sql in [
        &format!("CREATE USER {user}"),
        &format!("CREATE USER {plain}"),
        &format!("GRANT ALL ON `{}\\_re%`.* TO {plain}", name.replace('_', "\\_")),
        &format!("GRANT ALL ON {name}.* TO {plain}"),
        &format!("GRANT ALL ON dbm.* TO {plain}"),
    ] {
        sandbox.execute(sql).await;
    }
    let DatabaseUrl::Mysql(settings) = sandbox.database.url() else { panic!("a server") };
    let settings = Settings { user: Some(plain.clone()), password: None, ..settings };
    let root = std::mem::replace(&mut sandbox.database, Database::Mysql(Server::new(settings)));
    (sandbox, root, [user, plain])
}

/// An account that may not see who may run what, or may not give it, says so by name.
#[tokio::test]
async fn rights_out_of_our_reach_are_named_on_mysql() {
    let (mut sandbox, root, [user, plain]) = limited().await;
    let name = sandbox.database.name();
    let of_root = async |sql: String| root.session().await.unwrap().execute(&sql).await.unwrap();
    sandbox.execute("CREATE PROCEDURE p() SELECT 1").await;
    sandbox.file("001_fails", "DROP PROCEDURE p;\nSELECT nothing FROM nowhere;", "SELECT 1;");
    sandbox.settings.yes = true;
    for (seen, told) in [
        (false, "who may run procedure p (".to_owned()),
        (true, format!("GRANT EXECUTE ON PROCEDURE `p` TO '{user}'@'%'")),
    ] {
        if seen {
            of_root(format!("GRANT SELECT ON mysql.procs_priv TO {plain}")).await;
        }
        // Who finds the exchange made has to say what it could not bring back.
        for crash in [None, Some("swap:after"), Some("end:after")] {
            of_root(format!("GRANT EXECUTE ON PROCEDURE {name}.p TO {user}")).await;
            let report = match crash {
                Some(step) => {
                    assert!(sandbox.crash(step).await, "{step}");
                    sandbox.runner().recover().await.unwrap()
                }
                None => sandbox.migrate().await,
            };
            let outcome = if crash.is_none() { Outcome::PutBack } else { Outcome::Done };
            assert_eq!(report.outcome, outcome, "{crash:?} {report:?}");
            assert!(report.state.contains(&told), "{crash:?} {}", report.state);
        }
    }
    of_root(format!("DROP USER {user}, {plain}")).await;
}

/// The same of a restore that somebody asks for: what its archive does not have is nobody's loss.
#[tokio::test]
async fn rights_that_a_restore_takes_are_named_on_mysql() {
    let (sandbox, root, [user, plain]) = limited().await;
    let name = sandbox.database.name();
    let of_root = async |sql: String| root.session().await.unwrap().execute(&sql).await.unwrap();
    sandbox.execute("CREATE PROCEDURE p() SELECT 1").await;
    let store = LocalStore::new(sandbox.path().join("store"));
    let archive = dump::create(&root, &store, &BackupOptions::default(), &Silent).await.unwrap().name;
    let restoring = Restoring {
        disconnect: true,
        from_source: Some(root.about().await.unwrap().source),
        ..Restoring::default()
    };
    for (seen, told) in [
        (false, "those of others on procedure p, ".to_owned()),
        (true, format!("GRANT EXECUTE ON PROCEDURE `p` TO '{user}'@'%'")),
    ] {
        sandbox.execute("CREATE PROCEDURE newer() SELECT 1").await;
        for routine in ["p", "newer"] {
            of_root(format!("GRANT EXECUTE ON PROCEDURE {name}.{routine} TO {user}")).await;
        }
        if seen {
            of_root(format!("GRANT SELECT ON mysql.procs_priv TO {plain}")).await;
        }
        let report = sandbox.runner().restore(&archive, &restoring).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert!(report.state.contains(&told), "{}", report.state);
        let not_granted = report.restored.unwrap().not_granted;
        assert_eq!(not_granted.len(), 1, "{not_granted:?}");
        assert!(not_granted[0].starts_with(&told), "{not_granted:?}");
    }
    // Whoever may give them again has nothing to tell.
    of_root(format!("GRANT EXECUTE ON PROCEDURE {name}.p TO {user}")).await;
    of_root(format!("GRANT ALL ON {name}.* TO {plain} WITH GRANT OPTION")).await;
    let report = sandbox.runner().restore(&archive, &restoring).await.unwrap();
    assert_eq!(report.restored.unwrap().not_granted, [""; 0]);
    of_root(format!("DROP USER {user}, {plain}")).await;
}

//! What an account has to be allowed, and what is told before anything is touched.

use database::mysql::{SCRATCH_ACCOUNTS, Server, Settings};

use super::{backed_up, database};
use crate::mysql::testing::{fresh, is_mariadb, rows, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

/// An account of a test's own, which the fences of other tests leave alone, and the server as it sees it.
async fn account(server: &Server) -> (String, Server) {
    let user = server.database().replace("dbm_backup", &format!("{SCRATCH_ACCOUNTS}r"));
    run(server, &format!("CREATE USER {user} IDENTIFIED BY 'x'")).await;
    let (name, password) = (Some(user.clone()), Some("x".to_owned().into()));
    (user, Server::new(Settings { user: name, password, ..server.settings().clone() }))
}

fn options() -> RestoreOptions {
    RestoreOptions { disconnect: true, ..RestoreOptions::default() }
}

/// What a hint says is what is to be typed.
fn grants(hint: &str) -> String {
    let from = &hint[hint.find("GRANT ").unwrap()..];
    let ends = from.find("; or ").or_else(|| from.find("; it ")).unwrap_or(from.len());
    from[..ends].to_owned()
}

#[tokio::test]
async fn what_acts_in_the_name_of_accounts_above_ours_is_told_first() {
    let target = fresh().await;
    let (user, plain) = account(&target).await;
    let (name, plain) = (target.database(), database(&plain));
    run(
        &target,
        &format!(
            "GRANT ALL ON {name}.* TO {user}; GRANT ALL ON `{name}\\_re%`.* TO {user}; GRANT ALL ON dbm.* TO {user};
             GRANT SELECT ON mysql.* TO {user}"
        ),
    )
    .await;
    if !is_mariadb() {
        run(&target, &format!("GRANT SET_ANY_DEFINER ON *.* TO {user}")).await;
    }
    run(&target, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await;
    let (_folder, without) = backed_up(&target).await;
    for (make, remove) in [
        ("CREATE VIEW v AS SELECT a FROM t", "DROP VIEW v"),
        ("CREATE PROCEDURE p() SELECT 1", "DROP PROCEDURE p"),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DO 0", "DROP EVENT e"),
    ] {
        run(&target, make).await;
        let (_folder, with) = backed_up(&target).await;
        // What is there now is removed too, whatever becomes of what the archive has.
        let current = RestoreOptions { no_owner: true, ..options() };
        for (archive, options) in [(&with, &options()), (&with, &current), (&without, &options())] {
            let error = restore::beside(archive, &plain, options, &Silent).await.unwrap_err();
            assert!(error.to_string().contains("in the name of others: root@"), "{make}: {error}");
            let hint = error.hint().unwrap();
            let right = if is_mariadb() { "SET USER" } else { "SYSTEM_USER" };
            assert!(hint.contains(&format!("GRANT {right} ON *.* TO '{user}'@'%'")), "{hint}");
        }
        if make.contains("EVENT") {
            let error = restore::beside(&with, &plain, &options(), &Silent).await.unwrap_err();
            run(&target, &grants(error.hint().unwrap())).await;
            let beside = restore::beside(&with, &plain, &options(), &Silent).await.unwrap();
            let replaced = beside.swap(&[], true).await.unwrap();
            assert_eq!(rows(&target, "SHOW EVENTS").await.len(), 1);
            restore::let_go(&plain, &replaced.name).await.unwrap();
        }
        run(&target, remove).await;
    }
    run(&target, &format!("DROP USER {user}")).await;
}

/// Everything that no other right is needed for, made again by an account that has been given what it was told it lacks.
#[tokio::test]
async fn what_is_asked_for_is_enough() {
    let target = fresh().await;
    let (user, plain) = account(&target).await;
    let name = target.database();
    // What it takes to make them in the first place.
    run(&target, &format!("GRANT ALL ON {name}.* TO {user}; GRANT ALL ON dbm.* TO {user}")).await;
    run(
        &plain,
        "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, a varchar(20), UNIQUE KEY (a), FULLTEXT KEY (a));
         CREATE TABLE u (id int PRIMARY KEY, t int, twice int AS (t * 2) STORED, KEY (twice), FOREIGN KEY (t) REFERENCES t (id));
         CREATE TABLE my (a int) ENGINE = MyISAM; CREATE TABLE merged (a int) ENGINE = MRG_MyISAM UNION = (my);
         INSERT INTO t (a) VALUES ('a'), ('b'); INSERT INTO u (id, t) VALUES (1, 1), (2, NULL); INSERT INTO my VALUES (5);
         CREATE VIEW v AS SELECT a FROM t; CREATE PROCEDURE p() SELECT 1;
         CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DO 0",
    )
    .await;
    if is_mariadb() {
        run(
            &plain,
            "CREATE SEQUENCE s; DO NEXTVAL(s); CREATE TABLE old (a int DEFAULT NEXTVAL(s)) WITH SYSTEM VERSIONING;
             INSERT INTO old VALUES (1); DELETE FROM old",
        )
        .await;
    }
    let (_folder, archive) = backed_up(&target).await;
    run(
        &target,
        &format!(
            "REVOKE ALL ON {name}.* FROM {user}; GRANT SELECT, CREATE, INDEX ON {name}.* TO {user};
             GRANT CREATE ON `{name}\\_re%`.* TO {user}"
        ),
    )
    .await;
    let plain = database(&plain);
    let error = restore::beside(&archive, &plain, &options(), &Silent).await.unwrap_err();
    assert!(error.to_string().contains(" lacks SELECT, INSERT,"), "{error}");
    assert_eq!(error.to_string().contains("REFERENCES"), !is_mariadb(), "{error}");
    run(&target, &grants(error.hint().unwrap())).await;
    // Servers go by one line alone, which has to have what was given before.
    let lines = rows(&target, &format!("SHOW GRANTS FOR {user}")).await;
    let own = format!("`{name}`.*");
    let lines: Vec<String> = lines.into_iter().flatten().flatten().collect();
    assert!(
        lines.iter().any(|line| line.contains("INDEX") && line.contains("TRIGGER") && line.contains(&own)),
        "{lines:?}"
    );
    let digests = target.digests().await.unwrap();
    let beside = restore::beside(&archive, &plain, &options(), &Silent).await.unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    assert_eq!(target.digests().await.unwrap(), digests);
    restore::let_go(&plain, &replaced.name).await.unwrap();
    run(&target, &format!("DROP USER {user}")).await;
}

/// What is made is read back, and the server says nothing of routines to those who may not see any.
#[tokio::test]
async fn whoever_is_told_of_no_routines_is_told_first() {
    let target = fresh().await;
    let (user, plain) = account(&target).await;
    let (name, plain) = (target.database(), database(&plain));
    run(&target, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await;
    let (_folder, archive) = backed_up(&target).await;
    let rights = "SELECT, INSERT, CREATE, DROP, ALTER, TRIGGER, EVENT";
    run(&target, &format!("GRANT ALL ON dbm.* TO {user}")).await;
    for on in [name.to_owned(), format!("`{name}\\_re%`")] {
        run(&target, &format!("GRANT {rights} ON {on}.* TO {user}")).await;
    }
    let error = restore::beside(&archive, &plain, &options(), &Silent).await.unwrap_err();
    assert!(error.to_string().contains("lacks EXECUTE in"), "{error}");
    run(&target, &grants(error.hint().unwrap())).await;
    let beside = restore::beside(&archive, &plain, &options(), &Silent).await.unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    restore::let_go(&plain, &replaced.name).await.unwrap();
    run(&target, &format!("DROP USER {user}")).await;
}

/// Where the server asks for it, a database whose tables are encrypted unlike those of others is made by few.
#[tokio::test]
async fn encryption_by_default_that_takes_a_right_is_told_first() {
    let target = fresh().await;
    if is_mariadb() {
        return;
    }
    let (user, plain) = account(&target).await;
    let (name, plain) = (target.database(), database(&plain));
    for on in [name.to_owned(), format!("`{name}\\_re%`"), "dbm".to_owned()] {
        run(&target, &format!("GRANT ALL ON {on}.* TO {user}")).await;
    }
    run(&target, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await;
    let (_folder, without) = backed_up(&target).await;
    run(&target, &format!("ALTER DATABASE {name} ENCRYPTION 'Y'")).await;
    let (_folder, with) = backed_up(&target).await;
    // Of the other tests none makes such a database as an account that lacks it.
    run(&target, "SET GLOBAL table_encryption_privilege_check = ON").await;
    // What is replaced is kept in a database like it.
    for archive in [&with, &without] {
        let error = restore::beside(archive, &plain, &options(), &Silent).await.unwrap_err();
        assert!(error.to_string().contains("lacks TABLE_ENCRYPTION_ADMIN"), "{error}");
        assert!(error.to_string().contains("not encrypted as their database is: t"), "{error}");
    }
    let error = restore::beside(&with, &plain, &options(), &Silent).await.unwrap_err();
    run(&target, &grants(error.hint().unwrap())).await;
    let beside = restore::beside(&with, &plain, &options(), &Silent).await.unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    restore::let_go(&plain, &replaced.name).await.unwrap();
    run(&target, &format!("REVOKE TABLE_ENCRYPTION_ADMIN ON *.* FROM {user}")).await;
    // Where both are as the server makes them, nobody is asked.
    run(&target, &format!("ALTER DATABASE {name} ENCRYPTION 'N'")).await;
    let replaced = restore::beside(&without, &plain, &options(), &Silent).await.unwrap();
    let replaced = replaced.swap(&[], true).await.unwrap();
    restore::let_go(&plain, &replaced.name).await.unwrap();
    run(&target, "SET GLOBAL table_encryption_privilege_check = OFF").await;
    run(&target, &format!("DROP USER {user}")).await;
}

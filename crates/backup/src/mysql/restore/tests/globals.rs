//! Accounts and roles, and what they may do, in an archive.

use database::mysql::{SCRATCH_ACCOUNTS, Server};

use super::{back_up, database, fresh, is_mariadb, named, restore, rows, run};
use crate::dump::BackupOptions;
use crate::mysql::testing::load;
use crate::progress::Silent;
use crate::restore::RestoreOptions;

/// Held by tests that make what the server lacks of all its accounts.
static ACCOUNTS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A script without what other tests' accounts, which may be gone, may do.
fn without_others(script: Vec<u8>, user: &str) -> Vec<u8> {
    let script = String::from_utf8(script).unwrap();
    let lines = script.lines().filter(|line| !line.contains(SCRATCH_ACCOUNTS) || line.contains(user));
    lines.collect::<Vec<_>>().join("\n").into_bytes()
}

/// Accounts and roles come back on request, as the server itself prints them, and are gone where the restore failed.
#[tokio::test]
async fn accounts_come_back_on_request() {
    let _alone = ACCOUNTS.lock().await;
    let source = fresh().await;
    let tag = source.database().replace("dbm_backup_", "g");
    let (role, app, open) = (format!("r_{tag}"), format!("a'`\"_{tag}"), format!("o_{tag}"));
    let quoted = |name: &str| database::quote::identifier(database::Engine::Mysql, name);
    let account = |name: &str| format!("{}@`10.%`", quoted(name));
    let role_name = if is_mariadb() { quoted(&role) } else { format!("{}@`%`", quoted(&role)) };
    let default_role = if is_mariadb() { "SET DEFAULT ROLE {} FOR" } else { "SET DEFAULT ROLE {} TO" };
    run(
        &source,
        &format!(
            "CREATE TABLE t (a int, b int); CREATE ROLE {role_name}; CREATE USER {app} IDENTIFIED BY 'it''s secret' REQUIRE SSL;
             CREATE USER {open}; GRANT PROCESS ON *.* TO {role_name}; GRANT {role_name} TO {app} WITH ADMIN OPTION;
             GRANT RELOAD ON *.* TO {app} WITH GRANT OPTION; GRANT SELECT, INSERT ON {database}.* TO {app};
             GRANT SELECT (a) ON {database}.t TO {open}; {default} {app}",
            app = account(&app),
            open = account(&open),
            database = source.database(),
            default = default_role.replace("{}", &role_name),
        ),
    )
    .await;
    let shown = async || {
        let mut told = Vec::new();
        for name in [account(&app), account(&open), role_name.clone()] {
            let mut connection = source.connect(None).await.unwrap();
            if !is_mariadb() {
                connection.batch("SET print_identified_with_as_hex = ON", "").await.unwrap();
            }
            for sql in [format!("SHOW CREATE USER {name}"), format!("SHOW GRANTS FOR {name}")] {
                told.push(connection.query(&sql, "").await.unwrap_or_default());
            }
        }
        told
    };
    // Whoever may do something everywhere is locked while another test's database is exchanged.
    let all = async || {
        let mut told = shown().await;
        for text in told.iter_mut().flatten().flatten().flatten() {
            *text = text.replace(" ACCOUNT LOCK", "").replace(" ACCOUNT UNLOCK", "");
        }
        told
    };
    let gone = format!("DROP USER {}, {}; DROP ROLE {role_name}", account(&app), account(&open));
    let before = all().await;
    let options = BackupOptions { globals: true, role_passwords: true, ..BackupOptions::default() };
    let (_folder, archive, script) = back_up(&source, &options).await;
    let bare = BackupOptions { globals: true, ..BackupOptions::default() };
    let (_bare_folder, without_hashes, bare_script) = back_up(&source, &bare).await;
    let (_none_folder, none, _) = back_up(&source, &BackupOptions::default()).await;
    let options = RestoreOptions { globals: true, ..RestoreOptions::default() };
    run(&source, &gone).await;
    let nobody = all().await;
    let into = |number: u32| format!("{}_{number}", source.database());
    let refused = restore::into(&none, &database(&source), &into(1), &options, &Silent).await.unwrap_err();
    assert!(refused.to_string().contains("holds no accounts"), "{refused}");
    // What fails after they were made leaves none of them.
    let far = RestoreOptions { cancel: tokio_util::sync::CancellationToken::new(), ..options.clone() };
    far.cancel.cancel();
    restore::into(&archive, &database(&source), &into(1), &far, &Silent).await.unwrap_err();
    assert_eq!(all().await, nobody);
    restore::into(&archive, &database(&source), &into(1), &options, &Silent).await.unwrap();
    assert_eq!(all().await, before);
    // Again it makes nothing.
    restore::into(&archive, &database(&source), &into(2), &options, &Silent).await.unwrap();
    assert_eq!(all().await, before);
    // By the stock client, too.
    run(&source, &gone).await;
    load(&fresh().await, &without_others(script, "nobody")).unwrap();
    assert_eq!(all().await, before);
    // Without hashes nobody gets in before somebody has given him a password.
    let bare_script = String::from_utf8(bare_script).unwrap();
    assert!(bare_script.contains("ACCOUNT LOCK") && !bare_script.contains("IDENTIFIED BY PASSWORD"));
    run(&source, &gone).await;
    restore::into(&without_hashes, &database(&source), &into(3), &options, &Silent).await.unwrap();
    let locked =
        shown().await.into_iter().flatten().flatten().flatten().any(|text| text.contains("ACCOUNT LOCK"));
    assert!(locked, "{:?}", shown().await);
    run(&source, &gone).await;
}

/// What an account may do with single objects.
async fn on_objects(server: &Server, user: &str) -> Vec<String> {
    let mut connection = server.connect_nowhere().await.unwrap();
    let lines = connection.query(&format!("SHOW GRANTS FOR {user}"), "").await.unwrap();
    let mut lines: Vec<String> = lines.into_iter().flatten().flatten().collect();
    lines.retain(|line| !line.contains(".*"));
    lines.sort();
    lines
}

/// Neither dbm nor the stock client stops at them.
#[tokio::test]
async fn rights_on_what_is_gone_take_no_others_with_them() {
    let _alone = ACCOUNTS.lock().await;
    let source = fresh().await;
    let name = source.database().to_owned();
    let (gone, user) = (format!("{name}_gone"), name.replace("dbm_backup", SCRATCH_ACCOUNTS));
    run(
        &source,
        &format!(
            "CREATE TABLE t (a int, b int, c int); CREATE TABLE u (a int); CREATE PROCEDURE p() SELECT 1;
             CREATE FUNCTION f() RETURNS int NO SQL RETURN 1; CREATE DATABASE {gone}; CREATE TABLE {gone}.t (a int);
             CREATE PROCEDURE {gone}.p() SELECT 1; CREATE USER {user}; GRANT EXECUTE ON PROCEDURE {gone}.p TO {user};
             GRANT SELECT, SELECT (a) ON {gone}.t TO {user}; GRANT SELECT (a, b), INSERT, UPDATE (c) ON {name}.t TO {user};
             GRANT DELETE ON {name}.u TO {user}; GRANT EXECUTE, ALTER ROUTINE ON FUNCTION {name}.f TO {user} WITH GRANT OPTION;
             GRANT EXECUTE ON PROCEDURE {name}.p TO {user}; GRANT SELECT, CREATE ON {name}.later TO {user};
             GRANT INSERT ON {gone}.* TO {user};
             DROP DATABASE {gone}; ALTER TABLE t DROP COLUMN b; DROP TABLE u"
        ),
    )
    .await;
    let all = on_objects(&source, &user).await;
    assert!(all.iter().any(|line| line.contains(&format!("`{gone}`.`p`"))), "{all:?}");
    let options = BackupOptions { globals: true, ..BackupOptions::default() };
    let (_folder, archive, script) = back_up(&source, &options).await;
    let without = format!("DROP USER {user}; DROP DATABASE {name}; CREATE DATABASE {name}");
    let options = RestoreOptions { globals: true, ..RestoreOptions::default() };
    let mut expected = all.clone();
    expected.retain(|line| !line.contains(&gone) && !line.contains("`.`u`"));
    for line in &mut expected {
        *line =
            line.replace("SELECT (`a`, `b`)", "SELECT (`a`)").replace("SELECT (`b`, `a`)", "SELECT (`a`)");
    }
    assert_eq!(expected.len(), 4, "{all:?}");

    run(&named(&source, "mysql"), &without).await;
    load(&source, &without_others(script, &user)).unwrap();
    assert_eq!(on_objects(&source, &user).await, expected);

    // Beside an empty database the objects have their names only after the exchange.
    run(&named(&source, "mysql"), &without).await;
    let made = restore::beside(&archive, &database(&source), &options, &Silent).await.unwrap();
    let replaced = made.swap(&[], true).await.unwrap();
    assert_eq!(on_objects(&source, &user).await, expected);
    let told = replaced.not_granted;
    for lost in [format!("`{gone}`.`p`"), format!("`{gone}`.`t`"), format!("`{name}`.`u`")] {
        assert!(
            told.iter().any(|grant| grant.starts_with("GRANT ") && grant.contains(&lost)),
            "{lost}: {told:?}"
        );
    }
    assert!(!told.iter().any(|grant| grant.contains("`f`")), "{told:?}");

    run(&named(&source, "mysql"), &format!("DROP USER {user}; DROP DATABASE {name}")).await;
    restore::into_missing(&archive, &database(&source), &options, &Silent).await.unwrap();
    assert_eq!(on_objects(&source, &user).await, expected);
    run(&source, &format!("DROP USER {user}")).await;
    assert_eq!(rows(&source, "SELECT COUNT(*) FROM t").await[0][0].as_deref(), Some("0"));
}

/// What belongs to the server and is in no archive is named.
#[tokio::test]
async fn what_else_the_server_has_is_named() {
    let source = fresh().await;
    let name = source.database().to_owned();
    let mut made = vec![(
        format!("foreign server {name}"),
        format!("CREATE SERVER {name} FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')"),
        format!("DROP SERVER {name}"),
    )];
    if !is_mariadb() {
        made.push((
            format!("resource group {name}"),
            format!("CREATE RESOURCE GROUP {name} TYPE = USER"),
            format!("DROP RESOURCE GROUP {name}"),
        ));
        let globe = "GEOGCS[\"dbm\",DATUM[\"dbm\",SPHEROID[\"dbm\",6378137,298.257]],PRIMEM[\"Greenwich\",0],\
                     UNIT[\"degree\",0.017453292519943278],AXIS[\"Lat\",NORTH],AXIS[\"Lon\",EAST]]";
        made.push((
            "spatial reference system 1234567".to_owned(),
            format!("CREATE SPATIAL REFERENCE SYSTEM 1234567 NAME 'dbm' DEFINITION '{globe}'"),
            "DROP SPATIAL REFERENCE SYSTEM 1234567".to_owned(),
        ));
    }
    for (_, make, _) in &made {
        run(&source, make).await;
    }
    let named = async |globals| {
        let options = BackupOptions { globals, ..BackupOptions::default() };
        back_up(&source, &options).await.1.index().left_out.clone()
    };
    let (asked, not_asked) = (named(true).await, named(false).await);
    for (_, _, drop) in &made {
        run(&source, drop).await;
    }
    for (what, ..) in &made {
        assert!(asked.iter().any(|line| line.starts_with(what)), "{what}: {asked:?}");
        assert!(!not_asked.iter().any(|line| line.starts_with(what)), "{what}: {not_asked:?}");
    }
}

//! General tablespaces, which only MySQL has.

use super::{back_up, beside, database, fresh, is_mariadb, rows, run};
use crate::dump::BackupOptions;
use crate::restore::{self, RestoreOptions};

#[tokio::test]
async fn a_tablespace_that_the_server_lacks_is_named_before_anything_is_made() {
    let server = fresh().await;
    if is_mariadb() {
        return;
    }
    let name = server.database().replace("dbm_backup", "dbm `space");
    let quoted = format!("`{}`", name.replace('`', "``"));
    let objects = format!(
        "CREATE TABLESPACE {quoted} ADD DATAFILE '{}.ibd'; CREATE TABLE inside (a int) TABLESPACE {quoted};
         INSERT INTO inside VALUES (1), (2); CREATE TABLE own_file (a int) TABLESPACE innodb_file_per_table;
         CREATE TABLE in_system (a int) TABLESPACE innodb_system",
        server.database()
    );
    run(&server, &objects).await;
    let (_folder, archive, _) = back_up(&server, &BackupOptions::default()).await;
    let before = server.schema().await.unwrap();

    // Where it is there, tables come back into it.
    run(&server, "DELETE FROM inside").await;
    let replaced = beside(&archive, &server).await.swap(&[], true).await.unwrap();
    assert_eq!(server.schema().await.unwrap(), before);
    assert!(before.objects.iter().any(|object| object.definition.contains(&quoted)), "{before:?}");
    assert_eq!(rows(&server, "SELECT * FROM inside").await.len(), 2);
    restore::let_go(&database(&server), &replaced.name).await.unwrap();

    run(&server, &format!("DROP TABLE inside; DROP TABLESPACE {quoted}")).await;
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    let found = restore::preflight(&archive, &database(&server), &options).await.unwrap();
    let error = found.check().unwrap_err();
    let wanted = format!("no tablespace `{name}`, which tables of the archive lie in: inside");
    assert!(error.to_string().contains(&wanted), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("CREATE TABLESPACE")), "{error:?}");
}

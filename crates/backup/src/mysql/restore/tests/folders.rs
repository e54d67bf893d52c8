//! Tables that lie in folders of their own.

use database::mysql::Flavour;

use super::{backed_up, database, named};
use crate::mysql::testing::{own, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

#[tokio::test]
async fn tables_in_folders_of_their_own_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    // MySQL takes no other folders than those that it knows.
    let server = own(&format!("--loose-innodb-directories={place}")).await;
    let mysql = server.server.connect(None).await.unwrap().flavour() == Flavour::MySql;
    run(&server.server, "CREATE DATABASE shop").await;
    let shop = named(&server.server, "shop");
    run(&shop, "CREATE TABLE plain (a int PRIMARY KEY, note text COMMENT 'DATA DIRECTORY')").await;
    let (_folder, without) = backed_up(&shop).await;
    for (table, rest) in [
        ("moved", format!("DATA DIRECTORY = '{place}'")),
        ("my", format!("ENGINE = MyISAM DATA DIRECTORY = '{place}' INDEX DIRECTORY = '{place}'")),
        (
            "parts",
            format!("PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (9) DATA DIRECTORY = '{place}')"),
        ),
    ] {
        // MySQL lets no table of MyISAM lie elsewhere.
        if table == "my" && mysql {
            continue;
        }
        run(&shop, &format!("CREATE TABLE {table} (a int PRIMARY KEY) {rest}")).await;
        let (_folder, with) = backed_up(&shop).await;
        let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
        let error = restore::beside(&with, &database(&shop), &options, &Silent).await.unwrap_err();
        assert!(error.to_string().contains(&format!("takes them: {table}")), "{error}");
        let error = restore::into(&with, &database(&shop), "copy", &options, &Silent).await.unwrap_err();
        assert!(error.to_string().contains(&format!("takes them: {table}")), "{error}");
        // No rename takes place where a copy is only looked at.
        if table == "moved" {
            let scratch = restore::scratch_name(&database(&shop)).await.unwrap();
            restore::into_scratch(&with, &database(&shop), &scratch, None, &options, &Silent).await.unwrap();
            restore::discard_scratch(&database(&shop), &scratch).await.unwrap();
        }
        let error = restore::beside(&without, &database(&shop), &options, &Silent).await.unwrap_err();
        assert!(error.to_string().contains(&format!("takes them: {table}")), "{error}");
        run(&shop, &format!("DROP TABLE {table}")).await;
    }
}

//! Events whose time has passed.

use database::mysql::Server;

use super::{backed_up, database, named};
use crate::mysql::testing::{fresh, is_mariadb, rows, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

/// MySQL runs events here, and switches off by itself what is over, sooner or later: these are left to it.
async fn states(server: &Server) -> Vec<Vec<Option<String>>> {
    let left = if is_mariadb() { "" } else { "AND event_name NOT IN ('on_then', 'until_then')" };
    let sql = format!(
        "SELECT event_name, status, execute_at, ends, on_completion, time_zone FROM information_schema.events
          WHERE event_schema = DATABASE() {left} ORDER BY event_name"
    );
    rows(server, &sql).await
}

/// Those that the server keeps when their time has passed are on or off afterwards as they were, by whatever way.
#[tokio::test]
async fn an_event_that_is_kept_when_it_is_over_stays_as_it_is() {
    let source = fresh().await;
    let soon = "UTC_TIMESTAMP() + INTERVAL 3 SECOND";
    run(
        &source,
        &format!(
            "SET time_zone = '+00:00';
            CREATE EVENT on_then ON SCHEDULE AT {soon} ON COMPLETION PRESERVE DO DO 0;
            CREATE EVENT off_then ON SCHEDULE AT {soon} ON COMPLETION PRESERVE DISABLE DO DO 0;
            CREATE EVENT elsewhere ON SCHEDULE AT {soon} ON COMPLETION PRESERVE DISABLE ON SLAVE DO DO 0;
            CREATE EVENT until_then ON SCHEDULE EVERY 1 HOUR STARTS '2001-01-01' ENDS {soon} ON COMPLETION PRESERVE DO DO 0;
            CREATE EVENT until_then_off ON SCHEDULE EVERY 1 HOUR STARTS '2001-01-01' ENDS {soon} ON COMPLETION PRESERVE DISABLE DO DO 0"
        ),
    )
    .await;
    let over = "SELECT MAX(COALESCE(execute_at, ends)) < UTC_TIMESTAMP() - INTERVAL 2 SECOND FROM information_schema.events
                 WHERE event_schema = DATABASE()";
    while rows(&source, over).await[0][0].as_deref() != Some("1") {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let before = states(&source).await;
    let on = before.iter().filter(|row| row[1].as_deref() == Some("ENABLED")).count();
    assert!(!is_mariadb() || on == 2, "{before:?}");
    let (_folder, archive) = backed_up(&source).await;
    let copy = format!("{}_copy", source.database());
    restore::into(&archive, &database(&source), &copy, &RestoreOptions::default(), &Silent).await.unwrap();
    assert_eq!(states(&named(&source, &copy)).await, before);
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    let beside = restore::beside(&archive, &database(&source), &options, &Silent).await.unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    assert_eq!(states(&source).await, before);
    restore::let_go(&database(&source), &replaced.name).await.unwrap();
}

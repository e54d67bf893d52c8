use std::time::Duration;

use crate::ErrorKind;
use chrono::Utc;
use database::Statements as _;

use super::super::swap::{Exchange, oid, settle};
use super::super::{let_go, replaced};
use super::{ask, beginning, connect, fresh, run, server};

fn exchange<'a>(server: &'a database::postgres::Server, scratch: &'a str) -> Exchange<'a> {
    Exchange { server, scratch, disconnect: false }
}

async fn pair() -> (String, String) {
    let (target, scratch) = (fresh("swap").await, fresh("swapped in").await);
    run(&target, "CREATE TABLE old (a int)").await;
    run(&scratch, "CREATE TABLE new (a int)").await;
    (target, scratch)
}

const WHICH: &str = "SELECT relname FROM pg_class WHERE relname IN ('old', 'new') AND relkind = 'r'";

#[tokio::test]
async fn two_databases_exchange_names_and_the_old_one_is_kept() {
    let (target, scratch) = pair().await;
    let server = server(&target);
    let done = exchange(&server, &scratch).run(Utc::now()).await.unwrap();
    assert_eq!(ask(&target, WHICH).await, "new");
    assert_eq!(ask(&done.name, WHICH).await, "old");
    let listed = replaced(&server, &target).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, done.name);
    assert!(listed[0].bytes.unwrap() > 1_000_000);

    for wrong in [target.as_str(), "postgres", "nothing_replaced_20261121T013400Z"] {
        assert_eq!(let_go(&server, &target, wrong).await.unwrap_err().kind(), ErrorKind::Refused, "{wrong}");
    }
    let reader = connect(&done.name).await;
    assert!(let_go(&server, &target, &done.name).await.is_err(), "somebody reads it");
    drop(reader);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let_go(&server, &target, &done.name).await.unwrap();
    assert_eq!(replaced(&server, &target).await.unwrap(), []);
    assert_eq!(beginning(&target).await, [target]);
}

#[tokio::test]
async fn sessions_of_others_are_named_and_left_alone() {
    let (target, scratch) = pair().await;
    let server = server(&target);
    let other = connect(&target).await;
    other.batch_execute("SET application_name = 'till'").await.unwrap();
    let error = exchange(&server, &scratch).run(Utc::now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("postgres with till from 127.0.0.1 since 20"), "{error}");
    assert!(error.hint().unwrap().contains("--disconnect"));
    other.batch_execute("SELECT 1").await.unwrap();
    assert_eq!(ask(&target, WHICH).await, "old");
}

#[tokio::test]
async fn the_callers_own_sessions_are_no_others() {
    let (target, scratch) = pair().await;
    let server = server(&target);
    let mut own = server.session().await.unwrap();
    exchange(&server, &scratch).run(Utc::now()).await.unwrap();
    assert!(own.query("SELECT 1").await.is_err());
    assert_eq!(ask(&target, WHICH).await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_come_back_at_once_cannot_hold_it_up() {
    let (target, scratch) = pair().await;
    let server = server(&target);
    let pool: Vec<_> = (0..4)
        .map(|_| {
            let (server, target) = (server.clone(), target.clone());
            tokio::spawn(async move {
                loop {
                    if let Ok(client) = server.connect(Some(&target)).await {
                        while client.batch_execute("SELECT pg_sleep(0.01)").await.is_ok() {}
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let done = Exchange { disconnect: true, ..exchange(&server, &scratch) }.run(Utc::now()).await;
    pool.iter().for_each(tokio::task::JoinHandle::abort);
    done.unwrap();
    assert_eq!(ask(&target, WHICH).await, "new");
}

#[tokio::test]
async fn only_one_swap_of_a_name_at_a_time() {
    let (target, scratch) = pair().await;
    let server = server(&target);
    let holder = database::postgres::swap_lock(&server).await.unwrap().unwrap();
    let exchange = exchange(&server, &scratch);
    let waiting = tokio::time::timeout(Duration::from_secs(1), exchange.run(Utc::now()));
    assert!(waiting.await.is_err(), "it has to wait");
    assert_eq!(ask(&target, WHICH).await, "old");
    holder.release().await;
    exchange.run(Utc::now()).await.unwrap();
}

/// What the server sees of a client that is killed is a closed socket: so do we, at every moment around the swap.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_anywhere_leaves_the_old_or_the_new() {
    let (target, mut scratch) = pair().await;
    let server = server(&target);
    let client = server.maintenance_database().await.unwrap();
    let mut outcomes = [0, 0];
    // The moments are parts of the time that a swap takes here and now.
    let began = std::time::Instant::now();
    scratch = exchange(&server, &scratch).run(Utc::now()).await.unwrap().name;
    let took = began.elapsed();
    for round in 0..60_u32 {
        let old = oid(&client, &target).await.unwrap().unwrap();
        let new = oid(&client, &scratch).await.unwrap().unwrap();
        let (s, n) = (server.clone(), scratch.clone());
        let swap =
            tokio::spawn(
                async move { Exchange { disconnect: true, ..exchange(&s, &n) }.run(Utc::now()).await },
            );
        tokio::time::sleep(took * round / 30).await;
        swap.abort();
        let _ = swap.await;
        settle(&server).await.unwrap();
        let now = oid(&client, &target).await.unwrap();
        let name = |oid: u32| async move {
            ask("postgres", &format!("SELECT datname FROM pg_database WHERE oid = {oid}")).await
        };
        if now == Some(new) {
            outcomes[1] += 1;
            // The next round swaps back.
            scratch = name(old).await;
            assert!(scratch.contains("_replaced_"), "{scratch}");
        } else {
            outcomes[0] += 1;
            assert_eq!(now, Some(old), "neither the old nor the new database");
            assert_eq!(name(new).await, scratch);
        }
    }
    assert!(outcomes[0] > 3 && outcomes[1] > 3, "the kills missed the swap: {outcomes:?}");
}

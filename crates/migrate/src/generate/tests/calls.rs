//! Functions that others call by their name alone.

use super::*;

/// Each calls the new function, there and back.
#[tokio::test]
async fn a_function_with_one_more_argument_is_called_by_what_called_it() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Postgres, folder.path());
    let text = |arguments: &str, check: &str| {
        format!(
            "CREATE FUNCTION f({arguments}) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a';
             CREATE TABLE t (id int DEFAULT f(1), n int DEFAULT f(2) + 1, CONSTRAINT c CHECK (f(id) > 0), CONSTRAINT d CHECK (f(n) > {check}));
             CREATE INDEX i ON t (f(id)); CREATE VIEW v AS SELECT f(id) AS x FROM t;
             CREATE TABLE u (id int); CREATE RULE r AS ON DELETE TO u DO ALSO DELETE FROM t WHERE f(id) = 1;"
        )
    };
    let (one, two) = (text("a int", "0"), text("a int, b int DEFAULT 1", "0"));
    Box::pin(pair(&on, &one, &two)).await.unwrap();
    Box::pin(pair(&on, &one, &text("a int, b int DEFAULT 1", "1"))).await.unwrap();
    // The rows of the table are read while others write.
    let found = generate(&on, &[&one], &two).await.unwrap();
    assert!(
        found.losses.is_empty() && found.drafts[1].up.contains("VALIDATE CONSTRAINT \"c\""),
        "{found:#?}"
    );
}

#[tokio::test]
async fn a_comment_on_the_namespace_public_comes_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Postgres, folder.path());
    let says = |what: &str| format!("COMMENT ON SCHEMA public IS {what};");
    for (old, new) in [
        ("SELECT 1;".to_owned(), says("'ours'")),
        (says("'ours'"), says("'mine'")),
        (says("'ours'"), says("NULL")),
        ("SELECT 1;".to_owned(), says("NULL")),
    ] {
        Box::pin(pair(&on, &old, &new)).await.unwrap();
    }
}

/// PostgreSQL 17 and later make no such view.
#[tokio::test]
async fn a_materialized_view_may_call_what_names_things_in_its_own_path() {
    let shop = crate::run::tests::Sandbox::new(Engine::Postgres).await;
    let model =
        "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM t';
        CREATE MATERIALIZED VIEW m AS SELECT f() AS n;";
    for statement in database::script::split(Engine::Postgres, model).unwrap() {
        shop.execute(statement.text).await;
    }
    let on = server(Engine::Postgres, std::path::Path::new(""));
    let there = There::Database(shop.database.clone());
    let new = format!("{model} CREATE TABLE more (b int);");
    let found = generate_between(&on, &there, &new, CancellationToken::new()).await.unwrap();
    assert_eq!(found.differences.len(), 1, "{found:#?}");
}

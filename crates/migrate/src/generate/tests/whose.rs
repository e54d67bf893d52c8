//! Whose things are: what is made again goes back to whom it was, and nobody's name is lost without a word.

use super::*;
use crate::run::tests::Sandbox;

#[tokio::test]
async fn what_the_migrations_gave_away_is_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Postgres, folder.path());
    let there = "CREATE TABLE t (id int, a int); CREATE VIEW v AS SELECT id FROM t; ALTER VIEW v OWNER TO pg_monitor;";
    let wanted = "CREATE TABLE t (id int, a int); CREATE VIEW v AS SELECT a, id FROM t;";
    let generated = Box::pin(generate(&on, &[there], wanted)).await.unwrap();
    let draft = &generated.drafts[0];
    assert!(draft.up.contains("OWNER TO \"pg_monitor\""), "{}", draft.up);
    assert!(draft.down.contains("OWNER TO \"pg_monitor\""), "{}", draft.down);
    assert!(!draft.up.contains("\"t\" OWNER"), "only what was given away: {}", draft.up);
}

#[tokio::test]
async fn a_definer_of_the_database_that_is_wanted_is_named() {
    let like = Sandbox::new(Engine::Mysql).await;
    like.execute("CREATE TABLE t (id int)").await;
    like.execute("CREATE DEFINER = `a``b`@`h` SQL SECURITY DEFINER VIEW v AS SELECT id FROM t").await;
    like.execute("CREATE VIEW mine AS SELECT id FROM t").await;
    let settings = Settings::default();
    let ask = |_: &super::super::Unclear| Some(Answer::Dropped);
    let variables = Arc::new(NoVariables);
    let cancel = CancellationToken::new();
    let generator = Generator { on: &like.database, settings: &settings, variables, ask: &ask, cancel };
    let wanted = Wanted::Like(like.database.clone());
    let options = GenerateOptions::default();
    let generated = Box::pin(generator.generate(&wanted, &there(&[]), &options)).await.unwrap();
    let up = &generated.drafts[0].up;
    assert!(
        up.contains("-- where it is wanted from, view v is of `a``b`@`h`; here of whoever runs this\n"),
        "{up}"
    );
    assert!(!up.contains("view mine is of") && !up.contains("DEFINER=") && !up.contains("DEFINER ="), "{up}");
}

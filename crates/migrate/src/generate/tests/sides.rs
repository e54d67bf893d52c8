//! What the two sides are made of: a database, files, or nothing yet.

use super::*;

const ENGINES: [Engine; 3] = [Engine::Sqlite, Engine::Postgres, Engine::Mysql];

async fn to(on: &Database, from: &There, wanted: &Wanted) -> Result<Generated, String> {
    let options = GenerateOptions { data_loss: true, ..GenerateOptions::default() };
    Box::pin(lead_to(on, from, wanted, &options, CancellationToken::new())).await
}

/// A SQLite database in which nothing was made yet.
fn empty(folder: &std::path::Path) -> Database {
    std::fs::write(folder.join("empty.db"), "").unwrap();
    let url = format!("sqlite://{}", folder.join("empty.db").display());
    Database::new(DatabaseUrl::parse(&url).unwrap()).unwrap()
}

#[tokio::test]
async fn a_database_may_be_empty() {
    const TABLE: &str = "CREATE TABLE a (id int);";
    let folder = tempfile::tempdir().unwrap();
    let empty = empty(folder.path());
    let found = to(&empty, &There::Database(empty.clone()), &Wanted::Models(vec![source(TABLE)])).await;
    let draft = found.unwrap().drafts.remove(0);
    assert!(draft.up.contains("CREATE TABLE") && draft.down.contains("DROP TABLE"), "{draft:?}");
    let found = to(&empty, &there(&[TABLE]), &Wanted::Like(empty.clone())).await;
    let draft = found.unwrap().drafts.remove(0);
    assert!(draft.up.contains("DROP TABLE") && draft.down.contains("CREATE TABLE"), "{draft:?}");
    let found = to(&empty, &There::Database(empty.clone()), &Wanted::Like(empty.clone())).await;
    assert!(found.unwrap().drafts.is_empty());
}

#[tokio::test]
async fn models_may_make_nothing() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let on = server(engine, folder.path());
        let nothing = Wanted::Models(vec![source("-- Nothing is wanted yet.\n")]);
        let found = to(&on, &there(&["CREATE TABLE a (id int);"]), &nothing).await.unwrap();
        assert!(found.drafts[0].up.contains("DROP TABLE"), "{engine}: {:?}", found.drafts);
        assert!(to(&on, &there(&[]), &nothing).await.unwrap().drafts.is_empty(), "{engine}");
    }
}

#[tokio::test]
async fn models_are_sql_in_which_nothing_is_filled() {
    const BRACES: &str = "CREATE TABLE t (a varchar(40) DEFAULT '${x} ${{y}} ${{{z}}}');";
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let on = server(engine, folder.path());
        let found = generate(&on, &[], BRACES).await.unwrap();
        let up = &found.drafts[0].up;
        assert!(up.contains("'${{x}} ${{{y}}} ${{{{z}}}}'"), "{engine}: {up}");
        let again = generate(&on, &[up], BRACES).await.unwrap();
        assert!(again.drafts.is_empty(), "{engine}: {:#?}", again.differences);
        let other = BRACES.replace("${{y}}", "${y}");
        let found = generate(&on, &[up], &other).await.unwrap();
        assert_eq!(found.differences.len(), 1, "{engine}");
    }
}

#[tokio::test]
async fn what_cannot_be_made_is_named_with_its_file_and_line() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let on = server(engine, folder.path());
        let file = |path: &str, text: &str| Source { path: path.into(), text: text.to_owned() };
        let models = vec![
            file("models/a.sql", "CREATE TABLE a (id int);\n"),
            file("models/b.sql", "CREATE TABLE b (id int);\n\nCREATE TABEL c (id int);\n"),
        ];
        let error = to(&on, &there(&[]), &Wanted::Models(models)).await.unwrap_err();
        let begin = "what is wanted cannot be made: models/b.sql, line 3: ";
        assert!(error.starts_with(begin), "{engine}: {error}");
    }
}

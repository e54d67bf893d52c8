//! Columns of PostgreSQL whose change takes others along.

use super::*;

/// Each becomes the other and is taken back, without a word of loss.
async fn without_loss(old: &str, new: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Postgres, folder.path());
    let options = GenerateOptions { one_file: true, ..GenerateOptions::default() };
    let found = generate_with(&on, &[old], new, &options).await;
    let draft = found.unwrap_or_else(|error| panic!("{old}\n{new}\n{error}")).drafts.remove(0);
    let again = generate(&on, &[old, &draft.up], new).await.unwrap();
    assert!(again.drafts.is_empty(), "{:#?}", again.differences);
    draft.up
}

#[tokio::test]
async fn what_is_computed_of_a_column_goes_along_with_its_type() {
    const OLD: &str = "CREATE TABLE t (e int GENERATED ALWAYS AS (q - 1) STORED, q int, d int GENERATED ALWAYS AS (q * 2) STORED, n int,
        CHECK (d > n), UNIQUE (d)); CREATE TABLE u (d int REFERENCES t (d)); CREATE INDEX by_d ON t (d); COMMENT ON COLUMN t.d IS 'twice';
        CREATE VIEW v AS SELECT d FROM t;";
    // What differs else in them must not be in the way of that.
    let wide = OLD.replace("q int", "q bigint");
    for new in [
        wide.clone(),
        wide.replace("q * 2", "q * 3").replace("e int GENERATED ALWAYS AS (q - 1) STORED", "e int"),
        wide.replace("e int GENERATED ALWAYS AS (q - 1) STORED, ", "")
            .replace("d int GENERATED ALWAYS AS (q * 2) STORED", "d int"),
    ] {
        let up = without_loss(OLD, &new).await;
        assert!(up.contains("TYPE bigint"), "{up}");
    }
    // Of another column it stays as it is.
    let up = without_loss(OLD, &OLD.replace("n int", "n bigint")).await;
    assert!(!up.contains("DROP COLUMN"), "{up}");
}

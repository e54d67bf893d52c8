//! Renames of names that have dots, quotes and equals signs in them.

use super::*;

fn renamed(renames: &[&str]) -> GenerateOptions {
    let renames = renames.iter().map(|text| text.parse().unwrap()).collect();
    GenerateOptions { renames, ..GenerateOptions::default() }
}

#[tokio::test]
async fn names_that_need_quotes_are_renamed() {
    let folder = tempfile::tempdir().unwrap();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let on = server(engine, folder.path());
        let from = "CREATE TABLE \"a.b\" (id int, \"x=y\" int, \"say \"\"it\"\"\" int); CREATE TABLE item (id int, a int);";
        let to = "CREATE TABLE c (id int, z int, \"d.e\" int); CREATE TABLE \"my.item\" (id int, a int);";
        let options =
            renamed(&["\"a.b\"=c", "c.\"x=y\"=z", "c.\"say \"\"it\"\"\"=c.\"d.e\"", "item=\"my.item\""]);
        let generated = Box::pin(generate_with(&on, &[from], to, &options)).await.unwrap();
        assert!(generated.losses.is_empty(), "{engine}: {:?}", generated.losses);
        let up = &generated.drafts[0].up;
        assert_eq!(up.matches("RENAME").count(), 4, "{engine}: {up}");
        assert!(!up.contains("DROP"), "{engine}: {up}");
    }
}

#[tokio::test]
async fn a_name_that_would_be_cut_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let on = server(Engine::Sqlite, folder.path());
    let (from, to) = ("CREATE TABLE item (id int);", "CREATE TABLE \"my.item\" (id int);");
    let error = Box::pin(generate_with(&on, &[from], to, &renamed(&["item=my.item"]))).await.unwrap_err();
    assert!(
        error.contains("my.item is no new name of table item: only its last part can be another"),
        "{error}"
    );
    // With what is before it, it is the same as without.
    let (from, to) = ("CREATE TABLE item (id int, a int);", "CREATE TABLE item (id int, b int);");
    let generated = Box::pin(generate_with(&on, &[from], to, &renamed(&["item.a=item.b"]))).await.unwrap();
    assert!(generated.drafts[0].up.contains("RENAME"), "{}", generated.drafts[0].up);
}

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

#[tokio::test]
async fn names_that_nothing_has_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::Mysql] {
        let on = server(engine, folder.path());
        let from = "CREATE TABLE item (id int, a int); CREATE TABLE old (id int, z int);";
        let to = "CREATE TABLE product (id int, b int);";
        let refused = async |options: GenerateOptions| {
            let options = GenerateOptions { data_loss: true, ..options };
            Box::pin(generate_with(&on, &[from], to, &options)).await.unwrap_err()
        };
        for (renames, message) in [
            (&["item=prodct"][..], "what is wanted has nothing called prodct, the new name of item"),
            (&["item.a=c"], "what is wanted has nothing called c, the new name of item.a"),
            (
                &["item=product", "product.a=c"],
                "what is wanted has nothing called c, the new name of product.a",
            ),
            (&["itm=product"], "there is nothing called itm"),
        ] {
            assert!(refused(renamed(renames)).await.contains(message), "{engine}: {renames:?}");
        }
        for (renames, dropped, message) in [
            (&["item=product"][..], "odl", "there is nothing called odl"),
            (
                &["item=product", "product.a=b"],
                "product.b",
                "product.b is not dropped: what is wanted has it",
            ),
        ] {
            let options = GenerateOptions { dropped: vec![dropped.to_owned()], ..renamed(renames) };
            let said = refused(options).await;
            assert!(said.contains(message), "{engine}: {said}");
        }
        let renames = renamed(&["item.a=b", "item=product"]);
        let options = GenerateOptions { dropped: vec!["old".to_owned()], data_loss: true, ..renames };
        let generated = Box::pin(generate_with(&on, &[from], to, &options)).await.unwrap();
        assert_eq!(
            generated.drafts[0].up.matches("RENAME").count(),
            2,
            "{engine}: {}",
            generated.drafts[0].up
        );
    }
}

#[tokio::test]
async fn names_are_swapped_through_another_one() {
    let folder = tempfile::tempdir().unwrap();
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::Mysql] {
        let on = server(engine, folder.path());
        for (from, to, renames) in [
            (
                "CREATE TABLE item (id int, a int, b varchar(9));",
                "CREATE TABLE item (id int, b int, a varchar(9));",
                &["item.a=tmp", "item.b=a", "item.tmp=b"][..],
            ),
            (
                "CREATE TABLE item (id int, a int); CREATE TABLE two (id int, b int);",
                "CREATE TABLE two (id int, a int); CREATE TABLE item (id int, b int);",
                &["item=t", "two=item", "t=two"],
            ),
            // The name that the table had is another one's now.
            (
                "CREATE TABLE item (id int, a int);",
                "CREATE TABLE product (id int, z int); CREATE TABLE item (c int);",
                &["item.a=z", "item=product"],
            ),
        ] {
            let generated = Box::pin(generate_with(&on, &[from], to, &renamed(renames))).await.unwrap();
            assert!(generated.losses.is_empty(), "{engine}: {:?}", generated.losses);
            let up = &generated.drafts[0].up;
            assert_eq!(up.matches("RENAME").count(), renames.len(), "{engine}: {up}");
        }
        let (from, to) = ("CREATE TABLE item (id int, a int);", "CREATE TABLE item (id int, b int);");
        let error = Box::pin(generate_with(&on, &[from], to, &renamed(&["item.a=tmp"]))).await.unwrap_err();
        assert!(error.contains("nothing called tmp, the new name of item.a"), "{engine}: {error}");
    }
}

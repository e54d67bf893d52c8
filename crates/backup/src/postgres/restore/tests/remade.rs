//! What no archive carries and a restore makes anew: it is told by name where it does not come out as it was.

use super::archives::Place;
use super::by_hand::as_role;
use super::{ask, database, fresh, name, run};
use crate::progress::Silent;
use crate::restore::{self, Remade, RestoreOptions, Safeguard};
use crate::verify;

const SHOP: &str = "
CREATE FUNCTION tax(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
CREATE TABLE sold (tab text, n integer, \"the tax\" integer GENERATED ALWAYS AS (tax(n)) STORED, net integer GENERATED ALWAYS AS (n - 1) STORED);
INSERT INTO sold VALUES (E'a\\tb\\\\', 1), (NULL, NULL), ('c', 3);
CREATE TABLE all_generated (b integer GENERATED ALWAYS AS (7) STORED); INSERT INTO all_generated VALUES (DEFAULT); INSERT INTO all_generated VALUES (DEFAULT);
CREATE MATERIALIZED VIEW fresh AS SELECT n FROM sold; CREATE MATERIALIZED VIEW stale AS SELECT n FROM sold WHERE n > 1;
CREATE MATERIALIZED VIEW empty AS SELECT 1 WITH NO DATA; CREATE MATERIALIZED VIEW \"other rows\" AS SELECT tab FROM sold WHERE n = 3;";

fn told(remade: &[Remade]) -> Vec<(&str, &str)> {
    remade.iter().map(|one| (one.object.as_str(), one.what.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_columns_and_materialized_views_that_differ_are_told() {
    let shop = fresh("remade").await;
    run(&shop, SHOP).await;
    let (door, place, options) = (database(&shop), Place::new(), RestoreOptions::default());
    let (archive, written) = place.back_up(&door).await;
    let deep = verify::verify(&place.store, &written.name, Some(&door), &options, &Silent).await.unwrap();
    assert_eq!(told(&deep.remade), [], "all of it is as it was");

    run(&shop, "INSERT INTO sold VALUES ('d', 4); UPDATE sold SET tab = 'e' WHERE n = 3; REFRESH MATERIALIZED VIEW fresh").await;
    run(
        &shop,
        "CREATE OR REPLACE FUNCTION tax(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 3'",
    )
    .await;
    let (differing, written) = place.back_up(&door).await;
    let deep = verify::verify(&place.store, &written.name, Some(&door), &options, &Silent).await.unwrap();
    let remade = told(&deep.remade);
    let objects: Vec<_> = remade.iter().map(|(object, _)| *object).collect();
    assert_eq!(
        objects,
        ["table public.sold", "materialized view public.other rows", "materialized view public.stale"]
    );
    assert!(remade[0].1.contains("`the tax`, `net`"), "{remade:?}");
    assert!(remade[1].1.contains("other ones now"), "{remade:?}");
    assert!(remade[2].1.contains("its rows are 2 now, and were 1"), "{remade:?}");

    // Every way of a restore tells the same.
    let copy = name("remade copy");
    assert_eq!(restore::into(&differing, &door, &copy, &options, &Silent).await.unwrap(), deep.remade);
    let part = super::parts::options(super::parts::of_tables(&["sold"]));
    let remade = restore::into(&differing, &door, &name("remade part"), &part, &Silent).await.unwrap();
    assert_eq!(remade, deep.remade[..1]);
    let beside = restore::beside(&differing, &door, &options, &Silent).await.unwrap();
    assert_eq!(beside.remade(), deep.remade);
    beside.discard().await.unwrap();
    run(&copy, "DROP TABLE sold CASCADE").await;
    let among = restore::among(&differing, &database(&copy), &part, &Silent).await.unwrap();
    assert_eq!(among.remade, deep.remade[..1]);
    let options = RestoreOptions { disconnect: true, ..options };
    let safeguard = Safeguard::verify(&written, &place.store, &door, &Silent, &options.cancel).await.unwrap();
    let remade = restore::in_place(&differing, &door, &safeguard, &[], &options, &Silent).await.unwrap();
    assert_eq!(remade, deep.remade);
    assert_eq!(ask(&shop, "SELECT string_agg(\"the tax\"::text, ' ' ORDER BY n) FROM sold").await, "3 9 12");

    // An archive of a dbm that kept no such digests says nothing, and is as good as it was.
    let older = Place::new()
        .forged(&archive, |_, _, tail| drop(tail.extras.as_object_mut().unwrap().remove("derived").unwrap()))
        .await;
    run(
        &shop,
        "CREATE OR REPLACE FUNCTION tax(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0'",
    )
    .await;
    assert_eq!(restore::into(&older, &door, &name("remade old"), &options, &Silent).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_materialized_view_that_cannot_be_read_is_no_reason_to_have_no_backup() {
    let (shop, role) = (fresh("unread").await, name("may not read"));
    run("postgres", &format!("CREATE ROLE \"{role}\" LOGIN")).await;
    run(&shop, "CREATE MATERIALIZED VIEW secret AS SELECT 1; CREATE MATERIALIZED VIEW other AS SELECT 2")
        .await;
    run(&shop, &format!("GRANT SELECT ON other TO \"{role}\"")).await;
    let (archive, _) = Place::new().back_up(&as_role(&shop, &role)).await;
    let options = RestoreOptions::default();
    let copy = name("unread copy");
    let remade = restore::into(&archive, &database(&shop), &copy, &options, &Silent).await.unwrap();
    assert_eq!(remade.len(), 1);
    assert!(
        remade[0].to_string().contains("public.secret: ") && remade[0].what.contains("could not be read")
    );
}

use database::{Kind, ObjectId};

use super::*;

/// A database as a list of what there is and what each needs.
struct Draft(Vec<(ObjectId, Vec<ObjectId>)>);

fn id(kind: Kind, namespace: &str, of: &str, name: &str) -> ObjectId {
    ObjectId { kind, namespace: namespace.into(), of: of.into(), name: name.into() }
}

fn shop() -> Draft {
    let ns = |name: &str| id(Kind::Namespace, "", "", name);
    let at = |kind: Kind, name: &str| id(kind, "public", "", name);
    let of = |kind: Kind, of: &str, name: &str| id(kind, "public", of, name);
    let (orders, customers) = (at(Kind::Table, "orders"), at(Kind::Table, "customers"));
    let (events, first) = (at(Kind::Table, "events"), at(Kind::Table, "events_1"));
    Draft(vec![
        (ns("public"), vec![]),
        (ns("audit"), vec![]),
        (id(Kind::Extension, "", "", "citext"), vec![ns("public")]),
        (at(Kind::Enum, "state"), vec![ns("public")]),
        (at(Kind::Function, "stamp()"), vec![ns("public")]),
        (at(Kind::Sequence, "orders_id_seq"), vec![ns("public")]),
        (orders.clone(), vec![ns("public"), at(Kind::Enum, "state"), at(Kind::Sequence, "orders_id_seq")]),
        (at(Kind::OwnedBy, "orders_id_seq"), vec![at(Kind::Sequence, "orders_id_seq"), orders.clone()]),
        (customers.clone(), vec![ns("public"), id(Kind::Extension, "", "", "citext")]),
        (at(Kind::Sequence, "customers_id_seq"), vec![ns("public"), customers.clone()]),
        (of(Kind::Constraint, "customers", "customers_pkey"), vec![customers.clone()]),
        (of(Kind::Index, "orders", "i"), vec![orders.clone()]),
        (of(Kind::Trigger, "orders", "t"), vec![orders.clone(), at(Kind::Function, "stamp()")]),
        (
            of(Kind::ForeignKey, "orders", "fk"),
            vec![orders.clone(), customers.clone(), of(Kind::Constraint, "customers", "customers_pkey")],
        ),
        (at(Kind::View, "open"), vec![ns("public"), orders.clone()]),
        (events.clone(), vec![ns("public")]),
        (first.clone(), vec![ns("public")]),
        (at(Kind::Attach, "events_1"), vec![first.clone(), events.clone()]),
        (of(Kind::Index, "events", "e"), vec![events.clone()]),
        (of(Kind::Index, "events_1", "e_1"), vec![first.clone()]),
        (at(Kind::Attach, "e_1"), vec![of(Kind::Index, "events_1", "e_1"), of(Kind::Index, "events", "e")]),
        (id(Kind::Table, "audit", "", "log"), vec![ns("audit")]),
        (id(Kind::LargeObject, "", "", "4711"), vec![]),
        (id(Kind::DefaultPrivileges, "audit", "me", "tables"), vec![ns("audit")]),
    ])
}

impl Draft {
    fn pick(
        &self,
        selection: &Selection,
        there: &[&str],
    ) -> crate::Result<(Vec<String>, Vec<String>, Vec<String>)> {
        let place = |id: &ObjectId| self.0.iter().position(|(own, _)| own == id).unwrap();
        let nodes: Vec<Node<'_>> =
            self.0.iter().map(|(id, needs)| Node { id, needs: needs.iter().map(place).collect() }).collect();
        let picked = pick(&nodes, selection, &|id| there.contains(&id.to_string().as_str()))?;
        let named = |flags: &[bool]| {
            (0..nodes.len())
                .filter(|&place| flags[place])
                .map(|place| nodes[place].id.to_string())
                .collect::<Vec<_>>()
        };
        let kept = named(&picked.kept).into_iter().filter(|name| name != "namespace public").collect();
        let tables = |name: &String| name.starts_with("table ");
        Ok((kept, named(&picked.rows).into_iter().filter(tables).collect(), picked.cut))
    }
}

fn tables(patterns: &[&str]) -> Vec<Pattern> {
    patterns.iter().map(|text| Pattern::table(text).unwrap()).collect()
}

fn schemas(patterns: &[&str]) -> Vec<Pattern> {
    patterns.iter().map(|text| Pattern::schema(text).unwrap()).collect()
}

#[test]
fn everything_is_everything() {
    let shop = shop();
    let (kept, rows, cut) = shop.pick(&Selection::default(), &[]).unwrap();
    assert_eq!((kept.len(), rows.len(), cut.len()), (shop.0.len() - 1, 5, 0));
}

#[test]
fn a_table_brings_what_it_needs_and_its_foreign_key_is_cut_by_name() {
    let selection = Selection { tables: tables(&["orders"]), ..Selection::default() };
    let (kept, rows, cut) = shop().pick(&selection, &[]).unwrap();
    assert_eq!(
        kept,
        [
            "enum public.state",
            "function public.stamp()",
            "sequence public.orders_id_seq",
            "table public.orders",
            "owned by public.orders_id_seq",
            "index public.orders.i",
            "trigger public.orders.t"
        ]
    );
    assert_eq!(rows, ["table public.orders"]);
    assert_eq!(cut, ["foreign key public.orders.fk: table public.customers is not"]);
    // Where the other table is there already, the foreign key comes along.
    let there = ["table public.customers", "constraint public.customers.customers_pkey", "enum public.state"];
    let (kept, _, cut) = shop().pick(&selection, &there).unwrap();
    assert!(kept.contains(&"foreign key public.orders.fk".to_owned()), "{kept:?}");
    assert!(!kept.contains(&"enum public.state".to_owned()), "{kept:?}");
    assert!(cut.is_empty(), "{cut:?}");
    let both = Selection { tables: tables(&["orders|customers"]), ..Selection::default() };
    let (kept, _, cut) = shop().pick(&both, &[]).unwrap();
    assert!(kept.contains(&"extension citext".to_owned()) && cut.is_empty(), "{kept:?} {cut:?}");
    assert!(kept.contains(&"sequence public.customers_id_seq".to_owned()), "{kept:?}");
}

#[test]
fn a_view_without_its_table_is_refused_by_name() {
    let selection = Selection { tables: tables(&["open"]), ..Selection::default() };
    let error = shop().pick(&selection, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("view public.open needs table public.orders"), "{error}");
    let selection = Selection { exclude_tables: tables(&["orders"]), ..Selection::default() };
    assert!(
        shop()
            .pick(&selection, &[])
            .unwrap_err()
            .to_string()
            .contains("view public.open needs table public.orders")
    );
    let selection = Selection { exclude_tables: tables(&["orders", "open"]), ..Selection::default() };
    let (kept, ..) = shop().pick(&selection, &[]).unwrap();
    assert!(!kept.iter().any(|name| name.contains(".orders.")), "{kept:?}");
    // The sequence was nobody's wish to leave out.
    assert!(
        kept.contains(&"sequence public.orders_id_seq".to_owned())
            && !kept.contains(&"owned by public.orders_id_seq".to_owned())
    );
}

#[test]
fn partitions_go_with_their_table() {
    for (patterns, expected) in [(["events"], 6), (["events_1"], 2)] {
        let selection = Selection { tables: tables(&patterns), ..Selection::default() };
        let (kept, _, cut) = shop().pick(&selection, &[]).unwrap();
        assert_eq!(kept.len(), expected, "{kept:?}");
        assert_eq!(cut.len(), if patterns == ["events"] { 0 } else { 2 }, "{cut:?}");
    }
    let selection = Selection { exclude_tables: tables(&["events"]), ..Selection::default() };
    assert!(
        !shop()
            .pick(&selection, &[])
            .unwrap()
            .0
            .iter()
            .any(|name| name.contains("event") || name.contains("e_1"))
    );
    let selection = Selection { exclude_table_data: tables(&["events"]), ..Selection::default() };
    let (kept, rows, _) = shop().pick(&selection, &[]).unwrap();
    assert!(kept.contains(&"table public.events_1".to_owned()));
    assert!(!rows.iter().any(|name| name.contains("events")), "{rows:?}");
}

#[test]
fn namespaces() {
    let selection = Selection { schemas: schemas(&["aud*"]), ..Selection::default() };
    let (kept, ..) = shop().pick(&selection, &[]).unwrap();
    assert_eq!(kept, ["namespace audit", "table audit.log", "default privileges audit.me.tables"]);
    let selection = Selection { exclude_schemas: schemas(&["audit"]), ..Selection::default() };
    let (kept, ..) = shop().pick(&selection, &[]).unwrap();
    assert!(
        !kept.iter().any(|name| name.contains("audit")) && kept.contains(&"large object 4711".to_owned())
    );
}

#[test]
fn rows_and_definitions() {
    let selection = Selection { content: Content::SchemaOnly, ..Selection::default() };
    let (kept, rows, _) = shop().pick(&selection, &[]).unwrap();
    assert!(rows.is_empty() && !kept.contains(&"large object 4711".to_owned()));
    assert_eq!(selection.in_words(), [("all rows".to_owned(), "--schema-only")]);
}

#[test]
fn what_names_nothing_and_what_does_not_go_together() {
    for selection in [
        Selection { tables: tables(&["orders", "ordres"]), ..Selection::default() },
        Selection { schemas: schemas(&["nowhere"]), ..Selection::default() },
    ] {
        assert_eq!(shop().pick(&selection, &[]).unwrap_err().kind(), ErrorKind::NotFound);
    }
    let both = Selection { tables: tables(&["a"]), schemas: schemas(&["b"]), ..Selection::default() };
    assert_eq!(shop().pick(&both, &[]).unwrap_err().kind(), ErrorKind::Usage);
}

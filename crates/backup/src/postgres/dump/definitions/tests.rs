use database::Table;

use super::*;

fn id(kind: Kind, of: &str, name: &str) -> ObjectId {
    ObjectId { kind, namespace: "public".into(), of: of.into(), name: name.into() }
}

fn object(id: ObjectId, section: Section, depends_on: &[&ObjectId]) -> Object {
    Object {
        definition: format!("-- {id}\nSELECT 1;\n"),
        id,
        section,
        owner: None,
        comments: Vec::new(),
        privileges: Vec::new(),
        depends_on: depends_on.iter().map(|&id| id.clone()).collect(),
        table: None,
    }
}

/// With the namespace `public`, which is there without a definition.
fn schema(mut objects: Vec<Object>) -> Schema {
    let public = ObjectId {
        kind: Kind::Namespace,
        namespace: String::new(),
        of: String::new(),
        name: "public".into(),
    };
    objects.push(Object { definition: String::new(), ..object(public, Section::PreData, &[]) });
    Schema { objects, ..Schema::default() }
}

#[test]
fn a_namespace_public_that_was_dropped_is_dropped_again() {
    let script = |schema: &Schema| {
        let planned = parts(schema, Section::PreData, &HashMap::new()).unwrap();
        String::from_utf8(planned.into_iter().flat_map(|one| one.part.bytes).collect()).unwrap()
    };
    let mut with = schema(vec![table("t", 1)]);
    assert!(!script(&with).contains("DROP"));
    with.objects.retain(|object| object.id.kind != Kind::Namespace);
    assert!(script(&with).starts_with("DROP SCHEMA IF EXISTS \"public\";\n"));
}

fn table(name: &str, bytes: u64) -> Object {
    let mut table = object(id(Kind::Table, "", name), Section::PreData, &[]);
    table.table = Some(Box::new(Table { holds_rows: true, bytes, ..Table::default() }));
    table
}

fn shape(planned: &[Planned]) -> Vec<(Aspect, Vec<String>, Vec<usize>)> {
    let shape = |one: &Planned| {
        let names = one.part.objects.iter().map(|id| id.name.clone()).collect();
        (one.part.aspect, names, one.follows.iter().copied().collect())
    };
    planned.iter().map(shape).collect()
}

#[test]
fn definitions_then_comments_then_owners() {
    let mut a = table("a", 0);
    a.owner = Some("ALTER TABLE a OWNER TO bob;\n".into());
    a.comments = vec!["COMMENT ON TABLE a IS 'x';\n".into(), "COMMENT ON COLUMN a.b IS 'y';\n".into()];
    a.privileges = vec!["GRANT SELECT ON a TO bob;\n".into()];
    let schema = schema(vec![a, table("b", 0)]);
    let planned = parts(&schema, Section::PreData, &HashMap::new()).unwrap();
    assert_eq!(
        shape(&planned),
        [
            (Aspect::Definition, vec!["a".into(), "b".into()], vec![]),
            (Aspect::Comment, vec!["a".into()], vec![0]),
            (Aspect::Owner, vec!["a".into()], vec![1]),
        ]
    );
    assert_eq!(planned[1].part.bytes, b"COMMENT ON TABLE a IS 'x';\nCOMMENT ON COLUMN a.b IS 'y';\n");
    let last = parts(&schema, Section::Final, &HashMap::new()).unwrap();
    assert_eq!(shape(&last), [(Aspect::Privileges, vec!["a".into()], vec![])]);
}

#[test]
fn what_belongs_to_a_large_table_can_be_restored_beside_the_rest() {
    let (large, small) = (table("large", LARGE_TABLE), table("small", 10));
    let key = id(Kind::Constraint, "large", "large_pkey");
    let key_object = object(key.clone(), Section::PostData, &[&large.id]);
    let small_key = object(id(Kind::Constraint, "small", "small_pkey"), Section::PostData, &[&small.id]);
    let index = object(id(Kind::Index, "large", "large_i"), Section::PostData, &[&large.id]);
    let foreign =
        object(id(Kind::ForeignKey, "small", "small_fk"), Section::PostData, &[&small.id, &large.id, &key]);
    let trigger = object(id(Kind::Trigger, "small", "small_t"), Section::PostData, &[&small.id]);
    let schema = schema(vec![large, small, key_object, small_key, index, foreign, trigger]);
    let planned = parts(&schema, Section::PostData, &HashMap::new()).unwrap();
    assert_eq!(
        shape(&planned),
        [
            (Aspect::Definition, vec!["large_pkey".into()], vec![]),
            (Aspect::Definition, vec!["small_pkey".into()], vec![]),
            (Aspect::Definition, vec!["large_i".into()], vec![]),
            (Aspect::Definition, vec!["small_fk".into()], vec![0]),
            (Aspect::Definition, vec!["small_t".into()], vec![]),
        ]
    );
}

#[test]
fn a_key_of_a_large_table_is_made_of_its_index_once_the_table_s_other_indexes_are_built() {
    let (large, small) = (table("large", LARGE_TABLE), table("small", 10));
    let key = |name: &str| id(Kind::Constraint, "large", name);
    let (first, second) = (key("a_key"), key("b_key"));
    let of = |id: &ObjectId| object(id.clone(), Section::PostData, &[&large.id]);
    let (one, two) = (of(&first), Object { definition: "SELECT 2;\nSELECT 3;\n".into(), ..of(&second) });
    let index = of(&id(Kind::Index, "large", "i"));
    let trigger = object(id(Kind::Trigger, "small", "t"), Section::PostData, &[&small.id]);
    let foreign =
        object(id(Kind::ForeignKey, "small", "f"), Section::PostData, &[&small.id, &large.id, &first]);
    let schema = schema(vec![large, small, one, two, index, foreign, trigger]);
    let step = |name: &str| Key { index: format!("INDEX {name};\n"), key: format!("KEY {name};\n") };
    let keys = HashMap::from([(first, step("a")), (second, step("b"))]);
    let planned = parts(&schema, Section::PostData, &keys).unwrap();
    assert_eq!(
        shape(&planned),
        [
            (Aspect::Index, vec!["a_key".into()], vec![]),
            (Aspect::Index, vec!["b_key".into()], vec![]),
            (Aspect::Definition, vec!["i".into()], vec![]),
            (Aspect::Definition, vec!["a_key".into()], vec![0, 1, 2]),
            (Aspect::Definition, vec!["b_key".into()], vec![0, 1, 2]),
            (Aspect::Definition, vec!["f".into()], vec![3]),
            (Aspect::Definition, vec!["t".into()], vec![]),
        ]
    );
    assert_eq!(planned[4].part.bytes, b"KEY b;\nSELECT 3;\n");
}

#[test]
fn foreign_keys_that_share_tables_share_a_part() {
    let tables: Vec<Object> = [("a", LARGE_TABLE), ("b", 1), ("c", 1), ("d", 1), ("e", 1), ("f", 1)]
        .map(|(name, bytes)| table(name, bytes))
        .into();
    let key = |of: usize, to: usize| {
        let name = format!("{}_{}", tables[of].id.name, tables[to].id.name);
        object(
            id(Kind::ForeignKey, &tables[of].id.name, &name),
            Section::PostData,
            &[&tables[of].id, &tables[to].id],
        )
    };
    let keys = [key(0, 1), key(1, 2), key(3, 4), key(5, 5)];
    let schema = schema(tables.iter().cloned().chain(keys).collect());
    let planned = parts(&schema, Section::PostData, &HashMap::new()).unwrap();
    assert_eq!(
        shape(&planned),
        [
            (Aspect::Definition, vec!["a_b".into(), "b_c".into()], vec![]),
            (Aspect::Definition, vec!["d_e".into(), "f_f".into()], vec![]),
        ]
    );
}

#[test]
fn a_command_in_a_definition_is_refused_by_name() {
    let mut a = table("a", 0);
    a.definition = "CREATE TABLE a ();\n\\! touch f;\n".into();
    let error = parts(&schema(vec![a]), Section::PreData, &HashMap::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("table public.a"), "{error}");
}
